//! Who is there: the table of peers, and every decision about it.
//!
//! Sans-IO. [`Membership::handle`] takes an [`Event`] and the time, and returns [`Effect`]s for the
//! actor to perform. The same events at the same times give the same effects, whoever drives them:
//! the actor, a test or a simulation.

mod config;
mod departed;
mod event;
mod gate;
mod lost;
mod moment;
mod probes;
mod schedule;
mod seq;
mod stats;
mod syncs;
mod table;
#[cfg(test)]
mod tests;
mod view;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

pub use config::MembershipConfig;
pub use event::{Effect, Event, Now, RemovalReason, SyncEnd};
pub use gate::Refusal;
use id_proto::{
    GossipMessage, Leave, PeerAnnouncement, PeerEntry, SignedAnnouncement, SignedLeave, Source,
    Statement, UnverifiedAnnouncement, UnverifiedLeave,
    iroh_base::{PublicKey, SecretKey, Signature, TransportAddr},
    limits,
};
pub use moment::Moment;
pub use stats::Stats;
pub use table::Entry;
pub use view::View;

use self::{
    departed::{Departed, MAX_DEPARTED},
    gate::Gate,
    lost::{Bond, Lost},
    probes::Probes,
    schedule::{Audience, Schedule},
    seq::Seq,
    syncs::Syncs,
    table::{Table, TableFull},
};

/// What a node says of itself that may change while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFacts {
    /// What its operator calls it, at most [`limits::MAX_NAME_LEN`] bytes; a longer one is a panic.
    pub name: Option<String>,
    /// How many blobs it holds.
    pub blob_count: u64,
    /// Where it can be dialled, in order of usefulness; what doesn't fit is left out.
    pub addrs: Vec<TransportAddr>,
}

/// How a view differs from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// In nothing.
    Nothing,
    /// In what was counted. Somebody who sends garbage causes it as often as they like.
    Counters,
    /// In who is there.
    Peers,
}

/// The state of one node's view of its network.
#[derive(Debug)]
pub struct Membership {
    key: SecretKey,
    me: PublicKey,
    config: MembershipConfig,
    facts: OwnFacts,
    own: SignedAnnouncement,
    seq: Seq,
    table: Table,
    departed: Departed,
    neighbours: BTreeSet<PublicKey>,
    probes: Probes,
    syncs: Syncs,
    lost: Lost,
    schedule: Schedule,
    next_sweep: Duration,
    stats: Stats,
    /// The counters of the last view.
    shown: Stats,
    changed: bool,
    leaving: bool,
}

impl Membership {
    /// The membership of a node that knows nobody. `seq_floor` is the highest sequence number that
    /// an earlier run may have used.
    pub fn new(
        key: SecretKey,
        config: MembershipConfig,
        facts: OwnFacts,
        seq_floor: u64,
        now: Now,
    ) -> (Self, Vec<Effect>) {
        let mut effects = Vec::new();
        let mut seq = Seq::new(seq_floor);
        let me = key.public();
        let interval = within_limits(config.announce_interval);
        let own = sign(&key, &config, &facts, interval, seq.next(now, &mut effects), now);
        let membership = Self {
            me,
            key,
            facts,
            own,
            seq,
            table: Table::new(config.max_entries),
            departed: Departed::new(MAX_DEPARTED),
            neighbours: BTreeSet::new(),
            probes: Probes::new(config.max_probes),
            syncs: Syncs::new(config.sync_gap),
            lost: Lost::new(me),
            schedule: Schedule::new(now),
            next_sweep: now.mono + config.sweep_interval(),
            stats: Stats::default(),
            shown: Stats::default(),
            changed: true,
            leaving: false,
            config,
        };
        (membership, effects)
    }

    /// Takes in one event. The effects are to be performed in their order.
    pub fn handle(&mut self, event: Event<'_>, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Gossip(bytes) => self.on_gossip(bytes, now, &mut effects),
            Event::Told { item, by } => self.on_told(item, by, now, &mut effects),
            Event::Synced { peer, end } => self.on_synced(peer, end, now),
            Event::Probed { peer, answer } => self.on_probed(peer, answer, now, &mut effects),
            Event::NeighbourUp(peer) => self.on_neighbour_up(peer, now),
            Event::NeighbourDown(peer) => self.on_neighbour_down(peer, now),
            Event::Lagged => self.on_lagged(),
            Event::OwnChanged(facts) => self.on_own_changed(facts, now),
            Event::Tick => {}
            Event::Leaving => self.leave(now, &mut effects),
        }
        self.run_due(now, &mut effects);
        effects
    }

    /// When [`Event::Tick`] is due, if nothing happens before.
    pub fn next_deadline(&self) -> Duration {
        let sweep = self.next_sweep;
        if self.leaving {
            return sweep;
        }
        let sync = self.syncs.due(&self.neighbours, &self.table).unwrap_or(sweep);
        let ask_lost = self.lost.due().unwrap_or(sweep);
        sweep.min(self.schedule.next_due()).min(sync).min(ask_lost)
    }

    /// How many peers the table holds.
    pub fn table_size(&self) -> usize {
        self.table.len()
    }

    /// Those who went without a goodbye within the last hour, and may come back.
    pub fn lost(&self) -> impl Iterator<Item = &SignedAnnouncement> {
        self.lost.iter().map(|entry| &entry.announcement)
    }

    /// How [`Membership::view`] differs from the last one that was taken.
    pub fn news(&self) -> News {
        match (self.changed, self.stats == self.shown) {
            (true, _) => News::Peers,
            (false, false) => News::Counters,
            (false, true) => News::Nothing,
        }
    }

    /// An immutable copy of what there is to know. Cheap per entry: entries are shared.
    pub fn view(&mut self) -> View {
        self.changed = false;
        self.shown = self.stats.clone();
        View {
            own: self.own.clone(),
            entries: self.table.iter().cloned().collect(),
            neighbours: self.neighbours.iter().copied().collect(),
            isolated: self.is_isolated(),
            stats: self.stats.clone(),
        }
    }

    fn on_gossip(&mut self, bytes: &[u8], now: Now, effects: &mut Vec<Effect>) {
        match GossipMessage::decode(bytes) {
            Ok(GossipMessage::Announce(announcement)) => {
                self.believe(announcement, Source::Gossip, Duration::ZERO, now, effects);
            }
            Ok(GossipMessage::Leave(leave)) => self.on_leave(leave, now, effects),
            Ok(_) => self.stats.count_refusal(Refusal::UnknownVersion),
            Err(error) => self.stats.count_refusal(Refusal::from(&error)),
        }
    }

    fn on_told(&mut self, item: &[u8], by: PublicKey, now: Now, effects: &mut Vec<Effect>) {
        match PeerEntry::decode(item) {
            // What the responder hasn't heard for a while doesn't get younger by being told.
            Ok(entry) => {
                let size = self.table.len();
                let author = entry.announcement.claimed().node_id;
                let was_heard = self.hears(&author, now);
                self.believe(entry.announcement, Source::Told(by), entry.age, now, effects);
                self.syncs.told(by, self.table.len() > size);
                if !was_heard && self.hears(&author, now) {
                    self.pass_on(author, by, now, effects);
                }
            }
            Err(error) => self.stats.count_refusal(Refusal::from(&error)),
        }
    }

    fn on_synced(&mut self, peer: PublicKey, end: SyncEnd, now: Now) {
        self.syncs.ended(peer, end, self.table.len(), now);
        self.lost.told_all(&peer);
    }

    /// Whether there is news of the peer as often as it promised.
    fn hears(&self, peer: &PublicKey, now: Now) -> bool {
        self.table.get(peer).is_some_and(|entry| !entry.is_overdue(now.mono))
    }

    /// Tells our part of the network of an author that a part which we had lost has told us of.
    fn pass_on(&mut self, author: PublicKey, by: PublicKey, now: Now, effects: &mut Vec<Effect>) {
        if let Some(entry) = self.table.get(&author)
            && self.lost.passes_on(&by, now.mono)
        {
            effects.push(Effect::Broadcast(GossipMessage::announce(&entry.announcement)));
        }
    }

    /// The one place that decides whether an announcement is believed.
    fn believe(
        &mut self,
        announcement: UnverifiedAnnouncement,
        source: Source,
        age: Duration,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        match self.admit(announcement, source, age, now) {
            Ok(Admitted { entry, is_new, evicted }) => {
                self.stats.believed += 1;
                self.changed = true;
                if !entry.is_overdue(now.mono) {
                    self.lost.found(&entry.node_id());
                }
                if is_new {
                    self.syncs.announced(&entry.node_id());
                }
                if let Some(evicted) = evicted {
                    self.forget(&evicted, RemovalReason::Evicted, effects);
                }
                effects.push(Effect::Learned { entry, is_new });
            }
            Err(refusal) => self.stats.count_refusal(refusal),
        }
    }

    fn admit(
        &mut self,
        announcement: UnverifiedAnnouncement,
        source: Source,
        age: Duration,
        now: Now,
    ) -> Result<Admitted, Refusal> {
        self.gate().check(announcement.claimed(), age, now)?;
        let announcement = announcement.verify().map_err(|_| Refusal::BadSignature)?;
        let is_new = !self.table.contains(&announcement.node_id);
        let entry = self.table.entry_for(announcement, source, Moment::before(now.mono, age));
        let evicted = self.table.insert(entry.clone()).map_err(|TableFull| Refusal::TableFull)?;
        Ok(Admitted { entry, is_new, evicted })
    }

    fn gate(&self) -> Gate<'_> {
        Gate {
            me: &self.me,
            network_tag: self.config.network_tag,
            table: &self.table,
            departed: &self.departed,
        }
    }

    fn on_leave(&mut self, leave: UnverifiedLeave, now: Now, effects: &mut Vec<Effect>) {
        let admitted = self.gate().check(leave.claimed(), Duration::ZERO, now);
        let leave = admitted.and_then(|()| leave.verify().map_err(|_| Refusal::BadSignature));
        match leave {
            Ok(leave) => self.on_left(leave.node_id, leave.seq, now, effects),
            Err(refusal) => self.stats.count_refusal(refusal),
        }
    }

    fn on_left(&mut self, peer: PublicKey, seq: u64, now: Now, effects: &mut Vec<Effect>) {
        self.lost.found(&peer);
        match self.remove(peer, RemovalReason::Left, effects) {
            Some(entry) => {
                self.departed.remember(peer, seq, entry.announcement.lifetime(), now);
            }
            None => self.departed.remember_stranger(peer, seq, now),
        }
    }

    fn on_probed(
        &mut self,
        peer: PublicKey,
        answer: Option<UnverifiedAnnouncement>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let was_asked = self.probes.ended(&peer);
        // A peer that says, on a connection of its own, that it is in another network isn't in ours.
        let answer = answer.filter(|answer| {
            let claimed = answer.claimed();
            claimed.node_id == peer && claimed.network_tag == self.config.network_tag
        });
        let is_back = self.lost.ended(&peer, answer.is_some(), now.mono);
        // Whoever is alone asks all that it knows of, and any of them will do.
        if answer.is_some() && (is_back || self.is_isolated()) && !self.neighbours.contains(&peer) {
            effects.push(Effect::Join(peer));
        }
        if let Some(answer) = answer {
            self.stats.probes_answered += 1;
            self.believe(answer, Source::Gossip, Duration::ZERO, now, effects);
            // Even if the answer tells nothing new: the handshake proved that the peer is alive.
            self.changed |= self.table.mark_verified(&peer, now.mono);
        } else if was_asked {
            self.stats.probes_failed += 1;
            self.on_probe_failed(peer, now, effects);
        }
    }

    /// Removes the peer, unless there was news of it while the probe was under way. If our last
    /// neighbour went meanwhile, the failure says more about us than about the peer.
    fn on_probe_failed(&mut self, peer: PublicKey, now: Now, effects: &mut Vec<Effect>) {
        let is_stale = self.table.get(&peer).is_some_and(|entry| entry.is_stale(now.mono));
        if self.is_isolated() || !is_stale {
            return;
        }
        if let Some(entry) = self.remove(peer, RemovalReason::ProbeFailed, effects) {
            let announcement = &entry.announcement;
            self.departed.remember(peer, announcement.seq, announcement.lifetime(), now);
            self.lose(&entry, Bond::Heard, now);
        }
    }

    /// Without gossip there is nothing that could be joined again.
    fn lose(&mut self, entry: &Arc<Entry>, bond: Bond, now: Now) {
        if self.config.gossip {
            self.lost.lose(entry, bond, self.table.len() + 1, now.mono);
        }
    }

    fn on_neighbour_up(&mut self, peer: PublicKey, now: Now) {
        if self.neighbours.is_empty() {
            self.syncs.want();
        }
        let overdue = self.table.get(&peer).is_some_and(|entry| entry.is_overdue(now.mono));
        let is_back = self.lost.neighbour_up(&peer, overdue, now.mono);
        if is_back || !self.table.contains(&peer) {
            self.syncs.want_from(peer);
        }
        self.changed |= self.neighbours.insert(peer);
        self.schedule.on_neighbour_up(now);
    }

    fn on_neighbour_down(&mut self, peer: PublicKey, now: Now) {
        self.changed |= self.neighbours.remove(&peer);
        self.syncs.neighbour_down(&peer);
        // It may only have other neighbours now; then it is heard again within its interval.
        if let Some(entry) = self.table.get(&peer).cloned() {
            self.lose(&entry, Bond::Neighbour, now);
        }
    }

    fn on_lagged(&mut self) {
        self.stats.lagged += 1;
        self.syncs.want();
    }

    fn on_own_changed(&mut self, facts: OwnFacts, now: Now) {
        if self.facts != facts {
            self.facts = facts;
            self.schedule.on_change(now);
        }
    }

    fn leave(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let leave = Leave {
            node_id: self.me,
            timestamp_secs: now.unix.as_secs(),
            seq: self.seq.next(now, effects),
            network_tag: self.config.network_tag,
        };
        let signed = SignedLeave::sign(leave, &self.key).expect("a leave is always in bounds");
        self.leaving = true;
        effects.push(Effect::Broadcast(GossipMessage::leave(&signed)));
    }

    fn run_due(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if now.mono >= self.next_sweep {
            self.next_sweep = now.mono + self.config.sweep_interval();
            self.sweep(now);
        }
        self.probe(now, effects);
        // Another announcement would take the leave back.
        if self.leaving {
            return;
        }
        if self.schedule.is_due(now) {
            self.announce(now, effects);
        }
        if let Some(peer) = self.syncs.start(&self.neighbours, &self.table, now) {
            self.stats.syncs += 1;
            effects.push(Effect::SyncFrom(peer));
        }
        if let Some(addr) = self.lost.start(self.table.len() + 1, now) {
            effects.push(Effect::Probe(addr));
        }
    }

    fn announce(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let interval = self.interval();
        let audience = if self.is_isolated() { Audience::Nobody } else { Audience::Network };
        let seq = self.seq.next(now, effects);
        self.own = sign(&self.key, &self.config, &self.facts, interval, seq, now);
        self.schedule.announced(now, interval, audience, self.me, seq);
        self.stats.announced += 1;
        self.changed = true;
        effects.push(Effect::Broadcast(GossipMessage::announce(&self.own)));
    }

    /// Grows with the table, so that what everyone receives stays under a budget.
    fn interval(&self) -> Duration {
        let n_peers = self.table.len() as u64;
        let by_budget = n_peers.div_ceil(self.config.max_received_per_sec.get());
        within_limits(self.config.announce_interval.max(Duration::from_secs(by_budget)))
    }

    fn sweep(&mut self, now: Now) {
        self.departed.expire(now);
        let stale = self.table.iter().filter(|entry| entry.is_stale(now.mono));
        self.probes.sweep(stale.map(|entry| entry.node_id()), now);
    }

    /// Probes those who wait for it, as many at a time as there are slots.
    fn probe(&mut self, now: Now, effects: &mut Vec<Effect>) {
        // Silence is evidence of our own isolation, not of everybody's death.
        if self.is_isolated() {
            return self.probes.cancel_waiting();
        }
        while let Some(peer) = self.probes.next() {
            // It may have been heard while it waited.
            let Some(entry) = self.table.get(&peer).filter(|entry| entry.is_stale(now.mono)) else {
                continue;
            };
            self.probes.started(peer, now);
            effects.push(Effect::Probe(entry.announcement.endpoint_addr()));
        }
    }

    /// Whether there is a topic, but no neighbour in it.
    pub fn is_isolated(&self) -> bool {
        self.config.gossip && self.neighbours.is_empty()
    }

    fn remove(
        &mut self,
        peer: PublicKey,
        reason: RemovalReason,
        effects: &mut Vec<Effect>,
    ) -> Option<Arc<Entry>> {
        let entry = self.table.remove(&peer)?;
        self.changed = true;
        self.forget(&entry, reason, effects);
        Some(entry)
    }

    fn forget(&mut self, entry: &Arc<Entry>, reason: RemovalReason, effects: &mut Vec<Effect>) {
        self.stats.count_removal(reason);
        effects.push(Effect::Forgotten { peer: entry.node_id(), reason });
    }
}

/// What came of an announcement that is believed.
struct Admitted {
    entry: Arc<Entry>,
    is_new: bool,
    /// Who had to go for it.
    evicted: Option<Arc<Entry>>,
}

/// The interval that may be announced and is nearest to the one that is wanted.
fn within_limits(interval: Duration) -> Duration {
    let (min, max) = limits::INTERVAL_SECS.into_inner();
    interval.clamp(Duration::from_secs(min.into()), Duration::from_secs(max.into()))
}

/// Signs what is to be said. An address that doesn't fit any more, or that the protocol has no words
/// for, is left out.
fn sign(
    key: &SecretKey,
    config: &MembershipConfig,
    facts: &OwnFacts,
    interval: Duration,
    seq: u64,
    now: Now,
) -> SignedAnnouncement {
    // Rounded up: nobody shall expect us before we come.
    let interval_secs = interval.as_secs() + u64::from(interval.subsec_nanos() > 0);
    let mut announcement = PeerAnnouncement {
        node_id: key.public(),
        name: facts.name.clone(),
        blob_count: facts.blob_count,
        timestamp_secs: now.unix.as_secs(),
        seq,
        network_tag: config.network_tag,
        interval_secs: interval_secs as u32,
        addrs: Vec::new(),
        agent: config.agent.clone(),
    };
    for addr in &facts.addrs {
        announcement.addrs.push(addr.clone());
        if !fits(&announcement) {
            announcement.addrs.pop();
        }
    }
    SignedAnnouncement::sign(announcement, key).expect("name and agent were checked before")
}

fn fits(announcement: &PeerAnnouncement) -> bool {
    let body = announcement.encode_body();
    body.is_ok_and(|body| Signature::LENGTH + body.len() <= limits::MAX_SIGNED_LEN)
}

//! Who is there: the table of peers, and every decision about it.
//!
//! Sans-IO. [`Membership::handle`] takes an [`Event`] and the time, and returns [`Effect`]s for the
//! actor to perform. The same events at the same times give the same effects, whoever drives them:
//! the actor, a test or a simulation.

mod config;
mod departed;
mod event;
mod gate;
mod schedule;
mod seq;
mod stats;
mod table;
mod view;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

pub use config::MembershipConfig;
pub use event::{Effect, Event, Now, RemovalReason};
pub use gate::Refusal;
use id_proto::{
    GossipMessage, Leave, PeerAnnouncement, PeerEntry, SignedAnnouncement, SignedLeave, Source,
    Statement, UnverifiedAnnouncement, UnverifiedLeave,
    iroh_base::{PublicKey, SecretKey, TransportAddr},
};
pub use stats::Stats;
pub use table::Entry;
pub use view::View;

use self::{
    departed::Departed,
    gate::Gate,
    schedule::Schedule,
    seq::Seq,
    table::{Table, TableFull},
};

/// What a node says of itself that may change while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFacts {
    /// What its operator calls it.
    pub name: Option<String>,
    /// How many blobs it holds.
    pub blob_count: u64,
    /// Where it can be dialled, in order of usefulness; what doesn't fit is left out.
    pub addrs: Vec<TransportAddr>,
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
    probing: BTreeSet<PublicKey>,
    syncing: Option<PublicKey>,
    synced_at: Option<Duration>,
    sync_wanted: bool,
    schedule: Schedule,
    next_sweep: Duration,
    stats: Stats,
    changed: bool,
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
        let interval = config.announce_interval;
        let own = sign(&key, &config, &facts, interval, seq.next(now, &mut effects), now);
        let membership = Self {
            me: key.public(),
            key,
            facts,
            own,
            seq,
            table: Table::new(config.max_entries),
            departed: Departed::default(),
            neighbours: BTreeSet::new(),
            probing: BTreeSet::new(),
            syncing: None,
            synced_at: None,
            sync_wanted: false,
            schedule: Schedule::new(now),
            next_sweep: now.mono + config.sweep_interval(),
            stats: Stats::default(),
            changed: true,
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
            Event::Synced { peer, complete } => self.on_synced(peer, complete),
            Event::Probed { peer, answer } => self.on_probed(peer, answer, now, &mut effects),
            Event::NeighbourUp(peer) => self.on_neighbour_up(peer, now),
            Event::NeighbourDown(peer) => self.on_neighbour_down(peer),
            Event::Lagged => self.on_lagged(),
            Event::OwnChanged(facts) => self.on_own_changed(facts, now),
            Event::Tick => {}
            Event::Leaving => return self.leave(now),
        }
        self.run_due(now, &mut effects);
        effects
    }

    /// When [`Event::Tick`] is due, if nothing happens before.
    pub fn next_deadline(&self) -> Duration {
        let mut due = self.next_sweep.min(self.schedule.next_due(self.interval()));
        if self.sync_wanted && self.syncing.is_none() && !self.neighbours.is_empty() {
            due = due.min(self.synced_at.map_or(Duration::ZERO, |at| at + self.config.sync_gap));
        }
        due
    }

    /// How many peers the table holds.
    pub fn table_size(&self) -> usize {
        self.table.len()
    }

    /// Whether [`Membership::view`] differs from the last one that was taken.
    pub fn has_changed(&self) -> bool {
        self.changed
    }

    /// An immutable copy of what there is to know. Cheap per entry: entries are shared.
    pub fn view(&mut self) -> View {
        self.changed = false;
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
                self.believe(entry.announcement, Source::Told(by), entry.age, now, effects);
            }
            Err(error) => self.stats.count_refusal(Refusal::from(&error)),
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
    ) -> bool {
        let is_new = !self.table.contains(&announcement.claimed().node_id);
        match self.admit(announcement, source, age, now) {
            Ok((entry, evicted)) => {
                self.changed = true;
                if let Some(evicted) = evicted {
                    self.forget(&evicted, RemovalReason::Evicted, effects);
                }
                effects.push(Effect::Learned { entry, is_new });
                true
            }
            Err(refusal) => {
                self.stats.count_refusal(refusal);
                false
            }
        }
    }

    fn admit(
        &mut self,
        announcement: UnverifiedAnnouncement,
        source: Source,
        age: Duration,
        now: Now,
    ) -> Result<(Arc<Entry>, Option<Arc<Entry>>), Refusal> {
        self.gate().check(announcement.claimed(), now)?;
        let announcement = announcement.verify().map_err(|_| Refusal::BadSignature)?;
        let heard = now.mono.saturating_sub(age);
        let entry = self.table.entry_for(announcement, source, heard);
        let evicted = self.table.insert(entry.clone()).map_err(|TableFull| Refusal::TableFull)?;
        self.stats.believed += 1;
        Ok((entry, evicted))
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
        let admitted = self.gate().check(leave.claimed(), now);
        let leave = admitted.and_then(|()| leave.verify().map_err(|_| Refusal::BadSignature));
        match leave {
            Ok(leave) => {
                self.departed.remember(leave.node_id, leave.seq, now);
                self.remove(leave.node_id, RemovalReason::Left, effects);
            }
            Err(refusal) => self.stats.count_refusal(refusal),
        }
    }

    fn on_synced(&mut self, peer: PublicKey, complete: bool) {
        if self.syncing == Some(peer) {
            self.syncing = None;
            // Another neighbour may do better; the minimum gap keeps this from spinning.
            self.sync_wanted |= !complete;
        }
    }

    fn on_probed(
        &mut self,
        peer: PublicKey,
        answer: Option<UnverifiedAnnouncement>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        self.probing.remove(&peer);
        let Some(answer) = answer else {
            self.stats.probes_failed += 1;
            if let Some(entry) = self.table.get(&peer) {
                self.departed.remember(peer, entry.announcement.seq, now);
            }
            return self.remove(peer, RemovalReason::ProbeFailed, effects);
        };
        self.stats.probes_answered += 1;
        if answer.claimed().author() == peer {
            self.believe(answer, Source::Gossip, Duration::ZERO, now, effects);
        }
        // Even if the answer tells nothing new: the handshake proved that the peer is alive.
        self.changed |= self.table.mark_verified(&peer, now.mono);
    }

    fn on_neighbour_up(&mut self, peer: PublicKey, now: Now) {
        let first = self.neighbours.is_empty();
        self.changed |= self.neighbours.insert(peer);
        // A neighbour that the table lacks comes from a part of the network that it lacks.
        self.sync_wanted |= first || !self.table.contains(&peer);
        self.schedule.on_neighbour_up(now);
    }

    fn on_neighbour_down(&mut self, peer: PublicKey) {
        self.changed |= self.neighbours.remove(&peer);
    }

    fn on_lagged(&mut self) {
        self.stats.lagged += 1;
        self.sync_wanted = true;
    }

    fn on_own_changed(&mut self, facts: OwnFacts, now: Now) {
        if self.facts != facts {
            self.facts = facts;
            self.schedule.on_change(now);
        }
    }

    fn leave(&mut self, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        let leave = Leave {
            node_id: self.me,
            timestamp_secs: now.unix.as_secs(),
            seq: self.seq.next(now, &mut effects),
            network_tag: self.config.network_tag,
        };
        let signed = SignedLeave::sign(leave, &self.key).expect("a leave is always in bounds");
        effects.push(Effect::Broadcast(GossipMessage::leave(&signed)));
        effects
    }

    fn run_due(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.schedule.is_due(now, self.interval()) {
            self.announce(now, effects);
        }
        if now.mono >= self.next_sweep {
            self.next_sweep = now.mono + self.config.sweep_interval();
            self.sweep(now, effects);
        }
        if self.sync_wanted {
            self.sync(now, effects);
        }
    }

    fn announce(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let interval = self.interval();
        let seq = self.seq.next(now, effects);
        self.own = sign(&self.key, &self.config, &self.facts, interval, seq, now);
        self.schedule.announced(now, self.me, seq);
        self.stats.announced += 1;
        self.changed = true;
        effects.push(Effect::Broadcast(GossipMessage::announce(&self.own)));
    }

    /// Grows with the table, so that what everyone receives stays under a budget.
    fn interval(&self) -> Duration {
        let by_budget = self.table.len() as u64 / self.config.max_received_per_sec.get();
        self.config.announce_interval.max(Duration::from_secs(by_budget))
    }

    fn sweep(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.departed.expire(now);
        // Silence is evidence of our own isolation, not of everybody's death.
        if self.is_isolated() {
            return;
        }
        let free = self.config.max_probes.saturating_sub(self.probing.len());
        let stale: Vec<_> = self
            .table
            .iter()
            .filter(|entry| entry.is_stale(now.mono) && !self.probing.contains(&entry.node_id()))
            .take(free)
            .cloned()
            .collect();
        for entry in stale {
            self.probing.insert(entry.node_id());
            effects.push(Effect::Probe(entry.announcement.endpoint_addr()));
        }
    }

    fn sync(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let too_soon = self.synced_at.is_some_and(|at| now.mono < at + self.config.sync_gap);
        let must_wait = self.syncing.is_some() || too_soon;
        let Some(peer) = self.sync_source().filter(|_| !must_wait) else {
            return;
        };
        self.sync_wanted = false;
        self.synced_at = Some(now.mono);
        self.syncing = Some(peer);
        self.stats.syncs += 1;
        effects.push(Effect::SyncFrom(peer));
    }

    /// A neighbour; each sync takes the next one, so that one bad neighbour costs one turn.
    fn sync_source(&self) -> Option<PublicKey> {
        let turn = self.stats.syncs as usize % self.neighbours.len().max(1);
        self.neighbours.iter().nth(turn).copied()
    }

    /// Whether there is a topic, but no neighbour in it.
    pub fn is_isolated(&self) -> bool {
        self.config.gossip && self.neighbours.is_empty()
    }

    fn remove(&mut self, peer: PublicKey, reason: RemovalReason, effects: &mut Vec<Effect>) {
        if let Some(entry) = self.table.remove(&peer) {
            self.changed = true;
            self.forget(&entry, reason, effects);
        }
    }

    fn forget(&mut self, entry: &Arc<Entry>, reason: RemovalReason, effects: &mut Vec<Effect>) {
        self.stats.count_removal(reason);
        effects.push(Effect::Forgotten { peer: entry.node_id(), reason });
    }
}

/// Signs what is to be said. Addresses that don't fit are left out, the least useful first.
fn sign(
    key: &SecretKey,
    config: &MembershipConfig,
    facts: &OwnFacts,
    interval: Duration,
    seq: u64,
    now: Now,
) -> SignedAnnouncement {
    let mut announcement = PeerAnnouncement {
        node_id: key.public(),
        name: facts.name.clone(),
        blob_count: facts.blob_count,
        timestamp_secs: now.unix.as_secs(),
        seq,
        network_tag: config.network_tag,
        interval_secs: u32::try_from(interval.as_secs()).unwrap_or(u32::MAX),
        addrs: facts.addrs.clone(),
        agent: config.agent.clone(),
    };
    loop {
        match SignedAnnouncement::sign(announcement.clone(), key) {
            Ok(signed) => return signed,
            Err(error) => {
                let shortened = announcement.addrs.pop();
                assert!(
                    shortened.is_some(),
                    "name, agent and interval are checked before: {error}"
                );
            }
        }
    }
}

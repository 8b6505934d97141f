//! Who is there: the table of peers, and every decision about it.
//!
//! Sans-IO. [`Membership::handle`] takes an [`Event`] and the time, and returns [`Effect`]s for the
//! actor to perform. The same events at the same times give the same effects, whoever drives them:
//! the actor, a test or a simulation.

mod bucket;
mod config;
mod departed;
mod event;
mod gate;
mod introducers;
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
use id_client::AddressPolicy;
use id_proto::{
    GossipMessage, Leave, PeerAnnouncement, PeerEntry, SignedAnnouncement, SignedLeave, Statement,
    UnverifiedAnnouncement, UnverifiedLeave,
    iroh_base::{EndpointAddr, PublicKey, SecretKey, Signature, TransportAddr},
    limits,
};
pub use moment::Moment;
pub use stats::Stats;
pub use table::{Entry, Share};
pub use view::{Introducer, View};

use self::{
    departed::{Departed, MAX_DEPARTED},
    event::Way,
    gate::{Gate, author_rate},
    introducers::{Introducers, Payment, Space},
    lost::{Bond, Lost},
    probes::{Account, Probes},
    schedule::{Audience, Schedule},
    seq::Seq,
    syncs::Syncs,
    table::{Standing, Table, TableFull},
};

/// Fewer neighbours than this may all be bad ones, or the last ones before a cut. Origin: a guess;
/// HyParView keeps five.
const FEW_NEIGHBOURS: usize = 3;
/// How long after its first neighbour has come a node takes [`MembershipConfig::max_joining`] peers on
/// one peer's word.
///
/// Origin: a table of 65,536 takes seconds; a neighbour may be as young as we are, and another one
/// be asked after it.
const JOINING: Duration = Duration::from_secs(60);
/// How long after it came a peer may be dialled to verify it. Origin: a guess; many come together,
/// and some of them say goodbye at once.
const VERIFY_AFTER: Duration = Duration::from_secs(1);
/// How long after it was tried in vain a peer may be dialled again to verify it. Origin: a guess; a
/// peer that can't be dialled is as alive as its announcements say.
const VERIFY_AGAIN: Duration = Duration::from_secs(600);
/// How many peers that we haven't verified are taken at their word when the interval is chosen,
/// besides [`TRUST_FACTOR`] for each that we have. Origin: as many never lengthen it (30 s at 100/s).
const TRUSTED_CLAIMS: usize = 1024;
/// Origin: a guess; whoever verifies a quarter of a network doesn't misjudge its size much.
const TRUST_FACTOR: usize = 4;
/// How many introducers a view shows. Origin: HyParView's active view.
const MAX_SHARES: usize = 5;

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
    introducers: Introducers,
    policy: AddressPolicy,
    neighbours: BTreeSet<PublicKey>,
    /// Until when whole tables are taken on one peer's word.
    joining_until: Duration,
    probes: Probes,
    syncs: Syncs,
    lost: Lost,
    schedule: Schedule,
    next_sweep: Duration,
    /// When somebody may be verified next, and whose turn it was last.
    next_verification: Duration,
    last_verified_of: Option<PublicKey>,
    /// When something happened last.
    last_event: Duration,
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
        let mut table = Table::new(config.max_entries);
        config.configured.iter().for_each(|peer| table.protect(*peer));
        let membership = Self {
            me,
            key,
            facts,
            own,
            seq,
            table,
            departed: Departed::new(MAX_DEPARTED),
            introducers: Introducers::new(config.max_entries),
            policy: config.address_policy.clone(),
            neighbours: BTreeSet::new(),
            joining_until: Duration::ZERO,
            probes: Probes::new(config.max_probes),
            syncs: Syncs::new(config.sync_gap),
            lost: Lost::new(me),
            schedule: Schedule::new(now),
            next_sweep: now.mono + config.sweep_interval(),
            next_verification: now.mono,
            last_verified_of: None,
            last_event: now.mono,
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
        self.last_event = now.mono;
        match event {
            Event::Gossip { message, from } => self.on_gossip(message, from, now, &mut effects),
            Event::Told { item, by } => self.on_told(item, by, now, &mut effects),
            Event::Synced { peer, end } => self.on_synced(peer, end, now),
            Event::Probed { peer, answer } => self.on_probed(peer, answer, now, &mut effects),
            Event::NeighbourUp(peer) => self.on_neighbour_up(peer, now),
            Event::NeighbourDown(peer) => self.on_neighbour_down(peer, now),
            Event::Lagged => self.on_lagged(),
            Event::OwnChanged(facts) => self.on_own_changed(facts, now),
            Event::PolicyChanged(policy) => self.on_policy_changed(policy, &mut effects),
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
        let sync = self.syncs.due(&self.neighbours, &self.table);
        let verification = Some(self.next_verification).filter(|_| self.has_to_verify());
        let others = [sync, self.lost.due(), verification];
        let next = sweep.min(self.schedule.next_due());
        others.into_iter().flatten().fold(next, Duration::min)
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
            n_unverified: self.table.n_unverified(),
            introducers: self.shares(),
            stats: self.stats.clone(),
        }
    }

    /// What may be dialled of the addresses that the peer announces.
    pub fn dialable(&self, announcement: &PeerAnnouncement) -> EndpointAddr {
        self.policy.select(announcement.endpoint_addr())
    }

    fn shares(&self) -> Vec<Introducer> {
        let shares = self.table.shares(MAX_SHARES).into_iter();
        let left = |share: Share| {
            let left = self.introducers.left(&share.introducer, self.last_event);
            Introducer { share, room: left.room, squeeze: left.squeeze, dials: left.dials }
        };
        shares.map(left).collect()
    }

    fn on_gossip(&mut self, message: &[u8], from: PublicKey, now: Now, effects: &mut Vec<Effect>) {
        match GossipMessage::decode(message) {
            Ok(GossipMessage::Announce(announcement)) => {
                self.believe(announcement, Way::Gossip(from), Duration::ZERO, now, effects);
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
                self.believe(entry.announcement, Way::Told(by), entry.age, now, effects);
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
        // It was us who dialled, and a handshake is a handshake.
        if end == SyncEnd::Complete {
            self.mark_verified(peer, now);
        }
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
        way: Way,
        age: Duration,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        match self.admit(announcement, way, age, now) {
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

    /// Every check, the signature's last. Only what its author has signed is counted against
    /// anybody's budget: or else a forger could use up somebody else's.
    fn admit(
        &mut self,
        announcement: UnverifiedAnnouncement,
        way: Way,
        age: Duration,
        now: Now,
    ) -> Result<Admitted, Refusal> {
        let claimed = announcement.claimed();
        self.gate().check(claimed, age, now)?;
        let (author, rate) = (claimed.node_id, author_rate(claimed.interval_secs));
        let old = self.table.get(&author).cloned();
        let mut budget = old.as_ref().map_or_else(|| self.departed.author(&author), |it| it.author);
        // What we asked its author for isn't what it floods us with.
        if way != Way::Dialled && !budget.has(rate, now.mono) {
            return Err(Refusal::AuthorBudget);
        }
        let heard = Moment::before(now.mono, age);
        let place = match &old {
            Some(old) => Place::of(old),
            None => self.place_for(author, way, heard, now)?,
        };
        let announcement = announcement.verify().map_err(|_| Refusal::BadSignature)?;
        if way != Way::Dialled {
            budget.take(rate, now.mono);
        }
        self.introducers.pay(place.introducer, place.payment, now.mono);
        let evicted = place.evicts.and_then(|peer| self.table.remove(&peer));
        let new = Entry::new(announcement, way.source(), place.introducer, heard);
        let new = match &old {
            Some(old) => new.after(old),
            None => Entry { verify_at: now.mono + VERIFY_AFTER, ..new },
        };
        let entry = Arc::new(Entry { author: budget, ..new });
        self.table.insert(entry.clone());
        Ok(Admitted { entry, is_new: old.is_none(), evicted })
    }

    /// On whose account somebody whom the table lacks gets a place, and who goes for it.
    fn place_for(
        &self,
        author: PublicKey,
        way: Way,
        heard: Moment,
        now: Now,
    ) -> Result<Place, Refusal> {
        let is_protected = self.table.is_protected(&author);
        let Some(by) = way.introducer().filter(|_| !is_protected) else {
            let evicts = self.table.place_for(&author, heard, Standing::Certain);
            let evicts = evicts.map_err(|TableFull| Refusal::TableFull)?;
            return Ok(Place { introducer: author, payment: Payment::Nothing, evicts });
        };
        let evicts = self.table.place_for(&by, heard, Standing::Claimed);
        let evicts = evicts.map_err(|TableFull| Refusal::TableFull)?;
        let space = self.table.space();
        // Who has just come has nobody to compare with; free room is nobody's loss, but memory.
        let n_claimed = self.table.n_claimed(&by);
        let is_joining = matches!(way, Way::Told(_))
            && now.mono < self.joining_until
            && n_claimed < self.config.max_joining;
        let payment = match self.introducers.payment(&by, n_claimed, space, now.mono) {
            _ if is_joining && space == Space::Free => Payment::Nothing,
            Some(payment) => payment,
            None => return Err(Refusal::IntroducerBudget),
        };
        Ok(Place { introducer: by, payment, evicts })
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
            Some(entry) => self.departed.remember(&entry, seq, now),
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
        let asked_for = self.probes.ended(&peer);
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
            if let Some(Account::Introducer(introducer)) = asked_for {
                self.introducers.dial_answered(&introducer);
            }
            self.believe(answer, Way::Dialled, Duration::ZERO, now, effects);
            // Even if the answer tells nothing new: the handshake proved that the peer is alive.
            self.mark_verified(peer, now);
        } else if asked_for.is_some() {
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
        if let Some(entry) = self.drop_dead(peer, RemovalReason::ProbeFailed, now, effects) {
            // Whoever never answered may be made up, and made-up peers are not looked for.
            if entry.verified.is_some() {
                self.lose(&entry, Bond::Answered, now);
            }
        }
    }

    fn drop_dead(
        &mut self,
        peer: PublicKey,
        reason: RemovalReason,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Option<Arc<Entry>> {
        let entry = self.remove(peer, reason, effects)?;
        self.departed.remember(&entry, entry.announcement.seq, now);
        Some(entry)
    }

    /// Without gossip there is nothing that could be joined again.
    fn lose(&mut self, entry: &Arc<Entry>, bond: Bond, now: Now) {
        if self.config.gossip {
            self.lost.lose(entry, bond, self.table.len() + 1, now.mono);
        }
    }

    fn mark_verified(&mut self, peer: PublicKey, now: Now) {
        if let Some(before) = self.table.mark_verified(&peer, now.mono) {
            self.changed = true;
            if before.verified.is_none() {
                self.introducers.verified(&before.introducer);
            }
        }
    }

    fn on_neighbour_up(&mut self, peer: PublicKey, now: Now) {
        self.table.protect(peer);
        if self.neighbours.is_empty() {
            self.joining_until = now.mono + JOINING;
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
        if !self.config.configured.contains(&peer) {
            self.table.unprotect(&peer);
        }
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

    /// What was learned before may be dialled elsewhere now.
    fn on_policy_changed(&mut self, policy: AddressPolicy, effects: &mut Vec<Effect>) {
        if self.policy != policy {
            self.policy = policy;
            let entries = self.table.iter().cloned();
            effects.extend(entries.map(|entry| Effect::Learned { entry, is_new: false }));
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
            self.sweep(now, effects);
        }
        self.probe(now, effects);
        // Another announcement would take the leave back.
        if self.leaving {
            return;
        }
        if self.schedule.is_due(now) {
            self.announce(now, effects);
        }
        self.verify(now, effects);
        if let Some(peer) = self.syncs.start(&self.neighbours, &self.table, now) {
            self.stats.syncs += 1;
            effects.push(Effect::SyncFrom(peer));
        }
        if let Some(entry) = self.lost.start(self.table.len() + 1, now) {
            effects.push(Effect::Probe(self.dialable(&entry.announcement)));
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

    /// Grows with the table, so that what everyone receives stays under a budget. Peers that are only
    /// said to be there count up to a bound: or else whoever makes up thousands silences a network.
    fn interval(&self) -> Duration {
        let n_verified = self.table.len() - self.table.n_unverified();
        let credible = TRUST_FACTOR * n_verified + TRUSTED_CLAIMS;
        let n_peers = self.table.len().min(credible) as u64;
        let by_budget = n_peers.div_ceil(self.config.max_received_per_sec.get());
        within_limits(self.config.announce_interval.max(Duration::from_secs(by_budget)))
    }

    fn sweep(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.departed.expire(now);
        self.introducers.expire(now.mono);
        // Silence is evidence of our own isolation, not of everybody's death.
        let may_expire = !self.is_isolated();
        let table = &self.table;
        let stale = table.iter().filter(|entry| may_expire && entry.is_stale(now.mono));
        let stale = stale.map(|entry| (entry.node_id(), account_of(table, entry)));
        let given_up = self.probes.sweep(stale, now);
        for peer in given_up {
            self.drop_dead(peer, RemovalReason::Unasked, now, effects);
        }
    }

    /// Probes those who wait for it, as many at a time as there are slots.
    fn probe(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.is_isolated() {
            return self.probes.cancel_waiting();
        }
        while let Some((peer, account)) =
            self.probes.next(|introducer| self.introducers.may_dial(introducer, now.mono))
        {
            // It may have been heard while it waited.
            let entry = self.table.get(&peer).filter(|entry| entry.is_stale(now.mono)).cloned();
            if let Some(entry) = entry {
                self.dial(&entry, account, now, effects);
            }
        }
    }

    fn dial(&mut self, entry: &Entry, account: Account, now: Now, effects: &mut Vec<Effect>) {
        if let Account::Introducer(introducer) = account {
            self.introducers.dialled(introducer, now.mono);
        }
        self.probes.started(entry.node_id(), account, now);
        effects.push(Effect::Probe(self.dialable(&entry.announcement)));
    }

    /// Whether somebody waits to be verified, or may come to.
    fn has_to_verify(&self) -> bool {
        let is_wanted = self.config.verify_gap.is_some() && !self.is_isolated() && !self.leaving;
        is_wanted && self.table.n_unverified() > 0
    }

    /// Dials one of those who are only said to be there, at most one each [`verify_gap`].
    ///
    /// [`verify_gap`]: MembershipConfig::verify_gap
    fn verify(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let Some(gap) = self.config.verify_gap.filter(|_| self.has_to_verify()) else {
            return;
        };
        if now.mono < self.next_verification {
            return;
        }
        self.next_verification = now.mono + gap;
        let may_dial = |introducer: &PublicKey| self.introducers.may_dial(introducer, now.mono);
        let next = self.table.to_verify(self.last_verified_of, now.mono, may_dial).cloned();
        let Some(entry) = next.filter(|_| self.probes.has_slot()) else {
            return;
        };
        let peer = entry.node_id();
        self.last_verified_of = Some(entry.introducer);
        self.table.verify_later(&peer, now.mono + VERIFY_AGAIN);
        // Where there is nothing to dial, a lookup would say where: too much for a claim.
        let can_be_dialled = !self.dialable(&entry.announcement).is_empty();
        if can_be_dialled && !self.probes.is_under_way(&peer) {
            self.stats.verifications += 1;
            self.dial(&entry, Account::Introducer(entry.introducer), now, effects);
        }
    }

    /// Whether there is a topic, but no neighbour in it.
    pub fn is_isolated(&self) -> bool {
        self.config.gossip && self.neighbours.is_empty()
    }

    /// Whether there are fewer neighbours in the topic than there could be and should be.
    pub fn wants_neighbours(&self) -> bool {
        let n_known = self.neighbours.iter().filter(|peer| self.table.contains(peer)).count();
        let could_be_more = self.table.len() > n_known;
        let has_few = self.neighbours.len() < FEW_NEIGHBOURS && could_be_more;
        self.is_isolated() || (self.config.gossip && has_few)
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

/// Where somebody's entry goes.
struct Place {
    introducer: PublicKey,
    payment: Payment,
    /// Who has to go for it.
    evicts: Option<PublicKey>,
}

impl Place {
    /// Its own, for one who is in the table.
    fn of(old: &Entry) -> Self {
        Self { introducer: old.introducer, payment: Payment::Nothing, evicts: None }
    }
}

/// On whose account the peer is dialled when it is stale.
fn account_of(table: &Table, entry: &Entry) -> Account {
    let is_claimed = entry.verified.is_none() && !table.is_protected(&entry.node_id());
    if is_claimed { Account::Introducer(entry.introducer) } else { Account::Own }
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

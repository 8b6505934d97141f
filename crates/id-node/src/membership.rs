//! Who is there: the table of peers, and every decision about it.
//!
//! Sans-IO. [`Membership::handle`] takes an [`Event`] and the time, and returns [`Effect`]s for the
//! actor to perform. The same events at the same times give the same effects, whoever drives them:
//! the actor, a test or a simulation.
//!
//! Here are the state, what happens upon which event, and what readers get to see. The rooms:
//!
//! - What is believed: `belief`, a statement's way into the table, with the checks of `gate`, the
//!   budgets of `introducers` and `deliverers` (of `bucket`s) and the memory of the `departed`.
//! - What is known: `table` of entries, each heard at a `moment`; `view` and `stats` for readers.
//! - When to dial whom: `dials`, with the queues of `probes`, those who are `lost`, and `syncs`,
//!   whose table is asked for when.
//! - Whom not to have to do with: `access`, and whom to join through: `configured`, when our operator
//!   changes it.
//! - What we say: `own`, when by `schedule`, numbered by `seq`.

mod access;
mod belief;
mod config;
mod configured;
mod deliverers;
mod departed;
mod dials;
mod event;
pub(crate) mod explain;
mod gate;
mod introducers;
mod lost;
mod moment;
mod own;
mod probes;
mod refusals;
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
pub use event::{Effect, Event, Now, RemovalReason, SyncEnd, Verdict};
pub use gate::Refusal;
use id_client::AddressPolicy;
use id_proto::{
    PeerAnnouncement, SignedAnnouncement,
    iroh_base::{EndpointAddr, PublicKey, SecretKey},
    limits::MAX_INTRODUCERS,
};
pub use moment::Moment;
pub use own::OwnFacts;
pub(crate) use seq::floor_without_record;
pub use stats::Stats;
pub use table::{Entry, Share};
pub use view::{Introducer, View};

use self::{
    deliverers::Deliverers,
    departed::{Departed, MAX_DEPARTED},
    explain::{Dials, Knowledge},
    introducers::Introducers,
    lost::{Bond, Lost},
    own::{sign, within_limits},
    probes::Probes,
    refusals::Refusals,
    schedule::Schedule,
    seq::Seq,
    syncs::Syncs,
    table::Table,
};

use crate::access::AccessList;

/// Fewer neighbours than this may all be bad ones, or the last ones before a cut. Origin: a guess;
/// HyParView keeps five.
const FEW_NEIGHBOURS: usize = 3;
/// How long after its first neighbour has come a node takes [`MembershipConfig::max_joining`] peers on
/// one peer's word.
///
/// Origin: a table of 65,536 takes seconds; a neighbour may be as young as we are, and another one
/// be asked after it.
const JOINING: Duration = Duration::from_secs(60);
/// After so many whole tables it takes no more. Origin: as many as neighbours that aren't few; who comes
/// later is compared with them, and may be there only because it saw us join.
const JOINING_TABLES: usize = FEW_NEIGHBOURS;

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
    deliverers: Deliverers,
    /// Shared with views; a change copies it if one is held.
    refusals: Arc<Refusals>,
    configured: Arc<BTreeSet<PublicKey>>,
    policy: Arc<AddressPolicy>,
    access: Arc<AccessList>,
    neighbours: BTreeSet<PublicKey>,
    /// Until when whole tables are taken on one peer's word, and how many yet.
    joining_until: Duration,
    joining_tables: usize,
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
            deliverers: Deliverers::default(),
            refusals: Arc::default(),
            configured: Arc::new(config.configured.clone()),
            policy: Arc::new(config.address_policy.clone()),
            access: Arc::new(config.access.clone()),
            neighbours: BTreeSet::new(),
            joining_until: Duration::ZERO,
            joining_tables: 0,
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
            Event::Handed { signed, by } => self.on_handed(signed, by, now, &mut effects),
            Event::Synced { peer, end } => self.on_synced(peer, end, now),
            Event::Probed { peer, answer } => self.on_probed(peer, answer, now, &mut effects),
            Event::NeighbourUp(peer) => self.on_neighbour_up(peer, now),
            Event::NeighbourDown(peer) => self.on_neighbour_down(peer, now),
            Event::Lagged => self.on_lagged(),
            Event::OwnChanged(facts) => self.on_own_changed(facts, now),
            Event::PolicyChanged(policy) => self.on_policy_changed(policy, &mut effects),
            Event::AccessChanged(access) => self.on_access_changed(access, &mut effects),
            Event::ConfiguredChanged(peers) => self.on_configured_changed(peers),
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
            knowledge: self.knowledge(),
        }
    }

    fn knowledge(&mut self) -> Knowledge {
        Knowledge {
            configured: self.configured.clone(),
            introducers: self.introducers.clone(),
            n_introducers: self.table.n_introducers(),
            departed: self.departed.show(self.last_event),
            missing: self.lost.missing().clone(),
            refusals: self.refusals.clone(),
            dials: Dials {
                under_way: self.probes.under_way().copied().chain(self.lost.under_way()).collect(),
                next_sweep: self.next_sweep,
                sweep_interval: self.config.sweep_interval(),
                next_verification: self.config.verify_gap.map(|_| self.next_verification),
                policy: Some(self.policy.clone()),
            },
        }
    }

    /// What may be dialled of the addresses that the peer announces.
    pub fn dialable(&self, announcement: &PeerAnnouncement) -> EndpointAddr {
        self.policy.select(announcement.endpoint_addr())
    }

    fn shares(&self) -> Vec<Introducer> {
        let shares = self.table.shares(MAX_INTRODUCERS).into_iter();
        let left = |share: Share| {
            let left = self.introducers.left(&share.introducer, self.last_event);
            Introducer { share, room: left.room, squeeze: left.squeeze, dials: left.dials }
        };
        shares.map(left).collect()
    }

    fn on_neighbour_up(&mut self, peer: PublicKey, now: Now) {
        // Its connection is being closed, or gossip has it in spite of us.
        if !self.access.admits(&peer) {
            return;
        }
        self.table.protect(peer);
        if self.neighbours.is_empty() {
            self.joining_until = now.mono + JOINING;
            self.joining_tables = JOINING_TABLES;
            self.syncs.want();
        }
        let entry = self.table.get(&peer);
        let overdue = entry.is_some_and(|entry| entry.is_overdue(now.mono));
        // Its first announcement may come before we note that it is a neighbour.
        let is_stranger = entry.is_none_or(|entry| entry.is_its_own_word_only());
        let is_back = self.lost.neighbour_up(&peer, overdue, now.mono);
        if is_back || is_stranger {
            self.syncs.want_from(peer);
        }
        self.changed |= self.neighbours.insert(peer);
        self.schedule.on_neighbour_up(now);
    }

    fn on_neighbour_down(&mut self, peer: PublicKey, now: Now) {
        self.changed |= self.neighbours.remove(&peer);
        if !self.configured.contains(&peer) {
            self.table.unprotect(&peer);
        }
        self.syncs.neighbour_down(&peer);
        // It may only have other neighbours now; then it is heard again within its interval.
        if let Some(entry) = self.table.get(&peer).cloned() {
            self.lose(&entry, Bond::Neighbour, now);
        }
    }

    /// Whether the node has just come, and has nobody to compare with.
    fn is_joining(&self, now: Now) -> bool {
        self.joining_tables > 0 && now.mono < self.joining_until
    }

    fn on_lagged(&mut self) {
        self.stats.lagged += 1;
        self.syncs.want();
    }

    /// What was learned before may be dialled elsewhere now.
    fn on_policy_changed(&mut self, policy: AddressPolicy, effects: &mut Vec<Effect>) {
        if *self.policy != policy {
            self.policy = Arc::new(policy);
            let entries = self.table.iter().cloned();
            effects.extend(entries.map(|entry| Effect::Learned { entry, is_new: false }));
        }
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
        } else if self.schedule.is_renewal_due(now) {
            self.renew(now, effects);
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

    /// Whether there is a topic, but no neighbour in it.
    pub fn is_isolated(&self) -> bool {
        self.config.gossip && self.neighbours.is_empty()
    }

    /// Whether the rest of `by`'s answer is worth reading: not if it tells more than it has budget for, nor if it
    /// is asked no more.
    pub fn wants_more_of(&self, by: &PublicKey) -> bool {
        self.syncs.is_wanted(by)
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

//! Whom we lost without a goodbye, and when to ask whether they are there again.
//!
//! After a cut each half has neighbours of its own, and nothing of gossip's would ever look for the
//! other half again. So whoever fell silent, and was a neighbour or has answered us before, is asked
//! now and then, by a dial of our own: gossip's dial of a peer that isn't there takes half a minute,
//! and holds back every later one.
//!
//! The cost doesn't grow with the network. Every node that misses a peer waits for a turn that is as
//! long as the network is large, so that all together ask the peer once in [`EACH`], and a single
//! node asks at most once in [`GAP`], whomever it misses.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use id_proto::iroh_base::PublicKey;

use super::{
    event::Now,
    table::{Dialled, Entry},
};

/// How long a lost peer is looked for. Origin: longer than people take to repair a link; whoever
/// comes back later finds us as a joiner does.
pub(super) const LOST_FOR: Duration = Duration::from_secs(3600);
/// Shortest time between two dials of this node. Origin: a dial of a dead peer takes as long.
pub(super) const GAP: Duration = Duration::from_secs(10);
/// How often all nodes together ask a peer that they have just lost. Origin: two halves of three
/// shall meet within half a minute after a minute's cut.
const EACH: Duration = Duration::from_secs(10);
/// How often, when it was lost long ago. Origin: one packet a minute harms nobody.
const EACH_AT_LAST: Duration = Duration::from_secs(60);
/// A dial that hasn't reported for so long is given up. Origin: as of a probe.
const REPORT_LOST_AFTER: Duration = Duration::from_secs(60);
/// Most lost peers. Origin: more than are asked within [`LOST_FOR`] by a node of a large network.
pub(super) const MAX_LOST: usize = 256;
/// How long after a lost peer has answered its table counts as another part's. Origin: gossip
/// connects and the table comes within seconds.
const RETURNED_FOR: Duration = Duration::from_secs(60);
/// Most lost peers that have just returned. Origin: as many as answer within [`RETURNED_FOR`],
/// several times.
const MAX_RETURNED: usize = 32;
/// Most announcements of another part that are passed on to our own because of one link. Origin: a
/// larger part is heard by itself within its interval; 64 of 300 bytes are 20 kB.
const MAX_PASSED_ON: u32 = 64;

/// How we know that a lost peer was ever there. Keys and addresses are free: whoever makes them up
/// mustn't push out those who were neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bond {
    /// It answered a dial of ours.
    Answered,
    /// It was our neighbour.
    Neighbour,
}

#[derive(Debug, Clone)]
pub(super) struct Missing {
    pub(super) entry: Arc<Entry>,
    bond: Bond,
    pub(super) since: Duration,
    n_asked: u64,
    pub(super) ask_at: Duration,
    /// How the last dial ended, if there was one since.
    pub(super) last_dial: Option<Dialled>,
}

#[derive(Debug)]
struct Returned {
    until: Duration,
    may_pass_on: u32,
}

#[derive(Debug)]
pub(super) struct Lost {
    me: PublicKey,
    missing: BTreeMap<PublicKey, Missing>,
    /// Who is being asked, and since when.
    under_way: Option<(PublicKey, Duration)>,
    next_dial: Duration,
    returned: BTreeMap<PublicKey, Returned>,
}

impl Lost {
    pub(super) fn new(me: PublicKey) -> Self {
        Self {
            me,
            missing: BTreeMap::new(),
            under_way: None,
            next_dial: Duration::ZERO,
            returned: BTreeMap::new(),
        }
    }

    /// Notes that a peer may be lost, in a network of `n_nodes`. It is looked for once it is overdue.
    pub(super) fn lose(&mut self, entry: &Arc<Entry>, bond: Bond, n_nodes: usize, now: Duration) {
        let peer = entry.node_id();
        let old = self.missing.remove(&peer);
        let mut missing = Missing {
            entry: entry.clone(),
            bond: old.as_ref().map_or(bond, |old| old.bond.max(bond)),
            since: old.as_ref().map_or(now, |old| old.since),
            n_asked: old.as_ref().map_or(0, |old| old.n_asked),
            ask_at: Duration::ZERO,
            last_dial: old.as_ref().and_then(|old| old.last_dial),
        };
        let first = entry.overdue_at(now) + self.turn(&missing, n_nodes, now);
        missing.ask_at = old.map_or(first, |old| old.ask_at);
        self.make_room();
        self.missing.insert(peer, missing);
    }

    /// Notes that there is no need to look for the peer: it was heard, or said goodbye.
    pub(super) fn found(&mut self, peer: &PublicKey) {
        self.missing.remove(peer);
    }

    /// Looks no more for those whom `admits` doesn't.
    pub(super) fn keep(&mut self, admits: impl Fn(&PublicKey) -> bool) {
        self.missing.retain(|peer, _| admits(peer));
        self.returned.retain(|peer, _| admits(peer));
    }

    /// When somebody is to be asked next.
    pub(super) fn due(&self) -> Option<Duration> {
        let first = self.missing.values().map(|missing| missing.ask_at).min()?;
        let free = self.under_way.map_or(Duration::ZERO, |(_, since)| since + REPORT_LOST_AFTER);
        Some(first.max(self.next_dial).max(free))
    }

    /// Whom to ask now, in a network of `n_nodes`. Notes that it is asked.
    pub(super) fn start(&mut self, n_nodes: usize, now: Now) -> Option<Arc<Entry>> {
        if self.due().is_none_or(|due| now.mono < due) {
            return None;
        }
        self.missing.retain(|_, missing| now.mono < missing.since + LOST_FOR);
        let due = self.missing.iter().min_by_key(|(_, missing)| missing.ask_at);
        let (&peer, _) = due.filter(|(_, missing)| missing.ask_at <= now.mono)?;
        let mut missing = self.missing.remove(&peer)?;
        missing.n_asked += 1;
        missing.ask_at = now.mono + EACH / 2 + self.turn(&missing, n_nodes, now.mono);
        let entry = missing.entry.clone();
        self.missing.insert(peer, missing);
        self.under_way = Some((peer, now.mono));
        self.next_dial = now.mono + GAP;
        Some(entry)
    }

    /// Notes the end of a dial. Returns whether a lost peer has answered.
    pub(super) fn ended(&mut self, peer: &PublicKey, answered: bool, now: Duration) -> bool {
        if self.under_way.is_some_and(|(asked, _)| asked == *peer) {
            self.under_way = None;
        }
        let is_back = answered && self.missing.remove(peer).is_some();
        if is_back {
            self.returned(*peer, now);
        }
        is_back
    }

    /// Notes how a dial of the peer ended, if it is lost.
    pub(super) fn note_dial(&mut self, peer: &PublicKey, dialled: Dialled) {
        if let Some(missing) = self.missing.get_mut(peer) {
            missing.last_dial = Some(dialled);
        }
    }

    /// Who is being asked.
    pub(super) fn under_way(&self) -> Option<PublicKey> {
        self.under_way.map(|(peer, _)| peer)
    }

    /// Those who are missing, and what is known of each.
    pub(super) fn missing(&self) -> &BTreeMap<PublicKey, Missing> {
        &self.missing
    }

    /// Notes that a peer is a neighbour. Returns whether it comes from a part that we had lost.
    pub(super) fn neighbour_up(&mut self, peer: &PublicKey, overdue: bool, now: Duration) -> bool {
        self.missing.remove(peer);
        if overdue {
            self.returned(*peer, now);
        }
        self.returned.get(peer).is_some_and(|returned| now < returned.until)
    }

    /// Notes that the peer's table has come, or will not come.
    pub(super) fn told_all(&mut self, peer: &PublicKey) {
        self.returned.remove(peer);
    }

    /// Whether what `by` tells is to be passed on, because our part may have lost its author, too.
    pub(super) fn passes_on(&mut self, by: &PublicKey, now: Duration) -> bool {
        match self.returned.get_mut(by) {
            Some(returned) if now < returned.until && returned.may_pass_on > 0 => {
                returned.may_pass_on -= 1;
                true
            }
            _ => false,
        }
    }

    /// What was last heard of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.missing.values().map(|missing| &missing.entry)
    }

    fn returned(&mut self, peer: PublicKey, now: Duration) {
        self.returned.retain(|_, returned| now < returned.until);
        if self.returned.len() < MAX_RETURNED {
            let returned = Returned { until: now + RETURNED_FOR, may_pass_on: MAX_PASSED_ON };
            self.returned.insert(peer, returned);
        }
    }

    /// The wait for a node's turn: on average as long as it takes if all `n_nodes` ask in turns.
    fn turn(&self, missing: &Missing, n_nodes: usize, now: Duration) -> Duration {
        let lost_for = now.saturating_sub(missing.since);
        let each = (lost_for / 10).clamp(EACH, EACH_AT_LAST);
        let n_nodes = u32::try_from(n_nodes).unwrap_or(u32::MAX);
        let longest = each.saturating_mul(n_nodes).min(LOST_FOR) * 2;
        longest.mul_f64(self.spread(missing))
    }

    /// Within 0..1, and different at every node, for every peer and every time.
    fn spread(&self, missing: &Missing) -> f64 {
        let id = |key: &PublicKey| {
            u64::from_le_bytes(key.as_bytes()[..8].try_into().expect("eight bytes"))
        };
        let input = id(&self.me) ^ id(&missing.entry.node_id()).rotate_left(32) ^ missing.n_asked;
        // The multiplier of Knuth's linear congruential generator (MMIX) spreads the low bits.
        let mixed = input.wrapping_mul(6_364_136_223_846_793_005);
        (mixed >> 40) as f64 / (1_u64 << 24) as f64
    }

    fn make_room(&mut self) {
        if self.missing.len() < MAX_LOST {
            return;
        }
        let least = self.missing.iter().min_by_key(|(_, missing)| (missing.bond, missing.since));
        let least = least.map(|(peer, _)| *peer);
        least.and_then(|peer| self.missing.remove(&peer));
    }

    /// What must hold after every event.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        assert!(self.missing.len() <= MAX_LOST && self.returned.len() <= MAX_RETURNED);
    }
}

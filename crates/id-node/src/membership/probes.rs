//! Which stale peers wait for a probe, and which probes are under way.
//!
//! This bounds how long a dead peer stays in a table: its own staleness, one sweep and one probe,
//! 190 s by default and never less than the 120 s of staleness. If more peers die at once than there
//! are slots, each further lot takes one probe longer. Nodes sweep at different times on purpose: a
//! peer that is alive and only unheard isn't dialled by everyone in the same moment.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use id_proto::iroh_base::PublicKey;

use super::event::Now;

/// A probe that hasn't reported for so long is given up, so that a lost report costs a slot for a
/// while and not for ever. Origin: far longer than any probe may take (10 s).
pub(super) const LOST_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Probes {
    max: usize,
    under_way: BTreeMap<PublicKey, Duration>,
    waiting: VecDeque<PublicKey>,
}

impl Probes {
    pub(super) fn new(max: usize) -> Self {
        Self { max, under_way: BTreeMap::new(), waiting: VecDeque::new() }
    }

    /// Replaces those who wait. Each gets its turn as soon as there is a slot.
    pub(super) fn sweep(&mut self, stale: impl Iterator<Item = PublicKey>, now: Now) {
        self.under_way.retain(|_, since| now.mono < *since + LOST_AFTER);
        self.waiting = stale.filter(|peer| !self.under_way.contains_key(peer)).collect();
    }

    /// Nobody is to be probed any more.
    pub(super) fn cancel_waiting(&mut self) {
        self.waiting = VecDeque::new();
    }

    /// The next in the queue, if there is a slot.
    pub(super) fn next(&mut self) -> Option<PublicKey> {
        if self.under_way.len() < self.max { self.waiting.pop_front() } else { None }
    }

    pub(super) fn started(&mut self, peer: PublicKey, now: Now) {
        self.under_way.insert(peer, now.mono);
    }

    /// Notes the end of a probe. Returns whether it was under way.
    pub(super) fn ended(&mut self, peer: &PublicKey) -> bool {
        self.under_way.remove(peer).is_some()
    }

    /// What must hold after every event.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        assert!(self.under_way.len() <= self.max);
        assert!(self.waiting.is_empty() || self.under_way.len() == self.max, "a slot is idle");
    }
}

//! Which stale peers wait for a probe, and which probes are under way.
//!
//! This bounds how long a dead peer stays in a table: its own staleness, one sweep and one probe,
//! 190 s by default and never less than the 120 s of staleness. If more peers die at once than there
//! are slots, each further lot takes one probe longer. Nodes sweep at different times on purpose: a
//! peer that is alive and only unheard isn't dialled by everyone in the same moment.
//!
//! Peers that once answered come first. Those of whom we were only told take turns, one for each
//! introducer, and only as long as its word is good for another dial ([`super::introducers`]): or
//! else whoever makes up a thousand peers would have them dialled, and nobody else. Who waits in
//! vain for [`PATIENCE`] is given up unasked.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound::{Excluded, Unbounded},
    time::Duration,
};

use id_proto::iroh_base::PublicKey;

use super::event::Now;

/// A probe that hasn't reported for so long is given up, so that a lost report costs a slot for a
/// while and not for ever. Origin: far longer than any probe may take (10 s).
pub(super) const LOST_AFTER: Duration = Duration::from_secs(60);

/// How long a stale peer that never answered waits for a probe. Origin: as long as a default node
/// may be silent before it is stale.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// On whose account a peer is dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Account {
    /// On ours: it has answered before, or we were told to know it.
    Own,
    /// On its introducer's.
    Introducer(PublicKey),
}

#[derive(Debug)]
struct UnderWay {
    since: Duration,
    account: Account,
}

#[derive(Debug)]
pub(super) struct Probes {
    max: usize,
    under_way: BTreeMap<PublicKey, UnderWay>,
    /// Those who are dialled on our own account.
    waiting: VecDeque<PublicKey>,
    /// The others, by their introducer. Holds no empty queue.
    strangers: BTreeMap<PublicKey, VecDeque<PublicKey>>,
    /// Whose turn it was last.
    last: Option<PublicKey>,
    /// Since when each of the strangers has waited.
    since: BTreeMap<PublicKey, Duration>,
}

impl Probes {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            under_way: BTreeMap::new(),
            waiting: VecDeque::new(),
            strangers: BTreeMap::new(),
            last: None,
            since: BTreeMap::new(),
        }
    }

    /// Replaces those who wait. Each gets its turn as soon as there is a slot; returned are those
    /// who have waited for too long.
    pub(super) fn sweep(
        &mut self,
        stale: impl Iterator<Item = (PublicKey, Account)>,
        now: Now,
    ) -> Vec<PublicKey> {
        self.under_way.retain(|_, probe| now.mono < probe.since + LOST_AFTER);
        let before = std::mem::take(&mut self.since);
        self.cancel_waiting();
        let mut given_up = Vec::new();
        for (peer, account) in stale.filter(|(peer, _)| !self.under_way.contains_key(peer)) {
            let Account::Introducer(introducer) = account else {
                self.waiting.push_back(peer);
                continue;
            };
            let since = before.get(&peer).copied().unwrap_or(now.mono);
            if now.mono >= since + PATIENCE {
                given_up.push(peer);
            } else {
                self.since.insert(peer, since);
                self.strangers.entry(introducer).or_default().push_back(peer);
            }
        }
        given_up
    }

    /// Nobody is to be probed any more.
    pub(super) fn cancel_waiting(&mut self) {
        self.waiting = VecDeque::new();
        self.strangers = BTreeMap::new();
        self.since = BTreeMap::new();
    }

    pub(super) fn has_slot(&self) -> bool {
        self.under_way.len() < self.max
    }

    pub(super) fn is_under_way(&self, peer: &PublicKey) -> bool {
        self.under_way.contains_key(peer)
    }

    /// Who is being dialled.
    pub(super) fn under_way(&self) -> impl Iterator<Item = &PublicKey> {
        self.under_way.keys()
    }

    /// The next in the queue, if there is a slot, and on whose account it is dialled.
    pub(super) fn next(
        &mut self,
        may_dial: impl Fn(&PublicKey) -> bool,
    ) -> Option<(PublicKey, Account)> {
        if !self.has_slot() {
            return None;
        }
        if let Some(peer) = self.waiting.pop_front() {
            return Some((peer, Account::Own));
        }
        let introducer = self.next_introducer(may_dial)?;
        let queue = self.strangers.get_mut(&introducer)?;
        let peer = queue.pop_front()?;
        if queue.is_empty() {
            self.strangers.remove(&introducer);
        }
        self.last = Some(introducer);
        Some((peer, Account::Introducer(introducer)))
    }

    pub(super) fn started(&mut self, peer: PublicKey, account: Account, now: Now) {
        self.since.remove(&peer);
        self.under_way.insert(peer, UnderWay { since: now.mono, account });
    }

    /// Notes the end of a probe. Returns on whose account it was, if it was under way.
    pub(super) fn ended(&mut self, peer: &PublicKey) -> Option<Account> {
        self.under_way.remove(peer).map(|probe| probe.account)
    }

    fn next_introducer(&self, may_dial: impl Fn(&PublicKey) -> bool) -> Option<PublicKey> {
        let behind = self.last.map(|last| self.strangers.range((Excluded(last), Unbounded)));
        let turns = behind.into_iter().flatten().chain(&self.strangers);
        let mut ids = turns.map(|(introducer, _)| *introducer);
        ids.find(|introducer| may_dial(introducer))
    }

    /// What must hold after every event.
    #[cfg(test)]
    pub(super) fn check_invariants(&self, may_dial: impl Fn(&PublicKey) -> bool) {
        assert!(self.under_way.len() <= self.max);
        assert!(self.waiting.is_empty() || !self.has_slot(), "a slot is idle");
        let idle = self.has_slot() && self.next_introducer(may_dial).is_some();
        assert!(!idle, "a slot is idle");
        assert!(self.strangers.values().all(|queue| !queue.is_empty()));
    }
}

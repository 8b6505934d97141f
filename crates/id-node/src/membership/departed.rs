//! The sequence numbers of those who went, so that an old announcement can't bring them back.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use id_proto::{Statement, iroh_base::PublicKey, limits};

use super::{bucket::Bucket, event::Now, table::Entry};

/// Most departed peers that are remembered. Origin: a quarter of the table; 2 MiB.
pub(super) const MAX_DEPARTED: usize = 16_384;

/// How much longer than an announcement's lifetime its author is remembered, because the clocks of
/// its author and of whoever replays it may be wrong, either way.
const SKEW: Duration = Duration::from_secs(2 * limits::MAX_CLOCK_SKEW.as_secs());

/// How well a peer was known when it went. Keys are free: whoever makes them up and says goodbye
/// with each mustn't push out those who were really there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Acquaintance {
    /// We only ever heard its leave.
    Stranger,
    /// It was in the table, and never answered our own dial.
    Claimed,
    /// It had answered.
    Verified,
}

impl From<&Entry> for Acquaintance {
    fn from(entry: &Entry) -> Self {
        if entry.verified.is_some() { Self::Verified } else { Self::Claimed }
    }
}

#[derive(Debug, Clone, Copy)]
struct Gone {
    seq: u64,
    /// What its author might still have announced.
    author: Bucket,
    acquaintance: Acquaintance,
    at: Duration,
    until: Duration,
}

#[derive(Debug)]
pub(super) struct Departed {
    max: usize,
    gone: BTreeMap<PublicKey, Gone>,
    /// Who is forgotten first when room is needed: the least known, of them the oldest.
    order: BTreeSet<(Acquaintance, Duration, PublicKey)>,
}

impl Departed {
    pub(super) fn new(max: usize) -> Self {
        Self { max, gone: BTreeMap::new(), order: BTreeSet::new() }
    }

    /// The highest sequence number that `peer` is known to have used before it went.
    pub(super) fn seq(&self, peer: &PublicKey) -> Option<u64> {
        self.gone.get(peer).map(|gone| gone.seq)
    }

    /// What an author who went may announce when it comes back.
    pub(super) fn author(&self, peer: &PublicKey) -> Bucket {
        self.gone.get(peer).map_or_else(Bucket::default, |gone| gone.author)
    }

    /// Remembers one who was in the table, until all that it said, valid for as long as the last of
    /// it, is refused for its age.
    pub(super) fn remember(&mut self, entry: &Entry, seq: u64, now: Now) {
        let gone = Gone {
            seq,
            author: entry.author,
            acquaintance: entry.into(),
            at: now.mono,
            until: now.mono + entry.announcement.lifetime() + SKEW,
        };
        self.insert(entry.node_id(), gone);
    }

    /// Remembers one who wasn't in the table. Its announcements' lifetime isn't known; a default
    /// node's is assumed.
    pub(super) fn remember_stranger(&mut self, peer: PublicKey, seq: u64, now: Now) {
        let gone = Gone {
            seq,
            author: self.author(&peer),
            acquaintance: Acquaintance::Stranger,
            at: now.mono,
            until: now.mono + limits::LEAVE_LIFETIME + SKEW,
        };
        self.insert(peer, gone);
    }

    pub(super) fn expire(&mut self, now: Now) {
        let Self { gone, order, .. } = self;
        gone.retain(|peer, it| {
            let keep = now.mono < it.until;
            if !keep {
                order.remove(&(it.acquaintance, it.at, *peer));
            }
            keep
        });
    }

    fn insert(&mut self, peer: PublicKey, mut gone: Gone) {
        if let Some(old) = self.remove(&peer) {
            gone.seq = gone.seq.max(old.seq);
            gone.acquaintance = gone.acquaintance.max(old.acquaintance);
            gone.until = gone.until.max(old.until);
        }
        self.order.insert((gone.acquaintance, gone.at, peer));
        self.gone.insert(peer, gone);
        if self.gone.len() > self.max
            && let Some(&(_, _, first)) = self.order.first()
        {
            self.remove(&first);
        }
    }

    fn remove(&mut self, peer: &PublicKey) -> Option<Gone> {
        let gone = self.gone.remove(peer)?;
        self.order.remove(&(gone.acquaintance, gone.at, *peer));
        Some(gone)
    }

    /// What must hold after every event.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        let order = self.gone.iter().map(|(peer, gone)| (gone.acquaintance, gone.at, *peer));
        assert_eq!(order.collect::<BTreeSet<_>>(), self.order);
        assert!(self.gone.len() <= self.max);
    }
}

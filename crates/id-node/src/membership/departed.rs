//! The sequence numbers of those who went, so that an old announcement can't bring them back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use id_proto::{Statement, iroh_base::PublicKey, limits};

use super::{
    event::{Now, RemovalReason},
    gate,
    table::{Dialled, Entry},
};
use crate::bucket::Bucket;

/// Most departed peers that are remembered. Origin: an eighth of the table; 2 MiB. A network of 20,000
/// whose peers stay for an hour on average has 4,000 goodbyes in the twelve minutes of a memory.
pub(super) const MAX_DEPARTED: usize = 8192;

/// How much longer than an announcement's lifetime its author is remembered, because the clocks of
/// its author and of whoever replays it may be wrong, either way.
const SKEW: Duration = Duration::from_secs(2 * limits::MAX_CLOCK_SKEW.as_secs());

/// Up to so many, readers are shown every change at once. Origin: a copy takes ten microseconds.
const SMALL: usize = 256;
/// How often they are shown more. Origin: a guess; a copy of 16,384 took half a millisecond, and one of
/// [`MAX_SHOWN`] looks each of them up.
const SHOW_GAP: Duration = Duration::from_secs(1);
/// Most that are shown: the best known, and of these the last. Origin: half of those who are remembered;
/// while a reader holds a copy and the next is made, there are two.
pub(super) const MAX_SHOWN: usize = MAX_DEPARTED / 2;

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
pub(super) struct Gone {
    pub(super) seq: u64,
    /// What its author might still have announced.
    pub(super) author: Bucket,
    acquaintance: Acquaintance,
    pub(super) reason: RemovalReason,
    pub(super) last_dial: Option<Dialled>,
    pub(super) at: Duration,
    pub(super) until: Duration,
}

/// The departed as readers see them.
pub(super) type ShownDeparted = Arc<BTreeMap<PublicKey, Gone>>;

#[derive(Debug)]
pub(super) struct Departed {
    max: usize,
    gone: BTreeMap<PublicKey, Gone>,
    /// Who is forgotten first when room is needed: the least known, of them the oldest.
    order: BTreeSet<(Acquaintance, Duration, PublicKey)>,
    shown: ShownDeparted,
    shown_at: Duration,
    changed: bool,
}

impl Departed {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            gone: BTreeMap::new(),
            order: BTreeSet::new(),
            shown: Arc::default(),
            shown_at: Duration::ZERO,
            changed: false,
        }
    }

    /// The highest sequence number that `peer` is known to have used before it went.
    pub(super) fn seq(&self, peer: &PublicKey) -> Option<u64> {
        self.gone.get(peer).map(|gone| gone.seq)
    }

    pub(super) fn contains(&self, peer: &PublicKey) -> bool {
        self.gone.contains_key(peer)
    }

    /// A copy for readers. If there are many, it may be a second old.
    pub(super) fn show(&mut self, now: Duration) -> ShownDeparted {
        let is_due = self.gone.len() <= SMALL || now >= self.shown_at + SHOW_GAP;
        if self.changed && is_due {
            let last = self.order.iter().rev().take(MAX_SHOWN);
            let gone = last.filter_map(|(_, _, peer)| self.gone.get_key_value(peer));
            self.shown = Arc::new(gone.map(|(peer, gone)| (*peer, *gone)).collect());
            (self.shown_at, self.changed) = (now, false);
        }
        self.shown.clone()
    }

    /// What an author who went may announce when it comes back.
    pub(super) fn author(&self, peer: &PublicKey) -> Bucket {
        self.gone.get(peer).map_or_else(Bucket::default, |gone| gone.author)
    }

    /// Remembers one who was in the table, until all that it said, valid for as long as the last of
    /// it, is refused for its age; of one who never answered and was given up, the last of it.
    pub(super) fn remember(&mut self, entry: &Entry, seq: u64, reason: RemovalReason, now: Now) {
        let is_given_up = entry.verified.is_none() && reason != RemovalReason::Left;
        let memory = if is_given_up {
            gate::valid_for(&*entry.announcement, now)
        } else {
            entry.announcement.lifetime() + SKEW
        };
        let gone = Gone {
            seq,
            author: entry.author,
            acquaintance: entry.into(),
            reason,
            last_dial: entry.last_dial,
            at: now.mono,
            until: now.mono + memory,
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
            reason: RemovalReason::Left,
            last_dial: self.gone.get(&peer).and_then(|gone| gone.last_dial),
            at: now.mono,
            until: now.mono + limits::LEAVE_LIFETIME + SKEW,
        };
        self.insert(peer, gone);
    }

    pub(super) fn expire(&mut self, now: Now) {
        let Self { gone, order, changed, .. } = self;
        gone.retain(|peer, it| {
            let keep = now.mono < it.until;
            if !keep {
                *changed = true;
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
        self.changed = true;
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

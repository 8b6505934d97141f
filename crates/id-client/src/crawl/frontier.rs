//! Who is asked next: breadth first, at most one level ahead of the slowest, and fair to those who
//! brought peers that answer.

use std::collections::{BTreeMap, BTreeSet};

use crate::entry::Claims;

/// The how-manieth peer it was that became known: smaller than an id, for a crawl may know many.
pub(super) type Number = u32;

/// The peers that wait to be asked, and how many are unfinished at each depth.
///
/// A peer's depth is final only when everyone two levels nearer has answered or failed: until then
/// a slow one may still name somebody of the level between, or the peer itself. So a peer is handed
/// out only then; and no edge needs to be kept to correct a depth later.
///
/// Who isn't reached soon may be overtaken, where depth doesn't decide who is asked: the levels behind it wait for it no longer. If it answers in the end,
/// and names somebody who is known by longer ways only and was asked meanwhile, the depths of that one and of those
/// behind it stay too large.
///
/// Within a level those come next whose introducer has the fewest peers that are being asked or have
/// failed. So whoever names a thousand dead peers gets no more of the places than whoever names ten
/// live ones, and the live ones don't wait for the dead.
#[derive(Debug, Default)]
pub(super) struct Frontier {
    /// By introducer; the seeds have none.
    crowds: BTreeMap<Option<Number>, Crowd>,
    /// The crowds in which somebody waits, the next one first.
    order: BTreeSet<(Priority, Option<Number>)>,
    /// Waiting or being asked, by depth. Holds no zero.
    n_unfinished: BTreeMap<u32, usize>,
    /// Who is being asked, and isn't waited for by the levels behind.
    overtaken: BTreeSet<Number>,
    n_arrived: u32,
}

/// What whoever named a peer says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// That it answered its own dial.
    Vouched,
    /// That it heard of it.
    Heard,
}

impl From<Claims> for Claim {
    fn from(claims: Claims) -> Self {
        if claims.verified_age.is_some() { Self::Vouched } else { Self::Heard }
    }
}

/// A place in the queue: by depth, then by what is claimed, then by arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) depth: u32,
    claim: Claim,
    arrival: u32,
    pub(super) peer: Number,
    introducer: Option<Number>,
}

/// What came of a peer that was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    Failed,
}

/// The peers of one introducer.
#[derive(Debug, Default)]
struct Crowd {
    waiting: BTreeSet<Turn>,
    n_asking: usize,
    n_failed: usize,
}

/// What decides between crowds, the smallest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Priority {
    depth: u32,
    n_asking_or_failed: usize,
    claim: Claim,
    arrival: u32,
}

impl Crowd {
    /// `None` if nobody waits.
    fn priority(&self) -> Option<Priority> {
        let Turn { depth, claim, arrival, .. } = *self.waiting.first()?;
        Some(Priority { depth, n_asking_or_failed: self.n_asking + self.n_failed, claim, arrival })
    }
}

impl Frontier {
    /// Queues `peer` behind those of its depth that `introducer` brought before.
    pub(super) fn push(
        &mut self,
        peer: Number,
        depth: u32,
        introducer: Option<Number>,
        claim: Claim,
    ) -> Turn {
        self.n_arrived += 1;
        let turn = Turn { depth, claim, arrival: self.n_arrived, peer, introducer };
        self.change(introducer, |crowd| crowd.waiting.insert(turn));
        *self.n_unfinished.entry(depth).or_default() += 1;
        turn
    }

    /// Hands out the next peer; it is unfinished until [`Frontier::finished`] is told.
    pub(super) fn pop(&mut self) -> Option<Turn> {
        let (next, introducer) = *self.order.first()?;
        // Whoever waits is unfinished.
        let lowest = self.n_unfinished.keys().next()?;
        let may_start = next.depth <= lowest + 1;
        may_start.then(|| {
            self.change(introducer, |crowd| {
                crowd.n_asking += 1;
                crowd.waiting.pop_first().expect("in a crowd of the order somebody waits")
            })
        })
    }

    /// Takes a waiting peer back.
    pub(super) fn remove(&mut self, turn: Turn) {
        if self.change(turn.introducer, |crowd| crowd.waiting.remove(&turn)) {
            self.forget(turn.depth);
        }
    }

    /// A peer that was handed out isn't waited for any longer by those behind it.
    pub(super) fn overtake(&mut self, turn: Turn) {
        if self.overtaken.insert(turn.peer) {
            self.forget(turn.depth);
        }
    }

    /// A peer that was handed out is done with.
    pub(super) fn finished(&mut self, turn: Turn, fate: Fate) {
        self.change(turn.introducer, |crowd| {
            crowd.n_asking -= 1;
            crowd.n_failed += usize::from(fate == Fate::Failed);
        });
        if !self.overtaken.remove(&turn.peer) {
            self.forget(turn.depth);
        }
    }

    /// Whether nobody waits and nobody is being asked.
    pub(super) fn is_empty(&self) -> bool {
        self.n_unfinished.is_empty() && self.overtaken.is_empty()
    }

    fn forget(&mut self, depth: u32) {
        let n = self.n_unfinished.get_mut(&depth).expect("who is finished was queued");
        *n -= 1;
        if *n == 0 {
            self.n_unfinished.remove(&depth);
        }
    }

    /// Changes a crowd, and its place in the order.
    fn change<T>(&mut self, introducer: Option<Number>, change: impl FnOnce(&mut Crowd) -> T) -> T {
        let crowd = self.crowds.entry(introducer).or_default();
        let before = crowd.priority();
        let outcome = change(crowd);
        let after = crowd.priority();
        if before != after {
            if let Some(priority) = before {
                self.order.remove(&(priority, introducer));
            }
            if let Some(priority) = after {
                self.order.insert((priority, introducer));
            }
        }
        outcome
    }
}

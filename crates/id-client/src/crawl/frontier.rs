//! Who is asked next: breadth first, and at most one level ahead of the slowest.

use std::collections::BTreeMap;

use id_proto::iroh_base::PublicKey;

/// The peers that wait to be asked, and how many are unfinished at each depth.
///
/// A peer's depth is final only when everyone two levels nearer has answered or failed: until then
/// a slow one may still name somebody of the level between, or the peer itself. So a peer is handed
/// out only then. One silent peer delays what is two levels behind it, never its own level or the
/// next; and no edge needs to be kept to correct a depth later.
#[derive(Debug, Default)]
pub(super) struct Frontier {
    waiting: BTreeMap<Turn, PublicKey>,
    /// Waiting or being asked, by depth. Holds no zero.
    n_unfinished: BTreeMap<u32, usize>,
    n_arrived: u64,
}

/// A place in the queue: by depth, then by arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    depth: u32,
    arrival: u64,
}

impl Frontier {
    /// Queues `peer` behind those of its depth.
    pub(super) fn push(&mut self, peer: PublicKey, depth: u32) -> Turn {
        self.n_arrived += 1;
        let turn = Turn { depth, arrival: self.n_arrived };
        self.waiting.insert(turn, peer);
        *self.n_unfinished.entry(depth).or_default() += 1;
        turn
    }

    /// Hands out the next peer; it is unfinished until [`Frontier::finished`] is told.
    pub(super) fn pop(&mut self) -> Option<(PublicKey, u32)> {
        let next = self.waiting.first_entry()?;
        let depth = next.key().depth;
        let lowest = self.n_unfinished.keys().next()?;
        (depth <= lowest + 1).then(|| (next.remove(), depth))
    }

    /// Takes a waiting peer back.
    pub(super) fn remove(&mut self, turn: Turn) {
        if self.waiting.remove(&turn).is_some() {
            self.finished(turn.depth);
        }
    }

    /// A peer that was handed out is done with.
    pub(super) fn finished(&mut self, depth: u32) {
        let n = self.n_unfinished.get_mut(&depth).expect("finished peers were handed out");
        *n -= 1;
        if *n == 0 {
            self.n_unfinished.remove(&depth);
        }
    }

    /// Whether nobody waits and nobody is being asked.
    pub(super) fn is_empty(&self) -> bool {
        self.n_unfinished.is_empty()
    }
}

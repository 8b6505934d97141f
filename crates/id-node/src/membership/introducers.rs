//! What each introducer may bring into the table, and how often we dial on its word.
//!
//! An introducer is whoever brought us a peer first: the neighbour that delivered its announcement
//! by gossip, or the peer whose table we asked for. Keys are free, so a statement's author can't be
//! held to anything; connections are not, and each introducer has one with us.
//!
//! The neighbour that delivers isn't to blame for what it relays, so nothing is taken from it for
//! what it *relays*: neither news of a peer that the table holds, nor one that answered our own dial
//! costs it anything. What it brings beyond that is bounded by three buckets:
//!
//! - **room**: peers that we haven't verified, while the table has room. As deep as a sixteenth of
//!   the table, so that an honest neighbour of a network of thousands is never asked to wait.
//! - **squeeze**: the same once the room is used up or the table is full, when each newcomer costs
//!   another its place: 64 at once.
//! - **dials** to peers of its that nobody has verified. An answer puts the dial back, so only the
//!   dead and the made-up use it up.

use std::time::Duration;

use id_proto::iroh_base::PublicKey;

use crate::bucket::{Bucket, Debts, Owed, Rate};

/// The part of the table that one introducer may fill at once with peers that we haven't verified,
/// while there is room: one in this many.
///
/// Origin: five hostile neighbours (HyParView's active view) together stay below a third of it;
/// and 4,096 of 65,536 are more than most networks have.
const ROOM_DIVISOR: usize = 16;
/// How many it may add at once when it has used that up, or the table is full. Origin: protocol.md.
const SQUEEZE_BURST: u32 = 64;
/// How soon each of them may be followed by another. Origin: a guess; "slowly" of protocol.md. A
/// network of 20,000 whose peers stay for an hour on average changes by one a second per neighbour.
const REFILL_GAP: Duration = Duration::from_secs(1);
/// How many dials on its word may fail at once. Origin: a quarter of the slots for probes.
const DIAL_BURST: u32 = 16;
/// How soon each of them may be followed by another. Origin: with a verification each second, five
/// hostile neighbours cause an eighth of the dials, one of five a fortieth.
const DIAL_GAP: Duration = Duration::from_secs(40);

const SQUEEZE: Rate = Rate { burst: SQUEEZE_BURST, gap: REFILL_GAP };
const DIALS: Rate = Rate { burst: DIAL_BURST, gap: DIAL_GAP };

/// Whether the table has room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    Free,
    Full,
}

/// What pays for a newcomer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payment {
    /// Nothing: we asked for it, or it is a neighbour or was configured, or we have just joined.
    Nothing,
    Room,
    Squeeze,
}

#[derive(Debug, Clone, Copy, Default)]
struct Budget {
    room: Bucket,
    squeeze: Bucket,
    dials: Bucket,
}

/// What is left of an introducer's budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) room: u32,
    pub(super) squeeze: u32,
    pub(super) dials: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Introducers {
    room: Rate,
    budgets: Debts<Budget>,
}

/// Those of an empty table, for a view of nothing.
impl Default for Introducers {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Introducers {
    pub(super) fn new(max_entries: usize) -> Self {
        let room = Rate { burst: quota(max_entries), gap: REFILL_GAP };
        Self { room, budgets: Debts::default() }
    }

    /// What would pay for one more of `by`'s peers, if anything does. It has `n_claimed` already that
    /// nobody verified.
    pub(super) fn payment(
        &self,
        by: &PublicKey,
        n_claimed: usize,
        space: Space,
        now: Duration,
    ) -> Option<Payment> {
        let budget = self.budgets.of(by);
        let is_within = n_claimed < self.room.burst as usize;
        if space == Space::Free && is_within && budget.room.has(self.room, now) {
            return Some(Payment::Room);
        }
        budget.squeeze.has(SQUEEZE, now).then_some(Payment::Squeeze)
    }

    pub(super) fn pay(&mut self, by: PublicKey, payment: Payment, now: Duration) {
        let room = self.room;
        match payment {
            Payment::Nothing => {}
            Payment::Room => self.budgets.owe(by, now, |budget| budget.room.take(room, now)),
            Payment::Squeeze => {
                self.budgets.owe(by, now, |budget| budget.squeeze.take(SQUEEZE, now))
            }
        }
    }

    /// One of its peers answered our dial: it takes none of the room of those who are only said to
    /// be there.
    pub(super) fn verified(&mut self, by: &PublicKey) {
        if let Some(budget) = self.budgets.forgive(by) {
            budget.room.give_back(self.room);
        }
    }

    /// Whether a peer that only `by` vouches for may be dialled.
    pub(super) fn may_dial(&self, by: &PublicKey, now: Duration) -> bool {
        self.budgets.of(by).dials.has(DIALS, now)
    }

    pub(super) fn dialled(&mut self, by: PublicKey, now: Duration) {
        self.budgets.owe(by, now, |budget| budget.dials.take(DIALS, now));
    }

    pub(super) fn dial_answered(&mut self, by: &PublicKey) {
        if let Some(budget) = self.budgets.forgive(by) {
            budget.dials.give_back(DIALS);
        }
    }

    /// How many peers that nobody verified each may have before it has to give up others for more.
    pub(super) fn quota(&self) -> u32 {
        self.room.burst
    }

    pub(super) fn left(&self, by: &PublicKey, now: Duration) -> Left {
        let budget = self.budgets.of(by);
        Left {
            room: budget.room.left(self.room, now),
            squeeze: budget.squeeze.left(SQUEEZE, now),
            dials: budget.dials.left(DIALS, now),
        }
    }

    /// Forgets those who owe nothing.
    pub(super) fn expire(&mut self, now: Duration) {
        self.budgets.expire(now);
    }

    #[cfg(test)]
    pub(super) fn n_in_debt(&self) -> usize {
        self.budgets.len()
    }

    /// What must hold after every event.
    #[cfg(test)]
    pub(super) fn check_invariants(&self, now: Duration) {
        self.budgets.check_invariants(|budget| {
            assert!(budget.room.owed(now) <= self.room.gap * self.room.burst);
            assert!(budget.squeeze.owed(now) <= SQUEEZE.gap * SQUEEZE.burst);
            assert!(budget.dials.owed(now) <= DIALS.gap * DIALS.burst);
        });
    }
}

impl Owed for Budget {
    fn owed(&self, now: Duration) -> Duration {
        let buckets = [self.room, self.squeeze, self.dials];
        buckets.iter().map(|bucket| bucket.owed(now)).max().unwrap_or_default()
    }
}

/// How many peers that we haven't verified one introducer may have in a table of `max_entries`
/// before it has to give up one for each that it adds.
pub(super) fn quota(max_entries: usize) -> u32 {
    let share = u32::try_from(max_entries / ROOM_DIVISOR).unwrap_or(u32::MAX);
    share.max(SQUEEZE_BURST)
}

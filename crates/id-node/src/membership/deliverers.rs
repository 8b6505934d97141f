//! Whose deliveries still get their signatures checked.
//!
//! A signature check is the one thing that a stranger's bytes cost much, and whoever floods us with
//! forgeries decides how many there are. So whoever *delivers* a bad signature pays for the check: a
//! good one costs nothing, so that honest traffic is never rationed, however much there is.
//!
//! - **Gossip** relays what it can't judge, and asks us only afterwards, so an honest neighbour
//!   delivers a forger's flood too, and mustn't be silenced for it. It has two purses. Forgeries in
//!   the name of peers that the table lacks empty only the one for **strangers**; news of peers that
//!   are **known** goes on being checked from a larger one. Forgeries in the names of the known do
//!   compete with honest news of them, message by message; no rule can tell them apart unchecked.
//!   Whoever becomes stale by that is dialled, and its own answer is never rationed.
//! - **An answer to a query** is the word of the peer that gives it: an honest node tells only what
//!   it has checked itself. Whoever tells forgeries has a small purse for everything it tells. What
//!   an operator hands over was checked by the tool that found it, and is paid for in the same way.
//!
//! The purses differ by the way, so that an honest neighbour through whom a flood comes by gossip
//! can still tell us its table.

use std::time::Duration;

use id_proto::iroh_base::PublicKey;

use super::event::Way;
use crate::bucket::{Bucket, Debts, Owed, Rate};

/// Bad signatures in the name of strangers that a neighbour may deliver at once, and how soon each
/// may be followed by another. Origin: a newcomer that its neighbours announce is heard if forgeries
/// come more slowly than 50 a second; a check takes 50 µs at most, so this is a quarter of a
/// hundredth of a core.
const STRANGERS: Rate = Rate { burst: 64, gap: Duration::from_millis(20) };
/// The same in the name of peers that are known. Origin: five times as many as all announcements that
/// a node asks its network for (100 a second), so that who wants to silence a peer has to send more
/// than that through each way to us; a hundredth of a core or two, for each of five neighbours.
const KNOWN: Rate = Rate { burst: 512, gap: Duration::from_millis(2) };
/// Bad signatures in the answers of one peer. Origin: an honest table holds none; 16 are a fault of
/// somebody's memory, and then one each ten seconds shows whether it is over.
const TOLD: Rate = Rate { burst: 16, gap: Duration::from_secs(10) };

/// Who a statement is about, as far as its deliverer's budget goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// In the table, a neighbour, or configured.
    Known,
    Stranger,
}

/// What pays for a bad signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purse {
    Strangers(PublicKey),
    Known(PublicKey),
    Told(PublicKey),
    /// Nobody's: it is the one answer to a dial of ours, and comes from its author.
    None,
}

impl Purse {
    /// The purse of whoever delivered a statement about `subject`.
    pub(super) fn of(way: Way, subject: Subject) -> Self {
        match (way, subject) {
            (Way::Gossip(by), Subject::Stranger) => Self::Strangers(by),
            (Way::Gossip(by), Subject::Known) => Self::Known(by),
            (Way::Told(by) | Way::Handed(by), _) => Self::Told(by),
            (Way::Dialled, _) => Self::None,
        }
    }
}

/// What a deliverer owes.
#[derive(Debug, Clone, Copy, Default)]
struct Debt {
    strangers: Bucket,
    known: Bucket,
    told: Bucket,
}

impl Owed for Debt {
    fn owed(&self, now: Duration) -> Duration {
        let buckets = [self.strangers, self.known, self.told];
        buckets.iter().map(|bucket| bucket.owed(now)).max().unwrap_or_default()
    }
}

#[derive(Debug, Default)]
pub(super) struct Deliverers {
    debts: Debts<Debt>,
}

impl Deliverers {
    /// Whether a signature may be checked that `purse` pays for if it is bad.
    pub(super) fn can_pay(&self, purse: Purse, now: Duration) -> bool {
        match purse {
            Purse::Strangers(by) => self.debts.of(&by).strangers.has(STRANGERS, now),
            Purse::Known(by) => self.debts.of(&by).known.has(KNOWN, now),
            Purse::Told(by) => self.debts.of(&by).told.has(TOLD, now),
            Purse::None => true,
        }
    }

    /// A signature was bad.
    pub(super) fn pay(&mut self, purse: Purse, now: Duration) {
        match purse {
            Purse::Strangers(by) => {
                self.debts.owe(by, now, |debt| debt.strangers.take(STRANGERS, now))
            }
            Purse::Known(by) => self.debts.owe(by, now, |debt| debt.known.take(KNOWN, now)),
            Purse::Told(by) => self.debts.owe(by, now, |debt| debt.told.take(TOLD, now)),
            Purse::None => {}
        }
    }

    /// Forgets those who owe nothing.
    pub(super) fn expire(&mut self, now: Duration) {
        self.debts.expire(now);
    }

    #[cfg(test)]
    pub(super) fn n_in_debt(&self) -> usize {
        self.debts.len()
    }

    /// What must hold after every event.
    #[cfg(test)]
    pub(super) fn check_invariants(&self, now: Duration) {
        self.debts.check_invariants(|debt| {
            assert!(debt.strangers.owed(now) <= STRANGERS.gap * STRANGERS.burst);
            assert!(debt.known.owed(now) <= KNOWN.gap * KNOWN.burst);
            assert!(debt.told.owed(now) <= TOLD.gap * TOLD.burst);
        });
    }
}

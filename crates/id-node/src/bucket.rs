//! Token buckets: so many at once, and one more every so often; and what peers owe to theirs.

use std::{collections::BTreeMap, time::Duration};

use id_proto::iroh_base::PublicKey;

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// As many at once.
    pub(crate) burst: u32,
    /// One more each time this has passed.
    pub(crate) gap: Duration,
}

/// What is left of a [`Rate`]. It is a single moment, however large the burst: when all that was
/// taken so far will have been paid for. Never more than a whole burst is owed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    paid_at: Duration,
}

impl Bucket {
    /// How many may be taken now.
    pub(crate) fn left(&self, rate: Rate, now: Duration) -> u32 {
        let owed = self.paid_at.saturating_sub(now).as_nanos().div_ceil(rate.gap.as_nanos());
        rate.burst.saturating_sub(u32::try_from(owed).unwrap_or(u32::MAX))
    }

    pub(crate) fn has(&self, rate: Rate, now: Duration) -> bool {
        self.left(rate, now) > 0
    }

    /// Takes one. Whoever takes from an empty bucket takes nothing.
    pub(crate) fn take(&mut self, rate: Rate, now: Duration) {
        if self.has(rate, now) {
            self.paid_at = self.paid_at.max(now) + rate.gap;
        }
    }

    /// Puts one back.
    pub(crate) fn give_back(&mut self, rate: Rate) {
        self.paid_at = self.paid_at.saturating_sub(rate.gap);
    }

    /// How long until one may be taken.
    pub(crate) fn next_in(&self, rate: Rate, now: Duration) -> Duration {
        let may_be_owed = rate.gap * rate.burst.saturating_sub(1);
        self.paid_at.saturating_sub(now).saturating_sub(may_be_owed)
    }

    /// How long until it is full.
    pub(crate) fn owed(&self, now: Duration) -> Duration {
        self.paid_at.saturating_sub(now)
    }
}

/// What somebody owes, in one bucket or more.
pub(crate) trait Owed: Default + Copy {
    /// How long until all of it is paid.
    fn owed(&self, now: Duration) -> Duration;
}

impl Owed for Bucket {
    fn owed(&self, now: Duration) -> Duration {
        Bucket::owed(self, now)
    }
}

/// Most debtors that are remembered. Origin: a thousand times the neighbours that a node has at a time is a
/// guess at a day's, and the longest of all debts is paid within an hour or so; 100 kB.
pub(crate) const MAX_DEBTORS: usize = 1024;

/// What peers owe, those who owe most of all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Debts<T> {
    of: BTreeMap<PublicKey, T>,
}

impl<T: Owed> Debts<T> {
    pub(crate) fn of(&self, peer: &PublicKey) -> T {
        self.of.get(peer).copied().unwrap_or_default()
    }

    /// What `peer` owes, if anything, to be forgiven some.
    pub(crate) fn forgive(&mut self, peer: &PublicKey) -> Option<&mut T> {
        self.of.get_mut(peer)
    }

    /// Notes what `peer` owes. If that is one debtor too many, the one that owes the least is
    /// forgotten, which gives the least away.
    pub(crate) fn owe(&mut self, peer: PublicKey, now: Duration, take: impl FnOnce(&mut T)) {
        take(self.of.entry(peer).or_default());
        if self.of.len() > MAX_DEBTORS {
            let owed = self.of.iter().map(|(id, debt)| (debt.owed(now), *id));
            if let Some((_, least)) = owed.min() {
                self.of.remove(&least);
            }
        }
    }

    /// Forgets those who owe nothing.
    pub(crate) fn expire(&mut self, now: Duration) {
        self.of.retain(|_, debt| !debt.owed(now).is_zero());
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.of.len()
    }

    /// What must hold after every event.
    #[cfg(test)]
    pub(crate) fn check_invariants(&self, check: impl Fn(&T)) {
        assert!(self.of.len() <= MAX_DEBTORS);
        self.of.values().for_each(check);
    }
}

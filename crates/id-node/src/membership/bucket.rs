//! Token buckets: so many at once, and one more every so often.

use std::time::Duration;

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    /// As many at once.
    pub(super) burst: u32,
    /// One more each time this has passed.
    pub(super) gap: Duration,
}

/// What is left of a [`Rate`]. It is a single moment, however large the burst: when all that was
/// taken so far will have been paid for. Never more than a whole burst is owed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    paid_at: Duration,
}

impl Bucket {
    /// How many may be taken now.
    pub(super) fn left(&self, rate: Rate, now: Duration) -> u32 {
        let owed = self.paid_at.saturating_sub(now).as_nanos().div_ceil(rate.gap.as_nanos());
        rate.burst.saturating_sub(u32::try_from(owed).unwrap_or(u32::MAX))
    }

    pub(super) fn has(&self, rate: Rate, now: Duration) -> bool {
        self.left(rate, now) > 0
    }

    /// Takes one. Whoever takes from an empty bucket takes nothing.
    pub(super) fn take(&mut self, rate: Rate, now: Duration) {
        if self.has(rate, now) {
            self.paid_at = self.paid_at.max(now) + rate.gap;
        }
    }

    /// Puts one back.
    pub(super) fn give_back(&mut self, rate: Rate) {
        self.paid_at = self.paid_at.saturating_sub(rate.gap);
    }

    /// How long until one may be taken.
    pub(super) fn next_in(&self, rate: Rate, now: Duration) -> Duration {
        let may_be_owed = rate.gap * rate.burst.saturating_sub(1);
        self.paid_at.saturating_sub(now).saturating_sub(may_be_owed)
    }

    /// How long until it is full.
    pub(super) fn owed(&self, now: Duration) -> Duration {
        self.paid_at.saturating_sub(now)
    }
}

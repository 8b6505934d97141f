//! When to announce: at every interval, and soon after something happened.

use std::time::Duration;

use id_proto::iroh_base::PublicKey;

use super::event::Now;

/// Shortest time between two announcements that new neighbours cause. Origin: a guess; a joining
/// node gets up to five neighbours within a second.
const NEIGHBOUR_GAP: Duration = Duration::from_secs(1);

/// How long a change is held back in case another one follows. Origin: a guess; people don't notice.
const CHANGE_DEBOUNCE: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Schedule {
    /// The last announcement; `None` before the first.
    last: Option<Duration>,
    /// How much earlier than a whole interval the next one comes, in 1/1024 of the interval.
    jitter: u32,
    /// An announcement that something caused.
    wanted_at: Option<Duration>,
}

impl Schedule {
    pub(super) fn new(now: Now) -> Self {
        Self { last: None, jitter: 0, wanted_at: Some(now.mono) }
    }

    /// A new neighbour should hear us soon, but not every one of them an announcement of its own.
    pub(super) fn on_neighbour_up(&mut self, now: Now) {
        let after_gap = self.last.map_or(Duration::ZERO, |last| last + NEIGHBOUR_GAP);
        self.want(now.mono.max(after_gap));
    }

    /// Others should hear of a change soon, and of several changes at once.
    pub(super) fn on_change(&mut self, now: Now) {
        self.want(now.mono + CHANGE_DEBOUNCE);
    }

    fn want(&mut self, at: Duration) {
        self.wanted_at = Some(self.wanted_at.map_or(at, |wanted| wanted.min(at)));
    }

    pub(super) fn next_due(&self, interval: Duration) -> Duration {
        let regular = self.last.map_or(Duration::ZERO, |last| last + self.shortened(interval));
        self.wanted_at.map_or(regular, |at| at.min(regular))
    }

    pub(super) fn is_due(&self, now: Now, interval: Duration) -> bool {
        now.mono >= self.next_due(interval)
    }

    /// Notes an announcement. The jitter of the next interval comes from what is different at every
    /// node and every time, so that nodes that start together don't stay in step.
    pub(super) fn announced(&mut self, now: Now, me: PublicKey, seq: u64) {
        let id = u64::from_le_bytes(me.as_bytes()[..8].try_into().expect("eight bytes"));
        // The multiplier of Knuth's linear congruential generator (MMIX) spreads the low bits.
        let mixed = (id ^ seq).wrapping_mul(6_364_136_223_846_793_005);
        self.jitter = (mixed >> 57) as u32;
        self.last = Some(now.mono);
        self.wanted_at = None;
    }

    /// Up to an eighth earlier, never later: others expect us within the announced interval.
    fn shortened(&self, interval: Duration) -> Duration {
        interval - interval * self.jitter / 1024
    }
}

//! When to announce: at every interval, and soon after something happened. Gossip may have to wait for it;
//! those who ask don't.

use std::time::Duration;

use id_proto::iroh_base::PublicKey;

use super::event::Now;

/// Shortest time between two announcements that new neighbours cause. Origin: a guess; a joining
/// node gets up to five neighbours within a second.
const NEIGHBOUR_GAP: Duration = Duration::from_secs(1);

/// How long a change is held back in case another one follows. Origin: a guess; people don't notice.
const CHANGE_DEBOUNCE: Duration = Duration::from_millis(200);

/// What others accept of one author: one announcement in this time on average… Origin: protocol.md.
const AUTHOR_GAP: Duration = Duration::from_secs(5);
/// … and as many at once. Origin: protocol.md.
const AUTHOR_BURST: u32 = 3;
/// How much less often we make use of that: what is faster on its way than what was said before it would
/// come too early for others, and go unheard until it is said again. Origin: a guess; ways within gossip
/// differ by less.
const TRAVEL_SLACK: Duration = Duration::from_secs(1);

/// What one of ours costs.
const PAID_WITHIN: Duration = AUTHOR_GAP.saturating_add(TRAVEL_SLACK);

/// Whether anybody can hear an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// There is no neighbour to pass it on: it costs nobody anything.
    Nobody,
    /// The network.
    Network,
}

#[derive(Debug)]
pub(super) struct Schedule {
    /// When the next announcement is due even if nothing happens.
    regular_at: Duration,
    /// An announcement that something caused.
    wanted_at: Option<Duration>,
    /// When those who ask shall be told of a change, unless all are told by then.
    renewal_at: Option<Duration>,
    /// The last announcement that was heard.
    last_heard: Option<Duration>,
    /// When what was announced so far is paid for, at one announcement per [`PAID_WITHIN`].
    paid_at: Duration,
}

impl Schedule {
    pub(super) fn new(now: Now) -> Self {
        Self {
            regular_at: now.mono,
            wanted_at: None,
            renewal_at: None,
            last_heard: None,
            paid_at: Duration::ZERO,
        }
    }

    /// A new neighbour should hear us soon, but not every one of them an announcement of its own.
    pub(super) fn on_neighbour_up(&mut self, now: Now) {
        let after_gap = self.last_heard.map_or(Duration::ZERO, |last| last + NEIGHBOUR_GAP);
        self.want(now.mono.max(after_gap));
    }

    /// Others should hear of a change soon, and of several changes at once.
    pub(super) fn on_change(&mut self, now: Now) {
        self.want(now.mono + CHANGE_DEBOUNCE);
        self.renewal_at.get_or_insert(now.mono + CHANGE_DEBOUNCE);
    }

    fn want(&mut self, at: Duration) {
        self.wanted_at = Some(self.wanted_at.map_or(at, |wanted| wanted.min(at)));
    }

    /// When there is something to do.
    pub(super) fn next_due(&self) -> Duration {
        self.renewal_at.map_or(self.announcement_at(), |at| at.min(self.announcement_at()))
    }

    fn announcement_at(&self) -> Duration {
        let within_budget = self.paid_at.saturating_sub(PAID_WITHIN * (AUTHOR_BURST - 1));
        let caused = self.wanted_at.map(|at| at.max(within_budget));
        caused.map_or(self.regular_at, |at| at.min(self.regular_at))
    }

    /// Whether to announce.
    pub(super) fn is_due(&self, now: Now) -> bool {
        now.mono >= self.announcement_at()
    }

    /// Whether those who ask must be told what the others can't be told yet.
    pub(super) fn is_renewal_due(&self, now: Now) -> bool {
        self.renewal_at.is_some_and(|at| now.mono >= at)
    }

    /// Notes that they are.
    pub(super) fn renewed(&mut self) {
        self.renewal_at = None;
    }

    /// Notes an announcement that promised the next one within `interval`. The jitter comes from
    /// what is different at every node and every time, so that nodes that start together don't stay
    /// in step.
    pub(super) fn announced(
        &mut self,
        now: Now,
        interval: Duration,
        audience: Audience,
        me: PublicKey,
        seq: u64,
    ) {
        let id = u64::from_le_bytes(me.as_bytes()[..8].try_into().expect("eight bytes"));
        // The multiplier of Knuth's linear congruential generator (MMIX) spreads the low bits.
        let mixed = (id ^ seq).wrapping_mul(6_364_136_223_846_793_005);
        // Up to an eighth earlier, never later: others expect us within the announced interval.
        self.regular_at = now.mono + interval - interval * (mixed >> 57) as u32 / 1024;
        self.wanted_at = None;
        self.renewal_at = None;
        if audience == Audience::Network {
            self.last_heard = Some(now.mono);
            self.paid_at = self.paid_at.max(now.mono) + PAID_WITHIN;
        }
    }
}

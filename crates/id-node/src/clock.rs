//! The one place where this crate reads clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::membership::Now;

/// The clock of one running node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono: self.start.elapsed(), unix }
    }

    /// The moment at which [`Now::mono`] is `mono`.
    pub(crate) fn instant(&self, mono: Duration) -> Instant {
        self.start + mono
    }
}

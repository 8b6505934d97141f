//! A moment in the past of a node, which may be before its start.

use std::time::Duration;

/// A moment on the clock of [`super::Now::mono`], in nanoseconds. It may be before the clock's zero:
/// a node that has just started is told of peers that were last heard before it was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(i64);

impl Moment {
    /// The moment that lies `age` before `now`.
    pub fn before(now: Duration, age: Duration) -> Self {
        Self(nanos(now).saturating_sub(nanos(age)))
    }

    /// How long ago it is; zero if it is yet to come.
    pub fn age(self, now: Duration) -> Duration {
        Duration::from_nanos(nanos(now).saturating_sub(self.0).try_into().unwrap_or(0))
    }
}

/// Saturates after 292 years.
fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

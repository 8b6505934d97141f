//! The clocks of the shell. The core is given the time.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Stands for "never" where a deadline is asked for. Origin: tokio's own far future, 30 years.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The wall clock, in unix seconds; 0 for a clock set before 1970.
pub(crate) fn unix_secs() -> u64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since_epoch.map_or(0, |duration| duration.as_secs())
}

/// The moment `timeout` from now, or one that won't be seen.
pub(crate) fn deadline(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(NEVER)
}

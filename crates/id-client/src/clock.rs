//! The clocks of the shell. The core is given the time.

use std::time::SystemTime;

/// The wall clock, in unix seconds; 0 for a clock set before 1970.
pub(crate) fn unix_secs() -> u64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since_epoch.map_or(0, |duration| duration.as_secs())
}

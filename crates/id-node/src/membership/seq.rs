//! Sequence numbers that grow for one node for ever, restarts and clock steps included.

use std::time::Duration;

use super::event::{Effect, Now};

/// How far ahead of the clock numbers are reserved on disk. Origin: one small write a minute.
const RESERVE: Duration = Duration::from_secs(60);
/// How many are reserved at least, while the last one is ahead of the clock. Origin: a guess; more than are used in
/// a minute, and little, because each restart within that minute starts so much further ahead.
const SPARE: u64 = 1000;

/// What a run starts above if what an earlier one reserved is lost, or an old copy of it was restored: as far ahead
/// of the clock as a start can be above an earlier reservation, so that others hear it at once.
pub(crate) fn floor_without_record(unix: Duration) -> u64 {
    millis(unix.saturating_add(RESERVE))
}

#[derive(Debug)]
pub(super) struct Seq {
    last: u64,
    reserved: u64,
}

impl Seq {
    /// Continues above `floor`, the highest number that an earlier run may have used.
    pub(super) fn new(floor: u64) -> Self {
        Self { last: floor, reserved: floor }
    }

    /// The next number: unix milliseconds, or one more than the last if the clock didn't advance.
    pub(super) fn next(&mut self, now: Now, effects: &mut Vec<Effect>) -> u64 {
        self.last = millis(now.unix).max(self.last.saturating_add(1));
        if self.last > self.reserved {
            let soon = millis(now.unix.saturating_add(RESERVE));
            self.reserved = soon.max(self.last.saturating_add(SPARE));
            effects.push(Effect::ReserveSeq(self.reserved));
        }
        self.last
    }
}

fn millis(unix: Duration) -> u64 {
    u64::try_from(unix.as_millis()).unwrap_or(u64::MAX)
}

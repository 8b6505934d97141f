//! Sequence numbers that grow for one node for ever, restarts and clock steps included.

use std::time::Duration;

use super::event::{Effect, Now};

/// How far ahead numbers are reserved on disk. Origin: one small write a minute.
const RESERVE: Duration = Duration::from_secs(60);

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
        let millis = u64::try_from(now.unix.as_millis()).unwrap_or(u64::MAX);
        self.last = millis.max(self.last.saturating_add(1));
        if self.last > self.reserved {
            self.reserved = self.last.saturating_add(RESERVE.as_millis() as u64);
            effects.push(Effect::ReserveSeq(self.reserved));
        }
        self.last
    }
}

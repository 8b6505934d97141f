//! When to look for records and when to leave one. Time and randomness are arguments.

use std::time::Duration;

use crate::membership::Now;

/// The first wait of a node without neighbours. Origin: a look takes less than this in a DHT whose
/// nodes answer.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait of a node without neighbours. Origin: four looks a minute cost nobody anything.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// How often a node with neighbours looks whether there is a part of the network that it lacks.
/// Origin: distributed-topic-tracker looks after 60 to 180 s; records live for two minutes.
const MERGE_WAIT: Duration = Duration::from_secs(45);
/// How many looks that find somebody are followed by another one soon. Origin: addresses are published
/// within a few seconds of the record; whoever can't be reached then, or doesn't exist, can wait.
const EAGER_LOOKS: u32 = 8;
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Schedule {
    is_lonely: bool,
    wait: Duration,
    eager_looks: u32,
    look_at: Duration,
    leave_at: Duration,
}

impl Schedule {
    /// Looks and leaves at once.
    pub(super) fn new(now: Duration) -> Self {
        Self {
            is_lonely: true,
            wait: FIRST_WAIT,
            eager_looks: EAGER_LOOKS,
            look_at: now,
            leave_at: now,
        }
    }

    /// Notes how many neighbours there are: whoever loses the last one looks at once.
    pub(super) fn observe(&mut self, n_neighbours: usize, now: Duration) {
        let is_lonely = n_neighbours == 0;
        if is_lonely && !self.is_lonely {
            self.wait = FIRST_WAIT;
            self.eager_looks = EAGER_LOOKS;
            self.look_at = now;
            self.leave_at = now;
        }
        self.is_lonely = is_lonely;
    }

    pub(super) fn next_due(&self) -> Duration {
        self.look_at.min(self.leave_at)
    }

    pub(super) fn leave_is_due(&self, now: Duration) -> bool {
        now >= self.leave_at
    }

    /// Notes a look that found `n_records`. `spread` within 0..1 keeps nodes that start together out
    /// of step.
    pub(super) fn looked(&mut self, now: Duration, n_records: usize, spread: f64) {
        let is_eager = n_records > 0 && self.eager_looks > 0;
        let wait = match (self.is_lonely, is_eager) {
            (false, _) => MERGE_WAIT,
            // Where they are may be known a moment later: addresses are published apart from records.
            (true, true) => FIRST_WAIT,
            (true, false) => self.wait,
        };
        self.look_at = now + wait.mul_f64(0.5 + spread.clamp(0.0, 1.0));
        match (self.is_lonely, is_eager) {
            (false, _) => self.wait = FIRST_WAIT,
            (true, true) => self.eager_looks -= 1,
            (true, false) => self.wait = (self.wait * 3 / 2).min(LONGEST_WAIT),
        }
    }

    /// Notes that a record couldn't be left: the board may be there again at the next look.
    pub(super) fn leaving_failed(&mut self, now: Duration) {
        self.leave_at = self.look_at.max(now + self.wait);
    }

    /// Notes that a record was left, or that there was no room: the next chance is the next minute,
    /// at its beginning for who is alone, and spread over it for all others.
    pub(super) fn left(&mut self, now: Now, spread: f64) {
        let into_minute = Duration::from_secs(now.unix.as_secs() % 60);
        let spread = spread.clamp(0.0, 1.0) * if self.is_lonely { 0.05 } else { 0.9 };
        self.leave_at = now.mono + (MINUTE - into_minute) + MINUTE.mul_f64(spread);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_lonely_node_looks_at_once_and_then_ever_more_rarely() {
        let mut schedule = Schedule::new(secs(5));
        let mut waits = Vec::new();
        let mut now = schedule.next_due();
        assert_eq!(now, secs(5));
        schedule.left(Now { mono: now, unix: secs(0) }, 1.0);
        for _ in 0..9 {
            schedule.looked(now, 0, 0.5);
            waits.push((schedule.look_at - now).as_millis());
            now = schedule.look_at;
        }
        assert_eq!(waits[..4], [1000, 1500, 2250, 3375]);
        assert_eq!(waits[7..], [15_000, 15_000]);
    }

    #[test]
    fn a_lonely_node_that_found_a_record_looks_again_soon() {
        let mut schedule = Schedule::new(secs(0));
        for _ in 0..5 {
            schedule.looked(secs(0), 0, 0.5);
        }
        schedule.looked(secs(10), 1, 0.5);
        assert_eq!(schedule.look_at, secs(11));
    }

    #[test]
    fn records_of_peers_that_are_never_reached_dont_keep_a_lonely_node_busy() {
        let mut schedule = Schedule::new(secs(0));
        let (mut now, mut n_looks) = (secs(0), 0);
        while now < secs(600) {
            schedule.looked(now, 50, 0.5);
            now = schedule.look_at;
            n_looks += 1;
        }
        assert!((40..60).contains(&n_looks), "{n_looks} looks in ten minutes");
    }

    #[test]
    fn after_a_failure_a_record_is_left_at_a_later_look_and_not_at_once() {
        let mut schedule = Schedule::new(secs(0));
        schedule.left(Now { mono: secs(0), unix: secs(0) }, 0.5);
        schedule.leaving_failed(secs(0));
        assert_eq!(schedule.leave_at, secs(1));
        schedule.looked(secs(0), 0, 0.5);
        schedule.leaving_failed(secs(0));
        assert!(schedule.leave_at >= schedule.look_at && schedule.leave_at < secs(5));
    }

    #[test]
    fn who_loses_the_last_neighbour_looks_and_leaves_at_once() {
        let mut schedule = Schedule::new(secs(0));
        schedule.observe(2, secs(1));
        schedule.looked(secs(1), 3, 0.5);
        schedule.left(Now { mono: secs(1), unix: secs(1) }, 0.5);
        assert!(schedule.next_due() > secs(40));
        schedule.observe(0, secs(10));
        assert_eq!(schedule.next_due(), secs(10));
        assert!(schedule.leave_is_due(secs(10)));
    }

    #[test]
    fn a_record_is_left_at_most_once_a_minute_and_always_in_another_one() {
        for (into, spread) in [(0, 0.0), (0, 1.0), (59, 0.0), (30, 0.7)] {
            let mut schedule = Schedule::new(secs(0));
            schedule.observe(3, secs(0));
            schedule.left(Now { mono: secs(100), unix: secs(600 + into) }, spread);
            let unix_then = 600 + into + (schedule.leave_at - secs(100)).as_secs();
            assert_eq!(unix_then / 60, 11, "{into} s into the minute, spread {spread}");
        }
    }
}

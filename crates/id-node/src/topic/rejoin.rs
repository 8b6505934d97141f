//! When to try again to find neighbours, and through whom: at once, then ever more rarely, while
//! there are too few.

use std::{sync::Arc, time::Duration};

use rand::{Rng, seq::IteratorRandom};

use crate::membership::{Entry, View};

/// The first wait. Origin: a node that is started a moment before its bootstrap node.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait. Origin: with the longest spread, a default announce interval.
const LONGEST: Duration = Duration::from_secs(20);
/// Most peers that are asked at once whether they are there. Origin: one in two may be dead, and one
/// that lives is enough.
const MAX_ASKED: usize = 16;

/// Whom to ask this time, besides the neighbours; each time others, so that nobody's turn never comes.
pub(crate) fn choose(view: &View, rng: &mut impl Rng) -> Vec<Arc<Entry>> {
    let is_neighbour =
        |entry: &&Arc<Entry>| view.neighbours.binary_search(&entry.node_id()).is_ok();
    let others = view.entries.iter().filter(|entry| !is_neighbour(entry));
    others.cloned().sample(rng, MAX_ASKED)
}

/// Back-off while there are too few neighbours. Time is an argument.
#[derive(Debug)]
pub(crate) struct Rejoin {
    wait: Duration,
    due: Option<Duration>,
}

impl Rejoin {
    /// The first attempt is being made at `now`.
    pub(crate) fn new(now: Duration) -> Self {
        Self { wait: FIRST, due: Some(now + FIRST) }
    }

    /// When to try again; `None` while there are enough neighbours.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// Notes whether there are too few neighbours.
    pub(crate) fn observe(&mut self, too_few: bool, now: Duration) {
        match (too_few, self.due) {
            (true, None) => *self = Self { wait: FIRST, due: Some(now) },
            (false, Some(_)) => self.due = None,
            _ => {}
        }
    }

    /// Notes an attempt. `spread` within 0..1 keeps nodes that lost the same peer out of step.
    pub(crate) fn attempted(&mut self, now: Duration, spread: f64) {
        self.due = Some(now + self.wait.mul_f64(0.5 + spread.clamp(0.0, 1.0)));
        self.wait = (self.wait * 2).min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(100);

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut rejoin = Rejoin::new(T);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let now = rejoin.due().unwrap();
            rejoin.attempted(now, 0.5);
            waits.push((rejoin.due().unwrap() - now).as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 20, 20, 20]);
    }

    #[test]
    fn neighbours_end_the_waiting_and_their_loss_is_acted_upon_at_once() {
        let mut rejoin = Rejoin::new(T);
        rejoin.attempted(T, 0.0);
        rejoin.observe(false, T);
        assert_eq!(rejoin.due(), None);
        rejoin.observe(true, 2 * T);
        assert_eq!(rejoin.due(), Some(2 * T));
    }
}

//! How often gossip may dial whom messages name and who isn't there: their addresses may be anybody's.
//! Time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// How many such dials may fail at once. Origin: the peers that gossip remembers to be somewhere.
const BURST: u32 = 32;
/// How often one more. Origin: as often as a peer that we were only told of is probed.
const GAP: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct DialBudget {
    /// When those dialled so far are paid for.
    paid: Instant,
}

impl DialBudget {
    pub(super) fn new(now: Instant) -> Self {
        Self { paid: now }
    }

    /// Takes the price of a dial, if there is as much.
    pub(super) fn takes(&mut self, now: Instant) -> bool {
        let paid = self.paid.max(now);
        let may = paid <= now + GAP * (BURST - 1);
        if may {
            self.paid = paid + GAP;
        }
        may
    }

    /// Gives it back: the peer was there.
    pub(super) fn give_back(&mut self) {
        self.paid = self.paid.checked_sub(GAP).unwrap_or(self.paid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_dials_may_fail_at_once_and_then_one_a_second() {
        let now = Instant::now();
        let mut budget = DialBudget::new(now);
        assert_eq!((0..100).filter(|_| budget.takes(now)).count(), BURST as usize);
        assert!(!budget.takes(now + GAP - Duration::from_millis(1)));
        assert!(budget.takes(now + GAP));
        assert!(!budget.takes(now + GAP));
        let later = now + 10 * GAP * BURST;
        assert_eq!((0..100).filter(|_| budget.takes(later)).count(), BURST as usize);
    }

    #[test]
    fn whoever_is_there_costs_nothing() {
        let now = Instant::now();
        let mut budget = DialBudget::new(now);
        for _ in 0..1000 {
            assert!(budget.takes(now));
            budget.give_back();
        }
        assert_eq!((0..100).filter(|_| budget.takes(now)).count(), BURST as usize);
    }
}

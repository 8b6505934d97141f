//! What of gossip is rationed: statements of strangers that a neighbour brings, and dials to whom messages
//! name. Time is an argument.

use std::time::Duration;

use id_proto::iroh_base::PublicKey;

use crate::bucket::{Bucket, Debts, Rate};

/// How many statements of strangers one neighbour may bring. More are neither heard nor sent on, so that
/// whoever makes up identities floods its neighbours alone. Origin: 16 a second are three times the newcomers
/// of a network of 20,000 whose peers stay for an hour on average, and with the burst a thousand within a
/// minute, when parts of a network that was cut meet. Each costs each node of the network half a millisecond:
/// five neighbours that flood (HyParView's active view) take a twenty-fifth of a core.
const STRANGERS: Rate = Rate { burst: 256, gap: Duration::from_micros(62_500) };
/// How many dials may fail to those whom messages name; their addresses may be anybody's. Origin: as many
/// as gossip remembers to be somewhere, and then as often as a peer that we were only told of is probed.
const DIALS: Rate = Rate { burst: 32, gap: Duration::from_secs(1) };

#[derive(Debug, Default)]
pub(super) struct Rations {
    strangers: Debts<Bucket>,
    dials: Bucket,
}

impl Rations {
    /// Takes the price of a stranger's statement that `neighbour` brings, if it has as much left.
    pub(super) fn takes_stranger(&mut self, neighbour: PublicKey, now: Duration) -> bool {
        let may = self.strangers.of(&neighbour).has(STRANGERS, now);
        if may {
            self.strangers.owe(neighbour, now, |bucket| bucket.take(STRANGERS, now));
        }
        may
    }

    /// Takes the price of a dial, if there is as much.
    pub(super) fn takes_dial(&mut self, now: Duration) -> bool {
        let may = self.dials.has(DIALS, now);
        self.dials.take(DIALS, now);
        may
    }

    /// Gives it back: the peer was there.
    pub(super) fn dial_answered(&mut self) {
        self.dials.give_back(DIALS);
    }

    /// Forgets those who owe nothing.
    pub(super) fn expire(&mut self, now: Duration) {
        self.strangers.expire(now);
    }
}

#[cfg(test)]
mod tests {
    use id_proto::iroh_base::SecretKey;

    use super::*;

    const START: Duration = Duration::from_secs(1000);

    fn peer(seed: u8) -> PublicKey {
        SecretKey::from_bytes(&[seed; 32]).public()
    }

    fn n_strangers(rations: &mut Rations, seed: u8, now: Duration) -> u32 {
        (0..10_000).filter(|_| rations.takes_stranger(peer(seed), now)).count() as u32
    }

    #[test]
    fn a_neighbour_brings_a_crowd_of_strangers_at_once_and_then_sixteen_a_second() {
        let mut rations = Rations::default();
        assert_eq!(n_strangers(&mut rations, 1, START), STRANGERS.burst);
        assert_eq!(n_strangers(&mut rations, 1, START + Duration::from_secs(1)), 16);
        assert_eq!(n_strangers(&mut rations, 2, START), STRANGERS.burst, "each has its own");
    }

    #[test]
    fn what_a_neighbour_owes_is_remembered_until_it_is_paid() {
        let mut rations = Rations::default();
        assert_eq!(n_strangers(&mut rations, 1, START), STRANGERS.burst);
        let paid = START + STRANGERS.gap * STRANGERS.burst;
        rations.expire(paid - Duration::from_millis(1));
        assert_eq!(rations.strangers.len(), 1);
        rations.expire(paid);
        assert_eq!(rations.strangers.len(), 0);
        assert_eq!(n_strangers(&mut rations, 1, paid), STRANGERS.burst);
    }

    #[test]
    fn some_dials_may_fail_at_once_and_then_one_a_second() {
        let mut rations = Rations::default();
        let mut dials = |now| (0..100).filter(|_| rations.takes_dial(now)).count();
        assert_eq!(dials(START), 32);
        assert_eq!(dials(START + Duration::from_millis(999)), 0);
        assert_eq!(dials(START + Duration::from_secs(1)), 1);
        assert_eq!(dials(START + Duration::from_secs(1000)), 32);
    }

    #[test]
    fn whoever_is_there_costs_nothing() {
        let mut rations = Rations::default();
        for _ in 0..1000 {
            assert!(rations.takes_dial(START));
            rations.dial_answered();
        }
        assert_eq!((0..100).filter(|_| rations.takes_dial(START)).count(), DIALS.burst as usize);
    }
}

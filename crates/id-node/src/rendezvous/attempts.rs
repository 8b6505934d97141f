//! Whom we tried to reach in vain, so that nobody is tried at every look.

use std::{collections::BTreeMap, time::Duration};

use id_proto::iroh_base::PublicKey;

/// The first wait before a peer is tried again. Origin: addresses are published a moment after the
/// record that names the peer, and the next look may find them.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest. Origin: what a healed cut may cost a peer that was out of reach, and long enough that
/// made-up peers cost a look-up a minute each.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Most peers that are remembered. Origin: a guess, five looks' worth; 40 KiB.
pub(super) const MAX_ATTEMPTS: usize = 512;

/// The attempts to reach each peer since it was last a neighbour.
#[derive(Debug, Default)]
pub(super) struct Attempts(BTreeMap<PublicKey, Attempt>);

#[derive(Debug, Clone, Copy)]
struct Attempt {
    at: Duration,
    wait: Duration,
}

impl Attempts {
    /// Notes that these peers are neighbours: if they are lost, they may be tried at once.
    pub(super) fn succeeded(&mut self, neighbours: &[PublicKey]) {
        for peer in neighbours {
            self.0.remove(peer);
        }
    }

    /// Notes an attempt. Returns whether it may be made: not before the wait after the last one.
    pub(super) fn start(&mut self, peer: PublicKey, now: Duration) -> bool {
        let wait = match self.0.get(&peer) {
            Some(last) if now < last.at + last.wait => return false,
            Some(last) => (last.wait * 2).min(LONGEST_WAIT),
            None => FIRST_WAIT,
        };
        self.make_room(&peer);
        self.0.insert(peer, Attempt { at: now, wait });
        true
    }

    /// Forgets the oldest attempt if there is no room for another peer.
    fn make_room(&mut self, peer: &PublicKey) {
        if self.0.len() < MAX_ATTEMPTS || self.0.contains_key(peer) {
            return;
        }
        let oldest = self.0.iter().min_by_key(|(_, attempt)| attempt.at).map(|(peer, _)| *peer);
        oldest.and_then(|oldest| self.0.remove(&oldest));
    }
}

#[cfg(test)]
mod tests {
    use id_proto::iroh_base::SecretKey;

    use super::*;

    fn id(seed: u16) -> PublicKey {
        let mut bytes = [3; 32];
        bytes[..2].copy_from_slice(&seed.to_le_bytes());
        SecretKey::from_bytes(&bytes).public()
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_peer_that_never_answers_is_tried_ever_more_rarely() {
        let mut attempts = Attempts::default();
        let tried = (0..3600).filter(|second| attempts.start(id(1), secs(*second))).count();
        assert!((60..70).contains(&tried), "{tried} times in an hour");
    }

    #[test]
    fn whoever_was_a_neighbour_is_tried_at_once() {
        let mut attempts = Attempts::default();
        assert!(attempts.start(id(1), secs(0)));
        assert!(!attempts.start(id(1), secs(0)));
        attempts.succeeded(&[id(1)]);
        assert!(attempts.start(id(1), secs(0)));
    }

    #[test]
    fn the_oldest_attempts_are_forgotten_first() {
        let mut attempts = Attempts::default();
        let n = MAX_ATTEMPTS as u16;
        for seed in 0..=n {
            assert!(attempts.start(id(seed), Duration::from_micros(seed.into())));
        }
        assert_eq!(attempts.0.len(), MAX_ATTEMPTS);
        assert!(!attempts.start(id(n), secs(0)));
        assert!(attempts.start(id(0), Duration::from_millis(1)), "was forgotten");
    }
}

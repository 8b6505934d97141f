//! Whom gossip talks to: not those who did harm a while ago. Time is an argument.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use id_proto::iroh_base::PublicKey;

/// How long the first offence keeps a peer out; each further one doubles it. Origin: a node that was
/// only slow is missed for a minute, and one that does it on purpose costs us a second in sixty.
const FIRST_BAR: Duration = Duration::from_secs(60);
/// How often it is doubled. Origin: an hour is long for whoever has repaired their node.
const MAX_DOUBLINGS: u32 = 6;
/// After how long behind its bar an offence is forgiven. Origin: the longest bar.
const FORGIVEN_AFTER: Duration = Duration::from_secs(3600);
/// Most offenders that are remembered. Origin: what the newcomers of an hour can be, twice over.
const MAX_OFFENDERS: usize = 1024;
/// How long after an offence others are expected. Origin: [`FIRST_BAR`].
const ALARM: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Guests {
    offenders: BTreeMap<PublicKey, Bar>,
    alarm_until: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Bar {
    until: Instant,
    doublings: u32,
}

impl Guests {
    /// Notes that `peer` did harm.
    pub(super) fn convict(&mut self, peer: PublicKey, now: Instant) {
        let before = self.offenders.get(&peer).filter(|bar| now < bar.until + FORGIVEN_AFTER);
        let doublings = before.map_or(0, |bar| (bar.doublings + 1).min(MAX_DOUBLINGS));
        let until = now + FIRST_BAR * 2_u32.pow(doublings);
        self.make_room();
        self.offenders.insert(peer, Bar { until, doublings });
        self.alarm_until = Some(now + ALARM);
    }

    /// Whether `peer` did harm a while ago.
    pub(super) fn is_barred(&self, peer: &PublicKey, now: Instant) -> bool {
        self.offenders.get(peer).is_some_and(|bar| now < bar.until)
    }

    /// Whether somebody did harm lately, and may have come back under another name.
    pub(super) fn are_suspect(&self, now: Instant) -> bool {
        self.alarm_until.is_some_and(|until| now < until)
    }

    /// Forgets the offender that is free soonest if there are as many as can be.
    fn make_room(&mut self) {
        if self.offenders.len() < MAX_OFFENDERS {
            return;
        }
        let soonest = self.offenders.iter().min_by_key(|(_, bar)| bar.until);
        if let Some(soonest) = soonest.map(|(peer, _)| *peer) {
            self.offenders.remove(&soonest);
        }
    }
}

#[cfg(test)]
mod tests {
    use id_proto::iroh_base::SecretKey;

    use super::*;

    fn peer(n: u16) -> PublicKey {
        let mut seed = [0; 32];
        seed[..2].copy_from_slice(&n.to_le_bytes());
        SecretKey::from_bytes(&seed).public()
    }

    #[test]
    fn an_offender_is_kept_out_for_longer_each_time_up_to_about_an_hour() {
        let (mut guests, mut now) = (Guests::default(), Instant::now());
        for minutes in [1, 2, 4, 8, 16, 32, 64, 64] {
            guests.convict(peer(1), now);
            now += Duration::from_secs(minutes * 60 - 1);
            assert!(guests.is_barred(&peer(1), now), "{minutes}");
            now += Duration::from_secs(1);
            assert!(!guests.is_barred(&peer(1), now), "{minutes}");
        }
        now += FORGIVEN_AFTER;
        guests.convict(peer(1), now);
        assert!(!guests.is_barred(&peer(1), now + FIRST_BAR), "forgiven");
    }

    #[test]
    fn after_an_offence_newcomers_are_suspect_for_a_minute() {
        let (mut guests, now) = (Guests::default(), Instant::now());
        assert!(!guests.are_suspect(now));
        guests.convict(peer(1), now);
        assert!(guests.are_suspect(now + ALARM - Duration::from_millis(1)));
        assert!(!guests.are_suspect(now + ALARM));
    }

    #[test]
    fn the_memory_is_bounded_and_those_free_soonest_are_forgotten_first() {
        let (mut guests, now) = (Guests::default(), Instant::now());
        for n in 0..=MAX_OFFENDERS as u16 {
            let later = now + Duration::from_millis(n.into());
            guests.convict(peer(n), later);
        }
        assert_eq!(guests.offenders.len(), MAX_OFFENDERS);
        assert!(!guests.is_barred(&peer(0), now));
        assert!(guests.is_barred(&peer(1), now));
    }
}

//! Whom gossip lets in: not those who stalled it a while ago, and, shortly after somebody did, few
//! who are new. Time is an argument.

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
/// How long after an offence newcomers are let in slowly. Origin: [`FIRST_BAR`].
const ALARM: Duration = Duration::from_secs(60);
/// How often one is let in then. Origin: twice what a stalled gossip needs to recover.
const NEWCOMER_GAP: Duration = Duration::from_secs(5);
/// How many at once. Origin: a guess; a few who restart shall not wait.
const NEWCOMER_BURST: u32 = 3;
/// Most peers that are remembered as known. Origin: [`MAX_OFFENDERS`].
const MAX_KNOWN: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Guests {
    offenders: BTreeMap<PublicKey, Bar>,
    /// Neighbours that behaved, and when they last did.
    known: BTreeMap<PublicKey, Instant>,
    alarm_until: Option<Instant>,
    /// When the newcomers let in so far are paid for.
    newcomers_paid: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Bar {
    until: Instant,
    doublings: u32,
}

impl Guests {
    /// Notes that `peer` stalled us.
    pub(super) fn convict(&mut self, peer: PublicKey, now: Instant) {
        let before = self.offenders.get(&peer).filter(|bar| now < bar.until + FORGIVEN_AFTER);
        let doublings = before.map_or(0, |bar| (bar.doublings + 1).min(MAX_DOUBLINGS));
        let until = now + FIRST_BAR * 2_u32.pow(doublings);
        self.known.remove(&peer);
        make_room(&mut self.offenders, MAX_OFFENDERS, |bar| bar.until);
        self.offenders.insert(peer, Bar { until, doublings });
        self.alarm_until = Some(now + ALARM);
    }

    /// Notes that `peer` has been a good neighbour for a while.
    pub(super) fn prove(&mut self, peer: PublicKey, now: Instant) {
        if !self.known.contains_key(&peer) {
            make_room(&mut self.known, MAX_KNOWN, |seen| *seen);
        }
        self.known.insert(peer, now);
    }

    /// Whether `peer` stalled us a while ago.
    pub(super) fn is_barred(&self, peer: &PublicKey, now: Instant) -> bool {
        self.offenders.get(peer).is_some_and(|bar| now < bar.until)
    }

    /// Whether `peer`, who dialled us, may become a neighbour.
    pub(super) fn lets_in(&mut self, peer: &PublicKey, now: Instant) -> bool {
        if self.is_barred(peer, now) {
            return false;
        }
        let is_calm = self.alarm_until.is_none_or(|until| now >= until);
        is_calm || self.known.contains_key(peer) || self.pays(now)
    }

    fn pays(&mut self, now: Instant) -> bool {
        let paid = self.newcomers_paid.map_or(now, |paid| paid.max(now));
        let may = paid <= now + NEWCOMER_GAP * (NEWCOMER_BURST - 1);
        if may {
            self.newcomers_paid = Some(paid + NEWCOMER_GAP);
        }
        may
    }
}

/// Drops the entry of the earliest moment if `map` is full.
fn make_room<V>(map: &mut BTreeMap<PublicKey, V>, max: usize, moment: impl Fn(&V) -> Instant) {
    if map.len() < max {
        return;
    }
    let earliest = map.iter().min_by_key(|(_, value)| moment(value)).map(|(peer, _)| *peer);
    earliest.map(|peer| map.remove(&peer));
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
            assert!(!guests.lets_in(&peer(1), now), "{minutes}");
            now += Duration::from_secs(1);
            assert!(guests.lets_in(&peer(1), now), "{minutes}");
        }
        now += FORGIVEN_AFTER;
        guests.convict(peer(1), now);
        assert!(guests.lets_in(&peer(1), now + FIRST_BAR), "forgiven");
    }

    #[test]
    fn shortly_after_an_offence_newcomers_come_slowly_and_known_peers_at_once() {
        let (mut guests, now) = (Guests::default(), Instant::now());
        guests.prove(peer(0), now);
        assert!((1..100).all(|n| guests.lets_in(&peer(n), now)), "no alarm, no limit");
        guests.convict(peer(100), now);
        let n_let_in = (101..200).filter(|n| guests.lets_in(&peer(*n), now)).count();
        assert_eq!(n_let_in, NEWCOMER_BURST as usize);
        assert!(guests.lets_in(&peer(0), now), "known");
        let early = now + NEWCOMER_GAP - Duration::from_millis(1);
        assert!(!guests.lets_in(&peer(200), early));
        assert!(guests.lets_in(&peer(200), now + NEWCOMER_GAP));
        assert!(!guests.lets_in(&peer(201), now + NEWCOMER_GAP));
        assert!((201..300).all(|n| guests.lets_in(&peer(n), now + ALARM)), "the alarm is over");
    }

    #[test]
    fn whoever_offends_is_known_no_more() {
        let (mut guests, now) = (Guests::default(), Instant::now());
        guests.prove(peer(0), now);
        guests.convict(peer(0), now);
        assert!(!guests.lets_in(&peer(0), now));
        assert!(guests.known.is_empty());
    }

    #[test]
    fn the_memory_is_bounded_and_those_free_soonest_are_forgotten_first() {
        let (mut guests, now) = (Guests::default(), Instant::now());
        for n in 0..=MAX_OFFENDERS as u16 {
            let later = now + Duration::from_millis(n.into());
            guests.convict(peer(n), later);
            guests.prove(peer(n + 2000), later);
        }
        assert_eq!((guests.offenders.len(), guests.known.len()), (MAX_OFFENDERS, MAX_KNOWN));
        assert!(!guests.is_barred(&peer(0), now));
        assert!(guests.is_barred(&peer(1), now));
        assert!(!guests.known.contains_key(&peer(2000)));
    }
}

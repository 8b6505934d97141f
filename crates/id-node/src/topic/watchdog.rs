//! Decides whether gossip stands still, and because of whom. Time is an argument.
//!
//! iroh-gossip has one actor. It hands each message to a queue of the neighbour's and waits while that
//! queue is full; so a neighbour that takes nothing stops the actor, and with it everything, for ever.
//! There are two signs of that, and both are needed:
//!
//! - **A deaf neighbour.** Gossip has had a message for it for a while, the connection lives, and not one
//!   STREAM frame was sent to it. That is seen before the actor stands still, if ever it would. A slow or
//!   lossy path looks different: there, the frames are sent, and sent again.
//! - **No heartbeat.** The actor doesn't take a command that does nothing. Then connections are closed
//!   one after the other, the most suspicious first, until it does: the last one was the cause.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use id_proto::iroh_base::PublicKey;

/// How often to look. Origin: a twentieth of the time in which a stall is to be noticed.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// How often to look while the actor stands still. Origin: a hundred times what it takes to go on once
/// the cause is gone.
const STUCK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a neighbour may take nothing of what there is for it. Origin: a guess; frames leave within
/// milliseconds, and are sent again every second or two if they get lost.
const DEAF_AFTER: Duration = Duration::from_secs(3);
/// How long ago a deaf neighbour may have been heard. Beyond, it isn't deaf but gone, which QUIC notices
/// by itself. Origin: iroh's keep-alives come every 5 s.
const HEARD_WITHIN: Duration = Duration::from_secs(7);
/// How long the actor may not beat. Origin: a guess; its work takes microseconds, and a machine may be busy.
const STUCK_AFTER: Duration = Duration::from_millis(1500);
/// How often a sign must have been seen. Origin: a process that was stopped for a while, and goes on, looks
/// often again before it judges.
const MIN_LOOKS: u32 = 4;
/// How much earlier than the actor a neighbour must have stood still to be the cause of it. Origin: a few looks.
const EARLIER: Duration = Duration::from_secs(1);
/// How long connections are closed one by one, and then how long the actor has after the last one.
/// Origin: five neighbours, and as long again; with [`STUCK_AFTER`] this makes 3 s until all is tried.
const PATIENCE: Duration = Duration::from_millis(500);
/// Whoever has been connected for so long isn't suspected without proof. Origin: a guess; it was sent our
/// announcement by then.
const PROVEN_AFTER: Duration = Duration::from_secs(30);

/// What has gone over all open connections of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Traffic {
    /// When the peer was connected for the first time that we remember.
    pub(super) seen_since: Instant,
    /// STREAM frames to it.
    pub(super) n_sent: u64,
    /// Datagrams from it.
    pub(super) n_received: u64,
    /// Whether it told us to stop sending. Gossip then stops sending to it, and waits for it all the same.
    pub(super) refuses_to_read: bool,
}

impl Traffic {
    /// No traffic yet with somebody who was connected first at `seen_since`.
    pub(super) fn none_since(seen_since: Instant) -> Self {
        Self { seen_since, n_sent: 0, n_received: 0, refuses_to_read: false }
    }
}

/// What there is to see at one look.
#[derive(Debug)]
pub(super) struct Seen {
    /// How often the actor has beaten, or `None` if it has ended.
    pub(super) beats: Option<u64>,
    /// Who has a connection.
    pub(super) traffic: BTreeMap<PublicKey, Traffic>,
    /// The neighbours, and whether gossip has had a message for them since the last look.
    pub(super) neighbours: BTreeMap<PublicKey, Owed>,
}

/// Whether a neighbour was to be sent something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owed {
    Nothing,
    Something,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Close the peer's connections.
    CutOff(PublicKey),
    /// It was this peer.
    Convict(PublicKey),
    /// It wasn't this peer whose connections were closed: join it again.
    Rejoin(PublicKey),
    /// Close all connections.
    CutOffAll,
    /// Start gossip anew.
    Rebuild,
}

#[derive(Debug)]
pub(super) struct Watchdog {
    peers: BTreeMap<PublicKey, Track>,
    beats: u64,
    beat_at: Instant,
    n_looks_without: u32,
    stuck: Option<Stuck>,
}

/// What is known of one peer with a connection.
#[derive(Debug)]
struct Track {
    last: Traffic,
    heard_at: Instant,
    /// Since when there is something for it of which nothing was sent, and how often that was seen.
    waits: Option<(Instant, u32)>,
    n_looks_refused: u32,
}

/// The actor stands still.
#[derive(Debug)]
struct Stuck {
    since: Instant,
    cut_off: Vec<PublicKey>,
    convicted: Vec<PublicKey>,
    /// Who was connected last before, and when.
    last_come: Option<(PublicKey, Instant)>,
    all_cut_off: Option<Instant>,
}

impl Watchdog {
    pub(super) fn new(now: Instant) -> Self {
        let (peers, stuck) = (BTreeMap::new(), None);
        Self { peers, beats: 0, beat_at: now, n_looks_without: 0, stuck }
    }

    /// How long to wait before the next look.
    pub(super) fn pause(&self) -> Duration {
        if self.stuck.is_some() { STUCK_INTERVAL } else { LOOK_INTERVAL }
    }

    /// Looks, and says what is to be done, in this order.
    pub(super) fn look(&mut self, seen: &Seen, now: Instant) -> Vec<Step> {
        self.track(seen, now);
        match seen.beats {
            None => self.rebuild(now),
            Some(beats) if beats != self.beats => self.on_beat(beats, now),
            Some(_) => self.on_silence(now),
        }
    }

    fn track(&mut self, seen: &Seen, now: Instant) {
        self.peers.retain(|peer, _| seen.traffic.contains_key(peer));
        for (peer, traffic) in &seen.traffic {
            let track = self.peers.entry(*peer).or_insert_with(|| Track::new(*traffic, now));
            track.update(*traffic, seen.neighbours.get(peer).copied(), now);
        }
    }

    fn on_beat(&mut self, beats: u64, now: Instant) -> Vec<Step> {
        (self.beats, self.beat_at, self.n_looks_without) = (beats, now, 0);
        let mut steps = Vec::new();
        if let Some(stuck) = self.stuck.take() {
            steps = stuck.released();
            // What there is for the others is about to be sent only now.
            self.peers.values_mut().for_each(|track| track.wait_anew(now));
        }
        let deaf = self.peers.iter().filter(|(_, track)| track.is_deaf(now)).map(|(peer, _)| *peer);
        steps.extend(deaf.flat_map(|peer| [Step::CutOff(peer), Step::Convict(peer)]));
        steps
    }

    fn on_silence(&mut self, now: Instant) -> Vec<Step> {
        self.n_looks_without += 1;
        if self.n_looks_without < MIN_LOOKS || now < self.beat_at + STUCK_AFTER {
            return Vec::new();
        }
        let suspect = self.suspect();
        let (beat_at, peers) = (self.beat_at, &self.peers);
        let last_come = || peers.iter().max_by_key(|(_, track)| track.last.seen_since);
        let stuck = self.stuck.get_or_insert_with(|| Stuck {
            since: now,
            last_come: last_come().map(|(peer, track)| (*peer, track.last.seen_since)),
            cut_off: Vec::new(),
            convicted: Vec::new(),
            all_cut_off: None,
        });
        match (stuck.all_cut_off, suspect) {
            (Some(at), _) if now >= at + PATIENCE => self.rebuild(now),
            (Some(_), _) => Vec::new(),
            (None, Some(suspect)) if now < stuck.since + PATIENCE => {
                stuck.cut_off(suspect, peers[&suspect].was_deaf_before(beat_at))
            }
            (None, _) => {
                stuck.all_cut_off = Some(now);
                vec![Step::CutOffAll]
            }
        }
    }

    /// The most suspicious peer of those that were not cut off yet; if nothing else tells them apart, the
    /// one that came last.
    fn suspect(&self) -> Option<PublicKey> {
        let cut_off = self.stuck.as_ref().map_or(&[][..], |stuck| &stuck.cut_off);
        let left = self.peers.iter().filter(|(peer, _)| !cut_off.contains(peer));
        let waits_since = |track: &Track| track.waits.map(|(since, _)| Reverse(since));
        let suspicion =
            |track: &Track| (track.last.refuses_to_read, waits_since(track), track.last.seen_since);
        left.max_by_key(|(_, track)| suspicion(track)).map(|(peer, _)| *peer)
    }

    fn rebuild(&mut self, now: Instant) -> Vec<Step> {
        let stuck = self.stuck.take();
        // Nobody was proven to be the cause, and somebody was.
        let unproven = stuck.filter(|stuck| stuck.convicted.is_empty());
        let guess = unproven
            .and_then(|stuck| stuck.last_come)
            .filter(|(_, since)| now < *since + PROVEN_AFTER);
        *self = Self::new(now);
        guess.map(|(peer, _)| Step::Convict(peer)).into_iter().chain([Step::Rebuild]).collect()
    }
}

impl Track {
    fn new(last: Traffic, now: Instant) -> Self {
        Self { last, heard_at: now, waits: None, n_looks_refused: 0 }
    }

    fn update(&mut self, traffic: Traffic, owed: Option<Owed>, now: Instant) {
        if traffic.n_received != self.last.n_received {
            self.heard_at = now;
        }
        // A connection that is gone takes its figures with it, so they may shrink.
        let took_something = traffic.n_sent != self.last.n_sent;
        self.waits = match (owed, self.waits) {
            (None, _) => None,
            (Some(_), _) if took_something => None,
            (Some(Owed::Something), None) => Some((now, 1)),
            (Some(_), waits) => waits.map(|(since, n_looks)| (since, n_looks + 1)),
        };
        self.n_looks_refused = if traffic.refuses_to_read { self.n_looks_refused + 1 } else { 0 };
        self.last = traffic;
    }

    fn wait_anew(&mut self, now: Instant) {
        self.waits = self.waits.map(|_| (now, 1));
    }

    fn is_deaf(&self, now: Instant) -> bool {
        let is_alive = now < self.heard_at + HEARD_WITHIN;
        let waits_long = self
            .waits
            .is_some_and(|(since, n_looks)| n_looks >= MIN_LOOKS && now >= since + DEAF_AFTER);
        self.n_looks_refused >= MIN_LOOKS || (is_alive && waits_long)
    }

    fn was_deaf_before(&self, beat_at: Instant) -> bool {
        let waited = self.waits.is_some_and(|(since, _)| since + EARLIER <= beat_at);
        waited || self.n_looks_refused >= MIN_LOOKS
    }
}

impl Stuck {
    fn cut_off(&mut self, peer: PublicKey, is_proven: bool) -> Vec<Step> {
        self.cut_off.push(peer);
        if !is_proven {
            return vec![Step::CutOff(peer)];
        }
        self.convicted.push(peer);
        vec![Step::CutOff(peer), Step::Convict(peer)]
    }

    /// The actor goes on: the last one that was cut off was the cause, unless all were at once.
    fn released(self) -> Vec<Step> {
        let mut open = self.cut_off.clone();
        open.retain(|peer| !self.convicted.contains(peer));
        let is_last = |peer: &PublicKey| self.cut_off.last() == Some(peer);
        let is_cause = |peer: &PublicKey| self.all_cut_off.is_none() && is_last(peer);
        let judge = |peer| if is_cause(&peer) { Step::Convict(peer) } else { Step::Rejoin(peer) };
        open.into_iter().map(judge).collect()
    }
}

#[cfg(test)]
mod tests {
    use id_proto::iroh_base::SecretKey;

    use super::*;

    fn peer(n: u8) -> PublicKey {
        SecretKey::from_bytes(&[n; 32]).public()
    }

    /// A watchdog, and what there is to see, which the tests change.
    struct World {
        watchdog: Watchdog,
        seen: Seen,
        now: Instant,
    }

    impl World {
        /// With `n_peers` neighbours, and a heart that has beaten.
        fn new(n_peers: u8) -> Self {
            let now = Instant::now();
            let peers = || (0..n_peers).map(peer);
            let seen = Seen {
                beats: Some(1),
                traffic: peers().map(|peer| (peer, Traffic::none_since(now))).collect(),
                neighbours: peers().map(|peer| (peer, Owed::Nothing)).collect(),
            };
            let mut world = Self { watchdog: Watchdog::new(now), seen, now };
            assert_eq!(world.look(), []);
            world
        }

        fn look(&mut self) -> Vec<Step> {
            self.now += self.watchdog.pause();
            self.watchdog.look(&self.seen, self.now)
        }

        /// One look at a beating heart.
        fn beat(&mut self) -> Vec<Step> {
            self.seen.beats = self.seen.beats.map(|beats| beats + 1);
            self.look()
        }

        /// There is something for everybody, and those in `takers` take it.
        fn say(&mut self, takers: &[u8]) {
            self.seen.neighbours.values_mut().for_each(|owed| *owed = Owed::Something);
            for n in takers {
                self.seen.traffic.get_mut(&peer(*n)).unwrap().n_sent += 1;
            }
        }

        fn nothing_to_say(&mut self) {
            self.seen.neighbours.values_mut().for_each(|owed| *owed = Owed::Nothing);
        }

        fn hear_all(&mut self) {
            self.seen.traffic.values_mut().for_each(|traffic| traffic.n_received += 1);
        }

        /// The steps until `wanted` comes, and how long that took.
        fn until(&mut self, wanted: Step) -> (Vec<Step>, Duration) {
            let (started, mut steps) = (self.now, Vec::new());
            while !steps.contains(&wanted) {
                assert!(self.now < started + Duration::from_secs(20), "{wanted:?}: {steps:?}");
                let new = self.look();
                for step in &new {
                    if let Step::CutOff(peer) = step {
                        self.seen.traffic.remove(peer);
                        self.seen.neighbours.remove(peer);
                    }
                }
                steps.extend(new);
            }
            (steps, self.now - started)
        }
    }

    #[test]
    fn a_neighbour_that_takes_nothing_is_cut_off_while_the_actor_still_goes_on() {
        let mut world = World::new(3);
        world.say(&[0, 2]);
        let mut steps = world.beat();
        world.nothing_to_say();
        let started = world.now;
        while steps.is_empty() {
            steps = world.beat();
        }
        assert_eq!(steps, [Step::CutOff(peer(1)), Step::Convict(peer(1))]);
        let took = world.now - started;
        assert!((DEAF_AFTER..=DEAF_AFTER + LOOK_INTERVAL).contains(&took), "{took:?}");
    }

    #[test]
    fn a_neighbour_that_takes_something_now_and_then_is_left_alone() {
        let mut world = World::new(2);
        for i in 0..60 {
            world.say(if i % 5 == 0 { &[0, 1] } else { &[0] });
            world.hear_all();
            assert_eq!(world.beat(), [], "{i}");
        }
    }

    #[test]
    fn a_neighbour_that_nothing_is_said_to_or_that_is_none_is_left_alone() {
        let mut world = World::new(3);
        world.seen.neighbours.remove(&peer(2));
        world.say(&[0]);
        world.seen.neighbours.insert(peer(1), Owed::Nothing);
        for _ in 0..60 {
            world.say(&[0]);
            world.seen.neighbours.insert(peer(1), Owed::Nothing);
            assert_eq!(world.beat(), []);
        }
    }

    /// That it is gone is for QUIC to say.
    #[test]
    fn a_neighbour_that_is_not_heard_any_more_is_left_to_quic() {
        let mut world = World::new(2);
        for _ in 0..20 {
            world.hear_all();
            world.beat();
        }
        let last_heard = world.now;
        while world.now < last_heard + HEARD_WITHIN - DEAF_AFTER {
            world.beat();
        }
        for _ in 0..40 {
            world.say(&[0]);
            assert_eq!(world.beat(), []);
        }
    }

    /// As after the machine slept: much time has passed, and little was seen.
    #[test]
    fn much_time_between_two_looks_proves_nothing() {
        let mut world = World::new(1);
        world.say(&[]);
        world.beat();
        world.now += 100 * STUCK_AFTER;
        assert_eq!(world.look(), [], "neither stuck");
        world.hear_all();
        assert_eq!(world.beat(), [], "nor deaf");
    }

    #[test]
    fn a_neighbour_that_refuses_to_read_is_cut_off() {
        let mut world = World::new(2);
        world.seen.traffic.get_mut(&peer(1)).unwrap().refuses_to_read = true;
        let steps: Vec<_> = (0..MIN_LOOKS).flat_map(|_| world.beat()).collect();
        assert_eq!(steps, [Step::CutOff(peer(1)), Step::Convict(peer(1))]);
    }

    #[test]
    fn the_one_that_stood_still_before_the_actor_is_the_first_to_be_cut_off() {
        let mut world = World::new(5);
        for _ in 0..8 {
            world.say(&[0, 1, 2, 4]);
            world.beat();
        }
        world.say(&[0, 1]);
        let (steps, took) = world.until(Step::Convict(peer(3)));
        assert_eq!(steps, [Step::CutOff(peer(3)), Step::Convict(peer(3))]);
        assert!(took <= Duration::from_millis(2500), "{took:?}");
        assert_eq!(world.beat(), [], "convicted once");
    }

    #[test]
    fn with_nothing_to_tell_them_apart_the_one_that_frees_the_actor_was_it() {
        let mut world = World::new(5);
        let mut cut_off = Vec::new();
        while cut_off.len() < 3 {
            let steps = world.look();
            assert!(steps.iter().all(|step| matches!(step, Step::CutOff(_))), "{steps:?}");
            cut_off.extend(steps);
        }
        let steps = world.beat();
        let [Step::CutOff(first), Step::CutOff(second), Step::CutOff(third)] = cut_off[..] else {
            panic!("{cut_off:?}")
        };
        assert_eq!(steps, [Step::Rejoin(first), Step::Rejoin(second), Step::Convict(third)]);
    }

    #[test]
    fn whoever_had_to_wait_for_a_stuck_actor_is_not_deaf() {
        let mut world = World::new(2);
        world.say(&[]);
        let stuck_at = world.now;
        while world.now + LOOK_INTERVAL < stuck_at + STUCK_AFTER {
            assert_eq!(world.look(), []);
        }
        let Step::CutOff(first) = world.until_cut_off() else { panic!() };
        world.seen.traffic.remove(&first);
        world.now += DEAF_AFTER;
        assert_eq!(world.beat(), [Step::Convict(first)]);
        assert_eq!(world.beat(), []);
    }

    impl World {
        fn until_cut_off(&mut self) -> Step {
            (0..100).find_map(|_| self.look().first().copied()).expect("stuck")
        }
    }

    #[test]
    fn what_closing_one_by_one_does_not_cure_closing_all_may_and_else_gossip_is_rebuilt() {
        let mut world = World::new(2);
        world.beat();
        let newcomer = Traffic::none_since(world.now);
        world.seen.traffic.insert(peer(9), newcomer);
        world.beat();
        world.seen.traffic.remove(&peer(1));
        let (steps, took) = world.until(Step::Rebuild);
        let [
            Step::CutOff(first),
            Step::CutOff(_),
            Step::CutOffAll,
            Step::Convict(worst),
            Step::Rebuild,
        ] = steps[..]
        else {
            panic!("{steps:?}")
        };
        assert_eq!((first, worst), (peer(9), peer(9)), "who came last");
        assert!(took < Duration::from_secs(5), "{took:?}");
        // The new one beats from the start.
        world.seen.beats = Some(1);
        assert_eq!(world.look(), []);

        let mut world = World::new(3);
        for _ in 0..200 {
            world.beat();
        }
        let (steps, _) = world.until(Step::Rebuild);
        let convicted = steps.iter().any(|step| matches!(step, Step::Convict(_)));
        assert!(!convicted, "nobody came lately: {steps:?}");

        let mut world = World::new(1);
        world.until(Step::CutOffAll);
        assert_eq!(world.beat(), [Step::Rejoin(peer(0))], "nobody is proven");
    }

    #[test]
    fn an_actor_that_has_ended_is_rebuilt_at_once() {
        let mut world = World::new(1);
        world.seen.beats = None;
        assert_eq!(world.look(), [Step::Rebuild]);
    }
}

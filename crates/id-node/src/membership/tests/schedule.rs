//! When a node announces itself.

use std::time::Duration;

use id_proto::{
    PeerAnnouncement, Statement as _,
    iroh_base::{RelayUrl, TransportAddr},
};

use super::fixture::{Peer, World, announced, config, facts, millis, secret, secs};
use crate::membership::{Effect, Event, Membership, OwnFacts, Refusal};

/// When announcements were made, and what they said.
fn announcements(done: &[(Duration, Effect)]) -> Vec<(Duration, PeerAnnouncement)> {
    let one = |(at, effect): &(Duration, Effect)| {
        announced(std::slice::from_ref(effect)).pop().map(|announcement| (*at, announcement))
    };
    done.iter().filter_map(one).collect()
}

fn times(done: &[(Duration, Effect)]) -> Vec<Duration> {
    announcements(done).into_iter().map(|(at, _)| at).collect()
}

/// A node with another key than [`World::new`]'s, which has just started.
fn other() -> World {
    let mut other = World::new();
    (other.node, other.first) = Membership::new(secret(77), config(), facts(), 0, other.now);
    other
}

fn changed(blob_count: u64) -> Event<'static> {
    Event::OwnChanged(OwnFacts { blob_count, ..facts() })
}

#[test]
fn a_node_announces_itself_at_the_start() {
    let mut world = World::new();
    assert_eq!(world.node.next_deadline(), world.now.mono);
    assert_eq!(announced(&world.tick()).len(), 1);
}

#[test]
fn announcements_come_at_every_interval_at_most_an_eighth_earlier_never_later() {
    let mut world = World::settled();
    let at = times(&world.run_for(secs(3600)));
    let gaps: Vec<_> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.len() >= 118);
    assert!(gaps.iter().all(|gap| (millis(26_250)..=secs(30)).contains(gap)), "{gaps:?}");
    let shortest = *gaps.iter().min().unwrap();
    assert!(*gaps.iter().max().unwrap() - shortest > secs(2), "they jitter");
}

#[test]
fn two_nodes_that_start_together_dont_stay_in_step() {
    let mut others = other();
    let mut mine = World::new();
    let (a, b) = (times(&mine.run_until(secs(300))), times(&others.run_until(secs(300))));
    assert_ne!(a[1..], b[1..]);
}

#[test]
fn the_first_neighbour_hears_us_at_once() {
    let mut world = World::new();
    world.tick();
    world.advance(millis(100));
    let effects = world.handle(Event::NeighbourUp(secret(1).public()));
    assert_eq!(announced(&effects).len(), 1, "what was said before, nobody heard");
}

#[test]
fn five_neighbours_at_once_cause_two_announcements() {
    let mut world = World::new();
    world.tick();
    let mut effects = Vec::new();
    for seed in 1..=5 {
        world.advance(millis(50));
        effects.extend(world.handle(Event::NeighbourUp(secret(seed).public())));
    }
    assert_eq!(announced(&effects).len(), 1);
    let first = world.now.mono - millis(200);
    assert_eq!(times(&world.run_for(secs(20))), [first + secs(1)], "one for the other four");
}

#[test]
fn changes_within_a_moment_cause_one_announcement_with_the_last_state() {
    let mut world = World::settled();
    world.run_for(secs(10));
    let before = world.now.mono;
    for blob_count in 1..=10 {
        assert!(announced(&world.handle(changed(blob_count))).is_empty());
        world.advance(millis(10));
    }
    let done = announcements(&world.run_for(secs(10)));
    let [(at, announcement)] = &done[..] else { panic!("{done:?}") };
    assert_eq!(*at, before + millis(200));
    assert_eq!(announcement.blob_count, 10);
}

#[test]
fn a_change_to_the_same_is_none() {
    let mut world = World::settled();
    world.handle(Event::OwnChanged(facts()));
    assert!(world.run_for(secs(10)).is_empty());
}

#[test]
fn a_node_that_changes_all_the_time_stays_within_what_others_accept_of_one_author() {
    let mut world = World::settled();
    world.run_for(secs(20));
    let start = world.now.mono;
    let mut at = Vec::new();
    for blob_count in 1..=6000 {
        world.handle(changed(blob_count));
        at.extend(times(&world.run_for(millis(50))));
    }
    for from in &at {
        let within = |time: Duration| {
            let end = *from + time;
            at.iter().filter(|at| (*from..=end).contains(*at)).count()
        };
        assert!(within(millis(4_999)) <= 3, "a burst of three");
        assert!(within(secs(60)) <= 3 + 10 + 2, "one per 6 s, and the regular ones");
    }
    assert!(at.len() >= 50 && at[0] - start <= millis(250), "and is heard: {}", at.len());
}

#[test]
fn whoever_asks_is_told_of_a_change_at_once_also_when_gossip_must_wait() {
    let mut world = World::settled();
    world.run_for(secs(20));
    for blob_count in 1..=20 {
        world.handle(changed(blob_count));
        let done = world.run_for(millis(500));
        let own = &world.node.view().own;
        assert_eq!(own.blob_count, blob_count);
        let waits = announcements(&done).is_empty();
        assert!(!waits || blob_count > 3, "the first three are announced");
        assert!(world.now.unix.as_secs() - own.timestamp_secs <= 1, "signed anew");
    }
    let asked = world.node.own.clone();
    let heard = announcements(&world.run_for(secs(10)));
    let (_, last) = heard.last().expect("gossip carries it later");
    assert_eq!(last.blob_count, 20);
    assert!(last.seq > asked.seq, "and everybody takes it for the newer one");
    assert!(
        world.run_for(secs(5)).iter().all(|(_, effect)| !matches!(effect, Effect::Broadcast(_)))
    );
}

/// Others count from when they hear us, and what they refuse is said again an interval later.
#[test]
fn what_is_faster_on_its_way_than_the_words_before_is_accepted_all_the_same() {
    let (mut author, mut other) = (World::settled(), other());
    author.run_for(secs(20));
    let mut said = Vec::new();
    for blob_count in 1..=1000 {
        assert!(author.handle(changed(blob_count)).is_empty());
        let done = author.run_for(millis(100)).into_iter();
        said.extend(done.filter(|(_, effect)| matches!(effect, Effect::Broadcast(_))));
    }
    for (n, (at, effect)) in said.iter().enumerate() {
        let Effect::Broadcast(message) = effect else { unreachable!("others are left out") };
        let travels = if n < 3 { millis(900) } else { Duration::ZERO };
        other.now.mono = *at + travels;
        other.gossip(message);
    }
    assert!(said.len() > 15, "{}", said.len());
    assert_eq!(other.node.stats.believed, said.len() as u64);
    assert_eq!(other.refused(Refusal::AuthorBudget), 0);
}

#[test]
fn the_announced_interval_grows_with_the_table() {
    let mut world = World::settled_with(|config| {
        config.max_received_per_sec = 1.try_into().unwrap();
    });
    let mut peers: Vec<_> = (1..=90).map(Peer::new).collect();
    peers.iter_mut().for_each(|peer| {
        world.meet(peer);
    });
    let last = world.node.own.interval_secs;
    assert_eq!(last, 30);
    // What was announced is kept first: others expect us after 30 s, not after 90 s.
    let done = announcements(&world.run_for(secs(31)));
    assert_eq!(done.len(), 1);
    assert_eq!(done[0].1.interval_secs, 90);
    let next = announcements(&world.run_until(done[0].0 + secs(90)));
    assert_eq!(next.len(), 1);
    assert!(next[0].0 >= done[0].0 + secs(90) * 7 / 8);
}

#[test]
fn the_interval_stays_within_what_may_be_announced() {
    for (interval, announced_secs) in
        [(millis(1), 1), (millis(1500), 2), (secs(86_400), 86_400), (secs(1_000_000), 86_400)]
    {
        let mut world = World::with(|config| config.announce_interval = interval);
        assert_eq!(world.node.own.interval_secs, announced_secs);
        world.tick();
        assert_eq!(world.node.own.interval_secs, announced_secs);
        let next = world.node.schedule.next_due();
        assert!(next <= secs(announced_secs.into()), "never later than announced");
    }
}

#[test]
fn the_own_entry_never_looks_stale_to_others_isolated_or_not() {
    for mut world in [World::new(), World::settled()] {
        world.tick();
        for _ in 0..1000 {
            world.run_for(secs(7));
            let age = world.now.unix.as_secs() - world.node.own.timestamp_secs;
            assert!(age <= 30, "{age} s");
        }
    }
}

#[test]
fn what_is_announced_is_signed_dated_and_numbered() {
    let mut world = World::settled();
    world.handle(changed(42));
    let done = announcements(&world.run_for(secs(1)));
    let (_, announcement) = &done[0];
    assert_eq!(announcement.node_id, secret(0).public());
    assert_eq!(announcement.timestamp_secs, world.now.unix.as_secs() - 1);
    assert_eq!((announcement.blob_count, announcement.name.as_deref()), (42, Some("me")));
    assert_eq!(world.node.view().own.statement(), announcement);
}

#[test]
fn an_address_that_doesnt_fit_is_left_out_and_the_others_stay() {
    let relay = |len: usize| {
        let url: RelayUrl = format!("https://{}.example/", "r".repeat(len)).parse().unwrap();
        TransportAddr::Relay(url)
    };
    let socket = |n: u16| TransportAddr::Ip(([192, 0, 2, 1], n).into());
    let mut world = World::settled();
    let mut addrs = vec![relay(200), relay(20), relay(60)];
    addrs.extend((1..=9).map(socket));
    world.handle(Event::OwnChanged(OwnFacts { addrs, ..facts() }));
    world.run_for(secs(1));
    let mut expected = vec![relay(20), relay(60)];
    expected.extend((1..=6).map(socket));
    assert_eq!(world.node.own.addrs, expected);
    assert_eq!(world.node.own.author(), secret(0).public());
}

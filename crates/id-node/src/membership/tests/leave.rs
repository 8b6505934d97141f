//! Goodbyes, and what is remembered of those who went.

use std::{sync::Arc, time::Duration};

use id_proto::{
    GossipMessage, Leave, Network,
    iroh_base::{PublicKey, SecretKey},
};

use super::fixture::{
    Peer, World, announced, forge, forgotten, gossip_message, millis, probed, secret, secs,
};
use crate::membership::{
    Effect, Entry, Event, Now, Refusal, RemovalReason,
    departed::{Departed, MAX_DEPARTED},
};

/// How many departed peers are remembered in these tests.
const MAX: u16 = 50;

/// The variant of a leave in a gossip message.
const LEAVE: u8 = 1;

#[test]
fn a_leave_removes_at_once() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    let effects = world.hear_leave(&peer.leave(world.now));
    assert_eq!(forgotten(&effects), [(peer.id(), RemovalReason::Left)]);
    assert!(!world.has(&peer));
    assert_eq!(world.node.stats.removed(RemovalReason::Left), 1);
}

#[test]
fn a_forged_leave_does_nothing() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    let leave = peer.leave(world.now);
    let next = peer.announce(world.now);
    let forged = forge::<Leave>(leave.bytes());
    assert!(world.gossip(&gossip_message(LEAVE, &forged)).is_empty());
    assert_eq!(world.refused(Refusal::BadSignature), 1);
    assert!(world.has(&peer));
    world.hear(&next);
    assert_eq!(world.entry(&peer).announcement, next, "nothing sticks to the author");
}

#[test]
fn an_announcement_cant_be_passed_off_as_a_leave() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    let newer = peer.announce(world.now);
    world.gossip(&gossip_message(LEAVE, newer.bytes()));
    assert!(world.has(&peer));
}

#[test]
fn a_leave_for_another_network_does_nothing() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    peer.network = Network::derive("another", "secret").unwrap();
    world.hear_leave(&peer.leave(world.now));
    assert_eq!(world.refused(Refusal::OtherNetwork), 1);
    assert!(world.has(&peer));
}

#[test]
fn a_leave_from_before_the_restart_does_nothing() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    let leave = peer.leave(world.now);
    world.meet(&mut peer);
    world.hear_leave(&leave);
    assert_eq!(world.refused(Refusal::NotNewer), 1);
    assert!(world.has(&peer));
}

#[test]
fn what_was_said_before_the_leave_is_refused_as_departed() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    let first = world.meet(&mut peer);
    let unheard = peer.announce(world.now);
    let leave = peer.leave(world.now);
    world.hear_leave(&leave);
    world.hear(&first);
    world.told(&unheard, secs(0));
    world.hear_leave(&leave);
    assert_eq!(world.refused(Refusal::Departed), 3);
    assert!(!world.has(&peer));
}

#[test]
fn whoever_left_comes_back_with_a_higher_number() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    world.hear_leave(&peer.leave(world.now));
    world.meet(&mut peer);
    assert_eq!(world.n_refused(), 0);
}

#[test]
fn a_leave_that_overtakes_the_announcement_is_remembered() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    let announcement = peer.announce(world.now);
    assert!(world.hear_leave(&peer.leave(world.now)).is_empty());
    world.hear(&announcement);
    assert_eq!(world.refused(Refusal::Departed), 1);
    assert!(!world.has(&peer));
}

#[test]
fn an_announcement_from_before_the_leave_never_comes_back_whatever_its_interval() {
    for interval_secs in [1, 30, 600, 86_400] {
        let mut world = World::settled();
        let mut peer = Peer { interval_secs, ..Peer::new(1) };
        let mut draft = peer.draft(world.now);
        // By its author's clock, which is as far ahead as it may be.
        draft.timestamp_secs += 300;
        let announcement = peer.sign(draft);
        world.hear(&announcement);
        world.hear_leave(&peer.leave(world.now));
        let lifetime = 4 * u64::from(interval_secs);
        let step = secs(lifetime / 10 + 20);
        for _ in 0..40 {
            world.advance(step);
            world.hear(&announcement);
            assert!(!world.has(&peer), "{interval_secs} s, at {:?}", world.now.mono);
        }
        assert!(world.refused(Refusal::Expired) > 0, "the test went on for long enough");
        assert_eq!(world.node.departed.seq(&peer.id()), None, "and then it is forgotten");
    }
}

#[test]
fn a_node_that_leaves_says_so_and_then_announces_nothing() {
    let mut world = World::settled();
    let effects = world.handle(Event::Leaving);
    let said = effects.iter().find_map(|effect| match effect {
        Effect::Broadcast(bytes) => GossipMessage::decode(bytes).ok(),
        _ => None,
    });
    let Some(GossipMessage::Leave(leave)) = said else { panic!("{effects:?}") };
    let leave = leave.verify().unwrap();
    assert_eq!(leave.node_id, secret(0).public());
    assert!(leave.seq > world.node.own.seq);

    world.handle(Event::NeighbourUp(secret(5).public()));
    let later: Vec<_> = world.run_for(secs(3600)).into_iter().map(|(_, effect)| effect).collect();
    assert!(announced(&later).is_empty());
}

#[test]
fn a_leave_while_the_probe_is_under_way_removes_for_good() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    let announcement = world.meet(&mut peer);
    let effects: Vec<_> = world.run_for(secs(200)).into_iter().map(|(_, effect)| effect).collect();
    assert_eq!(probed(&effects), [peer.id()]);
    world.hear_leave(&peer.leave(world.now));
    world.probe_answers(&peer, &announcement);
    assert!(!world.has(&peer));
}

/// What the table knew of the peer that has this seed.
fn entry(seed: u16, verified: Option<Duration>) -> Entry {
    let mut world = World::settled();
    let mut peer = Peer::new(seed);
    world.meet(&mut peer);
    Entry { verified, ..world.entry(&peer).clone() }
}

#[test]
fn only_so_many_departed_are_remembered_and_the_least_known_are_forgotten_first() {
    let now = World::new().now;
    let mut departed = Departed::new(MAX.into());
    let id = |n: u16| secret(10 + n).public();
    let (verified, claimed) = (entry(1, Some(secs(1))), entry(2, None));
    departed.remember(&verified, 5, RemovalReason::ProbeFailed, now);
    departed.remember(&claimed, 6, RemovalReason::ProbeFailed, now);
    for n in 0..=MAX {
        departed.remember_stranger(id(n), 1, now);
    }
    departed.check_invariants();
    assert_eq!(departed.seq(&verified.node_id()), Some(5), "made-up keys push out nobody real");
    assert_eq!(departed.seq(&claimed.node_id()), Some(6));
    let n_remembered = (0..=MAX).filter(|n| departed.seq(&id(*n)).is_some()).count();
    assert_eq!(n_remembered, usize::from(MAX) - 2);
    for n in 0..=MAX {
        departed.remember(&entry(1000 + n, None), 1, RemovalReason::ProbeFailed, now);
    }
    departed.check_invariants();
    assert_eq!(departed.seq(&verified.node_id()), Some(5), "nor do those who were once believed");
}

#[test]
fn the_highest_number_of_a_departed_peer_counts() {
    let now = World::new().now;
    let mut departed = Departed::new(MAX.into());
    let known = entry(1, None);
    let peer = known.node_id();
    departed.remember(&known, 5, RemovalReason::ProbeFailed, now);
    departed.remember_stranger(peer, 3, now);
    assert_eq!(departed.seq(&peer), Some(5));
    departed.remember(&known, 9, RemovalReason::ProbeFailed, now);
    assert_eq!(departed.seq(&peer), Some(9));
    departed.check_invariants();
}

#[test]
fn whoever_never_answered_and_was_given_up_is_remembered_until_its_last_word_is_too_old() {
    let mut now = World::new().now;
    let mut departed = Departed::new(MAX.into());
    let (verified, claimed) = (entry(1, Some(secs(1))), entry(2, None));
    now.mono += secs(240);
    now.unix += secs(240);
    for known in [&verified, &claimed] {
        departed.remember(known, 5, RemovalReason::Unasked, now);
    }
    let forgotten_after = |departed: &mut Departed, peer: &Entry| {
        let is_known = |departed: &mut Departed, after| {
            departed.expire(Now { mono: now.mono + after, ..now });
            departed.seq(&peer.node_id()).is_some()
        };
        (0..1000).map(secs).find(|after| !is_known(departed, *after))
    };
    // It was announced 240 s ago, is valid for 120 s, and for as long as a clock may be wrong.
    assert_eq!(forgotten_after(&mut departed, &claimed), Some(secs(120 + 300 + 1 - 240)));
    assert_eq!(forgotten_after(&mut departed, &verified), Some(secs(120 + 600)));
}

#[test]
fn of_a_crowd_that_went_the_best_known_and_the_last_are_shown() {
    let now = World::new().now;
    let mut departed = Departed::new(MAX_DEPARTED);
    let verified = entry(1, Some(secs(1)));
    departed.remember(&verified, 5, RemovalReason::ProbeFailed, now);
    let last = MAX_DEPARTED - 2;
    for n in 0..=last {
        let later = Duration::from_millis(1 + n as u64);
        departed.remember_stranger(id(n), 1, Now { mono: now.mono + later, ..now });
    }
    let shown = departed.show(now.mono + secs(10));
    assert_eq!(shown.len(), MAX_DEPARTED / 2);
    assert!(shown.contains_key(&verified.node_id()));
    assert!(shown.contains_key(&id(last)) && !shown.contains_key(&id(0)));
    assert!(departed.seq(&id(0)).is_some(), "but remembered");
}

/// The id of a made-up peer, of as many as one likes.
fn id(n: usize) -> PublicKey {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&n.to_le_bytes());
    SecretKey::from_bytes(&seed).public()
}

#[test]
fn the_first_few_departed_are_shown_at_once_and_more_once_a_second() {
    let now = World::new().now;
    let mut departed = Departed::new(MAX_DEPARTED);
    for n in 0..256 {
        departed.remember_stranger(id(n), 1, now);
        assert_eq!(departed.show(now.mono).len(), n + 1);
    }
    departed.remember_stranger(id(256), 1, now);
    assert_eq!(departed.show(now.mono + millis(999)).len(), 256);
    let shown = departed.show(now.mono + secs(1));
    assert_eq!(shown.len(), 257);
    let again = departed.show(now.mono + secs(100));
    assert!(Arc::ptr_eq(&shown, &again), "nobody went since");
}

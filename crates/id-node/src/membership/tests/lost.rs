//! Whom a node lost without a goodbye is looked for, politely, and joined again.

use std::time::Duration;

use id_client::FailKind;
use id_proto::iroh_base::PublicKey;

use super::fixture::{Peer, World, announced, asked_for_table, effects_of, probed, secs};
use crate::membership::{
    Effect, Event, SyncEnd,
    lost::{GAP, LOST_FOR, MAX_LOST},
};

fn joined(effects: &[Effect]) -> Vec<PublicKey> {
    let join = |effect: &Effect| match effect {
        Effect::Join(peer) => Some(*peer),
        _ => None,
    };
    effects.iter().filter_map(join).collect()
}

/// A settled node whose other neighbour fell silent and went.
fn bereft() -> (World, Peer) {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    world.handle(Event::NeighbourUp(peer.id()));
    world.handle(Event::NeighbourDown(peer.id()));
    (world, peer)
}

/// Runs until the lost peer is asked.
fn until_asked(world: &mut World, peer: &Peer) -> Duration {
    let start = world.now.mono;
    while world.now.mono < start + secs(300) {
        if probed(&effects_of(world.run_for(secs(1)))) == [peer.id()] {
            return world.now.mono - start;
        }
    }
    panic!("nobody asked");
}

#[test]
fn a_neighbour_that_went_without_a_goodbye_is_asked_once_it_is_overdue() {
    let (mut world, peer) = bereft();
    assert!(probed(&effects_of(world.run_for(secs(45)))).is_empty());
    let waited = until_asked(&mut world, &peer);
    assert!(waited <= secs(60), "{waited:?}");
}

#[test]
fn a_neighbour_that_only_has_others_now_is_not_asked() {
    let (mut world, mut peer) = bereft();
    for _ in 0..60 {
        assert!(probed(&effects_of(world.run_for(secs(30)))).is_empty());
        world.meet(&mut peer);
    }
}

#[test]
fn a_neighbour_that_said_goodbye_is_not_asked() {
    let (mut world, mut peer) = bereft();
    world.hear_leave(&peer.leave(world.now));
    assert!(probed(&effects_of(world.run_for(secs(3600)))).is_empty());
}

#[test]
fn a_lost_peer_that_answers_is_joined_and_asked_for_its_table() {
    let (mut world, mut peer) = bereft();
    until_asked(&mut world, &peer);
    let answer = peer.announce(world.now);
    assert_eq!(joined(&world.probe_answers(&peer, &answer)), [peer.id()]);
    let effects = world.handle(Event::NeighbourUp(peer.id()));
    assert_eq!(asked_for_table(&effects), [peer.id()], "although it is in our table");
}

#[test]
fn a_lost_peer_that_comes_by_itself_is_asked_for_its_table() {
    let (mut world, peer) = bereft();
    world.advance(secs(60));
    assert_eq!(asked_for_table(&world.handle(Event::NeighbourUp(peer.id()))), [peer.id()]);
}

#[test]
fn a_peer_that_was_dropped_as_dead_is_looked_for_too() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    let announcement = world.meet(&mut peer);
    world.probe_answers(&peer, &announcement);
    assert_eq!(probed(&effects_of(world.run_for(secs(181)))), [peer.id()]);
    world.probe_fails(&peer);
    assert!(!world.has(&peer));
    until_asked(&mut world, &peer);
    let answer = peer.announce(world.now);
    assert_eq!(joined(&world.probe_answers(&peer, &answer)), [peer.id()]);
    assert!(world.has(&peer));
}

#[test]
fn who_never_answered_and_was_dropped_as_dead_is_not_looked_for() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    assert_eq!(probed(&effects_of(world.run_for(secs(181)))), [peer.id()]);
    world.probe_fails(&peer);
    assert!(probed(&effects_of(world.run_for(LOST_FOR))).is_empty());
}

#[test]
fn what_a_returned_peer_tells_is_passed_on_to_our_part() {
    let (mut world, mut peer) = bereft();
    until_asked(&mut world, &peer);
    let answer = peer.announce(world.now);
    world.probe_answers(&peer, &answer);
    world.handle(Event::NeighbourUp(peer.id()));
    let mut newcomer = Peer::new(2);
    let news = newcomer.announce(world.now);
    let tell = |world: &mut World, news| effects_of_telling(world, &peer, news);
    let passed_on = announced(&tell(&mut world, &news));
    assert_eq!(passed_on.iter().map(|it| it.node_id).collect::<Vec<_>>(), [newcomer.id()]);
    // Whoever is heard anyway isn't passed on, nor is anybody once the table has come.
    let again = newcomer.announce(world.now);
    assert!(announced(&tell(&mut world, &again)).is_empty());
    world.handle(Event::Synced { peer: peer.id(), end: SyncEnd::Complete });
    let another = Peer::new(3).announce(world.now);
    assert!(announced(&tell(&mut world, &another)).is_empty());
}

fn effects_of_telling(
    world: &mut World,
    by: &Peer,
    announcement: &id_proto::SignedAnnouncement,
) -> Vec<Effect> {
    let entry = id_proto::PeerEntry {
        announcement: announcement.clone(),
        age: secs(1),
        source: id_proto::Source::Gossip,
        verified_age: None,
    };
    world.handle(Event::Told { item: &entry.encode(), by: by.id() })
}

#[test]
fn what_others_tell_is_not_passed_on() {
    let mut world = World::settled();
    let announcement = Peer::new(2).announce(world.now);
    assert!(announced(&world.told(&announcement, secs(1))).is_empty());
}

#[test]
fn however_many_are_lost_one_is_asked_at_a_time_and_each_in_its_turn() {
    let mut world = World::settled();
    let n = MAX_LOST as u16 + 20;
    for seed in 1..=n {
        let mut peer = Peer::new(seed);
        world.meet(&mut peer);
        world.handle(Event::NeighbourUp(peer.id()));
        world.handle(Event::NeighbourDown(peer.id()));
    }
    let mut asked = Vec::new();
    let mut last: Option<Duration> = None;
    let end = world.now.mono + secs(119);
    while world.now.mono < end {
        for (at, effect) in world.run_for(secs(1)) {
            for peer in probed(&[effect]) {
                assert!(last.is_none_or(|last| at >= last + GAP), "too soon");
                last = Some(at);
                asked.push(peer);
                world.handle(Event::Probed { peer, answer: Err(FailKind::Timeout) });
            }
        }
    }
    assert!(asked.len() >= 3, "{} asked", asked.len());
    asked.sort();
    asked.dedup();
    assert!(asked.len() >= 3, "the same one again and again");
}

#[test]
fn a_lost_peer_is_forgotten_after_a_while() {
    let (mut world, _) = bereft();
    let mut last = secs(0);
    for _ in 0..(2 * 3600) {
        for peer in probed(&effects_of(world.run_for(secs(1)))) {
            last = world.now.mono;
            world.handle(Event::Probed { peer, answer: Err(FailKind::Timeout) });
        }
    }
    assert!(last > LOST_FOR / 2 && last < LOST_FOR + secs(400), "{last:?}");
    assert_eq!(world.node.lost().count(), 0);
}

#[test]
fn an_isolated_node_joins_whoever_answers() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    world.handle(Event::NeighbourDown(world.neighbour()));
    let answer = peer.announce(world.now);
    assert_eq!(joined(&world.probe_answers(&peer, &answer)), [peer.id()]);
    // With a neighbour, an answer is only an answer.
    world.handle(Event::NeighbourUp(world.neighbour()));
    let answer = peer.announce(world.now);
    assert!(joined(&world.probe_answers(&peer, &answer)).is_empty());
}

#[test]
fn without_gossip_nobody_is_looked_for() {
    let mut world = World::with(|config| config.gossip = false);
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    world.run_for(secs(181));
    world.probe_fails(&peer);
    assert!(probed(&effects_of(world.run_for(secs(3600)))).is_empty());
}

#[test]
fn a_node_wants_neighbours_while_it_has_few_and_knows_of_others() {
    let mut world = World::settled();
    let strangers: Vec<_> = (11..13).map(|seed| Peer::new(seed).id()).collect();
    assert!(!world.node.wants_neighbours(), "there is nobody else");
    world.meet(&mut Peer::new(1));
    assert!(world.node.wants_neighbours());
    // Who never said who they are may be neighbours that keep silent.
    world.handle(Event::NeighbourUp(strangers[0]));
    world.handle(Event::NeighbourUp(strangers[1]));
    assert!(!world.node.wants_neighbours(), "three are enough");
    strangers.iter().for_each(|peer| drop(world.handle(Event::NeighbourDown(*peer))));
    assert!(world.node.wants_neighbours());
}

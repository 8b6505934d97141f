//! The table is bounded, and certainty decides who goes.

use super::fixture::{Peer, World, forgotten, secs, unverified};
use crate::membership::{Effect, Event, News, Refusal, RemovalReason};

/// A settled node with room for three, and three peers in it, heard a second apart.
fn full() -> (World, Vec<Peer>) {
    let mut world = World::settled_with(|config| config.max_entries = 3);
    let mut peers: Vec<_> = (1..=3).map(Peer::new).collect();
    for peer in &mut peers {
        world.meet(peer);
        world.advance(secs(1));
    }
    (world, peers)
}

fn verify(world: &mut World, peer: &mut Peer) {
    let answer = peer.announce(world.now);
    world.probe_answers(peer, &answer);
    assert!(world.entry(peer).verified.is_some());
}

#[test]
fn the_oldest_goes_when_the_table_is_full() {
    let (mut world, mut peers) = full();
    // Whoever was heard again isn't the oldest any more.
    world.meet(&mut peers[0]);
    let mut newcomer = Peer::new(4);
    let announcement = newcomer.announce(world.now);
    let effects = world.hear(&announcement);
    assert_eq!(forgotten(&effects), [(peers[1].id(), RemovalReason::Evicted)]);
    assert!(matches!(effects.last(), Some(Effect::Learned { is_new: true, .. })));
    assert_eq!(world.node.table_size(), 3);
}

#[test]
fn news_of_a_peer_in_the_table_evicts_nobody() {
    let (mut world, mut peers) = full();
    let news = peers[2].announce(world.now);
    assert!(forgotten(&world.hear(&news)).is_empty());
    assert_eq!(world.node.table_size(), 3);
}

#[test]
fn a_verified_peer_stays_however_old_it_is() {
    let (mut world, mut peers) = full();
    verify(&mut world, &mut peers[0]);
    world.advance(secs(100));
    for seed in 4..50 {
        world.advance(secs(1));
        world.meet(&mut Peer::new(seed));
        assert!(world.has(&peers[0]));
    }
}

#[test]
fn a_table_of_verified_peers_refuses_others() {
    let (mut world, mut peers) = full();
    peers.iter_mut().for_each(|peer| verify(&mut world, peer));
    let announcement = Peer::new(4).announce(world.now);
    assert!(world.hear(&announcement).is_empty());
    assert_eq!(world.refused(Refusal::TableFull), 1);
    // News of those in it is still taken in, and they stay verified.
    world.meet(&mut peers[1]);
    assert!(world.entry(&peers[1]).verified.is_some());
}

#[test]
fn whoever_was_heard_longer_ago_than_all_in_a_full_table_evicts_nobody() {
    let (mut world, _) = full();
    let announcement = Peer::new(4).announce(world.now);
    assert!(world.told(&announcement, secs(50)).is_empty());
    assert_eq!(world.refused(Refusal::TableFull), 1);
    assert_eq!(forgotten(&world.told(&announcement, secs(0))).len(), 1);
}

#[test]
fn an_evicted_peer_may_return() {
    let (mut world, peers) = full();
    let last = world.entry(&peers[0]).announcement.clone();
    world.meet(&mut Peer::new(4));
    assert!(!world.has(&peers[0]));
    world.advance(secs(1));
    world.hear(&last);
    assert!(world.has(&peers[0]));
}

#[test]
fn an_answer_of_a_peer_that_was_evicted_meanwhile_is_one_of_a_newcomer() {
    let (mut world, mut peers) = full();
    world.meet(&mut Peer::new(4));
    world.advance(secs(1));
    let answer = peers[0].announce(world.now);
    world.handle(Event::Probed { peer: peers[0].id(), answer: Ok(unverified(&answer)) });
    assert!(world.entry(&peers[0]).verified.is_some());
    assert_eq!(world.node.table_size(), 3);
}

#[test]
fn a_view_is_a_copy_that_doesnt_change() {
    let (mut world, peers) = full();
    let view = world.node.view();
    assert_eq!(world.node.news(), News::Nothing);
    world.meet(&mut Peer::new(4));
    assert_eq!(world.node.news(), News::Peers);
    let mut ids: Vec<_> = peers.iter().map(Peer::id).collect();
    ids.sort();
    assert_eq!(view.entries.iter().map(|entry| entry.node_id()).collect::<Vec<_>>(), ids);
    assert_eq!(view.neighbours, [world.neighbour()]);
    assert_eq!(view.to_wire(world.now.mono).count(), 4, "the node itself comes first");
}

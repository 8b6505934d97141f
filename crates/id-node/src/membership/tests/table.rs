//! The table is bounded, and certainty decides who goes.

use std::{sync::Arc, time::Duration};

use id_proto::{Source, iroh_base::PublicKey};

use super::fixture::{Peer, World, forgotten, millis, secret, secs, unverified};
use crate::membership::{
    Effect, Entry, Event, Moment, News, Refusal, RemovalReason,
    table::{Standing, Table, TableFull},
};

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

/// A full table in which each introducer has brought so many, a second apart; and who they are.
fn brought(n_by: &[(PublicKey, u16)]) -> (Table, Vec<PublicKey>) {
    let n: u16 = n_by.iter().map(|(_, n)| n).sum();
    let mut table = Table::new(n.into());
    let introducers = n_by.iter().flat_map(|(by, n)| std::iter::repeat_n(*by, (*n).into()));
    let mut peers = Vec::new();
    for (seed, introducer) in (1..).zip(introducers) {
        let announcement = Peer::new(seed).announce(World::new().now);
        let heard = heard_at(u64::from(seed));
        peers.push(announcement.node_id);
        table.insert(Arc::new(Entry::new(announcement, Source::Gossip, introducer, heard)));
    }
    table.check_invariants();
    (table, peers)
}

fn heard_at(seconds: u64) -> Moment {
    Moment::before(secs(seconds), Duration::ZERO)
}

/// Three introducers, in the order of their ids.
fn introducers() -> [PublicKey; 3] {
    let mut ids = [2001, 2002, 2003].map(|seed| secret(seed).public());
    ids.sort();
    ids
}

#[test]
fn in_a_full_table_whoever_brought_the_most_loses_its_oldest() {
    let [a, b, nobody] = introducers();
    let (table, peers) = brought(&[(a, 4), (b, 2)]);
    let place = |by, at| table.place_for(&by, heard_at(at), Standing::Claimed);
    assert_eq!(place(b, 9), Ok(Some(peers[0])));
    assert_eq!(place(nobody, 9), Ok(Some(peers[0])));
    assert_eq!(place(a, 9), Ok(Some(peers[0])), "its own");
    assert_eq!(place(a, 1), Err(TableFull), "heard in the same moment as its oldest");
    assert_eq!(place(a, 2), Ok(Some(peers[0])));
}

#[test]
fn whoever_brought_as_many_as_anybody_loses_its_own() {
    let [a, b, _] = introducers();
    let (table, peers) = brought(&[(a, 3), (b, 3)]);
    let place = |by| table.place_for(&by, heard_at(9), Standing::Claimed);
    assert_eq!((place(a), place(b)), (Ok(Some(peers[0])), Ok(Some(peers[3]))));
}

/// The quota of a table of two hundred is 64.
#[test]
fn whoever_has_its_whole_quota_loses_its_own_even_to_fewer_than_others_brought() {
    let [a, b, _] = introducers();
    for (n, of_whom) in [(63, 0), (64, 136), (65, 135)] {
        let (table, peers) = brought(&[(a, 200 - n), (b, n)]);
        let place = table.place_for(&b, heard_at(999), Standing::Claimed);
        assert_eq!(place, Ok(Some(peers[of_whom])), "{n}");
        let place = table.place_for(&b, heard_at(999), Standing::Certain);
        assert_eq!(place, Ok(Some(peers[0])), "who is certain takes the largest crowd's");
    }
}

#[test]
fn a_peer_is_overdue_after_one_and_a_half_of_its_intervals_and_stale_after_its_lifetime() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    let (entry, heard) = (world.entry(&peer), world.now.mono);
    let nano = Duration::from_nanos(1);
    assert!(!entry.is_overdue(heard + secs(45)) && entry.is_overdue(heard + secs(45) + nano));
    assert!(!entry.is_stale(heard + secs(120)) && entry.is_stale(heard + secs(120) + nano));
    assert_eq!(entry.overdue_at(heard + millis(500)), heard + secs(45));
    assert_eq!(entry.overdue_at(heard + secs(46)), heard + secs(46));
}

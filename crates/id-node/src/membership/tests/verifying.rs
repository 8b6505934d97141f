//! Who is dialled on whose word, and what comes of an answer.

use std::{collections::BTreeSet, time::Duration};

use id_client::{AddressPolicy, FailKind};
use id_proto::{
    Network, SignedAnnouncement,
    iroh_base::{PublicKey, TransportAddr},
};

use super::fixture::{
    Peer, World, effects_of, forgotten, millis, probed, secret, secs, unverified,
};
use crate::membership::{
    Effect, Event, Now, RemovalReason, SyncEnd,
    probes::{Account, Probes},
};

/// Dials on an introducer's word that may fail at once.
const DIALS: usize = 16;

/// What a peer says that can be dialled at `addrs`.
fn announce_at(world: &World, peer: &mut Peer, addrs: &[&str]) -> SignedAnnouncement {
    let mut draft = peer.draft(world.now);
    let ip = |addr: &&str| TransportAddr::Ip(addr.parse().unwrap());
    draft.addrs = addrs.iter().map(ip).collect();
    peer.sign(draft)
}

/// A settled node that verifies, one peer a second.
fn settled() -> World {
    World::settled_with(|config| config.verify_gap = Some(secs(1)))
}

/// `n` peers that can be dialled, announced by one neighbour.
fn meet(world: &mut World, from: PublicKey, seeds: std::ops::Range<u16>) -> Vec<Peer> {
    let mut peers: Vec<_> = seeds.map(Peer::new).collect();
    for peer in &mut peers {
        peer.interval_secs = 3600;
        let announcement = announce_at(world, peer, &["1.1.1.1:1"]);
        world.hear_from(from, &announcement);
    }
    peers
}

/// Runs for `time`, answering or failing each probe at once. Returns who was probed, and when.
fn run(
    world: &mut World,
    time: Duration,
    mut answer: impl FnMut(&PublicKey) -> Option<SignedAnnouncement>,
) -> Vec<(Duration, PublicKey)> {
    let end = world.now.mono + time;
    let mut dials = Vec::new();
    while world.now.mono < end {
        let step = world.node.next_deadline().min(end);
        let mut waiting = probed(&effects_of(world.run_until(step)));
        while let Some(peer) = waiting.pop() {
            dials.push((world.now.mono, peer));
            let answer = answer(&peer).as_ref().map(unverified);
            waiting.extend(probed(
                &world.handle(Event::Probed { peer, answer: answer.ok_or(FailKind::Timeout) }),
            ));
        }
    }
    dials
}

fn n_verified(world: &World) -> usize {
    world.node.table_size() - world.node.table.n_unverified()
}

#[test]
fn peers_are_verified_in_the_background_one_a_second() {
    let mut world = settled();
    let from = world.neighbour();
    let peers = meet(&mut world, from, 1..31);
    let held: Vec<_> = peers.iter().map(|peer| world.entry(peer).announcement.clone()).collect();
    let dials = run(&mut world, secs(60), |id| held.iter().find(|it| it.node_id == *id).cloned());
    assert_eq!(dials.len(), 30, "each once");
    assert!(dials.windows(2).all(|pair| pair[1].0 - pair[0].0 >= secs(1)));
    assert_eq!(n_verified(&world), 30);
    assert_eq!(world.node.stats.verifications, 30);
}

#[test]
fn who_is_being_dialled_is_not_dialled_a_second_time() {
    let mut world = settled();
    let mut peer = Peer::new(1);
    let announcement = announce_at(&world, &mut peer, &["1.1.1.1:1"]);
    world.hear(&announcement);
    world.node.probes.started(peer.id(), Account::Own, world.now);
    assert_eq!(probed(&effects_of(world.run_for(secs(10)))), []);
}

#[test]
fn a_probe_of_which_nothing_is_heard_any_more_costs_its_slot_for_a_minute() {
    let (mut probes, now) = (Probes::new(1), World::new().now);
    let [lost, next] = [1, 2].map(|seed| Peer::new(seed).id());
    probes.started(lost, Account::Own, now);
    let sweep = |probes: &mut Probes, after| {
        let stale = [lost, next].map(|peer| (peer, Account::Own)).into_iter();
        probes.sweep(stale, Now { mono: now.mono + after, ..now });
        probes.next(|_| true).map(|(peer, _)| peer)
    };
    assert_eq!(sweep(&mut probes, millis(59_999)), None);
    assert!(probes.is_under_way(&lost));
    assert_eq!(sweep(&mut probes, secs(60)), Some(lost), "it is stale as before");
}

#[test]
fn introducers_take_turns() {
    let mut world = settled();
    let (one, other) = (secret(1001).public(), secret(1002).public());
    meet(&mut world, one, 1..100);
    let few = meet(&mut world, other, 101..106);
    let dials = run(&mut world, secs(12), |_| None);
    let of_few = |(_, id): &&(Duration, PublicKey)| few.iter().any(|peer| peer.id() == *id);
    assert_eq!(dials.iter().filter(of_few).count(), 5);
}

#[test]
fn whoever_doesnt_answer_stays_for_as_long_as_it_announces_itself() {
    let mut world = settled();
    let from = world.neighbour();
    let peers = meet(&mut world, from, 1..2);
    let dials = run(&mut world, secs(1700), |_| None);
    assert_eq!(dials.len(), 3, "and is tried again every ten minutes");
    assert!(world.has(&peers[0]));
    assert_eq!(n_verified(&world), 0);
}

#[test]
fn on_one_introducers_word_so_many_dials_may_fail() {
    let mut world = settled();
    let from = world.neighbour();
    meet(&mut world, from, 1..500);
    let dials = run(&mut world, secs(400), |_| None);
    assert!((DIALS..=DIALS + 10).contains(&dials.len()), "{}", dials.len());
}

#[test]
fn an_answer_makes_the_introducers_word_good_again() {
    let mut world = settled();
    let from = world.neighbour();
    let peers = meet(&mut world, from, 1..200);
    let held: Vec<_> = peers.iter().map(|peer| world.entry(peer).announcement.clone()).collect();
    let mut n_asked = 0;
    // One in ten is dead.
    let dials = run(&mut world, secs(120), |id| {
        n_asked += 1;
        held.iter().find(|it| it.node_id == *id && n_asked % 10 != 0).cloned()
    });
    assert!(dials.len() >= 119, "{}", dials.len());
}

#[test]
fn an_answer_from_another_network_makes_nobodys_word_good() {
    let mut world = settled();
    let from = world.neighbour();
    meet(&mut world, from, 1..500);
    let elsewhere = Network::derive("another", "secret").unwrap();
    let mut peers: Vec<_> = (1..500).map(Peer::new).collect();
    peers.iter_mut().for_each(|peer| peer.network = elsewhere.clone());
    let now = world.now;
    let dials = run(&mut world, secs(100), |id| {
        peers.iter_mut().find(|peer| peer.id() == *id).map(|peer| peer.announce(now))
    });
    assert!(dials.len() <= DIALS + 3, "{}", dials.len());
}

#[test]
fn a_node_that_is_isolated_verifies_nobody() {
    let mut world = settled();
    let from = world.neighbour();
    meet(&mut world, from, 1..10);
    let neighbour = world.neighbour();
    world.handle(Event::NeighbourDown(neighbour));
    let before = world.node.stats.verifications;
    run(&mut world, secs(600), |_| None);
    assert_eq!(world.node.stats.verifications, before);
}

#[test]
fn a_completed_sync_verifies_the_neighbour() {
    for end in [SyncEnd::Complete, SyncEnd::Failed, SyncEnd::NoSource] {
        let mut world = World::settled();
        let mut peer = Peer::new(1);
        world.meet(&mut peer);
        world.handle(Event::Synced { peer: peer.id(), end });
        assert_eq!(world.entry(&peer).verified.is_some(), end == SyncEnd::Complete, "{end:?}");
    }
}

#[test]
fn the_dead_of_whom_we_were_only_told_go_unasked_when_too_many_of_them_are() {
    let mut world = World::settled();
    let mut peers: Vec<_> = (1..=100).map(Peer::new).collect();
    peers.iter_mut().for_each(|peer| drop(world.meet(peer)));
    let mut removed = Vec::new();
    let mut n_dials = 0;
    while world.now.mono < secs(420) {
        let mut effects = world.tick();
        world.advance(secs(1));
        for peer in probed(&effects) {
            n_dials += 1;
            effects.extend(world.handle(Event::Probed { peer, answer: Err(FailKind::Timeout) }));
        }
        removed.extend(forgotten(&effects));
    }
    assert_eq!(world.node.table_size(), 0);
    let n_unasked = removed.iter().filter(|(_, why)| *why == RemovalReason::Unasked).count();
    assert!((DIALS..=DIALS + 8).contains(&n_dials), "{n_dials}");
    assert_eq!(n_dials + n_unasked, 100);
}

#[test]
fn whoever_answered_once_is_asked_before_it_goes_however_many_are_dead() {
    let mut world = World::settled();
    let mut peers: Vec<_> = (1..=100).map(Peer::new).collect();
    for peer in &mut peers {
        let announcement = world.meet(peer);
        world.probe_answers(peer, &announcement);
    }
    // Those that went are looked for again, now and then.
    let dials = run(&mut world, secs(200), |_| None);
    let dialled: BTreeSet<_> = dials.into_iter().map(|(_, peer)| peer).collect();
    assert_eq!(dialled.len(), 100);
    assert_eq!(world.node.stats.removed(RemovalReason::ProbeFailed), 100);
}

#[test]
fn what_a_stranger_announces_of_our_own_machine_or_site_is_not_dialled() {
    let mut world = settled();
    let mut peer = Peer::new(1);
    let local = ["127.0.0.1:1", "10.0.0.1:1", "192.168.1.1:1", "169.254.169.254:80"];
    let announcement = announce_at(&world, &mut peer, &local);
    world.hear(&announcement);
    assert!(world.node.dialable(&announcement).is_empty());
    assert!(run(&mut world, secs(100), |_| None).is_empty(), "nor looked up");

    let mut other = Peer::new(2);
    let mixed = announce_at(&world, &mut other, &["10.0.0.1:1", "1.1.1.1:1"]);
    world.hear(&mixed);
    let effects = effects_of(world.run_for(secs(2)));
    let dialled = effects.iter().find_map(|effect| match effect {
        Effect::Probe(addr) => Some(addr.clone()),
        _ => None,
    });
    let addrs: Vec<_> = dialled.unwrap().ip_addrs().map(ToString::to_string).collect();
    assert_eq!(addrs, ["1.1.1.1:1"]);
}

#[test]
fn when_we_come_to_a_new_place_peers_are_learned_anew() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    let announcement = announce_at(&world, &mut peer, &["10.0.0.1:1"]);
    world.hear(&announcement);
    let own = announce_at(&world, &mut Peer::new(2), &["10.0.9.9:1"]).endpoint_addr();
    let policy = AddressPolicy::new(&Network::public()).open(&own);
    let effects = world.handle(Event::PolicyChanged(policy.clone()));
    assert!(matches!(&effects[..], [Effect::Learned { is_new: false, .. }]), "{effects:?}");
    assert_eq!(world.node.dialable(&announcement), announcement.endpoint_addr());
    assert!(world.handle(Event::PolicyChanged(policy)).is_empty());
}

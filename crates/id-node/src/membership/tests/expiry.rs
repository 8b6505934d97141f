//! Who goes for being silent: nobody unasked, and nobody because we hear nothing.

use std::time::Duration;

use id_client::FailKind;
use id_proto::Network;

use super::fixture::{Peer, World, effects_of, forgotten, millis, probed, secret, secs};
use crate::membership::{Event, Refusal, RemovalReason};

/// A stale peer of a settled node, with its probe under way.
fn probing() -> (World, Peer) {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    let effects = effects_of(world.run_for(secs(181)));
    assert_eq!(probed(&effects), [peer.id()]);
    (world, peer)
}

#[test]
fn a_peer_is_stale_after_four_of_its_own_intervals_and_not_before() {
    let mut world = World::settled();
    for (seed, interval_secs) in [(1, 1), (2, 30), (3, 600)] {
        let mut peer = Peer { interval_secs, ..Peer::new(seed) };
        world.meet(&mut peer);
        let stale_at = world.now.mono + secs(4 * u64::from(interval_secs));
        assert!(!world.entry(&peer).is_stale(stale_at));
        assert!(world.entry(&peer).is_stale(stale_at + millis(1)));
    }
}

#[test]
fn a_silent_peer_is_probed_before_it_is_removed() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    let heard = world.now.mono;
    let done = world.run_for(secs(600));
    let probes: Vec<_> = done
        .iter()
        .filter(|(_, effect)| !probed(std::slice::from_ref(effect)).is_empty())
        .map(|(at, _)| *at)
        .collect();
    assert!(probes[0] > heard + secs(120), "{probes:?}");
    assert!(probes[0] <= heard + secs(180), "staleness and one sweep: {probes:?}");
    assert!(world.has(&peer), "without the probe's answer nobody goes");
}

#[test]
fn a_failed_probe_removes_and_remembers() {
    let (mut world, mut peer) = probing();
    let last = world.entry(&peer).announcement.clone();
    let effects = world.probe_fails(&peer);
    assert_eq!(forgotten(&effects), [(peer.id(), RemovalReason::ProbeFailed)]);
    world.hear(&last);
    assert_eq!(world.refused(Refusal::Departed), 1, "a replay doesn't bring it back");
    world.meet(&mut peer);
}

#[test]
fn an_answer_keeps_the_peer_even_if_it_says_nothing_new() {
    let (mut world, peer) = probing();
    let unchanged = world.entry(&peer).announcement.clone();
    world.probe_answers(&peer, &unchanged);
    let entry = world.entry(&peer);
    assert_eq!(entry.verified, Some(world.now.mono));
    assert!(!entry.is_stale(world.now.mono + secs(120)));
    assert!(probed(&effects_of(world.run_for(secs(119)))).is_empty());
}

#[test]
fn an_answer_with_news_is_taken_in() {
    let (mut world, mut peer) = probing();
    let news = peer.announce(world.now);
    world.probe_answers(&peer, &news);
    assert_eq!(world.entry(&peer).announcement, news);
    assert_eq!(world.entry(&peer).verified, Some(world.now.mono));
}

#[test]
fn an_answer_with_a_wrong_clock_still_proves_life() {
    let (mut world, mut peer) = probing();
    let mut draft = peer.draft(world.now);
    draft.timestamp_secs += 100_000;
    world.probe_answers(&peer, &peer.sign(draft));
    assert_eq!(world.refused(Refusal::FutureDated), 1);
    assert!(world.entry(&peer).verified.is_some());
}

#[test]
fn a_peer_that_answers_from_another_network_goes() {
    let (mut world, mut peer) = probing();
    peer.network = Network::derive("another", "secret").unwrap();
    let elsewhere = peer.announce(world.now);
    let effects = world.probe_answers(&peer, &elsewhere);
    assert_eq!(forgotten(&effects), [(peer.id(), RemovalReason::ProbeFailed)]);
}

#[test]
fn an_answer_in_somebody_elses_name_is_none() {
    let (mut world, peer) = probing();
    let other = Peer::new(2).announce(world.now);
    let effects = world.probe_answers(&peer, &other);
    assert_eq!(forgotten(&effects), [(peer.id(), RemovalReason::ProbeFailed)]);
    assert_eq!(world.node.table_size(), 0);
}

#[test]
fn a_peer_that_announces_while_its_probe_fails_stays() {
    let (mut world, mut peer) = probing();
    world.meet(&mut peer);
    world.advance(secs(3));
    assert!(world.probe_fails(&peer).is_empty());
    assert!(world.has(&peer));
    // Later it falls silent again, and is probed again.
    assert_eq!(probed(&effects_of(world.run_for(secs(181)))), [peer.id()]);
    world.probe_fails(&peer);
    assert!(!world.has(&peer));
}

#[test]
fn a_peer_that_left_and_returned_while_its_probe_fails_stays() {
    let (mut world, mut peer) = probing();
    world.hear_leave(&peer.leave(world.now));
    world.meet(&mut peer);
    world.probe_fails(&peer);
    assert!(world.has(&peer));
}

#[test]
fn a_failure_that_nobody_asked_for_removes_nobody() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    world.advance(secs(121));
    world.probe_fails(&peer);
    assert!(world.has(&peer));
    assert_eq!(world.node.stats.probes_failed, 0);
}

#[test]
fn an_isolated_node_expires_nobody() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    world.handle(Event::NeighbourDown(world.neighbour()));
    assert!(world.node.is_isolated() && world.node.view().isolated);
    assert!(probed(&effects_of(world.run_for(secs(24 * 3600)))).is_empty());
    assert!(world.has(&peer));
}

#[test]
fn expiry_resumes_when_a_neighbour_comes() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    world.handle(Event::NeighbourDown(world.neighbour()));
    world.run_for(secs(3600));
    world.handle(Event::NeighbourUp(world.neighbour()));
    assert_eq!(probed(&effects_of(world.run_for(secs(60)))), [peer.id()]);
}

#[test]
fn a_probe_that_fails_because_we_lost_our_last_neighbour_removes_nobody() {
    let (mut world, peer) = probing();
    world.handle(Event::NeighbourDown(world.neighbour()));
    world.probe_fails(&peer);
    assert!(world.has(&peer));
}

#[test]
fn a_node_without_gossip_is_not_isolated_and_probes() {
    let mut world = World::with(|config| config.gossip = false);
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    assert!(!world.node.is_isolated());
    assert_eq!(probed(&effects_of(world.run_for(secs(181)))), [peer.id()]);
}

#[test]
fn what_wasnt_heard_for_100_s_by_whoever_told_is_stale_20_s_later() {
    // Right after the start, too: then it was heard before the node's clock began.
    for uptime in [Duration::ZERO, secs(1), secs(5000)] {
        let mut world = World::new();
        world.advance(uptime);
        let mut peer = Peer::new(1);
        let announcement = peer.announce(world.now);
        world.told(&announcement, secs(100));
        let told_at = world.now.mono;
        assert!(!world.entry(&peer).is_stale(told_at + secs(20)), "{uptime:?}");
        assert!(world.entry(&peer).is_stale(told_at + secs(20) + millis(1)), "{uptime:?}");
    }
}

#[test]
fn what_would_be_stale_at_once_is_not_taken_in() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    let announcement = peer.announce(world.now);
    for age in [secs(120) + millis(1), secs(3600), millis(u64::MAX), Duration::MAX] {
        world.told(&announcement, age);
        assert!(!world.has(&peer), "{age:?}");
    }
    assert_eq!(world.refused(Refusal::Expired), 4);
    world.told(&announcement, secs(120));
    assert!(world.has(&peer));
}

#[test]
fn a_waiting_peer_is_probed_as_soon_as_another_probe_ends() {
    let mut world = World::settled_with(|config| config.max_probes = 2);
    let mut peers: Vec<_> = (1..=5).map(Peer::new).collect();
    peers.iter_mut().for_each(|peer| {
        world.meet(peer);
    });
    let mut under_way = probed(&effects_of(world.run_for(secs(181))));
    assert_eq!(under_way.len(), 2);
    for _ in 0..5 {
        let event = Event::Probed { peer: under_way.remove(0), answer: Err(FailKind::Timeout) };
        under_way.extend(probed(&world.handle(event)));
    }
    assert_eq!(world.node.table_size(), 0, "all within one sweep");
}

#[test]
fn whoever_is_heard_while_it_waits_is_not_probed() {
    let mut world = World::settled_with(|config| config.max_probes = 1);
    let mut peers = [Peer::new(1), Peer::new(2)];
    peers.iter_mut().for_each(|peer| {
        world.meet(peer);
    });
    let first = probed(&effects_of(world.run_for(secs(181))));
    let waiting = peers.iter_mut().find(|peer| peer.id() != first[0]).unwrap();
    world.meet(waiting);
    let effects = world.handle(Event::Probed { peer: first[0], answer: Err(FailKind::Timeout) });
    assert!(probed(&effects).is_empty());
}

#[test]
fn a_lost_report_of_a_probe_costs_a_slot_for_a_while_only() {
    let mut world = World::settled_with(|config| config.max_probes = 1);
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    let probes = probed(&effects_of(world.run_for(secs(400))));
    assert!(probes.len() > 1, "{probes:?}");
    world.probe_fails(&peer);
    assert!(!world.has(&peer));
}

#[test]
fn peers_that_announce_often_go_soon_from_a_node_that_announces_rarely() {
    let mut world = World::settled_with(|config| config.announce_interval = secs(3600));
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    assert_eq!(probed(&effects_of(world.run_for(secs(181)))), [peer.id()]);
}

#[test]
fn a_clock_that_jumps_expires_nobody() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    world.now.unix += secs(1_000_000);
    assert!(probed(&effects_of(world.run_for(secs(119)))).is_empty());
    world.now.unix -= secs(2_000_000);
    assert!(probed(&world.tick()).is_empty());
    assert!(world.node.next_deadline() < world.now.mono + secs(60));
    assert_ne!(peer.id(), secret(0).public());
}

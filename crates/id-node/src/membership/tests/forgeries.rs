//! What it costs to deliver bad signatures, and what it doesn't cost.

use id_proto::{
    PeerAnnouncement, PeerEntry, SignedAnnouncement, SignedLeave, Source, iroh_base::PublicKey,
};

use super::fixture::{Peer, World, forge, gossip_message, millis, secret, secs};
use crate::{
    bucket::MAX_DEBTORS,
    membership::{Effect, Event, Refusal},
};

/// Bad signatures in the names of strangers that a neighbour may deliver at once, …
const STRANGERS: u64 = 64;
/// … in the names of peers that are known, …
const KNOWN: u64 = 512;
/// … and in answers.
const TOLD: u64 = 16;

/// The variants of a gossip message.
const ANNOUNCE: u8 = 0;
const LEAVE: u8 = 1;

fn forged(announcement: &SignedAnnouncement) -> Vec<u8> {
    gossip_message(ANNOUNCE, &forge::<PeerAnnouncement>(announcement.bytes()))
}

/// Forgeries in the name of `peer`, each of which would be news.
fn flood(world: &mut World, from: PublicKey, peer: &mut Peer, n: u64) {
    for _ in 0..n {
        let message = forged(&peer.announce(world.now));
        assert!(world.handle(Event::Gossip { message: &message, from }).is_empty());
    }
}

/// How many signatures were checked of what was refused, and how many were not.
fn counted(world: &World) -> (u64, u64) {
    (world.refused(Refusal::BadSignature), world.refused(Refusal::SignatureBudget))
}

fn is_learned(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Learned { .. }))
}

/// The entry as an answer holds it, under somebody else's signature.
fn forged_entry(announcement: SignedAnnouncement) -> Vec<u8> {
    let (good, bad) =
        (announcement.bytes().to_vec(), forge::<PeerAnnouncement>(announcement.bytes()));
    let entry =
        PeerEntry { announcement, age: secs(1), source: Source::Gossip, verified_age: None };
    let mut bytes = entry.encode();
    let at = bytes.windows(64).position(|window| window == &good[..64]).unwrap();
    bytes[at..at + bad.len()].copy_from_slice(&bad);
    bytes
}

#[test]
fn forgeries_in_the_names_of_strangers_are_checked_64_times_and_then_every_20_ms() {
    let mut world = World::settled();
    let (from, mut peer) = (world.neighbour(), Peer::new(1));
    flood(&mut world, from, &mut peer, 1000);
    assert_eq!(counted(&world), (STRANGERS, 1000 - STRANGERS));
    world.advance(millis(19));
    flood(&mut world, from, &mut peer, 1);
    assert_eq!(counted(&world), (STRANGERS, 1001 - STRANGERS));
    world.advance(millis(1));
    flood(&mut world, from, &mut peer, 2);
    assert_eq!(counted(&world), (STRANGERS + 1, 1002 - STRANGERS));
    world.run_for(secs(60));
    flood(&mut world, from, &mut peer, 1000);
    assert_eq!(counted(&world).0, 2 * STRANGERS + 1, "never more than 64 at once");
}

#[test]
fn forgeries_in_the_names_of_the_known_are_checked_512_times_and_then_every_2_ms() {
    let mut world = World::settled();
    let (from, mut peer) = (world.neighbour(), Peer::new(1));
    world.meet(&mut peer);
    flood(&mut world, from, &mut peer, 1000);
    assert_eq!(counted(&world), (KNOWN, 1000 - KNOWN));
    world.advance(millis(1));
    flood(&mut world, from, &mut peer, 1);
    assert_eq!(counted(&world).0, KNOWN);
    world.advance(millis(1));
    flood(&mut world, from, &mut peer, 2);
    assert_eq!(counted(&world).0, KNOWN + 1);
}

#[test]
fn a_good_signature_costs_its_deliverer_nothing() {
    let mut world = World::settled();
    let from = world.neighbour();
    for seed in 1..900 {
        world.meet(&mut Peer::new(seed));
    }
    flood(&mut world, from, &mut Peer::new(900), STRANGERS);
    assert_eq!(counted(&world), (STRANGERS, 0));
}

#[test]
fn while_a_flood_comes_through_a_neighbour_its_news_of_known_peers_is_believed() {
    let mut world = World::settled();
    let (from, mut known, mut neighbour) = (world.neighbour(), Peer::new(1), Peer::new(2));
    world.meet(&mut known);
    world.handle(Event::NeighbourUp(neighbour.id()));
    flood(&mut world, from, &mut Peer::new(3), 10_000);
    world.meet(&mut known);
    // A neighbour is known before it has announced itself.
    world.meet(&mut neighbour);
    world.hear_leave(&known.leave(world.now));
    assert!(!world.has(&known));
}

#[test]
fn while_a_flood_comes_through_a_neighbour_its_strangers_wait() {
    let mut world = World::settled();
    let (from, mut newcomer) = (world.neighbour(), Peer::new(1));
    flood(&mut world, from, &mut Peer::new(3), 10_000);
    assert!(world.hear(&newcomer.announce(world.now)).is_empty());
    world.advance(millis(20));
    world.meet(&mut newcomer);
}

#[test]
fn a_flood_through_one_neighbour_takes_nothing_from_another() {
    let mut world = World::settled();
    let (from, other, mut peer) = (world.neighbour(), secret(1001).public(), Peer::new(1));
    flood(&mut world, from, &mut peer, 1000);
    let announcement = peer.announce(world.now);
    assert!(is_learned(&world.hear_from(other, &announcement)));
    flood(&mut world, from, &mut peer, 1000);
    let news = peer.announce(world.now);
    assert!(is_learned(&world.hear_from(other, &news)));
}

#[test]
fn a_neighbour_through_whom_a_flood_comes_can_still_tell_its_table() {
    let mut world = World::settled();
    let (from, mut known) = (world.neighbour(), Peer::new(1));
    world.meet(&mut known);
    flood(&mut world, from, &mut known, 1000);
    flood(&mut world, from, &mut Peer::new(2), 1000);
    let newcomer = Peer::new(3).announce(world.now);
    assert!(is_learned(&world.told(&newcomer, secs(1))));
}

#[test]
fn whoever_tells_forgeries_is_believed_16_of_them_later_about_nobody() {
    let mut world = World::settled();
    let (by, mut known) = (world.neighbour(), Peer::new(1));
    world.meet(&mut known);
    for seed in 2..102 {
        let item = forged_entry(Peer::new(seed).announce(world.now));
        assert!(world.handle(Event::Told { item: &item, by }).is_empty());
    }
    assert_eq!(counted(&world), (TOLD, 100 - TOLD));
    let news = known.announce(world.now);
    assert!(world.told(&news, secs(0)).is_empty());
    assert_eq!(counted(&world), (TOLD, 101 - TOLD));
    // What it relays is another matter.
    assert!(is_learned(&world.hear(&news)));
    world.advance(secs(10));
    assert!(is_learned(&world.told(&Peer::new(2).announce(world.now), secs(0))));
}

#[test]
fn forged_goodbyes_are_counted_like_forged_announcements() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    let from = world.neighbour();
    flood(&mut world, from, &mut peer, KNOWN - 1);
    let forged_leave =
        |leave: SignedLeave| gossip_message(LEAVE, &forge::<id_proto::Leave>(leave.bytes()));
    for _ in 0..2 {
        let message = forged_leave(peer.leave(world.now));
        world.gossip(&message);
    }
    assert_eq!(counted(&world), (KNOWN, 1));
    world.hear_leave(&peer.leave(world.now));
    assert!(world.has(&peer), "not even its own, until the next check");
    world.advance(millis(2));
    world.hear_leave(&peer.leave(world.now));
    assert!(!world.has(&peer));
}

#[test]
fn the_answer_to_our_own_dial_is_always_checked() {
    let mut world = World::settled();
    let (from, mut peer) = (world.neighbour(), Peer::new(1));
    world.meet(&mut peer);
    flood(&mut world, from, &mut peer, 1000);
    let answer = peer.announce(world.now);
    assert!(is_learned(&world.probe_answers(&peer, &answer)));
}

#[test]
fn whoever_a_flood_silences_is_asked_before_it_goes() {
    let mut world = World::settled();
    let (from, mut peer) = (world.neighbour(), Peer::new(1));
    world.meet(&mut peer);
    let mut probes = Vec::new();
    for _ in 0..30 {
        flood(&mut world, from, &mut peer, KNOWN);
        assert!(!is_learned(&world.hear(&peer.announce(world.now))));
        let done = world.run_for(secs(10));
        probes.extend(super::fixture::probed(&super::fixture::effects_of(done)));
        if !probes.is_empty() {
            break;
        }
    }
    assert_eq!(probes, [peer.id()]);
    let answer = peer.announce(world.now);
    world.probe_answers(&peer, &answer);
    assert_eq!(world.entry(&peer).announcement, answer);
}

#[test]
fn only_so_many_deliverers_are_remembered() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    let forger = world.neighbour();
    flood(&mut world, forger, &mut peer, STRANGERS);
    // The invariants are checked after each.
    for seed in 2000..3100 {
        flood(&mut world, secret(seed).public(), &mut peer, 1);
    }
    assert_eq!(world.node.deliverers.n_in_debt(), MAX_DEBTORS);
    let refused = counted(&world).1;
    flood(&mut world, forger, &mut peer, 1);
    assert_eq!(counted(&world).1, refused + 1, "whoever owes the most is remembered");
}

#[test]
fn a_look_forgets_who_owes_nothing_any_more_and_nobody_else() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    flood(&mut world, secret(2000).public(), &mut peer, STRANGERS);
    let just_before = world.node.next_sweep - millis(1);
    world.run_until(just_before);
    let forger = world.neighbour();
    flood(&mut world, forger, &mut peer, STRANGERS);
    assert_eq!(world.node.deliverers.n_in_debt(), 2);
    world.run_for(millis(1));
    assert_eq!(world.node.deliverers.n_in_debt(), 1);
    let refused = counted(&world).1;
    flood(&mut world, forger, &mut peer, 1);
    assert_eq!(counted(&world).1, refused + 1, "it is remembered what it owes");
}

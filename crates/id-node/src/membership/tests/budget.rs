//! What one author, and what one introducer, may do to a table.

use std::time::Duration;

use id_proto::{PeerAnnouncement, SignedAnnouncement, Statement, iroh_base::PublicKey};

use super::fixture::{
    Peer, World, announced, facts, forge, gossip_message, millis, secret, secs, unverified,
};
use crate::bucket::{Bucket, MAX_DEBTORS, Rate};
use crate::membership::{
    Effect, Event, OwnFacts, Refusal, SyncEnd,
    introducers::{Introducers, Payment, Space},
};

/// Entries of a table whose introducers have a quota of 128.
const SMALL: usize = 2048;
const QUOTA: u16 = 128;
const BURST: u16 = 64;

fn announcements(world: &World, seeds: std::ops::Range<u16>) -> Vec<SignedAnnouncement> {
    // So rarely that nobody is stale within a test.
    let peers = seeds.map(|seed| Peer { interval_secs: 86_400, ..Peer::new(seed) });
    peers.map(|mut peer| peer.announce(world.now)).collect()
}

/// The neighbour delivers new peers at once. Returns how many entered.
fn deliver(world: &mut World, seeds: std::ops::Range<u16>) -> usize {
    let from = world.neighbour();
    deliver_from(world, from, seeds)
}

fn deliver_from(world: &mut World, from: PublicKey, seeds: std::ops::Range<u16>) -> usize {
    let new = announcements(world, seeds);
    let is_new = |effect: &Effect| matches!(effect, Effect::Learned { is_new: true, .. });
    new.iter().filter(|it| world.hear_from(from, it).iter().any(is_new)).count()
}

/// A settled node whose joining is over, with a small table.
fn settled(configure: impl FnOnce(&mut crate::membership::MembershipConfig)) -> World {
    let mut world = World::settled_with(|config| {
        config.max_entries = SMALL;
        configure(config);
    });
    world.run_for(secs(61));
    world
}

fn share(world: &mut World, introducer: PublicKey) -> usize {
    let view = world.node.view();
    let share = view.introducers.iter().find(|it| it.share.introducer == introducer);
    share.map_or(0, |it| it.share.n_entries)
}

#[test]
fn a_bucket_gives_its_burst_at_once_and_one_more_after_each_gap() {
    let rate = Rate { burst: 3, gap: secs(5) };
    let mut bucket = Bucket::default();
    for left in [3, 2, 1, 0, 0] {
        assert_eq!(bucket.left(rate, secs(100)), left);
        bucket.take(rate, secs(100));
    }
    assert_eq!(bucket.left(rate, millis(104_999)), 0);
    assert_eq!(bucket.left(rate, secs(105)), 1);
    assert_eq!(bucket.left(rate, millis(114_999)), 2);
    assert_eq!(bucket.left(rate, secs(115)), 3);
    assert_eq!(bucket.left(rate, secs(100_000)), 3, "never more than a burst");
    bucket.give_back(rate);
    assert_eq!(bucket.left(rate, secs(100)), 1);
}

#[test]
fn an_author_is_heard_three_times_at_once_and_then_every_five_seconds() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    for _ in 0..3 {
        world.meet(&mut peer);
    }
    let last = world.entry(&peer).announcement.clone();
    for _ in 0..100 {
        assert!(world.hear(&peer.announce(world.now)).is_empty());
    }
    assert_eq!(world.entry(&peer).announcement, last);
    assert_eq!(world.refused(Refusal::AuthorBudget), 100);
    world.advance(millis(4_999));
    assert!(world.hear(&peer.announce(world.now)).is_empty());
    world.advance(millis(1));
    let next = peer.announce(world.now);
    world.hear(&next);
    assert_eq!(world.entry(&peer).announcement, next);
    assert!(world.hear(&peer.announce(world.now)).is_empty());
}

#[test]
fn an_author_over_its_budget_is_refused_before_its_signature_is_checked() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    (0..3).for_each(|_| drop(world.meet(&mut peer)));
    let forged = forge::<PeerAnnouncement>(peer.announce(world.now).bytes());
    world.gossip(&gossip_message(0, &forged));
    assert_eq!(world.refused(Refusal::AuthorBudget), 1);
    assert_eq!(world.refused(Refusal::BadSignature), 0);
}

#[test]
fn a_forger_uses_up_nobodys_budget() {
    let mut world = settled(|_| {});
    let mut peer = Peer::new(1);
    for _ in 0..500 {
        let forged = forge::<PeerAnnouncement>(peer.announce(world.now).bytes());
        world.gossip(&gossip_message(0, &forged));
    }
    assert_eq!(world.refused(Refusal::BadSignature), 64);
    assert_eq!(world.refused(Refusal::SignatureBudget), 500 - 64);
    world.advance(millis(20));
    (0..3).for_each(|_| drop(world.meet(&mut peer)));
    assert_eq!(deliver(&mut world, 2..2 + QUOTA + BURST - 1), usize::from(QUOTA + BURST - 1));
}

#[test]
fn a_goodbye_refills_no_budget() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    for _ in 0..3 {
        world.meet(&mut peer);
        world.hear_leave(&peer.leave(world.now));
        assert!(!world.has(&peer));
    }
    world.hear(&peer.announce(world.now));
    assert_eq!(world.refused(Refusal::AuthorBudget), 1);
    world.advance(secs(5));
    world.meet(&mut peer);
}

#[test]
fn a_node_that_leaves_and_returns_within_seconds_is_heard() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    // The start, a second neighbour, the goodbye, and the same again.
    world.meet(&mut peer);
    world.advance(secs(1));
    world.meet(&mut peer);
    world.advance(secs(2));
    world.hear_leave(&peer.leave(world.now));
    world.advance(secs(1));
    world.meet(&mut peer);
    world.advance(secs(1));
    world.meet(&mut peer);
    assert_eq!(world.n_refused(), 0);
}

#[test]
fn an_author_who_says_that_it_announces_every_second_may() {
    let mut world = World::settled();
    let mut peer = Peer { interval_secs: 1, ..Peer::new(1) };
    for _ in 0..300 {
        world.meet(&mut peer);
        world.advance(millis(875));
    }
    assert_eq!(world.n_refused(), 0);
}

#[test]
fn what_a_node_says_of_itself_never_exceeds_what_others_accept() {
    let mut mine = World::settled();
    let mut other = World::settled();
    other.run_until(mine.now.mono);
    for step in 0_u16..4000 {
        let mut effects = match step % 40 {
            0 => mine.handle(Event::NeighbourUp(secret(step + 1).public())),
            n if n % 7 == 0 => {
                let blob_count = u64::from(step);
                mine.handle(Event::OwnChanged(OwnFacts { blob_count, ..facts() }))
            }
            _ => Vec::new(),
        };
        effects.extend(mine.run_for(millis(97)).into_iter().map(|(_, effect)| effect));
        other.run_until(mine.now.mono);
        if !announced(&effects).is_empty() {
            // The other node isn't the one that announces, though both have the same key here.
            let mut as_peer = Peer { interval_secs: mine.node.own.interval_secs, ..Peer::new(1) };
            as_peer.seq = u64::from(step);
            other.hear(&as_peer.announce(other.now));
        }
    }
    assert!(other.node.stats.believed > 60, "{}", other.node.stats.believed);
    assert_eq!(other.n_refused(), 0);
}

#[test]
fn the_answer_to_our_own_dial_is_not_counted() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    for _ in 0..10 {
        let answer = peer.announce(world.now);
        world.probe_answers(&peer, &answer);
        assert_eq!(world.entry(&peer).announcement, answer);
    }
    (0..3).for_each(|_| drop(world.meet(&mut peer)));
}

#[test]
fn an_introducer_fills_its_part_of_the_room_and_then_adds_64_and_one_a_second() {
    let mut world = settled(|_| {});
    assert_eq!(deliver(&mut world, 1..500), usize::from(QUOTA + BURST));
    assert_eq!(world.refused(Refusal::IntroducerBudget), u64::from(499 - QUOTA - BURST));
    world.advance(secs(10));
    assert_eq!(deliver(&mut world, 500..600), 10);
}

#[test]
fn an_introducer_over_its_budget_is_refused_before_a_signature_is_checked() {
    let mut world = settled(|_| {});
    deliver(&mut world, 1..500);
    let forged = forge::<PeerAnnouncement>(Peer::new(600).announce(world.now).bytes());
    let before = world.refused(Refusal::IntroducerBudget);
    world.gossip(&gossip_message(0, &forged));
    assert_eq!(world.refused(Refusal::IntroducerBudget), before + 1);
    assert_eq!(world.refused(Refusal::BadSignature), 0);
}

#[test]
fn a_flood_through_one_neighbour_costs_another_nothing() {
    let mut world = settled(|_| {});
    deliver(&mut world, 1..500);
    let other = secret(1001).public();
    assert_eq!(deliver_from(&mut world, other, 500..600), 100);
}

#[test]
fn news_of_peers_in_the_table_costs_whoever_relays_it_nothing() {
    let mut world = settled(|_| {});
    let mut peer = Peer::new(1000 - 1);
    world.meet(&mut peer);
    deliver(&mut world, 1..500);
    world.advance(Duration::ZERO);
    let news = peer.announce(world.now);
    world.hear(&news);
    assert_eq!(world.entry(&peer).announcement, news);
}

#[test]
fn a_peer_that_answers_our_dial_frees_its_introducers_room() {
    let mut world = settled(|_| {});
    deliver(&mut world, 1..1 + QUOTA);
    for seed in 1..=10 {
        let mut peer = Peer { seq: 200, ..Peer::new(seed) };
        let answer = peer.announce(world.now);
        world.handle(Event::Probed { peer: peer.id(), answer: Ok(unverified(&answer)) });
    }
    assert_eq!(deliver(&mut world, 600..700), usize::from(10 + BURST));
}

#[test]
fn whoever_has_its_part_of_the_room_pays_for_more_as_in_a_full_table() {
    let mut world = settled(|_| {});
    let from = world.neighbour();
    deliver(&mut world, 1..QUOTA + 1);
    world.run_for(secs(2 * u64::from(QUOTA)));
    assert_eq!(world.node.table.n_claimed(&from), usize::from(QUOTA));
    let left = |world: &mut World| {
        let view = world.node.view();
        let it = view.introducers.iter().find(|it| it.share.introducer == from).copied();
        it.map(|it| (it.room, it.squeeze))
    };
    assert_eq!(left(&mut world), Some((u32::from(QUOTA), u32::from(BURST))));
    assert_eq!(deliver(&mut world, QUOTA + 1..QUOTA + 2), 1);
    assert_eq!(left(&mut world), Some((u32::from(QUOTA), u32::from(BURST) - 1)));
}

#[test]
fn an_introducer_that_owes_nothing_any_more_is_forgotten() {
    let mut world = settled(|config| config.verify_gap = None);
    deliver(&mut world, 1..11);
    assert_eq!(world.node.introducers.n_in_debt(), 1);
    world.run_for(secs(120));
    assert_eq!(world.node.introducers.n_in_debt(), 0);
}

#[test]
fn only_so_many_introducers_are_remembered() {
    let mut introducers = Introducers::new(SMALL);
    for seed in 0..1100 {
        introducers.pay(secret(seed).public(), Payment::Squeeze, secs(100));
        introducers.check_invariants(secs(100));
    }
    assert_eq!(introducers.n_in_debt(), MAX_DEBTORS);
}

#[test]
fn a_goodbye_frees_no_room() {
    let mut world = settled(|_| {});
    let mut n_entered = 0;
    for seed in 1..500 {
        let mut peer = Peer::new(seed);
        n_entered += u16::from(!world.hear(&peer.announce(world.now)).is_empty());
        world.hear_leave(&peer.leave(world.now));
    }
    assert_eq!(n_entered, QUOTA + BURST);
    assert_eq!(world.node.table_size(), 0);
}

#[test]
fn whoever_has_just_joined_takes_a_whole_table_from_one_neighbour() {
    let mut world = World::settled_with(|config| config.max_entries = SMALL);
    for announcement in announcements(&world, 1..2001) {
        world.told(&announcement, secs(1));
    }
    assert_eq!(world.node.table_size(), 2000);
    assert_eq!(world.refused(Refusal::IntroducerBudget), 0);
}

#[test]
fn whoever_has_just_joined_takes_no_more_from_one_neighbour_than_a_liar_may_cost() {
    let mut world = World::settled_with(|config| {
        config.max_entries = SMALL;
        config.max_joining = 1000;
    });
    for announcement in announcements(&world, 2001..4001) {
        world.told(&announcement, secs(1));
    }
    assert_eq!(world.node.table_size(), 1000 + usize::from(BURST));
    let more = announcements(&world, 4001..4401);
    let other = secret(1001).public();
    for announcement in more {
        let entry = id_proto::PeerEntry {
            announcement,
            age: secs(1),
            source: id_proto::Source::Gossip,
            verified_age: None,
        };
        world.handle(Event::Told { item: &entry.encode(), by: other });
    }
    assert_eq!(world.node.table_size(), 1400 + usize::from(BURST), "another one brings its own");
}

#[test]
fn whoever_has_three_tables_takes_of_the_fourth_a_neighbours_part_of_the_room_only() {
    let mut world = World::settled_with(|config| config.max_entries = SMALL);
    for _ in 0..3 {
        let mut done = world.handle(Event::Lagged);
        done.extend(world.run_for(secs(2)).into_iter().map(|(_, effect)| effect));
        let asked = done.into_iter().find_map(|effect| match effect {
            Effect::SyncFrom(peer) => Some(peer),
            _ => None,
        });
        let peer = asked.unwrap_or(world.neighbour());
        world.handle(Event::Synced { peer, end: SyncEnd::Complete });
    }
    for announcement in announcements(&world, 1..500) {
        world.told(&announcement, secs(1));
    }
    assert_eq!(world.node.table_size(), usize::from(QUOTA + BURST));
}

#[test]
fn whoever_joined_a_minute_ago_takes_a_neighbours_part_of_the_room_only() {
    let mut world = settled(|_| {});
    for announcement in announcements(&world, 1..500) {
        world.told(&announcement, secs(1));
    }
    assert_eq!(world.node.table_size(), usize::from(QUOTA + BURST));
}

#[test]
fn a_neighbour_enters_whoever_floods_the_table() {
    let mut world = settled(|_| {});
    deliver(&mut world, 1..500);
    let mut peer = Peer::new(600);
    world.hear(&peer.announce(world.now));
    assert!(!world.has(&peer));
    world.handle(Event::NeighbourUp(peer.id()));
    world.meet(&mut peer);
    assert_eq!(world.entry(&peer).introducer, peer.id(), "it stands for itself");
}

/// A table that is full: 3/4 by the neighbour while the node joined, 1/4 by another one.
fn full() -> (World, PublicKey) {
    let mut world = World::settled_with(|config| config.max_entries = SMALL);
    let other = secret(1001).public();
    for announcement in announcements(&world, 2001..3537) {
        world.told(&announcement, secs(1));
    }
    for announcement in announcements(&world, 4001..4513) {
        let entry = id_proto::PeerEntry {
            announcement,
            age: secs(1),
            source: id_proto::Source::Gossip,
            verified_age: None,
        };
        world.handle(Event::Told { item: &entry.encode(), by: other });
    }
    assert!(world.node.table.space() == Space::Full);
    world.run_for(secs(61));
    (world, other)
}

#[test]
fn in_a_full_table_whoever_brought_the_most_loses_first() {
    let (mut world, other) = full();
    let (most, third) = (world.neighbour(), secret(1002).public());
    assert_eq!((share(&mut world, most), share(&mut world, other)), (1536, 512));
    assert_eq!(deliver_from(&mut world, third, 1..200), usize::from(BURST));
    assert_eq!((share(&mut world, most), share(&mut world, other)), (1536 - 64, 512));
    assert_eq!(share(&mut world, third), 64);
}

#[test]
fn in_a_full_table_an_introducer_never_gets_beyond_its_quota() {
    let (mut world, _) = full();
    let third = secret(1002).public();
    for round in 0..20 {
        deliver_from(&mut world, third, 1 + round * 70..1 + (round + 1) * 70);
        world.advance(secs(64));
        assert!(share(&mut world, third) <= usize::from(QUOTA));
    }
    assert_eq!(share(&mut world, third), usize::from(QUOTA));
}

#[test]
fn neighbours_and_configured_peers_are_never_evicted() {
    let configured = Peer::new(1);
    let mut world = World::settled_with(|config| {
        config.max_entries = 3;
        config.configured.insert(configured.id());
    });
    let mut protected = [configured, Peer::new(2)];
    world.handle(Event::NeighbourUp(protected[1].id()));
    protected.iter_mut().for_each(|peer| drop(world.meet(peer)));
    for seed in 3..60 {
        world.advance(secs(1));
        world.meet(&mut Peer::new(seed));
        assert!(protected.iter().all(|peer| world.has(peer)));
    }
    // A neighbour is one only while it is one.
    world.handle(Event::NeighbourDown(protected[1].id()));
    assert!(!world.node.table.is_protected(&protected[1].id()));
    assert!(world.node.table.is_protected(&protected[0].id()));
}

#[test]
fn whom_the_operator_names_is_protected_for_as_long_as_he_does() {
    let [named, neighbour, other] = [1, 2, 3].map(Peer::new);
    let mut world = World::settled_with(|config| {
        config.configured.extend([named.id(), neighbour.id()]);
    });
    world.handle(Event::NeighbourUp(neighbour.id()));
    world.handle(Event::ConfiguredChanged([other.id()].into()));
    let is_protected = |world: &World| {
        [&named, &neighbour, &other].map(|peer| world.node.table.is_protected(&peer.id()))
    };
    assert_eq!(is_protected(&world), [false, true, true]);
    world.handle(Event::NeighbourDown(neighbour.id()));
    assert_eq!(is_protected(&world), [false, false, true]);
    world.handle(Event::NeighbourUp(other.id()));
    world.handle(Event::NeighbourDown(other.id()));
    assert_eq!(is_protected(&world), [false, false, true], "it is named still");
}

#[test]
fn made_up_peers_dont_make_a_node_announce_more_rarely() {
    let mut world = World::settled_with(|config| {
        config.max_received_per_sec = 10.try_into().unwrap();
    });
    for announcement in announcements(&world, 1..4000) {
        world.told(&announcement, secs(1));
    }
    world.run_for(secs(60));
    assert_eq!(world.node.own.interval_secs, 103, "1024 claims at 10/s");
    assert_eq!(world.node.own.author(), secret(0).public());
}

#[test]
fn shares_add_up_to_the_table() {
    let (mut world, _) = full();
    let view = world.node.view();
    let brought: usize = view.introducers.iter().map(|it| it.share.n_entries).sum();
    assert_eq!(brought, view.entries.len());
    let n_unverified: usize = view.introducers.iter().map(|it| it.share.n_unverified).sum();
    assert_eq!(n_unverified, view.n_unverified);
    assert!(view.introducers.is_sorted_by_key(|it| std::cmp::Reverse(it.share.n_entries)));
}

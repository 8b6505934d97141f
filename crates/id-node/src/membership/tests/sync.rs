//! When a node asks a neighbour for its table, and which one.

use id_proto::{PeerEntry, Source, iroh_base::PublicKey};

use super::fixture::{Peer, World, asked_for_table, effects_of, millis, secret, secs};
use crate::membership::{Event, Refusal, SyncEnd};

fn id(seed: u16) -> PublicKey {
    secret(seed).public()
}

/// The ids of some seeds, in the order of the ids.
fn ids(seeds: std::ops::Range<u16>) -> Vec<PublicKey> {
    let mut ids: Vec<_> = seeds.map(id).collect();
    ids.sort();
    ids
}

/// A node with these neighbours, all of them known, whose first sync is over.
fn with_neighbours(seeds: std::ops::Range<u16>) -> World {
    let mut world = World::new();
    world.tick();
    for seed in seeds.clone() {
        world.meet(&mut Peer::new(seed));
        world.handle(Event::NeighbourUp(id(seed)));
    }
    world.handle(Event::Synced { peer: id(seeds.start), end: SyncEnd::Complete });
    assert!(asked_for_table(&effects_of(world.run_for(secs(10)))).is_empty());
    world
}

#[test]
fn the_first_neighbour_is_asked_at_once() {
    let mut world = World::new();
    world.tick();
    assert_eq!(asked_for_table(&world.handle(Event::NeighbourUp(id(1)))), [id(1)]);
}

/// A joiner that has synced from the first of two neighbours, and in whose table are `n` peers, all
/// of whom the first one told, and of whom it had heard before or not.
fn joiner_with_table_of(n: u16, was_heard: bool) -> (World, Vec<PublicKey>) {
    let mut world = World::new();
    world.tick();
    let first = world.neighbour();
    let mut asked = asked_for_table(&world.handle(Event::NeighbourUp(first)));
    world.handle(Event::NeighbourUp(id(1)));
    let peers: Vec<_> = (1..=n).map(|seed| Peer::new(seed).announce(world.now)).collect();
    for announcement in &peers {
        if was_heard {
            world.hear(announcement);
        }
        world.told(announcement, secs(0));
    }
    world.handle(Event::Synced { peer: first, end: SyncEnd::Complete });
    asked.extend(asked_for_table(&effects_of(world.run_for(secs(10)))));
    (world, asked)
}

#[test]
fn a_joiner_asks_another_neighbour_because_the_first_may_be_as_young() {
    let (world, asked) = joiner_with_table_of(5, true);
    assert_eq!(asked, [world.neighbour(), id(1)]);
}

#[test]
fn a_table_that_lacks_nothing_of_ours_ends_the_questions() {
    let (world, asked) = joiner_with_table_of(100, true);
    assert_eq!(asked, [world.neighbour()]);
}

#[test]
fn a_table_from_which_something_was_new_does_not_end_the_questions() {
    let (world, asked) = joiner_with_table_of(100, false);
    assert_eq!(asked, [world.neighbour(), id(1)]);
}

#[test]
fn a_neighbour_from_an_unknown_part_of_the_network_is_asked_itself() {
    let mut world = with_neighbours(1..4);
    assert_eq!(asked_for_table(&world.handle(Event::NeighbourUp(id(9)))), [id(9)]);
    assert_eq!(world.node.stats.syncs, 2);
}

#[test]
fn a_stranger_that_is_heard_before_it_is_a_neighbour_is_asked_all_the_same() {
    let mut world = with_neighbours(1..4);
    let mut stranger = Peer::new(9);
    world.hear_from(stranger.id(), &stranger.announce(world.now));
    assert_eq!(asked_for_table(&world.handle(Event::NeighbourUp(id(9)))), [id(9)]);
}

#[test]
fn a_known_neighbour_is_not_asked_again() {
    let mut world = with_neighbours(1..3);
    world.meet(&mut Peer::new(3));
    assert!(asked_for_table(&world.handle(Event::NeighbourUp(id(3)))).is_empty());
}

#[test]
fn after_isolation_the_first_neighbour_is_asked_even_if_it_is_known() {
    let mut world = with_neighbours(1..2);
    world.handle(Event::NeighbourDown(id(1)));
    assert!(asked_for_table(&effects_of(world.run_for(secs(10)))).is_empty());
    assert_eq!(asked_for_table(&world.handle(Event::NeighbourUp(id(1)))), [id(1)]);
}

#[test]
fn lost_messages_cause_a_sync() {
    let mut world = with_neighbours(1..2);
    assert_eq!(asked_for_table(&world.handle(Event::Lagged)), [id(1)]);
    assert_eq!(world.node.stats.lagged, 1);
}

#[test]
fn there_is_one_sync_at_a_time_and_a_gap_between_two() {
    let mut world = with_neighbours(1..3);
    let first = asked_for_table(&world.handle(Event::Lagged))[0];
    world.advance(millis(300));
    assert!(asked_for_table(&world.handle(Event::Lagged)).is_empty());
    let effects = world.handle(Event::Synced { peer: first, end: SyncEnd::Complete });
    assert!(asked_for_table(&effects).is_empty(), "too soon");
    assert_eq!(world.node.next_deadline(), world.now.mono + millis(700));
    world.advance(millis(699));
    assert!(asked_for_table(&world.tick()).is_empty());
    world.advance(millis(1));
    assert_eq!(asked_for_table(&world.tick()).len(), 1);
    world.advance(secs(60));
    assert!(asked_for_table(&world.handle(Event::Lagged)).is_empty(), "it hasn't ended");
}

#[test]
fn after_a_failure_the_next_neighbour_is_asked() {
    let neighbours = ids(1..4);
    let mut world = with_neighbours(1..4);
    let mut asked = asked_for_table(&world.handle(Event::Lagged));
    for turn in 0..3 {
        let effects = world.handle(Event::Synced { peer: asked[turn], end: SyncEnd::Failed });
        assert!(asked_for_table(&effects).is_empty(), "the gap holds after a failure, too");
        asked.extend(asked_for_table(&effects_of(world.run_for(secs(1 << (turn + 1))))));
    }
    let start = neighbours.iter().position(|peer| *peer == asked[0]).unwrap();
    let expected: Vec<_> = (0..4).map(|turn| neighbours[(start + turn) % 3]).collect();
    assert_eq!(asked, expected);
}

#[test]
fn a_neighbour_that_always_fails_is_asked_ever_more_rarely() {
    let mut world = World::new();
    world.tick();
    let mut asked = asked_for_table(&world.handle(Event::NeighbourUp(id(1)))).len();
    for _ in 0..3600 {
        world.handle(Event::Synced { peer: id(1), end: SyncEnd::Failed });
        asked += asked_for_table(&effects_of(world.run_for(secs(1)))).len();
    }
    assert!((100..130).contains(&asked), "{asked} times in an hour");
    // A new neighbour gets its chance as soon as the shortest gap is over.
    world.handle(Event::NeighbourUp(id(2)));
    assert!(asked_for_table(&effects_of(world.run_for(secs(2)))).len() <= 1);
    assert_eq!(world.node.syncs.due(&world.node.neighbours, &world.node.table), None);
}

#[test]
fn a_report_of_somebody_who_wasnt_asked_is_ignored() {
    let mut world = with_neighbours(1..3);
    let asked = asked_for_table(&world.handle(Event::Lagged))[0];
    let other = if asked == id(1) { id(2) } else { id(1) };
    world.handle(Event::Synced { peer: other, end: SyncEnd::Failed });
    world.handle(Event::Synced { peer: asked, end: SyncEnd::Complete });
    assert!(asked_for_table(&effects_of(world.run_for(secs(60)))).is_empty());
}

#[test]
fn a_neighbour_that_vanishes_without_a_report_doesnt_block_others_for_ever() {
    let mut world = with_neighbours(1..3);
    let asked = asked_for_table(&world.handle(Event::Lagged))[0];
    world.handle(Event::NeighbourDown(asked));
    world.handle(Event::Lagged);
    let other = if asked == id(1) { id(2) } else { id(1) };
    assert_eq!(asked_for_table(&effects_of(world.run_for(secs(121)))), [other]);
    // The late report changes nothing.
    world.handle(Event::Synced { peer: asked, end: SyncEnd::Failed });
    world.handle(Event::Synced { peer: other, end: SyncEnd::Complete });
    assert!(asked_for_table(&effects_of(world.run_for(secs(300)))).is_empty());
}

#[test]
fn a_neighbour_that_goes_while_it_is_asked_is_waited_for_no_longer() {
    let mut world = with_neighbours(1..3);
    let asked = asked_for_table(&world.handle(Event::Lagged))[0];
    let other = if asked == id(1) { id(2) } else { id(1) };
    let mut effects = world.handle(Event::NeighbourDown(asked));
    effects.extend(effects_of(world.run_for(secs(5))));
    assert_eq!(asked_for_table(&effects), [other]);
}

#[test]
fn a_stranger_that_went_before_its_turn_is_not_asked() {
    let mut world = with_neighbours(1..2);
    world.handle(Event::Lagged);
    world.handle(Event::NeighbourUp(id(9)));
    world.handle(Event::NeighbourDown(id(9)));
    world.handle(Event::Synced { peer: id(1), end: SyncEnd::Complete });
    assert!(asked_for_table(&effects_of(world.run_for(secs(60)))).is_empty());
}

#[test]
fn an_isolated_node_waits_for_a_neighbour_without_turning() {
    let mut world = World::new();
    world.handle(Event::Lagged);
    let done = world.run_for(secs(600));
    assert!(asked_for_table(&effects_of(done)).is_empty());
    assert_eq!(asked_for_table(&world.handle(Event::NeighbourUp(id(1)))), [id(1)]);
}

/// A node whose only neighbour, which it has asked, has no table.
fn beside_a_stock_peer() -> World {
    let mut world = World::new();
    world.tick();
    let stock = world.neighbour();
    assert_eq!(asked_for_table(&world.handle(Event::NeighbourUp(stock))), [stock]);
    let effects = world.handle(Event::Synced { peer: stock, end: SyncEnd::NoSource });
    assert!(asked_for_table(&effects).is_empty(), "there is nobody else");
    world
}

#[test]
fn a_neighbour_without_a_table_is_not_asked_again_for_a_good_while() {
    let mut world = beside_a_stock_peer();
    let neighbour = world.neighbour();
    world.handle(Event::Lagged);
    world.handle(Event::NeighbourDown(neighbour));
    world.handle(Event::NeighbourUp(neighbour));
    assert!(asked_for_table(&effects_of(world.run_for(secs(500)))).is_empty());
    assert_eq!(asked_for_table(&effects_of(world.run_for(secs(200)))), [neighbour]);
}

#[test]
fn after_a_neighbour_without_a_table_the_next_one_is_asked_at_once() {
    let mut world = World::new();
    world.tick();
    let stock = world.neighbour();
    world.handle(Event::NeighbourUp(stock));
    world.handle(Event::NeighbourUp(id(1)));
    world.advance(millis(1));
    let effects = world.handle(Event::Synced { peer: stock, end: SyncEnd::NoSource });
    assert_eq!(asked_for_table(&effects), [id(1)]);
    // The failure of the next one is the first, and costs a gap like the first.
    world.handle(Event::Synced { peer: id(1), end: SyncEnd::Failed });
    assert_eq!(asked_for_table(&effects_of(world.run_for(secs(2)))), [id(1)]);
}

#[test]
fn if_no_neighbour_has_a_table_the_author_of_what_is_heard_is_asked() {
    let mut world = beside_a_stock_peer();
    world.advance(millis(1));
    let announcement = Peer::new(1).announce(world.now);
    assert_eq!(asked_for_table(&world.hear(&announcement)), [id(1)]);
    // One that can't be reached isn't the only one that is tried.
    let announcement = Peer::new(2).announce(world.now);
    world.hear(&announcement);
    world.handle(Event::Synced { peer: id(1), end: SyncEnd::Failed });
    assert_eq!(asked_for_table(&effects_of(world.run_for(secs(2)))), [id(2)]);
    world.handle(Event::Synced { peer: id(2), end: SyncEnd::Complete });
    assert!(asked_for_table(&effects_of(world.run_for(secs(100)))).is_empty());
}

#[test]
fn a_neighbour_that_announces_itself_has_a_table_after_all() {
    let mut world = World::new();
    world.tick();
    let mut peer = Peer::new(1);
    world.handle(Event::NeighbourUp(peer.id()));
    world.handle(Event::Synced { peer: peer.id(), end: SyncEnd::NoSource });
    world.advance(millis(1));
    let announcement = peer.announce(world.now);
    assert_eq!(asked_for_table(&world.hear(&announcement)), [peer.id()]);
}

#[test]
fn strangers_without_tables_are_remembered_within_bounds() {
    let mut world = with_neighbours(1..2);
    for seed in 100..200 {
        world.handle(Event::NeighbourUp(id(seed)));
        world.run_for(secs(1));
        world.handle(Event::Synced { peer: id(seed), end: SyncEnd::NoSource });
        world.handle(Event::NeighbourDown(id(seed)));
    }
    assert!(world.node.syncs.n_no_sources() <= 32);
}

/// Whoever makes up identities has as many to tell as it is asked for.
#[test]
fn an_answer_that_its_teller_has_no_budget_for_is_not_read_to_its_end() {
    let mut world = World::settled_with(|config| config.max_entries = 2048);
    world.run_for(secs(61));
    let teller = id(10_000);
    assert_eq!(asked_for_table(&world.handle(Event::NeighbourUp(teller))), [teller]);
    let tell = |world: &mut World, seed: u16| {
        let announcement = Peer::new(seed).announce(world.now);
        let item =
            PeerEntry { announcement, age: secs(0), source: Source::Gossip, verified_age: None };
        world.handle(Event::Told { item: &item.encode(), by: teller });
    };
    let mut seeds = 1..;
    while world.refused(Refusal::IntroducerBudget) < 1023 {
        tell(&mut world, seeds.next().unwrap());
    }
    assert!(world.node.wants_more_of(&teller));
    assert!(!world.node.wants_more_of(&id(10_001)), "nobody asked it");
    tell(&mut world, seeds.next().unwrap());
    assert!(!world.node.wants_more_of(&teller));
    world.handle(Event::Synced { peer: teller, end: SyncEnd::Complete });
    assert!(!world.node.wants_more_of(&teller));
}

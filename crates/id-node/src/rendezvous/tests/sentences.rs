//! What a search decides, one sentence each.

use super::fixture::{MINUTE, World, id, ids, leaves, led_to, millis, reports, secs, value};
use crate::{
    config::Role,
    rendezvous::{
        DhtCounts,
        search::{
            Effect, Event, LEAVE_TIMEOUT, LOOK_TIMEOUT, MAX_AUTHORS, MAX_MERGES, MAX_NAMED,
            MAX_RECORDS, MAX_VALUES, Tone,
        },
    },
};

/// A node with neighbours 1 and 2, whose table holds 1 to 9, and whose next look has begun.
fn looking_from_within() -> World {
    let mut world = World::with(Role::Member, &[1, 2], &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    world.next_look();
    world.knows(&[1, 2], &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    world
}

#[test]
fn a_lonely_node_leaves_a_record_before_it_knows_how_many_there_are() {
    let mut world = World::new();
    let effects = world.tick();
    let expected =
        [Effect::Look { minute: MINUTE }, Effect::Leave { minute: MINUTE, neighbours: vec![] }];
    assert_eq!(effects, expected);
}

/// A node with neighbours 1 and 2, in the look at whose end it leaves its second record.
fn about_to_leave() -> World {
    let mut world = World::with(Role::Member, &[1, 2], &[1, 2]);
    loop {
        world.next_look();
        if world.search.is_about_to_leave() {
            assert!(world.minute() > MINUTE, "it has left one in the first minute");
            return world;
        }
        assert!(!leaves(&world.ends_with([])));
    }
}

#[test]
fn a_node_with_neighbours_leaves_a_record_that_names_them_if_there_is_room() {
    let mut world = about_to_leave();
    let mut neighbours = ids([1, 2]);
    neighbours.sort();
    let left = Effect::Leave { minute: world.minute(), neighbours };
    assert!(world.ends_with(3..2 + MAX_RECORDS as u16).contains(&left));
}

#[test]
fn a_node_with_neighbours_leaves_none_if_the_slot_is_full() {
    let mut world = about_to_leave();
    let full = world.minute();
    assert!(!leaves(&world.ends_with(3..3 + MAX_RECORDS as u16)));
    while !world.search.is_about_to_leave() {
        world.ends_with([]);
        world.next_look();
    }
    assert!(world.minute() > full, "the next chance is in the next minute");
    assert!(leaves(&world.ends_with([])));
}

#[test]
fn records_of_the_minute_before_dont_fill_the_slot() {
    let mut world = about_to_leave();
    let minute = world.minute() - 1;
    for seed in 3..13 {
        world.handle(Event::Value { minute, value: value(seed, minute, &[]) });
    }
    assert!(leaves(&world.handle(Event::LookEnded)));
}

#[test]
fn an_observer_leaves_nothing_and_joins_all_the_same() {
    let mut world = World::with(Role::Observer, &[], &[]);
    assert_eq!(world.tick(), [Effect::Look { minute: MINUTE }]);
    assert_eq!(world.finds(1, &[]), ids([1]));
    assert!(!leaves(&world.handle(Event::LookEnded)));
    for _ in 0..20 {
        assert!(!leaves(&world.next_look()));
        assert!(!leaves(&world.ends_with([])));
    }
}

#[test]
fn a_lonely_node_joins_the_author_of_a_record_and_its_neighbours_at_once() {
    let mut world = World::new();
    world.tick();
    assert_eq!(world.finds(1, &[2, 3]), ids([1, 2, 3]));
}

#[test]
fn our_own_record_is_ignored_and_nobody_is_led_to_itself() {
    let mut world = World::new();
    world.tick();
    assert!(world.finds(0, &[2, 3]).is_empty());
    assert_eq!(world.finds(1, &[0]), ids([1]));
    let effects = world.handle(Event::LookEnded);
    assert_eq!(reports(&effects), [("found 1 records", Tone::Ordinary)]);
}

#[test]
fn an_author_counts_once_in_a_look_and_is_tried_once() {
    let mut world = World::new();
    world.tick();
    assert_eq!(world.finds(1, &[]), ids([1]));
    assert_eq!(world.finds(1, &[2]), ids([2]));
    let earlier = Event::Value { minute: MINUTE - 1, value: value(1, MINUTE - 1, &[]) };
    assert!(led_to(&world.handle(earlier)).is_empty());
    let effects = world.handle(Event::LookEnded);
    assert_eq!(reports(&effects), [("found 1 records", Tone::Ordinary)]);
}

#[test]
fn a_record_holds_in_its_own_slot_only() {
    let mut world = World::new();
    world.tick();
    for (slot, made_for) in [(MINUTE, MINUTE - 1), (MINUTE - 1, MINUTE), (MINUTE + 1, MINUTE + 1)] {
        let event = Event::Value { minute: slot, value: value(1, made_for, &[]) };
        assert!(led_to(&world.handle(event)).is_empty(), "{slot} {made_for}");
    }
}

#[test]
fn a_node_with_neighbours_joins_a_part_of_the_network_that_it_doesnt_hear_by_a_few_links() {
    let mut world = looking_from_within();
    assert_eq!(world.finds(20, &[21, 22, 23]), ids([20, 21]));
    assert_eq!(MAX_MERGES, 2);
    assert!(world.finds(30, &[31]).is_empty(), "one look makes no more than that");
    world.handle(Event::LookEnded);
    world.next_look();
    world.knows(&[1, 2], &[1, 2]);
    assert_eq!(world.finds(30, &[31]), ids([30, 31]));
}

#[test]
fn a_node_with_neighbours_joins_nobody_of_its_own_part() {
    let mut world = looking_from_within();
    assert!(world.finds(5, &[1]).is_empty(), "it is in the table");
    assert!(world.finds(5, &[40]).is_empty(), "whoever its neighbours are");
    assert!(world.finds(30, &[40, 7]).is_empty(), "one of its neighbours is in the table");
    assert!(world.finds(31, &[2]).is_empty(), "it shares a neighbour with us");
    assert!(world.finds(32, &[0]).is_empty(), "it is our neighbour itself");
}

#[test]
fn who_is_in_the_table_but_silent_is_in_another_part() {
    let mut world = World::with(Role::Member, &[1], &[1, 5]);
    world.next_look();
    world.handle(Event::LookEnded);
    // The table holds 5 as it was heard at the start; the neighbour counts however silent it is.
    while world.mono < secs(46) {
        world.next_look();
        world.handle(Event::LookEnded);
    }
    world.next_look();
    assert_eq!(world.finds(5, &[]), ids([5]));
    assert!(world.finds(6, &[1]).is_empty());
}

#[test]
fn garbage_and_strangers_records_hide_no_good_one() {
    let mut world = World::new();
    world.tick();
    for n in 0..MAX_VALUES as u16 - 1 {
        assert!(world.finds_value(n.to_le_bytes().repeat(200)).is_empty());
    }
    assert_eq!(world.finds(1, &[]), ids([1]));
}

#[test]
fn what_is_read_of_one_look_is_bounded() {
    let mut world = World::new();
    world.tick();
    for n in 0..MAX_VALUES as u16 {
        world.finds_value(n.to_le_bytes().repeat(200));
    }
    assert!(world.finds(1, &[]).is_empty(), "it is one too many");
    world.handle(Event::LookEnded);
    world.next_look();
    assert_eq!(world.finds(1, &[]), ids([1]), "the next look begins anew");
}

#[test]
fn the_same_value_from_many_servers_counts_once() {
    let mut world = World::new();
    world.tick();
    for _ in 0..2 * MAX_VALUES {
        world.finds_value(vec![7; 500]);
    }
    assert_eq!(world.finds(1, &[]), ids([1]));
}

#[test]
fn a_slot_full_of_made_up_authors_costs_a_bounded_number_of_attempts() {
    let mut world = World::new();
    world.tick();
    let mut tried = 0;
    for n in 0..MAX_AUTHORS as u16 + 10 {
        let author = 100 + n * 6;
        let neighbours: Vec<_> = (author + 1..author + 6).collect();
        tried += world.finds(author, &neighbours).len();
    }
    assert_eq!(tried, MAX_AUTHORS + MAX_NAMED);
}

#[test]
fn many_records_of_one_author_hide_no_other() {
    let mut world = World::new();
    world.tick();
    for _ in 0..2 * MAX_AUTHORS {
        world.finds(1, &[]);
    }
    assert_eq!(world.finds(2, &[]), ids([2]));
}

#[test]
fn a_stranger_that_is_never_reached_is_not_tried_at_every_look() {
    let mut world = World::new();
    world.tick();
    let (mut n_looks, mut n_tried) = (1, world.finds(1, &[]).len());
    while world.mono < secs(600) {
        world.handle(Event::LookEnded);
        world.next_look();
        n_looks += 1;
        n_tried += world.finds(1, &[]).len();
    }
    assert!(n_tried < 20 && n_tried > 8, "{n_tried} of {n_looks}");
}

#[test]
fn a_stranger_is_tried_again_soon_because_its_addresses_come_after_its_record() {
    let mut world = World::new();
    world.tick();
    let mut n_tried = world.finds(1, &[]).len();
    while world.mono < secs(5) {
        world.handle(Event::LookEnded);
        world.next_look();
        n_tried += world.finds(1, &[]).len();
    }
    assert!(n_tried >= 3, "{n_tried}");
}

#[test]
fn who_was_a_neighbour_is_tried_at_once_when_it_is_lost() {
    let mut world = World::new();
    world.tick();
    for _ in 0..6 {
        world.finds(1, &[]);
        world.handle(Event::LookEnded);
        world.next_look();
    }
    world.handle(Event::LookEnded);
    world.knows(&[1], &[]);
    world.mono += secs(1);
    let effects = world.knows(&[], &[]);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Look { .. })), "{effects:?}");
    assert_eq!(world.finds(1, &[]), ids([1]));
}

#[test]
fn a_board_that_hangs_is_reported_once_and_asked_again() {
    let mut world = World::new();
    world.tick();
    let mut told = Vec::new();
    let mut n_looks = 1;
    while world.mono < secs(600) {
        let effects = world.next();
        n_looks += effects.iter().filter(|it| matches!(it, Effect::Look { .. })).count();
        told.extend(reports(&effects).into_iter().map(|(state, tone)| (state.to_owned(), tone)));
    }
    let silent = "the DHT doesn't answer, couldn't leave our own: no answer in time";
    assert_eq!(told.last().unwrap().0, silent);
    let loud = told.iter().filter(|(_, tone)| *tone == Tone::Trouble).count();
    assert_eq!(loud, 1, "{told:?}");
    assert!((20..60).contains(&n_looks), "{n_looks} looks in ten minutes");
}

#[test]
fn a_look_and_a_leaving_that_hang_end_at_their_time_outs() {
    let mut world = World::new();
    world.tick();
    world.mono = LOOK_TIMEOUT - millis(1);
    assert!(world.tick().is_empty());
    world.mono = LOOK_TIMEOUT.max(LEAVE_TIMEOUT);
    assert!(world.tick().contains(&Effect::StopLooking));
    // What comes too late is nothing.
    assert!(world.handle(Event::Left(Ok(()))).is_empty());
    assert!(world.handle(Event::LookEnded).is_empty());
    assert!(world.finds(1, &[]).is_empty());
}

#[test]
fn a_board_that_refuses_is_reported_and_tried_again_with_back_off() {
    let mut world = World::new();
    let (mut n_left, mut effects) = (0, world.tick());
    let mut first_report = None;
    while world.mono < secs(300) {
        if leaves(&effects) {
            n_left += 1;
            world.handle(Event::LookEnded);
            let effects = world.handle(Event::Left(Err("no DHT".to_owned())));
            if let [(state, tone)] = reports(&effects)[..] {
                first_report.get_or_insert((state.to_owned(), tone));
            }
        } else {
            world.handle(Event::LookEnded);
        }
        effects = world.next_look();
    }
    let state = "the DHT doesn't answer, couldn't leave our own: no DHT";
    assert_eq!(first_report, Some((state.to_owned(), Tone::Trouble)));
    assert!((10..60).contains(&n_left), "{n_left} times in five minutes");
}

#[test]
fn after_an_answer_the_next_silence_is_told_again() {
    let mut world = World::new();
    world.tick();
    world.handle(Event::Left(Err("no DHT".to_owned())));
    let told = world.handle(Event::LookEnded);
    assert!(reports(&told).is_empty(), "it was told when the leaving failed");
    world.next_look();
    world.finds(1, &[]);
    let found = world.handle(Event::LookEnded);
    let state = "found 1 records, couldn't leave our own: no DHT";
    assert_eq!(reports(&found), [(state, Tone::Ordinary)]);
    world.next_look();
    let [.., (_, tone)] = reports(&world.handle(Event::LookEnded))[..] else {
        panic!("the silence wasn't told");
    };
    assert_eq!(tone, Tone::Trouble);
}

#[test]
fn an_empty_slot_is_no_trouble() {
    let mut world = World::new();
    world.tick();
    let left = world.handle(Event::Left(Ok(())));
    assert_eq!(reports(&left), [("looking, left our own", Tone::Ordinary)]);
    let ended = world.handle(Event::LookEnded);
    assert_eq!(reports(&ended), [("found no record, left our own", Tone::Ordinary)]);
}

#[test]
fn nobody_is_joined_twice_by_a_record_that_names_it_and_its_own() {
    let mut world = World::new();
    world.tick();
    assert_eq!(world.finds(1, &[2, 2, 1]), ids([1, 2]));
    assert_eq!(world.finds(2, &[1]), []);
    assert_ne!(id(1), id(2));
}

#[test]
fn each_end_of_a_look_and_of_leaving_is_counted_once() {
    let counts = DhtCounts::default();
    let World { search, mono } = World::new();
    let mut world = World { search: search.counting(counts.clone()), mono };
    let counted = || -> Vec<_> {
        counts.counters().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{name} {n}")).collect()
    };
    world.tick();
    assert_eq!(counted(), [""; 0]);
    world.ends_with([1, 2]);
    world.handle(Event::Left(Ok(())));
    assert_eq!(counted(), ["dht_look_found 1", "dht_leave_done 1"]);
    world.next_look();
    world.ends_with([]);
    // It was over before.
    world.handle(Event::LookEnded);
    world.handle(Event::Left(Ok(())));
    assert_eq!(counted(), ["dht_look_found 1", "dht_look_empty 1", "dht_leave_done 1"]);
    world.next_look();
    world.mono += LOOK_TIMEOUT;
    world.tick();
    let look = ["dht_look_found 1", "dht_look_empty 1", "dht_look_timed_out 1"];
    assert_eq!(counted()[..3], look);
    while !leaves(&world.next()) {}
    world.handle(Event::Left(Err("full".to_owned())));
    assert!(counted().contains(&"dht_leave_failed 1".to_owned()), "{:?}", counted());
}

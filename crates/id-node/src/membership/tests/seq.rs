//! Sequence numbers: they only grow, whatever the clock and the process do.

use std::time::Duration;

use id_proto::GossipMessage;
use proptest::prelude::*;

use super::fixture::{World, announced, config, facts, secret, secs};
use crate::membership::{
    Effect, Event, Membership, Now,
    seq::{Seq, floor_without_record},
};

fn at(unix_millis: u64) -> Now {
    Now { mono: Duration::ZERO, unix: Duration::from_millis(unix_millis) }
}

#[test]
fn numbers_are_unix_milliseconds() {
    let mut seq = Seq::new(0);
    assert_eq!(seq.next(at(1_700_000_000_123), &mut Vec::new()), 1_700_000_000_123);
}

#[test]
fn a_minute_of_announcements_costs_one_reservation() {
    let mut seq = Seq::new(0);
    let mut effects = Vec::new();
    for second in 0..=60 {
        seq.next(at(second * 1000), &mut effects);
    }
    assert!(matches!(effects[..], [Effect::ReserveSeq(60_000)]), "{effects:?}");
    seq.next(at(60_001), &mut effects);
    assert_eq!(effects.len(), 2);
}

#[test]
fn a_restart_with_the_clock_stepped_back_continues_above_the_floor() {
    let now = World::new().now;
    let (before, effects) = Membership::new(secret(0), config(), facts(), 0, now);
    let [Effect::ReserveSeq(floor)] = effects[..] else { panic!("{effects:?}") };
    let stepped_back = Now { unix: now.unix - secs(86_400), ..now };
    let (after, effects) = Membership::new(secret(0), config(), facts(), floor, stepped_back);
    assert!(after.own.seq > floor && floor >= before.own.seq);
    assert!(matches!(effects[..], [Effect::ReserveSeq(next)] if next >= after.own.seq));
}

/// Started anew every other second, each run above what the one before it reserved, as if that had been killed.
#[test]
fn a_restart_without_its_record_or_with_an_old_one_continues_above_all_that_was_used() {
    let (mut record, mut last) = (0, 0);
    for run in 0..100 {
        let now = at(1_700_000_000_000 + 2000 * run);
        let without = floor_without_record(now.unix);
        assert!(Seq::new(without).next(now, &mut Vec::new()) > last, "start {run}");
        let mut effects = Vec::new();
        last = Seq::new(without.max(record)).next(now, &mut effects);
        let [Effect::ReserveSeq(up_to)] = effects[..] else { panic!("{effects:?}") };
        record = up_to;
    }
}

#[test]
fn a_number_is_reserved_before_it_is_used() {
    let mut world = World::new();
    let first = std::mem::take(&mut world.first);
    let mut reserved = 0;
    let mut done = first;
    for _ in 0..500 {
        done.extend(world.run_for(secs(61)).into_iter().map(|(_, effect)| effect));
    }
    done.extend(world.handle(Event::Leaving));
    for effect in done {
        match &effect {
            Effect::ReserveSeq(up_to) => {
                assert!(*up_to > reserved);
                reserved = *up_to;
            }
            Effect::Broadcast(bytes) => {
                let seq = match GossipMessage::decode(bytes).unwrap() {
                    GossipMessage::Announce(announcement) => announcement.claimed().seq,
                    GossipMessage::Leave(leave) => leave.claimed().seq,
                    other => panic!("{other:?}"),
                };
                assert!(seq <= reserved, "{seq} was used before it was reserved");
            }
            _ => {}
        }
    }
    assert!(announced(&world.handle(Event::Tick)).is_empty());
}

proptest! {
    #[test]
    fn numbers_strictly_grow_over_clock_steps_and_restarts(
        steps in prop::collection::vec((any::<bool>(), -100_000_i64..100_000), 1..200),
    ) {
        let mut unix = 1_700_000_000_000_u64;
        let mut durable = 0;
        let mut last = 0;
        let mut seq = Seq::new(durable);
        for (restart, step) in steps {
            unix = unix.saturating_add_signed(step);
            if restart {
                seq = Seq::new(durable);
            }
            let mut effects = Vec::new();
            let next = seq.next(at(unix), &mut effects);
            for effect in effects {
                let Effect::ReserveSeq(up_to) = effect else { unreachable!() };
                durable = up_to;
            }
            prop_assert!(next > last);
            prop_assert!(next <= durable);
            last = next;
        }
    }
}

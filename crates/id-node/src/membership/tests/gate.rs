//! What is believed, and what is refused for which reason.

use id_proto::{
    GossipMessage, Network, PeerAnnouncement, SignedAnnouncement, Source, UnverifiedAnnouncement,
    limits,
};

use super::fixture::{Peer, World, forge, gossip_message, millis, secret, secs};
use crate::membership::{Effect, Event, News, Refusal};

/// The variant of an announcement in a gossip message.
const ANNOUNCE: u8 = 0;

/// Hears `message`; it must enter no table and be counted under `reason` alone.
#[track_caller]
fn assert_refused(world: &mut World, message: &[u8], reason: Refusal) {
    let (size, refused, total) =
        (world.node.table_size(), world.refused(reason), world.n_refused());
    let effects = world.gossip(message);
    assert!(effects.is_empty(), "{effects:?}");
    assert_eq!(world.node.table_size(), size);
    assert_eq!(world.refused(reason), refused + 1, "not refused as {reason:?}");
    assert_eq!(world.n_refused(), total + 1);
}

#[track_caller]
fn assert_hears_not(world: &mut World, announcement: &SignedAnnouncement, reason: Refusal) {
    assert_refused(world, &GossipMessage::announce(announcement), reason);
}

/// An announcement of a new peer with one thing changed before it is signed.
fn signed_with(
    world: &World,
    seed: u16,
    change: impl FnOnce(&mut PeerAnnouncement),
) -> SignedAnnouncement {
    let mut peer = Peer::new(seed);
    let mut draft = peer.draft(world.now);
    change(&mut draft);
    peer.sign(draft)
}

#[test]
fn a_signed_announcement_enters_the_table() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    let announcement = peer.announce(world.now);
    let effects = world.hear(&announcement);
    let [Effect::Learned { entry, is_new: true }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(entry.announcement, announcement);
    assert_eq!((entry.source, entry.verified), (Source::Gossip, None));
    assert_eq!(world.n_refused(), 0);
}

#[test]
fn a_newer_announcement_replaces_the_older_one() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    world.advance(secs(5));
    let newer = peer.announce(world.now);
    let effects = world.hear(&newer);
    assert!(matches!(&effects[..], [Effect::Learned { is_new: false, .. }]), "{effects:?}");
    assert_eq!(world.entry(&peer).announcement, newer);
    assert_eq!(world.entry(&peer).heard.age(world.now.mono), secs(0));
}

#[test]
fn a_forged_announcement_is_refused() {
    let mut world = World::settled();
    let announcement = Peer::new(1).announce(world.now);
    let forged = forge::<PeerAnnouncement>(announcement.bytes());
    assert_refused(&mut world, &gossip_message(ANNOUNCE, &forged), Refusal::BadSignature);
}

#[test]
fn no_bit_of_a_message_can_be_flipped() {
    let mut world = World::settled();
    let message = GossipMessage::announce(&Peer::new(1).announce(world.now));
    for bit in 0..message.len() * 8 {
        let mut altered = message.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        // Each by another, or else most signatures would not even be checked.
        let from = secret(2000 + bit as u16).public();
        world.handle(Event::Gossip { message: &altered, from });
        assert_eq!(world.node.table_size(), 0, "bit {bit}");
        assert_eq!(world.n_refused(), bit as u64 + 1, "bit {bit}");
    }
    assert_eq!(world.refused(Refusal::SignatureBudget), 0);
    world.gossip(&message);
    assert_eq!(world.node.table_size(), 1, "nothing sticks to the author");
}

#[test]
fn the_same_twice_and_an_older_one_are_refused_as_not_newer() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    let older = peer.announce(world.now);
    let newer = peer.announce(world.now);
    world.hear(&newer);
    assert_hears_not(&mut world, &newer, Refusal::NotNewer);
    assert_hears_not(&mut world, &older, Refusal::NotNewer);
    assert_eq!(world.entry(&peer).announcement, newer);
}

#[test]
fn a_replay_makes_nobody_younger() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    let announcement = world.meet(&mut peer);
    world.advance(secs(20));
    assert_hears_not(&mut world, &announcement, Refusal::NotNewer);
    world.told(&announcement, secs(0));
    assert_eq!(world.entry(&peer).heard.age(world.now.mono), secs(20));
}

#[test]
fn what_is_longer_than_a_gossip_message_is_refused_undecoded() {
    let mut world = World::settled();
    assert_refused(&mut world, &[0; limits::MAX_GOSSIP_LEN + 1], Refusal::TooLong);
    assert_refused(&mut world, &[0; limits::MAX_GOSSIP_LEN], Refusal::Malformed);
}

#[test]
fn what_is_longer_than_a_statement_is_refused() {
    let mut world = World::settled();
    let message = gossip_message(ANNOUNCE, &[0; limits::MAX_SIGNED_LEN + 1]);
    assert_refused(&mut world, &message, Refusal::TooLong);
}

#[test]
fn nonsense_is_malformed() {
    let mut world = World::settled();
    for nonsense in [&[][..], &[ANNOUNCE], &[ANNOUNCE, 3, 1, 2, 3], &[0xff; 20]] {
        assert_refused(&mut world, nonsense, Refusal::Malformed);
    }
}

#[test]
fn a_message_of_a_later_release_is_counted_as_such() {
    let mut world = World::settled();
    let signed = Peer::new(1).announce(world.now).bytes().to_vec();
    assert_refused(&mut world, &gossip_message(2, &signed), Refusal::UnknownVersion);
    let mut later_body = signed;
    later_body[64] = 1;
    let message = gossip_message(ANNOUNCE, &later_body);
    assert_refused(&mut world, &message, Refusal::UnknownVersion);
}

#[test]
fn five_minutes_ahead_is_accepted_and_one_second_more_is_refused() {
    let mut world = World::settled();
    let now = world.now.unix.as_secs();
    let just = signed_with(&world, 1, |draft| draft.timestamp_secs = now + 300);
    let over = signed_with(&world, 2, |draft| draft.timestamp_secs = now + 301);
    world.hear(&just);
    assert_eq!(world.node.table_size(), 1);
    assert_hears_not(&mut world, &over, Refusal::FutureDated);
}

#[test]
fn a_timestamp_at_the_end_of_time_is_only_future_dated() {
    let mut world = World::settled();
    let end = signed_with(&world, 1, |draft| draft.timestamp_secs = u64::MAX);
    assert_hears_not(&mut world, &end, Refusal::FutureDated);
}

#[test]
fn an_announcement_expires_one_second_after_its_lifetime_and_the_skew() {
    let mut world = World::settled();
    let now = world.now.unix.as_secs();
    let just = signed_with(&world, 1, |draft| draft.timestamp_secs = now - 120 - 300);
    let over = signed_with(&world, 2, |draft| draft.timestamp_secs = now - 120 - 301);
    world.hear(&just);
    assert_eq!(world.node.table_size(), 1);
    assert_hears_not(&mut world, &over, Refusal::Expired);
}

#[test]
fn whoever_announces_rarely_is_believed_for_longer() {
    let mut world = World::settled();
    let now = world.now.unix.as_secs();
    let rarely = signed_with(&world, 1, |draft| {
        draft.interval_secs = 600;
        draft.timestamp_secs = now - 4 * 600 - 300;
    });
    world.hear(&rarely);
    assert_eq!(world.node.table_size(), 1);
}

#[test]
fn an_announcement_for_another_network_is_refused() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    peer.network = Network::derive("another", "secret").unwrap();
    let announcement = peer.announce(world.now);
    assert_hears_not(&mut world, &announcement, Refusal::OtherNetwork);
}

#[test]
fn nobody_tells_a_node_about_itself() {
    let mut world = World::settled();
    let me = Peer { key: secret(0), ..Peer::new(1) };
    let announcement = me.clone().announce(world.now);
    assert_hears_not(&mut world, &announcement, Refusal::OwnId);
    let leave = GossipMessage::leave(&me.clone().leave(world.now));
    assert_refused(&mut world, &leave, Refusal::OwnId);
}

#[test]
fn the_cheapest_check_comes_first() {
    let mut world = World::settled();
    let mut known = Peer::new(1);
    world.meet(&mut known);
    let mut gone = Peer::new(2);
    let before = gone.announce(world.now);
    world.hear_leave(&gone.leave(world.now));

    let future = world.now.unix.as_secs() + 3600;
    let other = Network::derive("another", "secret").unwrap().tag();
    let draft = known.draft(world.now);
    let wrong_in_everything =
        PeerAnnouncement { timestamp_secs: future, network_tag: other, seq: 0, ..draft.clone() };
    let future_and_old = PeerAnnouncement { timestamp_secs: future, seq: 0, ..draft.clone() };
    let old = PeerAnnouncement { seq: 0, ..draft.clone() };

    let cases = [
        (known.sign(wrong_in_everything), Refusal::OtherNetwork),
        (known.sign(future_and_old), Refusal::FutureDated),
        (known.sign(old), Refusal::NotNewer),
        (before, Refusal::Departed),
        (known.sign(draft), Refusal::BadSignature),
    ];
    for (announcement, reason) in cases {
        let forged = forge::<PeerAnnouncement>(announcement.bytes());
        assert_refused(&mut world, &gossip_message(ANNOUNCE, &forged), reason);
    }
}

#[test]
fn what_is_told_passes_the_same_gate() {
    let mut world = World::settled();
    let now = world.now.unix.as_secs();
    let tag = Network::derive("another", "secret").unwrap().tag();
    let cases = [
        (signed_with(&world, 1, |draft| draft.timestamp_secs = now + 301), Refusal::FutureDated),
        (signed_with(&world, 2, |draft| draft.timestamp_secs = now - 421), Refusal::Expired),
        (signed_with(&world, 3, |draft| draft.network_tag = tag), Refusal::OtherNetwork),
    ];
    for (announcement, reason) in cases {
        assert!(world.told(&announcement, secs(0)).is_empty());
        assert_eq!(world.refused(reason), 1);
    }
    assert_eq!(world.node.table_size(), 0);
    world.handle(Event::Told { item: &[1, 2, 3], by: secret(5).public() });
    assert_eq!(world.refused(Refusal::UnknownVersion), 1);
}

#[test]
fn what_is_told_is_known_to_be_told() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    let announcement = peer.announce(world.now);
    world.told(&announcement, millis(10_500));
    let (now, by) = (world.now.mono, world.neighbour());
    let entry = world.entry(&peer);
    assert_eq!(entry.source, Source::Told(by));
    assert_eq!(entry.heard.age(now), millis(10_500));
    let wire = entry.to_wire(now + secs(1));
    assert_eq!((wire.age, wire.verified_age), (millis(11_500), None));
}

#[test]
fn a_told_announcement_doesnt_make_a_peer_older_than_it_was_heard() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    world.advance(secs(10));
    let newer = peer.announce(world.now);
    world.told(&newer, secs(50));
    assert_eq!(world.entry(&peer).announcement, newer);
    assert_eq!(world.entry(&peer).heard.age(world.now.mono), secs(10));
    assert_eq!(world.entry(&peer).source, Source::Gossip);
}

#[test]
fn the_list_of_refusals_is_complete_and_in_order() {
    for (index, reason) in Refusal::ALL.iter().enumerate() {
        assert_eq!(*reason as usize, index);
    }
    assert_eq!(Refusal::ALL.last(), Some(&Refusal::SignatureBudget), "the last variant");
    let names: std::collections::BTreeSet<_> = Refusal::ALL.iter().map(|r| r.as_str()).collect();
    assert_eq!(names.len(), Refusal::ALL.len());
}

#[test]
fn a_refusal_changes_nothing_that_readers_would_have_to_see() {
    let mut world = World::settled();
    world.node.view();
    let announcement = Peer::new(1).announce(world.now);
    let forged = forge::<PeerAnnouncement>(announcement.bytes());
    world.gossip(&gossip_message(ANNOUNCE, &forged));
    assert_eq!(world.node.news(), News::Counters);
    assert!(UnverifiedAnnouncement::decode(&forged).unwrap().verify().is_err());
}

//! What an operator hands over is believed no more than what a stranger says.

use std::sync::Arc;

use id_proto::{
    Network, PeerAnnouncement, SignedAnnouncement, Source,
    iroh_base::{PublicKey, TransportAddr},
    limits::{MAX_CLOCK_SKEW, MAX_SIGNED_LEN},
};

use super::fixture::{Peer, World, effects_of, forge, forgotten, probed, secret, secs};
use crate::{
    access::AccessList,
    membership::{
        Effect, Event, MembershipConfig, Refusal, RemovalReason, Verdict,
        Verdict::{New, Newer, Refused},
    },
};

fn operator() -> PublicKey {
    secret(2000).public()
}

fn operators() -> AccessList {
    AccessList { operators: [operator()].into(), ..AccessList::default() }
}

fn settled() -> World {
    settled_with(|_| {})
}

fn settled_with(configure: impl FnOnce(&mut MembershipConfig)) -> World {
    World::settled_with(|config| {
        config.access = operators();
        configure(config);
    })
}

impl World {
    fn handed_by(&mut self, by: PublicKey, signed: &[u8]) -> (Verdict, Vec<Effect>) {
        let effects = self.handle(Event::Handed { signed, by });
        let judged = effects.iter().filter_map(|effect| match effect {
            Effect::Judged(verdict) => Some(*verdict),
            _ => None,
        });
        let judged: Vec<_> = judged.collect();
        let [verdict] = judged[..] else { panic!("judged once: {judged:?}") };
        (verdict, effects)
    }

    fn handed(&mut self, announcement: &SignedAnnouncement) -> Verdict {
        self.handed_by(operator(), announcement.bytes()).0
    }

    fn hand_new(&mut self, seeds: std::ops::Range<u16>) -> Vec<Verdict> {
        let peers = seeds.map(|seed| Peer { interval_secs: 86_400, ..Peer::new(seed) });
        peers.map(|mut peer| self.handed(&peer.announce(self.now))).collect()
    }
}

fn n(verdicts: &[Verdict], which: Verdict) -> usize {
    verdicts.iter().filter(|verdict| **verdict == which).count()
}

#[test]
fn what_an_operator_hands_over_is_believed_and_told_as_its_word() {
    let (mut world, mut peer) = (settled(), Peer::new(1));
    let announcement = peer.announce(world.now);
    let (verdict, effects) = world.handed_by(operator(), announcement.bytes());
    assert_eq!(verdict, New);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Learned { is_new: true, .. })));
    let entry = world.entry(&peer);
    assert_eq!(entry.announcement, announcement);
    assert_eq!((entry.source, entry.introducer), (Source::Told(operator()), operator()));
    assert_eq!(entry.verified, None, "nobody's word verifies anybody");
    assert!(
        !effects.iter().any(|effect| matches!(effect, Effect::Broadcast(_))),
        "nor is it spread"
    );
    assert_eq!((world.node.stats.believed, world.n_refused()), (1, 0));
}

#[test]
fn what_is_newer_replaces_what_is_held_and_what_is_not_changes_nothing() {
    let (mut world, mut peer) = (settled(), Peer::new(1));
    let old = peer.announce(world.now);
    let held = world.meet(&mut peer);
    assert_eq!(world.handed(&held), Refused(Refusal::NotNewer));
    assert_eq!(world.handed(&old), Refused(Refusal::NotNewer));
    assert_eq!(world.entry(&peer).announcement, held);
    assert_eq!(world.entry(&peer).source, Source::Gossip);
    let newer = peer.announce(world.now);
    assert_eq!(world.handed(&newer), Newer);
    let entry = world.entry(&peer);
    assert_eq!(entry.announcement, newer);
    assert_eq!(entry.introducer, world.neighbour(), "news of the known is on nobody's account");
}

#[test]
fn what_nobody_may_say_an_operator_may_not_either() {
    let mut world = settled();
    let (mut peer, now) = (Peer::new(1), world.now);
    let skew = MAX_CLOCK_SKEW.as_secs();
    let mut drafted = |change: &dyn Fn(&mut PeerAnnouncement)| {
        let mut draft = peer.draft(now);
        change(&mut draft);
        peer.sign(draft).bytes().to_vec()
    };
    let honest = drafted(&|_| {});
    let elsewhere = Network::derive("elsewhere", "secret").unwrap().tag();
    let unix = now.unix.as_secs();
    let of_us = forge::<PeerAnnouncement>(world.node.view().own.bytes());
    let cases = [
        ("forged", forge::<PeerAnnouncement>(&honest), Refusal::BadSignature),
        ("elsewhere", drafted(&|it| it.network_tag = elsewhere), Refusal::OtherNetwork),
        ("old", drafted(&|it| it.timestamp_secs = unix - 121), Refusal::Expired),
        ("early", drafted(&|it| it.timestamp_secs = unix + skew + 1), Refusal::FutureDated),
        ("about us", of_us, Refusal::OwnId),
        ("cut", honest[..honest.len() - 1].to_vec(), Refusal::Malformed),
        ("nothing", Vec::new(), Refusal::Malformed),
        ("too long", vec![0; MAX_SIGNED_LEN + 1], Refusal::TooLong),
        (
            "of a later version",
            [&honest[..64], &[7], &honest[65..]].concat(),
            Refusal::UnknownVersion,
        ),
    ];
    for (what, signed, refusal) in &cases {
        let before = world.refused(*refusal);
        let (verdict, effects) = world.handed_by(operator(), signed);
        assert_eq!((verdict, effects.len()), (Refused(*refusal), 1), "{what}");
        assert_eq!(world.refused(*refusal), before + 1, "{what}");
    }
    assert_eq!(world.n_refused() as usize, cases.len());
    assert!(world.node.view().entries.is_empty());
    assert_eq!(world.handed_by(operator(), &honest).0, New, "but for these it is believed");
}

#[test]
fn what_is_handed_over_is_as_old_as_its_authors_clock_says() {
    let (mut world, mut peer) = (settled(), Peer::new(1));
    let announcement = peer.announce(world.now);
    world.advance(secs(120));
    assert_eq!(world.handed(&announcement), New);
    assert_eq!(world.entry(&peer).heard.age(world.now.mono), secs(120));
    world.advance(secs(1));
    let mut late = Peer::new(2);
    let draft = late.draft(world.now);
    let long_ago = PeerAnnouncement { timestamp_secs: draft.timestamp_secs - 121, ..draft };
    let long_ago = late.sign(long_ago);
    assert_eq!(world.handed(&long_ago), Refused(Refusal::Expired));
    world.hear(&long_ago);
    assert!(world.has(&late), "heard now, its clock may only be slow");
}

/// Its author's clock is fast, or ours is slow: it is as young as can be, and no younger.
#[test]
fn what_is_ahead_of_our_clock_is_as_if_heard_now() {
    let (mut world, mut peer) = (settled(), Peer::new(1));
    let draft = peer.draft(world.now);
    let ahead = draft.timestamp_secs + MAX_CLOCK_SKEW.as_secs();
    let ahead = peer.sign(PeerAnnouncement { timestamp_secs: ahead, ..draft });
    assert_eq!(world.handed(&ahead), New);
    assert_eq!(world.entry(&peer).heard.age(world.now.mono), secs(0));
}

#[test]
fn only_an_operator_may_hand_over_and_only_one_that_is_admitted() {
    let (mut world, mut peer) = (settled(), Peer::new(1));
    let announcement = peer.announce(world.now);
    let refused = Refused(Refusal::Denied);
    // A neighbour may tell the same by gossip.
    let neighbour = world.neighbour();
    assert_eq!(world.handed_by(neighbour, announcement.bytes()).0, refused);
    assert_eq!(world.handed_by(neighbour, b"not even looked at").0, refused);
    let denied = AccessList { deny: [operator()].into(), ..operators() };
    world.handle(Event::AccessChanged(Arc::new(denied)));
    assert_eq!(world.handed(&announcement), refused);
    assert!(!world.has(&peer));
    assert_eq!((world.refused(Refusal::Denied), world.n_refused()), (3, 3));
    world.handle(Event::AccessChanged(Arc::new(operators())));
    assert_eq!(world.handed(&announcement), New);
}

#[test]
fn what_an_operator_alone_said_goes_when_it_is_denied_and_stays_when_it_is_operator_no_more() {
    let (mut world, mut peer) = (settled(), Peer::new(1));
    let announcement = peer.announce(world.now);
    world.handed(&announcement);
    world.handle(Event::AccessChanged(Arc::new(AccessList::default())));
    assert!(world.has(&peer));
    let denied = AccessList { deny: [operator()].into(), ..AccessList::default() };
    let effects = world.handle(Event::AccessChanged(Arc::new(denied)));
    assert_eq!(forgotten(&effects), [(peer.id(), RemovalReason::Denied)]);
}

/// Of a table of 2,048 a sixteenth, and 64 once more; nothing extra for who has just joined.
#[test]
fn an_operator_has_the_quota_of_any_introducer_also_while_the_node_joins() {
    let mut world = settled_with(|config| config.max_entries = 2048);
    assert!(world.node.is_joining(world.now));
    let verdicts = world.hand_new(1..401);
    assert_eq!(n(&verdicts, New), 128 + 64);
    assert_eq!(n(&verdicts, Refused(Refusal::IntroducerBudget)), 400 - 128 - 64);
    world.advance(secs(10));
    assert_eq!(n(&world.hand_new(500..600), New), 10, "and then one a second");
    let introducers = world.node.view().introducers;
    assert_eq!(introducers[0].share.introducer, operator());
    assert_eq!(introducers[0].share.n_unverified, 128 + 64 + 10);
}

#[test]
fn who_hands_over_forgeries_has_ever_fewer_of_them_checked() {
    let (mut world, mut peer) = (settled(), Peer::new(1));
    let forged = forge::<PeerAnnouncement>(peer.announce(world.now).bytes());
    let verdicts: Vec<_> = (0..100).map(|_| world.handed_by(operator(), &forged).0).collect();
    assert_eq!(n(&verdicts, Refused(Refusal::BadSignature)), 16);
    assert_eq!(n(&verdicts, Refused(Refusal::SignatureBudget)), 84);
    let honest = Peer::new(2).announce(world.now);
    assert_eq!(world.handed(&honest), Refused(Refusal::SignatureBudget));
    world.hear(&honest);
    assert_eq!(world.node.stats.believed, 1, "others may still bring it");
}

#[test]
fn an_author_is_heard_no_more_often_through_an_operator() {
    let (mut world, mut peer) = (settled(), Peer::new(1));
    let verdicts: Vec<_> = (0..4).map(|_| world.handed(&peer.announce(world.now))).collect();
    assert_eq!(verdicts, [New, Newer, Newer, Refused(Refusal::AuthorBudget)]);
}

#[test]
fn who_said_goodbye_is_not_brought_back() {
    let (mut world, mut peer) = (settled(), Peer::new(1));
    let said = world.meet(&mut peer);
    world.hear_leave(&peer.leave(world.now));
    assert_eq!(world.handed(&said), Refused(Refusal::Departed));
    assert!(!world.has(&peer));
}

#[test]
fn who_was_handed_over_is_asked_whether_it_is_there() {
    let mut world = settled_with(|config| config.verify_gap = Some(secs(1)));
    let mut peer = Peer::new(1);
    let mut draft = peer.draft(world.now);
    draft.addrs = ["1.1.1.1:1", "192.168.0.1:1"]
        .map(|addr| TransportAddr::Ip(addr.parse().unwrap()))
        .to_vec();
    assert_eq!(world.handed(&peer.sign(draft)), New);
    let effects = effects_of(world.run_for(secs(60)));
    assert!(probed(&effects).contains(&peer.id()));
    let dials = effects.iter().filter_map(|effect| match effect {
        Effect::Probe(addr) => Some(addr.addrs.len()),
        _ => None,
    });
    assert!(dials.into_iter().all(|n_addrs| n_addrs == 1), "the operator's word opens no place");
    world.probe_answers(&peer, &peer.clone().announce(world.now));
    assert!(world.entry(&peer).verified.is_some());
}

/// Somebody's place in a full table is another's loss, and whoever brought the most loses its own.
#[test]
fn an_operator_that_brought_the_most_takes_nobodys_place_in_a_full_table() {
    let mut world = settled_with(|config| config.max_entries = 64);
    let mut others: Vec<_> = (1..11).map(Peer::new).collect();
    others.iter_mut().for_each(|peer| drop(world.meet(peer)));
    let verdicts = world.hand_new(100..300);
    assert_eq!(world.node.table_size(), 64);
    assert_eq!(n(&verdicts, New), 64 - others.len());
    assert_eq!(n(&verdicts, Refused(Refusal::TableFull)), 200 - 54);
    assert!(others.iter().all(|peer| world.has(peer)));
}

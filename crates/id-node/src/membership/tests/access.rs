//! Whom our operator denies doesn't exist for us.

use std::sync::Arc;

use id_proto::{GossipMessage, PeerEntry, Source, iroh_base::PublicKey};

use super::fixture::{Peer, World, asked_for_table, forgotten, millis, probed, secs, unverified};
use crate::{
    access::AccessList,
    membership::{Effect, Event, Membership, Refusal, RemovalReason, SyncEnd},
};

impl Membership {
    /// Nobody who isn't admitted is in anything that we tell, or dial.
    pub(super) fn check_access(&self) {
        let admits = |peer: &PublicKey| *peer == self.me || self.access.admits(peer);
        for entry in self.table.iter() {
            assert!(admits(&entry.node_id()) && admits(&entry.introducer), "{entry:?}");
            if let Source::Told(by) = entry.source {
                assert!(admits(&by), "{entry:?}");
            }
        }
        assert!(self.neighbours.iter().all(admits));
        assert!(self.lost.iter().all(|entry| admits(&entry.node_id())));
    }
}

fn deny<'a>(peers: impl IntoIterator<Item = &'a PublicKey>) -> AccessList {
    AccessList { deny: peers.into_iter().copied().collect(), ..AccessList::default() }
}

fn allow<'a>(peers: impl IntoIterator<Item = &'a PublicKey>) -> AccessList {
    AccessList { allow: Some(peers.into_iter().copied().collect()), ..AccessList::default() }
}

impl World {
    fn access(&mut self, list: AccessList) -> Vec<Effect> {
        self.handle(Event::AccessChanged(Arc::new(list)))
    }

    /// `by` tells of a peer.
    fn told_by(&mut self, by: PublicKey, peer: &mut Peer) -> Vec<Effect> {
        let announcement = peer.announce(self.now);
        let (age, source) = (millis(0), Source::Gossip);
        let entry = PeerEntry { announcement, age, source, verified_age: None };
        self.handle(Event::Told { item: &entry.encode(), by })
    }
}

#[test]
fn a_denied_nodes_statements_are_refused_and_counted_whatever_the_way() {
    let mut peer = Peer::new(1);
    let mut world = World::settled_with(|config| config.access = deny(&[peer.id()]));
    let announcement = peer.announce(world.now);
    world.hear(&announcement);
    world.told(&announcement, millis(0));
    world.probe_answers(&peer, &announcement);
    let leave = peer.leave(world.now);
    world.hear_leave(&leave);
    assert!(!world.has(&peer));
    assert_eq!(world.refused(Refusal::Denied), 3);
    assert_eq!(world.n_refused(), 3);
    // Its own dial was no answer: nobody had asked.
    assert_eq!(world.node.stats.probes_answered, 0);
}

#[test]
fn nothing_that_a_denied_node_brings_is_believed() {
    let (mut peer, bad) = (Peer::new(1), Peer::new(2).id());
    let mut world = World::settled_with(|config| config.access = deny(&[bad]));
    let announcement = peer.announce(world.now);
    world.handle(Event::Gossip { message: &GossipMessage::announce(&announcement), from: bad });
    world.told_by(bad, &mut peer);
    // Not even looked at.
    world.handle(Event::Gossip { message: b"no message", from: bad });
    assert!(!world.has(&peer));
    assert_eq!((world.refused(Refusal::Denied), world.n_refused()), (3, 3));
    world.hear(&announcement);
    assert!(world.has(&peer), "another may bring it");
}

#[test]
fn with_an_allow_list_only_those_on_it_are_believed() {
    let (mut friend, mut stranger) = (Peer::new(1), Peer::new(2));
    let mut world = World::settled();
    let neighbour = world.neighbour();
    world.access(allow(&[friend.id(), neighbour]));
    let (of_friend, of_stranger) = (friend.announce(world.now), stranger.announce(world.now));
    world.hear(&of_friend);
    world.hear(&of_stranger);
    assert!(world.has(&friend) && !world.has(&stranger));
    assert_eq!(world.refused(Refusal::Denied), 1);
}

#[test]
fn a_node_goes_from_the_table_when_it_is_denied_and_the_others_stay() {
    let (mut bad, mut good) = (Peer::new(1), Peer::new(2));
    let mut world = World::settled();
    world.meet(&mut bad);
    world.meet(&mut good);
    let effects = world.access(deny(&[bad.id()]));
    assert_eq!(forgotten(&effects), [(bad.id(), RemovalReason::Denied)]);
    assert_eq!(world.node.stats.removed(RemovalReason::Denied), 1);
    assert!(!world.has(&bad) && world.has(&good));
    let view = world.node.view();
    assert!(view.entries.iter().all(|entry| entry.node_id() == good.id()));
    assert!(forgotten(&world.access(deny(&[bad.id()]))).is_empty(), "nothing has changed");
}

#[test]
fn verified_configured_and_neighbours_are_no_exception() {
    let (mut verified, mut configured, mut near) = (Peer::new(1), Peer::new(2), Peer::new(3));
    let (id, me) = (configured.id(), near.id());
    let mut world = World::settled_with(|config| {
        config.configured.insert(id);
    });
    let answer = verified.announce(world.now);
    world.probe_answers(&verified, &answer);
    world.meet(&mut configured);
    world.handle(Event::NeighbourUp(me));
    world.meet(&mut near);
    let effects = world.access(deny(&[verified.id(), configured.id(), near.id()]));
    assert_eq!(forgotten(&effects).len(), 3);
    let view = world.node.view();
    assert_eq!((view.entries.len(), view.neighbours), (0, vec![world.neighbour()]));
}

#[test]
fn a_denied_neighbour_is_none_and_the_last_one_leaves_us_isolated() {
    let mut world = World::settled();
    let neighbour = world.neighbour();
    assert!(!world.node.is_isolated());
    world.access(deny(&[neighbour]));
    assert!(world.node.is_isolated() && world.node.view().neighbours.is_empty());
    world.handle(Event::NeighbourUp(neighbour));
    assert!(world.node.is_isolated(), "gossip may have it for a moment longer");
    world.handle(Event::NeighbourDown(neighbour));
    world.access(AccessList::default());
    world.handle(Event::NeighbourUp(neighbour));
    assert!(!world.node.is_isolated());
}

#[test]
fn a_neighbour_that_is_denied_loses_its_protection_and_a_configured_peer_does_not() {
    let (configured, other) = (Peer::new(1).id(), Peer::new(2).id());
    let mut world = World::settled_with(|config| config.configured = [configured].into());
    world.handle(Event::NeighbourUp(configured));
    world.handle(Event::NeighbourUp(other));
    world.access(deny(&[configured, other]));
    world.access(AccessList::default());
    assert!(world.node.table.is_protected(&configured));
    assert!(!world.node.table.is_protected(&other));
}

#[test]
fn what_only_a_denied_node_says_goes_with_it_and_others_are_asked() {
    let (mut made_up, mut real, liar) = (Peer::new(1), Peer::new(2), Peer::new(3).id());
    let mut world = World::settled();
    world.handle(Event::NeighbourUp(liar));
    world.told_by(liar, &mut made_up);
    world.told_by(liar, &mut real);
    let answer = real.announce(world.now);
    world.probe_answers(&real, &answer);
    assert_eq!(world.entry(&real).source, Source::Told(liar));
    world.advance(secs(10));

    let effects = world.access(deny(&[liar]));
    assert_eq!(forgotten(&effects), [(made_up.id(), RemovalReason::Denied)]);
    let entry = world.entry(&real);
    assert_eq!((entry.introducer, entry.source), (real.id(), Source::Gossip));
    assert!(world.node.view().introducers.iter().all(|it| it.share.introducer != liar));
    assert_eq!(asked_for_table(&effects), [world.neighbour()]);
}

#[test]
fn who_is_on_the_allow_list_stays_whoever_told_of_it() {
    let (mut friend, mut stranger, liar) = (Peer::new(1), Peer::new(2), Peer::new(3).id());
    let mut world = World::settled();
    world.told_by(liar, &mut friend);
    world.told_by(liar, &mut stranger);
    let neighbour = world.neighbour();
    let effects = world.access(allow(&[friend.id(), neighbour]));
    assert_eq!(forgotten(&effects), [(stranger.id(), RemovalReason::Denied)]);
    assert_eq!(world.entry(&friend).introducer, friend.id());
}

#[test]
fn a_stale_peer_that_is_denied_is_not_dialled_and_its_answer_counts_for_nothing() {
    let mut peer = Peer::new(1);
    let mut world = World::settled();
    world.meet(&mut peer);
    let dialled = world.run_for(secs(200));
    assert!(dialled.iter().any(|(_, effect)| probed(std::slice::from_ref(effect)) == [peer.id()]));
    world.access(deny(&[peer.id()]));
    let answer = peer.announce(world.now);
    let answered = world.handle(Event::Probed { peer: peer.id(), answer: Ok(unverified(&answer)) });
    assert!(!world.has(&peer));
    assert!(!answered.iter().any(|effect| matches!(effect, Effect::Join(_))));
    let later = world.run_for(secs(600));
    assert!(later.iter().all(|(_, effect)| probed(std::slice::from_ref(effect)).is_empty()));
}

#[test]
fn a_lost_neighbour_that_is_denied_is_not_looked_for() {
    let looked_for = |is_denied: bool| {
        let mut peer = Peer::new(1);
        let mut world = World::settled();
        world.handle(Event::NeighbourUp(peer.id()));
        world.meet(&mut peer);
        world.handle(Event::NeighbourDown(peer.id()));
        if is_denied {
            world.access(deny(&[peer.id()]));
        }
        let later = world.run_for(secs(600)).into_iter().map(|(_, effect)| effect);
        probed(&later.collect::<Vec<_>>()).contains(&peer.id())
    };
    assert!(looked_for(false));
    assert!(!looked_for(true));
}

#[test]
fn who_is_admitted_again_is_believed_again_at_once() {
    let mut peer = Peer::new(1);
    let mut world = World::settled();
    let announcement = world.meet(&mut peer);
    world.access(deny(&[peer.id()]));
    world.hear(&announcement);
    assert!(!world.has(&peer));
    world.advance(secs(10));
    let effects = world.access(AccessList::default());
    assert_eq!(asked_for_table(&effects), [world.neighbour()], "others still know it");
    world.told(&announcement, secs(10));
    assert!(world.has(&peer));
    world.handle(Event::Synced { peer: world.neighbour(), end: SyncEnd::Complete });
}

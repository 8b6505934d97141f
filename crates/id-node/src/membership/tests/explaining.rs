//! A view can say of any peer why it is in the table, or isn't.

use std::time::Duration;

use id_client::{AddressPolicy, FailKind};
use id_proto::{
    AuthorBudget, Explanation, GossipMessage, Leave, Network, SignedAnnouncement, Source,
    iroh_base::{PublicKey, TransportAddr},
};

use super::fixture::{Peer, World, effects_of, forge, gossip_message, probed, secret, secs};
use crate::membership::{Event, Refusal, departed::MAX_DEPARTED, refusals::MAX_REFUSED};

fn explained(world: &mut World, peer: PublicKey) -> Explanation<SignedAnnouncement> {
    let now = world.now.mono;
    world.node.view().explain(&peer, now)
}

/// A settled node that verifies peers, and a peer that announces an address of the internet.
fn verifying() -> (World, Peer, SignedAnnouncement) {
    let mut world = World::settled_with(|config| {
        config.verify_gap = Some(secs(1));
        config.address_policy = AddressPolicy::new(&Network::public());
    });
    let mut peer = Peer::new(1);
    let mut draft = peer.draft(world.now);
    draft.addrs = vec![TransportAddr::Ip(([8, 8, 8, 8], 4433).into())];
    let announcement = peer.sign(draft);
    world.hear(&announcement);
    (world, peer, announcement)
}

fn next_dial(world: &mut World, peer: PublicKey) -> Option<(Duration, String)> {
    let next = explained(world, peer).next_dial;
    next.map(|next| (next.after, next.why.to_string()))
}

fn last_dial(world: &mut World, peer: PublicKey) -> Option<(Duration, String)> {
    let last = explained(world, peer).last_dial;
    last.map(|last| (last.age, last.end.to_string()))
}

fn last_refusal(world: &mut World, peer: PublicKey) -> Option<(Duration, String)> {
    let last = explained(world, peer).last_refusal;
    last.map(|last| (last.age, last.reason.to_string()))
}

#[test]
fn a_peer_that_was_heard_is_shown_with_who_brought_it_and_what_that_costs() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    let announcement = world.meet(&mut peer);
    world.advance(secs(2));
    let shown = explained(&mut world, peer.id());
    let entry = shown.entry.unwrap();
    assert_eq!((entry.announcement, entry.age), (announcement, secs(2)));
    assert_eq!((entry.source, entry.verified_age), (Source::Gossip, None));
    assert!(shown.is_listed && !shown.is_neighbour && !shown.is_configured);
    let by = shown.introducer.unwrap();
    assert_eq!((by.node_id, by.is_neighbour), (world.neighbour(), true));
    assert_eq!((by.n_entries, by.n_unverified, by.quota), (1, 1, 4096));
    // One was taken, and a second earned it back.
    assert_eq!((by.room, by.squeeze, by.dials), (4096, 64, 16));
    assert_eq!(shown.author_budget, Some(AuthorBudget { left: 2, next_in: Duration::ZERO }));
    assert_eq!((shown.last_dial, shown.last_refusal), (None, None));
    assert!(shown.departed.is_none() && shown.lost.is_none());
}

#[test]
fn a_peer_that_nobody_had_to_vouch_for_has_no_introducer() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.handle(Event::NeighbourUp(peer.id()));
    world.meet(&mut peer);
    let shown = explained(&mut world, peer.id());
    assert!(shown.is_neighbour);
    assert_eq!(shown.introducer, None);
}

#[test]
fn a_configured_peer_that_was_never_heard_is_said_to_be_configured_and_not_listed() {
    let peer = Peer::new(1);
    let mut world = World::settled_with(|config| config.configured = [peer.id()].into());
    let shown = explained(&mut world, peer.id());
    assert!(shown.is_configured && !shown.is_listed && shown.entry.is_none());
    assert_eq!(shown.author_budget, None);
}

#[test]
fn a_node_explains_itself_by_its_own_announcement() {
    let mut world = World::settled();
    let own = world.node.view().own;
    let shown = explained(&mut world, own.node_id);
    assert!(shown.is_listed);
    assert_eq!(
        shown.entry.map(|entry| (entry.announcement, entry.source)),
        Some((own, Source::Own))
    );
}

#[test]
fn of_a_stranger_nothing_is_known() {
    let mut world = World::settled();
    let shown = explained(&mut world, Peer::new(1).id());
    let nothing = Explanation::<SignedAnnouncement> {
        node_id: Peer::new(1).id(),
        is_listed: false,
        entry: None,
        is_neighbour: false,
        is_configured: false,
        introducer: None,
        author_budget: None,
        last_dial: None,
        next_dial: None,
        last_refusal: None,
        departed: None,
        lost: None,
    };
    assert_eq!(format!("{shown:?}"), format!("{nothing:?}"));
}

#[test]
fn an_author_who_used_up_its_budget_is_told_when_it_is_heard_again() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    for _ in 0..4 {
        let announcement = peer.announce(world.now);
        world.hear(&announcement);
    }
    world.advance(secs(1));
    let shown = explained(&mut world, peer.id());
    assert_eq!(shown.author_budget, Some(AuthorBudget { left: 0, next_in: secs(4) }));
    let refusal = shown.last_refusal.unwrap();
    assert_eq!((refusal.age, refusal.by), (secs(1), Some(world.neighbour())));
    assert_eq!(refusal.reason.as_str(), "refused_author_budget");
}

#[test]
fn the_dial_that_verifies_is_announced_under_way_and_reported() {
    let (mut world, peer, announcement) = verifying();
    let (after, why) = next_dial(&mut world, peer.id()).unwrap();
    assert_eq!((after, &*why), (secs(1), "verify"));
    assert_eq!(probed(&effects_of(world.run_for(after))), [peer.id()]);
    let under_way = Some((Duration::ZERO, "under_way".to_owned()));
    assert_eq!(next_dial(&mut world, peer.id()), under_way);
    world.advance(secs(10));
    world.probe_fails(&peer);
    let failed = Some((Duration::ZERO, "timeout".to_owned()));
    assert_eq!(last_dial(&mut world, peer.id()), failed);
    // It is tried again ten minutes after it was tried, unless it is silent by then.
    let (after, why) = next_dial(&mut world, peer.id()).unwrap();
    assert!(why == "silent" && after <= secs(180), "{after:?} {why}");

    world.probe_answers(&peer, &announcement);
    world.advance(secs(3));
    assert_eq!(last_dial(&mut world, peer.id()), Some((secs(3), "answered".to_owned())));
    let shown = explained(&mut world, peer.id());
    assert_eq!(shown.entry.unwrap().verified_age, Some(secs(3)));
}

#[test]
fn a_peer_without_an_address_that_may_be_dialled_is_not_going_to_be_verified() {
    let mut world = World::settled_with(|config| config.verify_gap = Some(secs(1)));
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    let (_, why) = next_dial(&mut world, peer.id()).unwrap();
    assert_eq!(why, "silent");
}

#[test]
fn the_probe_of_a_silent_peer_comes_when_it_was_said_to() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.advance(secs(7));
    world.meet(&mut peer);
    let (after, why) = next_dial(&mut world, peer.id()).unwrap();
    assert_eq!(why, "silent");
    let before = effects_of(world.run_for(after - Duration::from_millis(1)));
    assert!(!probed(&before).contains(&peer.id()));
    let then = effects_of(world.run_for(Duration::from_millis(1)));
    assert!(probed(&then).contains(&peer.id()));
}

#[test]
fn an_isolated_node_says_that_it_dials_nobody() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    let neighbour = world.neighbour();
    world.handle(Event::NeighbourDown(neighbour));
    assert_eq!(next_dial(&mut world, peer.id()), None);
}

#[test]
fn a_member_of_another_network_behind_the_address_is_named_as_such() {
    let (mut world, peer, _) = verifying();
    effects_of(world.run_for(secs(1)));
    let mut elsewhere = peer.clone();
    elsewhere.network = Network::derive("elsewhere", "secret").unwrap();
    let answer = elsewhere.announce(world.now);
    world.probe_answers(&peer, &answer);
    assert_eq!(last_dial(&mut world, peer.id()).unwrap().1, "other_network");
}

#[test]
fn a_peer_that_said_goodbye_is_departed_and_what_it_said_before_is_refused() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    let before = peer.announce(world.now);
    world.meet(&mut peer);
    let leave = peer.leave(world.now);
    world.hear_leave(&leave);
    world.advance(secs(5));
    world.hear(&before);
    let shown = explained(&mut world, peer.id());
    let departed = shown.departed.unwrap();
    assert_eq!((departed.age, departed.reason.as_str()), (secs(5), "left"));
    assert_eq!((departed.seq, departed.forgotten_in), (leave.seq, secs(120 + 600 - 5)));
    assert!(!shown.is_listed && shown.entry.is_none());
    assert_eq!(shown.last_refusal.unwrap().reason.as_str(), "refused_departed");
    assert_eq!(shown.introducer.unwrap().node_id, world.neighbour(), "who brought it again");
    assert!(shown.author_budget.is_some());
}

#[test]
fn a_peer_that_vanished_is_shown_as_lost_with_its_last_announcement_until_it_is_given_up() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    let announcement = world.meet(&mut peer);
    world.probe_answers(&peer, &announcement);
    while world.has(&peer) {
        if probed(&effects_of(world.run_for(secs(1)))).contains(&peer.id()) {
            world.probe_fails(&peer);
        }
    }
    world.advance(secs(3));
    let shown = explained(&mut world, peer.id());
    assert!(!shown.is_listed);
    assert_eq!(shown.entry.unwrap().announcement, announcement);
    assert_eq!(shown.departed.unwrap().reason.as_str(), "probe_failed");
    let lost = shown.lost.unwrap();
    assert_eq!((lost.age, lost.given_up_in), (secs(3), secs(3597)));
    assert_eq!(shown.last_dial.unwrap().end.as_str(), "timeout");
    let next = shown.next_dial.unwrap();
    assert_eq!(next.why.as_str(), "lost");

    effects_of(world.run_for(next.after));
    assert_eq!(next_dial(&mut world, peer.id()).unwrap().1, "under_way");
    let refused = Event::Probed { peer: peer.id(), answer: Err(FailKind::Refused) };
    world.handle(refused);
    assert_eq!(last_dial(&mut world, peer.id()).unwrap(), (Duration::ZERO, "refused".to_owned()));
    world.advance(secs(3600));
    let shown = explained(&mut world, peer.id());
    assert!(shown.lost.is_none() && shown.departed.is_none() && shown.next_dial.is_none());
}

#[test]
fn a_neighbour_that_went_and_is_still_heard_is_not_called_lost() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    world.meet(&mut peer);
    world.handle(Event::NeighbourUp(peer.id()));
    world.handle(Event::NeighbourDown(peer.id()));
    assert!(explained(&mut world, peer.id()).lost.is_none());
    world.advance(secs(46));
    assert!(explained(&mut world, peer.id()).lost.is_some());
}

#[test]
fn every_refusal_but_the_ordinary_is_remembered_with_who_brought_it() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    let older = peer.announce(world.now);
    let held = world.meet(&mut peer);
    world.hear(&held);
    world.told(&older, Duration::ZERO);
    assert_eq!(last_refusal(&mut world, peer.id()), None, "the same again, or told of what is old");
    world.hear(&older);
    world.advance(secs(1));
    let shown = Some((secs(1), "refused_not_newer".to_owned()));
    assert_eq!(last_refusal(&mut world, peer.id()), shown);

    let mut stranger = Peer::new(2);
    let forged = forge::<id_proto::PeerAnnouncement>(stranger.announce(world.now).bytes());
    world.gossip(&gossip_message(0, &forged));
    let shown = explained(&mut world, stranger.id()).last_refusal.unwrap();
    assert_eq!(
        (shown.reason.as_str(), shown.by),
        ("refused_bad_signature", Some(world.neighbour()))
    );
    let forged = forge::<Leave>(stranger.leave(world.now).bytes());
    world.advance(secs(1));
    world.gossip(&gossip_message(1, &forged));
    let shown = Some((Duration::ZERO, "refused_bad_signature".to_owned()));
    assert_eq!(last_refusal(&mut world, stranger.id()), shown);
}

/// Gossip brings a node's own words back, and its neighbours tell it of itself.
#[test]
fn what_is_said_in_our_own_name_is_refused_and_not_remembered() {
    let mut world = World::settled();
    let own = world.node.view().own;
    world.advance(secs(1));
    world.hear(&own);
    assert_eq!(world.refused(Refusal::OwnId), 1);
    assert_eq!(last_refusal(&mut world, own.node_id), None);
}

#[test]
fn names_that_nobody_knows_push_out_only_each_other_and_the_oldest_first() {
    let mut world = World::settled();
    let mut known = Peer::new(1);
    let old = known.announce(world.now);
    world.meet(&mut known);
    world.hear(&old);
    let mut gone = Peer::new(2);
    let before = world.meet(&mut gone);
    let leave = gone.leave(world.now);
    world.hear_leave(&leave);
    world.hear(&before);
    let strangers: Vec<Peer> = (3..).map(Peer::new).take(MAX_REFUSED + 1).collect();
    for mut stranger in strangers.clone() {
        let forged = forge::<id_proto::PeerAnnouncement>(stranger.announce(world.now).bytes());
        world.advance(Duration::from_millis(1));
        world.gossip(&gossip_message(0, &forged));
    }
    assert!(last_refusal(&mut world, known.id()).is_some());
    assert!(last_refusal(&mut world, gone.id()).is_some(), "it was in the table");
    assert!(last_refusal(&mut world, strangers[0].id()).is_none());
    assert!(last_refusal(&mut world, strangers[1].id()).is_some());
}

#[test]
fn many_departed_are_shown_within_a_second() {
    let mut world = World::settled();
    let mut peers: Vec<Peer> = (1..=300).map(Peer::new).collect();
    assert!(peers.len() < MAX_DEPARTED);
    for peer in &mut peers {
        let leave = peer.leave(world.now);
        world.hear_leave(&leave);
        explained(&mut world, peer.id());
    }
    world.advance(secs(1));
    world.tick();
    assert!(peers.iter().all(|peer| explained(&mut world, peer.id()).departed.is_some()));
}

#[test]
fn whoever_brought_a_peer_is_counted_even_beyond_those_that_a_view_lists() {
    let mut world = World::settled();
    for by in 0..70 {
        let from = secret(2000 + by).public();
        let n_peers = if by == 0 { 1 } else { 2 };
        for n in 0..n_peers {
            let announcement = Peer::new(1 + 2 * by + n).announce(world.now);
            world.hear_from(from, &announcement);
        }
    }
    let now = world.now.mono;
    let report = world.node.view().introducers_report(now);
    assert_eq!((report.n_introducers, report.table_size), (70, 139));
    assert_eq!(report.introducers.len(), 64);
    let least = explained(&mut world, Peer::new(1).id()).introducer.unwrap();
    assert_eq!((least.node_id, least.n_entries), (secret(2000).public(), 1));
    assert!(report.introducers.iter().all(|it| it.node_id != least.node_id && it.n_entries == 2));
}

#[test]
fn a_view_that_is_held_does_not_change() {
    let mut world = World::settled();
    let mut peer = Peer::new(1);
    let view = world.node.view();
    let announcement = peer.announce(world.now);
    world.gossip(&GossipMessage::announce(&announcement));
    let leave = peer.leave(world.now);
    world.hear_leave(&leave);
    world.hear(&announcement);
    let shown = view.explain(&peer.id(), world.now.mono);
    assert!(shown.departed.is_none() && shown.last_refusal.is_none());
    assert!(last_refusal(&mut world, peer.id()).is_some());
}

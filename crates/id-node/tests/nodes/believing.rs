//! What a hostile member can say, and what comes of it: a counter goes up.

use std::time::Duration;

use id_node::{
    Node,
    id_client::id_proto::{
        Network, PeerAnnouncement, PeerEntry, SignedAnnouncement, Source,
        limits::{MAX_CLOCK_SKEW, MAX_GOSSIP_LEN, MAX_SIGNED_LEN},
    },
    iroh::SecretKey,
    membership::{Refusal, View},
};

use crate::{
    lab::{Lab, entry, known_ids, knows, lab, until},
    member::{Member, stranger, unix_millis},
};

const SIGNATURE_LEN: usize = 64;

/// A message of any variant, around any bytes.
fn message(variant: u8, bytes: &[u8]) -> Vec<u8> {
    [vec![variant], postcard::to_stdvec(bytes).unwrap()].concat()
}

fn signed(key: &SecretKey, announcement: PeerAnnouncement) -> Vec<u8> {
    SignedAnnouncement::sign(announcement, key).unwrap().bytes().to_vec()
}

/// `claimed` in the name of its author, signed by somebody else.
fn forged(claimed: &[u8]) -> Vec<u8> {
    let forger = SecretKey::generate();
    let own = signed(&forger, stranger(&forger, &Network::public()));
    [&own[..SIGNATURE_LEN], &claimed[SIGNATURE_LEN..]].concat()
}

/// One letter of the name is another.
fn altered(mut signed: Vec<u8>) -> Vec<u8> {
    let name = signed.windows(8).position(|window| window == b"stranger").unwrap();
    signed[name] = b'S';
    signed
}

fn seconds_from_now(secs: i64) -> u64 {
    (unix_millis() / 1000).checked_add_signed(secs).unwrap()
}

/// Statements that nobody may believe, each with the reason: `Announce` messages.
fn unbelievable(node: &Node) -> Vec<(&'static str, Vec<u8>, Refusal)> {
    let public = Network::public();
    let key = SecretKey::generate;
    let of = |change: &dyn Fn(&mut PeerAnnouncement)| {
        let key = key();
        let mut announcement = stranger(&key, &public);
        change(&mut announcement);
        signed(&key, announcement)
    };
    let honest = of(&|_| {});
    let skew = MAX_CLOCK_SKEW.as_secs() as i64;
    let elsewhere = Network::derive("elsewhere", "secret").unwrap();
    let too_long = [honest.clone(), vec![0; MAX_SIGNED_LEN]].concat();
    vec![
        ("forged", forged(&honest), Refusal::BadSignature),
        ("altered", altered(of(&|_| {})), Refusal::BadSignature),
        ("trailing bytes", [of(&|_| {}), vec![0]].concat(), Refusal::Malformed),
        ("cut", honest[..honest.len() - 1].to_vec(), Refusal::Malformed),
        ("too long", too_long, Refusal::TooLong),
        (
            "future-dated",
            of(&|a| a.timestamp_secs = seconds_from_now(skew + 60)),
            Refusal::FutureDated,
        ),
        ("old", of(&|a| a.timestamp_secs = seconds_from_now(-skew - 60)), Refusal::Expired),
        ("for another network", of(&|a| a.network_tag = elsewhere.tag()), Refusal::OtherNetwork),
        ("about the node itself", forged(node.view().own.bytes()), Refusal::OwnId),
    ]
}

/// How often each reason should have been counted.
fn expected(reason: Refusal, cases: &[(&str, Vec<u8>, Refusal)]) -> u64 {
    cases.iter().filter(|(_, _, expected)| *expected == reason).count() as u64
}

/// What honest nodes cause too: they tell a node what it knows, and of itself.
const ORDINARY: &[Refusal] = &[Refusal::NotNewer, Refusal::OwnId];

fn n_refused(view: &View) -> u64 {
    let reasons = Refusal::ALL.iter().filter(|reason| !ORDINARY.contains(reason));
    reasons.map(|reason| view.stats.refused(*reason)).sum()
}

async fn two_nodes_and_a_member(lab: &Lab) -> (Vec<Node>, Member) {
    let nodes = lab.settled(2).await;
    let member = Member::join(lab, Network::public(), &nodes[0]).await;
    (nodes, member)
}

#[tokio::test]
async fn what_nobody_may_believe_enters_no_table_through_gossip() {
    lab(async |lab| {
        let (nodes, member) = two_nodes_and_a_member(lab).await;
        let mut cases = unbelievable(&nodes[0]);
        let as_leave = message(1, &cases[0].1);
        for (_, statement, _) in &mut cases {
            *statement = message(0, statement);
        }
        let huge = [message(0, &[]), vec![0; MAX_GOSSIP_LEN]].concat();
        cases.push(("a huge message", huge, Refusal::TooLong));
        cases.push(("a message of a later release", message(7, b"?"), Refusal::UnknownVersion));
        cases.push(("no message", vec![0xff; 20], Refusal::Malformed));
        cases.push(("an empty message", Vec::new(), Refusal::Malformed));
        cases.push(("an announcement as a leave", as_leave, Refusal::Malformed));
        for (_, bytes, _) in &cases {
            member.broadcast(bytes.clone()).await;
        }

        // An honest announcement behind all that is still heard, by the neighbour and beyond.
        member.announce(&member.sign(member.announcement())).await;
        // What is about the first node itself is no news to the other, and the first one doesn't send on
        // what is too long.
        let n_expected = cases.len() as u64 - 1;
        for (node, n_expected) in nodes.iter().zip([n_expected, n_expected - 1]) {
            let view = until(node, "all are refused but the honest one", |view| {
                knows(view, member.id()) && n_refused(view) >= n_expected
            })
            .await;
            assert_eq!((view.entries.len(), n_refused(&view)), (2, n_expected));
        }
        let view = nodes[0].view();
        for reason in Refusal::ALL.iter().filter(|reason| !ORDINARY.contains(reason)) {
            assert_eq!(view.stats.refused(*reason), expected(*reason, &cases), "{reason:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_nobody_may_believe_enters_no_table_through_a_sync() {
    lab(async |lab| {
        let node = lab.slow(&[]).await;
        let cases = unbelievable(&node);
        let item = |signed: &[u8]| {
            // As `PeerEntry` version 1: signed, age, source gossip, not verified.
            [message(0, signed), vec![10, 1, 0]].concat()
        };
        let mut items: Vec<_> = cases.iter().map(|(_, signed, _)| item(signed)).collect();
        let key = SecretKey::generate();
        let ghost = SignedAnnouncement::sign(stranger(&key, &Network::public()), &key).unwrap();
        let honest = PeerEntry {
            announcement: ghost,
            age: Duration::ZERO,
            source: Source::Gossip,
            verified_age: None,
        };
        let stale = PeerEntry { age: Duration::from_secs(60), ..honest.clone() };
        items.push(stale.encode());
        items.push(honest.encode());
        let member = Member::join(lab, Network::public(), &node).await;
        // The sync that the member's coming caused may have found nothing; a second one won't.
        member.tell(&items);
        let second = Member::join(lab, Network::public(), &node).await;
        second.tell(&items);

        let view = until(&node, "the honest one is known", |view| knows(view, key.public())).await;
        assert_eq!(known_ids(&view), [key.public()]);
        for (what, _, reason) in &cases {
            assert!(view.stats.refused(*reason) >= 1, "{what}: {reason:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_said_before_does_not_undo_what_was_said_since() {
    lab(async |lab| {
        let (nodes, member) = two_nodes_and_a_member(lab).await;
        let said = |blob_count, seq| {
            member.sign(PeerAnnouncement { blob_count, seq, ..member.announcement() })
        };
        let seq = unix_millis();
        let (old, new) = (said(1, seq), said(2, seq + 1));
        member.announce(&new).await;
        until(&nodes[0], "the new one", |view| knows(view, member.id())).await;
        member.announce(&old).await;
        // Gossip keeps the order between neighbours: when this one is there, the old one was.
        let newest = said(3, seq + 2);
        member.announce(&newest).await;
        let view = until(&nodes[0], "the newest one", |view| {
            entry(view, member.id()).is_some_and(|entry| entry.announcement == newest)
        });
        let view = view.await;
        assert!(view.stats.refused(Refusal::NotNewer) >= 1);

        member.say_goodbye(seq + 4).await;
        until(&nodes[0], "the member has left", |view| !knows(view, member.id())).await;
        member.announce(&said(4, seq + 3)).await;
        let back = said(5, seq + 5);
        member.announce(&back).await;
        let view = until(&nodes[0], "the member is back", |view| knows(view, member.id())).await;
        assert_eq!(view.stats.refused(Refusal::Departed), 1);
        assert_eq!(entry(&view, member.id()).unwrap().announcement, back);
    })
    .await;
}

//! Crawls that stand on what an earlier one found.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use id_proto::{
    NetworkTag, SignedAnnouncement,
    iroh_base::{PublicKey, SecretKey},
};

use super::*;
use crate::{
    Answer, CrawlEvent, FailKind, Named, Past, RejectReason, Told, Use,
    memory::{Behaviour, Lie},
};

/// More than any of these networks need.
const ROOM: usize = 100_000;

/// What a report says that doesn't depend on when and in which order peers answered.
#[derive(Debug, PartialEq)]
struct Said {
    announcement: Option<SignedAnnouncement>,
    status: PeerStatus,
    depth: u32,
    via: BTreeSet<PublicKey>,
    is_reached: bool,
    rejected: BTreeMap<RejectReason, u64>,
    told: Option<Told>,
}

fn said(report: &CrawlReport) -> (BTreeMap<PublicKey, Said>, Vec<(u32, u32)>) {
    let said = |peer: &CrawledPeer| Said {
        announcement: peer.announcement.clone(),
        status: peer.status.clone(),
        depth: peer.depth,
        via: peer.via.iter().copied().collect(),
        is_reached: peer.route.is_some(),
        rejected: peer.rejected.clone(),
        told: peer.told,
    };
    let peers = report.peers.iter().map(|peer| (peer.node_id, said(peer)));
    (peers.collect(), report.graph.edges().to_vec())
}

fn with_edges() -> Limits {
    Limits { max_edges: ROOM, concurrency: n(3), ..unlimited() }
}

/// Crawls until `n_ended` have answered or failed, and keeps what they said.
async fn crawl_until(network: &MemoryNetwork, n_ended: usize) -> (Past, CrawlReport) {
    let mut crawl = crawler(network, &[0], with_edges()).keep_answers(ROOM).start();
    let mut past = Past::default();
    let mut n_left = n_ended;
    while n_left > 0
        && let Some(event) = crawl.next().await
    {
        let (peer, usage) = match event {
            CrawlEvent::Answered { peer, .. } => (peer, Use::InsteadOfAsking),
            CrawlEvent::Failed { peer, .. } => (peer, Use::WithItsFailure),
            _ => continue,
        };
        n_left -= 1;
        let Some(answer) = crawl.take_answer(&peer) else { continue };
        let shown = answer.named.iter().filter_map(|named| crawl.peer(&named.peer)?.announcement);
        shown.for_each(|announcement| past.learn(announcement));
        past.keep(Arc::new(answer), usage);
    }
    (past, crawl.finish().await)
}

async fn crawl_on(network: &MemoryNetwork, past: Past) -> CrawlReport {
    let report = crawler(network, &[0], with_edges()).past(past).start().run().await;
    assert_adds_up(&report);
    report
}

/// Everything that a peer may do, except to be slow.
fn motley() -> MemoryNetwork {
    MemoryNetwork::random(24, 3, 7)
        .with_page_len(2)
        .with(3, Behaviour::Refuses)
        .with(5, Behaviour::HangsUpAfter(1))
        .with_lie(6, Lie::Forged)
        .with_lie(7, Lie::Expired)
}

fn answer(network: &MemoryNetwork, i: usize, named: &[usize]) -> Answer {
    let named = named.iter().map(|i| Named {
        peer: network.id(*i),
        age: Duration::from_secs(1),
        verified_age: None,
    });
    Answer {
        peer: network.id(i),
        at_unix_secs: crate::clock::unix_secs(),
        route: None,
        named: named.collect(),
        n_left_out: 0,
        rejected: BTreeMap::new(),
    }
}

fn past_of(network: &MemoryNetwork, answers: impl IntoIterator<Item = (Answer, Use)>) -> Past {
    let mut past = Past::default();
    (0..network.len()).for_each(|i| past.learn(network.announcement(i).clone()));
    answers.into_iter().for_each(|(answer, usage)| past.keep(Arc::new(answer), usage));
    past
}

#[tokio::test(start_paused = true)]
async fn crawl_that_was_killed_anywhere_and_goes_on_finds_what_an_uninterrupted_one_finds() {
    let whole = motley();
    let expected = said(&crawler(&whole, &[0], with_edges()).start().run().await);
    for n_ended in 0..=24 {
        let network = whole.clone();
        let (past, _) = crawl_until(&network, n_ended).await;
        let asked_before = network.asked().len();
        let n_answers = past.n_answers();
        let report = crawl_on(&network, past).await;
        assert_eq!(said(&report), expected, "killed after {n_ended}");
        let again: BTreeSet<_> = network.asked().drain(asked_before..).collect();
        assert!(again.len() <= 24 - n_answers.min(n_ended) + 1, "{n_ended}: {}", again.len());
    }
}

#[tokio::test]
async fn who_answered_is_not_asked_again() {
    let network = MemoryNetwork::ring(12);
    let (past, first) = crawl_until(&network, usize::MAX).await;
    let n_asked = network.asked().len();
    let report = crawl_on(&network, past).await;
    assert_eq!(network.asked().len(), n_asked);
    assert_eq!(said(&report), said(&first));
}

#[tokio::test]
async fn peer_that_misses_a_question_counts_as_it_answered_in_the_past() {
    let network = MemoryNetwork::line(3).with(1, Behaviour::Refuses);
    let past = past_of(&network, [(answer(&network, 1, &[1, 2]), Use::IfItFails)]);
    let mut crawl = crawler(&network, &[0], unlimited()).past(past).start();
    let mut told = Vec::new();
    while let Some(event) = crawl.next().await {
        match event {
            CrawlEvent::Missed { peer, error } => {
                assert_eq!((peer, error.kind), (network.id(1), FailKind::Refused));
                told.push("missed");
            }
            CrawlEvent::Recalled { peer, n_entries } => {
                assert_eq!((peer, n_entries), (network.id(1), 2));
                told.push("recalled");
            }
            _ => {}
        }
    }
    assert_eq!(told, ["missed", "recalled"]);
    let report = crawl.finish().await;
    assert_eq!(known(&network, &report), BTreeSet::from([0, 1, 2]));
    assert!(report.peers.iter().all(|peer| peer.status == PeerStatus::Answered));
}

#[tokio::test]
async fn who_fails_again_has_failed_and_whom_it_named_before_stays() {
    let network = MemoryNetwork::line(3).with(1, Behaviour::Refuses);
    let past = past_of(&network, [(answer(&network, 1, &[2]), Use::WithItsFailure)]);
    let report = crawl_on(&network, past).await;
    assert_eq!(known(&network, &report), BTreeSet::from([0, 1, 2]));
    assert_eq!(peer(&network, &report, 1).status.as_str(), "failed");
}

#[tokio::test]
async fn who_answers_again_is_believed_and_not_its_past() {
    let network = MemoryNetwork::new(3, [(0, 1)]);
    for usage in [Use::IfItFails, Use::WithItsFailure] {
        let past = past_of(&network, [(answer(&network, 1, &[2]), usage)]);
        let report = crawl_on(&network, past).await;
        assert_eq!(known(&network, &report), BTreeSet::from([0, 1]), "{usage:?}");
    }
}

#[tokio::test]
async fn whom_nobody_names_any_more_is_not_known_by_the_past_alone() {
    let network = MemoryNetwork::new(3, [(0, 1)]);
    let past = past_of(&network, [(answer(&network, 2, &[2, 1]), Use::InsteadOfAsking)]);
    let report = crawl_on(&network, past).await;
    assert_eq!(known(&network, &report), BTreeSet::from([0, 1]));
}

#[tokio::test]
async fn nobody_is_believed_without_a_signed_original_of_this_network() {
    let network = MemoryNetwork::line(2);
    let key = SecretKey::from_bytes(&[9; 32]);
    let mut foreign = network.announcement(0).statement().clone();
    foreign.node_id = key.public();
    foreign.network_tag = NetworkTag([7; 16]);
    let mut past = past_of(&network, []);
    past.learn(SignedAnnouncement::sign(foreign, &key).unwrap());
    let unknown = SecretKey::from_bytes(&[8; 32]).public();
    let mut answer = answer(&network, 0, &[0, 1]);
    for peer in [key.public(), unknown] {
        answer.named.push(Named { peer, age: Duration::ZERO, verified_age: None });
    }
    past.keep(Arc::new(answer), Use::InsteadOfAsking);
    let report = crawl_on(&network, past).await;
    assert_eq!(known(&network, &report), BTreeSet::from([0, 1]));
}

#[tokio::test]
async fn what_was_heard_in_the_past_is_older_by_now() {
    let network = MemoryNetwork::line(2);
    let hour_ago = crate::clock::unix_secs() - 3600;
    let answer = Answer { at_unix_secs: hour_ago, ..answer(&network, 0, &[1]) };
    let past = past_of(&network, [(answer, Use::InsteadOfAsking)]);
    let limits = depth(Depth::Hops(0));
    let report = crawler(&network, &[0], limits).past(past).start().run().await;
    let age = peer(&network, &report, 1).age.unwrap();
    assert!(age >= Duration::from_secs(3601) && age < Duration::from_secs(3700), "{age:?}");
}

#[tokio::test]
async fn answers_for_which_there_is_no_room_are_not_kept() {
    let network = MemoryNetwork::star(5);
    // The first answer names five, each of the others two.
    let mut crawl = crawler(&network, &[0], unlimited()).keep_answers(8).start();
    let mut kept = 0;
    while let Some(event) = crawl.next().await {
        if let CrawlEvent::Answered { peer, .. } = event {
            kept += crawl.take_answer(&peer).map_or(0, |answer| answer.named.len());
        }
    }
    assert!((5..=8).contains(&kept), "{kept}");
    assert_eq!(crawler(&network, &[0], unlimited()).start().run().await.summary().answered, 5);
}

#[tokio::test]
async fn crawl_that_was_full_is_full_again() {
    let network = MemoryNetwork::star(9);
    let limits = || Limits { max_peers: n(4), ..unlimited() };
    let mut crawl = crawler(&network, &[0], limits()).keep_answers(ROOM).start();
    let mut past = past_of(&network, []);
    while let Some(event) = crawl.next().await {
        if let CrawlEvent::Answered { peer, .. } = event {
            past.keep(Arc::new(crawl.take_answer(&peer).unwrap()), Use::InsteadOfAsking);
        }
    }
    let first = crawl.finish().await;
    let again = crawler(&network, &[0], limits()).past(past).start().run().await;
    assert_eq!(again.stopped_by, first.stopped_by);
    assert_eq!(again.peers.len(), 4);
    assert_eq!(peer(&network, &again, 0).told, peer(&network, &first, 0).told);
}

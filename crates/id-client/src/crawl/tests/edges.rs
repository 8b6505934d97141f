//! Who named whom, as the report tells it.

use std::{collections::BTreeSet, time::Duration};

use id_proto::{PeerEntry, Source};

use super::*;
use crate::memory::{self, Behaviour, random_edges};

fn with_edges(max_edges: usize) -> Limits {
    Limits { max_edges, ..unlimited() }
}

/// The edges of a report, by the numbers of the network.
fn edges(network: &MemoryNetwork, report: &CrawlReport) -> BTreeSet<(usize, usize)> {
    let number = |position: u32| {
        let id = &report.peers[position as usize].node_id;
        network.index_of(id).expect("a peer of the network")
    };
    report.graph.edges().iter().map(|(from, to)| (number(*from), number(*to))).collect()
}

#[tokio::test]
async fn report_tells_exactly_who_named_whom() {
    let mesh = (0..15).flat_map(|i| (0..15).map(move |j| (i, j))).collect();
    let ring = (0..12).map(|i| (i, (i + 1) % 12)).collect();
    for (n, told) in [(15, mesh), (12, ring), (100, random_edges(100, 3, 1))] {
        let told: Edges = told;
        let network = MemoryNetwork::new(n, told.clone());
        let report = crawl(&network, with_edges(10_000)).await;
        let known = known(&network, &report);
        let expected = told.iter().copied().filter(|(from, to)| from != to && known.contains(from));
        assert_eq!(edges(&network, &report), expected.collect());
        assert_eq!((report.graph.n_peers(), report.graph.n_left_out()), (known.len(), 0));
    }
}

#[tokio::test]
async fn who_doesnt_answer_named_nobody_and_who_is_not_asked_neither() {
    let network = MemoryNetwork::line(6).with(3, Behaviour::Refuses);
    let report = crawl(&network, with_edges(100)).await;
    let expected: BTreeSet<_> = edges(&network, &report);
    assert!(expected.iter().all(|(from, _)| *from != 3), "{expected:?}");
    let near = crawl(&network, Limits { max_depth: 0.into(), ..with_edges(100) }).await;
    assert_eq!(edges(&network, &near), BTreeSet::from([(0, 1)]));
}

#[tokio::test]
async fn without_room_edges_are_counted_and_without_being_wanted_not_even_that() {
    let mesh: Edges = (0..15).flat_map(|i| (0..15).map(move |j| (i, j))).collect();
    let network = MemoryNetwork::new(15, mesh);
    let report = crawl(&network, with_edges(40)).await;
    assert_eq!((report.graph.edges().len(), report.graph.n_left_out()), (40, 15 * 14 - 40));
    let report = crawl(&network, unlimited()).await;
    assert_eq!((report.graph.edges().len(), report.graph.n_left_out()), (0, 0));
}

#[tokio::test]
async fn who_didnt_answer_has_no_view_and_a_crawl_without_edges_or_room_says_nothing() {
    let network = MemoryNetwork::ring(6).with(3, Behaviour::Refuses);
    let agreement = crawl(&network, with_edges(100)).await.agreement().unwrap();
    assert_eq!(agreement.views.len(), report_answered(&network).await);
    assert!(agreement.views.iter().all(|view| view.n_missing > 0));
    assert_eq!(crawl(&network, unlimited()).await.agreement(), None);
    assert_eq!(crawl(&network, with_edges(1)).await.agreement(), None);
    let full = crawl(&network, Limits { max_peers: n(2), ..with_edges(100) }).await;
    assert_eq!(full.agreement(), None);
}

async fn report_answered(network: &MemoryNetwork) -> usize {
    crawl(network, unlimited()).await.summary().answered
}

#[tokio::test]
async fn whoever_was_displaced_is_in_no_edge() {
    let network = MemoryNetwork::random(100, 10, 7);
    for max in [5, 20, 60] {
        let limits = Limits { max_peers: n(max), concurrency: n(3), ..with_edges(10_000) };
        let report = crawl(&network, limits).await;
        assert_eq!(report.peers.len(), max);
        let named = edges(&network, &report);
        assert!(named.iter().all(|edge| random_edges(100, 10, 7).contains(edge)));
        assert!(named.len() >= max - 1, "{named:?}");
    }
}

/// Peer 0 knows the others, and says how long ago it had heard of each.
fn heard(ages: &[Duration]) -> MemoryNetwork {
    let network = MemoryNetwork::new(ages.len() + 1, []).with_page_len(2);
    let entry = |i: usize| memory::entry(network.announcement(i), Source::Gossip);
    let items: Vec<_> =
        (1..).zip(ages).map(|(i, age)| PeerEntry { age: *age, ..entry(i) }.encode()).collect();
    items.into_iter().fold(network, |network, item| network.with_item(0, item))
}

/// The ages of all edges, by whom they lead to.
fn ages(network: &MemoryNetwork, report: &CrawlReport) -> BTreeMap<usize, u32> {
    let to = |(_, to): &(u32, u32)| network.index_of(&report.peers[*to as usize].node_id).unwrap();
    let edges = report.graph.edges().iter().map(to);
    edges.zip(report.graph.ages_secs().unwrap().iter().copied()).collect()
}

#[tokio::test(start_paused = true)]
async fn every_edge_is_as_old_as_whoever_named_says_also_over_two_attempts() {
    let said = [5, 0, 3600, 86_400].map(Duration::from_secs);
    let expected = BTreeMap::from([(1, 5), (2, 0), (3, 3600), (4, 86_400)]);
    for behaviour in [Behaviour::Honest, Behaviour::HangsUpOnceAfter(2), Behaviour::BusyOnce] {
        let network = heard(&said).with(0, behaviour.clone());
        let report = crawl(&network, with_edges(100)).await;
        assert_eq!(ages(&network, &report), expected, "{behaviour:?}");
        assert_eq!(report.graph.n_left_out(), 0, "{behaviour:?}");
    }
}

#[tokio::test]
async fn age_beyond_what_is_kept_is_the_largest_that_is() {
    let network = heard(&[Duration::from_secs(u64::from(u32::MAX) + 5)]);
    let report = crawl(&network, with_edges(100)).await;
    assert_eq!(ages(&network, &report), BTreeMap::from([(1, u32::MAX)]));
}

/// Those who are being asked share the room with those who have answered.
#[tokio::test(start_paused = true)]
async fn room_for_edges_holds_while_many_answer_and_who_is_displaced_gives_it_back() {
    let network = MemoryNetwork::random(100, 10, 7).with_page_len(2);
    let whole = crawl(&network, with_edges(100_000)).await.graph.edges().len();
    for max_edges in [1, 50, 400] {
        let report = crawl(&network, with_edges(max_edges)).await;
        assert_eq!(report.graph.edges().len(), max_edges);
        assert_eq!(report.graph.n_left_out() as usize, whole - max_edges);
    }
    let limits = Limits { max_peers: n(20), concurrency: n(3), ..with_edges(100_000) };
    let report = crawl(&network, limits).await;
    assert_eq!(report.graph.n_left_out(), 0, "whoever is displaced isn't left out");
    assert_eq!(report.graph.ages_secs().unwrap().len(), report.graph.edges().len());
}

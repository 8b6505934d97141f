//! Who named whom, as the report tells it.

use std::collections::BTreeSet;

use super::*;
use crate::memory::{Behaviour, random_edges};

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

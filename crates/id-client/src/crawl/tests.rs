//! Crawls of networks in memory.

mod again;
mod bounds;
mod edges;
mod fair;
mod judged;
mod order;
mod past;
mod schedules;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    num::NonZeroUsize,
};

use iroh::EndpointAddr;

use crate::{
    CrawlReport, CrawledPeer, Crawler, Depth, Limits, PeerStatus, Summary, memory::MemoryNetwork,
};

/// Who knows whom, by number.
type Edges = Vec<(usize, usize)>;

fn depth(max_depth: Depth) -> Limits {
    Limits { max_depth, ..Limits::default() }
}

fn unlimited() -> Limits {
    depth(Depth::Unlimited)
}

fn n(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

fn crawler(network: &MemoryNetwork, seeds: &[usize], limits: Limits) -> Crawler {
    let seeds: Vec<EndpointAddr> = seeds.iter().map(|i| network.addr(*i)).collect();
    Crawler::with_transport(network.clone()).seeds(seeds).limits(limits)
}

/// Crawls from peer 0.
async fn crawl(network: &MemoryNetwork, limits: Limits) -> CrawlReport {
    let report = crawler(network, &[0], limits).start().run().await;
    assert_adds_up(&report);
    report
}

fn assert_adds_up(report: &CrawlReport) {
    let Summary { known, asked, answered, failed, not_asked } = report.summary();
    assert_eq!(known, report.peers.len());
    assert_eq!(known, asked + not_asked);
    assert_eq!(asked, answered + failed);
    assert!(known <= report.limits.max_peers.get());
}

/// The numbers of the peers that `wanted` picks.
fn numbers(
    network: &MemoryNetwork,
    report: &CrawlReport,
    wanted: impl Fn(&CrawledPeer) -> bool,
) -> BTreeSet<usize> {
    let peers = report.peers.iter().filter(|peer| wanted(peer));
    peers.map(|peer| network.index_of(&peer.node_id).expect("a peer of the network")).collect()
}

fn known(network: &MemoryNetwork, report: &CrawlReport) -> BTreeSet<usize> {
    numbers(network, report, |_| true)
}

fn asked(network: &MemoryNetwork, report: &CrawlReport) -> BTreeSet<usize> {
    numbers(network, report, |peer| peer.status != PeerStatus::NotAsked)
}

fn depths(network: &MemoryNetwork, report: &CrawlReport) -> BTreeMap<usize, u32> {
    let number = |peer: &CrawledPeer| network.index_of(&peer.node_id).unwrap();
    report.peers.iter().map(|peer| (number(peer), peer.depth)).collect()
}

fn peer<'a>(network: &MemoryNetwork, report: &'a CrawlReport, i: usize) -> &'a CrawledPeer {
    report.peers.iter().find(|peer| peer.node_id == network.id(i)).expect("the peer is known")
}

/// The reference: a textbook breadth-first search that asks within `max_depth`, where only those
/// who answer name anybody.
fn reference_depths(
    edges: &[(usize, usize)],
    seeds: &[usize],
    max_depth: Depth,
    answers: impl Fn(usize) -> bool,
) -> BTreeMap<usize, u32> {
    let mut depths: BTreeMap<usize, u32> = seeds.iter().map(|seed| (*seed, 0)).collect();
    let mut queue: VecDeque<usize> = seeds.iter().copied().collect();
    while let Some(from) = queue.pop_front() {
        let depth = depths[&from];
        if !max_depth.includes(depth) || !answers(from) {
            continue;
        }
        for (_, to) in edges.iter().filter(|(who, _)| *who == from) {
            depths.entry(*to).or_insert_with(|| {
                queue.push_back(*to);
                depth + 1
            });
        }
    }
    depths
}

//! Tests code that crawls, without a network: peers in memory, with the faults one wants.
//!
//! `cargo run -p id-client --features test-util --example offline_test`

use id_client::{
    CrawlReport, Crawler, Depth, Limits, RejectReason, Transport,
    iroh::EndpointAddr,
    memory::{Behaviour, Lie, MemoryNetwork},
};

/// The code under test: it takes any transport, and so does its test.
async fn crawl_all(transport: impl Transport, seed: EndpointAddr) -> CrawlReport {
    let limits = Limits { max_depth: Depth::Unlimited, ..Limits::default() };
    Crawler::with_transport(transport).seeds([seed]).limits(limits).start().run().await
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Ten peers in a ring; one refuses, so that nobody behind it is found, and one lies.
    let network = MemoryNetwork::ring(10).with(6, Behaviour::Refuses).with_lie(2, Lie::FutureDated);

    let report = crawl_all(network.clone(), network.addr(0)).await;

    let summary = report.summary();
    assert_eq!((summary.known, summary.answered, summary.failed), (7, 6, 1));
    let liar = report.peers.iter().find(|peer| peer.node_id == network.id(2));
    assert_eq!(liar.map(|peer| peer.rejected[&RejectReason::FutureDated]), Some(1));
    println!("{summary:?}");
}

//! A crawl through endpoints that take turns.

mod server;

use std::{
    collections::BTreeSet,
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use id_client::{
    Crawler, Depth, Endpoints, Limits, PeerStatus,
    id_proto::{Network, Source},
    iroh::Endpoint,
};
use server::{Server, bind};

const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();

/// A line of servers, each of which knows the next.
async fn line(n: usize) -> Vec<Server> {
    let mut servers = Vec::new();
    for _ in 0..n {
        servers.push(Server::honest(Network::public()).await);
    }
    let entries: Vec<_> = servers.iter().map(|server| server.entry(Source::Gossip)).collect();
    for (one, next) in servers.iter_mut().zip(entries.into_iter().skip(1)) {
        one.learn(next);
    }
    servers
}

/// How many of a line answer a crawl through `endpoints`.
async fn n_answers(endpoints: &Arc<Endpoints>, servers: &[Server]) -> usize {
    let limits = Limits {
        max_depth: Depth::Unlimited,
        timeout: Duration::from_secs(60),
        ..Limits::default()
    };
    let crawler = Crawler::in_turns(endpoints.clone()).seeds([servers[0].addr()]).limits(limits);
    let report = crawler.start().run().await;
    report.peers.iter().filter(|peer| peer.status == PeerStatus::Answered).count()
}

#[tokio::test]
async fn each_endpoint_asks_its_share_and_those_that_were_bound_are_closed() {
    let servers = line(7).await;
    let bound = Arc::new(Mutex::new(Vec::<Endpoint>::new()));
    let first = bind(None).await;
    let keep = bound.clone();
    let endpoints = Endpoints::new(first.clone(), move || {
        let bound = keep.clone();
        async move {
            let endpoint = bind(None).await;
            bound.lock().unwrap().push(endpoint.clone());
            Ok(endpoint)
        }
    });
    let endpoints = Arc::new(endpoints.with_max_dialled(TWO));

    assert_eq!(n_answers(&endpoints, &servers).await, 7);
    endpoints.close().await;

    let bound = bound.lock().unwrap().clone();
    assert_eq!(bound.len(), 3, "two of seven each, the first two through the caller's");
    assert!(bound.iter().all(Endpoint::is_closed));
    assert!(!first.is_closed(), "it is the caller's");
    let ids: BTreeSet<_> = bound.iter().map(Endpoint::id).collect();
    assert_eq!(ids.len(), 3);

    assert_eq!(n_answers(&endpoints, &servers).await, 7, "whoever closes them may go on");
    endpoints.close().await;
    first.close().await;
}

#[tokio::test]
async fn where_none_can_be_bound_the_endpoint_in_use_goes_on() {
    let servers = line(5).await;
    let first = bind(None).await;
    let taken = first.bound_sockets()[0];
    let endpoints = Endpoints::new(first.clone(), move || async move {
        let builder = Endpoint::builder(id_client::iroh::endpoint::presets::Minimal);
        builder.clear_ip_transports().bind_addr(taken).expect("an address").bind().await
    });
    let endpoints = Arc::new(endpoints.with_max_dialled(TWO));

    assert_eq!(n_answers(&endpoints, &servers).await, 5);
    endpoints.close().await;
    first.close().await;
}

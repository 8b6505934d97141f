//! What became of each address of a peer, over real connections.

mod server;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use id_client::{
    CrawledPeer, Crawler, DialOutcome, FailKind, FailStage, Limits, PeerStatus,
    id_proto::{MetaResponse, Network},
    iroh::{EndpointAddr, SecretKey, TransportAddr},
};
use server::{End, Script, Server, bind, page};

/// For peers that never answer.
const IMPATIENCE: Duration = Duration::from_millis(300);

/// An address where nobody is any more.
async fn nowhere() -> TransportAddr {
    let gone = bind(None).await;
    let addr = gone.addr().addrs.pop_first().expect("it was bound");
    gone.close().await;
    addr
}

/// What a crawl says of its only seed.
async fn crawled(seed: EndpointAddr) -> CrawledPeer {
    let endpoint = bind(None).await;
    let limits = Limits { connect_timeout: IMPATIENCE, max_depth: 0.into(), ..Limits::default() };
    let id = seed.id;
    let report =
        Crawler::builder(endpoint.clone()).seeds([seed]).limits(limits).start().run().await;
    endpoint.close().await;
    report.peers.into_iter().find(|peer| peer.node_id == id).expect("a seed is known")
}

fn outcomes(peer: &CrawledPeer) -> BTreeMap<TransportAddr, DialOutcome> {
    peer.dialled.iter().map(|it| (it.addr.clone(), it.outcome)).collect()
}

fn all_of(
    addrs: &BTreeSet<TransportAddr>,
    outcome: DialOutcome,
) -> BTreeMap<TransportAddr, DialOutcome> {
    addrs.iter().map(|addr| (addr.clone(), outcome)).collect()
}

#[tokio::test]
async fn address_that_carried_the_connection_is_told_apart_from_one_where_nobody_is() {
    let (server, dead) = (Server::honest(Network::public()).await, nowhere().await);
    let live = server.addr().addrs;
    let seed = EndpointAddr::from_parts(server.id(), live.iter().cloned().chain([dead.clone()]));
    let peer = crawled(seed).await;
    assert_eq!((&peer.status, peer.stage), (&PeerStatus::Answered, None));
    let mut expected = all_of(&live, DialOutcome::Carried);
    expected.insert(dead, DialOutcome::Unknown);
    assert_eq!(outcomes(&peer), expected);
    server.close().await;
}

#[tokio::test]
async fn where_nobody_answers_every_address_timed_out() {
    let addrs = BTreeSet::from([nowhere().await, nowhere().await]);
    let id = SecretKey::from_bytes(&[9; 32]).public();
    let peer = crawled(EndpointAddr::from_parts(id, addrs.clone())).await;
    assert_eq!(outcomes(&peer), all_of(&addrs, DialOutcome::Failed(FailKind::Timeout)));
    assert_eq!((peer.stage, peer.attempts), (Some(FailStage::Connect), 1));
}

#[tokio::test]
async fn connection_that_fails_gives_its_error_to_the_address() {
    let server = Server::honest(Network::public()).await;
    let (addrs, somebody_else) = (server.addr().addrs, SecretKey::from_bytes(&[9; 32]).public());
    let peer = crawled(EndpointAddr::from_parts(somebody_else, addrs.clone())).await;
    assert_eq!(outcomes(&peer), all_of(&addrs, DialOutcome::Failed(FailKind::Handshake)));
    assert_eq!(peer.stage, Some(FailStage::Connect));
    server.close().await;
}

#[tokio::test]
async fn peer_that_was_reached_and_is_lost_each_time_failed_in_its_answer() {
    let first = MetaResponse::Peers(page(3, true));
    let server = Server::scripted(Script::new([first], End::Reset)).await;
    let peer = crawled(server.addr()).await;
    let PeerStatus::Failed { kind, .. } = peer.status else { panic!("it was lost") };
    assert_eq!((kind, peer.stage), (FailKind::Lost, Some(FailStage::Query)));
    assert_eq!(outcomes(&peer), all_of(&server.addr().addrs, DialOutcome::Carried));
    assert_eq!(peer.attempts, 2);
    server.close().await;
}

#[tokio::test]
async fn address_that_was_found_elsewhere_is_told_if_it_carried_the_connection() {
    let server = Server::honest(Network::public()).await;
    let endpoint = bind(None).await;
    let known = id_client::iroh::address_lookup::memory::MemoryLookup::new();
    known.add_endpoint_info(server.addr());
    endpoint.address_lookup().expect("the endpoint is open").add(known);
    let crawl = Crawler::builder(endpoint.clone()).seeds([server.id().into()]);
    let report =
        crawl.limits(Limits { max_depth: 0.into(), ..Limits::default() }).start().run().await;
    endpoint.close().await;
    assert_eq!(outcomes(&report.peers[0]), all_of(&server.addr().addrs, DialOutcome::Carried));
    server.close().await;
}

#[test]
fn outcomes_have_the_words_of_the_errors_and_two_of_their_own() {
    assert_eq!(DialOutcome::Forbidden.as_str(), "forbidden_address");
    assert_eq!(DialOutcome::Failed(FailKind::Refused).as_str(), "refused");
    assert_eq!(DialOutcome::Carried.as_str(), "carried");
    assert_eq!(DialOutcome::Unknown.as_str(), "unknown");
}

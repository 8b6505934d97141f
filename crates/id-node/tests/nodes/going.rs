//! How nodes go, and who stays.

use std::time::{Duration, Instant};

use id_node::{
    Node, NodeConfig,
    id_client::id_proto::{Network, Source, iroh_base::PublicKey},
    membership::RemovalReason,
};
use tokio::time::timeout;

use crate::{
    lab::{FAST, FAST_STALE, Lab, all_know_all, entry, fast, knows, lab, until},
    member::Member,
};

/// Nobody is stale before two minutes have passed, so it is the goodbye that works here.
#[tokio::test]
async fn a_node_that_shuts_down_is_dropped_by_everybody_because_it_said_so() {
    lab(async |lab| {
        let mut nodes = lab.settled(5).await;
        let leaver = nodes.pop().unwrap();
        let (id, endpoint) = (leaver.id(), leaver.endpoint().clone());
        let started = Instant::now();
        leaver.shutdown().await;
        println!("shut down in {:?}", started.elapsed());
        assert!(endpoint.is_closed());
        for node in &nodes {
            let view = until(node, "the node has left", |view| !knows(view, id)).await;
            assert_eq!(view.stats.removed(RemovalReason::Left), 1);
            assert_eq!(view.entries.len(), 3);
        }
        println!("left every table {:?} after it was told to", started.elapsed());
    })
    .await;
}

#[tokio::test]
async fn a_node_that_is_alone_shuts_down_too() {
    lab(async |lab| {
        let node = lab.slow(&[]).await;
        let endpoint = node.endpoint().clone();
        node.shutdown().await;
        assert!(endpoint.is_closed());
    })
    .await;
}

#[tokio::test]
async fn a_node_that_vanishes_stays_until_it_is_stale_and_then_goes() {
    lab(async |lab| {
        let a = lab.fast(&[]).await;
        let b = lab.fast(&[&a]).await;
        let vanishing = lab.fast(&[&a, &b]).await;
        let id = vanishing.id();
        let nodes = [a, b, vanishing];
        all_know_all(&nodes).await;
        let [a, b, vanishing] = nodes;
        vanish(vanishing).await;
        futures::join!(check_goes_when_stale(&a, id), check_goes_when_stale(&b, id));
    })
    .await;
}

/// No goodbye: the task is gone before the endpoint is.
async fn vanish(node: Node) {
    let endpoint = node.endpoint().clone();
    drop(node);
    endpoint.close().await;
}

async fn check_goes_when_stale(node: &Node, peer: PublicKey) {
    let mut heard = last_heard(node, peer).expect("not gone at once");
    let mut views = node.watch();
    let view = loop {
        // What was still on its way when the peer vanished counts too.
        heard = last_heard(node, peer).unwrap_or(heard);
        let view = views.borrow_and_update().clone();
        if !knows(&view, peer) {
            break view;
        }
        crate::lab::awaited("the peer is gone", views.changed()).await.unwrap();
    };
    println!("gone {:?} after it was last heard", heard.elapsed());
    assert!(heard.elapsed() >= FAST_STALE, "gone {:?} after it was heard", heard.elapsed());
    assert_eq!(view.stats.removed(RemovalReason::ProbeFailed), 1);
    assert_eq!(view.stats.removed(RemovalReason::Left), 0);
}

fn last_heard(node: &Node, peer: PublicKey) -> Option<Instant> {
    let entries = node.entries().into_iter();
    let entry = entries.into_iter().find(|entry| entry.announcement.node_id == peer)?;
    Instant::now().checked_sub(entry.age)
}

#[tokio::test]
async fn a_peer_that_is_silent_but_answers_stays_until_it_answers_no_more() {
    lab(async |lab| {
        let network = Network::public();
        // Another neighbour, so that the node isn't isolated when the silent one goes.
        let (node, _other) = pair(lab).await;
        let silent = Member::join(lab, network, &node).await;
        silent.announce(&silent.sign(silent.announcement())).await;
        until(&node, "the peer is known", |view| knows(view, silent.id())).await;

        // Each probe is caused by four seconds of silence.
        let view = until(&node, "it was probed twice", |view| {
            assert!(view.stats.probes_answered == 0 || knows(view, silent.id()));
            view.stats.probes_answered >= 2
        })
        .await;
        let entry = entry(&view, silent.id()).expect("it stays");
        assert!(entry.verified.is_some());
        assert_eq!(entry.source, Source::Gossip);
        assert_eq!(view.stats.probes_failed, 0);

        silent.stop_answering();
        let view = until(&node, "it is gone", |view| !knows(view, silent.id())).await;
        assert_eq!(view.stats.removed(RemovalReason::ProbeFailed), 1);
    })
    .await;
}

async fn pair(lab: &Lab) -> (Node, Node) {
    let a = lab.fast(&[]).await;
    let b = lab.fast(&[&a]).await;
    let nodes = [a, b];
    all_know_all(&nodes).await;
    let [a, b] = nodes;
    (a, b)
}

/// The peer that goes would fail a probe at once; only there is none.
#[tokio::test]
async fn an_isolated_node_expires_nobody() {
    lab(async |lab| {
        let network = Network::public();
        let node = lab.fast(&[]).await;
        let peer = Member::join(lab, network, &node).await;
        peer.announce(&peer.sign(peer.announcement())).await;
        until(&node, "the peer is known", |view| knows(view, peer.id())).await;
        peer.stop_answering();
        peer.leave_gossip().await;
        until(&node, "isolated", |view| view.isolated).await;

        let two_sweeps = FAST * 4;
        let margin = Duration::from_secs(1);
        let gone = node.watch();
        let gone = timeout(FAST_STALE + two_sweeps + margin, async {
            gone.clone().wait_for(|view| !knows(view, peer.id())).await.map(|_| ())
        });
        gone.await.expect_err("it stays");
        assert_eq!(node.view().stats.probes_failed, 0);
        assert!(node.view().isolated);
    })
    .await;
}

#[tokio::test]
async fn a_node_without_gossip_is_never_isolated() {
    lab(async |lab| {
        let config = NodeConfig { gossip: false, ..fast(Network::public()) };
        let node = lab.node(config).await;
        assert!(!node.view().isolated);
        node.shutdown().await;
    })
    .await;
}

//! Whom an operator denies finds nothing at the node, and nobody is told of them.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt;
use id_node::{
    AccessList, Node, NodeConfig, ReloadEnd,
    id_client::{
        Client, FailKind,
        id_proto::{Network, Source, iroh_base::PublicKey, version::META_ALPN},
    },
    iroh::{SecretKey, endpoint::ConnectionError},
    membership::{Refusal, RemovalReason, View},
};

use crate::lab::{Lab, addr, awaited, known_ids, knows, lab, through, until};

fn deny<const N: usize>(peers: [PublicKey; N]) -> AccessList {
    AccessList { deny: BTreeSet::from(peers), ..AccessList::default() }
}

fn allow<const N: usize>(peers: [PublicKey; N]) -> AccessList {
    AccessList { allow: Some(BTreeSet::from(peers)), ..AccessList::default() }
}

fn with_access(access: AccessList, mut config: NodeConfig) -> NodeConfig {
    config.membership.access = access;
    config
}

fn public() -> NodeConfig {
    NodeConfig::new(Network::public())
}

/// Everybody whom a node names to somebody who asks it for all that it tells.
async fn named_by(lab: &Lab, node: &Node) -> BTreeSet<PublicKey> {
    let client = Client::new(lab.endpoint().await);
    let listed: Vec<_> = client.list_peers(addr(node)).try_collect().await.unwrap();
    let tellers = listed.iter().filter_map(|entry| match entry.source {
        Source::Told(by) => Some(by),
        _ => None,
    });
    let ids = listed.iter().map(|entry| entry.announcement.node_id);
    let status = client.status(addr(node)).await.unwrap();
    let introducers = status.channels.iter().filter_map(|(name, _)| {
        name.strip_prefix("introducer ").map(|id| id.parse().expect("an id"))
    });
    ids.chain(tellers).chain(status.neighbours.clone()).chain(introducers).collect()
}

async fn counters(lab: &Lab, node: &Node) -> BTreeMap<String, u64> {
    let status = Client::new(lab.endpoint().await).status(addr(node)).await.unwrap();
    status.counters.into_iter().collect()
}

fn has_neighbour(view: &View, peer: PublicKey) -> bool {
    view.neighbours.contains(&peer)
}

#[tokio::test]
async fn a_node_that_is_denied_while_it_is_a_neighbour_is_gone_and_stays_out() {
    lab(async |lab| {
        let nodes = lab.settled(3).await;
        let [node, good, bad] = &nodes[..] else { unreachable!() };
        until(node, "it is a neighbour", |view| has_neighbour(view, bad.id())).await;
        node.set_access(deny([bad.id()])).await;

        let view = node.view();
        assert!(!knows(&view, bad.id()) && !has_neighbour(&view, bad.id()));
        assert!(knows(&view, good.id()), "the others stay");
        assert_eq!(view.stats.removed(RemovalReason::Denied), 1);
        until(bad, "its connection is closed", |view| !has_neighbour(view, node.id())).await;
        assert!(!named_by(lab, node).await.contains(&bad.id()));

        // The other neighbour hears of it, and passes it on.
        bad.set_name(Some("still here".to_owned())).await.unwrap();
        let view =
            until(node, "what it says is refused", |view| view.stats.refused(Refusal::Denied) > 0);
        assert_eq!(known_ids(&*view.await), [good.id()]);
        assert!(knows(&good.view(), bad.id()) && knows(&bad.view(), node.id()), "the list is ours");

        node.set_access(AccessList::default()).await;
        until(node, "it may be known again", |view| knows(view, bad.id())).await;
    })
    .await;
}

#[tokio::test]
async fn a_denied_caller_gets_no_answer_and_its_open_connection_is_closed() {
    lab(async |lab| {
        let node = lab.slow(&[]).await;
        let [bad, good] = [lab.endpoint().await, lab.endpoint().await];
        let open = bad.connect(addr(&node), META_ALPN).await.unwrap();
        let other = good.connect(addr(&node), META_ALPN).await.unwrap();
        assert!(Client::new(bad.clone()).whoami(addr(&node)).await.is_ok());
        node.set_access(deny([bad.id()])).await;

        let closed = awaited("it is closed", open.closed()).await;
        let ConnectionError::ApplicationClosed(close) = &closed else { panic!("{closed}") };
        assert_eq!(&*close.reason, b"not admitted");
        assert!(other.close_reason().is_none(), "the other one isn't");

        let client = Client::new(bad);
        let error = client.whoami(addr(&node)).await.unwrap_err();
        assert_eq!(error.kind, FailKind::Refused, "{error}");
        let error = client.list_peers(addr(&node)).try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!(error.kind, FailKind::Refused, "{error}");
        assert!(Client::new(good).whoami(addr(&node)).await.is_ok());
        let counters = counters(lab, &node).await;
        assert_eq!((counters["access_denied"], counters["access_refused"]), (1, 2));
    })
    .await;
}

#[tokio::test]
async fn a_denied_node_that_dials_gossip_never_becomes_a_neighbour() {
    lab(async |lab| {
        let key = SecretKey::generate();
        let node = lab.node(with_access(deny([key.public()]), public())).await;
        let bad = lab.endpoint_of(key).await;
        let bad = Node::spawn(bad, through(&[&node], public())).await.unwrap();
        awaited("it has tried", async {
            while counters(lab, &node).await["gossip_refused"] == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await;
        let view = node.view();
        assert!(view.isolated && view.entries.is_empty());
        assert!(bad.view().neighbours.is_empty());
    })
    .await;
}

#[tokio::test]
async fn with_an_allow_list_only_those_on_it_are_known_however_they_are_met() {
    lab(async |lab| {
        let friend = lab.slow(&[]).await;
        let stranger = lab.slow(&[&friend]).await;
        let node = lab.node(with_access(allow([friend.id()]), through(&[&friend], public()))).await;
        until(&friend, "all meet", |view| knows(view, node.id()) && knows(view, stranger.id()))
            .await;
        until(&node, "it knows its friend", |view| knows(view, friend.id())).await;
        // The friend's table names the stranger.
        let refused = |view: &View| view.stats.refused(Refusal::Denied) > 0;
        let view = until(&node, "it was told of the stranger", refused).await;
        assert_eq!(known_ids(&view), [friend.id()]);
        assert_eq!(view.neighbours, [friend.id()]);
        let error = Client::new(stranger.endpoint().clone()).whoami(addr(&node)).await.unwrap_err();
        assert_eq!(error.kind, FailKind::Refused, "{error}");
        let client = Client::new(friend.endpoint().clone());
        assert!(client.whoami(addr(&node)).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn status_says_how_many_are_on_each_list_and_how_the_last_reload_went() {
    lab(async |lab| {
        let node = lab.slow(&[]).await;
        let said = async || {
            let status = Client::new(lab.endpoint().await).status(addr(&node)).await.unwrap();
            let access = status.channels.into_iter().find(|(name, _)| name == "access");
            access.expect("it is there").1
        };
        assert_eq!(said().await, "everybody");
        node.set_access(deny([lab.endpoint().await.id()])).await;
        assert_eq!(said().await, "everybody but 1");
        node.note_reload(ReloadEnd::Applied);
        assert!(said().await.starts_with("everybody but 1; reloaded "));
        node.note_reload(ReloadEnd::Failed);
        assert!(said().await.contains("everybody but 1; a reload failed "));
    })
    .await;
}

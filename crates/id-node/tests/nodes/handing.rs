//! What operators hand to a node.

use futures::TryStreamExt;
use id_node::{
    AccessList, Node, NodeConfig,
    id_client::{
        Client, FailKind,
        id_proto::{DiscoverReport, Network, SignedAnnouncement, Source},
    },
    iroh::Endpoint,
};

use crate::lab::{Lab, addr, awaited, knows, lab, until};

async fn with_operator(lab: &Lab, operator: &Endpoint) -> Node {
    let mut config = NodeConfig::new(Network::public());
    config.membership.access.operators.insert(operator.id());
    lab.node(config).await
}

/// What comes of a handover that fits into one request.
async fn hand(
    by: &Endpoint,
    to: &Node,
    announcements: Vec<SignedAnnouncement>,
) -> Result<DiscoverReport, FailKind> {
    let session = Client::new(by.clone()).connect(addr(to)).await.unwrap();
    let reports = session.discover(announcements).try_collect::<Vec<_>>().await;
    let reports = reports.map_err(|error| error.kind)?;
    let [report] = <[_; 1]>::try_from(reports).expect("one request");
    Ok(report)
}

#[tokio::test]
async fn a_node_without_neighbours_is_taught_a_network_and_joins_it() {
    lab(async |lab| {
        let network = lab.settled(3).await;
        let operator = lab.endpoint().await;
        let fresh = with_operator(lab, &operator).await;
        assert!(fresh.view().isolated);
        let found: Vec<_> = network.iter().map(|node| node.view().own.clone()).collect();
        let report = hand(&operator, &fresh, found.clone()).await.unwrap();
        assert_eq!((report.n_new, report.refused.len()), (3, 0));
        assert!(network.iter().all(|node| knows(&fresh.view(), node.id())), "at once");

        until(&fresh, "it has joined", |view| !view.isolated).await;
        until(&network[0], "the others know it", |view| knows(view, fresh.id())).await;
        until(&fresh, "they answered its own dials", |view| view.n_unverified == 0).await;
        let again = hand(&operator, &fresh, found).await.unwrap();
        assert_eq!((again.n_new, again.n_known), (0, 3));
    })
    .await;
}

/// Nobody is there, so that nothing but the operator's word is ever known of it.
#[tokio::test]
async fn others_are_told_on_whose_word_a_peer_is_known() {
    lab(async |lab| {
        let operator = lab.endpoint().await;
        let (node, gone) = (with_operator(lab, &operator).await, lab.slow(&[]).await);
        let said = gone.view().own.clone();
        gone.endpoint().close().await;
        assert_eq!(hand(&operator, &node, vec![said.clone()]).await.unwrap().n_new, 1);
        let client = Client::new(lab.endpoint().await);
        let listed: Vec<_> = client.list_peers(addr(&node)).try_collect().await.unwrap();
        assert_eq!(listed.len(), 2);
        assert_eq!(listed[1].announcement, said);
        assert_eq!(listed[1].source, Source::Told(operator.id()));
        assert_eq!(listed[1].verified_age, None);
    })
    .await;
}

#[tokio::test]
async fn whoever_is_no_operator_hands_over_nothing_until_it_is_named_and_after_it_isnt() {
    lab(async |lab| {
        let (node, other) = (lab.slow(&[]).await, lab.slow(&[]).await);
        let operator = lab.endpoint().await;
        let found = || vec![other.view().own.clone()];
        assert_eq!(hand(&operator, &node, found()).await, Err(FailKind::NotOperator));
        assert!(!knows(&node.view(), other.id()));

        let named = AccessList { operators: [operator.id()].into(), ..AccessList::default() };
        node.set_access(named).await;
        assert_eq!(hand(&operator, &node, found()).await.unwrap().n_new, 1);
        until(&node, "it is listed", |view| knows(view, other.id())).await;
        node.set_access(AccessList::default()).await;
        assert_eq!(hand(&operator, &node, found()).await, Err(FailKind::NotOperator));
    })
    .await;
}

#[tokio::test]
async fn what_the_gate_refuses_is_refused_by_its_reason_beside_what_is_good() {
    lab(async |lab| {
        let operator = lab.endpoint().await;
        let (node, other) = (with_operator(lab, &operator).await, lab.slow(&[]).await);
        let elsewhere = lab.node(NodeConfig::new(Network::derive("a", "b").unwrap())).await;
        let found = [&elsewhere, &other, &node].map(|node| node.view().own.clone());
        let report = hand(&operator, &node, found.to_vec()).await.unwrap();
        assert_eq!((report.n_new, report.total()), (1, Some(3)));
        let reasons: Vec<_> = report.refused.iter().map(|(word, n)| (word.as_str(), *n)).collect();
        assert_eq!(reasons, [("refused_other_network", 1), ("refused_own_id", 1)]);
        let view = until(&node, "the good one is listed", |view| knows(view, other.id())).await;
        assert_eq!(view.entries.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_node_that_shuts_down_under_a_handover_ends_it() {
    lab(async |lab| {
        let operator = lab.endpoint().await;
        let (node, other) = (with_operator(lab, &operator).await, lab.slow(&[]).await);
        let session = Client::new(operator).connect(addr(&node)).await.unwrap();
        // More than is ever through: it ends because the node does.
        let endless = std::iter::repeat_n(other.view().own.clone(), 1_000_000);
        let mut reports = Box::pin(session.discover(endless));
        assert!(reports.try_next().await.unwrap().is_some());
        let rest = async {
            while reports.try_next().await?.is_some() {}
            Ok::<_, id_node::id_client::AskError>(())
        };
        let (ended, ()) =
            awaited("both end", async { futures::join!(rest, node.shutdown()) }).await;
        assert!(ended.is_err(), "{ended:?}");
    })
    .await;
}

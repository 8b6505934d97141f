//! What nodes answer, and to whom.

use futures::TryStreamExt;
use id_node::{
    NodeConfig,
    id_client::{
        Client, FailKind,
        id_proto::{Network, Source},
    },
};

use crate::lab::{addr, fast, ids, lab, private, through, until};

#[tokio::test]
async fn a_nodes_own_entry_comes_first() {
    lab(async |lab| {
        let nodes = lab.settled(4).await;
        let client = Client::new(lab.endpoint().await);
        for node in &nodes {
            let entries: Vec<_> = client.list_peers(addr(node)).try_collect().await.unwrap();
            assert_eq!(entries[0].announcement.node_id, node.id());
            assert_eq!(entries[0].source, Source::Own);
            let mut known: Vec<_> =
                entries.iter().map(|entry| entry.announcement.node_id).collect();
            known.sort();
            assert_eq!(known, ids(&nodes));
            assert!(entries[1..].iter().all(|entry| entry.source != Source::Own));
        }
    })
    .await;
}

#[tokio::test]
async fn a_node_says_who_it_is_and_how_it_is_doing() {
    lab(async |lab| {
        let nodes = lab.settled(3).await;
        let client = Client::new(lab.endpoint().await);
        let whoami = client.whoami(addr(&nodes[0])).await.unwrap();
        assert_eq!(whoami.protocol_versions, [1, 2, 3, 4]);
        let about = whoami.about.unwrap();
        assert_eq!((about.node_id, about.table_size), (nodes[0].id(), 2));
        assert_eq!(about.features, ["gossip"]);
        assert!(about.agent.starts_with("id-node/"));
        assert_eq!(about.announcement, nodes[0].view().own);

        let status = client.status(addr(&nodes[0])).await.unwrap();
        assert_eq!(status.table_size, 2);
        assert!(!status.isolated);
        assert_eq!(status.neighbours, nodes[0].view().neighbours);
        let counters: std::collections::BTreeMap<_, _> = status.counters.into_iter().collect();
        assert!(counters["believed"] >= 2);
        assert_eq!(counters["refused_bad_signature"], 0);
    })
    .await;
}

#[tokio::test]
async fn an_outsider_learns_the_versions_and_nothing_else() {
    lab(async |lab| {
        let ours = private("apples");
        let node = lab.node(fast(ours.clone())).await;
        let endpoint = lab.endpoint().await;
        for outside in [Network::public(), private("pears")] {
            let client = Client::new(endpoint.clone()).with_network(outside);
            let whoami = client.whoami(addr(&node)).await.unwrap();
            assert_eq!(whoami.protocol_versions, [1, 2, 3, 4]);
            assert!(whoami.about.is_none());
            let error = client.status(addr(&node)).await.unwrap_err();
            assert_eq!(error.kind, FailKind::NotMember);
            let listed = client.list_peers(addr(&node)).try_collect::<Vec<_>>().await;
            assert_eq!(listed.unwrap_err().kind, FailKind::NotMember);
        }

        let member = Client::new(endpoint).with_network(ours);
        assert!(member.whoami(addr(&node)).await.unwrap().about.is_some());
        member.status(addr(&node)).await.unwrap();
        let listed: Vec<_> = member.list_peers(addr(&node)).try_collect().await.unwrap();
        assert_eq!(listed.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_node_without_gossip_answers_and_is_in_nobodys_table() {
    lab(async |lab| {
        let nodes = lab.settled(2).await;
        let config = NodeConfig { gossip: false, ..NodeConfig::new(Network::public()) };
        let mute = lab.node(through(&[&nodes[0]], config)).await;
        let client = Client::new(lab.endpoint().await);
        let listed: Vec<_> = client.list_peers(addr(&mute)).try_collect().await.unwrap();
        let listed: Vec<_> = listed.iter().map(|entry| entry.announcement.node_id).collect();
        assert_eq!(listed, [mute.id()]);
        let about = client.whoami(addr(&mute)).await.unwrap().about.unwrap();
        assert!(about.features.is_empty());
        let status = client.status(addr(&mute)).await.unwrap();
        assert!(!status.isolated);
        assert!(status.channels.contains(&("gossip".to_owned(), "disabled".to_owned())));
        for node in &nodes {
            assert_eq!(node.view().entries.len(), 1);
        }
    })
    .await;
}

#[tokio::test]
async fn an_observer_answers_nothing() {
    lab(async |lab| {
        let nodes = lab.settled(2).await;
        let observer = NodeConfig::observer(Network::public());
        let observer = lab.node(through(&[&nodes[0]], observer)).await;
        until(&observer, "everybody", |view| view.entries.len() == 2).await;
        let client = Client::new(lab.endpoint().await);
        let error = client.whoami(addr(&observer)).await.unwrap_err();
        assert_eq!(error.kind, FailKind::Refused, "{error}");
    })
    .await;
}

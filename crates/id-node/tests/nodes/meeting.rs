//! How nodes find each other, and what they learn of each other.

use std::{sync::Arc, time::Instant};

use id_node::{
    Node, NodeConfig,
    data_dir::DataDir,
    id_client::id_proto::{Network, Source, Statement},
    membership::RemovalReason,
};

use crate::lab::{all_know_all, entry, fast, ids, known_ids, knows, lab, private, through, until};

#[tokio::test]
async fn nodes_find_each_other_through_one_of_them() {
    lab(async |lab| {
        let nodes = lab.settled(5).await;
        for node in &nodes {
            let others = nodes.iter().filter(|other| other.id() != node.id());
            assert_eq!(known_ids(&node.view()), ids(others));
            assert!(!node.view().isolated);
        }
    })
    .await;
}

#[tokio::test]
async fn a_node_that_starts_before_its_bootstrap_peer_finds_it_later() {
    lab(async |lab| {
        let late = lab.endpoint().await;
        let config =
            NodeConfig { bootstrap: vec![late.addr()], ..NodeConfig::new(Network::public()) };
        let early = lab.node(config).await;
        assert!(early.view().isolated);
        let late = Node::spawn(late, NodeConfig::new(Network::public())).await.unwrap();
        all_know_all(&[early, late]).await;
    })
    .await;
}

/// The nodes announce every 30 s. So whom the joiner isn't a neighbour of, it knows by sync alone.
#[tokio::test]
async fn a_joiner_soon_holds_a_settled_networks_whole_table() {
    lab(async |lab| {
        let nodes = lab.settled(12).await;
        let joiner = lab.slow(&[&nodes[7]]).await;
        until(&joiner, "a neighbour", |view| !view.neighbours.is_empty()).await;
        let started = Instant::now();
        let view = until(&joiner, "the whole table", |view| view.entries.len() == 12).await;
        println!("whole table {:?} after the first neighbour", started.elapsed());
        assert_eq!(known_ids(&view), ids(&nodes));
        assert!(view.stats.syncs >= 1);
        let told = view.entries.iter().filter(|entry| matches!(entry.source, Source::Told(_)));
        assert!(told.count() >= 1, "{view:#?}");
    })
    .await;
}

/// Long before the next regular announcement.
#[tokio::test]
async fn a_change_of_name_or_blob_count_reaches_everybody() {
    lab(async |lab| {
        let nodes = lab.settled(3).await;
        let changing = nodes[0].id();
        nodes[0].set_name(Some("käse".to_owned())).await.unwrap();
        nodes[0].set_blob_count(7).await;
        for node in &nodes[1..] {
            until(node, "the new name and count", |view| {
                entry(view, changing).is_some_and(|entry| {
                    let said = entry.announcement.statement();
                    said.name.as_deref() == Some("käse") && said.blob_count == 7
                })
            })
            .await;
        }
        assert_eq!(nodes[0].view().own.name.as_deref(), Some("käse"));
    })
    .await;
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_and_the_old_one_stays() {
    lab(async |lab| {
        let config =
            NodeConfig { name: Some("good".to_owned()), ..NodeConfig::new(Network::public()) };
        let node = lab.node(config).await;
        node.set_name(Some("\u{1b}[2J".to_owned())).await.unwrap_err();
        node.set_name(Some("x".repeat(65))).await.unwrap_err();
        assert_eq!(node.view().own.name.as_deref(), Some("good"));
        let config = NodeConfig { name: Some(String::new()), ..NodeConfig::new(Network::public()) };
        Node::spawn(lab.endpoint().await, config).await.unwrap_err();
    })
    .await;
}

#[tokio::test]
async fn an_observer_sees_everybody_and_is_seen_by_nobody() {
    lab(async |lab| {
        let nodes = lab.settled(3).await;
        let observer = NodeConfig { name: None, ..NodeConfig::observer(Network::public()) };
        let observer = lab.node(through(&[&nodes[0]], observer)).await;
        let view = until(&observer, "everybody", |view| view.entries.len() == 3).await;
        assert_eq!(known_ids(&view), ids(&nodes));

        // Its goodbye isn't heard either: whoever heard one would remember its sequence number,
        // and a change that comes after it shows that all before it has been delivered.
        let id = observer.id();
        observer.shutdown().await;
        nodes[0].set_blob_count(1).await;
        for node in &nodes[1..] {
            until(node, "the change", |view| {
                entry(view, nodes[0].id()).is_some_and(|entry| entry.announcement.blob_count == 1)
            })
            .await;
        }
        for node in &nodes {
            assert!(!knows(&node.view(), id));
            assert_eq!(node.view().entries.len(), 2);
            assert_eq!(node.view().stats.removed(RemovalReason::Left), 0);
        }
    })
    .await;
}

#[tokio::test]
async fn networks_with_different_secrets_do_not_see_each_other() {
    lab(async |lab| {
        let (ours, theirs) = (private("apples"), private("pears"));
        let a = lab.node(fast(ours.clone())).await;
        let b = lab.node(through(&[&a], fast(theirs.clone()))).await;
        let a2 = lab.node(through(&[&a, &b], fast(ours))).await;
        let b2 = lab.node(through(&[&a, &b, &a2], fast(theirs))).await;
        let (a_s, b_s) = ([a, a2], [b, b2]);
        all_know_all(&a_s).await;
        all_know_all(&b_s).await;
        for node in a_s.iter().chain(&b_s) {
            assert_eq!(node.view().entries.len(), 1);
            assert_eq!(node.view().neighbours, known_ids(&node.view()));
        }
    })
    .await;
}

#[tokio::test]
async fn a_restarted_node_keeps_its_id_and_finds_its_network_by_itself() {
    lab(async |lab| {
        let (home, nodes) = (tempfile::tempdir().unwrap(), lab.settled(3).await);
        let start = async |bootstrap: &[&Node]| {
            let dir = Arc::new(DataDir::open(home.path()).unwrap());
            let endpoint = lab.endpoint_of(dir.identity().unwrap()).await;
            let config = NodeConfig { data_dir: Some(dir), ..NodeConfig::new(Network::public()) };
            Node::spawn(endpoint, through(bootstrap, config)).await.unwrap()
        };
        let first = start(&[&nodes[0]]).await;
        let id = first.id();
        for node in &nodes {
            until(node, "the node is known", |view| knows(view, id)).await;
            until(&first, "the others are known", |view| knows(view, node.id())).await;
        }
        let last_seq = first.view().own.seq();
        first.shutdown().await;
        for node in &nodes {
            until(node, "the node has left", |view| !knows(view, id)).await;
        }

        let started = Instant::now();
        let second = start(&[]).await;
        assert_eq!(second.id(), id);
        assert!(second.view().own.seq() > last_seq);
        for node in &nodes {
            until(&second, "the others are known again", |view| knows(view, node.id())).await;
            until(node, "the node is known again", |view| knows(view, id)).await;
        }
        println!("everybody knows everybody {:?} after the restart", started.elapsed());
    })
    .await;
}

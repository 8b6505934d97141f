//! Real nodes, in the process of the test.
#![allow(dead_code, reason = "no test program needs all of it")]

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use id_node::{
    AccessList, BlobStore, Node, NodeConfig,
    data_dir::{DataDir, RuntimeFile},
    endpoint::{self, EndpointOptions},
};
use id_proto::Network;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::support::{self, Ended, id_cli};

/// How long nodes may take to know each other. They take well under a second.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Nodes that know each other; the first is the one that runs on "this machine".
pub(crate) struct Nodes {
    pub(crate) nodes: Vec<Node>,
    pub(crate) home: TempDir,
    // Held for its lock, by which id-cli knows that a node runs there.
    pub(crate) data_dir: DataDir,
}

impl Nodes {
    pub(crate) async fn start(n_nodes: usize, network: &Network) -> Self {
        Self::start_as(n_nodes, || NodeConfig::new(network.clone())).await
    }

    /// Nodes that keep blobs, as long as they run.
    pub(crate) async fn keepers(n_nodes: usize) -> Self {
        let config =
            || NodeConfig { blobs: Some(BlobStore::Memory), ..NodeConfig::new(Network::public()) };
        Self::start_as(n_nodes, config).await
    }

    async fn start_as(n_nodes: usize, config: impl Fn() -> NodeConfig) -> Self {
        let mut nodes: Vec<Node> = Vec::new();
        for index in 0..n_nodes {
            let bootstrap = nodes.first().map(|first| first.endpoint().addr());
            let config = NodeConfig {
                name: Some(format!("node {index}")),
                bootstrap: bootstrap.into_iter().collect(),
                ..config()
            };
            nodes.push(spawn(config).await);
        }
        let home = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(home.path().join("share/id-node")).unwrap();
        data_dir.write_runtime_file(&runtime_file(&nodes[0])).unwrap();
        let nodes = Self { nodes, home, data_dir };
        timeout(LIMIT, nodes.agreed()).await.expect("the nodes never came to know each other");
        nodes
    }

    /// Makes who can read the data directory the operator of its node, as `id-node` does.
    pub(crate) async fn with_operator_key(&self) {
        let key = self.data_dir.make_operator_key().unwrap().public();
        let access =
            AccessList { own: [key].into(), operators: [key].into(), ..AccessList::default() };
        self.nodes[0].set_access(access).await;
    }

    async fn agreed(&self) {
        let n_others = self.nodes.len() - 1;
        while self.nodes.iter().any(|node| node.view().entries.len() < n_others) {
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Runs `id-cli`; the nodes' tasks go on meanwhile, on the runtime's other threads.
    pub(crate) fn id_cli(&self, args: &[&str]) -> Ended {
        let mut command = id_cli(self.home.path(), args);
        command.env("ID_CLI_RELAY", "disabled");
        support::run(command)
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let ended = self.id_cli(&[&["peers", "--json"], args].concat());
        serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {}", ended.err))
    }

    pub(crate) fn ids(&self) -> BTreeSet<String> {
        self.nodes.iter().map(|node| node.id().to_string()).collect()
    }

    pub(crate) async fn stop(self) {
        for node in self.nodes {
            node.shutdown().await;
        }
    }
}

pub(crate) async fn spawn(config: NodeConfig) -> Node {
    let bind = Some((Ipv4Addr::LOCALHOST, 0).into());
    let endpoint = endpoint::bind(EndpointOptions { bind, ..EndpointOptions::default() });
    Node::spawn(endpoint.await.unwrap(), config).await.unwrap()
}

fn runtime_file(node: &Node) -> RuntimeFile {
    RuntimeFile {
        node_id: node.id(),
        addrs: node.endpoint().bound_sockets(),
        pid: std::process::id(),
        topic: node.network().topic().to_owned(),
        network_tag: node.network().tag().to_string(),
        http: None,
    }
}

//! Where the nodes of a test live, and how a test waits for them.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{FutureExt, future::join_all};
use id_node::{
    Node, NodeConfig,
    endpoint::{self, EndpointOptions, Relay},
    id_client::id_proto::{Network, iroh_base::PublicKey},
    iroh::{Endpoint, EndpointAddr, SecretKey},
    membership::{Entry, View},
};
use tokio::time::timeout;

/// Long enough for anything on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);
/// How often nodes announce that shall become stale soon.
pub(crate) const FAST: Duration = Duration::from_secs(1);
/// When such nodes are stale.
pub(crate) const FAST_STALE: Duration = Duration::from_secs(4);

/// The endpoints of one test.
#[derive(Debug, Default)]
pub(crate) struct Lab {
    endpoints: Mutex<Vec<Endpoint>>,
}

/// Runs a test, and closes every endpoint that it opened, also if it fails.
pub(crate) async fn lab(test: impl AsyncFnOnce(&Lab)) {
    let lab = Lab::default();
    let outcome = AssertUnwindSafe(test(&lab)).catch_unwind().await;
    let endpoints = std::mem::take(&mut *lab.endpoints.lock().unwrap());
    join_all(endpoints.iter().map(Endpoint::close)).await;
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

impl Lab {
    /// An endpoint on loopback that talks to no third party.
    pub(crate) async fn endpoint(&self) -> Endpoint {
        self.endpoint_of(SecretKey::generate()).await
    }

    pub(crate) async fn endpoint_of(&self, key: SecretKey) -> Endpoint {
        self.bind(EndpointOptions { secret_key: Some(key), ..Default::default() }).await
    }

    async fn bind(&self, options: EndpointOptions) -> Endpoint {
        let options = EndpointOptions {
            bind: Some("127.0.0.1:0".parse().unwrap()),
            relay: Relay::Disabled,
            ..options
        };
        let endpoint = endpoint::bind(options).await.unwrap();
        self.owns(&endpoint);
        endpoint
    }

    /// Closes `endpoint` at the end of the test.
    pub(crate) fn owns(&self, endpoint: &Endpoint) {
        self.endpoints.lock().unwrap().push(endpoint.clone());
    }

    pub(crate) async fn node(&self, config: NodeConfig) -> Node {
        Node::spawn(self.endpoint().await, config).await.unwrap()
    }

    /// A member of the public network that announces seldom and joins through `bootstrap`.
    pub(crate) async fn slow(&self, bootstrap: &[&Node]) -> Node {
        self.node(through(bootstrap, NodeConfig::new(Network::public()))).await
    }

    /// A member of the public network that is stale after [`FAST_STALE`].
    pub(crate) async fn fast(&self, bootstrap: &[&Node]) -> Node {
        self.node(through(bootstrap, fast(Network::public()))).await
    }

    /// `n` of [`Lab::slow`], each of whom knows each other.
    pub(crate) async fn settled(&self, n: usize) -> Vec<Node> {
        let mut nodes = vec![self.slow(&[]).await];
        for _ in 1..n {
            nodes.push(self.slow(&[&nodes[0]]).await);
        }
        all_know_all(&nodes).await;
        nodes
    }
}

/// The configuration of a member of `network` that is stale after [`FAST_STALE`].
pub(crate) fn fast(network: Network) -> NodeConfig {
    let mut config = NodeConfig::new(network);
    config.membership.announce_interval = FAST;
    config
}

pub(crate) fn through(bootstrap: &[&Node], config: NodeConfig) -> NodeConfig {
    NodeConfig { bootstrap: bootstrap.iter().map(|node| addr(node)).collect(), ..config }
}

pub(crate) fn private(secret: &str) -> Network {
    Network::derive("orchard", secret).unwrap()
}

pub(crate) fn addr(node: &Node) -> EndpointAddr {
    node.endpoint().addr()
}

/// The view in which `wanted` holds, once it does.
pub(crate) async fn until(node: &Node, what: &str, wanted: impl Fn(&View) -> bool) -> Arc<View> {
    let mut views = node.watch();
    match timeout(PATIENCE, views.wait_for(|view| wanted(view))).await {
        Ok(view) => view.expect("the node runs").clone(),
        Err(_) => panic!("{what}: not after {PATIENCE:?}; {:#?}", node.view()),
    }
}

/// Waits for what goes on outside a view.
pub(crate) async fn awaited<T>(what: &str, event: impl Future<Output = T>) -> T {
    timeout(PATIENCE, event).await.unwrap_or_else(|_| panic!("{what}: not after {PATIENCE:?}"))
}

pub(crate) async fn all_know_all(nodes: &[Node]) {
    for node in nodes {
        for other in nodes.iter().filter(|other| other.id() != node.id()) {
            until(node, "a peer is known", |view| knows(view, other.id())).await;
        }
    }
}

pub(crate) fn knows(view: &View, peer: PublicKey) -> bool {
    entry(view, peer).is_some()
}

pub(crate) fn entry(view: &View, peer: PublicKey) -> Option<&Entry> {
    view.entries.iter().find(|entry| entry.node_id() == peer).map(|entry| &**entry)
}

/// The ids of `nodes`, in the order of a table.
pub(crate) fn ids<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> Vec<PublicKey> {
    let mut ids: Vec<_> = nodes.into_iter().map(Node::id).collect();
    ids.sort();
    ids
}

pub(crate) fn known_ids(view: &View) -> Vec<PublicKey> {
    view.entries.iter().map(|entry| entry.node_id()).collect()
}

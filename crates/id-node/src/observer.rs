//! Watching a network in silence: who is there, by gossip alone.

use std::time::Duration;

use id_proto::{PeerEntry, SignedAnnouncement, Source};
use iroh::Endpoint;
use tokio::time::timeout;

use crate::{
    config::{NodeConfig, Role},
    node::{Node, NodeError},
};

/// How long nothing may change before a table counts as settled. Origin: a sync takes less, and so
/// does an announcement through a network of a thousand nodes.
const QUIET: Duration = Duration::from_secs(1);

/// Joins a topic, announces nothing and answers nothing; what it hears passes a node's own gate.
#[derive(Debug)]
pub struct Observer {
    node: Node,
}

impl Observer {
    /// Starts to join the topic of the network that `config` names, by the ways that it names, such as
    /// [`NodeConfig::observer`] with peers to join through. It observes, whatever the role there.
    ///
    /// # Errors
    ///
    /// As [`Node::spawn`]; not if nobody can be reached.
    pub async fn join(endpoint: Endpoint, config: NodeConfig) -> Result<Self, NodeError> {
        let config = NodeConfig { role: Role::Observer, ..config };
        Ok(Self { node: Node::spawn(endpoint, config).await? })
    }

    /// Waits until somebody is known and nobody new has come for a second. For ever, if nobody is
    /// there: the deadline is the caller's. Cancel safe.
    pub async fn settled(&self) {
        let mut views = self.node.watch();
        let mut n_known = 0;
        loop {
            let more = views.wait_for(|view| view.entries.len() > n_known);
            match timeout(QUIET, more).await {
                Ok(Ok(view)) => n_known = view.entries.len(),
                Err(_) if n_known > 0 => return,
                Err(_) => {}
                // The node is gone: there will be no more news.
                Ok(Err(_)) => return,
            }
        }
    }

    /// Who is known by now, each by the signed original.
    pub fn entries(&self) -> Vec<PeerEntry<SignedAnnouncement>> {
        let entries = self.node.entries().into_iter();
        entries.filter(|entry| entry.source != Source::Own).collect()
    }

    /// How many neighbours it has in the topic.
    pub fn n_neighbours(&self) -> usize {
        self.node.view().neighbours.len()
    }

    /// Leaves the topic and closes the endpoint. Not cancel safe, as [`Node::shutdown`].
    pub async fn leave(self) {
        self.node.shutdown().await;
    }
}

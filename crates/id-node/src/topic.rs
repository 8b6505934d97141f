//! The gossip topic: bytes in, bytes out, and whom to join.
//!
//! iroh-gossip stops sending for ever, without an error, when a message is too long, and can block
//! whoever talks to it. So every message is measured before it is handed over, a task of our own
//! does the talking, with a time-out for each word, and nothing ever waits for that task. And a
//! neighbour that takes nothing stops all of it, so another task watches (`watchdog` decides), cuts
//! such a neighbour off, and starts gossip anew if that doesn't help.

mod connections;
mod guests;
mod keeper;
mod neighbours;
pub(crate) mod rejoin;
mod watchdog;

use std::{sync::Arc, time::Duration};

pub use connections::GossipConnections;
use id_proto::{Network, iroh_base::PublicKey, limits::MAX_GOSSIP_LEN};
use iroh::Endpoint;
use iroh_gossip::api::{ApiError, Event, GossipSender};
pub(crate) use keeper::GossipHandler;
use keeper::{Current, Keeper, Setup, Swarm};
use neighbours::Neighbours;
pub(crate) use rejoin::Rejoin;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

/// How long iroh-gossip may take to accept a command. Origin: a healthy one takes microseconds.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long iroh-gossip may take to stop. Origin: what a person waits after Ctrl-C.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
/// Most commands that wait for iroh-gossip. Origin: a guess; more than a few mean that it hangs.
const MAX_COMMANDS: usize = 64;

/// Most events that wait for whoever listens. Origin: gossip queues 2048 more by itself, and then says
/// that it lost some.
const MAX_EVENTS: usize = 64;

/// Sends to the topic. What it sends may get lost: gossip is a best effort.
#[derive(Debug)]
pub(crate) struct Topic {
    swarm: Arc<watch::Sender<Option<Swarm>>>,
    connections: GossipConnections,
    joiner: Joiner,
    _talking: AbortOnDropHandle<()>,
    keeping: AbortOnDropHandle<()>,
}

/// What happens in the topic, also across a new start of gossip. Ends with the topic.
pub(crate) type Events = mpsc::Receiver<Event>;

/// Makes neighbours. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Joiner {
    commands: mpsc::Sender<Command>,
}

#[derive(Debug)]
enum Command {
    Broadcast(Vec<u8>),
    Join(Vec<PublicKey>),
    Flush(oneshot::Sender<()>),
}

impl Topic {
    /// Subscribes to the topic of `network`, and joins it through `bootstrap` in the background.
    pub(crate) async fn join(
        endpoint: Endpoint,
        connections: GossipConnections,
        network: &Network,
        bootstrap: Vec<PublicKey>,
    ) -> Result<(Self, Events), ApiError> {
        let (event_sender, events) = mpsc::channel(MAX_EVENTS);
        let neighbours = Arc::new(Neighbours::default());
        let setup = Setup {
            endpoint,
            topic: network.gossip_topic().into(),
            connections: connections.clone(),
            neighbours: neighbours.clone(),
            events: event_sender,
        };
        let (swarm, receiver) = setup.start(bootstrap).await?;
        let listening = setup.listen(Vec::new(), receiver);
        let swarm = Arc::new(watch::Sender::new(Some(swarm)));
        let (commands, queue) = mpsc::channel(MAX_COMMANDS);
        let talking = tokio::spawn(talk(swarm.subscribe(), neighbours, connections.clone(), queue));
        let keeper =
            Keeper { setup, swarm: swarm.clone(), listening, n_dials_before: 0, rebuilt_at: None };
        let keeping = tokio::spawn(keeper.run());
        let topic = Self {
            swarm,
            connections,
            joiner: Joiner { commands },
            _talking: AbortOnDropHandle::new(talking),
            keeping: AbortOnDropHandle::new(keeping),
        };
        Ok((topic, events))
    }

    /// What hands accepted connections to gossip.
    pub(crate) fn handler(&self) -> GossipHandler {
        let (swarm, connections) = (self.swarm.subscribe(), self.connections.clone());
        GossipHandler { swarm, connections }
    }

    /// Sends a message to everyone in the topic, some time soon.
    pub(crate) fn broadcast(&self, message: Vec<u8>) {
        if message.len() > MAX_GOSSIP_LEN {
            return warn!(len = message.len(), "a message is too long for gossip, not sent");
        }
        self.joiner.command(Command::Broadcast(message));
    }

    /// What makes neighbours in this topic.
    pub(crate) fn joiner(&self) -> &Joiner {
        &self.joiner
    }

    /// Waits until iroh-gossip has accepted everything that was sent before, within the time-out.
    pub(crate) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        self.joiner.command(Command::Flush(done));
        let _ = timeout(SHUTDOWN_TIMEOUT, flushed).await;
    }

    /// Leaves the topic and stops gossip, within the time-out.
    pub(crate) async fn shutdown(self) {
        // Nobody shall start it anew.
        drop(self.keeping);
        let Some(swarm) = self.swarm.send_replace(None) else { return };
        match timeout(SHUTDOWN_TIMEOUT, swarm.gossip.shutdown()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "gossip didn't stop well"),
            Err(_) => warn!("gossip doesn't stop, given up"),
        }
    }
}

impl Joiner {
    /// Tries to make neighbours of `peers`, some time soon.
    pub(crate) fn join_peers(&self, peers: Vec<PublicKey>) {
        self.command(Command::Join(peers));
    }

    fn command(&self, command: Command) {
        if let Err(error) = self.commands.try_send(command) {
            warn!(%error, "gossip doesn't keep up, a command is lost");
        }
    }
}

async fn talk(
    swarm: Current,
    neighbours: Arc<Neighbours>,
    connections: GossipConnections,
    mut queue: mpsc::Receiver<Command>,
) {
    while let Some(command) = queue.recv().await {
        let sender = swarm.borrow().as_ref().map(|swarm| swarm.sender.clone());
        let said = match (command, sender) {
            (Command::Flush(done), _) => {
                let _ = done.send(());
                continue;
            }
            (_, None) => return,
            (Command::Broadcast(message), Some(sender)) => {
                neighbours.say();
                timeout(COMMAND_TIMEOUT, broadcast(sender, message)).await
            }
            (Command::Join(peers), Some(sender)) => {
                connections.note_join();
                timeout(COMMAND_TIMEOUT, sender.join_peers(peers)).await
            }
        };
        match said {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "gossip refused a command"),
            Err(_) => warn!("gossip hangs, a command is lost"),
        }
    }
}

async fn broadcast(sender: GossipSender, message: Vec<u8>) -> Result<(), ApiError> {
    sender.broadcast(message.into()).await
}

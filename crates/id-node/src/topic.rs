//! The gossip topic: bytes in, bytes out, and whom to join.
//!
//! iroh-gossip stops sending for ever, without an error, when a message is too long, and can block
//! whoever talks to it. So every message is measured before it is handed over, a task of our own
//! does the talking, with a time-out for each word, and nothing ever waits for that task.

pub(crate) mod rejoin;

use std::time::Duration;

use id_proto::{Network, iroh_base::PublicKey, limits::MAX_GOSSIP_LEN};
use iroh_gossip::{
    api::{ApiError, GossipReceiver, GossipSender},
    net::Gossip,
};
pub(crate) use rejoin::Rejoin;
use tokio::{
    sync::{mpsc, oneshot},
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

/// Sends to the topic. What it sends may get lost: gossip is a best effort.
#[derive(Debug)]
pub(crate) struct Topic {
    gossip: Gossip,
    joiner: Joiner,
    _talking: AbortOnDropHandle<()>,
}

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
        gossip: Gossip,
        network: &Network,
        bootstrap: Vec<PublicKey>,
    ) -> Result<(Self, GossipReceiver), ApiError> {
        let topic = gossip.subscribe(network.gossip_topic().into(), bootstrap).await?;
        let (sender, receiver) = topic.split();
        let (commands, queue) = mpsc::channel(MAX_COMMANDS);
        let talking = AbortOnDropHandle::new(tokio::spawn(talk(sender, queue)));
        Ok((Self { gossip, joiner: Joiner { commands }, _talking: talking }, receiver))
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
        match timeout(SHUTDOWN_TIMEOUT, self.gossip.shutdown()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "gossip didn't stop well"),
            Err(_) => warn!("gossip doesn't stop, left to its fate"),
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

async fn talk(sender: GossipSender, mut queue: mpsc::Receiver<Command>) {
    while let Some(command) = queue.recv().await {
        let said = match command {
            Command::Broadcast(message) => {
                timeout(COMMAND_TIMEOUT, sender.broadcast(message.into())).await
            }
            Command::Join(peers) => timeout(COMMAND_TIMEOUT, sender.join_peers(peers)).await,
            Command::Flush(done) => {
                let _ = done.send(());
                continue;
            }
        };
        match said {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "gossip refused a command"),
            Err(_) => warn!("gossip hangs, a command is lost"),
        }
    }
}

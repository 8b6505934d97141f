//! The gossip topic: bytes in, bytes out, and whom to join.
//!
//! It is iroh-gossip's protocol, by iroh-gossip's own state machine, but with network code of ours. That
//! of iroh-gossip 0.101 waits for each neighbour, so that one that takes nothing stops it for ever and
//! for everybody; it reads frames that it can't write again, and then silently sends no more; and it
//! dials whoever is named, wherever they are said to be. Ours (`swarm`) waits for nobody, lets nothing
//! in that can't be sent on (`wire`), cuts off whoever takes nothing (`link`), keeps offenders out for a
//! while (`guests`), rations what strangers say (`ration`), and dials where our policy allows it (`places`).

mod counts;
mod guests;
mod link;
mod links;
mod places;
mod ration;
pub(crate) mod rejoin;
mod swarm;
mod wire;

use std::time::Duration;

pub(crate) use counts::GossipCounts;
use id_client::AddressPolicy;
use id_proto::{Network, iroh_base::PublicKey, limits::MAX_GOSSIP_LEN};
use iroh::{
    Endpoint,
    endpoint::Connection,
    protocol::{AcceptError, ProtocolHandler},
};
use iroh_gossip::api::Event;
pub(crate) use rejoin::Rejoin;
use swarm::{Channels, Command, Surroundings, Swarm};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use crate::{access::Access, address_book::AddressBook, config::AnnounceAddrs, routes::Routes};

/// How long gossip may take to take a connection. Origin: it takes microseconds.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long what was sent before may take to be on its way. Origin: a node shall be gone a second and a half after it
/// was told to, whoever hangs; this, the next and the endpoint's closing share that.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(250);
/// How long gossip may take to stop. Origin: a goodbye takes a round trip, which is a third of a second to the
/// other end of the world.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(350);
/// Most commands that wait for gossip. Origin: a guess; more than a few mean that it hangs.
const MAX_COMMANDS: usize = 64;
/// Most accepted connections that wait for gossip. Origin: [`MAX_COMMANDS`].
const MAX_ACCEPTED: usize = 64;
/// Most events that are handed over ahead of whoever listens. Origin: gossip queues more by itself, and
/// then says that it lost some.
const MAX_EVENTS: usize = 64;

/// Sends to the topic. What it sends may get lost: gossip is a best effort.
#[derive(Debug)]
pub(crate) struct Topic {
    joiner: Joiner,
    accepted: mpsc::Sender<Connection>,
    running: AbortOnDropHandle<()>,
}

/// What a topic is joined with.
#[derive(Debug)]
pub(crate) struct TopicOptions<'a> {
    pub(crate) network: &'a Network,
    /// Which addresses that others name may be dialled, besides those in our own places.
    pub(crate) policy: watch::Receiver<AddressPolicy>,
    /// Which of our own addresses others are told.
    pub(crate) announce_addrs: AnnounceAddrs,
    pub(crate) counts: GossipCounts,
    pub(crate) routes: Routes,
    /// Who is in the table.
    pub(crate) book: AddressBook,
    /// Whom to talk to at all.
    pub(crate) access: Access,
}

/// What happens in the topic. Ends with the topic.
pub(crate) type Events = mpsc::Receiver<Event>;

/// Makes neighbours. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Joiner {
    commands: mpsc::Sender<Command>,
}

impl Topic {
    /// Subscribes to the topic of a network, and joins it through `bootstrap` in the background.
    pub(crate) fn join(
        endpoint: Endpoint,
        options: TopicOptions<'_>,
        bootstrap: Vec<PublicKey>,
    ) -> (Self, Events) {
        let (commands, command_queue) = mpsc::channel(MAX_COMMANDS);
        let (accepted, accepted_queue) = mpsc::channel(MAX_ACCEPTED);
        let (event_sender, events) = mpsc::channel(MAX_EVENTS);
        let TopicOptions { network, policy, announce_addrs, counts, routes, book, access } =
            options;
        let around = Surroundings {
            endpoint,
            topic: network.gossip_topic().into(),
            policy,
            announce_addrs,
            private: network.is_private(),
            counts,
            routes,
            book,
            access,
        };
        let channels =
            Channels { commands: command_queue, accepted: accepted_queue, events: event_sender };
        let (swarm, heard) = Swarm::new(around);
        let running = AbortOnDropHandle::new(tokio::spawn(swarm.run(heard, channels)));
        let joiner = Joiner { commands };
        joiner.join_peers(bootstrap);
        (Self { joiner, accepted, running }, events)
    }

    /// What hands accepted connections to gossip.
    pub(crate) fn handler(&self) -> GossipHandler {
        GossipHandler { accepted: self.accepted.clone() }
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

    /// Waits until everything that was sent before is on its way, within the time-out.
    pub(crate) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        self.joiner.command(Command::Flush(done));
        let _ = timeout(FLUSH_TIMEOUT, flushed).await;
    }

    /// Leaves the topic and stops gossip, within the time-out.
    pub(crate) async fn shutdown(self) {
        let (done, left) = oneshot::channel();
        self.joiner.command(Command::Leave(done));
        if timeout(SHUTDOWN_TIMEOUT, left).await.is_err() {
            warn!("not every neighbour takes our goodbye, leaving without");
        }
        drop(self.running);
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

/// Hands connections to gossip.
#[derive(Debug)]
pub(crate) struct GossipHandler {
    accepted: mpsc::Sender<Connection>,
}

impl ProtocolHandler for GossipHandler {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        // If gossip is gone, so is the connection.
        let _ = timeout(ACCEPT_TIMEOUT, self.accepted.send(connection)).await;
        Ok(())
    }
}

//! Keeps gossip alive: looks at it, and does what the watchdog says.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt};
use id_proto::iroh_base::PublicKey;
use iroh::{
    Endpoint,
    endpoint::Connection,
    protocol::{AcceptError, ProtocolHandler},
};
use iroh_gossip::{
    TopicId,
    api::{ApiError, Event, GossipReceiver, GossipSender},
    net::Gossip,
};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use super::{
    COMMAND_TIMEOUT, GossipConnections,
    connections::close,
    neighbours::Neighbours,
    watchdog::{Seen, Step, Watchdog},
};

/// How long gossip may take to take a connection. Origin: a healthy one takes microseconds, and one that
/// doesn't shall not be kept alive by whoever waits for it.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(1);
/// After how long a neighbour is known to behave. Origin: it was sent our announcement by then.
const PROVEN_AFTER: Duration = Duration::from_secs(30);

/// How long a new start is given before another one. Origin: it takes a stall and a half to be noticed.
const REBUILD_GAP: Duration = Duration::from_secs(2);

/// The gossip of now, and what sends to its topic. Gossip ends when nobody holds it.
#[derive(Debug, Clone)]
pub(super) struct Swarm {
    pub(super) gossip: Gossip,
    pub(super) sender: GossipSender,
}

/// Where the gossip of now is found; none when it has been stopped.
pub(super) type Current = watch::Receiver<Option<Swarm>>;

/// What gossip is started with.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) endpoint: Endpoint,
    pub(super) topic: TopicId,
    pub(super) connections: GossipConnections,
    pub(super) neighbours: Arc<Neighbours>,
    pub(super) events: mpsc::Sender<Event>,
}

impl Setup {
    /// Starts gossip and subscribes to the topic.
    pub(super) async fn start(
        &self,
        bootstrap: Vec<PublicKey>,
    ) -> Result<(Swarm, GossipReceiver), ApiError> {
        let gossip = Gossip::builder().spawn(self.endpoint.clone());
        let (sender, receiver) = gossip.subscribe(self.topic, bootstrap).await?.split();
        Ok((Swarm { gossip, sender }, receiver))
    }

    /// Passes on what happens in the topic; first, that those in `lost` are no neighbours any more.
    pub(super) fn listen(
        &self,
        lost: Vec<PublicKey>,
        mut receiver: GossipReceiver,
    ) -> AbortOnDropHandle<()> {
        let (neighbours, events) = (self.neighbours.clone(), self.events.clone());
        AbortOnDropHandle::new(tokio::spawn(async move {
            for event in lost.into_iter().map(Event::NeighborDown) {
                let _ = events.send(event).await;
            }
            while let Some(event) = receiver.next().await {
                match event {
                    Ok(event) => {
                        neighbours.note(&event);
                        let _ = events.send(event).await;
                    }
                    Err(error) => warn!(%error, "gossip has failed"),
                }
            }
        }))
    }
}

/// The task that looks after gossip.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) setup: Setup,
    pub(super) swarm: Arc<watch::Sender<Option<Swarm>>>,
    pub(super) listening: AbortOnDropHandle<()>,
    /// How often gossip had dialled when the one of now was started.
    pub(super) n_dials_before: u64,
    pub(super) rebuilt_at: Option<Instant>,
}

impl Keeper {
    pub(super) async fn run(mut self) {
        let mut watchdog = Watchdog::new(Instant::now());
        loop {
            sleep(watchdog.pause()).await;
            let now = Instant::now();
            let seen = self.see(now);
            for step in watchdog.look(&seen, now) {
                self.perform(step).await;
            }
            if self.has_forgotten_to_dial(now) {
                self.rebuild().await;
            }
            let behaved = self.setup.neighbours.older_than(PROVEN_AFTER);
            self.setup.connections.prove(behaved);
        }
    }

    /// Whether gossip has no neighbour, was told to join some, and doesn't even dial: it takes for
    /// connected whoever was disconnected before becoming a neighbour, and never dials them again.
    fn has_forgotten_to_dial(&self, now: Instant) -> bool {
        let connections = &self.setup.connections;
        let is_overdue = connections.dial_is_overdue(now);
        let n_begun = connections.n_dials() - self.n_dials_before;
        let swarm = self.swarm.borrow();
        let is_dialling = swarm
            .as_ref()
            .is_some_and(|swarm| n_begun > swarm.gossip.metrics().actor_tick_dialer.get());
        is_overdue && !is_dialling && self.setup.neighbours.are_none()
    }

    fn see(&self, now: Instant) -> Seen {
        Seen {
            beats: self.beats(),
            traffic: self.setup.connections.traffic(now),
            neighbours: self.setup.neighbours.take_owed(),
        }
    }

    /// How often gossip's actor has gone round so far. For it to do so until the next look, it is sent a
    /// command that does nothing; if there is no room for one, it has enough to do.
    fn beats(&self) -> Option<u64> {
        let swarm = self.swarm.borrow().clone()?;
        let sent = swarm.sender.join_peers(Vec::new()).now_or_never();
        let has_ended = matches!(sent, Some(Err(_)));
        (!has_ended).then(|| swarm.gossip.metrics().actor_tick_main.get())
    }

    async fn perform(&mut self, step: Step) {
        let connections = &self.setup.connections;
        match step {
            Step::CutOff(peer) => connections.close(peer),
            Step::Convict(peer) => {
                warn!(event = "neighbour_cut_off", %peer, "a neighbour stalled gossip, cut off");
                connections.convict(peer);
            }
            Step::Rejoin(peer) => {
                info!(%peer, "cut off by mistake, joining again");
                self.rejoin(peer);
            }
            Step::CutOffAll => {
                warn!("gossip stands still, cutting off every neighbour");
                connections.close_all();
            }
            Step::Rebuild => self.rebuild().await,
        }
    }

    fn rejoin(&self, peer: PublicKey) {
        let sender = self.swarm.borrow().as_ref().map(|swarm| swarm.sender.clone());
        // If there is no room for the command, gossip looks for neighbours by itself.
        let _ = sender.map(|sender| sender.join_peers(vec![peer]).now_or_never());
    }

    async fn rebuild(&mut self) {
        let is_too_soon = self.rebuilt_at.is_some_and(|at| at.elapsed() < REBUILD_GAP);
        if is_too_soon || self.setup.endpoint.is_closed() {
            return;
        }
        warn!(event = "gossip_rebuilt", "gossip stands still, starting it anew");
        self.rebuilt_at = Some(Instant::now());
        self.setup.connections.close_all();
        self.setup.connections.count_rebuilt();
        self.n_dials_before = self.setup.connections.n_dials();
        let neighbours = self.setup.neighbours.older_than(Duration::ZERO);
        let is_welcome = |peer: &PublicKey| !self.setup.connections.is_barred(peer);
        let started = self.setup.start(neighbours.into_iter().filter(is_welcome).collect());
        match timeout(COMMAND_TIMEOUT, started).await {
            Ok(Ok((swarm, receiver))) => {
                // Whoever listened to the old one shall not note a neighbour after they are forgotten.
                self.listening.abort();
                let _ = (&mut self.listening).await;
                let lost = self.setup.neighbours.take();
                self.listening = self.setup.listen(lost, receiver);
                self.swarm.send_replace(Some(swarm));
            }
            // A later look finds it as it is, and tries again.
            Ok(Err(error)) => warn!(%error, "gossip can't be started anew"),
            Err(_) => warn!("gossip can't be started anew in time"),
        }
    }
}

/// Hands connections to the gossip of now, if they may be had. Its shutdown can't hang: the router waits
/// for its handlers without a time-out, and gossip is stopped before, or given up.
#[derive(Debug)]
pub(crate) struct GossipHandler {
    pub(super) swarm: Current,
    pub(super) connections: GossipConnections,
}

impl ProtocolHandler for GossipHandler {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        let gossip = self.swarm.borrow().as_ref().map(|swarm| swarm.gossip.clone());
        let Some(gossip) = gossip.filter(|_| self.connections.admit_accepted(&connection)) else {
            close(&connection);
            return Ok(());
        };
        let handed = timeout(ACCEPT_TIMEOUT, gossip.handle_connection(connection.clone())).await;
        if !matches!(handed, Ok(Ok(()))) {
            close(&connection);
        }
        Ok(())
    }

    async fn shutdown(&self) {}
}

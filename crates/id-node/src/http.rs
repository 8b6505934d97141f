//! The HTTP server of a node: what people, probes and scrapers on this machine read of it.
//!
//! The way of a request: `connections` bounds what a client can hold, `guard` refuses what no honest one
//! sends, `router` says what answers it. Everything is made of the node's own view, at the moment of the request;
//! nothing here changes anything, asks a peer or waits for one.

mod connections;
mod documents;
mod guard;
mod health;
mod metrics;
mod page;
mod router;

use std::{fmt, io, net::SocketAddr, str::FromStr, sync::Arc, time::Duration};

use iroh::Endpoint;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{actor::Command, membership::MembershipConfig, routes::Routes, service::Answerer};
pub use guard::{HostNames, ParseHostError};

/// How long the actor may take for a turn until it isn't taken for alive any more. Origin: it takes them within
/// milliseconds; this is longer than a machine that swaps makes it wait.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether and where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Off,
    /// There only.
    At(SocketAddr),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "off" => Ok(Self::Off),
            addr => addr.parse().map(Self::At).map_err(|_| {
                format!(
                    "`{addr}`: an address with a port, such as 127.0.0.1:8080, or off is expected"
                )
            }),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(addr) => addr.fmt(f),
        }
    }
}

/// A server that runs until it is shut down or dropped.
#[derive(Debug)]
pub struct HttpServer {
    addr: SocketAddr,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl HttpServer {
    pub(crate) fn start(
        listener: TcpListener,
        names: HostNames,
        node: Arc<Served>,
    ) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let stop = CancellationToken::new();
        let router = router::router(node, names);
        let serving = connections::serve(listener, router, stop.clone());
        Ok(Self { addr, stop, task: AbortOnDropHandle::new(tokio::spawn(serving)) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes no more connections, and lets those that are open finish what they have begun, for a moment.
    /// Not cancel safe: what is open is then closed at once.
    pub async fn shutdown(self) {
        self.stop.cancel();
        // It ends by itself, and has panicked if it doesn't.
        let _ = self.task.await;
    }
}

/// What answers are made of.
#[derive(Debug)]
pub(crate) struct Served {
    answerer: Arc<Answerer>,
    endpoint: Endpoint,
    routes: Routes,
    commands: mpsc::Sender<Command>,
    bounds: Bounds,
    room: documents::Room,
}

/// The bounds of the table and its dials.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    max_entries: usize,
    max_probes: usize,
}

impl Served {
    pub(crate) fn new(
        answerer: Arc<Answerer>,
        endpoint: Endpoint,
        routes: Routes,
        commands: mpsc::Sender<Command>,
        membership: &MembershipConfig,
    ) -> Self {
        let bounds =
            Bounds { max_entries: membership.max_entries, max_probes: membership.max_probes };
        Self { answerer, endpoint, routes, commands, bounds, room: documents::Room::default() }
    }

    /// Whether the task that decides everything still takes turns.
    async fn is_alive(&self) -> bool {
        let (done, taken) = oneshot::channel();
        let turn =
            async { self.commands.send(Command::Turn(done)).await.is_ok() && taken.await.is_ok() };
        timeout(TURN_TIMEOUT, turn).await.unwrap_or(false)
    }
}

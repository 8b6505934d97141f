//! Asking one peer.

pub(crate) mod answer;
mod failure;
pub(crate) mod names;
mod session;

use std::time::{Duration, Instant};

use futures::{
    FutureExt, Stream, StreamExt, TryFutureExt, TryStreamExt,
    stream::{self, BoxStream},
};
use id_proto::{
    BlobKey, NamedBlob, Network, NetworkTag, PeerEntry, PeersPage, SignedAnnouncement,
    StatusReport, version::META_ALPN,
};
use iroh::{Endpoint, EndpointAddr};
use tracing::debug;

pub use session::{Session, Whoami};

use crate::{
    checking::Checker,
    clock,
    crawl::RejectReason,
    entry::{Gate, VerifiedEntry},
    error::{AskError, FailKind},
    transport::{Reply, Route, Transport},
};

/// Most entries that are taken of one answer.
///
/// Origin: twice the 65,536 that a node's table holds by default.
pub const MAX_ENTRIES: u32 = 1 << 17;

/// How long a peer may take to answer, unless the caller says otherwise.
///
/// Origin: the protocol's probe time-out; a live peer answers within two round trips.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks peers, one connection to each. Cheap to clone.
///
/// The endpoint is the caller's: it is neither bound nor closed here. Every future and stream owns
/// what it needs (`Send + 'static`), starts when it is first polled, and takes its question back
/// when it is dropped.
#[derive(Debug, Clone)]
pub struct Client {
    endpoint: Endpoint,
    network: Network,
    timeout: Duration,
}

/// A peer's sign of life.
#[derive(Debug, Clone)]
pub struct Pong {
    /// Who answered.
    pub whoami: Whoami,
    /// What carried the packets, and the round trip as QUIC measured it.
    pub route: Route,
    /// From the dial to the answer.
    pub elapsed: Duration,
}

impl Client {
    /// A client in the public network.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, network: Network::public(), timeout: DEFAULT_TIMEOUT }
    }

    /// Speaks as a member of `network`, and believes only announcements for it.
    pub fn with_network(self, network: Network) -> Self {
        Self { network, ..self }
    }

    /// How long a question may take, from the dial to the end of the answer; of a listing, the dial
    /// and every page. Default: 10 s.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Dials `peer`, for more than one question.
    pub fn connect(
        &self,
        peer: EndpointAddr,
    ) -> impl Future<Output = Result<Session, AskError>> + Send + 'static + use<> {
        within(self.timeout, self.clone().dial(peer))
    }

    /// Asks `peer` who it is.
    pub fn whoami(
        &self,
        peer: EndpointAddr,
    ) -> impl Future<Output = Result<Whoami, AskError>> + Send + 'static + use<> {
        let dial = self.clone().dial(peer);
        within(self.timeout, async { dial.await?.whoami().await })
    }

    /// Asks `peer` how it is doing.
    pub fn status(
        &self,
        peer: EndpointAddr,
    ) -> impl Future<Output = Result<StatusReport, AskError>> + Send + 'static + use<> {
        let dial = self.clone().dial(peer);
        within(self.timeout, async { dial.await?.status().await })
    }

    /// Finds out whether `peer` is there and how it is reached.
    pub fn ping(
        &self,
        peer: EndpointAddr,
    ) -> impl Future<Output = Result<Pong, AskError>> + Send + 'static + use<> {
        let dial = self.clone().dial(peer);
        within(self.timeout, async {
            let started = Instant::now();
            let session = dial.await?;
            let whoami = session.whoami().await?;
            Ok(Pong { whoami, route: session.route(), elapsed: started.elapsed() })
        })
    }

    /// Asks `peer` for its table: its own entry and those of the peers that it knows, at most
    /// [`MAX_ENTRIES`].
    ///
    /// Every announcement has been checked by [`RejectReason`]'s list. Entries that fail are left
    /// out, and said so in the log, at debug level. Pages are checked on the runtime's blocking threads,
    /// as many at a time as there are cores. The stream ends with the answer or the first
    /// error; what came before an error is good.
    pub fn list_peers(
        &self,
        peer: EndpointAddr,
    ) -> impl Stream<Item = Result<PeerEntry<SignedAnnouncement>, AskError>> + Send + 'static + use<>
    {
        let network_tag = self.network.tag();
        let session = self.connect(peer);
        let pages = async move { Ok(session.await?.list_peers(MAX_ENTRIES)) };
        let checker = Checker::new();
        let n_threads = checker.n_threads();
        let check = move |page| checker.clone().run(move || believed(&page, network_tag)).map(Ok);
        let believed = pages.try_flatten_stream().map_ok(check).try_buffered(n_threads);
        believed.map_ok(|entries| stream::iter(entries).map(Ok)).try_flatten()
    }

    /// Asks `peer` for the blob that `key` calls; see [`Session::get_name`].
    pub fn get_name(
        &self,
        peer: EndpointAddr,
        key: &BlobKey,
    ) -> impl Future<Output = Result<NamedBlob, AskError>> + Send + 'static + use<> {
        let (dial, key) = (self.clone().dial(peer), key.clone());
        within(self.timeout, async move { dial.await?.get_name(&key).await })
    }

    async fn dial(self, peer: EndpointAddr) -> Result<Session, AskError> {
        let proof = self.network.prove(&self.endpoint.id(), &peer.id);
        let connection = self.endpoint.connect(peer, META_ALPN).await;
        let connection = connection.map_err(|error| failure::of_connect(&error))?;
        Session::new(connection, proof, self.network.tag(), self.timeout)
    }
}

/// The crawl's way to ask. Deadlines are the crawl's, on top of the client's own for each page.
impl Transport for Client {
    fn list_peers(
        &self,
        peer: EndpointAddr,
        max_entries: u32,
    ) -> BoxStream<'static, Result<Reply, AskError>> {
        let session = self.connect(peer);
        let replies = async move {
            let session = session.await?;
            let reached = [Reply::Connected(session.route()), Reply::Paths(session.paths())];
            let pages = session.list_peers(max_entries).map_ok(Reply::Page);
            Ok(stream::iter(reached).map(Ok).chain(pages))
        };
        replies.try_flatten_stream().boxed()
    }
}

/// The entries of `page` that pass every check.
fn believed(page: &PeersPage, network_tag: NetworkTag) -> Vec<VerifiedEntry> {
    let gate = Gate { network_tag, now_unix_secs: clock::unix_secs() };
    page.items().filter_map(|item| gate.check_all(item).map_err(log_rejected).ok()).collect()
}

fn log_rejected(reason: RejectReason) {
    debug!(reason = reason.as_str(), "an entry of an answer isn't believed");
}

/// The outcome of `answer`, or a time-out.
async fn within<T>(
    timeout: Duration,
    answer: impl Future<Output = Result<T, AskError>>,
) -> Result<T, AskError> {
    let timed_out = |_| AskError::new(FailKind::Timeout, format_args!("no answer in {timeout:?}"));
    tokio::time::timeout(timeout, answer).map(|outcome| outcome.map_err(timed_out)).await?
}

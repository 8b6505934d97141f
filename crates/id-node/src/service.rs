//! Answers queries: the RPC over irpc, behind a reader that a stranger can't exhaust.
//!
//! irpc's own reader allocates what the caller claims, and ends the connection at the first request
//! that it doesn't know. Ours reads a bounded frame and answers what it can't decode with an error;
//! from there on the request is irpc's.

pub(crate) mod busy;
pub(crate) mod callers;
pub(crate) mod handshakes;
#[cfg(any(test, feature = "test-util"))]
pub(crate) mod made_up;
#[cfg(feature = "blobs")]
mod names;

use std::{
    fmt, io,
    sync::Arc,
    time::{Duration, Instant},
};

use busy::Busy;
pub(crate) use busy::BusyCounts;
use callers::{Callers, Limits, host_of};
use handshakes::Handshakes;

use id_client::frame::{FrameError, read_frame};
use id_proto::{
    About, DecodeError, DiscoverRequest, ErrorCode, ExplainRequest, ListPeersRequest,
    MembershipProof, MetaMessage, MetaRequest, MetaResponse, Network, PeerEntry, PeersPage, Source,
    StatusReport, WhoamiResponse, iroh_base::PublicKey, limits::MAX_REQUEST_LEN,
    version::ProtocolVersion,
};
use iroh::{
    endpoint::{Accepting, Connection, Incoming, RecvStream, SendStream},
    protocol::{AcceptError, IncomingFilter, IncomingFilterOutcome, ProtocolHandler},
};
use irpc::{
    channel::{SendError, mpsc, oneshot},
    rpc::RemoteService,
};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};
use tracing::debug;

#[cfg(feature = "blobs")]
use crate::blobs::{Blobs, Passes};
use crate::{
    access::Access, bootstrap::Reports, clock::Clock, handover::Handover, membership::View,
    reload::Reloads, topic::GossipCounts,
};

/// Most requests of one connection that are under way. Origin: protocol.md.
const MAX_REQUESTS: usize = 16;
/// With what a connection is closed that is needed no more. Origin: protocol.md.
const DONE: u32 = 0;
/// What a caller is told whom our operator denies. It needn't know which list says so.
const NOT_ADMITTED: &[u8] = b"not admitted";
/// Most streams of one connection that a caller may have open. Origin: protocol.md.
const MAX_STREAMS: u32 = 32;
/// Most bytes that a connection may hold for us to read. Origin: a longest request on each stream.
const RECEIVE_WINDOW: u32 = MAX_STREAMS * MAX_REQUEST_LEN as u32;
/// How long a caller may take to send a request. Origin: a few round trips by satellite.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a caller may take to read a page. Origin: 64 KiB at 26 kbit/s.
const PAGE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a caller may take to read a whole answer. Origin: a full table at 2 Mbit/s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// The protocol handler of `id/meta/1`.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    node: Arc<Answerer>,
    callers: Callers,
    handshakes: Handshakes,
}

/// What answers are made of.
#[derive(Debug)]
pub(crate) struct Answerer {
    pub(crate) me: PublicKey,
    pub(crate) network: Network,
    pub(crate) agent: String,
    pub(crate) features: Vec<String>,
    pub(crate) clock: Clock,
    pub(crate) view: watch::Receiver<Arc<View>>,
    pub(crate) channels: Reports,
    pub(crate) gossip: GossipCounts,
    pub(crate) access: Access,
    pub(crate) busy: BusyCounts,
    pub(crate) reloads: Reloads,
    pub(crate) handover: Handover,
    #[cfg(feature = "blobs")]
    pub(crate) blobs: Option<Blobs>,
    /// Who may ask for blobs themselves, because they asked us before.
    #[cfg(feature = "blobs")]
    pub(crate) passes: Passes,
}

impl Service {
    pub(crate) fn new(node: impl Into<Arc<Answerer>>) -> Self {
        let callers = Callers::new(Limits::default());
        Self { node: node.into(), callers, handshakes: Handshakes::default() }
    }

    /// Lets callers prove their addresses while there are many of them, and ignores most attempts
    /// whose first packet doesn't say what they want.
    pub(crate) fn incoming_filter(&self) -> IncomingFilter {
        let (callers, busy) = (self.callers.clone(), self.node.busy.clone());
        Arc::new(move |incoming| {
            let now = Instant::now();
            let in_a_rush = callers.must_prove_address(now);
            if in_a_rush && !incoming.remote_addr_validated() {
                IncomingFilterOutcome::Retry
            } else if !names_protocol(incoming) && !callers.hears_unclear(now) {
                busy.count(Busy::Unclear);
                IncomingFilterOutcome::Ignore
            } else {
                IncomingFilterOutcome::Accept
            }
        })
    }
}

/// Whether the first packet of an attempt says which protocols it speaks.
fn names_protocol(incoming: &Incoming) -> bool {
    incoming.decrypt().is_some_and(|packet| packet.alpns().is_some())
}

impl ProtocolHandler for Service {
    async fn on_accepting(&self, accepting: Accepting) -> Result<Connection, AcceptError> {
        self.handshakes.finish(accepting, &self.node.busy).await
    }

    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        let (caller, access) = (connection.remote_id(), &self.node.access);
        if !access.admits(&caller) {
            access.count_refused();
            connection.close(DONE.into(), NOT_ADMITTED);
            return Ok(());
        }
        let Some(_visit) = self.callers.enter(caller, host_of(&connection)) else {
            self.node.busy.count(Busy::Connection);
            connection.close(ErrorCode::Busy.number().into(), b"busy");
            return Ok(());
        };
        connection.set_max_concurrent_bi_streams(MAX_STREAMS.into());
        connection.set_receive_window(RECEIVE_WINDOW.into());
        tokio::select! {
            () = serve(&connection, &self.node, &self.callers) => {}
            () = access.revoked(caller) => connection.close(DONE.into(), NOT_ADMITTED),
        }
        Ok(())
    }
}

/// Serves a connection until its caller closes it or has asked nothing for a while. What is under way
/// when it is closed is dropped with it.
async fn serve(connection: &Connection, node: &Arc<Answerer>, callers: &Callers) {
    let caller = connection.remote_id();
    let free = Arc::new(Semaphore::new(MAX_REQUESTS));
    let mut requests = JoinSet::new();
    while let Ok(slot) = free.clone().acquire_owned().await {
        let stream = timeout(callers.limits().idle, connection.accept_bi()).await;
        while requests.try_join_next().is_some() {}
        let (send, recv) = match stream {
            Ok(Ok(stream)) => stream,
            Err(_) if !requests.is_empty() => continue,
            Err(_) => return connection.close(DONE.into(), b"idle"),
            Ok(Err(_)) => return,
        };
        let (node, callers) = (node.clone(), callers.clone());
        requests.spawn(async move {
            let answer = node.answer(caller, &callers, send, recv);
            match timeout(ANSWER_TIMEOUT, answer).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    debug!(%error, caller = %caller.fmt_short(), "a caller didn't take its answer");
                }
                Err(_) => debug!(caller = %caller.fmt_short(), "a caller took too long"),
            }
            drop(slot);
        });
    }
}

impl Answerer {
    async fn answer(
        &self,
        caller: PublicKey,
        callers: &Callers,
        send: SendStream,
        mut recv: RecvStream,
    ) -> Result<(), SendError> {
        let request = match read_request(&mut recv).await {
            Ok(request) => request,
            Err(refusal) => return oneshot::Sender::from(send).send(refusal).await,
        };
        match request.with_remote_channels(recv, send) {
            MetaMessage::Whoami(ask) => ask.tx.send(self.whoami(caller, ask.inner.proof)).await,
            MetaMessage::ListPeers(ask) => {
                self.list_peers(caller, callers, ask.inner, ask.tx).await
            }
            MetaMessage::Status(ask) => ask.tx.send(self.status(caller, ask.inner.proof)).await,
            MetaMessage::Introducers(ask) => {
                ask.tx.send(self.introducers(caller, ask.inner.proof)).await
            }
            MetaMessage::Explain(ask) => {
                ask.tx.send(self.explain(caller, callers, &ask.inner)).await
            }
            MetaMessage::Discover(ask) => {
                ask.tx.send(self.discover(caller, callers, ask.inner).await).await
            }
            about_blobs => self.about_blobs(caller, callers, about_blobs).await,
        }
    }

    fn admits(&self, caller: PublicKey, proof: Option<MembershipProof>) -> bool {
        let is_member = self.network.admits(&caller, &self.me, proof.as_ref());
        #[cfg(feature = "blobs")]
        if is_member {
            self.passes.give(caller, Instant::now());
        }
        is_member
    }

    #[cfg(not(feature = "blobs"))]
    async fn about_blobs(
        &self,
        _: PublicKey,
        _: &Callers,
        asked: MetaMessage,
    ) -> Result<(), SendError> {
        asked.refuse(no_blobs()).await
    }

    /// Outsiders learn which versions they could speak if they were members, and nothing else.
    fn whoami(&self, caller: PublicKey, proof: Option<MembershipProof>) -> MetaResponse {
        let about = self.admits(caller, proof).then(|| {
            let view = self.view.borrow();
            let about = About {
                node_id: self.me,
                agent: self.agent.clone(),
                network_tag: self.network.tag(),
                features: self.features.clone(),
                table_size: view.entries.len() as u64,
                announcement: view.own.clone(),
            };
            about.encode()
        });
        let versions = ProtocolVersion::ALL.iter().map(|version| version.number());
        MetaResponse::Whoami(WhoamiResponse { protocol_versions: versions.collect(), about })
    }

    fn status(&self, caller: PublicKey, proof: Option<MembershipProof>) -> MetaResponse {
        if !self.admits(caller, proof) {
            return not_a_member();
        }
        let view = self.view.borrow().clone();
        let report = StatusReport {
            uptime_secs: self.clock.now().mono.as_secs(),
            table_size: view.entries.len() as u64,
            neighbours: view.neighbours.clone(),
            isolated: view.isolated,
            channels: self.channels(&view),
            counters: self.counters(&view),
        };
        MetaResponse::Status(report.encode())
    }

    /// What was counted, and what the table holds now.
    fn counters(&self, view: &View) -> Vec<(String, u64)> {
        let n_unverified = view.n_unverified as u64;
        let n_verified = view.entries.len() as u64 - n_unverified;
        let mut counters = view.stats.counters();
        counters.push(("table_verified".to_owned(), n_verified));
        counters.push(("table_unverified".to_owned(), n_unverified));
        counters.extend(self.gossip.counters());
        counters.extend(self.access.counters());
        counters.extend(self.busy.counters());
        counters.extend(self.channels.dht_counts.counters());
        #[cfg(feature = "blobs")]
        counters.extend(self.blobs.iter().flat_map(Blobs::counters));
        counters
    }

    fn channels(&self, view: &View) -> Vec<(String, String)> {
        let mut channels = self.channels.list(view.neighbours.len());
        let reloaded = self.reloads.describe(self.clock.now().mono);
        channels.push(("access".to_owned(), format!("{}{reloaded}", self.access.list())));
        channels
    }

    fn introducers(&self, caller: PublicKey, proof: Option<MembershipProof>) -> MetaResponse {
        if !self.admits(caller, proof) {
            return not_a_member();
        }
        let view = self.view.borrow().clone();
        MetaResponse::Introducers(view.introducers_report(self.clock.now().mono).encode())
    }

    /// An explanation may look at every entry, so it costs its caller as much as a listing.
    fn explain(
        &self,
        caller: PublicKey,
        callers: &Callers,
        request: &ExplainRequest,
    ) -> MetaResponse {
        if !self.admits(caller, request.proof) {
            return not_a_member();
        }
        if !callers.pays_for_list(caller, Instant::now()) {
            return self.too_many_listings();
        }
        let peer = match request.node_id() {
            Ok(peer) => peer,
            Err(error) => return MetaResponse::error(ErrorCode::Malformed, error),
        };
        let view = self.view.borrow().clone();
        MetaResponse::Explanation(view.explain(&peer, self.clock.now().mono).encode())
    }

    /// Nothing of the request is looked at unless it is an operator's.
    async fn discover(
        &self,
        caller: PublicKey,
        callers: &Callers,
        request: DiscoverRequest,
    ) -> MetaResponse {
        if !self.admits(caller, request.proof) {
            return not_a_member();
        }
        if !self.access.is_operator(&caller) {
            return not_an_operator();
        }
        if !callers.pays_for_handover(caller, Instant::now()) {
            self.busy.count(Busy::Handover);
            return MetaResponse::error(ErrorCode::Busy, "that were too many peers at once");
        }
        match self.handover.hand(caller, request).await {
            Some(report) => MetaResponse::Discovered(report.encode()),
            None => MetaResponse::error(ErrorCode::Internal, "this node is about to stop"),
        }
    }

    async fn list_peers(
        &self,
        caller: PublicKey,
        callers: &Callers,
        request: ListPeersRequest,
        pages: mpsc::Sender<MetaResponse>,
    ) -> Result<(), SendError> {
        if !self.admits(caller, request.proof) {
            return pages.send(not_a_member()).await;
        }
        if !callers.pays_for_list(caller, Instant::now()) {
            return pages.send(self.too_many_listings()).await;
        }
        let view = self.view.borrow().clone();
        let mut page = PeersPage::default();
        for item in items(&view, self.clock.now().mono).take(request.max_entries as usize) {
            if !page.push(&item) {
                page.more = true;
                send_page(&pages, MetaResponse::Peers(std::mem::take(&mut page))).await?;
                let fits = page.push(&item);
                debug_assert!(fits, "an empty page has room for any entry");
            }
        }
        send_page(&pages, MetaResponse::Peers(page)).await
    }

    fn too_many_listings(&self) -> MetaResponse {
        self.busy.count(Busy::Listing);
        let why = "that were too many listings and explanations; one a second is fine";
        MetaResponse::error(ErrorCode::Busy, why)
    }
}

/// The node's own entry and the peers', encoded one by one. Nothing is cloned for that: there may be
/// tens of thousands.
fn items(view: &View, now: Duration) -> impl Iterator<Item = Vec<u8>> + '_ {
    let own = PeerEntry {
        announcement: &view.own,
        age: Duration::ZERO,
        source: Source::Own,
        verified_age: None,
    };
    let peers = view.entries.iter().map(move |entry| PeerEntry {
        announcement: &entry.announcement,
        age: entry.heard.age(now),
        source: entry.source,
        verified_age: entry.verified.map(|at| now.saturating_sub(at)),
    });
    std::iter::once(own).chain(peers).map(|entry| entry.encode())
}

async fn send_page(
    pages: &mpsc::Sender<MetaResponse>,
    page: MetaResponse,
) -> Result<(), SendError> {
    let sent = timeout(PAGE_TIMEOUT, pages.send(page)).await;
    sent.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

/// The request, or what to answer instead. The connection and its other streams live on.
async fn read_request(recv: &mut RecvStream) -> Result<MetaRequest, MetaResponse> {
    let refuse = |code, why: &dyn fmt::Display| Err(MetaResponse::error(code, why));
    let frame = timeout(REQUEST_TIMEOUT, read_frame(recv, MAX_REQUEST_LEN)).await;
    let bytes = match frame {
        Ok(Ok(Some(bytes))) => bytes,
        Ok(Ok(None)) => return refuse(ErrorCode::Malformed, &"no request"),
        Ok(Err(error @ FrameError::TooLarge { .. })) => return refuse(ErrorCode::TooLarge, &error),
        Ok(Err(error)) => return refuse(ErrorCode::Malformed, &error),
        Err(_) => return refuse(ErrorCode::Malformed, &"the request took too long"),
    };
    match MetaRequest::decode(&bytes) {
        Ok(request) => Ok(request),
        Err(DecodeError::UnknownVersion { number }) => {
            refuse(ErrorCode::Unsupported, &format_args!("request {number} is not known here"))
        }
        Err(error) => refuse(ErrorCode::Malformed, &error),
    }
}

fn not_an_operator() -> MetaResponse {
    MetaResponse::error(ErrorCode::NotOperator, "only operators may hand over peers here")
}

fn no_blobs() -> MetaResponse {
    MetaResponse::error(ErrorCode::Unsupported, "this node holds no blobs")
}

fn not_a_member() -> MetaResponse {
    MetaResponse::error(ErrorCode::NotMember, "this network is private")
}

#[cfg(test)]
mod tests;

//! Answers queries: the RPC over irpc, behind a reader that a stranger can't exhaust.
//!
//! irpc's own reader allocates what the caller claims, and ends the connection at the first request
//! that it doesn't know. Ours reads a bounded frame and answers what it can't decode with an error;
//! from there on the request is irpc's.

use std::{fmt, io, sync::Arc, time::Duration};

use id_client::frame::{FrameError, read_frame};
use id_proto::{
    About, DecodeError, ErrorCode, ListPeersRequest, MembershipProof, MetaMessage, MetaRequest,
    MetaResponse, Network, PeersPage, StatusReport, WhoamiResponse, iroh_base::PublicKey,
    limits::MAX_REQUEST_LEN, version::ProtocolVersion,
};
use iroh::{
    endpoint::{Connection, RecvStream, SendStream},
    protocol::{AcceptError, ProtocolHandler},
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

use crate::{bootstrap::Reports, clock::Clock, membership::View};

/// Most requests of one connection that are under way. Origin: protocol.md.
const MAX_REQUESTS: usize = 16;
/// Most connections that are served at the same time. Origin: protocol.md.
const MAX_CONNECTIONS: usize = 1024;
/// How long a caller may take to send a request. Origin: a few round trips by satellite.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a caller may take to read a page. Origin: 64 KiB at 26 kbit/s.
const PAGE_TIMEOUT: Duration = Duration::from_secs(20);

/// The protocol handler of `id/meta/1`.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    node: Arc<Answerer>,
    connections: Arc<Semaphore>,
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
}

impl Service {
    pub(crate) fn new(node: Answerer) -> Self {
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        Self { node: Arc::new(node), connections }
    }
}

impl ProtocolHandler for Service {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        let Ok(_served) = self.connections.try_acquire() else {
            connection.close(ErrorCode::Busy.number().into(), b"busy");
            return Ok(());
        };
        serve(&connection, &self.node).await;
        Ok(())
    }
}

/// Serves a connection until its caller closes it. What is under way then is dropped with it.
async fn serve(connection: &Connection, node: &Arc<Answerer>) {
    let caller = connection.remote_id();
    let free = Arc::new(Semaphore::new(MAX_REQUESTS));
    let mut requests = JoinSet::new();
    while let Ok(slot) = free.clone().acquire_owned().await {
        while requests.try_join_next().is_some() {}
        let Ok((send, recv)) = connection.accept_bi().await else {
            return;
        };
        let node = node.clone();
        requests.spawn(async move {
            if let Err(error) = node.answer(caller, send, recv).await {
                debug!(%error, caller = %caller.fmt_short(), "a caller didn't take its answer");
            }
            drop(slot);
        });
    }
}

impl Answerer {
    async fn answer(
        &self,
        caller: PublicKey,
        send: SendStream,
        mut recv: RecvStream,
    ) -> Result<(), SendError> {
        let request = match read_request(&mut recv).await {
            Ok(request) => request,
            Err(refusal) => return oneshot::Sender::from(send).send(refusal).await,
        };
        match request.with_remote_channels(recv, send) {
            MetaMessage::Whoami(ask) => ask.tx.send(self.whoami(caller, ask.inner.proof)).await,
            MetaMessage::ListPeers(ask) => self.list_peers(caller, ask.inner, ask.tx).await,
            MetaMessage::Status(ask) => ask.tx.send(self.status(caller, ask.inner.proof)).await,
        }
    }

    fn admits(&self, caller: PublicKey, proof: Option<MembershipProof>) -> bool {
        self.network.admits(&caller, &self.me, proof.as_ref())
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
            counters: counters(&view),
        };
        MetaResponse::Status(report.encode())
    }

    fn channels(&self, view: &View) -> Vec<(String, String)> {
        let mut channels = self.channels.list(view.neighbours.len());
        channels.extend(view.introducers.iter().map(|it| {
            let (share, name) = (it.share, format!("introducer {}", it.share.introducer));
            let what = format!(
                "brought {} of {} peers, {} of them unverified; may bring {} more at once, {} in a \
                 full table; {} dials",
                share.n_entries,
                view.entries.len(),
                share.n_unverified,
                it.room,
                it.squeeze,
                it.dials,
            );
            (name, what)
        }));
        channels
    }

    async fn list_peers(
        &self,
        caller: PublicKey,
        request: ListPeersRequest,
        pages: mpsc::Sender<MetaResponse>,
    ) -> Result<(), SendError> {
        if !self.admits(caller, request.proof) {
            return pages.send(not_a_member()).await;
        }
        let view = self.view.borrow().clone();
        let entries = view.to_wire(self.clock.now().mono).take(request.max_entries as usize);
        let mut page = PeersPage::default();
        for entry in entries {
            let item = entry.encode();
            if !page.push(&item) {
                page.more = true;
                send_page(&pages, std::mem::take(&mut page)).await?;
                let fits = page.push(&item);
                debug_assert!(fits, "an empty page has room for any entry");
            }
        }
        send_page(&pages, page).await
    }
}

/// What was counted, and what the table holds now.
fn counters(view: &View) -> Vec<(String, u64)> {
    let n_unverified = view.n_unverified as u64;
    let n_verified = view.entries.len() as u64 - n_unverified;
    let mut counters = view.stats.counters();
    counters.push(("table_verified".to_owned(), n_verified));
    counters.push(("table_unverified".to_owned(), n_unverified));
    counters
}

async fn send_page(pages: &mpsc::Sender<MetaResponse>, page: PeersPage) -> Result<(), SendError> {
    let sent = timeout(PAGE_TIMEOUT, pages.send(MetaResponse::Peers(page))).await;
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

fn not_a_member() -> MetaResponse {
    MetaResponse::error(ErrorCode::NotMember, "this network is private")
}

#[cfg(test)]
mod tests;

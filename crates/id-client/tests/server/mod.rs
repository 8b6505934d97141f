//! Servers on loopback: an honest one made of the irpc service, and scripted ones that aren't.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use id_client::{
    frame::read_frame,
    id_proto::{
        About, ErrorCode, MetaMessage, MetaRequest, MetaResponse, Network, PeerAnnouncement,
        PeerEntry, PeersPage, SignedAnnouncement, Source, StatusReport, WhoamiResponse,
        iroh_base::PublicKey, limits::MAX_REQUEST_LEN, version::META_ALPN,
    },
    iroh::{
        Endpoint, EndpointAddr, RelayMode, TransportAddr,
        endpoint::{Connection, ConnectionError, PortmapperConfig, SendStream, presets},
    },
};
use tokio::{sync::mpsc, task::JoinSet};

/// How many items an honest server puts on a page.
const PAGE_LEN: usize = 200;

/// What a scripted server does after its last frame.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Finish,
    Hang,
    Reset,
    Close,
    Repeat,
}

/// What a scripted server answers every request with.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    bytes: Vec<u8>,
    end: End,
}

impl Script {
    pub(crate) fn new(responses: impl IntoIterator<Item = MetaResponse>, end: End) -> Self {
        let frames = responses.into_iter().map(|response| frame(response.encode()));
        Self::raw(frames.flatten().collect(), end)
    }

    pub(crate) fn raw(bytes: Vec<u8>, end: End) -> Self {
        Self { bytes, end }
    }
}

/// The bytes behind their length.
pub(crate) fn frame(content: Vec<u8>) -> Vec<u8> {
    let mut frame = Vec::new();
    let mut len = content.len();
    while len >= 0x80 {
        frame.push(len as u8 | 0x80);
        len >>= 7;
    }
    frame.push(len as u8);
    [frame, content].concat()
}

/// A page of `n` items that are no entries.
pub(crate) fn page(n: usize, more: bool) -> PeersPage {
    let mut page = PeersPage::default();
    (0..n).for_each(|_| assert!(page.push(&[99])));
    page.more = more;
    page
}

/// An endpoint on loopback that sends nothing to anybody who wasn't asked for.
pub(crate) async fn bind(alpn: Option<&[u8]>) -> Endpoint {
    let builder = Endpoint::builder(presets::Minimal)
        .portmapper_config(PortmapperConfig::Disabled)
        .relay_mode(RelayMode::Disabled)
        .clear_ip_transports()
        .alpns(alpn.into_iter().map(<[u8]>::to_vec).collect());
    builder.bind_addr("127.0.0.1:0").unwrap().bind().await.unwrap()
}

/// A server, and what it saw.
pub(crate) struct Server {
    endpoint: Endpoint,
    shared: Arc<Shared>,
    closes: mpsc::Receiver<Option<u64>>,
    _tasks: JoinSet<()>,
}

struct Shared {
    network: Network,
    announcement: SignedAnnouncement,
    items: Mutex<Vec<Vec<u8>>>,
    n_connections: AtomicUsize,
    closes: mpsc::Sender<Option<u64>>,
}

/// How a server treats its callers.
enum Role {
    Honest,
    Scripted(Script),
    HangingUp,
    Refusing,
}

impl Server {
    /// Answers as a node does.
    pub(crate) async fn honest(network: Network) -> Self {
        Self::start(network, Role::Honest).await
    }

    /// Answers by `script`, whatever is asked.
    pub(crate) async fn scripted(script: Script) -> Self {
        Self::start(Network::public(), Role::Scripted(script)).await
    }

    /// Accepts every connection and closes it.
    pub(crate) async fn hanging_up() -> Self {
        Self::start(Network::public(), Role::HangingUp).await
    }

    /// Refuses every connection.
    pub(crate) async fn refusing() -> Self {
        Self::start(Network::public(), Role::Refusing).await
    }

    /// Speaks something else.
    pub(crate) async fn foreign() -> Self {
        let server = Self::start(Network::public(), Role::Honest).await;
        server.endpoint.set_alpns(vec![b"another/1".to_vec()]);
        server
    }

    async fn start(network: Network, role: Role) -> Self {
        let endpoint = bind(Some(META_ALPN)).await;
        let announcement = announce(&endpoint, &network);
        let items = Mutex::new(vec![entry(&announcement, Source::Own)]);
        let (sender, closes) = mpsc::channel(16);
        let n_connections = AtomicUsize::new(0);
        let shared = Shared { network, announcement, items, n_connections, closes: sender };
        let shared = Arc::new(shared);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(endpoint.clone(), shared.clone(), role));
        Self { endpoint, shared, closes, _tasks: tasks }
    }

    pub(crate) fn id(&self) -> PublicKey {
        self.endpoint.id()
    }

    pub(crate) fn addr(&self) -> EndpointAddr {
        self.endpoint.addr()
    }

    pub(crate) fn announcement(&self) -> SignedAnnouncement {
        self.shared.announcement.clone()
    }

    /// The honest answer to `Whoami`.
    pub(crate) fn whoami(&self) -> MetaResponse {
        self.shared.whoami(true)
    }

    /// The entry by which others name this server.
    pub(crate) fn entry(&self, source: Source) -> Vec<u8> {
        entry(&self.shared.announcement, source)
    }

    /// Puts an item into the table.
    pub(crate) fn learn(&mut self, item: Vec<u8>) {
        self.shared.items.lock().unwrap().push(item);
    }

    pub(crate) fn n_connections(&self) -> usize {
        self.shared.n_connections.load(Ordering::Relaxed)
    }

    /// The code with which the next connection is closed by its client.
    pub(crate) async fn next_close_code(&mut self) -> Option<u64> {
        self.closes.recv().await.flatten()
    }

    pub(crate) async fn close(self) {
        self.endpoint.close().await;
    }
}

impl Shared {
    async fn serve(&self, connection: &Connection, role: &Role) {
        match role {
            Role::Honest => self.serve_requests(connection).await,
            Role::Scripted(script) => serve_script(script, connection).await,
            _ => connection.close(7_u8.into(), b"no"),
        }
    }

    async fn serve_requests(&self, connection: &Connection) {
        while let Ok(Some(message)) = irpc_iroh::read_request::<MetaRequest>(connection).await {
            self.answer(message, connection).await;
        }
        let code = match connection.closed().await {
            ConnectionError::ApplicationClosed(close) => Some(close.error_code.into_inner()),
            _ => None,
        };
        self.closes.send(code).await.ok();
    }

    async fn answer(&self, message: MetaMessage, connection: &Connection) {
        let admits = |proof| self.network.admits(&connection.remote_id(), self.id(), proof);
        let not_member = || MetaResponse::error(ErrorCode::NotMember, "no member");
        match message {
            MetaMessage::Whoami(request) => {
                let is_member = admits(request.proof.as_ref());
                request.tx.send(self.whoami(is_member)).await.ok();
            }
            MetaMessage::Status(request) => {
                let is_member = admits(request.proof.as_ref());
                let response = if is_member { self.status() } else { not_member() };
                request.tx.send(response).await.ok();
            }
            MetaMessage::ListPeers(request) => {
                assert!(admits(request.proof.as_ref()), "only members list peers in these tests");
                let n_items = self.items.lock().unwrap().len();
                for first in (0..n_items).step_by(PAGE_LEN) {
                    request.tx.send(MetaResponse::Peers(self.page(first))).await.ok();
                }
            }
            // It speaks version 1.
            later => drop(later.refuse(unsupported()).await),
        }
    }

    fn id(&self) -> &PublicKey {
        &self.announcement.statement().node_id
    }

    fn whoami(&self, is_member: bool) -> MetaResponse {
        let about = About {
            node_id: *self.id(),
            agent: "test".into(),
            network_tag: self.network.tag(),
            features: vec![],
            table_size: self.items.lock().unwrap().len() as u64 - 1,
            announcement: self.announcement.clone(),
        };
        let about = is_member.then(|| about.encode());
        MetaResponse::Whoami(WhoamiResponse { protocol_versions: vec![1], about })
    }

    fn status(&self) -> MetaResponse {
        let report = StatusReport {
            uptime_secs: 1,
            table_size: 0,
            neighbours: vec![],
            isolated: true,
            channels: vec![],
            counters: vec![],
        };
        MetaResponse::Status(report.encode())
    }

    /// The page that begins with item `first`.
    fn page(&self, first: usize) -> PeersPage {
        let items = self.items.lock().unwrap();
        let mut page = PeersPage::default();
        let wanted = &items[first..items.len().min(first + PAGE_LEN)];
        wanted.iter().for_each(|item| assert!(page.push(item)));
        page.more = first + wanted.len() < items.len();
        page
    }
}

/// Serves one connection after the other: a test has one client.
async fn accept(endpoint: Endpoint, shared: Arc<Shared>, role: Role) {
    while let Some(incoming) = endpoint.accept().await {
        if matches!(role, Role::Refusing) {
            incoming.refuse();
        } else if let Ok(connection) = incoming.await {
            shared.n_connections.fetch_add(1, Ordering::Relaxed);
            shared.serve(&connection, &role).await;
        }
    }
}

async fn serve_script(script: &Script, connection: &Connection) {
    while let Ok((send, mut recv)) = connection.accept_bi().await {
        read_frame(&mut recv, MAX_REQUEST_LEN).await.expect("the client sends a request");
        play(script, send, connection).await;
    }
}

async fn play(script: &Script, mut send: SendStream, connection: &Connection) {
    // The client may hang up at any time; that is what some tests are about.
    send.write_all(&script.bytes).await.ok();
    match script.end {
        End::Finish => drop(send.finish()),
        End::Hang => drop(connection.closed().await),
        End::Reset => drop(send.reset(3_u8.into())),
        End::Close => connection.close(3_u8.into(), b"enough"),
        End::Repeat => while send.write_all(&script.bytes).await.is_ok() {},
    }
}

fn announce(endpoint: &Endpoint, network: &Network) -> SignedAnnouncement {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let announcement = PeerAnnouncement {
        node_id: endpoint.id(),
        name: None,
        blob_count: 0,
        timestamp_secs: now.as_secs(),
        seq: now.as_millis() as u64,
        network_tag: network.tag(),
        interval_secs: 30,
        addrs: endpoint.bound_sockets().into_iter().map(TransportAddr::Ip).collect(),
        agent: "test".into(),
    };
    SignedAnnouncement::sign(announcement, endpoint.secret_key()).unwrap()
}

fn entry(announcement: &SignedAnnouncement, source: Source) -> Vec<u8> {
    let age = Duration::from_secs(1);
    PeerEntry { announcement: announcement.clone(), age, source, verified_age: None }.encode()
}

fn unsupported() -> MetaResponse {
    MetaResponse::error(ErrorCode::Unsupported, "this request is not known here")
}

//! Ways in for bytes that no public function takes, for tests that feed arbitrary ones, and for tables that nobody
//! filled.
//!
//! Nothing here decides anything: each function is the one that a node calls with what it has read
//! from the disk, the DNS or the DHT, or serves its table with.

use std::{io, sync::Arc, time::Duration};

use id_client::{FailKind, Route};
use id_proto::{
    Network, SignedAnnouncement, Source,
    iroh_base::{EndpointAddr, PublicKey, SecretKey},
    version::META_ALPN,
};
use iroh::{
    Endpoint,
    protocol::{Router, RouterBuilder},
};

use tokio::{net::TcpListener, sync::mpsc};

use crate::{
    bootstrap,
    data_dir::peers,
    http::{HostNames, HttpServer, Served},
    membership::{Entry, MembershipConfig, Moment},
    rendezvous::record::{Records, Slot},
    routes::Routes,
    service::{Service, made_up},
};

/// Answers on `endpoint`, as a node of the public network would that has heard of `peers` and announces `own`.
pub fn serve_table(
    endpoint: Endpoint,
    own: SignedAnnouncement,
    peers: Vec<SignedAnnouncement>,
) -> RouterBuilder {
    let service = Service::new(made_up::answerer(own, peers));
    let router = Router::builder(endpoint).incoming_filter(service.incoming_filter());
    router.accept(META_ALPN, service)
}

/// A peer in a table that nobody filled.
#[derive(Debug, Clone)]
pub struct MadeUp {
    /// What it says of itself.
    pub announcement: SignedAnnouncement,
    /// Who brought it.
    pub introducer: PublicKey,
    /// How long ago it was heard.
    pub age: Duration,
    /// How the last dial of it has ended, if there was one.
    pub last_dial: Option<Result<Route, FailKind>>,
}

/// Serves HTTP on `listener`, as a node of the public network would that knows `peers` and announces `own`.
///
/// # Errors
///
/// If the listener has no address any more.
pub fn serve_http(
    listener: TcpListener,
    endpoint: Endpoint,
    own: SignedAnnouncement,
    mut peers: Vec<MadeUp>,
) -> io::Result<HttpServer> {
    peers.sort_by_key(|peer| peer.announcement.node_id);
    let routes = Routes::default();
    for peer in &peers {
        let route = peer.last_dial.and_then(Result::ok);
        routes.dialled(peer.announcement.node_id, route);
    }
    let answerer = made_up::answerer_of(own, peers.into_iter().map(entry).collect());
    // Nobody decides anything here, so nobody takes commands.
    let (commands, _) = mpsc::channel(1);
    let membership = MembershipConfig::new(&Network::public());
    let served = Served::new(Arc::new(answerer), endpoint, routes, commands, &membership);
    HttpServer::start(listener, HostNames::default(), Arc::new(served))
}

fn entry(peer: MadeUp) -> Arc<Entry> {
    let heard = Moment::before(Duration::ZERO, peer.age);
    let entry = Entry::new(peer.announcement, Source::Gossip, peer.introducer, heard);
    Arc::new(match peer.last_dial {
        Some(end) => entry.dialled(end.map(|_| ())),
        None => entry,
    })
}

/// Most peers that a node remembers.
pub const MAX_REMEMBERED: usize = peers::MAX_PEERS;

/// Most neighbours that a record in the DHT names.
pub const MAX_NEIGHBOURS: usize = distributed_topic_tracker::MAX_RECORD_PEERS;

/// The peers that the file `peers` remembers; `None` if it is damaged.
pub fn remembered_peers(file: &[u8]) -> Option<Vec<SignedAnnouncement>> {
    peers::decode(file)
}

/// The file that remembers these peers.
pub fn remembered_peers_file(peers: &[SignedAnnouncement]) -> Vec<u8> {
    peers::encode(peers)
}

/// The peers that a TXT record names, if its strings, of at most 255 bytes each, are these bytes.
pub fn dns_record(bytes: &[u8], network: &Network) -> Vec<EndpointAddr> {
    bootstrap::dns::peers_in(bytes.chunks(255), network)
}

/// The slot of one minute in the DHT.
pub struct DhtSlot {
    records: Records,
    slot: Slot,
}

impl DhtSlot {
    /// The slot of a network, as the member with this key sees it.
    pub fn new(network: &Network, key: &SecretKey, minute: u64) -> Self {
        let records = Records::new(network, key);
        Self { slot: records.slot(minute), records }
    }

    /// The value that the member would leave.
    pub fn seal(&self, neighbours: &[PublicKey]) -> Option<Vec<u8>> {
        self.records.seal(&self.slot, neighbours)
    }

    /// The value that holds these bytes in place of a record, as whoever knows the secret can leave it.
    pub fn seal_bytes(&self, record: &[u8]) -> Option<Vec<u8>> {
        self.slot.seal_bytes(record)
    }

    /// The value that holds these bytes in a record that the member has signed.
    pub fn seal_content(&self, content: &[u8]) -> Option<Vec<u8>> {
        self.records.seal_content(&self.slot, content)
    }

    /// Author and neighbours of the record in `value`, if it is one.
    pub fn open(&self, value: &[u8]) -> Option<(PublicKey, Vec<PublicKey>)> {
        let record = self.records.open(&self.slot, value)?;
        Some((record.author, record.neighbours))
    }
}

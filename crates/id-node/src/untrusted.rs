//! Ways in for bytes that no public function takes, for tests that feed arbitrary ones, and for tables that nobody
//! filled.
//!
//! Nothing here decides anything: each function is the one that a node calls with what it has read
//! from the disk, the DNS or the DHT, or serves its table with.

use std::{io, sync::Arc};

use id_proto::{
    Network, SignedAnnouncement,
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
    membership::MembershipConfig,
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

/// Serves by HTTP what a node of the public network would that has heard of `peers`, which are in the order of their ids,
/// and announces `own`. It takes no turns.
///
/// # Errors
///
/// If the listener has no address.
pub fn serve_view(
    listener: TcpListener,
    endpoint: Endpoint,
    own: SignedAnnouncement,
    peers: Vec<SignedAnnouncement>,
) -> io::Result<HttpServer> {
    let answerer = Arc::new(made_up::answerer(own, peers));
    let (commands, _) = mpsc::channel(1);
    let membership = MembershipConfig::new(&Network::public());
    let served = Served::new(answerer, endpoint, Routes::default(), commands, &membership);
    HttpServer::start(listener, HostNames::default(), Arc::new(served))
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

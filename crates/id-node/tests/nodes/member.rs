//! A member made by hand: it says in gossip exactly what the test wants it to say, and answers
//! queries for as long as it is told to.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use futures::StreamExt;
use id_node::{
    Node,
    id_client::id_proto::{
        About, GossipMessage, Leave, MetaMessage, MetaRequest, MetaResponse, Network,
        PeerAnnouncement, PeersPage, SignedAnnouncement, SignedLeave, WhoamiResponse,
        iroh_base::PublicKey, version::META_ALPN,
    },
    iroh::{
        Endpoint, SecretKey, TransportAddr,
        address_lookup::memory::MemoryLookup,
        endpoint::Connection,
        protocol::{AcceptError, ProtocolHandler, Router},
    },
};
use iroh_gossip::{
    api::GossipSender,
    net::{GOSSIP_ALPN, Gossip},
};
use tokio::task::JoinSet;

use crate::lab::{Lab, addr, awaited, until};

pub(crate) struct Member {
    endpoint: Endpoint,
    network: Network,
    gossip: Gossip,
    sender: GossipSender,
    answers: Arc<Answers>,
    _router: Router,
    _tasks: JoinSet<()>,
}

impl Member {
    /// A member of `network` and a neighbour of `node`, of whom nobody has heard yet.
    pub(crate) async fn join(lab: &Lab, network: Network, node: &Node) -> Self {
        let endpoint = lab.endpoint().await;
        let book = MemoryLookup::new();
        endpoint.address_lookup().unwrap().add(book.clone());
        book.add_endpoint_info(addr(node));
        let gossip = Gossip::builder().spawn(endpoint.clone());
        let answers = Arc::new(Answers::new(&endpoint, &network));
        let router = Router::builder(endpoint.clone())
            .accept(GOSSIP_ALPN, gossip.clone())
            .accept(META_ALPN, Handler(answers.clone()))
            .spawn();
        let topic = gossip.subscribe(network.gossip_topic().into(), vec![node.id()]).await.unwrap();
        let (sender, mut receiver) = topic.split();
        // What is broadcast to nobody is lost.
        awaited("the member has a neighbour", receiver.joined()).await.unwrap();
        let mut tasks = JoinSet::new();
        // Whoever doesn't read slows its neighbours down.
        tasks.spawn(async move { while receiver.next().await.is_some() {} });
        let me = endpoint.id();
        until(node, "the member is a neighbour", |view| view.neighbours.contains(&me)).await;
        Self { endpoint, network, gossip, sender, answers, _router: router, _tasks: tasks }
    }

    pub(crate) fn id(&self) -> PublicKey {
        self.endpoint.id()
    }

    /// What it would say of itself now.
    pub(crate) fn announcement(&self) -> PeerAnnouncement {
        announcement(&self.endpoint, &self.network)
    }

    pub(crate) fn sign(&self, announcement: PeerAnnouncement) -> SignedAnnouncement {
        SignedAnnouncement::sign(announcement, self.endpoint.secret_key()).unwrap()
    }

    pub(crate) async fn announce(&self, announcement: &SignedAnnouncement) {
        self.broadcast(GossipMessage::announce(announcement)).await;
    }

    pub(crate) async fn say_goodbye(&self, seq: u64) {
        let leave = Leave {
            node_id: self.id(),
            timestamp_secs: unix_millis() / 1000,
            seq,
            network_tag: self.network.tag(),
        };
        let leave = SignedLeave::sign(leave, self.endpoint.secret_key()).unwrap();
        self.broadcast(GossipMessage::leave(&leave)).await;
    }

    /// Sends any bytes to the topic.
    pub(crate) async fn broadcast(&self, bytes: Vec<u8>) {
        self.sender.broadcast(bytes.into()).await.unwrap();
    }

    /// From now on, `items` are what it answers to `ListPeers`.
    pub(crate) fn tell(&self, items: &[Vec<u8>]) {
        *self.answers.items.lock().unwrap() = items.to_vec();
    }

    /// From now on, it hangs up on whoever asks.
    pub(crate) fn stop_answering(&self) {
        self.answers.answers.store(false, Ordering::SeqCst);
    }

    /// Leaves the topic without a word. The endpoint stays.
    pub(crate) async fn leave_gossip(&self) {
        self.gossip.shutdown().await.unwrap();
    }
}

pub(crate) fn unix_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// An announcement of somebody who can't be dialled.
pub(crate) fn stranger(key: &SecretKey, network: &Network) -> PeerAnnouncement {
    PeerAnnouncement {
        node_id: key.public(),
        name: Some("stranger".to_owned()),
        blob_count: 0,
        timestamp_secs: unix_millis() / 1000,
        seq: unix_millis(),
        network_tag: network.tag(),
        interval_secs: 1,
        addrs: Vec::new(),
        agent: "hand-made".to_owned(),
    }
}

fn announcement(endpoint: &Endpoint, network: &Network) -> PeerAnnouncement {
    let addrs = endpoint.bound_sockets().into_iter().map(TransportAddr::Ip).collect();
    PeerAnnouncement {
        name: Some("hand-made".to_owned()),
        addrs,
        ..stranger(endpoint.secret_key(), network)
    }
}

#[derive(Debug)]
struct Answers {
    endpoint: Endpoint,
    network: Network,
    answers: AtomicBool,
    items: Mutex<Vec<Vec<u8>>>,
}

#[derive(Debug)]
struct Handler(Arc<Answers>);

impl ProtocolHandler for Handler {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        while let Ok(Some(request)) = irpc_iroh::read_request::<MetaRequest>(&connection).await {
            if !self.0.answers.load(Ordering::SeqCst) {
                connection.close(0_u32.into(), b"not today");
                break;
            }
            self.0.answer(request).await;
        }
        connection.closed().await;
        Ok(())
    }
}

impl Answers {
    fn new(endpoint: &Endpoint, network: &Network) -> Self {
        Self {
            endpoint: endpoint.clone(),
            network: network.clone(),
            answers: AtomicBool::new(true),
            items: Mutex::default(),
        }
    }

    async fn answer(&self, request: MetaMessage) {
        // A caller may have hung up; that is its business.
        let _ = match request {
            MetaMessage::Whoami(ask) => ask.tx.send(self.whoami()).await,
            MetaMessage::ListPeers(ask) => ask.tx.send(MetaResponse::Peers(self.page())).await,
            _ => Ok(()),
        };
    }

    /// Freshly signed at every question.
    fn whoami(&self) -> MetaResponse {
        let announcement = announcement(&self.endpoint, &self.network);
        let about = About {
            node_id: self.endpoint.id(),
            agent: "hand-made".to_owned(),
            network_tag: self.network.tag(),
            features: Vec::new(),
            table_size: 0,
            announcement: SignedAnnouncement::sign(announcement, self.endpoint.secret_key())
                .unwrap(),
        };
        MetaResponse::Whoami(WhoamiResponse {
            protocol_versions: vec![1],
            about: Some(about.encode()),
        })
    }

    fn page(&self) -> PeersPage {
        let mut page = PeersPage::default();
        for item in self.items.lock().unwrap().iter() {
            assert!(page.push(item), "a test tells less than a page");
        }
        page
    }
}

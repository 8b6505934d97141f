//! A running node, for programs that embed one.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
    time::Duration,
};

use id_client::{AddressPolicy, Client};
use id_proto::{
    Network, PeerEntry, SignedAnnouncement, Ticket,
    iroh_base::{EndpointAddr, PublicKey},
    version::META_ALPN,
};
use iroh::{Endpoint, protocol::Router};
use iroh_gossip::ALPN as GOSSIP_ALPN;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

#[cfg(feature = "blobs")]
use crate::blobs::{Blobs, Keeping, Passes, Provider};
use crate::{
    access::{Access, AccessList},
    actor::{Actor, Bootstrap, Command, Configured},
    address_book::AddressBook,
    bootstrap::{Channels, Surroundings},
    clock::Clock,
    config::{NodeConfig, Role, address_policy, check_name},
    handover,
    http::{HostNames, HttpServer, Served},
    membership::{Effect, Membership, MembershipConfig, OwnFacts, View, floor_without_record},
    reload::{ReloadEnd, Reloads},
    routes::Routes,
    service::{Answerer, BusyCounts, Service},
    topic::{GossipCounts, GossipHandler, Topic, TopicOptions},
};

/// How long a node may take to say goodbye. Origin: its own time-outs, summed up.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the endpoint may take to close. Origin: peers that are there acknowledge within a round trip; iroh would
/// wait 3 s for the others.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
/// Most commands that wait for the actor. Origin: a guess; it takes them within microseconds.
const MAX_COMMANDS: usize = 16;
/// Most remembered peers that a node joins through. Origin: HyParView's passive view.
const MAX_REMEMBERED: usize = 30;

/// A node that runs until it is shut down or dropped.
///
/// [`Node::shutdown`] says goodbye to the network; dropping doesn't, and leaves the endpoint open.
#[derive(Debug)]
pub struct Node {
    endpoint: Endpoint,
    router: Router,
    network: Network,
    clock: Clock,
    commands: mpsc::Sender<Command>,
    view: watch::Receiver<Arc<View>>,
    reloads: Reloads,
    served: Arc<Served>,
    _actor: AbortOnDropHandle<()>,
    _channels: Channels,
    #[cfg(feature = "blobs")]
    holding: Option<Holding>,
}

/// The blobs of a node, and what tells of their number.
#[cfg(feature = "blobs")]
#[derive(Debug)]
struct Holding {
    blobs: Blobs,
    _keeping: Keeping,
    _counting: AbortOnDropHandle<()>,
}

/// Why a node can't be spawned. The endpoint stays open and is still the caller's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The name is too long or odd.
    #[error("name: {0}")]
    Name(String),
    /// A field of the membership's configuration is out of its bounds.
    #[error("{0} is out of bounds")]
    OutOfBounds(&'static str),
    /// The endpoint is closed already.
    #[error("the endpoint is closed")]
    EndpointClosed,
}

impl Node {
    /// Starts a node on `endpoint`, which must not accept connections elsewhere.
    ///
    /// Returns once the node serves; joining its network goes on in the background.
    ///
    /// # Errors
    ///
    /// If the configuration makes no node. Not if no peer can be reached: a node runs alone.
    pub async fn spawn(endpoint: Endpoint, config: NodeConfig) -> Result<Self, NodeError> {
        config.name.as_deref().map_or(Ok(()), check_name).map_err(NodeError::Name)?;
        config.membership.check().map_err(NodeError::OutOfBounds)?;
        let book = AddressBook::default();
        endpoint.address_lookup().map_err(|_| NodeError::EndpointClosed)?.add(book.clone());
        let clock = Clock::start();
        let access = Access::new(config.membership.access.clone());
        let reloads = Reloads::default();
        let bootstrap = write_into(&book, known_peers(&endpoint, &config));

        let counts = GossipCounts::default();
        let routes = Routes::default();
        let (policy_sender, policy) = watch::channel(config.address_policy());
        let topic = config.gossip.then(|| {
            let options = topic_options(&config, &book, &access, &routes, &policy, counts.clone());
            Topic::join(endpoint.clone(), options, bootstrap.iter().copied().collect())
        });
        let gossip = topic.as_ref().map(|(topic, _)| topic.handler());
        let facts = own_facts(&endpoint, &config);
        let (mut membership, first) = membership(&endpoint, &config, &facts, clock);
        let (view_sender, view) = watch::channel(Arc::new(membership.view()));
        // Without gossip there is no topic to find others in.
        let channels = topic.as_ref().map(|(topic, _)| {
            let (endpoint, joiner) = (endpoint.clone(), topic.joiner().clone());
            let (view, access) = (view.clone(), access.clone());
            let around = Surroundings { endpoint, clock, view, joiner, access, policy };
            Channels::open(&config, &around)
        });
        let channels = channels.unwrap_or_default();
        let (commands, command_queue) = mpsc::channel(MAX_COMMANDS);
        #[cfg(feature = "blobs")]
        let holding = hold(&config, clock, &commands);
        #[cfg(feature = "blobs")]
        let (blobs, passes) =
            (holding.as_ref().map(|it| it.blobs.clone()), Passes::new(&config.network));
        let (handover, handed) = handover::channel();
        let answerer = Arc::new(Answerer {
            me: endpoint.id(),
            network: config.network.clone(),
            agent: config.membership.agent.clone(),
            features: features(&config),
            clock,
            view: view.clone(),
            channels: channels.reports(config.gossip.then(|| counts.clone())),
            gossip: counts,
            access: access.clone(),
            busy: BusyCounts::default(),
            reloads: reloads.clone(),
            handover,
            #[cfg(feature = "blobs")]
            blobs,
            #[cfg(feature = "blobs")]
            passes,
        });
        let router = router(&endpoint, config.role, gossip, &answerer);
        let served = Served::new(
            answerer,
            endpoint.clone(),
            routes.clone(),
            commands.clone(),
            &config.membership,
        );
        let actor = Actor {
            membership,
            facts,
            role: config.role,
            private: config.network.is_private(),
            announce_addrs: config.announce_addrs,
            policy: policy_sender,
            clock,
            endpoint: endpoint.clone(),
            client: Client::new(endpoint.clone()).with_network(config.network.clone()),
            book,
            routes,
            topic,
            bootstrap,
            configured: by_id(&config.bootstrap),
            view: view_sender,
            access,
            data_dir: config.data_dir,
            commands: command_queue,
            handed,
        };
        let actor = AbortOnDropHandle::new(tokio::spawn(actor.run(first)));
        info!(event = "serving", node_id = %endpoint.id(), "serving");
        let network = config.network;
        Ok(Self {
            endpoint,
            router,
            network,
            clock,
            commands,
            view,
            reloads,
            served: Arc::new(served),
            _actor: actor,
            _channels: channels,
            #[cfg(feature = "blobs")]
            holding,
        })
    }

    /// The node's id.
    pub fn id(&self) -> PublicKey {
        self.endpoint.id()
    }

    /// Its endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What it knows now.
    pub fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// What it knows, as it changes. Values in between may be skipped, never the last.
    pub fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }

    /// The entries of its table as it would tell them to others, its own first.
    pub fn entries(&self) -> Vec<PeerEntry<SignedAnnouncement>> {
        self.view().to_wire(self.clock.now().mono).collect()
    }

    /// What to hand to somebody who shall find this network: this node's id and addresses.
    pub fn ticket(&self) -> Ticket {
        Ticket {
            network_tag: self.network.tag(),
            peers: vec![self.endpoint.addr()],
            invitation: None,
        }
    }

    /// Changes the name that others see.
    ///
    /// # Errors
    ///
    /// If it is no name; the old one stays. Cancel safe.
    pub async fn set_name(&self, name: Option<String>) -> Result<(), NodeError> {
        name.as_deref().map_or(Ok(()), check_name).map_err(NodeError::Name)?;
        self.command(Command::SetName(name)).await;
        Ok(())
    }

    /// Changes the number of blobs that others see, of a node that holds none itself: one that does tells
    /// how many these are. Cancel safe.
    pub async fn set_blob_count(&self, count: u64) {
        self.command(Command::SetBlobCount(count)).await;
    }

    /// Changes whom the node has to do with. Once it returns, connections to those who aren't admitted
    /// any more are closed, and they are in no table. Peers that are configured to join through are
    /// no exception. Cancel safe: the change may be made or not.
    pub async fn set_access(&self, list: AccessList) {
        let (done, changed) = oneshot::channel();
        self.command(Command::SetAccess(list, done)).await;
        let _ = changed.await;
    }

    /// Serves what the node knows by HTTP, to whoever reaches `listener` and calls it by an address, `localhost`
    /// or one of `names`. Stop it before the node.
    ///
    /// # Errors
    ///
    /// If the listener has no address any more.
    pub fn serve_http(&self, listener: TcpListener, names: HostNames) -> io::Result<HttpServer> {
        HttpServer::start(listener, names, self.served.clone())
    }

    /// Changes through which peers to join. The new ones are joined through, and whoever isn't among them
    /// any more is a peer like others. Once it returns, that has begun. Cancel safe: the change may be made
    /// or not.
    pub async fn set_bootstrap(&self, peers: Vec<EndpointAddr>) {
        let policy = address_policy(&self.network, &peers);
        let bootstrap = Bootstrap { peers: by_id(&peers), policy };
        let (done, changed) = oneshot::channel();
        self.command(Command::SetBootstrap(bootstrap, done)).await;
        let _ = changed.await;
    }

    /// Waits until the task that owns the table, and decides everything, has taken a turn: whether it still
    /// does is what a watchdog wants to know. `false` if it has ended. Cancel safe.
    pub async fn turn(&self) -> bool {
        let (done, taken) = oneshot::channel();
        self.command(Command::Turn(done)).await;
        taken.await.is_ok()
    }

    /// Notes how an attempt to read settings again has ended, for `status` to show.
    pub fn note_reload(&self, end: ReloadEnd) {
        self.reloads.note(end, self.clock.now().mono);
    }

    /// Says goodbye to the network, and closes the endpoint. Takes at most a few seconds, also if
    /// peers or gossip hang. Not cancel safe: the endpoint may stay open.
    pub async fn shutdown(self) {
        let (done, goodbye) = oneshot::channel();
        self.command(Command::Leave(done)).await;
        if timeout(LEAVE_TIMEOUT, goodbye).await.is_err() {
            warn!("the goodbye takes too long, leaving without");
        }
        if timeout(CLOSE_TIMEOUT, self.router.shutdown()).await.is_err() {
            warn!("the endpoint takes too long to close");
        }
        #[cfg(feature = "blobs")]
        if let Some(Holding { blobs, .. }) = &self.holding
            && timeout(CLOSE_TIMEOUT, blobs.close()).await.is_err()
        {
            warn!("the store of blobs takes too long to close");
        }
    }

    async fn command(&self, command: Command) {
        // The actor ends before the node only if it panicked, and that is in the log.
        let _ = self.commands.send(command).await;
    }
}

/// Whom to join through: the configured peers, then those of the last run.
fn known_peers(endpoint: &Endpoint, config: &NodeConfig) -> Vec<EndpointAddr> {
    let policy = config.address_policy().open(&endpoint.addr());
    let remembered = config.data_dir.iter().flat_map(|dir| dir.load_peers());
    let remembered = remembered.filter(|peer| peer.network_tag == config.network.tag());
    let remembered = remembered.filter(|peer| config.membership.access.admits(&peer.node_id));
    let remembered =
        remembered.take(MAX_REMEMBERED).map(|peer| policy.select(peer.endpoint_addr()));
    config.bootstrap.iter().cloned().chain(remembered).collect()
}

/// Where an operator says that peers are.
fn by_id(peers: &[EndpointAddr]) -> Configured {
    let mut configured = Configured::new();
    for peer in peers {
        configured.entry(peer.id).or_default().extend(peer.addrs.iter().cloned());
    }
    configured
}

/// Makes the addresses of `peers` known to the endpoint, and returns their ids.
fn write_into(book: &AddressBook, peers: Vec<EndpointAddr>) -> BTreeSet<PublicKey> {
    let mut places: BTreeMap<PublicKey, EndpointAddr> = BTreeMap::new();
    for peer in peers {
        places.entry(peer.id).or_insert_with(|| peer.id.into()).addrs.extend(peer.addrs);
    }
    let ids = places.keys().copied().collect();
    places.into_values().filter(|peer| !peer.is_empty()).for_each(|peer| book.set(peer));
    ids
}

fn topic_options<'a>(
    config: &'a NodeConfig,
    book: &AddressBook,
    access: &Access,
    routes: &Routes,
    policy: &watch::Receiver<AddressPolicy>,
    counts: GossipCounts,
) -> TopicOptions<'a> {
    TopicOptions {
        network: &config.network,
        policy: policy.clone(),
        announce_addrs: config.announce_addrs,
        counts,
        routes: routes.clone(),
        book: book.clone(),
        access: access.clone(),
    }
}

fn own_facts(endpoint: &Endpoint, config: &NodeConfig) -> OwnFacts {
    let private = config.network.is_private();
    OwnFacts {
        name: config.name.clone(),
        blob_count: 0,
        addrs: config.announce_addrs.select(&endpoint.addr(), private),
    }
}

fn membership(
    endpoint: &Endpoint,
    config: &NodeConfig,
    facts: &OwnFacts,
    clock: Clock,
) -> (Membership, Vec<Effect>) {
    let lead = floor_without_record(clock.now().unix);
    // Whoever keeps nothing has a new identity, of which nobody has heard.
    let seq_floor = config.data_dir.as_ref().map_or(0, |dir| dir.seq_floor().max(lead));
    let configured = config.bootstrap.iter().map(|peer| peer.id);
    let membership = MembershipConfig {
        gossip: config.gossip,
        // An observer asks nobody anything that it needn't.
        verify_gap: config.membership.verify_gap.filter(|_| config.role == Role::Member),
        configured: config.membership.configured.iter().copied().chain(configured).collect(),
        address_policy: config.address_policy().open(&endpoint.addr()),
        ..config.membership.clone()
    };
    let key = endpoint.secret_key().clone();
    Membership::new(key, membership, facts.clone(), seq_floor, clock.now())
}

/// Opens the store of blobs, and has the number of its blobs announced.
#[cfg(feature = "blobs")]
fn hold(config: &NodeConfig, clock: Clock, commands: &mpsc::Sender<Command>) -> Option<Holding> {
    let place = config.blobs.clone().filter(|_| config.role == Role::Member)?;
    let (blobs, keeping) = Blobs::open(place, clock);
    let counting = tokio::spawn(tell_count(blobs.count(), commands.clone()));
    let counting = AbortOnDropHandle::new(counting);
    Some(Holding { blobs, _keeping: keeping, _counting: counting })
}

/// The schedule of announcements gathers what changes quickly.
#[cfg(feature = "blobs")]
async fn tell_count(mut count: watch::Receiver<u64>, commands: mpsc::Sender<Command>) {
    while count.changed().await.is_ok() {
        let now = *count.borrow_and_update();
        if commands.send(Command::SetBlobCount(now)).await.is_err() {
            return;
        }
    }
}

fn features(config: &NodeConfig) -> Vec<String> {
    let channels = [
        ("dht", config.dht.is_some()),
        ("mdns", config.mdns),
        ("dns", !config.bootstrap_dns.is_empty()),
    ];
    let in_use = channels.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name);
    let features = std::iter::once("gossip").chain(in_use).filter(|_| config.gossip);
    #[cfg(feature = "blobs")]
    let features = features.chain(config.blobs.is_some().then_some("blobs"));
    features.map(str::to_owned).collect()
}

fn router(
    endpoint: &Endpoint,
    role: Role,
    gossip: Option<GossipHandler>,
    answerer: &Arc<Answerer>,
) -> Router {
    let mut router = Router::builder(endpoint.clone());
    if role == Role::Member {
        let service = Service::new(answerer.clone());
        router = router.incoming_filter(service.incoming_filter()).accept(META_ALPN, service);
    }
    #[cfg(feature = "blobs")]
    if role == Role::Member
        && let Some(blobs) = &answerer.blobs
    {
        let (access, passes) = (answerer.access.clone(), answerer.passes.clone());
        let provider = Provider::new(blobs.clone(), access, passes, answerer.busy.clone());
        router = router.accept(iroh_blobs::ALPN, provider);
    }
    if let Some(gossip) = gossip {
        router = router.accept(GOSSIP_ALPN, gossip);
    }
    router.spawn()
}

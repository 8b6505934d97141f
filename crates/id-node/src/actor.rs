//! The one task that owns the membership: it turns what happens into events, and performs effects.

mod joining;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use id_client::{AddressPolicy, AskError, Client, FailKind, Route, Session, Whoami};
use id_proto::{
    PeersPage, UnverifiedAnnouncement,
    iroh_base::{EndpointAddr, PublicKey, TransportAddr},
};
use iroh::{Endpoint, Watcher};
use iroh_gossip::api::Event as GossipEvent;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::sleep_until,
};
use tracing::{info, warn};

use crate::{
    access::{Access, AccessList},
    address_book::AddressBook,
    clock::Clock,
    config::{AnnounceAddrs, Role},
    data_dir::DataDir,
    handover::{Handed, Verdicts},
    membership::{Effect, Entry, Event, Membership, News, OwnFacts, SyncEnd, View},
    routes::Routes,
    topic::{Events, Rejoin, Topic},
};

/// How long a probe may take. Origin: protocol.md.
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a leave may travel before the connections close. Origin: a guess; iroh-gossip doesn't
/// say when a message has left, and a few round trips of a continent fit.
const LEAVE_LINGER: Duration = Duration::from_millis(250);
/// Most entries of one sync. Origin: the default table.
const MAX_SYNC_ENTRIES: u32 = 65_536;
/// Below this many peers every change of them is shown at once; above, at most every [`VIEW_GAP`],
/// and more rarely by [`VIEW_SIZE`].
const SMALL_TABLE: usize = 1024;
/// Origin: copying 65,536 shared entries takes 2 ms; this makes it at most 2 % of a core.
const VIEW_GAP: Duration = Duration::from_millis(100);
/// Each time a table has so many more, its views come as much more rarely: making one and dropping the one
/// before takes time by their length. Origin: views of a few thousand took a tenth of the time of nodes that
/// were flooded.
const VIEW_SIZE: usize = 4096;
/// How often the peers are saved. Origin: what a crash may forget.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);
/// When they are saved first. Origin: a joiner knows its network by then.
const FIRST_SAVE: Duration = Duration::from_secs(5);
/// What the owner of a [`crate::Node`] asks of the actor.
#[derive(Debug)]
pub(crate) enum Command {
    SetName(Option<String>),
    SetBlobCount(u64),
    /// Have to do only with these from now on; then say so.
    SetAccess(AccessList, oneshot::Sender<()>),
    /// Join through these from now on; then say so.
    SetBootstrap(Bootstrap, oneshot::Sender<()>),
    /// Say that a turn was taken.
    Turn(oneshot::Sender<()>),
    /// Say goodbye, save, and end.
    Leave(oneshot::Sender<()>),
}

/// Where an operator says that peers are.
pub(crate) type Configured = BTreeMap<PublicKey, BTreeSet<TransportAddr>>;

/// Whom an operator names to join through.
#[derive(Debug)]
pub(crate) struct Bootstrap {
    pub(crate) peers: Configured,
    /// Which addresses that others announce may be dialled then.
    pub(crate) policy: AddressPolicy,
}

/// A step of a sync.
#[derive(Debug)]
pub(crate) struct Told {
    by: PublicKey,
    page: PeersPage,
    /// Whether the next page is wanted.
    go_on: oneshot::Sender<bool>,
}

/// How a task that an effect started has ended.
#[derive(Debug)]
enum Outcome {
    Probed {
        peer: PublicKey,
        route: Option<Route>,
        answer: Result<UnverifiedAnnouncement, FailKind>,
    },
    Synced {
        peer: PublicKey,
        route: Option<Route>,
        end: SyncEnd,
    },
}

pub(crate) struct Actor {
    pub(crate) membership: Membership,
    pub(crate) facts: OwnFacts,
    pub(crate) role: Role,
    pub(crate) private: bool,
    pub(crate) announce_addrs: AnnounceAddrs,
    /// Which addresses that others announce may be dialled, besides those in our own places.
    pub(crate) policy: watch::Sender<AddressPolicy>,
    pub(crate) clock: Clock,
    pub(crate) endpoint: Endpoint,
    pub(crate) client: Client,
    pub(crate) book: AddressBook,
    pub(crate) routes: Routes,
    pub(crate) topic: Option<(Topic, Events)>,
    /// Whom to join through besides those in the table.
    pub(crate) bootstrap: BTreeSet<PublicKey>,
    pub(crate) configured: Configured,
    pub(crate) view: watch::Sender<Arc<View>>,
    /// Whom to have to do with, for all but the membership.
    pub(crate) access: Access,
    pub(crate) data_dir: Option<Arc<DataDir>>,
    pub(crate) commands: mpsc::Receiver<Command>,
    /// What operators hand over.
    pub(crate) handed: mpsc::Receiver<Handed>,
}

impl Actor {
    /// Runs until it is told to leave, or until its owner is gone.
    pub(crate) async fn run(self, first: Vec<Effect>) {
        let (told, told_queue) = mpsc::channel(4);
        let (topic, gossip) = self.topic.map_or((None, None), |(t, g)| (Some(t), Some(g)));
        let now = self.clock.now().mono;
        let mut running = Running {
            endpoint: self.endpoint,
            membership: self.membership,
            facts: self.facts,
            role: self.role,
            private: self.private,
            announce_addrs: self.announce_addrs,
            policy: self.policy,
            clock: self.clock,
            client: self.client,
            book: self.book,
            routes: self.routes,
            topic,
            rejoin: Rejoin::new(now),
            wanted: BTreeSet::new(),
            bootstrap: self.bootstrap,
            configured: self.configured,
            view: self.view,
            access: self.access,
            shown_at: now,
            save_at: now + FIRST_SAVE,
            data_dir: self.data_dir,
            tasks: JoinSet::new(),
            told,
        };
        running.perform_all(first);
        let (commands, handed) = (self.commands, self.handed);
        let sources = Sources { commands, told: told_queue, handed, gossip };
        let goodbye = running.run(sources).await;
        running.leave().await;
        if let Some(goodbye) = goodbye {
            let _ = goodbye.send(());
        }
    }
}

/// Where events come from, besides the actor's own tasks.
struct Sources {
    commands: mpsc::Receiver<Command>,
    told: mpsc::Receiver<Told>,
    handed: mpsc::Receiver<Handed>,
    gossip: Option<Events>,
}

struct Running {
    endpoint: Endpoint,
    membership: Membership,
    facts: OwnFacts,
    role: Role,
    private: bool,
    announce_addrs: AnnounceAddrs,
    policy: watch::Sender<AddressPolicy>,
    clock: Clock,
    client: Client,
    book: AddressBook,
    routes: Routes,
    topic: Option<Topic>,
    rejoin: Rejoin,
    /// Whom the last attempt asked whether they are there, to join them if they are.
    wanted: BTreeSet<PublicKey>,
    bootstrap: BTreeSet<PublicKey>,
    configured: Configured,
    view: watch::Sender<Arc<View>>,
    access: Access,
    shown_at: Duration,
    save_at: Duration,
    data_dir: Option<Arc<DataDir>>,
    tasks: JoinSet<Outcome>,
    told: mpsc::Sender<Told>,
}

impl Running {
    /// Returns whom to tell that the goodbye was said.
    async fn run(&mut self, mut sources: Sources) -> Option<oneshot::Sender<()>> {
        let mut addrs = self.endpoint.watch_addr().stream();
        loop {
            let deadline = tokio::time::Instant::from_std(self.clock.instant(self.deadline()));
            tokio::select! {
                command = sources.commands.recv() => match command {
                    Some(Command::Leave(goodbye)) => return Some(goodbye),
                    Some(command) => self.on_command(command),
                    None => return None,
                },
                event = next_gossip(&mut sources.gossip) => self.on_gossip(event),
                Some(told) = sources.told.recv() => self.on_told(told),
                Some(handed) = sources.handed.recv() => self.on_handed(handed),
                Some(ended) = self.tasks.join_next() => self.on_ended(ended),
                Some(addr) = addrs.next() => self.on_addr(&addr),
                () = sleep_until(deadline) => self.step(Event::Tick),
            }
            self.do_what_is_due();
        }
    }

    fn deadline(&self) -> Duration {
        let show =
            (self.membership.news() != News::Nothing).then_some(self.shown_at + self.view_gap());
        let rejoin = self.rejoin.due().filter(|_| self.topic.is_some());
        let next = self.membership.next_deadline();
        let save = self.data_dir.is_some().then_some(self.save_at);
        [show, rejoin, save].into_iter().flatten().fold(next, Duration::min)
    }

    fn step(&mut self, event: Event<'_>) {
        let effects = self.membership.handle(event, self.clock.now());
        self.perform_all(effects);
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::SetName(name) => self.change(OwnFacts { name, ..self.facts.clone() }),
            Command::SetBlobCount(blob_count) => {
                self.change(OwnFacts { blob_count, ..self.facts.clone() });
            }
            Command::SetAccess(list, done) => {
                self.set_access(Arc::new(list));
                let _ = done.send(());
            }
            Command::SetBootstrap(bootstrap, done) => {
                self.set_bootstrap(bootstrap);
                let _ = done.send(());
            }
            Command::Turn(done) => {
                let _ = done.send(());
            }
            Command::Leave(_) => unreachable!("the loop ends with it"),
        }
    }

    fn change(&mut self, facts: OwnFacts) {
        self.facts = facts;
        self.step(Event::OwnChanged(self.facts.clone()));
    }

    /// Connections first: nothing that comes over them shall be heard after it.
    fn set_access(&mut self, list: Arc<AccessList>) {
        self.access.set(list.clone());
        self.step(Event::AccessChanged(list));
        self.show(self.clock.now().mono);
        self.save();
    }

    fn on_addr(&mut self, addr: &EndpointAddr) {
        let addrs = self.announce_addrs.select(addr, self.private);
        self.open_places(addr);
        self.change(OwnFacts { addrs, ..self.facts.clone() });
    }

    fn on_gossip(&mut self, event: GossipEvent) {
        match event {
            GossipEvent::NeighborUp(peer) => {
                info!(event = "neighbour_up", peer = %peer, "neighbour up");
                self.step(Event::NeighbourUp(peer));
            }
            GossipEvent::NeighborDown(peer) => {
                info!(event = "neighbour_down", peer = %peer, "neighbour down");
                self.step(Event::NeighbourDown(peer));
            }
            GossipEvent::Received(message) => {
                let (message, from) = (&message.content, message.delivered_from);
                self.step(Event::Gossip { message, from });
            }
            GossipEvent::Lagged => self.step(Event::Lagged),
        }
    }

    fn on_told(&mut self, told: Told) {
        for item in told.page.items().filter_map(Result::ok) {
            self.step(Event::Told { item, by: told.by });
        }
        let _ = told.go_on.send(self.membership.wants_more_of(&told.by));
    }

    fn on_handed(&mut self, handed: Handed) {
        let (by, mut verdicts) = (handed.by, Verdicts::default());
        // What is behind a length that lies is nothing, and refused as that.
        for signed in handed.request.items().map(Result::unwrap_or_default) {
            for effect in self.membership.handle(Event::Handed { signed, by }, self.clock.now()) {
                match effect {
                    Effect::Judged(verdict) => verdicts.count(verdict),
                    other => self.perform(other),
                }
            }
        }
        // Whoever asks behind the report sees what it says, or soon does if the table is large.
        self.do_what_is_due();
        // Whoever has hung up doesn't want to know.
        let _ = handed.report.send(verdicts.report());
    }

    fn on_ended(&mut self, ended: Result<Outcome, tokio::task::JoinError>) {
        match ended {
            Ok(Outcome::Probed { peer, route, answer }) => {
                self.routes.dialled(peer, route);
                self.on_probed(peer, answer);
            }
            Ok(Outcome::Synced { peer, route, end }) => {
                // One that failed says nothing of the way: the peer may have answered, and refused.
                route.into_iter().for_each(|route| self.routes.dialled(peer, Some(route)));
                self.step(Event::Synced { peer, end });
            }
            Err(error) => warn!(%error, "a task of the membership failed"),
        }
    }

    fn on_probed(&mut self, peer: PublicKey, answer: Result<UnverifiedAnnouncement, FailKind>) {
        let is_welcome = self.wanted.remove(&peer) && answer.is_ok();
        self.step(Event::Probed { peer, answer });
        if is_welcome && self.membership.wants_neighbours() {
            self.join(vec![peer]);
        }
    }

    fn perform_all(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Broadcast(message) => self.broadcast(message),
            Effect::Probe(addr) => {
                self.tasks.spawn(probe(self.client.clone(), addr, self.access.clone()));
            }
            Effect::SyncFrom(peer) => {
                let (told, access) = (self.told.clone(), self.access.clone());
                self.tasks.spawn(sync(self.client.clone(), peer, told, access));
            }
            Effect::Join(peer) => self.join(vec![peer]),
            Effect::Learned { entry, is_new } => self.learned(&entry, is_new),
            Effect::Forgotten { peer, reason } => {
                let (reason, table_size) = (reason.as_str(), self.membership.table_size());
                self.book.remove(&peer);
                info!(event = "peer_removed", peer = %peer, reason, table_size, "peer removed");
            }
            Effect::ReserveSeq(seq) => self.reserve_seq(seq),
            // `on_handed` reports it.
            Effect::Judged(_) => {}
        }
    }

    fn broadcast(&self, message: Vec<u8>) {
        if let (Role::Member, Some(topic)) = (self.role, &self.topic) {
            topic.broadcast(message);
        }
    }

    fn learned(&self, entry: &Entry, is_new: bool) {
        let mut addr = self.membership.dialable(&entry.announcement);
        // Where an operator says that it is counts as well.
        addr.addrs.extend(self.configured.get(&addr.id).into_iter().flatten().cloned());
        self.book.set(addr);
        if is_new {
            let (peer, source) = (entry.node_id(), entry.source);
            let table_size = self.membership.table_size();
            info!(event = "peer_added", %peer, ?source, table_size, "peer added");
        }
    }

    fn reserve_seq(&self, seq: u64) {
        let reserved = self.data_dir.as_ref().map(|dir| dir.reserve_seq(seq));
        if let Some(Err(error)) = reserved {
            warn!(%error, "can't reserve sequence numbers: after a clock step back, a restart may go unheard");
        }
    }

    fn do_what_is_due(&mut self) {
        let now = self.clock.now().mono;
        self.rejoin.observe(self.membership.wants_neighbours(), now);
        if self.rejoin.due().is_some_and(|due| now >= due) {
            self.rejoin(now);
        }
        let at_once = self.membership.table_size() <= SMALL_TABLE;
        let is_due = match self.membership.news() {
            News::Nothing => false,
            News::Peers if at_once => true,
            News::Peers | News::Counters => now >= self.shown_at + self.view_gap(),
        };
        if is_due {
            self.show(now);
        }
        if now >= self.save_at {
            self.save_at = now + SAVE_INTERVAL;
            self.save();
        }
    }

    fn view_gap(&self) -> Duration {
        let sizes = 1 + self.membership.table_size() / VIEW_SIZE;
        VIEW_GAP * u32::try_from(sizes).unwrap_or(u32::MAX)
    }

    fn show(&mut self, now: Duration) {
        self.shown_at = now;
        self.view.send_replace(Arc::new(self.membership.view()));
    }

    /// Saves the peers, those that answered our own dial first, then the last heard; and behind them
    /// those that were lost lately.
    fn save(&self) {
        let Some(dir) = self.data_dir.as_ref().filter(|_| self.role == Role::Member) else {
            return;
        };
        let mut entries = self.view.borrow().entries.clone();
        entries.sort_by_key(|entry| std::cmp::Reverse((entry.verified, entry.heard)));
        let peers =
            entries.iter().map(|entry| &entry.announcement).chain(self.membership.lost()).cloned();
        let peers: Vec<_> = peers.collect();
        // An isolated node's empty table must not erase the way back.
        if !peers.is_empty()
            && let Err(error) = dir.save_peers(&peers)
        {
            warn!(%error, "can't save the peers: a restart will need a bootstrap peer");
        }
    }

    async fn leave(mut self) {
        self.tasks.shutdown().await;
        self.show(self.clock.now().mono);
        self.save();
        self.step(Event::Leaving);
        if let Some(topic) = self.topic.take() {
            topic.flush().await;
            if !self.membership.is_isolated() && self.role == Role::Member {
                tokio::time::sleep(LEAVE_LINGER).await;
            }
            topic.shutdown().await;
        }
    }
}

/// The next event of the topic. Never, if there is no topic or gossip has ended.
async fn next_gossip(gossip: &mut Option<Events>) -> GossipEvent {
    if let Some(events) = gossip {
        if let Some(event) = events.recv().await {
            return event;
        }
        warn!("gossip has ended");
        *gossip = None;
    }
    std::future::pending().await
}

/// Finds out whether a peer is alive, and fetches its newest announcement on the way.
async fn probe(client: Client, addr: EndpointAddr, access: Access) -> Outcome {
    let (peer, client) = (addr.id, client.with_timeout(PROBE_TIMEOUT));
    let pong = tokio::select! {
        biased;
        () = access.revoked(peer) => Err(FailKind::Lost),
        pong = client.ping(addr) => pong.map_err(|error| error.kind),
    };
    let route = pong.as_ref().ok().map(|pong| pong.route);
    Outcome::Probed { peer, route, answer: pong.and_then(|pong| own_announcement(pong.whoami)) }
}

/// The announcement with which a peer answers. The gate checks it like any other.
fn own_announcement(whoami: Whoami) -> Result<UnverifiedAnnouncement, FailKind> {
    let own = whoami.about.ok_or(FailKind::NotMember)?.announcement;
    UnverifiedAnnouncement::decode(own.bytes()).map_err(|_| FailKind::Protocol)
}

/// Fetches a peer's table.
async fn sync(
    client: Client,
    peer: PublicKey,
    told: mpsc::Sender<Told>,
    access: Access,
) -> Outcome {
    let synced = tokio::select! {
        biased;
        () = access.revoked(peer) => Err(AskError::new(FailKind::Lost, "denied meanwhile")),
        synced = fetch(client, peer, told) => synced,
    };
    if let Err(error) = &synced {
        info!(peer = %peer.fmt_short(), %error, "a sync failed");
    }
    let route = synced.as_ref().ok().copied();
    let end = synced.map_or_else(|error| end_of(error.kind), |_| SyncEnd::Complete);
    Outcome::Synced { peer, route, end }
}

/// Whether the peer may have a table for us another time.
fn end_of(failure: FailKind) -> SyncEnd {
    match failure {
        FailKind::Refused
        | FailKind::Unsupported
        | FailKind::NotMember
        | FailKind::Protocol
        | FailKind::TooLarge => SyncEnd::NoSource,
        _ => SyncEnd::Failed,
    }
}

/// Hands over what the peer tells, and returns how it was reached.
async fn fetch(
    client: Client,
    peer: PublicKey,
    told: mpsc::Sender<Told>,
) -> Result<Route, AskError> {
    let session: Session = client.connect(peer.into()).await?;
    let mut pages = std::pin::pin!(session.list_peers(MAX_SYNC_ENTRIES));
    while let Some(page) = pages.next().await {
        let (go_on, goes_on) = oneshot::channel();
        let sent = told.send(Told { by: peer, page: page?, go_on }).await;
        // If the actor is gone, so is the question.
        if sent.is_err() || goes_on.await != Ok(true) {
            break;
        }
    }
    Ok(session.route())
}

#[cfg(test)]
mod tests;

//! The task that speaks gossip: iroh-gossip's state, and the links that its messages travel on.
//!
//! It never waits for a peer. What there is for one is queued at its link, and what a link can't take is
//! lost to that peer alone.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use futures::StreamExt;
use id_client::AddressPolicy;
use id_proto::iroh_base::{EndpointAddr, PublicKey};
use iroh::{Endpoint, Watcher, endpoint::Connection};
use iroh_gossip::{
    ALPN, TopicId,
    api::{Event, Message as Content},
    proto::{self, DeliveryScope, PlumtreeConfig, Scope},
};
use rand::{SeedableRng, rngs::StdRng};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until, timeout},
};
use tracing::{debug, info, warn};

use super::{
    counts::{Count, GossipCounts},
    guests::Guests,
    link::{End, LinkEvent},
    links::Links,
    places::{self, Places},
    ration::Rations,
    wire::{self, Heard},
};
use crate::{access::Access, address_book::AddressBook, config::AnnounceAddrs, routes::Routes};

/// How long a dial may take. Origin: a probe's.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Most dials at the same time. Origin: gossip dials a handful; a crowd of names costs no more.
const MAX_DIALS: usize = 64;
/// Most frames that wait for a dial. Origin: a guess; gossip says two or three things to a newcomer.
const MAX_WAITING: usize = 16;
/// Most events that wait for whoever listens; contents beyond are lost, and it is told so. Origin:
/// iroh-gossip's two queues.
const MAX_EVENTS: usize = 2048;
/// Most events of all kinds; beyond, nothing more is read. Origin: [`MAX_EVENTS`], twice over.
const MAX_ALL_EVENTS: usize = 4096;
/// Most link events that wait for this task. Origin: a guess; it takes them within microseconds.
const MAX_LINK_EVENTS: usize = 256;
/// How long a content is kept for neighbours that ask for it. Origin: they ask within a second; three times
/// as long, as iroh-gossip keeps it, a flood fills three times the memory.
const CONTENT_KEPT: Duration = Duration::from_secs(10);
/// How often to look after what is kept. Origin: the finest of the times below, with room.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// How long after an offence others have taken the offender's place. Origin: a guess; who has too few
/// neighbours asks others at once.
const RECOVERED_AFTER: Duration = Duration::from_secs(1);
/// How many neighbours there are at most. Origin: iroh-gossip's, from the HyParView paper, p. 9.
const MAX_NEIGHBOURS: usize = 5;
/// How long a connection is kept that is nobody's neighbour. Origin: gossip needs it for a second at most.
const IDLE_AFTER: Duration = Duration::from_secs(30);

type State = proto::State<PublicKey, StdRng>;
type In = proto::InEvent<PublicKey>;
type Out = proto::OutEvent<PublicKey>;
type Timer = proto::Timer<PublicKey>;

/// What is asked of gossip.
#[derive(Debug)]
pub(super) enum Command {
    Broadcast(Vec<u8>),
    Join(Vec<PublicKey>),
    /// Answered once everything that was asked before is on its way.
    Flush(oneshot::Sender<()>),
    /// Leaves the topic, and ends once the neighbours have heard of it.
    Leave(oneshot::Sender<()>),
}

/// What gossip works with.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) endpoint: Endpoint,
    pub(super) topic: TopicId,
    /// Which addresses that others name may be dialled, besides those in our own places.
    pub(super) policy: watch::Receiver<AddressPolicy>,
    /// Which of our own addresses others are told.
    pub(super) announce_addrs: AnnounceAddrs,
    pub(super) private: bool,
    pub(super) counts: GossipCounts,
    pub(super) routes: Routes,
    /// Who is in the table.
    pub(super) book: AddressBook,
    /// Whom to talk to at all.
    pub(super) access: Access,
}

/// Where things come from, and where they go.
#[derive(Debug)]
pub(super) struct Channels {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) accepted: mpsc::Receiver<Connection>,
    pub(super) events: mpsc::Sender<Event>,
}

pub(super) struct Swarm {
    around: Surroundings,
    state: State,
    links: Links,
    guests: Guests,
    places: Places,
    neighbours: BTreeMap<PublicKey, Instant>,
    /// What is to be said to peers as soon as they are connected.
    waiting: BTreeMap<PublicKey, Vec<Vec<u8>>>,
    dials: JoinSet<Dialled>,
    rations: Rations,
    started: Instant,
    /// Whom we were told to join, and needn't be stingy with.
    asked: BTreeSet<PublicKey>,
    timers: BTreeMap<(Instant, u64), Timer>,
    n_timers: u64,
    events: VecDeque<Event>,
    /// Whose place was forgotten; the state shall forget it as well.
    forgotten: Vec<PublicKey>,
    /// Whom to join after a new start.
    lost: Vec<PublicKey>,
    /// Since when an offender may have kept from us what others said.
    may_lack_since: Option<Instant>,
}

/// How a dial has ended.
#[derive(Debug)]
struct Dialled {
    peer: PublicKey,
    way: Way,
    connection: Option<Connection>,
}

/// Why a peer is dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It isn't.
    None,
    /// We were told to join it.
    Asked,
    /// Others named it, and it is paid for.
    Named,
}

fn state(around: &Surroundings) -> State {
    let me = around.endpoint.id();
    let told = around.announce_addrs.select(&around.endpoint.addr(), around.private);
    let rng = StdRng::from_rng(&mut rand::rng());
    let broadcast =
        PlumtreeConfig { message_cache_retention: CONTENT_KEPT, ..PlumtreeConfig::default() };
    let config = proto::Config { broadcast, ..proto::Config::default() };
    State::new(me, places::write(&told), config, rng)
}

impl Swarm {
    pub(super) fn new(around: Surroundings) -> (Self, mpsc::Receiver<(u64, LinkEvent)>) {
        let (link_events, queue) = mpsc::channel(MAX_LINK_EVENTS);
        let mut swarm = Self {
            state: state(&around),
            links: Links::new(around.topic, link_events),
            around,
            guests: Guests::default(),
            places: Places::default(),
            neighbours: BTreeMap::new(),
            waiting: BTreeMap::new(),
            dials: JoinSet::new(),
            rations: Rations::default(),
            started: Instant::now(),
            asked: BTreeSet::new(),
            timers: BTreeMap::new(),
            n_timers: 0,
            events: VecDeque::new(),
            forgotten: Vec::new(),
            lost: Vec::new(),
            may_lack_since: None,
        };
        // Joining nobody subscribes to the topic.
        swarm.join(Vec::new());
        (swarm, queue)
    }

    /// Runs until it is told to leave, or until nobody asks anything any more.
    pub(super) async fn run(
        mut self,
        mut heard: mpsc::Receiver<(u64, LinkEvent)>,
        channels: Channels,
    ) {
        let Channels { mut commands, mut accepted, events } = channels;
        let mut addrs = self.around.endpoint.watch_addr().stream();
        let mut lists = self.around.access.changes();
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        loop {
            let timer = self.timers.first_key_value().map(|((at, _), _)| *at);
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Leave(done)) => {
                        self.leave(heard).await;
                        let _ = done.send(());
                        return;
                    }
                    Some(command) => self.on_command(command),
                    None => return,
                },
                Some(connection) = accepted.recv() => self.on_accepted(connection),
                Some((link, event)) = heard.recv(), if self.events.len() < MAX_ALL_EVENTS => {
                    self.on_link(link, event);
                }
                Some(dialled) = self.dials.join_next() => self.on_dialled(dialled),
                Some(addr) = addrs.next() => self.on_addr(&addr),
                Ok(()) = lists.changed() => self.on_lists_changed(),
                Ok(room) = events.reserve(), if !self.events.is_empty() => {
                    if let Some(event) = self.events.pop_front() {
                        room.send(event);
                    }
                }
                () = sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => {
                    self.on_timers();
                }
                _ = housekeeping.tick() => self.keep_house(),
            }
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Broadcast(message) => {
                self.command(proto::Command::Broadcast(message.into(), Scope::Swarm))
            }
            Command::Join(peers) => self.join(peers),
            Command::Flush(done) | Command::Leave(done) => drop(done.send(())),
        }
    }

    fn join(&mut self, peers: Vec<PublicKey>) {
        self.asked.extend(&peers);
        self.command(proto::Command::Join(peers));
        // Their dials have begun, if there was need.
        self.asked.clear();
    }

    fn command(&mut self, command: proto::Command<PublicKey>) {
        self.step(In::Command(self.around.topic, command));
    }

    fn on_addr(&mut self, addr: &EndpointAddr) {
        let told = self.around.announce_addrs.select(addr, self.around.private);
        self.step(In::UpdatePeerData(places::write(&told)));
    }

    /// Whoever isn't admitted any more hears no word of ours from now on.
    fn on_lists_changed(&mut self) {
        let access = &self.around.access;
        self.links.close_those(End::Refused, |peer| !access.admits(peer));
    }

    fn on_timers(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.timers.first_entry().filter(|entry| entry.key().0 <= now) {
            let timer = entry.remove();
            self.step(In::TimerExpired(timer));
        }
    }

    fn on_accepted(&mut self, connection: Connection) {
        let peer = connection.remote_id();
        match self.may_talk_to(&peer) {
            true => self.open(peer, connection),
            false => self.refuse(&connection),
        }
    }

    fn refuse(&self, connection: &Connection) {
        self.around.counts.count(Count::Refused);
        End::Refused.close(connection);
    }

    fn open(&mut self, peer: PublicKey, connection: Connection) {
        let waiting = self.waiting.remove(&peer).unwrap_or_default();
        self.around.routes.opened(&connection);
        self.links.open(peer, connection);
        waiting.into_iter().for_each(|frame| self.send(peer, frame));
    }

    fn on_dialled(&mut self, dialled: Result<Dialled, JoinError>) {
        let Dialled { peer, way, connection } = match dialled {
            Ok(dialled) => dialled,
            Err(error) => return warn!(%error, "a dial of gossip's failed"),
        };
        if way == Way::Named && connection.is_some() {
            self.rations.dial_answered();
        }
        match connection {
            Some(connection) if self.may_talk_to(&peer) => self.open(peer, connection),
            Some(connection) => {
                self.refuse(&connection);
                self.on_unreachable(peer);
            }
            None => self.on_unreachable(peer),
        }
    }

    fn may_talk_to(&self, peer: &PublicKey) -> bool {
        let is_barred = self.guests.is_barred(peer, std::time::Instant::now());
        self.around.access.admits(peer) && !is_barred && self.links.have_room_for(peer)
    }

    fn on_unreachable(&mut self, peer: PublicKey) {
        self.waiting.remove(&peer);
        if !self.links.can_send_to(&peer) {
            self.step(In::PeerDisconnected(peer));
        }
    }

    fn on_link(&mut self, link: u64, event: LinkEvent) {
        let Some(peer) = self.links.peer_of(link) else { return };
        match event {
            LinkEvent::Heard(heard) => self.on_heard(peer, heard),
            LinkEvent::Flushed => self.links.note_flushed(link),
            LinkEvent::Ended(end) => self.on_ended(link, peer, end),
        }
    }

    fn on_heard(&mut self, peer: PublicKey, heard: Heard) {
        match heard {
            Heard::Message(message) => self.step(In::RecvMessage(peer, *message)),
            Heard::Statement { message, author } => match self.may_bring(peer, author) {
                true => self.step(In::RecvMessage(peer, *message)),
                false => self.around.counts.count(Count::Rationed),
            },
            Heard::Request(message) => {
                self.make_room_for(peer);
                self.step(In::RecvMessage(peer, *message));
            }
            Heard::TooLong(content) => self.on_too_long(peer, content),
            Heard::Nothing => {}
        }
    }

    /// What peers that we know say is never rationed.
    fn may_bring(&mut self, neighbour: PublicKey, author: Option<[u8; 32]>) -> bool {
        let is_known = |id| self.around.book.has(id) || self.neighbours.contains_key(id);
        author.as_ref().is_some_and(is_known)
            || self.rations.takes_stranger(neighbour, self.started.elapsed())
    }

    /// Whoever asks to be a neighbour takes the place of one chosen at random if there are five. While
    /// offenders may come again and again under new names, it is the place of whoever came last.
    fn make_room_for(&mut self, peer: PublicKey) {
        let is_full = self.neighbours.len() >= MAX_NEIGHBOURS;
        let are_suspect = self.guests.are_suspect(std::time::Instant::now());
        if !is_full || !are_suspect || self.neighbours.contains_key(&peer) {
            return;
        }
        let last = self.neighbours.iter().max_by_key(|(_, since)| **since).map(|(last, _)| *last);
        if let (Some(last), Some(goodbye)) = (last, wire::goodbye(self.around.topic)) {
            self.send(last, wire::GOODBYE.to_vec());
            self.step(In::RecvMessage(last, *goodbye));
        }
    }

    /// It goes no further, but is counted as what it is.
    fn on_too_long(&mut self, peer: PublicKey, content: Vec<u8>) {
        let (content, scope) = (content.into(), DeliveryScope::Neighbors);
        self.emit(Event::Received(Content { content, scope, delivered_from: peer }));
    }

    fn on_ended(&mut self, link: u64, peer: PublicKey, end: End) {
        debug!(%peer, ?end, "a gossip connection has ended");
        let was_in_use = self.links.remove(link);
        match end {
            End::Stalled => self.convict(peer, end, Count::CutOff),
            End::Poisoned => self.convict(peer, end, Count::Poisoned),
            End::Closed | End::Malformed | End::Refused => {}
        }
        if was_in_use {
            self.step(In::PeerDisconnected(peer));
        }
        if !self.links.have(&peer) && !self.neighbours.contains_key(&peer) {
            self.forget(peer);
        }
    }

    fn convict(&mut self, peer: PublicKey, end: End, what: Count) {
        let reason = match end {
            End::Poisoned => "it sent what stops iroh-gossip",
            _ => "it takes nothing",
        };
        warn!(event = "neighbour_cut_off", %peer, reason, "a neighbour is cut off");
        self.guests.convict(peer, std::time::Instant::now());
        self.around.counts.count(what);
        self.may_lack_since.get_or_insert(Instant::now());
        self.links.close_all_of(&peer, end);
    }

    /// Has the state forget that `peer` was ever connected, which it does only at a message from somebody
    /// who is no neighbour.
    fn forget(&mut self, peer: PublicKey) {
        if let Some(nothing) = wire::nothing(self.around.topic) {
            self.step(In::RecvMessage(peer, *nothing));
        }
    }

    /// Steps the state, and does what it wants. What makes it panic costs us the neighbours.
    fn step(&mut self, event: In) {
        let (now, state) = (Instant::now(), &mut self.state);
        let step = || state.handle(event, now, None).collect::<Vec<_>>();
        match catch_unwind(AssertUnwindSafe(step)) {
            Ok(wanted) => wanted.into_iter().for_each(|wanted| self.perform(wanted, now)),
            Err(_) => self.rebuild(),
        }
    }

    fn perform(&mut self, wanted: Out, now: Instant) {
        match wanted {
            Out::SendMessage(peer, message) => match wire::write(&message) {
                Some(frame) => self.send(peer, frame),
                None => warn!(%peer, "a message is too long for gossip, not sent"),
            },
            Out::EmitEvent(_, event) => {
                let event = Event::from(event);
                self.note(&event, now);
                self.emit(event);
            }
            Out::ScheduleTimer(delay, timer) => {
                self.n_timers += 1;
                self.timers.insert((now + delay, self.n_timers), timer);
            }
            Out::DisconnectPeer(peer) => self.links.finish_all_of(&peer),
            Out::PeerData(peer, data) => {
                self.forgotten.extend(self.places.note(peer, &data));
            }
        }
    }

    fn send(&mut self, peer: PublicKey, frame: Vec<u8>) {
        if self.links.can_send_to(&peer) {
            if self.links.overflow(&peer, frame) {
                self.around.counts.count(Count::Dropped);
            }
            return;
        }
        let waiting = self.waiting.entry(peer).or_default();
        let is_first = waiting.is_empty();
        if waiting.len() < MAX_WAITING {
            waiting.push(frame);
        }
        if is_first {
            self.dial(peer);
        }
    }

    fn dial(&mut self, peer: PublicKey) {
        let way = self.way_to(&peer);
        let endpoint = self.around.endpoint.clone();
        let policy = self.around.policy.borrow().clone().open(&endpoint.addr());
        let addr = self.places.of(peer, &policy);
        self.dials.spawn(async move {
            let connected = match way {
                Way::None => return Dialled { peer, way, connection: None },
                Way::Asked | Way::Named => endpoint.connect(addr, ALPN),
            };
            let connected = timeout(DIAL_TIMEOUT, connected).await;
            Dialled { peer, way, connection: connected.ok().and_then(Result::ok) }
        });
    }

    fn way_to(&mut self, peer: &PublicKey) -> Way {
        match self.dials.len() < MAX_DIALS && self.may_talk_to(peer) {
            false => Way::None,
            true if self.asked.contains(peer) => Way::Asked,
            true if self.rations.takes_dial(self.started.elapsed()) => Way::Named,
            true => Way::None,
        }
    }

    fn note(&mut self, event: &Event, now: Instant) {
        match event {
            Event::NeighborUp(peer) => drop(self.neighbours.insert(*peer, now)),
            Event::NeighborDown(peer) => drop(self.neighbours.remove(peer)),
            Event::Received(_) | Event::Lagged => {}
        }
    }

    fn emit(&mut self, event: Event) {
        let is_content = matches!(event, Event::Received(_));
        let is_full = self.events.len() >= MAX_EVENTS;
        match (is_content && is_full, self.events.back()) {
            (false, _) => self.events.push_back(event),
            (true, Some(Event::Lagged)) => {}
            (true, _) => self.events.push_back(Event::Lagged),
        }
    }

    /// Starts with a new state: the old one can't be trusted any more.
    fn rebuild(&mut self) {
        warn!(event = "gossip_rebuilt", "gossip has failed, starting it anew");
        self.around.counts.count(Count::Rebuilt);
        self.state = state(&self.around);
        self.links.close_all();
        self.waiting.clear();
        self.timers.clear();
        self.lost = std::mem::take(&mut self.neighbours).into_keys().collect();
        let down: Vec<_> = self.lost.iter().copied().map(Event::NeighborDown).collect();
        down.into_iter().for_each(|event| self.emit(event));
        self.join(Vec::new());
    }

    fn keep_house(&mut self) {
        let now = Instant::now();
        self.links.finish_idle(now, IDLE_AFTER, |peer| self.neighbours.contains_key(peer));
        self.clean_state();
        self.rations.expire(self.started.elapsed());
        self.ask_for_what_we_lack(now);
        let lost = std::mem::take(&mut self.lost);
        if !lost.is_empty() {
            info!("joining the neighbours of before again");
            self.join(lost);
        }
    }

    /// Offenders may have been all our neighbours for a while, or all of somebody who spoke.
    fn ask_for_what_we_lack(&mut self, now: Instant) {
        let is_due = self.may_lack_since.is_some_and(|since| now >= since + RECOVERED_AFTER);
        if is_due && !self.neighbours.is_empty() {
            self.may_lack_since = None;
            self.emit(Event::Lagged);
        }
    }

    /// The state keeps what it is told of peers, and of messages that never come, until somebody
    /// disconnects.
    fn clean_state(&mut self) {
        for peer in std::mem::take(&mut self.forgotten) {
            if !self.links.have(&peer) {
                self.step(In::PeerDisconnected(peer));
            }
        }
        self.step(In::PeerDisconnected(self.around.endpoint.id()));
    }

    async fn leave(mut self, mut heard: mpsc::Receiver<(u64, LinkEvent)>) {
        self.command(proto::Command::Quit);
        self.links.finish_all();
        // Those that were finished before have been heard of already, and linger for the last words of peers.
        self.links.close_flushed();
        while !self.links.are_none() {
            if let Some((link, LinkEvent::Flushed | LinkEvent::Ended(_))) = heard.recv().await {
                self.links.remove(link);
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! The crawl as a state machine: breadth first, bounded, without I/O and without a clock.
//!
//! It is a deterministic function of its inputs, and is driven by [`crate::Crawl`] or by a
//! simulation:
//!
//! 1. [`CrawlState::poll`] says whom to ask, as long as it says somebody;
//! 2. [`CrawlState::on_slow`], [`CrawlState::on_connected`], [`CrawlState::on_paths`],
//!    [`CrawlState::on_page`] and [`CrawlState::on_done`] take what comes back, in whatever order it comes, and
//!    [`CrawlState::on_recalled`] what came back in the past. Signatures of a page can be checked before, on
//!    another thread: [`CrawlState::look_at`] says which, and [`CrawlState::on_checked_page`] takes them;
//! 3. when [`CrawlState::is_done`], [`CrawlState::finish`] makes the report.
//!
//! Input about a peer that isn't being asked is ignored.

mod again;
mod edges;
mod entries;
mod recall;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use id_proto::{
    NetworkTag, SignedAnnouncement,
    iroh_base::{EndpointAddr, PublicKey, TransportAddr},
};

pub use entries::MAX_FORGED;

use crate::{
    address_policy::AddressPolicy,
    crawl::{
        event::CrawlEvent,
        frontier::{Claim, Fate, Frontier, Number, Turn},
        known::{Asking, Peer, Progress},
        limits::{Depth, Limits, MAX_PARKED},
        past::{Answer, Keeping},
        places::Places,
        report::{CrawlReport, CrawledPeer, PeerStatus, StopReason},
    },
    error::{AskError, FailKind},
    transport::Route,
};

/// The number of whoever crawls, among those whom an answer can name.
const OWN_NUMBER: Number = 0;

/// A crawl: who is known, who is asked, who comes next.
#[derive(Debug)]
pub struct CrawlState {
    limits: Limits,
    network_tag: NetworkTag,
    own_id: Option<PublicKey>,
    peers: BTreeMap<PublicKey, Peer>,
    ids: BTreeMap<Number, PublicKey>,
    /// The last number that was given, to somebody who may be known no more.
    last_number: Number,
    frontier: Frontier,
    places: Places,
    n_asking: usize,
    /// Of these, who can't be reached soon.
    n_parked: usize,
    /// Who failed perhaps only for now, and is asked again in the end.
    put_off: VecDeque<PublicKey>,
    /// Whether there was somebody for whom there was no room, or who took another's place.
    is_over: bool,
    stopped_by: Option<StopReason>,
    address_policy: AddressPolicy,
    /// What became of peers that weren't dialled when their turn came.
    undialled: Vec<CrawlEvent>,
    /// Whom each who answered named, as far as that is kept, and how many seconds ago it had heard of each.
    named: BTreeMap<Number, Vec<(Number, u32)>>,
    /// How many are kept, of those who are being asked too.
    n_edges: usize,
    /// Cases of who named whom for which there was no room.
    n_edges_left_out: u64,
    /// What peers answered, for those who want to know it in another crawl.
    kept: BTreeMap<PublicKey, Answer>,
    /// How many more cases of who named whom are kept in answers.
    room_for_named: usize,
}

/// A question to put to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Whom to dial: the addresses that it announced, and those that a seed was given with. May
    /// have none, if the transport can look one up.
    pub peer: EndpointAddr,
    /// Hops from the seeds.
    pub depth: u32,
    /// How many times it is asked with this one.
    pub attempt: u8,
}

impl CrawlState {
    /// A crawl from `seeds`, which are the first to be known and count in [`Limits::max_peers`].
    ///
    /// Entries for another network than `network_tag`'s are not believed. A node that crawls its
    /// own network gives its `own_id`: it neither asks itself nor is it listed.
    pub fn new(
        seeds: impl IntoIterator<Item = EndpointAddr>,
        limits: Limits,
        network_tag: NetworkTag,
        own_id: Option<PublicKey>,
    ) -> Self {
        let mut state = Self {
            limits,
            network_tag,
            own_id,
            peers: BTreeMap::new(),
            ids: BTreeMap::new(),
            last_number: OWN_NUMBER,
            frontier: Frontier::default(),
            places: Places::default(),
            n_asking: 0,
            n_parked: 0,
            put_off: VecDeque::new(),
            is_over: false,
            stopped_by: None,
            address_policy: AddressPolicy::anything(),
            undialled: Vec::new(),
            named: BTreeMap::new(),
            n_edges: 0,
            n_edges_left_out: 0,
            kept: BTreeMap::new(),
            room_for_named: 0,
        };
        seeds.into_iter().for_each(|seed| state.add_seed(seed));
        state
    }

    /// Dials only those announced addresses that `policy` allows, and those that seeds were given
    /// with. A seed that announces local addresses opens their places. By default every address is
    /// dialled.
    pub fn address_policy(self, policy: AddressPolicy) -> Self {
        Self { address_policy: policy, ..self }
    }

    /// Whom to ask, if a question may be put now. The caller asks, and tells what comes back.
    ///
    /// A peer all of whose addresses are forbidden has failed when its turn comes
    /// ([`FailKind::ForbiddenAddress`]); [`CrawlState::undialled`] tells of it.
    pub fn poll(&mut self) -> Option<Ask> {
        loop {
            let n_active = self.n_asking - self.n_parked;
            if self.stopped_by.is_some() || n_active >= self.limits.concurrency.get() {
                return None;
            }
            let id = match self.frontier.pop() {
                Some(turn) => self.begin(turn),
                None => self.begin_again()?,
            };
            let peer = self.peers.get_mut(&id).expect("who is asked is known");
            peer.attempts += 1;
            peer.dial(|addr| self.address_policy.allows(addr));
            self.n_asking += 1;
            match peer.endpoint_addr(id, &self.address_policy) {
                Some(addr) => {
                    return Some(Ask { peer: addr, depth: peer.depth, attempt: peer.attempts });
                }
                None => self.forbid(id),
            }
        }
    }

    /// Somebody whose turn it is will be asked.
    fn begin(&mut self, turn: Turn) -> PublicKey {
        let id = self.ids[&turn.peer];
        let peer = self.peers.get_mut(&id).expect("who waits is known");
        let keeping = (self.room_for_named > 0).then(Keeping::default);
        peer.progress = Progress::Asking(Box::new(Asking::new(turn, keeping)));
        self.places.keep(turn.peer);
        id
    }

    /// What became of peers that [`CrawlState::poll`] passed over since the last call.
    pub fn undialled(&mut self) -> Vec<CrawlEvent> {
        std::mem::take(&mut self.undialled)
    }

    /// `from` can't be reached soon: it is still waited for, but another one may be asked meanwhile, unless too
    /// many are waited for so. In a crawl of unlimited depth the levels behind it don't wait either.
    pub fn on_slow(&mut self, from: PublicKey) {
        let peer = self.peers.get(&from).map(|peer| &peer.progress);
        if let Some(Progress::Asking(asking)) = peer
            && self.n_parked < MAX_PARKED
        {
            // Where depth decides who is asked, it has to be right.
            if self.limits.max_depth == Depth::Unlimited {
                self.frontier.overtake(asking.turn);
            }
            self.park(from, true);
        }
    }

    fn park(&mut self, peer: PublicKey, park: bool) {
        if let Some(Progress::Asking(asking)) = self.peers.get_mut(&peer).map(|it| &mut it.progress)
            && asking.is_parked != park
        {
            asking.is_parked = park;
            self.n_parked = if park { self.n_parked + 1 } else { self.n_parked - 1 };
        }
    }

    /// `from` was reached.
    pub fn on_connected(&mut self, from: PublicKey, route: Route) {
        self.park(from, false);
        let Some(peer) = self.peers.get_mut(&from) else { return };
        if let Progress::Asking(asking) = &mut peer.progress {
            asking.is_reached = true;
            peer.route = Some(route);
        }
    }

    /// `from`, which was reached, was so by these addresses.
    pub fn on_paths(&mut self, from: PublicKey, addrs: Vec<TransportAddr>) {
        if let Some(peer) = self.peers.get_mut(&from).filter(|peer| peer.is_asking()) {
            peer.reached_by(addrs);
        }
    }

    /// `from` has answered to the end, or failed. What it told before stays.
    ///
    /// If that may pass, it hasn't failed yet: it is asked again when there is nobody else to ask, at most
    /// [`MAX_ATTEMPTS`](crate::MAX_ATTEMPTS) times.
    pub fn on_done(&mut self, from: PublicKey, outcome: Result<(), AskError>) -> Vec<CrawlEvent> {
        if let Err(error) = &outcome
            && self.may_ask_again(&from, error)
        {
            return self.put_off(from, error.clone()).into_iter().collect();
        }
        let ended = self.end(from, outcome, Cut::No);
        let is_full = self.frontier.is_empty() && self.is_over && self.stopped_by.is_none();
        let limit = (ended.is_some() && is_full).then(|| {
            self.stopped_by = Some(StopReason::MaxPeers);
            CrawlEvent::LimitHit(StopReason::MaxPeers)
        });
        ended.into_iter().chain(limit).collect()
    }

    /// Ends the crawl early, with what it has. A crawl that is done isn't changed.
    ///
    /// [`StopReason`] says what becomes of those who were being asked.
    pub fn stop(&mut self, reason: StopReason) -> Vec<CrawlEvent> {
        if self.is_done() {
            return Vec::new();
        }
        self.stopped_by = Some(reason);
        let asking = self.peers.iter().filter(|(_, peer)| peer.is_asking());
        let asking: Vec<_> = asking.map(|(id, _)| *id).collect();
        let why = match reason {
            StopReason::Interrupted => "the crawl was interrupted",
            _ => "the crawl's time was up",
        };
        let hang_up = |id| self.end(id, Err(AskError::new(FailKind::Timeout, why)), Cut::Short);
        let mut events: Vec<_> = asking.into_iter().filter_map(hang_up).collect();
        events.extend(self.give_up());
        events.push(CrawlEvent::LimitHit(reason));
        events
    }

    /// Whether there is nobody left to ask and nobody being asked, or the crawl was stopped.
    pub fn is_done(&self) -> bool {
        self.stopped_by.is_some() || self.frontier.is_empty()
    }

    /// Whether `peer` was handed out by [`CrawlState::poll`] and is still to answer.
    pub fn is_asking(&self, peer: &PublicKey) -> bool {
        self.peers.get(peer).is_some_and(Peer::is_asking)
    }

    /// What is known of `peer` by now, as a report made now would say it.
    pub fn peer(&self, peer: &PublicKey) -> Option<CrawledPeer> {
        self.peers.get(peer).map(|known| known.clone().into_report(*peer, None))
    }

    /// The newest announcement of `peer`'s that anyone showed.
    pub fn announcement(&self, peer: &PublicKey) -> Option<&SignedAnnouncement> {
        self.peers.get(peer)?.announcement.as_ref()
    }

    /// Why the crawl was stopped, if it was.
    pub fn stopped_by(&self) -> Option<StopReason> {
        self.stopped_by
    }

    /// Makes the report. A crawl that isn't done is [`StopReason::Interrupted`].
    pub fn finish(mut self, duration: Duration) -> CrawlReport {
        self.stop(StopReason::Interrupted);
        let mut alone = BTreeMap::new();
        self.peers.values().for_each(|peer| peer.count_alone(&mut alone));
        let graph = self.graph();
        let mut alone_of = |id| Some(alone.remove(&id).unwrap_or_default());
        let peers = self.peers.into_iter().map(|(id, peer)| peer.into_report(id, alone_of(id)));
        CrawlReport {
            peers: peers.collect(),
            stopped_by: self.stopped_by,
            duration,
            limits: self.limits,
            graph,
        }
    }

    fn add_seed(&mut self, seed: EndpointAddr) {
        if self.own_id == Some(seed.id) {
            return;
        }
        if let Some(known) = self.peers.get_mut(&seed.id) {
            known.seed_addrs.extend(seed.addrs);
        } else if self.is_full() {
            self.stopped_by = Some(StopReason::MaxPeers);
        } else {
            self.insert(seed.id, seed.addrs, 0);
            self.queue(seed.id, None, Claim::Vouched);
        }
    }

    fn forbid(&mut self, id: PublicKey) {
        let why = "it announces no address but such as no stranger is believed";
        let failed = self.on_done(id, Err(AskError::new(FailKind::ForbiddenAddress, why)));
        self.undialled.extend(failed);
    }

    fn queue(&mut self, id: PublicKey, introducer: Option<Number>, claim: Claim) {
        let peer = self.peers.get_mut(&id).expect("who is queued is known");
        let is_asked = self.limits.max_depth.includes(peer.depth);
        let turn = is_asked.then(|| self.frontier.push(peer.number, peer.depth, introducer, claim));
        peer.progress = Progress::Known(turn);
        let number = peer.number;
        if let Some(introducer) = introducer {
            self.places.add(number, introducer, claim);
        }
    }

    /// Ends a question. `None` if `id` isn't being asked.
    fn end(
        &mut self,
        id: PublicKey,
        outcome: Result<(), AskError>,
        cut: Cut,
    ) -> Option<CrawlEvent> {
        let asking = self.hang_up(id)?;
        Some(self.conclude(id, *asking, outcome, cut))
    }

    /// `id` is being asked no more. `None` if it wasn't.
    fn hang_up(&mut self, id: PublicKey) -> Option<Box<Asking>> {
        self.park(id, false);
        let peer = self.peers.get_mut(&id).filter(|peer| peer.is_asking())?;
        let progress = std::mem::replace(&mut peer.progress, Progress::Known(None));
        let Progress::Asking(asking) = progress else { unreachable!("it is being asked") };
        self.n_asking -= 1;
        Some(asking)
    }

    /// Notes what came of a peer in the end.
    fn conclude(
        &mut self,
        id: PublicKey,
        asking: Asking,
        outcome: Result<(), AskError>,
        cut: Cut,
    ) -> CrawlEvent {
        let Asking { turn, told, mut named_before, ages_secs, keeping, is_reached, .. } = asking;
        named_before.extend(&told.named);
        let peer = self.peers.get_mut(&id).expect("who was asked is known");
        let status = PeerStatus::from(outcome.clone());
        if let Err(error) = &outcome
            && !is_reached
        {
            peer.not_reached(error.kind);
        }
        let is_cut_short = cut == Cut::Short;
        peer.progress = Progress::Ended { status, is_cut_short, was_reached: is_reached };
        let fate = if outcome.is_ok() { Fate::Answered } else { Fate::Failed };
        self.frontier.finished(turn, fate);
        self.keep_edges(id, &named_before, ages_secs);
        self.keep_answer(id, keeping);
        match outcome {
            Ok(()) => CrawlEvent::Answered { peer: id, n_entries: told.n_entries },
            Err(error) => CrawlEvent::Failed { peer: id, error },
        }
    }

    fn insert(&mut self, id: PublicKey, seed_addrs: BTreeSet<TransportAddr>, depth: u32) -> Number {
        self.last_number += 1;
        self.ids.insert(self.last_number, id);
        self.peers.insert(id, Peer::new(self.last_number, seed_addrs, depth));
        self.last_number
    }

    fn is_full(&self) -> bool {
        self.peers.len() >= self.limits.max_peers.get()
    }
}

/// Whether a question ends because the crawl does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Short,
    No,
}

//! The crawl as a state machine: breadth first, bounded, without I/O and without a clock.
//!
//! It is a deterministic function of its inputs, and is driven by [`crate::Crawl`] or by a
//! simulation:
//!
//! 1. [`CrawlState::poll`] says whom to ask, as long as it says somebody;
//! 2. [`CrawlState::on_connected`], [`CrawlState::on_page`] and [`CrawlState::on_done`] take what
//!    comes back, in whatever order it comes;
//! 3. when [`CrawlState::is_done`], [`CrawlState::finish`] makes the report.
//!
//! Input about a peer that isn't being asked is ignored.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use id_proto::{
    DecodeError, NetworkTag, PeersPage, SignedAnnouncement,
    iroh_base::{EndpointAddr, PublicKey, TransportAddr},
};

use crate::{
    address_policy::AddressPolicy,
    crawl::{
        event::CrawlEvent,
        frontier::{Frontier, Turn},
        limits::Limits,
        report::{CrawlReport, CrawledPeer, MAX_VIA, PeerStatus, RejectReason, StopReason},
    },
    entry::{self, Gate, UnverifiedEntry, VerifiedEntry},
    error::{AskError, FailKind},
    transport::Route,
};

/// Most forged and malformed entries that are put up with in one answer; then the rest isn't read.
///
/// Origin: a node checks what it passes on, so one would be telling. A thousand cost 40 ms.
pub const MAX_FORGED: u64 = 1000;

/// A crawl: who is known, who is asked, who comes next.
#[derive(Debug)]
pub struct CrawlState {
    limits: Limits,
    network_tag: NetworkTag,
    own_id: Option<PublicKey>,
    peers: BTreeMap<PublicKey, Peer>,
    frontier: Frontier,
    n_asking: usize,
    stopped_by: Option<StopReason>,
    address_policy: AddressPolicy,
    /// What became of peers that weren't dialled when their turn came.
    undialled: Vec<CrawlEvent>,
}

/// A question to put to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Whom to dial: the addresses that it announced, and those that a seed was given with. May
    /// have none, if the transport can look one up.
    pub peer: EndpointAddr,
    /// Hops from the seeds.
    pub depth: u32,
}

/// What is known of a peer.
#[derive(Debug, Clone)]
struct Peer {
    announcement: Option<SignedAnnouncement>,
    seed_addrs: BTreeSet<TransportAddr>,
    age: Option<Duration>,
    depth: u32,
    via: Vec<PublicKey>,
    route: Option<Route>,
    rejected: BTreeMap<RejectReason, u64>,
    progress: Progress,
}

#[derive(Debug, Clone)]
enum Progress {
    /// Known. Waits for its turn, if its depth is to be asked.
    Known(Option<Turn>),
    /// Being asked: pages and believed entries so far.
    Asking { n_pages: u64, n_entries: usize },
    /// Answered or failed.
    Ended(PeerStatus),
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
            frontier: Frontier::default(),
            n_asking: 0,
            stopped_by: None,
            address_policy: AddressPolicy::anything(),
            undialled: Vec::new(),
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
            if self.stopped_by.is_some() || self.n_asking == self.limits.concurrency.get() {
                return None;
            }
            let (id, depth) = self.frontier.pop()?;
            let peer = self.peers.get_mut(&id).expect("who waits is known");
            peer.progress = Progress::Asking { n_pages: 0, n_entries: 0 };
            self.n_asking += 1;
            match peer.endpoint_addr(id, &self.address_policy) {
                Some(peer) => return Some(Ask { peer, depth }),
                None => self.forbid(id),
            }
        }
    }

    /// What became of peers that [`CrawlState::poll`] passed over since the last call.
    pub fn undialled(&mut self) -> Vec<CrawlEvent> {
        std::mem::take(&mut self.undialled)
    }

    /// `from` was reached.
    pub fn on_connected(&mut self, from: PublicKey, route: Route) {
        if let Some(peer) = self.peers.get_mut(&from).filter(|peer| peer.is_asking()) {
            peer.route = Some(route);
        }
    }

    /// `from` gave a page of its table. Whether it is to be read on is then told by
    /// [`CrawlState::is_asking`]: not if the crawl is full, nor if the page is a forger's.
    pub fn on_page(
        &mut self,
        from: PublicKey,
        page: &PeersPage,
        now_unix_secs: u64,
    ) -> Vec<CrawlEvent> {
        let gate = Gate { network_tag: self.network_tag, now_unix_secs };
        let mut events = Vec::new();
        if let Some(n_pages) = self.n_pages_of(&from) {
            *n_pages += 1;
        }
        for item in page.items() {
            if !self.is_asking(&from) {
                break;
            }
            events.extend(self.on_item(from, &gate, item));
        }
        events
    }

    /// `from` has answered to the end, or failed. What it told before stays.
    pub fn on_done(
        &mut self,
        from: PublicKey,
        outcome: Result<(), AskError>,
    ) -> Option<CrawlEvent> {
        let n_entries = self.n_entries_of(&from)?;
        let n_entries = *n_entries;
        self.end(from, PeerStatus::from(outcome.clone()));
        Some(match outcome {
            Ok(()) => CrawlEvent::Answered { peer: from, n_entries },
            Err(error) => CrawlEvent::Failed { peer: from, error },
        })
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
        let ends = asking.into_iter().filter_map(|id| self.hang_up(id, reason));
        let mut events: Vec<_> = ends.collect();
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
        self.peers.get(peer).map(|known| known.clone().into_report(*peer))
    }

    /// Why the crawl was stopped, if it was.
    pub fn stopped_by(&self) -> Option<StopReason> {
        self.stopped_by
    }

    /// Makes the report. A crawl that isn't done is [`StopReason::Interrupted`].
    pub fn finish(mut self, duration: Duration) -> CrawlReport {
        self.stop(StopReason::Interrupted);
        let peers = self.peers.into_iter().map(|(id, peer)| peer.into_report(id));
        CrawlReport {
            peers: peers.collect(),
            stopped_by: self.stopped_by,
            duration,
            limits: self.limits,
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
            self.peers.insert(seed.id, Peer::new(seed.addrs, 0));
            self.queue(seed.id);
        }
    }

    fn forbid(&mut self, id: PublicKey) {
        let why = "it announces no address but such as no stranger is believed";
        let failed = self.on_done(id, Err(AskError::new(FailKind::ForbiddenAddress, why)));
        self.undialled.extend(failed);
    }

    fn on_item(
        &mut self,
        from: PublicKey,
        gate: &Gate,
        item: Result<&[u8], DecodeError>,
    ) -> Vec<CrawlEvent> {
        let believed = gate.admit(item).and_then(|entry| self.believe(from, entry));
        if let (Ok(_), Some(n_entries)) = (&believed, self.n_entries_of(&from)) {
            *n_entries += 1;
        }
        believed.unwrap_or_else(|reason| self.reject(from, reason))
    }

    /// Takes an entry in, checking its signature if it says anything new.
    fn believe(
        &mut self,
        from: PublicKey,
        entry: UnverifiedEntry,
    ) -> Result<Vec<CrawlEvent>, RejectReason> {
        let id = entry.announcement.claimed().node_id;
        let known = self.peers.get(&id);
        if self.own_id == Some(id) {
            return Ok(Vec::new());
        }
        if known.is_some_and(|peer| peer.needs_no_proof_of(&entry)) {
            self.name(id, from, entry.age);
            return Ok(Vec::new());
        }
        let is_known = known.is_some();
        let entry = entry::verify(entry)?;
        if !is_known && self.is_full() {
            return Ok(self.stop(StopReason::MaxPeers));
        }
        Ok(self.learn(id, from, entry).into_iter().collect())
    }

    /// Records a verified entry: of a new peer, or a newer one of a known peer.
    fn learn(
        &mut self,
        id: PublicKey,
        from: PublicKey,
        entry: VerifiedEntry,
    ) -> Option<CrawlEvent> {
        let depth = self.peers[&from].depth + 1;
        let is_new = !self.peers.contains_key(&id);
        let peer = self.peers.entry(id).or_insert_with(|| Peer::new(BTreeSet::new(), depth));
        let was_shown = peer.announcement.is_some();
        peer.take_newer(&entry.announcement);
        let depth = peer.depth;
        // A seed was named by whoever crawls, so it is believed about where it is.
        if from == id && depth == 0 {
            let place = entry.announcement.endpoint_addr();
            self.address_policy = self.address_policy.clone().open(&place);
        }
        if is_new {
            self.queue(id);
        }
        self.name(id, from, entry.age);
        (!was_shown).then_some(CrawlEvent::Found { entry, via: from, depth })
    }

    /// Records that `from` named `id`, which may bring it nearer.
    fn name(&mut self, id: PublicKey, from: PublicKey, age: Duration) {
        let depth = self.peers[&from].depth + 1;
        let peer = self.peers.get_mut(&id).expect("who is named is known");
        peer.named_by(id, from, age);
        if let Progress::Known(turn) = peer.progress
            && depth < peer.depth
        {
            peer.depth = depth;
            turn.into_iter().for_each(|turn| self.frontier.remove(turn));
            self.queue(id);
        }
    }

    /// Counts an entry that isn't believed, and gives up on a forger.
    fn reject(&mut self, from: PublicKey, reason: RejectReason) -> Vec<CrawlEvent> {
        let peer = self.peers.get_mut(&from).expect("who answers is known");
        *peer.rejected.entry(reason).or_default() += 1;
        if peer.n_forged() <= MAX_FORGED {
            return Vec::new();
        }
        let error = AskError::new(FailKind::Protocol, "too many forged entries");
        self.on_done(from, Err(error)).into_iter().collect()
    }

    fn queue(&mut self, id: PublicKey) {
        let peer = self.peers.get_mut(&id).expect("who is queued is known");
        let is_asked = self.limits.max_depth.includes(peer.depth);
        peer.progress = Progress::Known(is_asked.then(|| self.frontier.push(id, peer.depth)));
    }

    /// Ends a question because the crawl ends.
    fn hang_up(&mut self, id: PublicKey, reason: StopReason) -> Option<CrawlEvent> {
        let has_told = self.n_pages_of(&id).is_some_and(|n_pages| *n_pages > 0);
        let outcome = match reason {
            StopReason::MaxPeers if !has_told => {
                self.take_back(id);
                return None;
            }
            StopReason::MaxPeers => Ok(()),
            StopReason::Timeout => Err("the crawl's time was up"),
            StopReason::Interrupted => Err("the crawl was interrupted"),
        };
        self.on_done(id, outcome.map_err(|message| AskError::new(FailKind::Timeout, message)))
    }

    /// Makes as if `id` had never been asked.
    fn take_back(&mut self, id: PublicKey) {
        let peer = self.peers.get_mut(&id).expect("who was asked is known");
        peer.route = None;
        peer.progress = Progress::Known(None);
        self.frontier.finished(peer.depth);
        self.n_asking -= 1;
    }

    fn end(&mut self, id: PublicKey, status: PeerStatus) {
        let peer = self.peers.get_mut(&id).expect("who was asked is known");
        peer.progress = Progress::Ended(status);
        self.frontier.finished(peer.depth);
        self.n_asking -= 1;
    }

    fn is_full(&self) -> bool {
        self.peers.len() >= self.limits.max_peers.get()
    }

    fn n_pages_of(&mut self, id: &PublicKey) -> Option<&mut u64> {
        match &mut self.peers.get_mut(id)?.progress {
            Progress::Asking { n_pages, .. } => Some(n_pages),
            _ => None,
        }
    }

    fn n_entries_of(&mut self, id: &PublicKey) -> Option<&mut usize> {
        match &mut self.peers.get_mut(id)?.progress {
            Progress::Asking { n_entries, .. } => Some(n_entries),
            _ => None,
        }
    }
}

impl Peer {
    fn new(seed_addrs: BTreeSet<TransportAddr>, depth: u32) -> Self {
        Self {
            announcement: None,
            seed_addrs,
            age: None,
            depth,
            via: Vec::new(),
            route: None,
            rejected: BTreeMap::new(),
            progress: Progress::Known(None),
        }
    }

    fn is_asking(&self) -> bool {
        matches!(self.progress, Progress::Asking { .. })
    }

    /// Where to dial it. May be nowhere, if the transport can look it up; but `None` if it announces
    /// addresses, and none of them may be dialled.
    fn endpoint_addr(&self, id: PublicKey, policy: &AddressPolicy) -> Option<EndpointAddr> {
        let announced = self.announcement.iter().flat_map(|announcement| &announcement.addrs);
        let n_announced = announced.clone().count();
        let allowed = announced.filter(|addr| policy.allows(addr));
        let addr = EndpointAddr::from_parts(id, allowed.chain(&self.seed_addrs).cloned());
        (n_announced == 0 || !addr.is_empty()).then_some(addr)
    }

    /// Whether `entry` says what is held already, or something older: then it changes nothing, and
    /// its signature needn't be checked.
    fn needs_no_proof_of(&self, entry: &UnverifiedEntry) -> bool {
        let shown = &entry.announcement;
        let held = self.announcement.as_ref();
        held.is_some_and(|held| shown.claimed().seq < held.seq || shown.bytes() == held.bytes())
    }

    fn take_newer(&mut self, announcement: &SignedAnnouncement) {
        let held = self.announcement.as_ref();
        if held.is_none_or(|held| held.seq < announcement.seq) {
            self.announcement = Some(announcement.clone());
        }
    }

    fn named_by(&mut self, id: PublicKey, from: PublicKey, age: Duration) {
        self.age = Some(self.age.map_or(age, |known| known.min(age)));
        if from != id && self.via.len() < MAX_VIA && !self.via.contains(&from) {
            self.via.push(from);
        }
    }

    fn n_forged(&self) -> u64 {
        let forged = [RejectReason::Malformed, RejectReason::BadSignature];
        forged.iter().filter_map(|reason| self.rejected.get(reason)).sum()
    }

    fn into_report(self, node_id: PublicKey) -> CrawledPeer {
        let status = match self.progress {
            Progress::Ended(status) => status,
            _ => PeerStatus::NotAsked,
        };
        CrawledPeer {
            node_id,
            announcement: self.announcement,
            age: self.age,
            status,
            depth: self.depth,
            via: self.via,
            route: self.route,
            rejected: self.rejected,
        }
    }
}

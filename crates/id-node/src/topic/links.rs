//! The open links of gossip, by number and by peer.

use std::{collections::BTreeMap, time::Duration};

use id_proto::iroh_base::PublicKey;
use iroh::endpoint::Connection;
use iroh_gossip::TopicId;
use tokio::time::Instant;

use super::link::{End, Events, Link};

/// Most gossip connections at the same time. Origin: gossip keeps 5 neighbours, and a few more while
/// it looks for others; the rest is room for a crowd that joins at once.
const MAX_LINKS: usize = 256;
/// Most of them to one peer, of which the oldest goes first: a node that was killed and comes back leaves one
/// that nobody closes, and it is the newest that leads to it. Origin: both dial at once, and reconnect before
/// the old one is gone.
const MAX_PER_PEER: usize = 4;

#[derive(Debug)]
pub(super) struct Links {
    topic: TopicId,
    events: Events,
    n_opened: u64,
    open: BTreeMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    peer: PublicKey,
    since: Instant,
    link: Link,
    /// Whether its peer has all that there was for it, and only its own last words are waited for.
    is_flushed: bool,
}

impl Links {
    pub(super) fn new(topic: TopicId, events: Events) -> Self {
        Self { topic, events, n_opened: 0, open: BTreeMap::new() }
    }

    pub(super) fn open(&mut self, peer: PublicKey, connection: Connection) {
        while self.of(&peer).count() >= MAX_PER_PEER {
            self.close_oldest_of(&peer);
        }
        self.n_opened += 1;
        let link = Link::open(self.n_opened, connection, self.topic, self.events.clone());
        let open = Open { peer, since: Instant::now(), link, is_flushed: false };
        self.open.insert(self.n_opened, open);
    }

    fn close_oldest_of(&mut self, peer: &PublicKey) {
        let Some(oldest) = self.of(peer).next().map(|(number, _)| number) else { return };
        if let Some(open) = self.open.remove(&oldest) {
            open.link.close(End::Closed);
        }
    }

    /// Whether one more may be opened to `peer`.
    pub(super) fn have_room_for(&self, peer: &PublicKey) -> bool {
        self.open.len() < MAX_LINKS || self.of(peer).count() >= MAX_PER_PEER
    }

    pub(super) fn have(&self, peer: &PublicKey) -> bool {
        self.of(peer).next().is_some()
    }

    pub(super) fn are_none(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn peer_of(&self, number: u64) -> Option<PublicKey> {
        self.open.get(&number).map(|open| open.peer)
    }

    fn of(&self, peer: &PublicKey) -> impl DoubleEndedIterator<Item = (u64, &Link)> {
        let of_peer = self.open.iter().filter(move |(_, open)| open.peer == *peer);
        of_peer.map(|(number, open)| (*number, &open.link))
    }

    /// The one that frames for `peer` go over: the newest, as in iroh-gossip.
    fn in_use(&self, peer: &PublicKey) -> Option<(u64, &Link)> {
        self.of(peer).rfind(|(_, link)| link.takes_frames())
    }

    pub(super) fn can_send_to(&self, peer: &PublicKey) -> bool {
        self.in_use(peer).is_some()
    }

    /// Sends `frame`, unless too many wait for `peer` already; then this is true.
    pub(super) fn overflow(&self, peer: &PublicKey, frame: Vec<u8>) -> bool {
        self.in_use(peer).is_some_and(|(_, link)| link.overflows(frame))
    }

    /// Forgets a link; whether it was the one in use.
    pub(super) fn remove(&mut self, number: u64) -> bool {
        let Some(peer) = self.peer_of(number) else { return false };
        let was_in_use = self.in_use(&peer).is_some_and(|(newest, _)| newest == number);
        self.open.remove(&number);
        was_in_use
    }

    /// Notes that a link's peer has all that there was for it.
    pub(super) fn note_flushed(&mut self, number: u64) {
        if let Some(open) = self.open.get_mut(&number) {
            open.is_flushed = true;
        }
    }

    /// Closes those whose peers have all that there was for them.
    pub(super) fn close_flushed(&mut self) {
        self.open.retain(|_, open| !open.is_flushed);
    }

    /// Nothing more will be sent to `peer` over those that are open now.
    pub(super) fn finish_all_of(&mut self, peer: &PublicKey) {
        self.finish(|open| open.peer == *peer);
    }

    /// The same for those that are nobody's neighbour's for long.
    pub(super) fn finish_idle(
        &mut self,
        now: Instant,
        after: Duration,
        is_neighbour: impl Fn(&PublicKey) -> bool,
    ) {
        self.finish(|open| now >= open.since + after && !is_neighbour(&open.peer));
    }

    pub(super) fn finish_all(&mut self) {
        self.finish(|_| true);
    }

    fn finish(&mut self, wanted: impl Fn(&Open) -> bool) {
        self.open.values_mut().filter(|open| wanted(open)).for_each(|open| open.link.finish());
    }

    pub(super) fn close_all_of(&self, peer: &PublicKey, end: End) {
        self.close_those(end, |other| other == peer);
    }

    pub(super) fn close_those(&self, end: End, wanted: impl Fn(&PublicKey) -> bool) {
        let those = self.open.values().filter(|open| wanted(&open.peer));
        those.for_each(|open| open.link.close(end));
    }

    pub(super) fn close_all(&mut self) {
        std::mem::take(&mut self.open).into_values().for_each(|open| open.link.close(End::Closed));
    }
}

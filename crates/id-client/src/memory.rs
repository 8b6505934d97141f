//! A network in memory: peers that answer, fail, lie or say nothing, without a socket.
//!
//! The announcements are real, and so are their signatures; what is missing is the network. With
//! tokio's paused clock a crawl of silent peers takes no time at all.
//!
//! ```
//! use id_client::{Crawler, memory::{Behaviour, MemoryNetwork}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let network = MemoryNetwork::star(5).with(3, Behaviour::Refuses);
//! let crawl = Crawler::with_transport(network.clone()).seeds([network.addr(0)]).start();
//! let summary = crawl.run().await.summary();
//! assert_eq!((summary.known, summary.answered, summary.failed), (5, 4, 1));
//! # }
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use futures::{
    FutureExt, Stream, StreamExt, TryStreamExt, future,
    stream::{self, BoxStream},
};
use id_proto::{
    Network, PeerAnnouncement, PeerEntry, PeersPage, SignedAnnouncement, Source,
    iroh_base::{PublicKey, SecretKey, TransportAddr},
    limits::{MAX_CLOCK_SKEW, MAX_ENTRY_LEN},
};
use iroh::EndpointAddr;

use crate::{
    clock,
    error::{AskError, FailKind},
    transport::{PathKind, Reply, Route, Transport},
};

/// How often the peers announce, as they say, in seconds.
const INTERVAL_SECS: u32 = 30;

/// How long ago a peer heard of those it knows, as it says.
const AGE: Duration = Duration::from_secs(1);

/// How many entries are on a page that nobody can read.
const UNREADABLE_ITEMS: usize = 100;

/// How every peer is reached that can be.
const ROUTE: Route = Route { path: PathKind::Direct, rtt: Duration::from_millis(1) };

/// Peers, numbered from 0, and who knows whom. Clones share one log of who was asked.
#[derive(Debug, Clone)]
pub struct MemoryNetwork {
    nodes: Vec<Arc<Node>>,
    by_id: BTreeMap<PublicKey, usize>,
    log: Arc<Mutex<Log>>,
}

/// What a peer does when it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Behaviour {
    /// Answers at once.
    Honest,
    /// Answers after this time.
    Slow(Duration),
    /// Never lets itself be reached, and never says no.
    Silent,
    /// Is reached, and then says nothing.
    Mute,
    /// Refuses the connection.
    Refuses,
    /// Hangs up after so many pages.
    HangsUpAfter(usize),
    /// Hangs up after so many pages the first time, and answers the next time.
    HangsUpOnceAfter(usize),
    /// Hangs up after so many pages, and isn't there any more the next time.
    DiesAfter(usize),
    /// Has too much to do when it is first asked, and answers the next time.
    BusyOnce,
    /// Gives pages for ever; behind its table, such as nobody can read.
    Endless,
    /// Gives its first page for ever.
    RepeatsItself,
}

/// An entry that nobody should believe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lie {
    /// An announcement that its author didn't sign.
    Forged,
    /// A signed announcement with a bit changed.
    Altered,
    /// Signed, for another network.
    OtherNetwork,
    /// Signed, with a timestamp too far ahead.
    FutureDated,
    /// Signed, and too old for a live peer.
    Expired,
    /// No entry at all.
    Malformed,
    /// Longer than an entry can be.
    Oversized,
    /// An entry of a later version.
    UnknownVersion,
}

impl Lie {
    /// Every lie.
    pub const ALL: &[Self] = &[
        Self::Forged,
        Self::Altered,
        Self::OtherNetwork,
        Self::FutureDated,
        Self::Expired,
        Self::Malformed,
        Self::Oversized,
        Self::UnknownVersion,
    ];
}

impl MemoryNetwork {
    /// `n` peers of the public network that know whom `edges` says: `(who, whom)`.
    pub fn new(n: usize, edges: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut nodes: Vec<_> = (0..n).map(Node::new).collect();
        let mut named = BTreeSet::new();
        for (from, to) in edges {
            // Its own entry comes first, and nobody is named twice.
            if from != to && named.insert((from, to)) {
                let item = nodes[to].item.clone();
                nodes[from].items.push(item);
            }
        }
        let by_id = nodes.iter().enumerate().map(|(i, node)| (node.id, i)).collect();
        let nodes = nodes.into_iter().map(Arc::new).collect();
        Self { nodes, by_id, log: Arc::default() }
    }

    /// Each peer knows the next.
    pub fn line(n: usize) -> Self {
        Self::new(n, (1..n).map(|i| (i - 1, i)))
    }

    /// Each peer knows the next, and the last the first.
    pub fn ring(n: usize) -> Self {
        Self::new(n, (0..n).map(|i| (i, (i + 1) % n)))
    }

    /// Peer 0 knows everybody, and everybody knows peer 0.
    pub fn star(n: usize) -> Self {
        Self::new(n, (1..n).flat_map(|i| [(0, i), (i, 0)]))
    }

    /// Each peer knows `degree` others or a few less, the same for the same `seed`.
    pub fn random(n: usize, degree: usize, seed: u64) -> Self {
        Self::new(n, random_edges(n, degree, seed))
    }

    /// Makes peer `i` behave so.
    pub fn with(mut self, i: usize, behaviour: Behaviour) -> Self {
        self.node_mut(i).behaviour = behaviour;
        self
    }

    /// Makes peer `i` tell a lie, about somebody who doesn't exist.
    pub fn with_lie(self, i: usize, lie: Lie) -> Self {
        let item = lie.item(i);
        self.with_item(i, item)
    }

    /// Makes peer `i` give `item`, whatever it is, after its other entries.
    pub fn with_item(mut self, i: usize, item: Vec<u8>) -> Self {
        self.node_mut(i).items.push(item.into());
        self
    }

    /// Makes every peer put at most `n` entries on a page.
    pub fn with_page_len(mut self, n: usize) -> Self {
        (0..self.nodes.len()).for_each(|i| self.node_mut(i).page_len = n);
        self
    }

    /// How many peers there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The id of peer `i`.
    pub fn id(&self, i: usize) -> PublicKey {
        self.nodes[i].id
    }

    /// What to seed a crawl with to begin at peer `i`.
    pub fn addr(&self, i: usize) -> EndpointAddr {
        self.nodes[i].id.into()
    }

    /// What peer `i` announced.
    pub fn announcement(&self, i: usize) -> &SignedAnnouncement {
        &self.nodes[i].announcement
    }

    /// The number of the peer with this id.
    pub fn index_of(&self, id: &PublicKey) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// Who was asked, in order.
    pub fn asked(&self) -> Vec<PublicKey> {
        lock(&self.log).asked.clone()
    }

    /// How many were being asked at the same time, at most.
    pub fn max_asked_at_once(&self) -> usize {
        lock(&self.log).max_open
    }

    /// How many are being asked now.
    pub fn n_being_asked(&self) -> usize {
        lock(&self.log).n_open
    }

    /// How a peer that was just asked behaves, now that it was asked so often.
    fn now_of(&self, id: &PublicKey) -> Behaviour {
        let behaviour = self.nodes[self.by_id[id]].behaviour.clone();
        let is_first = || lock(&self.log).asked.iter().filter(|asked| *asked == id).count() == 1;
        match behaviour {
            Behaviour::HangsUpOnceAfter(n) if is_first() => Behaviour::HangsUpAfter(n),
            Behaviour::BusyOnce if is_first() => Behaviour::BusyOnce,
            Behaviour::HangsUpOnceAfter(_) | Behaviour::BusyOnce => Behaviour::Honest,
            Behaviour::DiesAfter(n) if is_first() => Behaviour::HangsUpAfter(n),
            Behaviour::DiesAfter(_) => Behaviour::Silent,
            always => always,
        }
    }

    fn node_mut(&mut self, i: usize) -> &mut Node {
        Arc::make_mut(&mut self.nodes[i])
    }
}

impl Transport for MemoryNetwork {
    fn list_peers(
        &self,
        peer: EndpointAddr,
        max_entries: u32,
    ) -> BoxStream<'static, Result<Reply, AskError>> {
        let node = self.index_of(&peer.id).map(|i| self.nodes[i].clone());
        let open = Open::new(&self.log, peer.id);
        let answer = match node {
            Some(node) => node.behave_as(self.now_of(&peer.id)).answer(max_entries as usize),
            None => fail(FailKind::NoAddress, "nobody by that id"),
        };
        answer.inspect(move |_| open.keep()).boxed()
    }
}

/// Who was asked, and how many at once.
#[derive(Debug, Default)]
struct Log {
    asked: Vec<PublicKey>,
    n_open: usize,
    max_open: usize,
}

/// A question that is open as long as its answer's stream lives.
struct Open(Arc<Mutex<Log>>);

impl Open {
    fn new(log: &Arc<Mutex<Log>>, peer: PublicKey) -> Self {
        let mut guard = lock(log);
        guard.asked.push(peer);
        guard.n_open += 1;
        guard.max_open = guard.max_open.max(guard.n_open);
        Self(log.clone())
    }

    /// Ties the question to a closure that captures it.
    fn keep(&self) {}
}

impl Drop for Open {
    fn drop(&mut self) {
        lock(&self.0).n_open -= 1;
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().expect("nobody panics while it holds the log")
}

#[derive(Debug, Clone)]
struct Node {
    id: PublicKey,
    announcement: SignedAnnouncement,
    /// The entry by which others name this peer.
    item: Arc<[u8]>,
    /// What it answers with, its own entry first.
    items: Vec<Arc<[u8]>>,
    behaviour: Behaviour,
    page_len: usize,
}

impl Node {
    fn new(i: usize) -> Self {
        let key = secret_key(i as u64);
        let announcement = sign(&announcement(&key), &key);
        let entry = |source| entry(&announcement, source).encode();
        Self {
            id: key.public(),
            item: entry(Source::Gossip).into(),
            items: vec![entry(Source::Own).into()],
            announcement,
            behaviour: Behaviour::Honest,
            page_len: usize::MAX,
        }
    }

    fn behave_as(self: Arc<Self>, behaviour: Behaviour) -> Arc<Self> {
        match self.behaviour == behaviour {
            true => self,
            false => Arc::new(Self { behaviour, ..(*self).clone() }),
        }
    }

    fn answer(self: Arc<Self>, max_entries: usize) -> BoxStream<'static, Result<Reply, AskError>> {
        let connected = stream::once(future::ok(Reply::Connected(ROUTE)));
        let pages = stream::iter(self.clone().pages(max_entries)).map(Reply::Page).map(Ok);
        match self.behaviour {
            Behaviour::Honest => connected.chain(pages).boxed(),
            Behaviour::Slow(delay) => {
                let wait = tokio::time::sleep(delay).map(|()| connected.chain(pages));
                wait.flatten_stream().boxed()
            }
            Behaviour::Silent => stream::pending().boxed(),
            Behaviour::Mute => connected.chain(stream::pending()).boxed(),
            Behaviour::Refuses => fail(FailKind::Refused, "no"),
            Behaviour::BusyOnce => connected.chain(fail(FailKind::Busy, "not now")).boxed(),
            Behaviour::HangsUpAfter(n)
            | Behaviour::HangsUpOnceAfter(n)
            | Behaviour::DiesAfter(n) => {
                let rest = fail(FailKind::Lost, "hung up");
                connected.chain(pages.take(n)).chain(rest).boxed()
            }
            Behaviour::Endless => {
                let table = pages.map_ok(with_more);
                connected.chain(table).chain(for_ever(Self::unreadable())).boxed()
            }
            Behaviour::RepeatsItself => {
                let first = self.pages(max_entries).next().unwrap_or_default();
                connected.chain(for_ever(first)).boxed()
            }
        }
    }

    /// A page of a later version's entries.
    fn unreadable() -> PeersPage {
        let mut page = PeersPage::default();
        let item = Lie::UnknownVersion.item(0);
        for _ in 0..UNREADABLE_ITEMS {
            assert!(page.push(&item), "a hundred small items fit");
        }
        page
    }

    fn pages(self: Arc<Self>, max_entries: usize) -> impl Iterator<Item = PeersPage> {
        let end = self.items.len().min(max_entries);
        let mut next = 0;
        std::iter::from_fn(move || {
            let (mut page, n) = (next < end).then(|| self.page(&self.items[next..end]))?;
            next += n;
            page.more = next < end;
            Some(page)
        })
    }

    /// The page that begins with `items`, and how many of them it holds.
    fn page(&self, items: &[Arc<[u8]>]) -> (PeersPage, usize) {
        let mut page = PeersPage::default();
        let fitting = items.iter().take(self.page_len).take_while(|item| page.push(item));
        let n = fitting.count();
        (page, n)
    }
}

impl Lie {
    /// The lie as peer `i` tells it.
    fn item(self, i: usize) -> Vec<u8> {
        let key = secret_key(u64::MAX - i as u64);
        let honest = announcement(&key);
        let far = MAX_CLOCK_SKEW.as_secs() * 4;
        let signed = |announcement| entry(&sign(&announcement, &key), Source::Gossip).encode();
        match self {
            Self::Forged => forge(signed(honest), 3),
            Self::Altered => {
                let item = signed(PeerAnnouncement { agent: "altered".into(), ..honest });
                let at = find(&item, b"altered");
                forge(item, at)
            }
            Self::OtherNetwork => {
                let other = Network::derive("another topic", "secret").expect("a valid network");
                signed(PeerAnnouncement { network_tag: other.tag(), ..honest })
            }
            Self::FutureDated => {
                signed(PeerAnnouncement { timestamp_secs: honest.timestamp_secs + far, ..honest })
            }
            Self::Expired => {
                signed(PeerAnnouncement { timestamp_secs: honest.timestamp_secs - far, ..honest })
            }
            Self::Malformed => vec![0, 1],
            Self::Oversized => vec![0; MAX_ENTRY_LEN + 1],
            Self::UnknownVersion => vec![99],
        }
    }
}

/// The item with a bit of the byte at `at` changed.
fn forge(mut item: Vec<u8>, at: usize) -> Vec<u8> {
    item[at] ^= 1;
    item
}

fn find(item: &[u8], what: &[u8]) -> usize {
    let position = item.windows(what.len()).position(|window| window == what);
    position.expect("it was put there")
}

/// The key of peer `i`.
pub(crate) fn secret_key(i: u64) -> SecretKey {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&i.to_le_bytes());
    SecretKey::from_bytes(&bytes)
}

fn announcement(key: &SecretKey) -> PeerAnnouncement {
    let now = clock::unix_secs();
    PeerAnnouncement {
        node_id: key.public(),
        name: None,
        blob_count: 0,
        timestamp_secs: now,
        seq: now * 1000,
        network_tag: Network::public().tag(),
        interval_secs: INTERVAL_SECS,
        addrs: vec![TransportAddr::Ip((Ipv4Addr::LOCALHOST, 1).into())],
        agent: "memory".into(),
    }
}

fn sign(announcement: &PeerAnnouncement, key: &SecretKey) -> SignedAnnouncement {
    SignedAnnouncement::sign(announcement.clone(), key).expect("its own key, in bounds")
}

pub(crate) fn entry(
    announcement: &SignedAnnouncement,
    source: Source,
) -> PeerEntry<SignedAnnouncement> {
    let age = if source == Source::Own { Duration::ZERO } else { AGE };
    PeerEntry { announcement: announcement.clone(), age, source, verified_age: None }
}

/// The page, said not to be the last.
fn with_more(mut reply: Reply) -> Reply {
    if let Reply::Page(page) = &mut reply {
        page.more = true;
    }
    reply
}

fn for_ever(page: PeersPage) -> impl Stream<Item = Result<Reply, AskError>> {
    stream::repeat(Ok(with_more(Reply::Page(page))))
}

fn fail(kind: FailKind, message: &str) -> BoxStream<'static, Result<Reply, AskError>> {
    stream::once(future::err(AskError::new(kind, message))).boxed()
}

pub(crate) fn random_edges(n: usize, degree: usize, seed: u64) -> Vec<(usize, usize)> {
    let mut random = Random(seed);
    let from = (0..n).flat_map(|from| std::iter::repeat_n(from, degree));
    from.map(|from| (from, random.below(n))).filter(|(from, to)| from != to).collect()
}

/// SplitMix64 (Steele, Lea and Flood, 2014): enough for graphs.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % n as u64) as usize
    }
}

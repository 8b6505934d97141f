//! The connections that gossip uses, so that one of them can be closed from outside.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use id_proto::iroh_base::{EndpointAddr, PublicKey};
use iroh::endpoint::{
    AfterHandshakeOutcome, BeforeConnectOutcome, Connection, EndpointHooks, Side,
    WeakConnectionHandle,
};
use iroh_gossip::net::GOSSIP_ALPN;

use super::{guests::Guests, watchdog::Traffic};

/// Most gossip connections at the same time. Origin: gossip keeps 5 neighbours, and a few more while
/// it looks for others; the rest is room for a crowd that joins at once.
const MAX_CONNECTIONS: usize = 256;
/// Most of them to one peer. Origin: both dial at once, and reconnect before the old one is gone.
const MAX_PER_PEER: usize = 4;
/// How long gossip may take to dial whom it shall join. Origin: it takes microseconds.
const DIALS_WITHIN: Duration = Duration::from_secs(1);
/// What a peer is told whose connection is closed because it doesn't read. Origin: `busy` of id/meta/1.
const STALLED_CODE: u32 = 5;

/// The connections that the gossip of one node uses.
///
/// iroh-gossip waits for ever for a neighbour that doesn't read, so a node closes such a connection.
/// Those that it accepts it sees by itself. To see those that gossip dials too, install this as a hook
/// of the endpoint (`Endpoint::builder(…).hooks(connections.clone())`, or
/// [`crate::endpoint::EndpointOptions::gossip_connections`]) and hand it to the node
/// ([`crate::NodeConfig::gossip_connections`]). Without that, a neighbour that was dialled and stalls
/// can be got rid of only by starting gossip anew.
///
/// One is for one node. It holds no connection open.
#[derive(Debug, Clone, Default)]
pub struct GossipConnections(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    watched: Vec<(PublicKey, WeakConnectionHandle)>,
    guests: Guests,
    counts: GossipCounts,
    /// How often gossip has begun to dial. Zero if nobody installed the hook.
    n_dials: u64,
    /// The first attempt to join somebody since it last dialled.
    join: Option<Join>,
}

#[derive(Debug)]
struct Join {
    at: Instant,
    n_dials: u64,
}

/// What the watch over gossip has done since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct GossipCounts {
    /// Neighbours that were cut off because they stalled gossip.
    pub(crate) cut_off: u64,
    /// Connections that were refused: of offenders, of too many newcomers, or too many in all.
    pub(crate) refused: u64,
    /// Times that gossip was started anew.
    pub(crate) rebuilt: u64,
}

/// What to say behind the number of neighbours; nothing if nothing happened.
impl fmt::Display for GossipCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cut_off {
            0 => {}
            1 => f.write_str(", a stalled one cut off")?,
            n => write!(f, ", {n} stalled ones cut off")?,
        }
        match self.rebuilt {
            0 => Ok(()),
            1 => f.write_str(", started anew once"),
            n => write!(f, ", started anew {n} times"),
        }
    }
}

impl GossipCounts {
    /// Every counter by its stable name.
    pub(crate) fn counters(&self) -> [(String, u64); 3] {
        [
            ("gossip_cut_off", self.cut_off),
            ("gossip_refused", self.refused),
            ("gossip_rebuilt", self.rebuilt),
        ]
        .map(|(name, count)| (name.to_owned(), count))
    }
}

impl GossipConnections {
    pub(crate) fn counts(&self) -> GossipCounts {
        self.lock().counts
    }

    /// Whether gossip may have a connection that was accepted. It is watched from now on.
    pub(super) fn admit_accepted(&self, connection: &Connection) -> bool {
        self.lock().admit(connection, Instant::now(), Guests::lets_in)
    }

    /// What has gone over the open connections, by peer.
    pub(super) fn traffic(&self, now: Instant) -> BTreeMap<PublicKey, Traffic> {
        let (mut traffic, mut state) = (BTreeMap::new(), self.lock());
        for (peer, connection) in state.open() {
            let stats = connection.stats();
            let seen_since = state.guests.seen_since(&peer).unwrap_or(now);
            let sum = traffic.entry(peer).or_insert_with(|| Traffic::none_since(seen_since));
            sum.n_sent += stats.frame_tx.stream;
            sum.n_received += stats.udp_rx.datagrams;
            sum.refuses_to_read |= stats.frame_rx.stop_sending > 0;
        }
        traffic
    }

    /// Closes every connection to `peer`.
    pub(super) fn close(&self, peer: PublicKey) {
        self.close_those(|other| other == peer);
    }

    pub(super) fn close_all(&self) {
        self.close_those(|_| true);
    }

    fn close_those(&self, wanted: impl Fn(PublicKey) -> bool) {
        for (_, connection) in self.lock().open().into_iter().filter(|(peer, _)| wanted(*peer)) {
            close(&connection);
        }
    }

    /// Keeps `peer` out for a while.
    pub(super) fn convict(&self, peer: PublicKey) {
        let mut state = self.lock();
        state.guests.convict(peer, Instant::now());
        state.counts.cut_off += 1;
    }

    /// Notes that `peers` have been good neighbours for a while.
    pub(super) fn prove(&self, peers: impl IntoIterator<Item = PublicKey>) {
        let (mut state, now) = (self.lock(), Instant::now());
        peers.into_iter().for_each(|peer| state.guests.prove(peer, now));
    }

    pub(super) fn is_barred(&self, peer: &PublicKey) -> bool {
        self.lock().guests.is_barred(peer, Instant::now())
    }

    /// How often gossip has begun to dial. Zero for ever if nobody installed the hook.
    pub(super) fn n_dials(&self) -> u64 {
        self.lock().n_dials
    }

    /// Notes that gossip is about to be told to join somebody.
    pub(super) fn note_join(&self) {
        let mut state = self.lock();
        let n_dials = state.n_dials;
        state.join.get_or_insert_with(|| Join { at: Instant::now(), n_dials });
    }

    /// Whether gossip was told to join somebody a while ago, has no connection, and has dialled nobody.
    pub(super) fn dial_is_overdue(&self, now: Instant) -> bool {
        let mut state = self.lock();
        let is_busy = !state.open().is_empty();
        let n_dials = state.n_dials;
        let Some(join) = &state.join else { return false };
        let has_dialled = n_dials == 0 || n_dials != join.n_dials;
        let is_overdue = !is_busy && !has_dialled && now >= join.at + DIALS_WITHIN;
        if is_busy || has_dialled || is_overdue {
            state.join = None;
        }
        is_overdue
    }

    pub(super) fn count_rebuilt(&self) {
        self.lock().counts.rebuilt += 1;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the peer that it stalls us.
pub(super) fn close(connection: &Connection) {
    connection.close(STALLED_CODE.into(), b"stalled");
}

impl State {
    fn admit(
        &mut self,
        connection: &Connection,
        now: Instant,
        may: impl FnOnce(&mut Guests, &PublicKey, Instant) -> bool,
    ) -> bool {
        let peer = connection.remote_id();
        let admitted = self.has_room(&peer) && may(&mut self.guests, &peer, now);
        if admitted {
            self.guests.see(peer, now);
            self.watched.push((peer, connection.weak_handle()));
        } else {
            self.counts.refused += 1;
        }
        admitted
    }

    fn has_room(&mut self, peer: &PublicKey) -> bool {
        let n_open = self.open().len();
        let of_peer = self.watched.iter().filter(|(other, _)| other == peer).count();
        n_open < MAX_CONNECTIONS && of_peer < MAX_PER_PEER
    }

    /// The connections that are open; the others are forgotten.
    fn open(&mut self) -> Vec<(PublicKey, Connection)> {
        let mut open = Vec::with_capacity(self.watched.len());
        self.watched.retain(|(peer, handle)| {
            let is_open = |connection: &Connection| connection.close_reason().is_none();
            let connection = handle.upgrade().filter(is_open);
            let keep = connection.is_some();
            open.extend(connection.map(|connection| (*peer, connection)));
            keep
        });
        open
    }
}

impl EndpointHooks for GossipConnections {
    async fn before_connect<'a>(
        &'a self,
        remote_addr: &'a EndpointAddr,
        alpn: &'a [u8],
    ) -> BeforeConnectOutcome {
        if alpn != GOSSIP_ALPN {
            return BeforeConnectOutcome::Accept;
        }
        let mut state = self.lock();
        state.n_dials += 1;
        if state.guests.is_barred(&remote_addr.id, Instant::now()) {
            state.counts.refused += 1;
            return BeforeConnectOutcome::Reject;
        }
        BeforeConnectOutcome::Accept
    }

    /// Sees what gossip dials. What the endpoint accepts, the protocol handler sees.
    async fn after_handshake<'a>(&'a self, connection: &'a Connection) -> AfterHandshakeOutcome {
        if connection.alpn() != GOSSIP_ALPN || connection.side() == Side::Server {
            return AfterHandshakeOutcome::accept();
        }
        let not_barred = |guests: &mut Guests, peer: &_, now| !guests.is_barred(peer, now);
        match self.lock().admit(connection, Instant::now(), not_barred) {
            true => AfterHandshakeOutcome::accept(),
            false => AfterHandshakeOutcome::Reject {
                error_code: STALLED_CODE.into(),
                reason: b"stalled".to_vec(),
            },
        }
    }
}

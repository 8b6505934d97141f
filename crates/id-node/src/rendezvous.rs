//! How nodes that know nobody find each other: they leave records on a board that all can read.
//!
//! The board is the mainline DHT; what a record is, where it is left and how it is encrypted is
//! distributed-topic-tracker's format, so that peers of that crate and ours find each other. The loop
//! is our own: it acts on the first record as it arrives, goes on looking while neighbours are few,
//! and never waits for a slow board.

mod board;
mod dht;
mod lookup;
mod record;
mod schedule;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

pub(crate) use board::Board;
pub(crate) use dht::Dht;
use futures::{StreamExt, future::ready, stream};
use id_proto::{
    Network,
    iroh_base::{PublicKey, SecretKey},
};
pub(crate) use lookup::add_to as add_lookup_to;
use tokio::{
    sync::watch,
    time::{sleep_until, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use self::{
    record::{Record, Records, Slot},
    schedule::Schedule,
};
use crate::{bootstrap::Guide, clock::Clock, config::Role, membership::View};

/// How long a look may take. Origin: distributed-topic-tracker's time-out of a get.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long leaving a record may take. Origin: distributed-topic-tracker's time-out of a put.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most records that are left in one slot. Origin: distributed-topic-tracker; a DHT node keeps one
/// value of a key, so that more only push each other out.
const MAX_RECORDS: usize = 5;
/// Most peers that a node with neighbours joins of one look. Origin: distributed-topic-tracker.
const MAX_MERGES: usize = 2;
/// Most records that are read of one look. Origin: a guess, ten times [`MAX_RECORDS`]; whoever knows
/// the topic can write as many as there are DHT nodes.
const MAX_READ: usize = 50;

/// The running search; ends when dropped.
#[derive(Debug)]
pub(crate) struct Rendezvous {
    state: watch::Receiver<String>,
    _searching: AbortOnDropHandle<()>,
}

/// What a search works with besides the board.
pub(crate) struct Seeker<'a> {
    pub(crate) network: &'a Network,
    pub(crate) key: &'a SecretKey,
    pub(crate) clock: Clock,
    pub(crate) role: Role,
    pub(crate) view: watch::Receiver<Arc<View>>,
    pub(crate) guide: Guide,
}

impl Rendezvous {
    /// Starts to leave records on `board` and to look for those of others. An observer leaves none.
    pub(crate) fn spawn(board: impl Board, seeker: Seeker<'_>) -> Self {
        let (state, states) = watch::channel("starting".to_owned());
        let search = Search {
            board,
            records: Records::new(seeker.network, seeker.key),
            me: seeker.key.public(),
            role: seeker.role,
            schedule: Schedule::new(seeker.clock.now().mono),
            clock: seeker.clock,
            view: seeker.view,
            guide: seeker.guide,
            state,
        };
        Self { state: states, _searching: AbortOnDropHandle::new(tokio::spawn(search.run())) }
    }

    /// What the search last did, for people.
    pub(crate) fn watch(&self) -> watch::Receiver<String> {
        self.state.clone()
    }
}

struct Search<B> {
    board: B,
    records: Records,
    me: PublicKey,
    role: Role,
    clock: Clock,
    schedule: Schedule,
    view: watch::Receiver<Arc<View>>,
    guide: Guide,
    state: watch::Sender<String>,
}

impl<B: Board> Search<B> {
    /// Runs until the node is gone.
    async fn run(mut self) {
        loop {
            let due = tokio::time::Instant::from_std(self.clock.instant(self.schedule.next_due()));
            tokio::select! {
                () = sleep_until(due) => self.act().await,
                changed = self.view.changed() => match changed {
                    Ok(()) => self.observe(),
                    Err(_) => return,
                },
            }
        }
    }

    fn observe(&mut self) {
        let n_neighbours = self.view.borrow_and_update().neighbours.len();
        self.schedule.observe(n_neighbours, self.clock.now().mono);
    }

    async fn act(&mut self) {
        let now = self.clock.now();
        let is_lonely = self.view.borrow().neighbours.is_empty();
        let leaves = self.role == Role::Member && self.schedule.leave_is_due(now.mono);
        let slot = self.records.slot(minute_of(now.unix));
        // Who is alone has nothing to lose by leaving a record before knowing how many there are.
        let (found, left) = match is_lonely && leaves {
            true => {
                let (found, left) = tokio::join!(self.look(&slot), self.leave(&slot));
                (found, Some(left))
            }
            false => {
                let found = self.look(&slot).await;
                let has_room = leaves && found.n_current < MAX_RECORDS;
                (found, if has_room { Some(self.leave(&slot).await) } else { None })
            }
        };
        self.report(&found, left.as_ref());
        let now = self.clock.now();
        self.schedule.looked(now.mono, found.authors.len(), rand::random());
        if self.schedule.leave_is_due(now.mono) {
            self.schedule.left(now, rand::random());
        }
    }

    /// Reads the records of this minute and the one before, and joins through them as they come.
    async fn look(&self, slot: &Slot) -> Found {
        let before = self.records.slot(slot.minute().saturating_sub(1));
        let current = self.board.look(slot).map(|value| (slot, value));
        let previous = self.board.look(&before).map(|value| (&before, value));
        let mut found = Found::default();
        let look = stream::select(current, previous)
            .take(MAX_READ)
            .filter_map(|(from, value)| {
                let record = self.records.open(from, &value);
                let is_current = from.minute() == slot.minute();
                ready(record.and_then(|record| self.on_record(&record, is_current, &mut found)))
            })
            .for_each_concurrent(MAX_READ, |peers| self.guide.clone().lead_to(peers));
        let timed_out = timeout(LOOK_TIMEOUT, look).await.is_err();
        Found { timed_out, ..found }
    }

    /// Whom to join because of a record.
    fn on_record(
        &self,
        record: &Record,
        is_current: bool,
        found: &mut Found,
    ) -> Option<Vec<PublicKey>> {
        if record.author == self.me || !found.authors.insert(record.author) {
            return None;
        }
        found.n_current += usize::from(is_current);
        let peers = self.worth_joining(record, found.n_joined);
        found.n_joined += peers.len();
        Some(peers).filter(|peers| !peers.is_empty())
    }

    /// Whom of a record to join: everybody, while there is no neighbour; later only those whose
    /// author our table lacks, for they are in a part of the network that we are cut off from.
    fn worth_joining(&self, record: &Record, n_joined: usize) -> Vec<PublicKey> {
        let view = self.view.borrow();
        let others = record.peers().filter(|peer| *peer != self.me);
        if view.neighbours.is_empty() {
            return others.collect();
        }
        let is_ours = view.entries.binary_search_by_key(&record.author, |e| e.node_id()).is_ok();
        let max = if is_ours { 0 } else { MAX_MERGES.saturating_sub(n_joined) };
        others.filter(|peer| !view.neighbours.contains(peer)).take(max).collect()
    }

    async fn leave(&self, slot: &Slot) -> Result<(), String> {
        let neighbours = self.view.borrow().neighbours.clone();
        let Some(value) = self.records.seal(slot, &neighbours) else {
            return Err("the record can't be made".to_owned());
        };
        let left = timeout(LEAVE_TIMEOUT, self.board.leave(slot, value)).await;
        left.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }

    fn report(&self, found: &Found, left: Option<&Result<(), String>>) {
        let left = match left {
            None => String::new(),
            Some(Ok(())) => ", left our own".to_owned(),
            Some(Err(error)) => format!(", couldn't leave our own: {error}"),
        };
        let state = match found.authors.len() {
            0 if found.timed_out => format!("the DHT doesn't answer{left}"),
            0 => format!("found no record{left}"),
            n => format!("found {n} records{left}"),
        };
        if self.state.send_replace(state.clone()) != state {
            info!(event = "rendezvous", n_joined = found.n_joined, "{state}");
        }
    }
}

/// What a look brought.
#[derive(Debug, Default)]
struct Found {
    authors: BTreeSet<PublicKey>,
    n_current: usize,
    n_joined: usize,
    timed_out: bool,
}

fn minute_of(unix: Duration) -> u64 {
    unix.as_secs() / 60
}

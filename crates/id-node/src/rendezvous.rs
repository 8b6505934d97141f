//! How nodes that know nobody find each other: they leave records on a board that all can read.
//!
//! The board is the mainline DHT; what a record is, where it is left and how it is encrypted is
//! distributed-topic-tracker's format, so that peers of that crate and ours find each other. The
//! decisions are our own, in [`search`]: to act on the first record as it arrives, to go on looking
//! while there are no neighbours, and later for a part of the network that we are cut off from. This
//! file performs them, and never waits for a slow board.

mod attempts;
mod board;
pub(crate) mod check;
mod counts;
mod dht;
mod lookup;
pub(crate) mod record;
mod schedule;
mod search;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use board::Board;
pub(crate) use counts::DhtCounts;
pub(crate) use dht::Dht;
use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, pending},
    stream::{self, BoxStream, FuturesUnordered},
};
use id_proto::{
    Network,
    iroh_base::{PublicKey, SecretKey},
};
pub(crate) use lookup::{Offer, add_to as add_lookup_to};
use tokio::{sync::watch, time::sleep_until};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};

use self::{
    record::Records,
    search::{Effect, Event, MAX_AUTHORS, MAX_NAMED, Search, Tone},
};
use crate::{bootstrap::Guide, clock::Clock, config::Role, membership::View};

/// Most peers that are being looked up at a time. Origin: those of one look; what is beyond has to
/// wait for the next one.
const MAX_LEADS: usize = MAX_AUTHORS + MAX_NAMED;

/// The running search; ends when dropped.
#[derive(Debug)]
pub(crate) struct Rendezvous {
    state: watch::Receiver<String>,
    _searching: AbortOnDropHandle<()>,
}

/// What a search works with besides the board.
pub(crate) struct Seeker<'a, L> {
    pub(crate) network: &'a Network,
    pub(crate) key: &'a SecretKey,
    pub(crate) clock: Clock,
    pub(crate) role: Role,
    pub(crate) view: watch::Receiver<Arc<View>>,
    pub(crate) guide: L,
    pub(crate) counts: DhtCounts,
}

/// Makes neighbours of those whose ids are known.
pub(crate) trait Lead: Send + Sync + 'static {
    /// Finds out where `peer` is, and makes it a neighbour. Takes seconds at most, and owes no news:
    /// a peer that was reached is a neighbour in the next view.
    fn lead_to(&self, peer: PublicKey) -> BoxFuture<'static, ()>;
}

impl Lead for Guide {
    fn lead_to(&self, peer: PublicKey) -> BoxFuture<'static, ()> {
        // One by one: a peer that isn't found mustn't hold up one that is.
        Guide::lead_to(self.clone(), vec![peer]).boxed()
    }
}

impl Rendezvous {
    /// Starts to leave records on `board` and to look for those of others. An observer leaves none.
    pub(crate) fn spawn<L: Lead>(board: impl Board, mut seeker: Seeker<'_, L>) -> Self {
        let (state, states) = watch::channel("starting".to_owned());
        let records = Records::new(seeker.network, seeker.key);
        let view = seeker.view.borrow_and_update().clone();
        let now = seeker.clock.now().mono;
        let search = Search::new(records.clone(), seeker.role, view, now, rand::random());
        let seeking = Seeking {
            search: search.counting(seeker.counts),
            board,
            records,
            guide: seeker.guide,
            clock: seeker.clock,
            state,
            looking: stream::pending().boxed(),
            leaving: None,
            leading: FuturesUnordered::new(),
        };
        let running = tokio::spawn(seeking.run(seeker.view));
        Self { state: states, _searching: AbortOnDropHandle::new(running) }
    }

    /// What the search last did, for people.
    pub(crate) fn watch(&self) -> watch::Receiver<String> {
        self.state.clone()
    }
}

/// A record that is being left.
type Leaving = BoxFuture<'static, Result<(), String>>;

/// A search and what it has under way.
struct Seeking<B, L> {
    search: Search,
    board: B,
    records: Records,
    guide: L,
    clock: Clock,
    state: watch::Sender<String>,
    looking: BoxStream<'static, Event>,
    leaving: Option<Leaving>,
    leading: FuturesUnordered<BoxFuture<'static, ()>>,
}

impl<B: Board, L: Lead> Seeking<B, L> {
    /// Runs until the node is gone.
    async fn run(mut self, mut view: watch::Receiver<Arc<View>>) {
        loop {
            let due = self.clock.instant(self.search.next_due());
            let event = tokio::select! {
                changed = view.changed() => match changed {
                    Ok(()) => Event::View(view.borrow_and_update().clone()),
                    Err(_) => return,
                },
                Some(event) = self.looking.next() => event,
                left = left(&mut self.leaving) => Event::Left(left),
                Some(()) = self.leading.next() => continue,
                () = sleep_until(due.into()) => Event::Tick,
            };
            for effect in self.search.handle(event, self.clock.now()) {
                self.perform(effect);
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Look { minute } => self.looking = self.look(minute),
            Effect::StopLooking => self.looking = stream::pending().boxed(),
            Effect::Leave { minute, neighbours } => {
                self.leaving = Some(self.leave(minute, &neighbours));
            }
            Effect::LeadTo(peer) if self.leading.len() < MAX_LEADS => {
                self.leading.push(self.guide.lead_to(peer));
            }
            Effect::LeadTo(peer) => debug!(peer = %peer.fmt_short(), "too many peers to look up"),
            Effect::Report { state, tone } => self.report(state, tone),
        }
    }

    /// The values of this minute and the one before, then the end, then nothing for ever.
    fn look(&self, minute: u64) -> BoxStream<'static, Event> {
        let of = |minute| {
            let values = self.board.look(&self.records.slot(minute));
            values.map(move |value| Event::Value { minute, value })
        };
        let values = stream::select(of(minute), of(minute.saturating_sub(1)));
        values.chain(stream::iter([Event::LookEnded])).chain(stream::pending()).boxed()
    }

    fn leave(&self, minute: u64, neighbours: &[PublicKey]) -> Leaving {
        let slot = self.records.slot(minute);
        match self.records.seal(&slot, neighbours) {
            Some(value) => self.board.leave(&slot, value),
            None => async { Err("the record can't be made".to_owned()) }.boxed(),
        }
    }

    fn report(&self, state: String, tone: Tone) {
        match tone {
            Tone::Ordinary => info!(event = "rendezvous", "{state}"),
            Tone::Trouble => {
                warn!(event = "rendezvous", "{state}; trying on, and peers may come other ways");
            }
        }
        self.state.send_replace(state);
    }
}

/// The end of what is being left, once. Never, if nothing is.
async fn left(leaving: &mut Option<Leaving>) -> Result<(), String> {
    let Some(under_way) = leaving else {
        return pending().await;
    };
    let result = under_way.await;
    *leaving = None;
    result
}

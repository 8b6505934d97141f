//! What to do about records: when to look for them, whom to join because of one, and when to leave
//! one. Sans-IO: the time is an argument, and so is the seed of what is random.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use id_proto::iroh_base::PublicKey;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    attempts::Attempts,
    counts::{Deal, DhtCounts},
    record::{Record, Records},
    schedule::Schedule,
};
use crate::{
    config::Role,
    membership::{Now, View},
};

/// How long a look may take. Origin: distributed-topic-tracker's time-out of a get.
pub(super) const LOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long leaving a record may take. Origin: distributed-topic-tracker's time-out of a put.
pub(super) const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most records that are left in one slot. Origin: distributed-topic-tracker; a DHT node keeps one
/// value of a key, so that more only push each other out.
pub(super) const MAX_RECORDS: usize = 5;
/// Most peers that a node with neighbours joins of one look. Origin: distributed-topic-tracker.
pub(super) const MAX_MERGES: usize = 2;
/// Most authors that are taken of one look. Origin: a guess, ten times [`MAX_RECORDS`]; whoever knows
/// topic and secret can make up as many as there are DHT nodes.
pub(super) const MAX_AUTHORS: usize = 50;
/// Most neighbours of authors that are tried because of one look. Origin: what ten authors name.
/// Apart from the authors, so that made-up neighbours don't use up what real authors need.
pub(super) const MAX_NAMED: usize = 50;
/// Most different values that are read of one look. What can't be read counts as no author; it only
/// costs the attempt to read it. Origin: that takes a quarter of a millisecond at most, so these take
/// a quarter of a second of a core.
pub(super) const MAX_VALUES: usize = 1000;

/// What happens.
#[derive(Debug)]
pub(super) enum Event {
    /// What the node knows has changed.
    View(Arc<View>),
    /// The board returned a value out of the slot of `minute`.
    Value { minute: u64, value: Vec<u8> },
    /// The board has no more values.
    LookEnded,
    /// Our record was left, or why not.
    Left(Result<(), String>),
    /// [`Search::next_due`] has come.
    Tick,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Look into the slots of this minute and the one before, and report by [`Event::Value`] and
    /// [`Event::LookEnded`]. There is never more than one look.
    Look { minute: u64 },
    /// The look took too long: drop it.
    StopLooking,
    /// Leave a record that names these neighbours, and report by [`Event::Left`]. Whatever was being
    /// left is dropped.
    Leave { minute: u64, neighbours: Vec<PublicKey> },
    /// Find out where this peer is, and make it a neighbour.
    LeadTo(PublicKey),
    /// Tell people what the search last did.
    Report { state: String, tone: Tone },
}

/// How loudly to tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// What happens every day.
    Ordinary,
    /// The board has fallen silent. Said once, until it has answered again.
    Trouble,
}

/// The decisions of one search.
#[derive(Debug)]
pub(super) struct Search {
    records: Records,
    me: PublicKey,
    role: Role,
    schedule: Schedule,
    rng: StdRng,
    view: Arc<View>,
    look: Option<Look>,
    /// Until when the record that is being left must be there.
    leaving_until: Option<Duration>,
    attempts: Attempts,
    last: Last,
    reported: String,
    is_silent: bool,
    counts: DhtCounts,
}

/// A look that is under way.
#[derive(Debug)]
struct Look {
    minute: u64,
    until: Duration,
    leave_after: LeaveAfter,
    /// Several DHT nodes return the same value, and it is read once.
    values: BTreeSet<[u8; 32]>,
    authors: BTreeSet<PublicKey>,
    current_authors: BTreeSet<PublicKey>,
    n_named: usize,
    n_merges: usize,
}

/// Whether a record is to be left once it is known how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LeaveAfter {
    IfThereIsRoom,
    No,
}

/// How a look ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Complete,
    TimedOut,
}

/// What the last look and the last leaving came to.
#[derive(Debug, Default)]
struct Last {
    look: Option<LastLook>,
    left: Option<Result<(), String>>,
}

#[derive(Debug)]
struct LastLook {
    n_values: usize,
    n_authors: usize,
    end: End,
}

impl Search {
    /// A search that looks and leaves at once.
    pub(super) fn new(
        records: Records,
        role: Role,
        view: Arc<View>,
        now: Duration,
        seed: u64,
    ) -> Self {
        Self {
            me: records.author(),
            records,
            role,
            schedule: Schedule::new(now),
            rng: StdRng::seed_from_u64(seed),
            view,
            look: None,
            leaving_until: None,
            attempts: Attempts::default(),
            last: Last::default(),
            reported: String::new(),
            is_silent: false,
            counts: DhtCounts::default(),
        }
    }

    /// The same, which counts there how looks and leavings end.
    pub(super) fn counting(self, counts: DhtCounts) -> Self {
        Self { counts, ..self }
    }

    /// Takes in one event. The effects are to be performed in their order.
    pub(super) fn handle(&mut self, event: Event, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::View(view) => self.on_view(view, now),
            Event::Value { minute, value } => self.on_value(minute, &value, now, &mut effects),
            Event::LookEnded => self.end_look(End::Complete, now, &mut effects),
            Event::Left(result) => self.end_leaving(result, now, &mut effects),
            Event::Tick => {}
        }
        self.do_what_is_due(now, &mut effects);
        effects
    }

    /// When [`Event::Tick`] is due, if nothing happens before.
    pub(super) fn next_due(&self) -> Duration {
        let look = self.look.as_ref().map_or(self.schedule.next_due(), |look| look.until);
        self.leaving_until.map_or(look, |until| until.min(look))
    }

    fn on_view(&mut self, view: Arc<View>, now: Now) {
        self.attempts.succeeded(&view.neighbours);
        self.schedule.observe(view.neighbours.len(), now.mono);
        self.view = view;
    }

    fn do_what_is_due(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.leaving_until.is_some_and(|until| now.mono >= until) {
            self.end_leaving(Err("no answer in time".to_owned()), now, effects);
        }
        match &self.look {
            Some(look) if now.mono >= look.until => {
                effects.push(Effect::StopLooking);
                self.end_look(End::TimedOut, now, effects);
            }
            None if now.mono >= self.schedule.next_due() => self.look(now, effects),
            _ => {}
        }
    }

    fn look(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let minute = minute_of(now.unix);
        let leaves = self.role == Role::Member && self.schedule.leave_is_due(now.mono);
        effects.push(Effect::Look { minute });
        // Who is alone has nothing to lose by leaving a record before knowing how many there are.
        let leave_after = match (leaves, self.view.neighbours.is_empty()) {
            (true, true) => {
                self.leave(minute, now, effects);
                LeaveAfter::No
            }
            (true, false) => LeaveAfter::IfThereIsRoom,
            (false, _) => LeaveAfter::No,
        };
        self.look = Some(Look::new(minute, now.mono + LOOK_TIMEOUT, leave_after));
    }

    fn end_look(&mut self, end: End, now: Now, effects: &mut Vec<Effect>) {
        let Some(look) = self.look.take() else {
            return;
        };
        let has_room = look.current_authors.len() < MAX_RECORDS;
        if look.leave_after == LeaveAfter::IfThereIsRoom && has_room {
            self.leave(look.minute, now, effects);
        }
        let n_authors = look.authors.len();
        self.schedule.looked(now.mono, n_authors, self.rng.random());
        // An observer and a full slot wait for the next minute, as whoever has left something does.
        if self.schedule.leave_is_due(now.mono) {
            self.schedule.left(now, self.rng.random());
        }
        self.counts.count(match end {
            End::TimedOut => Deal::LookTimedOut,
            End::Complete if n_authors == 0 => Deal::LookEmpty,
            End::Complete => Deal::LookFound,
        });
        self.last.look = Some(LastLook { n_values: look.values.len(), n_authors, end });
        self.report(effects);
    }

    fn leave(&mut self, minute: u64, now: Now, effects: &mut Vec<Effect>) {
        self.leaving_until = Some(now.mono + LEAVE_TIMEOUT);
        self.schedule.left(now, self.rng.random());
        effects.push(Effect::Leave { minute, neighbours: self.view.neighbours.clone() });
    }

    fn end_leaving(&mut self, result: Result<(), String>, now: Now, effects: &mut Vec<Effect>) {
        if self.leaving_until.take().is_none() {
            return;
        }
        self.counts.count(if result.is_ok() { Deal::RecordLeft } else { Deal::RecordFailed });
        if result.is_err() {
            self.schedule.leaving_failed(now.mono);
        }
        self.last.left = Some(result);
        self.report(effects);
    }

    fn on_value(&mut self, minute: u64, value: &[u8], now: Now, effects: &mut Vec<Effect>) {
        let Some(look) = &mut self.look else {
            return;
        };
        if !look.takes(minute, value) {
            return;
        }
        let slot = self.records.slot(minute);
        let Some(record) = self.records.open(&slot, value).filter(|it| it.author != self.me) else {
            return;
        };
        if !look.notes(record.author, minute) {
            return;
        }
        match self.view.neighbours.is_empty() {
            true => self.join_everybody(&record, now, effects),
            false if self.is_elsewhere(&record, now) => self.merge(&record, now, effects),
            false => {}
        }
    }

    /// While there is no neighbour, anybody is good.
    fn join_everybody(&mut self, record: &Record, now: Now, effects: &mut Vec<Effect>) {
        self.lead_to(record.author, now, effects);
        for &peer in &record.neighbours {
            if self.look.as_ref().is_some_and(|look| look.n_named < MAX_NAMED)
                && self.lead_to(peer, now, effects)
                && let Some(look) = &mut self.look
            {
                look.n_named += 1;
            }
        }
    }

    /// Joins a part of the network that we are cut off from, by a few links.
    fn merge(&mut self, record: &Record, now: Now, effects: &mut Vec<Effect>) {
        for peer in record.peers() {
            if self.look.as_ref().is_some_and(|look| look.n_merges < MAX_MERGES)
                && self.lead_to(peer, now, effects)
                && let Some(look) = &mut self.look
            {
                look.n_merges += 1;
            }
        }
    }

    /// Whether a record comes from a part of the network that we are cut off from: we hear neither
    /// its author nor any of its neighbours. The table alone wouldn't tell, for it keeps those who
    /// were cut off for two minutes; nor would the author alone, for a peer of another program may
    /// announce nothing.
    fn is_elsewhere(&self, record: &Record, now: Now) -> bool {
        !record.peers().any(|peer| peer == self.me || self.hears(&peer, now))
    }

    fn hears(&self, peer: &PublicKey, now: Now) -> bool {
        let entries = &self.view.entries;
        let entry = entries.binary_search_by_key(peer, |entry| entry.node_id());
        self.view.neighbours.contains(peer)
            || entry.is_ok_and(|at| !entries[at].is_overdue(now.mono))
    }

    /// Returns whether the peer is worth an attempt now.
    fn lead_to(&mut self, peer: PublicKey, now: Now, effects: &mut Vec<Effect>) -> bool {
        let is_worth_it = peer != self.me
            && !self.view.neighbours.contains(&peer)
            && self.attempts.start(peer, now.mono);
        if is_worth_it {
            effects.push(Effect::LeadTo(peer));
        }
        is_worth_it
    }

    /// Whether a record is left at the end of the look that is under way, if there is room.
    #[cfg(test)]
    pub(super) fn is_about_to_leave(&self) -> bool {
        self.look.as_ref().is_some_and(|look| look.leave_after == LeaveAfter::IfThereIsRoom)
    }

    fn report(&mut self, effects: &mut Vec<Effect>) {
        let was_silent = self.is_silent;
        self.is_silent = self.last.is_silent(was_silent);
        let state = self.last.to_string();
        if self.reported == state {
            return;
        }
        self.reported.clone_from(&state);
        let tone = match (was_silent, self.is_silent) {
            (false, true) => Tone::Trouble,
            _ => Tone::Ordinary,
        };
        effects.push(Effect::Report { state, tone });
    }
}

impl Look {
    fn new(minute: u64, until: Duration, leave_after: LeaveAfter) -> Self {
        Self {
            minute,
            until,
            leave_after,
            values: BTreeSet::new(),
            authors: BTreeSet::new(),
            current_authors: BTreeSet::new(),
            n_named: 0,
            n_merges: 0,
        }
    }

    /// Whether a value is worth being read: a new one, of a slot that we look into, within bounds.
    fn takes(&mut self, minute: u64, value: &[u8]) -> bool {
        let is_ours = minute == self.minute || minute + 1 == self.minute;
        is_ours
            && self.values.len() < MAX_VALUES
            && self.values.insert(*blake3::hash(value).as_bytes())
    }

    /// Notes whose record was read. Returns whether there is room for its author.
    fn notes(&mut self, author: PublicKey, minute: u64) -> bool {
        let has_room = self.authors.len() < MAX_AUTHORS || self.authors.contains(&author);
        if has_room {
            self.authors.insert(author);
        }
        if has_room && minute == self.minute {
            self.current_authors.insert(author);
        }
        has_room
    }
}

impl Last {
    /// Whether the board doesn't answer at all. A look that found nothing is no sign of it.
    fn is_silent(&self, was_silent: bool) -> bool {
        let n_values = self.look.as_ref().map_or(0, |look| look.n_values);
        let timed_out = self.look.as_ref().is_some_and(|look| look.end == End::TimedOut);
        match &self.left {
            _ if n_values > 0 => false,
            _ if timed_out => true,
            Some(Ok(())) => false,
            Some(Err(_)) => true,
            None => was_silent,
        }
    }
}

impl std::fmt::Display for Last {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.look {
            _ if self.is_silent(false) => f.write_str("the DHT doesn't answer")?,
            None => f.write_str("looking")?,
            Some(LastLook { n_authors: 0, .. }) => f.write_str("found no record")?,
            Some(look) => write!(f, "found {} records", look.n_authors)?,
        }
        match &self.left {
            None => Ok(()),
            Some(Ok(())) => f.write_str(", left our own"),
            Some(Err(error)) => write!(f, ", couldn't leave our own: {error}"),
        }
    }
}

fn minute_of(unix: Duration) -> u64 {
    unix.as_secs() / 60
}

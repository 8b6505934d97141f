//! When to ask a neighbour for its table, and which one.

use std::{
    collections::BTreeSet,
    ops::Bound::{Excluded, Unbounded},
    time::Duration,
};

use id_proto::iroh_base::PublicKey;

use super::event::Now;

/// A sync that hasn't reported for so long is given up, so that a lost report can't end all syncs.
/// Origin: a guess; 65,536 entries take seconds.
pub(super) const LOST_AFTER: Duration = Duration::from_secs(120);

/// How often the gap is doubled, at most, while syncs fail. Origin: 2 s become about a minute.
const MAX_DOUBLINGS: u32 = 5;

/// A table that is smaller costs so little, and may be so young, that it never ends the questions.
/// Origin: a guess; a page holds about 200 entries.
const SMALL_TABLE: usize = 64;

#[derive(Debug)]
pub(super) struct Syncs {
    /// Shortest time between two starts.
    gap: Duration,
    /// Whether a sync is wanted, from whomever.
    wanted: bool,
    /// New neighbours that the table lacks: they come from a part of the network that it lacks.
    strangers: BTreeSet<PublicKey>,
    under_way: Option<(PublicKey, Duration)>,
    /// How many entries the sync that is under way has told so far, and whether one was new.
    n_told: usize,
    taught: bool,
    last: Option<(PublicKey, Duration)>,
    failures_in_a_row: u32,
}

impl Syncs {
    pub(super) fn new(gap: Duration) -> Self {
        Self {
            gap,
            wanted: false,
            strangers: BTreeSet::new(),
            under_way: None,
            n_told: 0,
            taught: false,
            last: None,
            failures_in_a_row: 0,
        }
    }

    /// The table may lack what any neighbour has.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// The table may lack what this neighbour has.
    pub(super) fn want_from(&mut self, stranger: PublicKey) {
        self.strangers.insert(stranger);
        self.failures_in_a_row = 0;
    }

    pub(super) fn neighbour_down(&mut self, peer: &PublicKey) {
        self.strangers.remove(peer);
    }

    /// Notes an entry that `by` told.
    pub(super) fn told(&mut self, by: PublicKey, was_new: bool) {
        if self.under_way.is_some_and(|(asked, _)| asked == by) {
            self.n_told += 1;
            self.taught |= was_new;
        }
    }

    /// Notes the end of a sync. After a failure another neighbour may do better.
    ///
    /// A joiner's first neighbour may be as young as the joiner, so the others are asked as well,
    /// until one of them has nothing to tell that isn't in our table of `table_size`.
    pub(super) fn ended(&mut self, peer: PublicKey, complete: bool, table_size: usize) {
        if self.under_way.is_none_or(|(asked, _)| asked != peer) {
            return;
        }
        self.under_way = None;
        if complete {
            self.failures_in_a_row = 0;
            if !self.taught && self.n_told >= table_size.max(SMALL_TABLE) {
                self.strangers.clear();
            }
        } else {
            self.failures_in_a_row += 1;
            self.wanted = true;
        }
    }

    /// When the next sync may start, if one is wanted.
    pub(super) fn due(&self) -> Option<Duration> {
        if !self.wanted && self.strangers.is_empty() {
            return None;
        }
        let free = self.under_way.map_or(Duration::ZERO, |(_, since)| since + LOST_AFTER);
        let after_gap = self.last.map_or(Duration::ZERO, |(_, at)| at + self.current_gap());
        Some(free.max(after_gap))
    }

    /// Whom to ask now. Notes that it is asked.
    pub(super) fn start(
        &mut self,
        neighbours: &BTreeSet<PublicKey>,
        now: Now,
    ) -> Option<PublicKey> {
        if self.due().is_none_or(|due| now.mono < due) {
            return None;
        }
        let stranger = self.strangers.pop_first();
        let peer = stranger.or_else(|| self.next_neighbour(neighbours))?;
        if self.under_way.is_some() {
            self.failures_in_a_row += 1;
        }
        self.wanted = false;
        (self.n_told, self.taught) = (0, false);
        self.under_way = Some((peer, now.mono));
        self.last = Some((peer, now.mono));
        Some(peer)
    }

    /// Each sync takes the next neighbour, so that one bad neighbour costs one turn.
    fn next_neighbour(&self, neighbours: &BTreeSet<PublicKey>) -> Option<PublicKey> {
        let after_last =
            self.last.and_then(|(last, _)| neighbours.range((Excluded(last), Unbounded)).next());
        after_last.or(neighbours.first()).copied()
    }

    fn current_gap(&self) -> Duration {
        self.gap * (1 << self.failures_in_a_row.min(MAX_DOUBLINGS))
    }
}

//! When to ask a peer for its table, and which one.
//!
//! A neighbour, if one of them has a table: whoever runs another program in the same topic has none.
//! Else somebody out of our own table, which gossip fills even then.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Unbounded},
    time::Duration,
};

use id_proto::iroh_base::PublicKey;

use super::{
    event::{Now, SyncEnd},
    table::Table,
};

/// A sync that hasn't reported for so long is given up, so that a lost report can't end all syncs.
/// Origin: a guess; 65,536 entries take seconds.
pub(super) const LOST_AFTER: Duration = Duration::from_secs(120);

/// How often the gap is doubled, at most, while syncs fail. Origin: 2 s become about a minute.
const MAX_DOUBLINGS: u32 = 5;

/// A table that is smaller costs so little, and may be so young, that it never ends the questions.
/// Origin: a guess; a page holds about 200 entries.
const SMALL_TABLE: usize = 64;

/// How long a neighbour without a table isn't asked again. Origin: it takes another release to have
/// one; a node that is starting or stopping may seem so too.
pub(super) const NO_SOURCE_FOR: Duration = Duration::from_secs(600);
/// Most neighbours without a table that are remembered. Origin: several times HyParView's active
/// view, of which a node may have that many one after another.
const MAX_NO_SOURCES: usize = 32;

/// Most entries of one answer that are refused because its teller has no budget left; then the rest isn't
/// read. Origin: a guess; five pages. What costs is to read them, and whoever makes them up has as many as it
/// is asked for.
pub(super) const MAX_TOLD_IN_VAIN: usize = 1024;

#[derive(Debug)]
pub(super) struct Syncs {
    /// Shortest time between two starts.
    gap: Duration,
    /// Whether a sync is wanted, from whomever.
    wanted: bool,
    /// New neighbours that the table lacks: they come from a part of the network that it lacks.
    strangers: BTreeSet<PublicKey>,
    /// Who has no table for us, and until when that is believed.
    no_sources: BTreeMap<PublicKey, Duration>,
    under_way: Option<(PublicKey, Duration)>,
    /// How many entries the sync that is under way has told so far, whether one was new, and how many its
    /// teller's budget didn't pay for.
    n_told: usize,
    taught: bool,
    n_in_vain: usize,
    last: Option<PublicKey>,
    /// When the gap to the next start began.
    gap_since: Option<Duration>,
    failures_in_a_row: u32,
}

impl Syncs {
    pub(super) fn new(gap: Duration) -> Self {
        Self {
            gap,
            wanted: false,
            strangers: BTreeSet::new(),
            no_sources: BTreeMap::new(),
            under_way: None,
            n_told: 0,
            taught: false,
            n_in_vain: 0,
            last: None,
            gap_since: None,
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

    /// Whoever is being asked and goes is waited for no longer: it may have gone because it is silent.
    pub(super) fn neighbour_down(&mut self, peer: &PublicKey) {
        self.strangers.remove(peer);
        if self.is_asking(peer) {
            self.under_way = None;
            self.wanted = true;
        }
    }

    /// Notes an entry that `by` told.
    pub(super) fn told(&mut self, by: PublicKey, was_new: bool) {
        if self.is_asking(&by) {
            self.n_told += 1;
            self.taught |= was_new;
        }
    }

    /// Notes an entry that `by` told and has no budget for.
    pub(super) fn told_in_vain(&mut self, by: PublicKey) {
        if self.is_asking(&by) {
            self.n_in_vain += 1;
        }
    }

    /// Whether the rest of `by`'s answer is worth reading.
    pub(super) fn is_wanted(&self, by: &PublicKey) -> bool {
        self.is_asking(by) && self.n_in_vain < MAX_TOLD_IN_VAIN
    }

    fn is_asking(&self, peer: &PublicKey) -> bool {
        self.under_way.is_some_and(|(asked, _)| asked == *peer)
    }

    /// Notes that the peer announces itself as our nodes do: it has a table after all.
    pub(super) fn announced(&mut self, peer: &PublicKey) {
        self.no_sources.remove(peer);
    }

    /// Notes the end of a sync. After a failure another neighbour may do better.
    ///
    /// A joiner's first neighbour may be as young as the joiner, so the others are asked as well,
    /// until one of them has nothing to tell that isn't in our table of `table_size`.
    pub(super) fn ended(&mut self, peer: PublicKey, end: SyncEnd, table_size: usize, now: Now) {
        if !self.is_asking(&peer) {
            return;
        }
        self.under_way = None;
        match end {
            SyncEnd::Complete => {
                self.failures_in_a_row = 0;
                if !self.taught && self.n_told >= table_size.max(SMALL_TABLE) {
                    self.strangers.clear();
                }
            }
            SyncEnd::Failed => {
                self.failures_in_a_row += 1;
                self.wanted = true;
            }
            // It cost nothing, and will cost nothing again: the next one can be asked at once.
            SyncEnd::NoSource => {
                self.remember_no_source(peer, now);
                self.gap_since = None;
                self.wanted = true;
            }
        }
    }

    fn remember_no_source(&mut self, peer: PublicKey, now: Now) {
        self.no_sources.retain(|_, until| now.mono < *until);
        if self.no_sources.len() >= MAX_NO_SOURCES {
            let first = self.no_sources.iter().min_by_key(|(_, until)| **until);
            let first = first.map(|(peer, _)| *peer);
            first.and_then(|first| self.no_sources.remove(&first));
        }
        self.no_sources.insert(peer, now.mono + NO_SOURCE_FOR);
    }

    /// When the next sync may start, if one is wanted and somebody can be asked.
    pub(super) fn due(&self, neighbours: &BTreeSet<PublicKey>, table: &Table) -> Option<Duration> {
        let is_wanted = self.wanted && self.has_source(neighbours, table);
        if !is_wanted && !self.strangers.iter().any(|peer| self.is_source(peer)) {
            return None;
        }
        let free = self.under_way.map_or(Duration::ZERO, |(_, since)| since + LOST_AFTER);
        let after_gap = self.gap_since.map_or(Duration::ZERO, |at| at + self.current_gap());
        Some(free.max(after_gap))
    }

    /// Whom to ask now. Notes that it is asked.
    pub(super) fn start(
        &mut self,
        neighbours: &BTreeSet<PublicKey>,
        table: &Table,
        now: Now,
    ) -> Option<PublicKey> {
        self.no_sources.retain(|_, until| now.mono < *until);
        if self.due(neighbours, table).is_none_or(|due| now.mono < due) {
            return None;
        }
        let stranger = self.strangers.iter().find(|peer| self.is_source(peer)).copied();
        let peer = stranger
            .or_else(|| self.next_neighbour(neighbours))
            .or_else(|| self.next_known(neighbours, table))?;
        self.strangers.remove(&peer);
        if self.under_way.is_some() {
            self.failures_in_a_row += 1;
        }
        self.wanted = false;
        (self.n_told, self.taught, self.n_in_vain) = (0, false, 0);
        self.under_way = Some((peer, now.mono));
        self.last = Some(peer);
        self.gap_since = Some(now.mono);
        Some(peer)
    }

    fn is_source(&self, peer: &PublicKey) -> bool {
        !self.no_sources.contains_key(peer)
    }

    /// Whoever has no neighbour waits for one: the first that comes is asked in any case.
    fn has_source(&self, neighbours: &BTreeSet<PublicKey>, table: &Table) -> bool {
        let has_neighbour = neighbours.iter().any(|peer| self.is_source(peer));
        let knows_another = || table.iter().any(|entry| self.is_source(&entry.node_id()));
        has_neighbour || (!neighbours.is_empty() && knows_another())
    }

    /// Each sync takes the next neighbour, so that one bad neighbour costs one turn.
    fn next_neighbour(&self, neighbours: &BTreeSet<PublicKey>) -> Option<PublicKey> {
        let after_last = self.last.map_or(Unbounded, Excluded);
        let later = neighbours.range((after_last, Unbounded));
        later.chain(neighbours).find(|peer| self.is_source(peer)).copied()
    }

    /// Of those in the table the one that was heard last, if it isn't the one that we asked last.
    fn next_known(&self, neighbours: &BTreeSet<PublicKey>, table: &Table) -> Option<PublicKey> {
        let sources = table.iter().filter(|entry| self.is_source(&entry.node_id()));
        let best = sources.max_by_key(|entry| (Some(entry.node_id()) != self.last, entry.heard));
        best.filter(|_| !neighbours.is_empty()).map(|entry| entry.node_id())
    }

    fn current_gap(&self) -> Duration {
        self.gap * (1 << self.failures_in_a_row.min(MAX_DOUBLINGS))
    }

    #[cfg(test)]
    pub(super) fn n_no_sources(&self) -> usize {
        self.no_sources.len()
    }
}

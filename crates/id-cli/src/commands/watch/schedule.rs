//! Who is asked again, and when: a function of what came of asking, and of the time.
//!
//! A round is a crawl. Who isn't due yet isn't asked in it: its last answer stands. So a round finds what
//! a whole crawl would find, and costs as much as there are peers that are due.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use id_client::{
    Answer, CrawlReport, Past, Use,
    id_proto::{SignedAnnouncement, iroh_base::PublicKey},
};

/// How much longer than the last time a peer that answers is left alone. Origin: Nebula's.
const GROWTH: f64 = 1.2;

/// How long a peer is left alone at most, unless the rounds are farther apart. Origin: Nebula's.
const MAX_INTERVAL: Duration = Duration::from_secs(15 * 60);

/// How soon a peer that didn't answer is asked again, unless the next round comes first. Origin: as long
/// as a question may take, so that one lost for the same reason isn't counted twice.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Of how many cases of who named whom the answers are kept. Origin: as many as `peers` prints edges,
/// 64 MB; whose answer has no room is asked in each round.
pub(super) const MAX_NAMED: usize = 1_000_000;

/// Moments are times since the start.
#[derive(Debug)]
pub(super) struct Schedule {
    every: Duration,
    seeds: BTreeSet<PublicKey>,
    peers: BTreeMap<PublicKey, Up>,
    announcements: BTreeMap<PublicKey, SignedAnnouncement>,
    n_named: usize,
}

/// A peer that answered, and hasn't failed since, or only once.
#[derive(Debug)]
struct Up {
    answer: Arc<Answer>,
    answered_at: Duration,
    due: Duration,
    has_missed: bool,
}

/// What became of the peers that failed in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failures {
    /// They didn't answer.
    Count,
    /// None of the seeds answered, or the round was cut short: it says nothing of them.
    SayNothing,
}

impl Schedule {
    pub(super) fn new(every: Duration, seeds: impl IntoIterator<Item = PublicKey>) -> Self {
        Self {
            every,
            seeds: seeds.into_iter().collect(),
            peers: BTreeMap::new(),
            announcements: BTreeMap::new(),
            n_named: 0,
        }
    }

    /// What a round that begins at `now` stands on. Whoever isn't in it is asked, and fails if it fails.
    pub(super) fn past(&self, now: Duration) -> Past {
        let mut past = Past::default();
        self.announcements.values().for_each(|announcement| past.learn(announcement.clone()));
        for up in self.peers.values() {
            match up {
                Up { due, .. } if *due > now => {
                    past.keep(Arc::clone(&up.answer), Use::InsteadOfAsking);
                }
                Up { has_missed: false, .. } => past.keep(Arc::clone(&up.answer), Use::IfItFails),
                Up { has_missed: true, .. } => {}
            }
        }
        past
    }

    /// A peer that was asked in the round that began at `now` has answered.
    pub(super) fn on_answered(&mut self, answer: Answer, now: Duration) {
        let peer = answer.peer;
        let before = self.forget(&peer);
        if let Some(before) = &before {
            self.doubt(&before.answer, &answer, now);
        }
        if self.n_named + size(&answer) > MAX_NAMED {
            return;
        }
        self.n_named += size(&answer);
        let due = now.saturating_add(self.interval(&peer, before.as_ref(), now));
        let up = Up { answer: Arc::new(answer), answered_at: now, due, has_missed: false };
        self.peers.insert(peer, up);
    }

    /// A peer that answered before hasn't this time.
    pub(super) fn on_missed(&mut self, peer: &PublicKey, now: Duration) {
        let due = now + RETRY_AFTER.min(self.every);
        if let Some(up) = self.peers.get_mut(peer) {
            (up.has_missed, up.due) = (true, due);
        }
    }

    /// The round that began at `now` has ended; these have failed.
    pub(super) fn on_round(
        &mut self,
        report: &CrawlReport,
        failed: &[PublicKey],
        failures: Failures,
        now: Duration,
    ) {
        for peer in failed {
            match failures {
                Failures::Count => drop(self.forget(peer)),
                Failures::SayNothing => self.on_missed(peer, now),
            }
        }
        let known: BTreeSet<_> = report.peers.iter().map(|peer| peer.node_id).collect();
        if failures == Failures::Count {
            let gone = self.peers.keys().filter(|peer| !known.contains(*peer)).copied();
            gone.collect::<Vec<_>>().iter().for_each(|peer| drop(self.forget(peer)));
        }
        let shown = report.peers.iter().filter_map(|peer| peer.announcement.clone());
        self.announcements.extend(shown.map(|shown| (shown.node_id, shown)));
        // A round that says nothing of others shows nobody's but theirs, and there may be many of these.
        if failures == Failures::Count
            || self.announcements.len() > 2 * (known.len() + self.peers.len())
        {
            let up = &self.peers;
            self.announcements.retain(|peer, _| known.contains(peer) || up.contains_key(peer));
        }
    }

    /// When the next round begins, if the last one began at `last`.
    pub(super) fn next_round(&self, last: Duration) -> Duration {
        let missed = self.peers.values().filter(|up| up.has_missed).map(|up| up.due);
        let regular = last.saturating_add(self.every);
        missed.min().map_or(regular, |due| due.min(regular))
    }

    /// Through the seeds newcomers become known, so they are asked in each round.
    fn interval(&self, peer: &PublicKey, before: Option<&Up>, now: Duration) -> Duration {
        match before {
            Some(before) if !before.has_missed && !self.seeds.contains(peer) => {
                let longer = (now - before.answered_at).mul_f64(GROWTH);
                longer.clamp(self.every, MAX_INTERVAL.max(self.every))
            }
            _ => self.every,
        }
    }

    /// Whom an answer names no more may have gone: it is asked in the next round.
    fn doubt(&mut self, before: &Answer, after: &Answer, now: Duration) {
        let named: BTreeSet<_> = after.named.iter().map(|named| named.peer).collect();
        for lost in before.named.iter().filter(|before| !named.contains(&before.peer)) {
            if let Some(up) = self.peers.get_mut(&lost.peer) {
                up.due = up.due.min(now.saturating_add(self.every));
            }
        }
    }

    fn forget(&mut self, peer: &PublicKey) -> Option<Up> {
        let up = self.peers.remove(peer)?;
        self.n_named -= size(&up.answer);
        Some(up)
    }
}

/// An answer that names nobody takes room too.
fn size(answer: &Answer) -> usize {
    1 + answer.named.len()
}

//! What an earlier crawl found, for another one to stand on.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use id_proto::{SignedAnnouncement, iroh_base::PublicKey};

use crate::{crawl::report::RejectReason, transport::Route};

/// Answers of an earlier crawl, and the signed originals that they are about.
///
/// Whom an answer names without its signed original isn't believed. Originals are checked again, as if
/// they came from a peer, but for their age: how long ago they were heard is said by the answer.
#[derive(Debug, Clone, Default)]
pub struct Past {
    announcements: BTreeMap<PublicKey, SignedAnnouncement>,
    answers: BTreeMap<PublicKey, (Arc<Answer>, Use)>,
}

/// What a peer answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Who.
    pub peer: PublicKey,
    /// When its last page was read, in unix seconds.
    pub at_unix_secs: u64,
    /// How it was reached.
    pub route: Option<Route>,
    /// Whom it named, itself perhaps included, and was believed.
    pub named: Vec<Named>,
    /// How many others it named for whom there was no room.
    pub n_left_out: u64,
    /// Entries that were not believed, by reason.
    pub rejected: BTreeMap<RejectReason, u64>,
}

/// Whom an answer names, and what whoever answered knew of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Who.
    pub peer: PublicKey,
    /// How long ago it had been heard of.
    pub age: Duration,
    /// How long ago it had answered a dial, if ever.
    pub verified_age: Option<Duration>,
}

/// How a past answer is used when its peer's turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Use {
    /// The peer isn't asked: it has answered.
    InsteadOfAsking,
    /// The peer is asked. If it fails, it counts as having answered as it did then.
    IfItFails,
    /// The peer is asked. If it fails, it has failed, and what it named then, before it failed, is
    /// believed as well.
    WithItsFailure,
}

impl Past {
    /// Knows `announcement`, unless a newer one of its author's is known.
    pub fn learn(&mut self, announcement: SignedAnnouncement) {
        let held = self.announcements.get(&announcement.node_id);
        if held.is_none_or(|held| held.seq < announcement.seq) {
            self.announcements.insert(announcement.node_id, announcement);
        }
    }

    /// Uses `answer` so, instead of another one of its peer's.
    pub fn keep(&mut self, answer: Arc<Answer>, usage: Use) {
        self.answers.insert(answer.peer, (answer, usage));
    }

    /// How many answers there are.
    pub fn n_answers(&self) -> usize {
        self.answers.len()
    }

    /// The newest announcement of `peer`'s.
    pub fn announcement(&self, peer: &PublicKey) -> Option<&SignedAnnouncement> {
        self.announcements.get(peer)
    }

    /// What `peer` answered, and how that is used.
    pub fn answer(&self, peer: &PublicKey) -> Option<(&Arc<Answer>, Use)> {
        self.answers.get(peer).map(|(answer, usage)| (answer, *usage))
    }
}

/// An answer that is being kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Keeping {
    pub(super) at_unix_secs: u64,
    pub(super) named: Vec<Named>,
}

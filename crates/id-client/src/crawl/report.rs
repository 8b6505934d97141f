//! What a crawl found, what failed, and what was left out. The counts add up.

use std::{collections::BTreeMap, time::Duration};

use id_proto::{SignedAnnouncement, iroh_base::PublicKey};

use crate::{
    crawl::{
        dialled::{Dialled, FailStage},
        graph::Graph,
        limits::Limits,
    },
    error::{AskError, FailKind},
    transport::{PathKind, Route},
};

/// The result of a crawl, complete or not.
#[derive(Debug, Clone)]
pub struct CrawlReport {
    /// Every peer that became known, by node id.
    pub peers: Vec<CrawledPeer>,
    /// Why the crawl ended before it was done; `None` if it is complete within its depth.
    pub stopped_by: Option<StopReason>,
    /// How long it took.
    pub duration: Duration,
    /// The limits it ran under.
    pub limits: Limits,
    /// Who named whom, by position in [`CrawlReport::peers`], as far as answers were believed. Without
    /// edges unless [`Limits::max_edges`] makes room for them.
    pub graph: Graph,
}

impl CrawlReport {
    /// Whether the crawl ended by itself.
    pub fn is_complete(&self) -> bool {
        self.stopped_by.is_none()
    }

    /// The counts of [`CrawlReport::peers`].
    pub fn summary(&self) -> Summary {
        let count = |wanted: fn(&PeerStatus) -> bool| {
            self.peers.iter().filter(|peer| wanted(&peer.status)).count()
        };
        let answered = count(|status| matches!(status, PeerStatus::Answered));
        let failed = count(|status| matches!(status, PeerStatus::Failed { .. }));
        Summary {
            known: self.peers.len(),
            asked: answered + failed,
            answered,
            failed,
            not_asked: count(|status| matches!(status, PeerStatus::NotAsked)),
        }
    }
}

/// How many peers came to what end: `known = asked + not_asked`, `asked = answered + failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Peers in the report.
    pub known: usize,
    /// Peers that were asked.
    pub asked: usize,
    /// Peers that answered to the end.
    pub answered: usize,
    /// Peers that were asked and failed, those outstanding at the end included.
    pub failed: usize,
    /// Peers beyond the depth, or whose turn never came.
    pub not_asked: usize,
}

/// One peer of a report.
#[derive(Debug, Clone)]
pub struct CrawledPeer {
    /// Its id.
    pub node_id: PublicKey,
    /// The newest announcement that anyone showed, its signature checked. `None` for a seed that
    /// nobody, itself included, showed one of.
    pub announcement: Option<SignedAnnouncement>,
    /// How long ago the best informed responder heard of it.
    pub age: Option<Duration>,
    /// How long ago a responder's own dial of it was answered, as the responders say; the shortest
    /// time of all. Nothing proves it.
    pub verified_age: Option<Duration>,
    /// What came of it.
    pub status: PeerStatus,
    /// Whether it was reached before it failed; `None` unless it has failed.
    pub stage: Option<FailStage>,
    /// Where it was dialled the last time, and what became of each address; empty if it wasn't.
    pub dialled: Box<[Dialled]>,
    /// How often it was its turn to be asked; at most [`crate::MAX_ATTEMPTS`].
    pub attempts: u8,
    /// Hops from the seeds; a seed has 0.
    pub depth: u32,
    /// Who named it: the first [`MAX_VIA`], in the order of their answers. Empty for a seed that
    /// nobody else named.
    pub via: Vec<PublicKey>,
    /// How it was reached, if it was.
    pub route: Option<Route>,
    /// Entries of its answer that were not believed, by reason; of two attempts, of that which gave more.
    pub rejected: BTreeMap<RejectReason, u64>,
    /// What it told; `None` if it gave nothing.
    pub told: Option<Told>,
}

/// Whom a peer named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// How many others its answer named, and was believed. Those for whom there was no room count as
    /// well, although their signatures weren't all checked. Of two attempts, that counts which named more.
    pub n_peers: u64,
    /// What came of those whom nobody else named. `None` while the crawl goes on: somebody may yet.
    pub alone: Option<Alone>,
}

/// What came of the peers that one peer alone named. Seeds aren't counted: whoever crawls named them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Alone {
    /// How many are in the report.
    pub known: usize,
    /// How many of them were asked, and answered or failed before the crawl ended.
    pub asked: usize,
    /// How many of these failed.
    pub failed: usize,
}

/// Fewest peers of one peer's word alone that must have been asked before it is said that they failed.
///
/// Origin: as many dials a node makes in vain on one peer's word; a few dead ones have honest tables
/// too.
pub const MIN_ASKED_ALONE: usize = 16;
/// One answer among so many says nothing for the others. Origin: a guess; a liar can name a friend.
pub const MAX_ANSWERED_SHARE: usize = 16;

impl Alone {
    /// Whether nearly all failed: of [`MIN_ASKED_ALONE`] or more that were asked, not even one in
    /// [`MAX_ANSWERED_SHARE`] answered.
    ///
    /// They were made up, or are dead, or can't be reached from here; that can't be told apart.
    pub fn is_barren(&self) -> bool {
        let n_answered = self.asked - self.failed;
        self.asked >= MIN_ASKED_ALONE && n_answered * MAX_ANSWERED_SHARE < self.asked
    }
}

impl CrawledPeer {
    /// Direct or by relay, if it was reached.
    pub fn path(&self) -> Option<PathKind> {
        self.route.map(|route| route.path)
    }
}

/// Longest [`CrawledPeer::via`]. Origin: bounds a full mesh of n nodes at 8 n instead of n².
pub const MAX_VIA: usize = 8;

/// What came of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerStatus {
    /// It was asked, and answered to the end.
    Answered,
    /// It was asked and failed. What it had told before it failed is in the report.
    Failed {
        /// What a program decides by.
        kind: FailKind,
        /// What a person reads. Hostile in a terminal.
        message: String,
    },
    /// It was not asked: beyond the depth, or the crawl ended before.
    NotAsked,
}

impl PeerStatus {
    /// The stable lower-case name.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed { .. } => "failed",
            Self::NotAsked => "not_asked",
        }
    }
}

impl From<Result<(), AskError>> for PeerStatus {
    fn from(outcome: Result<(), AskError>) -> Self {
        match outcome {
            Ok(()) => Self::Answered,
            Err(AskError { kind, message }) => Self::Failed { kind, message },
        }
    }
}

/// Why a crawl ended early, and what becomes of those who were being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// [`Limits::max_peers`] peers are known, and there was another one. Those that are known were
    /// asked all the same.
    MaxPeers,
    /// [`Limits::timeout`] passed. Who was being asked counts as failed: [`FailKind::Timeout`].
    Timeout,
    /// The caller asked for the report early: Ctrl-C in `id-cli`. Who was being asked counts as
    /// failed: [`FailKind::Timeout`].
    Interrupted,
}

impl StopReason {
    /// The stable lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaxPeers => "max_peers",
            Self::Timeout => "timeout",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Why an entry of an answer was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RejectReason {
    /// No entry at all, or one with a field out of bounds.
    Malformed,
    /// An entry, or an announcement, of a later version.
    UnknownVersion,
    /// For another network.
    OtherNetwork,
    /// Its timestamp is too far ahead of our clock.
    FutureDated,
    /// Its timestamp is older than a live peer's can be.
    Expired,
    /// The signature isn't its author's.
    BadSignature,
}

impl RejectReason {
    /// Every reason.
    pub const ALL: &[Self] = &[
        Self::Malformed,
        Self::UnknownVersion,
        Self::OtherNetwork,
        Self::FutureDated,
        Self::Expired,
        Self::BadSignature,
    ];

    /// The stable lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownVersion => "unknown_version",
            Self::OtherNetwork => "other_network",
            Self::FutureDated => "future_dated",
            Self::Expired => "expired",
            Self::BadSignature => "bad_signature",
        }
    }
}

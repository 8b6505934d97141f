//! What happens to a membership, and what it wants done.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use id_client::{AddressPolicy, FailKind};
use id_proto::{
    Source, UnverifiedAnnouncement,
    iroh_base::{EndpointAddr, PublicKey},
};

use super::{OwnFacts, gate::Refusal, table::Entry};
use crate::access::AccessList;

/// The time, as an argument.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// A clock that only grows; its zero means nothing. Ages and expiry run on it.
    pub mono: Duration,
    /// Time since the Unix epoch, by a clock that may be wrong and may jump.
    pub unix: Duration,
}

/// What happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// A gossip message arrived.
    Gossip {
        /// The message, undecoded.
        message: &'a [u8],
        /// The neighbour that delivered it, who needn't be its author.
        from: PublicKey,
    },
    /// A peer's answer to a query named a peer.
    Told {
        /// The item of the answer, undecoded.
        item: &'a [u8],
        /// Whose answer it was.
        by: PublicKey,
    },
    /// An operator of ours hands a peer over.
    Handed {
        /// The signed announcement, undecoded.
        signed: &'a [u8],
        /// Which operator.
        by: PublicKey,
    },
    /// A sync has ended.
    Synced {
        /// With whom.
        peer: PublicKey,
        /// How.
        end: SyncEnd,
    },
    /// A probe has ended.
    Probed {
        /// Whom it went to; the handshake has authenticated it.
        peer: PublicKey,
        /// Its own newest announcement, or why there is none.
        answer: Result<UnverifiedAnnouncement, FailKind>,
    },
    /// A gossip neighbour came.
    NeighbourUp(PublicKey),
    /// A gossip neighbour went.
    NeighbourDown(PublicKey),
    /// Gossip messages were lost on their way to us.
    Lagged,
    /// Something that we say of ourselves may have changed.
    OwnChanged(OwnFacts),
    /// Which announced addresses may be dialled has changed.
    PolicyChanged(AddressPolicy),
    /// Whom to have to do with has changed.
    AccessChanged(Arc<AccessList>),
    /// Whom our operator names to join through has changed.
    ConfiguredChanged(BTreeSet<PublicKey>),
    /// [`super::Membership::next_deadline`] has come.
    Tick,
    /// The node shuts down. Nothing is announced any more.
    Leaving,
}

/// How a sync has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncEnd {
    /// The whole table arrived.
    Complete,
    /// It didn't, or not all of it. It may the next time.
    Failed,
    /// The peer has no table for us: it runs another program, or another release.
    NoSource,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Send to the gossip topic.
    Broadcast(Vec<u8>),
    /// Dial the peer, at these addresses if there are any, ask who it is, and report by [`Event::Probed`], exactly once and within 10 s.
    /// A report that gets lost costs one of the slots for a minute.
    Probe(EndpointAddr),
    /// Ask the peer for its table, and report by [`Event::Told`] and, exactly once and also if the
    /// peer vanishes, by [`Event::Synced`]. Until then there is no other sync; a report that
    /// gets lost is given up after two minutes.
    SyncFrom(PublicKey),
    /// Make the peer a gossip neighbour: it is alive, and gossip doesn't connect us.
    Join(PublicKey),
    /// A peer is new, or there is news of it: its addresses can be dialled.
    Learned {
        /// What is now known of it.
        entry: Arc<Entry>,
        /// Whether the table lacked it.
        is_new: bool,
    },
    /// A peer is no longer in the table.
    Forgotten {
        /// Who.
        peer: PublicKey,
        /// Why.
        reason: RemovalReason,
    },
    /// Tell whoever handed a peer over what came of it: once for each [`Event::Handed`].
    Judged(Verdict),
    /// Make durable, before the next effect, that sequence numbers up to this one may be used.
    ReserveSeq(u64),
}

/// What came of an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is believed; the table lacked its author.
    New,
    /// It is believed, and replaces an older one.
    Newer,
    /// It isn't believed.
    Refused(Refusal),
}

/// Why a peer is no longer in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalReason {
    /// It said so itself.
    Left,
    /// It was stale and didn't answer a probe.
    ProbeFailed,
    /// The table is full, and it was the least certain.
    Evicted,
    /// It was stale, had never answered, and whoever had brought it had brought so many dead ones
    /// that it wasn't worth a dial.
    Unasked,
    /// Our operator's lists don't admit it, or not the one on whose word alone it was there.
    Denied,
}

impl RemovalReason {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::Left, Self::ProbeFailed, Self::Evicted, Self::Unasked, Self::Denied];

    /// The stable lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::ProbeFailed => "probe_failed",
            Self::Evicted => "evicted",
            Self::Unasked => "unasked",
            Self::Denied => "denied",
        }
    }
}

/// How an announcement came to us, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By gossip; this neighbour delivered it.
    Gossip(PublicKey),
    /// This peer told it, in answer to a query.
    Told(PublicKey),
    /// This operator of ours handed it over.
    Handed(PublicKey),
    /// From its author, whom we had dialled.
    Dialled,
}

impl Way {
    /// How it is told to others.
    pub(super) fn source(self) -> Source {
        match self {
            Self::Gossip(_) | Self::Dialled => Source::Gossip,
            Self::Told(by) | Self::Handed(by) => Source::Told(by),
        }
    }

    /// Who is held to it, if anybody.
    pub(super) fn introducer(self) -> Option<PublicKey> {
        match self {
            Self::Gossip(by) | Self::Told(by) | Self::Handed(by) => Some(by),
            Self::Dialled => None,
        }
    }
}

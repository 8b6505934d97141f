//! What a crawl tells while it runs.

use id_proto::{PeerEntry, SignedAnnouncement, iroh_base::PublicKey};

use crate::{crawl::report::StopReason, error::AskError};

/// One step of a crawl, in the order in which it happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "most events are the large one, `Found`")]
pub enum CrawlEvent {
    /// A peer is being asked.
    Dialing {
        /// Who.
        peer: PublicKey,
        /// Hops from the seeds.
        depth: u32,
    },
    /// A peer that wasn't known before, or whose announcement wasn't, is now; its signature holds.
    /// Told once for each peer: a newer announcement that comes later is in the report only.
    Found {
        /// The entry, with what the responder knows of it.
        entry: PeerEntry<SignedAnnouncement>,
        /// Who named it.
        via: PublicKey,
        /// Hops from the seeds.
        depth: u32,
    },
    /// A peer has answered to the end.
    Answered {
        /// Who.
        peer: PublicKey,
        /// How many entries it gave that were believed.
        n_entries: usize,
    },
    /// A peer failed, perhaps only for now ([`crate::FailKind::is_transient`]): it is asked again when
    /// there is nobody else to ask. What it told stays.
    PutOff {
        /// Who.
        peer: PublicKey,
        /// Why.
        error: AskError,
    },
    /// A peer that was put off is being asked again.
    AskedAgain {
        /// Who.
        peer: PublicKey,
    },
    /// A peer failed, and what it answered in the past is to stand for it then: see
    /// [`crate::Use::IfItFails`]. [`CrawlEvent::Recalled`] is next.
    Missed {
        /// Who.
        peer: PublicKey,
        /// Why.
        error: AskError,
    },
    /// What a peer answered in the past stands for its answer.
    Recalled {
        /// Who.
        peer: PublicKey,
        /// How many entries of it were believed.
        n_entries: usize,
    },
    /// A peer failed.
    Failed {
        /// Who.
        peer: PublicKey,
        /// Why.
        error: AskError,
    },
    /// A peer that was found, and not asked, gave its place to another: it isn't known any more.
    Displaced {
        /// Who.
        peer: PublicKey,
    },
    /// The crawl ends early; what was found stays.
    LimitHit(StopReason),
}

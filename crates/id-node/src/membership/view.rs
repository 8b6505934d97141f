//! What readers see: an immutable copy of the membership.

use std::{sync::Arc, time::Duration};

use id_proto::{PeerEntry, SignedAnnouncement, Source, iroh_base::PublicKey};

use super::{stats::Stats, table::Entry};

/// The membership at one moment. Readers hold it as long as they like and never block the writer.
#[derive(Debug, Clone)]
pub struct View {
    /// The node's own newest announcement.
    pub own: SignedAnnouncement,
    /// The peers, by node id.
    pub entries: Vec<Arc<Entry>>,
    /// The neighbours in the gossip topic.
    pub neighbours: Vec<PublicKey>,
    /// Whether there is a topic, but no neighbour in it.
    pub isolated: bool,
    /// What was counted so far.
    pub stats: Stats,
}

impl View {
    /// The node's own entry first, then the peers', as they are told to others at `now`.
    pub fn to_wire(
        &self,
        now: Duration,
    ) -> impl Iterator<Item = PeerEntry<SignedAnnouncement>> + '_ {
        let own = PeerEntry {
            announcement: self.own.clone(),
            age: Duration::ZERO,
            source: Source::Own,
            verified_age: None,
        };
        std::iter::once(own).chain(self.entries.iter().map(move |entry| entry.to_wire(now)))
    }
}

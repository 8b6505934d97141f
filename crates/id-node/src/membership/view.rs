//! What readers see: an immutable copy of the membership.

use std::{sync::Arc, time::Duration};

use id_proto::{PeerEntry, SignedAnnouncement, Source, iroh_base::PublicKey};

use super::{
    explain::Knowledge,
    stats::Stats,
    table::{Entry, Share},
};

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
    /// How many of the peers never answered our own dial.
    pub n_unverified: usize,
    /// Those who brought the most peers, the largest share first.
    pub introducers: Vec<Introducer>,
    /// What was counted so far.
    pub stats: Stats,
    /// What explanations are made of.
    pub(crate) knowledge: Knowledge,
}

/// An introducer's share of the table, and what it may still bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Introducer {
    /// Its share.
    pub share: Share,
    /// How many peers that nobody verified it may add while the table has room.
    pub room: u32,
    /// How many it may add when the table has none, or it has filled its part.
    pub squeeze: u32,
    /// How many more dials on its word may fail.
    pub dials: u32,
}

impl View {
    /// The node's own entry first, then the peers', as they are told to others at `now`.
    pub fn to_wire(
        &self,
        now: Duration,
    ) -> impl Iterator<Item = PeerEntry<SignedAnnouncement>> + '_ {
        let entries = self.entries.iter().map(move |entry| entry.to_wire(now));
        std::iter::once(self.own_entry()).chain(entries)
    }

    pub(super) fn own_entry(&self) -> PeerEntry<SignedAnnouncement> {
        PeerEntry {
            announcement: self.own.clone(),
            age: Duration::ZERO,
            source: Source::Own,
            verified_age: None,
        }
    }
}

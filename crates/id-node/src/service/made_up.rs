//! A service in front of a table that nobody filled: for tests, and to measure what a long one costs.

use std::{sync::Arc, time::Duration};

use id_proto::{Network, SignedAnnouncement, Source};
use tokio::sync::watch;

use super::{Answerer, BusyCounts};
use crate::{
    access::{Access, AccessList},
    bootstrap::Reports,
    clock::Clock,
    handover,
    membership::{Entry, Moment, Stats, View, explain::Knowledge},
    reload::Reloads,
    topic::GossipCounts,
};

/// What a node of the public network would answer with that has heard of these peers, in their order.
pub(crate) fn answerer(own: SignedAnnouncement, peers: Vec<SignedAnnouncement>) -> Answerer {
    let heard = |announcement: SignedAnnouncement| {
        let introducer = announcement.node_id;
        let heard = Moment::before(Duration::ZERO, Duration::ZERO);
        Arc::new(Entry::new(announcement, Source::Gossip, introducer, heard))
    };
    answerer_of(own, peers.into_iter().map(heard).collect())
}

/// The same, with these entries in its table.
pub(crate) fn answerer_of(own: SignedAnnouncement, entries: Vec<Arc<Entry>>) -> Answerer {
    let view = View {
        own: own.clone(),
        entries,
        neighbours: Vec::new(),
        isolated: true,
        n_unverified: 0,
        introducers: Vec::new(),
        stats: Stats::default(),
        knowledge: Knowledge::default(),
    };
    Answerer {
        me: own.node_id,
        network: Network::public(),
        agent: "test".to_owned(),
        features: Vec::new(),
        clock: Clock::start(),
        view: watch::channel(Arc::new(view)).1,
        channels: Reports::default(),
        gossip: GossipCounts::default(),
        access: Access::new(AccessList::default()),
        busy: BusyCounts::default(),
        reloads: Reloads::default(),
        handover: handover::channel().0,
        #[cfg(feature = "blobs")]
        blobs: None,
        #[cfg(feature = "blobs")]
        passes: crate::blobs::Passes::new(&Network::public()),
    }
}

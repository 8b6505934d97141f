//! From what a channel found to neighbours.

use std::time::Duration;

use futures::{StreamExt, future::join_all};
use id_proto::iroh_base::{EndpointAddr, PublicKey};
use iroh::Endpoint;
use tokio::time::timeout;

use super::book::Book;
use crate::{access::Access, topic::Joiner};

/// How long the lookup of a peer's addresses may take. Origin: a DHT that answers does so within a
/// second; whoever isn't found is tried again at the next look.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// Finds out where peers are before they are dialled.
///
/// Gossip could look them up itself, but a lookup that hangs would hold its dial for half a minute,
/// and with it every later attempt, although the address may be there a second after.
#[derive(Debug, Clone)]
pub(crate) struct Guide {
    endpoint: Endpoint,
    book: Book,
    joiner: Joiner,
    access: Access,
}

impl Guide {
    /// Lets `endpoint` look into a book of the guide's.
    pub(super) fn new(endpoint: &Endpoint, joiner: Joiner, access: Access) -> Self {
        let book = Book::new();
        // One that is closed needs no addresses.
        if let Ok(services) = endpoint.address_lookup() {
            services.add(book.lookup());
        }
        Self { endpoint: endpoint.clone(), book, joiner, access }
    }

    /// Makes neighbours of those of `peers` whose addresses are found in time.
    pub(crate) async fn lead_to(self, mut peers: Vec<PublicKey>) {
        peers.retain(|peer| self.access.admits(peer));
        let lookups = peers.into_iter().map(|peer| timeout(LOOKUP_TIMEOUT, self.look_up(peer)));
        let found = join_all(lookups).await.into_iter().filter_map(|found| found.ok().flatten());
        self.introduce(found.collect());
    }

    /// Makes neighbours of `peers`, whose addresses come along.
    pub(super) fn introduce(&self, mut peers: Vec<EndpointAddr>) {
        peers.retain(|peer| self.access.admits(&peer.id));
        let ids: Vec<_> = peers.iter().map(|peer| peer.id).collect();
        peers.into_iter().for_each(|peer| self.book.note(peer));
        if !ids.is_empty() {
            self.joiner.join_peers(ids);
        }
    }

    /// Notes where a peer is, without making a neighbour of it.
    pub(super) fn note(&self, peer: EndpointAddr) {
        self.book.note(peer);
    }

    async fn look_up(&self, peer: PublicKey) -> Option<EndpointAddr> {
        let mut found = Box::pin(self.endpoint.address_lookup().ok()?.resolve(peer));
        while let Some(item) = found.next().await {
            if let Ok(Ok(item)) = item {
                return Some(item.to_endpoint_addr()).filter(|addr| !addr.is_empty());
            }
        }
        None
    }
}

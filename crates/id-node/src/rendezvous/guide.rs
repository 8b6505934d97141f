//! From the ids in a record to neighbours.

use std::time::Duration;

use futures::{StreamExt, future::join_all};
use id_proto::iroh_base::{EndpointAddr, PublicKey};
use iroh::{Endpoint, address_lookup::memory::MemoryLookup};
use tokio::time::timeout;

use crate::topic::Joiner;

/// How long the lookup of a peer's addresses may take. Origin: a DHT that answers does so within a
/// second; whoever isn't found is tried again at the next look.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// Finds out where peers are before they are dialled.
///
/// Gossip could look them up itself, but a lookup that hangs would hold its dial for half a minute,
/// and with it every later attempt, although the address may be there a second after.
#[derive(Debug, Clone)]
pub(crate) struct Guide {
    pub(crate) endpoint: Endpoint,
    pub(crate) book: MemoryLookup,
    pub(crate) joiner: Joiner,
}

impl Guide {
    /// Makes neighbours of those of `peers` whose addresses are found in time.
    pub(super) async fn lead_to(self, peers: Vec<PublicKey>) {
        let lookups = peers.into_iter().map(|peer| timeout(LOOKUP_TIMEOUT, self.look_up(peer)));
        let found = join_all(lookups).await.into_iter().filter_map(|found| found.ok().flatten());
        let ids: Vec<_> = found
            .map(|addr| {
                let id = addr.id;
                self.book.add_endpoint_info(addr);
                id
            })
            .collect();
        if !ids.is_empty() {
            self.joiner.join_peers(ids);
        }
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

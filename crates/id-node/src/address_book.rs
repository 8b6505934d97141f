//! Where the peers of the table can be dialled, for an endpoint to look up.
//!
//! A table may hold tens of thousands of peers that nobody ever dials, so what is kept of each is as
//! small as it can be: iroh's own lookup keeps four times as much.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use id_proto::iroh_base::{EndpointAddr, PublicKey, TransportAddr};
use iroh::address_lookup::{AddressLookup, EndpointData, EndpointInfo, Error, Item};

/// What is said of an address' origin in iroh's logs.
const PROVENANCE: &str = "table";

/// The addresses of peers. Holds whom its owner puts in, until they are taken out. Cheap to clone: all
/// clones are one book.
#[derive(Debug, Clone, Default)]
pub(crate) struct AddressBook {
    peers: Arc<RwLock<Peers>>,
}

type Peers = BTreeMap<PublicKey, Box<[TransportAddr]>>;

impl AddressBook {
    /// Notes where a peer can be dialled, instead of what was known before.
    pub(crate) fn set(&self, addr: EndpointAddr) {
        let addrs = addr.addrs.into_iter().collect();
        self.write().insert(addr.id, addrs);
    }

    pub(crate) fn remove(&self, peer: &PublicKey) {
        self.write().remove(peer);
    }

    /// Whether something is known of the peer of this id.
    pub(crate) fn has(&self, id: &[u8; 32]) -> bool {
        self.read().contains_key(id)
    }

    fn read(&self) -> RwLockReadGuard<'_, Peers> {
        self.peers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Peers> {
        self.peers.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AddressLookup for AddressBook {
    fn resolve(&self, peer: PublicKey) -> Option<BoxStream<'static, Result<Item, Error>>> {
        let addrs = self.read().get(&peer)?.to_vec();
        let info = EndpointInfo::from_parts(peer, EndpointData::new(addrs));
        Some(stream::iter([Ok(Item::new(info, PROVENANCE, None))]).boxed())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use id_proto::iroh_base::SecretKey;

    use super::*;

    fn found(book: &AddressBook, peer: PublicKey) -> Option<EndpointAddr> {
        let mut items = book.resolve(peer)?;
        let item = items.next().now_or_never().expect("a book answers at once");
        Some(item.unwrap().unwrap().into_endpoint_addr())
    }

    #[test]
    fn the_last_word_holds_until_it_is_taken_back() {
        let peer = SecretKey::from_bytes(&[1; 32]).public();
        let at = |port| EndpointAddr::new(peer).with_ip_addr(([192, 0, 2, 1], port).into());
        let book = AddressBook::default();
        assert_eq!(found(&book, peer), None);
        assert!(!book.has(&peer));
        book.set(at(1));
        assert!(book.has(&peer));
        book.clone().set(at(2).with_ip_addr(([192, 0, 2, 1], 3).into()));
        assert_eq!(found(&book, peer), Some(at(3).with_ip_addr(([192, 0, 2, 1], 2).into())));
        book.remove(&peer);
        assert_eq!(found(&book, peer), None);
    }
}

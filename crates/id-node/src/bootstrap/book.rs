//! Addresses that channels were told, and that strangers may have made up: the newest ones only.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use id_proto::{
    iroh_base::{EndpointAddr, PublicKey},
    limits::MAX_ADDRS,
};
use iroh::address_lookup::memory::MemoryLookup;

/// Most peers whose addresses are kept. Origin: four times what a channel finds at most.
const MAX_PEERS: usize = 256;

/// An address book that forgets the oldest. Cheap to clone: all clones are one book.
#[derive(Debug, Clone)]
pub(super) struct Book {
    lookup: MemoryLookup,
    /// Whom the book holds, the oldest first.
    order: Arc<Mutex<VecDeque<PublicKey>>>,
}

impl Book {
    pub(super) fn new() -> Self {
        let lookup = MemoryLookup::with_provenance("bootstrap");
        Self { lookup, order: Arc::default() }
    }

    /// What makes an endpoint look into the book.
    pub(super) fn lookup(&self) -> MemoryLookup {
        self.lookup.clone()
    }

    /// Notes addresses, beside those that are known of the peer already; instead of them, if they
    /// would become too many.
    pub(super) fn note(&self, addr: EndpointAddr) {
        let id = addr.id;
        let n_known = self.lookup.get_endpoint_info(id).map_or(0, |info| info.addrs().count());
        match n_known + addr.addrs.len() > 2 * MAX_ADDRS {
            true => drop(self.lookup.set_endpoint_info(addr)),
            false => self.lookup.add_endpoint_info(addr),
        }
        self.remember(id);
    }

    fn remember(&self, id: PublicKey) {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        order.retain(|peer| *peer != id);
        order.push_back(id);
        while order.len() > MAX_PEERS {
            order.pop_front().map(|oldest| self.lookup.remove_endpoint_info(oldest));
        }
    }
}

#[cfg(test)]
mod tests {
    use id_proto::iroh_base::SecretKey;

    use super::*;

    fn id(seed: usize) -> PublicKey {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(seed as u64).to_le_bytes());
        SecretKey::from_bytes(&bytes).public()
    }

    fn at(id: PublicKey, port: u16) -> EndpointAddr {
        EndpointAddr::new(id).with_ip_addr(([192, 0, 2, 1], port).into())
    }

    fn n_addrs(book: &Book, id: PublicKey) -> usize {
        book.lookup.get_endpoint_info(id).map_or(0, |info| info.addrs().count())
    }

    #[test]
    fn addresses_from_two_channels_stand_side_by_side() {
        let book = Book::new();
        book.note(at(id(1), 1));
        book.note(at(id(1), 2));
        assert_eq!(n_addrs(&book, id(1)), 2);
    }

    #[test]
    fn flood_of_addresses_for_one_peer_is_bounded() {
        let book = Book::new();
        (1..1000).for_each(|port| book.note(at(id(1), port)));
        assert!((1..=2 * MAX_ADDRS).contains(&n_addrs(&book, id(1))));
    }

    #[test]
    fn flood_of_peers_pushes_out_the_oldest() {
        let book = Book::new();
        (0..MAX_PEERS + 1).for_each(|seed| book.note(at(id(seed), 1)));
        assert_eq!(n_addrs(&book, id(0)), 0);
        assert_eq!(n_addrs(&book, id(1)), 1);
        assert_eq!(n_addrs(&book, id(MAX_PEERS)), 1);
        assert_eq!(book.order.lock().unwrap().len(), MAX_PEERS);
    }
}

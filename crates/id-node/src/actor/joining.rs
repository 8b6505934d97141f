//! Whom the actor has gossip join.

use std::{collections::BTreeSet, time::Duration};

use id_proto::iroh_base::{EndpointAddr, PublicKey};

use super::{Bootstrap, Running, probe};
use crate::{membership::Event, topic::rejoin};

impl Running {
    /// Tries the bootstrap peers through gossip, for they may speak nothing else, and asks the others
    /// first: most may be gone, and who answers is known to be there.
    pub(super) fn rejoin(&mut self, now: Duration) {
        self.rejoin.attempted(now, rand::random());
        if self.membership.is_isolated() {
            self.join(self.bootstrap.iter().copied().collect());
        }
        let chosen = rejoin::choose(&self.view.borrow(), &mut rand::rng());
        self.wanted = chosen.iter().map(|entry| entry.node_id()).collect();
        for entry in chosen {
            let addr = self.membership.dialable(&entry.announcement);
            self.tasks.spawn(probe(self.client.clone(), addr, self.access.clone()));
        }
    }

    pub(super) fn join(&self, peers: Vec<PublicKey>) {
        if let Some(topic) = self.topic.as_ref().filter(|_| !peers.is_empty()) {
            topic.joiner().join_peers(peers);
        }
    }

    /// Places first: those of the new peers are looked up as soon as they are joined.
    pub(super) fn set_bootstrap(&mut self, bootstrap: Bootstrap) {
        let before = std::mem::replace(&mut self.configured, bootstrap.peers);
        self.policy.send_replace(bootstrap.policy);
        self.open_places(&self.endpoint.addr());
        for peer in before.keys().filter(|peer| !self.configured.contains_key(*peer)) {
            self.bootstrap.remove(peer);
        }
        self.bootstrap.extend(self.configured.keys());
        self.note_places();
        let named: BTreeSet<_> = self.configured.keys().copied().collect();
        self.step(Event::ConfiguredChanged(named.clone()));
        self.join(named.into_iter().filter(|peer| !before.contains_key(peer)).collect());
    }

    /// Where announced addresses may be dialled follows from where we are ourselves.
    pub(super) fn open_places(&mut self, own: &EndpointAddr) {
        let policy = self.policy.borrow().clone().open(own);
        self.step(Event::PolicyChanged(policy));
    }

    /// Notes where the configured peers are, beside what those in the table say of themselves.
    fn note_places(&self) {
        for (peer, addrs) in &self.configured {
            let mut addr = match self.view.borrow().entry(peer) {
                Some(entry) => self.membership.dialable(&entry.announcement),
                None => EndpointAddr::new(*peer),
            };
            addr.addrs.extend(addrs.iter().cloned());
            if !addr.is_empty() {
                self.book.set(addr);
            }
        }
    }
}

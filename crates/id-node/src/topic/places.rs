//! Where peers are, by gossip's own messages, and what we say there of ourselves.
//!
//! Strangers say it, so what is dialled of it is for our policy to judge.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use id_client::AddressPolicy;
use id_proto::iroh_base::{EndpointAddr, PublicKey, RelayUrl, TransportAddr};
use iroh_gossip::proto::PeerData;
use serde::{Deserialize, Serialize};

use super::wire::MAX_PLACES;

/// Most peers whose places are remembered. Origin: gossip names a few dozen others at a time, and uses
/// what it is told at once.
const MAX_PEERS: usize = 1024;

/// Where the peers are that gossip's messages named last.
#[derive(Debug, Default)]
pub(super) struct Places {
    by_peer: BTreeMap<PublicKey, (u64, EndpointAddr)>,
    by_age: BTreeMap<u64, PublicKey>,
    n_noted: u64,
}

/// As iroh-gossip 0.101 writes it.
#[derive(Debug, Serialize, Deserialize)]
struct Wire {
    relay: Option<RelayUrl>,
    sockets: BTreeSet<SocketAddr>,
}

impl Places {
    /// Notes where `peer` is said to be. Returns who is forgotten for it.
    pub(super) fn note(&mut self, peer: PublicKey, data: &PeerData) -> Option<PublicKey> {
        self.remove(&peer);
        self.n_noted += 1;
        self.by_peer.insert(peer, (self.n_noted, read(peer, data)));
        self.by_age.insert(self.n_noted, peer);
        let (_, oldest) =
            self.by_age.first_key_value().filter(|_| self.by_age.len() > MAX_PEERS)?;
        let oldest = *oldest;
        self.remove(&oldest);
        Some(oldest)
    }

    fn remove(&mut self, peer: &PublicKey) {
        if let Some((age, _)) = self.by_peer.remove(peer) {
            self.by_age.remove(&age);
        }
    }

    /// Where to dial `peer`, besides where the endpoint knows it to be.
    pub(super) fn of(&self, peer: PublicKey, policy: &AddressPolicy) -> EndpointAddr {
        let said = self.by_peer.get(&peer).map(|(_, addr)| addr.clone());
        policy.select(said.unwrap_or(EndpointAddr::new(peer)))
    }
}

fn read(peer: PublicKey, data: &PeerData) -> EndpointAddr {
    let Ok(wire) = postcard::from_bytes::<Wire>(data.as_bytes()) else {
        return EndpointAddr::new(peer);
    };
    let relay = wire.relay.map(TransportAddr::Relay);
    EndpointAddr::from_parts(peer, wire.sockets.into_iter().map(TransportAddr::Ip).chain(relay))
}

/// What to say of ourselves: as many of `addrs`, the most useful first, as others pass on.
pub(super) fn write(addrs: &[TransportAddr]) -> PeerData {
    let mut n = addrs.len();
    loop {
        let data = write_all(&addrs[..n]);
        if n == 0 || data.len() <= MAX_PLACES {
            return PeerData::new(data);
        }
        n -= 1;
    }
}

fn write_all(addrs: &[TransportAddr]) -> Vec<u8> {
    let mut wire = Wire { relay: None, sockets: BTreeSet::new() };
    for addr in addrs {
        match addr {
            TransportAddr::Ip(socket) => {
                wire.sockets.insert(*socket);
            }
            TransportAddr::Relay(url) => wire.relay = Some(url.clone()),
            _ => {}
        }
    }
    postcard::to_stdvec(&wire).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use id_proto::{Network, iroh_base::SecretKey};

    use super::*;

    fn peer(n: u16) -> PublicKey {
        let mut seed = [0; 32];
        seed[..2].copy_from_slice(&n.to_le_bytes());
        SecretKey::from_bytes(&seed).public()
    }

    fn ip(addr: &str) -> TransportAddr {
        TransportAddr::Ip(addr.parse().unwrap())
    }

    fn relay(url: &str) -> TransportAddr {
        TransportAddr::Relay(url.parse().unwrap())
    }

    #[test]
    fn what_is_written_is_read_and_what_the_policy_forbids_is_left_out() {
        let said = [ip("8.8.8.8:1"), ip("10.0.0.1:2"), relay("https://relay.example")];
        let mut places = Places::default();
        places.note(peer(1), &write(&said));
        let all = places.of(peer(1), &AddressPolicy::anything());
        assert_eq!(all, EndpointAddr::from_parts(peer(1), said.clone()));
        let strict = places.of(peer(1), &AddressPolicy::new(&Network::public()));
        let [first, _, last] = said;
        assert_eq!(strict, EndpointAddr::from_parts(peer(1), [first, last]));
    }

    #[test]
    fn of_many_addresses_the_most_useful_are_said() {
        let addrs: Vec<_> = (1..100).map(|n| ip(&format!("[2001:4860::{n}]:1"))).collect();
        let data = write(&addrs);
        assert!((MAX_PLACES - 30..=MAX_PLACES).contains(&data.as_bytes().len()));
        let read = read(peer(1), &data);
        assert!(read.addrs.contains(&addrs[0]) && !read.addrs.contains(&addrs[98]));
    }

    #[test]
    fn garbage_is_no_place_and_the_oldest_is_forgotten_first() {
        let mut places = Places::default();
        for n in 0..MAX_PEERS as u16 {
            assert_eq!(places.note(peer(n), &PeerData::new(vec![7; 9])), None);
        }
        assert!(places.of(peer(1), &AddressPolicy::anything()).is_empty());
        places.note(peer(0), &write(&[ip("8.8.8.8:1")]));
        assert_eq!(places.note(peer(2000), &PeerData::default()), Some(peer(1)));
        assert!(!places.of(peer(0), &AddressPolicy::anything()).is_empty());
        assert_eq!((places.by_peer.len(), places.by_age.len()), (MAX_PEERS, MAX_PEERS));
    }
}

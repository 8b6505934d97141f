//! What can be said, truly or not.

use std::time::{Duration, SystemTime};

use id_proto::{Leave, Network, PeerAnnouncement, SignedAnnouncement, Statement};
use iroh::{PublicKey, SecretKey, TransportAddr};

/// The interval that is announced, in seconds. Origin: a node's default.
const INTERVAL_SECS: u32 = 30;

/// Time since the Unix epoch.
pub(crate) fn unix() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// An announcement in which nothing is wrong.
pub(crate) fn announcement(
    network: &Network,
    author: PublicKey,
    addrs: Vec<TransportAddr>,
) -> PeerAnnouncement {
    let now = unix();
    PeerAnnouncement {
        node_id: author,
        name: None,
        blob_count: 0,
        timestamp_secs: now.as_secs(),
        seq: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        network_tag: network.tag(),
        interval_secs: INTERVAL_SECS,
        addrs,
        agent: "id-node/0.1.0".to_owned(),
    }
}

/// A leave of `author`, newer than anything that it said.
pub(crate) fn leave(network: &Network, author: PublicKey) -> Leave {
    let now = unix();
    Leave {
        node_id: author,
        timestamp_secs: now.as_secs(),
        seq: u64::try_from(now.as_millis()).unwrap_or(u64::MAX) + 1,
        network_tag: network.tag(),
    }
}

/// Signs truly.
pub(crate) fn sign(announcement: PeerAnnouncement, key: &SecretKey) -> SignedAnnouncement {
    SignedAnnouncement::sign(announcement, key).expect("what roles announce is in bounds")
}

/// Signs what needn't be the key's to say, in a domain that needn't be the statement's.
pub(crate) fn forge<T: Statement>(statement: &T, key: &SecretKey, domain: &[u8]) -> Vec<u8> {
    let body = statement.encode_body().expect("what roles say is in bounds");
    let signature = key.sign(&[domain, &body].concat());
    with_signature(signature.to_bytes(), &body)
}

/// A body behind any 64 bytes.
pub(crate) fn with_signature(signature: [u8; 64], body: &[u8]) -> Vec<u8> {
    [&signature[..], body].concat()
}

/// A gossip message: variant and length as varints of at least `n_tag` and `n_len` bytes. The longer
/// ones mean the same, and are other bytes.
pub(crate) fn message(variant: u64, signed: &[u8], n_tag: usize, n_len: usize) -> Vec<u8> {
    let mut message = varint(variant, n_tag);
    message.extend(varint(signed.len() as u64, n_len));
    message.extend_from_slice(signed);
    message
}

/// `value` as a varint of at least `n_bytes`.
pub(crate) fn varint(mut value: u64, n_bytes: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 || bytes.len() + 1 < n_bytes {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use id_proto::{DecodeError, GossipMessage, UnverifiedAnnouncement, UnverifiedLeave};

    use super::*;
    use crate::keys::Keys;

    fn ours() -> (SecretKey, PeerAnnouncement) {
        let key = Keys::new(7).key("a", 0);
        let announcement = announcement(&Network::public(), key.public(), vec![]);
        (key, announcement)
    }

    #[test]
    fn shortest_wrapping_is_what_honest_nodes_send() {
        let (key, announcement) = ours();
        let signed = sign(announcement, &key);
        assert_eq!(message(0, signed.bytes(), 1, 1), GossipMessage::announce(&signed));
    }

    #[test]
    fn longer_wrappings_are_other_bytes_and_refused() {
        let (key, announcement) = ours();
        let signed = sign(announcement, &key);
        let mut seen = std::collections::BTreeSet::new();
        for (n_tag, n_len) in [(1, 1), (1, 2), (1, 3), (1, 10), (5, 1), (5, 10)] {
            let wrapped = message(0, signed.bytes(), n_tag, n_len);
            match (GossipMessage::decode(&wrapped), n_tag <= 1 && n_len <= 2) {
                (Ok(GossipMessage::Announce(a)), true) => assert_eq!(a.bytes(), signed.bytes()),
                (Err(DecodeError::Padded), false) => {}
                (decoded, _) => panic!("{n_tag}, {n_len}: {decoded:?}"),
            }
            seen.insert(wrapped);
        }
        assert_eq!(seen.len(), 5, "a length that takes 2 bytes needs no padding to have 2");
    }

    #[test]
    fn forgeries_decode_and_do_not_verify() {
        let (_, announcement) = ours();
        let stranger = Keys::new(7).key("b", 0);
        let forged = forge(&announcement, &stranger, PeerAnnouncement::DOMAIN);
        assert!(UnverifiedAnnouncement::decode(&forged).unwrap().verify().is_err());
        let forged =
            forge(&leave(&Network::public(), announcement.node_id), &stranger, Leave::DOMAIN);
        assert!(UnverifiedLeave::decode(&forged).unwrap().verify().is_err());
    }

    #[test]
    fn own_statement_in_the_wrong_domain_does_not_verify() {
        let (key, announcement) = ours();
        let right = forge(&announcement, &key, PeerAnnouncement::DOMAIN);
        assert!(UnverifiedAnnouncement::decode(&right).unwrap().verify().is_ok());
        let wrong = forge(&announcement, &key, Leave::DOMAIN);
        assert!(UnverifiedAnnouncement::decode(&wrong).unwrap().verify().is_err());
    }
}

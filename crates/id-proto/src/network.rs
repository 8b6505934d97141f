//! A network is what a topic and a secret derive to.
//!
//! Three keys come out of one pair of strings, each by its own BLAKE3 derivation, so that knowing
//! one tells nothing of the others: the gossip topic (who knows it can join), the member key (who
//! knows it can prove membership), and the tag (public; says which network an announcement is for).
//! A fourth, the rendezvous secret, encrypts what is published in the DHT.

use std::fmt;

use iroh_base::PublicKey;

use crate::{error::NetworkError, limits::MAX_TOPIC_LEN, version::META_ALPN};

/// The topic of the public network.
pub const DEFAULT_TOPIC: &str = "id-peer-discovery-v1";
/// The secret of the public network. Public knowledge: it keeps nobody out.
pub const DEFAULT_SECRET: &str = "id-public-discovery-v1";

const CONTEXT_GOSSIP_TOPIC: &str = "id 2026-11-20 network v1 gossip topic";
const CONTEXT_MEMBER_KEY: &str = "id 2026-11-20 network v1 member key";
const CONTEXT_NETWORK_TAG: &str = "id 2026-11-20 network v1 tag";
const CONTEXT_RENDEZVOUS: &str = "id 2026-11-20 network v1 rendezvous secret";

/// The public mark of a network: 16 bytes from which nothing else of it can be derived.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NetworkTag(pub [u8; 16]);

impl fmt::Display for NetworkTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NetworkTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NetworkTag({self})")
    }
}

/// Proof that the caller of a request knows the member key. Compared in constant time.
pub type MembershipProof = [u8; 32];

/// A network: the topic's name and what topic and secret derive to. `Debug` shows no key.
#[derive(Clone)]
pub struct Network {
    topic: String,
    private: bool,
    gossip_topic: [u8; 32],
    member_key: [u8; 32],
    rendezvous_secret: [u8; 32],
    tag: NetworkTag,
}

impl Network {
    /// Derives the network of `topic` and `secret`.
    pub fn derive(topic: &str, secret: &str) -> Result<Self, NetworkError> {
        check("topic", topic)?;
        check("topic secret", secret)?;
        let derive = |context| derive_key(context, topic, secret);
        let mut tag = [0; 16];
        tag.copy_from_slice(&derive(CONTEXT_NETWORK_TAG)[..16]);
        Ok(Self {
            topic: topic.to_owned(),
            private: secret != DEFAULT_SECRET,
            gossip_topic: derive(CONTEXT_GOSSIP_TOPIC),
            member_key: derive(CONTEXT_MEMBER_KEY),
            rendezvous_secret: derive(CONTEXT_RENDEZVOUS),
            tag: NetworkTag(tag),
        })
    }

    /// The public network that nodes join when nothing is configured.
    pub fn public() -> Self {
        Self::derive(DEFAULT_TOPIC, DEFAULT_SECRET).expect("the default names are in bounds")
    }

    /// The topic's name, as it was given.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Whether a secret of its own keeps outsiders out.
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// The public tag that announcements carry.
    pub fn tag(&self) -> NetworkTag {
        self.tag
    }

    /// The topic id in iroh-gossip and in the DHT. As good as an invitation: keep it secret.
    pub fn gossip_topic(&self) -> [u8; 32] {
        self.gossip_topic
    }

    /// The secret that encrypts DHT records. Keep it secret.
    pub fn rendezvous_secret(&self) -> [u8; 32] {
        self.rendezvous_secret
    }

    /// Proves to `server` that `client` is a member. TLS has authenticated both ids, so that the
    /// proof is worth nothing on another connection.
    pub fn prove(&self, client: &PublicKey, server: &PublicKey) -> MembershipProof {
        *self.keyed_hash(client, server).as_bytes()
    }

    /// Checks a proof of `client`, in constant time. On a public network everyone is a member.
    pub fn admits(
        &self,
        client: &PublicKey,
        server: &PublicKey,
        proof: Option<&MembershipProof>,
    ) -> bool {
        // `blake3::Hash` compares in constant time.
        let expected = self.keyed_hash(client, server);
        !self.private || proof.is_some_and(|proof| expected == *proof)
    }

    fn keyed_hash(&self, client: &PublicKey, server: &PublicKey) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.member_key);
        hasher.update(client.as_bytes());
        hasher.update(server.as_bytes());
        hasher.update(META_ALPN);
        hasher.finalize()
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("topic", &self.topic)
            .field("private", &self.private)
            .field("tag", &self.tag)
            .finish_non_exhaustive()
    }
}

fn check(what: &'static str, value: &str) -> Result<(), NetworkError> {
    match value.len() {
        0 => Err(NetworkError::Empty(what)),
        len if len > MAX_TOPIC_LEN => Err(NetworkError::TooLong(what)),
        _ => Ok(()),
    }
}

/// Each input goes in behind its length (8 bytes, little endian), so that moving a letter from the
/// topic to the secret makes another network.
fn derive_key(context: &str, topic: &str, secret: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for input in [topic, secret] {
        hasher.update(&(input.len() as u64).to_le_bytes());
        hasher.update(input.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use iroh_base::SecretKey;

    use super::*;

    fn key(seed: u8) -> PublicKey {
        SecretKey::from_bytes(&[seed; 32]).public()
    }

    #[test]
    fn topic_and_secret_both_change_every_derived_value() {
        let a = Network::derive("topic", "secret").unwrap();
        for other in [("topic2", "secret"), ("topic", "secret2"), ("topics", "ecret")] {
            let b = Network::derive(other.0, other.1).unwrap();
            assert_ne!(a.gossip_topic, b.gossip_topic);
            assert_ne!(a.member_key, b.member_key);
            assert_ne!(a.rendezvous_secret, b.rendezvous_secret);
            assert_ne!(a.tag, b.tag);
        }
    }

    #[test]
    fn a_proof_holds_for_one_pair_of_ends_in_one_direction() {
        let network = Network::derive("topic", "secret").unwrap();
        let (client, server, other) = (key(1), key(2), key(3));
        let proof = network.prove(&client, &server);
        assert!(network.admits(&client, &server, Some(&proof)));
        assert!(!network.admits(&server, &client, Some(&proof)));
        assert!(!network.admits(&other, &server, Some(&proof)));
        assert!(!network.admits(&client, &other, Some(&proof)));
        assert!(!network.admits(&client, &server, None));
    }

    #[test]
    fn the_public_network_admits_everyone() {
        let network = Network::public();
        assert!(!network.is_private());
        assert!(network.admits(&key(1), &key(2), None));
    }

    #[test]
    fn debug_shows_no_key() {
        let network = Network::derive("topic", "hunter2").unwrap();
        let shown = format!("{network:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("member_key"), "{shown}");
    }

    #[test]
    fn empty_and_huge_names_are_refused() {
        assert_eq!(Network::derive("", "s").unwrap_err(), NetworkError::Empty("topic"));
        let huge = "x".repeat(MAX_TOPIC_LEN + 1);
        let error = Network::derive("t", &huge).unwrap_err();
        assert_eq!(error, NetworkError::TooLong("topic secret"));
    }
}

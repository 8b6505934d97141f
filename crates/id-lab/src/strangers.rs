//! Strangers' records: what somebody can write into a topic's slots who knows no more than the topic.
//!
//! The key of a public network's slots derives from its topic, so everybody can write there. These
//! records are well-formed, signed and encrypted as they should be; only their authors don't exist.

use std::{
    net::SocketAddrV4,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use distributed_topic_tracker::{
    GossipRecordContent, MAX_MESSAGE_HASHES, MAX_RECORD_PEERS, Record, RotationHandle, TopicId,
    encryption_keypair, salt, signing_keypair,
};
use id_proto::Network;
use iroh::SecretKey;
use mainline::{Dht, Id, MutableItem};
use sha2::{Digest, Sha512};

/// How often a stranger writes its record anew, over whatever somebody else has left meanwhile.
const REWRITE: Duration = Duration::from_millis(200);
/// How long a server may take to answer. Origin: it is on the same machine.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(300);
/// The sequence number of every record. Origin: distributed-topic-tracker.
const SEQ: i64 = i64::MAX;

/// The slots of the public network.
#[derive(Debug)]
pub(crate) struct Slots {
    topic: TopicId,
    secret_hash: [u8; 32],
}

impl Slots {
    /// What everybody can derive.
    pub(crate) fn public() -> Self {
        let network = Network::public();
        let hash = Sha512::digest(network.rendezvous_secret());
        Self {
            topic: TopicId::from_hash(&network.gossip_topic()),
            secret_hash: hash[..32].try_into().expect("half of 64 bytes"),
        }
    }

    /// What servers are asked for by who looks into the slot of a minute.
    pub(crate) fn target(&self, minute: u64) -> Id {
        let key = signing_keypair(&self.topic, minute).verifying_key().to_bytes();
        MutableItem::target_from_key(&key, Some(&salt(&self.topic, minute)))
    }

    /// Any value, in the slot of a minute, with a signature that is right.
    pub(crate) fn item(&self, minute: u64, value: &[u8]) -> MutableItem {
        let key = signing_keypair(&self.topic, minute);
        MutableItem::new(key, value, SEQ, Some(&salt(&self.topic, minute)))
    }

    /// A record of somebody who doesn't exist, and whose neighbours don't either.
    pub(crate) fn stranger(&self, minute: u64, author: &SecretKey) -> Result<MutableItem> {
        let mut content = GossipRecordContent {
            active_peers: [[0; 32]; MAX_RECORD_PEERS],
            last_message_hashes: [[0; 32]; MAX_MESSAGE_HASHES],
        };
        for (i, place) in (1..).zip(&mut content.active_peers) {
            *place = *another(author, i).public().as_bytes();
        }
        let key = author.as_signing_key();
        let record = Record::sign(self.topic.hash(), minute, content, key)?;
        let rotation = RotationHandle::default();
        let encryption = encryption_keypair(&self.topic, &rotation, self.secret_hash, minute);
        Ok(self.item(minute, &record.encrypt(&encryption).to_bytes()?))
    }
}

/// Somebody who doesn't exist.
pub(crate) fn nobody(n: u8) -> SecretKey {
    SecretKey::from_bytes(&[n.wrapping_add(100); 32])
}

fn another(author: &SecretKey, i: u8) -> SecretKey {
    let mut seed = author.to_bytes();
    seed[0] = seed[0].wrapping_add(i);
    SecretKey::from_bytes(&seed)
}

/// The minute that it is, which says which slot is in use.
pub(crate) fn minute() -> u64 {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    unix.as_secs() / 60
}

/// Writes the record of one stranger into the slots of one server, again and again.
pub(crate) struct Writer {
    slots: Slots,
    author: SecretKey,
    server: Dht,
}

impl Writer {
    /// Prepares to write to the server at `addr`.
    pub(crate) fn new(author: SecretKey, addr: SocketAddrV4) -> Result<Self> {
        let mut builder = Dht::builder();
        builder.bootstrap(&[addr]).request_timeout(REQUEST_TIMEOUT).port(0);
        let server = builder.build().context("can't make a client")?;
        Ok(Self { slots: Slots::public(), author, server })
    }

    /// Writes the slots that are read now: of this minute and the one before.
    pub(crate) async fn write(&self) -> Result<()> {
        let server = self.server.clone().as_async();
        let minute = minute();
        for minute in [minute, minute - 1] {
            server.put_mutable(self.slots.stranger(minute, &self.author)?, None).await?;
        }
        Ok(())
    }

    /// Writes until it is killed. A write that fails is made up for by the next.
    pub(crate) async fn go_on(self) {
        loop {
            tokio::time::sleep(REWRITE).await;
            if let Err(error) = self.write().await {
                eprintln!("a stranger can't write: {error:#}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use distributed_topic_tracker::EncryptedRecord;

    use super::*;

    #[test]
    fn a_strangers_record_is_read_by_who_knows_the_topic() {
        let slots = Slots::public();
        let item = slots.stranger(7, &nobody(1)).unwrap();
        assert_eq!(*item.target(), slots.target(7));
        let key =
            encryption_keypair(&slots.topic, &RotationHandle::default(), slots.secret_hash, 7);
        let record =
            EncryptedRecord::from_bytes(item.value().to_vec()).unwrap().decrypt(&key).unwrap();
        record.verify(&slots.topic.hash(), 7).unwrap();
        assert_eq!(record.pub_key(), *nobody(1).public().as_bytes());
        let content = record.content::<GossipRecordContent>().unwrap();
        assert!(!content.active_peers.contains(&[0; 32]), "a place is free");
    }

    #[test]
    fn strangers_are_different() {
        assert_ne!(nobody(1).public(), nobody(2).public());
        assert_ne!(another(&nobody(1), 1).public(), nobody(1).public());
    }
}

//! Records, and the slots of the DHT in which they are: distributed-topic-tracker's format.
//!
//! A slot is a key pair and a salt, made of the topic and the minute. A record says that its author
//! is in the topic and who its neighbours are; it is signed by the author and encrypted with what
//! the network's secret derives to.

use distributed_topic_tracker::{
    EncryptedRecord, GossipRecordContent, MAX_MESSAGE_HASHES, MAX_RECORD_PEERS, RotationHandle,
    TopicId, encryption_keypair, salt, signing_keypair,
};
use id_proto::{
    Network,
    iroh_base::{PublicKey, SecretKey},
};
use mainline::SigningKey;
use sha2::{Digest, Sha512};

/// Makes and reads the records of one network.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    topic: TopicId,
    secret_hash: [u8; 32],
    key: SecretKey,
}

/// Where the records of one minute are.
pub(crate) struct Slot {
    minute: u64,
    key: SigningKey,
    salt: [u8; 32],
    encryption: SigningKey,
}

/// What somebody left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) author: PublicKey,
    pub(crate) neighbours: Vec<PublicKey>,
}

impl Record {
    /// Its author, then its author's neighbours.
    pub(super) fn peers(&self) -> impl Iterator<Item = PublicKey> + '_ {
        std::iter::once(self.author).chain(self.neighbours.iter().copied())
    }
}

impl Slot {
    /// The DHT's key; who knows the topic can write under it.
    pub(super) fn key(&self) -> &SigningKey {
        &self.key
    }

    pub(super) fn salt(&self) -> &[u8; 32] {
        &self.salt
    }

    /// The value that holds these bytes in place of a record. `None` if they are too few.
    #[cfg(feature = "test-util")]
    pub(crate) fn seal_bytes(&self, record: &[u8]) -> Option<Vec<u8>> {
        let record = distributed_topic_tracker::Record::from_bytes(record.to_vec());
        record.ok()?.encrypt(&self.encryption).to_bytes().ok()
    }
}

impl Records {
    pub(crate) fn new(network: &Network, key: &SecretKey) -> Self {
        let hash = Sha512::digest(network.rendezvous_secret());
        Self {
            topic: TopicId::from_hash(&network.gossip_topic()),
            secret_hash: hash[..32].try_into().expect("half of 64 bytes"),
            key: key.clone(),
        }
    }

    /// Who leaves our own records.
    pub(super) fn author(&self) -> PublicKey {
        self.key.public()
    }

    pub(crate) fn slot(&self, minute: u64) -> Slot {
        let rotation = RotationHandle::default();
        Slot {
            minute,
            key: signing_keypair(&self.topic, minute),
            salt: salt(&self.topic, minute),
            encryption: encryption_keypair(&self.topic, &rotation, self.secret_hash, minute),
        }
    }

    /// Our own record, ready to be left. `None` if it can't be encoded, which no input causes.
    ///
    /// It names no messages. Peers of distributed-topic-tracker join again through each record that
    /// names messages of which they heard none lately, and here the last few messages are never the
    /// same for longer than some seconds. Without any, they join through it as long as they have few
    /// neighbours themselves.
    pub(crate) fn seal(&self, slot: &Slot, neighbours: &[PublicKey]) -> Option<Vec<u8>> {
        let mut content = GossipRecordContent {
            active_peers: [[0; 32]; MAX_RECORD_PEERS],
            last_message_hashes: [[0; 32]; MAX_MESSAGE_HASHES],
        };
        for (place, neighbour) in content.active_peers.iter_mut().zip(neighbours) {
            *place = *neighbour.as_bytes();
        }
        let record = distributed_topic_tracker::Record::sign(
            self.topic.hash(),
            slot.minute,
            content,
            self.key.as_signing_key(),
        );
        record.ok()?.encrypt(&slot.encryption).to_bytes().ok()
    }

    /// A value that holds this content, signed and encrypted as it has to be.
    #[cfg(feature = "test-util")]
    pub(crate) fn seal_content(&self, slot: &Slot, content: &[u8]) -> Option<Vec<u8>> {
        let minute = slot.minute.to_le_bytes();
        let author = self.author();
        let signed = [&self.topic.hash()[..], &minute, author.as_bytes(), content].concat();
        slot.seal_bytes(&[signed.as_slice(), &self.key.sign(&signed).to_bytes()].concat())
    }

    /// The record in `value`, if a member of the network left it in `slot`.
    pub(crate) fn open(&self, slot: &Slot, value: &[u8]) -> Option<Record> {
        // A mutable item of the DHT has at most 1000 bytes (BEP 44); the DHT's client checks it.
        let encrypted = EncryptedRecord::from_bytes(value.to_vec()).ok()?;
        let record = encrypted.decrypt(&slot.encryption).ok()?;
        record.verify(&self.topic.hash(), slot.minute).ok()?;
        let content = record.content::<GossipRecordContent>().ok()?;
        let neighbours = content.active_peers.iter().filter(|id| **id != [0; 32]);
        Some(Record {
            author: PublicKey::from_bytes(&record.pub_key()).ok()?,
            neighbours: neighbours.filter_map(|id| PublicKey::from_bytes(id).ok()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(topic: &str, secret: &str, seed: u8) -> Records {
        let network = Network::derive(topic, secret).unwrap();
        Records::new(&network, &SecretKey::from_bytes(&[seed; 32]))
    }

    fn id(seed: u8) -> PublicKey {
        SecretKey::from_bytes(&[seed; 32]).public()
    }

    #[test]
    fn members_read_each_others_records() {
        let (ours, theirs) = (records("t", "s", 1), records("t", "s", 2));
        let value = ours.seal(&ours.slot(7), &[id(3), id(4)]).unwrap();
        let record = theirs.open(&theirs.slot(7), &value).unwrap();
        assert_eq!(record, Record { author: id(1), neighbours: vec![id(3), id(4)] });
    }

    #[test]
    fn more_neighbours_than_fit_are_left_out() {
        let ours = records("t", "s", 1);
        let many: Vec<_> = (10..30).map(id).collect();
        let value = ours.seal(&ours.slot(7), &many).unwrap();
        let record = ours.open(&ours.slot(7), &value).unwrap();
        assert_eq!(record.neighbours, many[..MAX_RECORD_PEERS]);
    }

    #[test]
    fn outsiders_neither_find_the_slot_nor_read_it() {
        let (ours, outsider) = (records("t", "s", 1), records("t", "other", 2));
        let value = ours.seal(&ours.slot(7), &[]).unwrap();
        assert_ne!(ours.slot(7).key().to_bytes(), outsider.slot(7).key().to_bytes());
        assert_ne!(ours.slot(7).salt(), outsider.slot(7).salt());
        assert_eq!(outsider.open(&outsider.slot(7), &value), None);
    }

    #[test]
    fn a_record_holds_for_its_minute_only() {
        let ours = records("t", "s", 1);
        let value = ours.seal(&ours.slot(7), &[]).unwrap();
        assert_eq!(ours.open(&ours.slot(8), &value), None);
    }

    #[test]
    fn garbage_is_no_record() {
        let ours = records("t", "s", 1);
        let slot = ours.slot(7);
        let value = ours.seal(&slot, &[]).unwrap();
        for n in 0..value.len() {
            assert_eq!(ours.open(&slot, &value[..n]), None, "cut after {n} bytes");
            let mut flipped = value.clone();
            flipped[n] ^= 1;
            assert_eq!(ours.open(&slot, &flipped), None, "bit flipped in byte {n}");
        }
    }
}

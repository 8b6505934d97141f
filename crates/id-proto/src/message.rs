//! What travels through the gossip topic.

use serde_bytes::Bytes;

use crate::{
    announcement::{
        SignedAnnouncement, SignedLeave, UnverifiedAnnouncement, UnverifiedLeave, claimed_author,
    },
    error::DecodeError,
    limits::MAX_GOSSIP_LEN,
    wire,
};

/// A gossip message as it is received: decoded, its signature not yet checked.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum GossipMessage {
    /// Somebody is here.
    Announce(UnverifiedAnnouncement),
    /// Somebody goes.
    Leave(UnverifiedLeave),
}

impl GossipMessage {
    /// Decodes at most [`MAX_GOSSIP_LEN`] bytes, in their one encoding.
    ///
    /// To gossip, other bytes are another message. Nobody signs what is around the statement, so
    /// whoever hears one could otherwise send it around again in each encoding of the two numbers;
    /// so these are refused before the statement in them is looked at.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let message = wire::decode(bytes, MAX_GOSSIP_LEN, 2)?;
        let (wire::Gossip::Announce(signed) | wire::Gossip::Leave(signed)) = message;
        if bytes.len() > wire::VARIANT_LEN + wire::varint_len(signed.len()) + signed.len() {
            return Err(DecodeError::Padded);
        }
        Ok(match message {
            wire::Gossip::Announce(signed) => {
                Self::Announce(UnverifiedAnnouncement::decode(signed)?)
            }
            wire::Gossip::Leave(signed) => Self::Leave(UnverifiedLeave::decode(signed)?),
        })
    }

    /// Whose statement the message claims to hold, for a judgement that has to cost next to nothing:
    /// neither the rest of it nor the signature is looked at, and the id needn't be a key. `None` if
    /// there can be none.
    pub fn claimed_author(bytes: &[u8]) -> Option<[u8; 32]> {
        let message = postcard::from_bytes(bytes).ok()?;
        let (wire::Gossip::Announce(signed) | wire::Gossip::Leave(signed)) = message;
        claimed_author(signed)
    }

    /// The message that announces.
    pub fn announce(signed: &SignedAnnouncement) -> Vec<u8> {
        wire::encode(&wire::Gossip::Announce(Bytes::new(signed.bytes())))
    }

    /// The message that says goodbye.
    pub fn leave(signed: &SignedLeave) -> Vec<u8> {
        wire::encode(&wire::Gossip::Leave(Bytes::new(signed.bytes())))
    }
}

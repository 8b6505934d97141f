//! What travels through the gossip topic.

use serde_bytes::Bytes;

use crate::{
    announcement::{SignedAnnouncement, SignedLeave, UnverifiedAnnouncement, UnverifiedLeave},
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
    /// Decodes at most [`MAX_GOSSIP_LEN`] bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(match wire::decode(bytes, MAX_GOSSIP_LEN, 2)? {
            wire::Gossip::Announce(signed) => {
                Self::Announce(UnverifiedAnnouncement::decode(signed)?)
            }
            wire::Gossip::Leave(signed) => Self::Leave(UnverifiedLeave::decode(signed)?),
        })
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

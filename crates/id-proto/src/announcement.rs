//! What a node says of itself: that it is here, and that it leaves.

use std::time::Duration;

use ed25519_dalek::VerifyingKey;
use iroh_base::{EndpointAddr, PublicKey, TransportAddr};
use serde_bytes::Bytes;

use crate::{
    error::{DecodeError, SignError},
    limits::{self, INTERVAL_SECS, MAX_ADDRS, MAX_AGENT_LEN, MAX_NAME_LEN, MAX_SIGNED_LEN},
    network::NetworkTag,
    signed::{SIGNATURE_LEN, Signed, Statement, Unverified, sealed::DecodeWithKey},
    wire::{self, AnnouncementBody, AnnouncementV1, LeaveBody, LeaveV1},
};

/// An announcement with its author's signature.
pub type SignedAnnouncement = Signed<PeerAnnouncement>;
/// An announcement whose signature is not yet checked.
pub type UnverifiedAnnouncement = Unverified<PeerAnnouncement>;
/// A leave with its author's signature.
pub type SignedLeave = Signed<Leave>;
/// A leave whose signature is not yet checked.
pub type UnverifiedLeave = Unverified<Leave>;

/// "I am here": what a node says of itself, at every interval and on every change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAnnouncement {
    /// The author's endpoint id.
    pub node_id: PublicKey,
    /// What its operator calls it, at most [`MAX_NAME_LEN`] bytes. Hostile in a terminal: it may
    /// hold anything that is UTF-8.
    pub name: Option<String>,
    /// How many blobs the node holds.
    pub blob_count: u64,
    /// When it was made by the author's clock, in unix seconds.
    pub timestamp_secs: u64,
    /// Unix milliseconds, strictly growing for one author, restarts and clock steps included.
    pub seq: u64,
    /// The network it is meant for.
    pub network_tag: NetworkTag,
    /// When to expect the next one, in seconds, within [`INTERVAL_SECS`].
    pub interval_secs: u32,
    /// Where the author can be dialled, at most [`MAX_ADDRS`]; relays before sockets.
    pub addrs: Vec<TransportAddr>,
    /// The author's program and version, at most [`MAX_AGENT_LEN`] bytes.
    pub agent: String,
}

impl PeerAnnouncement {
    /// Whether an announcement can hold `addr` at all: of a known kind, and not too long.
    pub fn can_hold(addr: &TransportAddr) -> bool {
        wire::encode_addr(addr).is_some()
    }

    /// The author's id with the announced addresses: what an endpoint can dial.
    pub fn endpoint_addr(&self) -> EndpointAddr {
        EndpointAddr::from_parts(self.node_id, self.addrs.iter().cloned())
    }
}

impl Statement for PeerAnnouncement {
    const DOMAIN: &'static [u8] = b"id-announcement-v1:";

    fn author(&self) -> PublicKey {
        self.node_id
    }

    fn seq(&self) -> u64 {
        self.seq
    }

    fn network_tag(&self) -> NetworkTag {
        self.network_tag
    }

    fn timestamp_secs(&self) -> u64 {
        self.timestamp_secs
    }

    fn lifetime(&self) -> Duration {
        limits::stale_after(self.interval_secs)
    }

    fn encode_body(&self) -> Result<Vec<u8>, SignError> {
        let too_much = |field| SignError::OutOfBounds { field };
        check_bounds(self).map_err(too_much)?;
        let addrs = self.addrs.iter().map(wire::encode_addr).collect::<Option<Vec<_>>>();
        let addrs = addrs.ok_or(too_much("addrs"))?;
        Ok(wire::encode(&AnnouncementBody::V1(AnnouncementV1 {
            node_id: *self.node_id.as_bytes(),
            name: self.name.as_deref(),
            blob_count: self.blob_count,
            timestamp_secs: self.timestamp_secs,
            seq: self.seq,
            network_tag: self.network_tag.0,
            interval_secs: self.interval_secs,
            addrs: addrs.iter().map(|addr| Bytes::new(addr)).collect(),
            agent: &self.agent,
        })))
    }
}

impl DecodeWithKey for PeerAnnouncement {
    fn decode_with_key(body: &[u8]) -> Result<(Self, VerifyingKey), DecodeError> {
        let AnnouncementBody::V1(v1) = wire::decode(body, MAX_SIGNED_LEN, 1)?;
        if v1.addrs.len() > MAX_ADDRS {
            return Err(DecodeError::OutOfBounds { field: "addrs" });
        }
        // An address that we have no use for is skipped alone; the original bytes keep it.
        let addrs = v1.addrs.iter().filter_map(|addr| wire::decode_addr(addr).transpose());
        let mut addrs = addrs.collect::<Result<Vec<_>, _>>()?;
        // Tables hold many of these, most with one address.
        addrs.shrink_to_fit();
        let (node_id, key) = decode_author(&v1.node_id)?;
        let announcement = Self {
            node_id,
            name: v1.name.map(str::to_owned),
            blob_count: v1.blob_count,
            timestamp_secs: v1.timestamp_secs,
            seq: v1.seq,
            network_tag: NetworkTag(v1.network_tag),
            interval_secs: v1.interval_secs,
            addrs,
            agent: v1.agent.to_owned(),
        };
        check_bounds(&announcement).map_err(|field| DecodeError::OutOfBounds { field })?;
        Ok((announcement, key))
    }
}

/// The name of the field that is out of its bounds, if one is.
fn check_bounds(announcement: &PeerAnnouncement) -> Result<(), &'static str> {
    let name_len = announcement.name.as_ref().map_or(0, String::len);
    match announcement {
        _ if name_len > MAX_NAME_LEN => Err("name"),
        a if a.agent.len() > MAX_AGENT_LEN => Err("agent"),
        a if a.addrs.len() > MAX_ADDRS => Err("addrs"),
        a if !INTERVAL_SECS.contains(&a.interval_secs) => Err("interval_secs"),
        _ => Ok(()),
    }
}

/// "I am going": removes the author from every table, at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    /// Who leaves.
    pub node_id: PublicKey,
    /// When it was made by the author's clock, in unix seconds.
    pub timestamp_secs: u64,
    /// Above every announcement of the author before it; announcements up to it are void.
    pub seq: u64,
    /// The network that is left.
    pub network_tag: NetworkTag,
}

impl Statement for Leave {
    const DOMAIN: &'static [u8] = b"id-leave-v1:";

    fn author(&self) -> PublicKey {
        self.node_id
    }

    fn seq(&self) -> u64 {
        self.seq
    }

    fn network_tag(&self) -> NetworkTag {
        self.network_tag
    }

    fn timestamp_secs(&self) -> u64 {
        self.timestamp_secs
    }

    fn lifetime(&self) -> Duration {
        limits::LEAVE_LIFETIME
    }

    fn encode_body(&self) -> Result<Vec<u8>, SignError> {
        Ok(wire::encode(&LeaveBody::V1(LeaveV1 {
            node_id: *self.node_id.as_bytes(),
            timestamp_secs: self.timestamp_secs,
            seq: self.seq,
            network_tag: self.network_tag.0,
        })))
    }
}

impl DecodeWithKey for Leave {
    fn decode_with_key(body: &[u8]) -> Result<(Self, VerifyingKey), DecodeError> {
        let LeaveBody::V1(v1) = wire::decode(body, MAX_SIGNED_LEN, 1)?;
        let (node_id, key) = decode_author(&v1.node_id)?;
        let leave = Self {
            node_id,
            timestamp_secs: v1.timestamp_secs,
            seq: v1.seq,
            network_tag: NetworkTag(v1.network_tag),
        };
        Ok((leave, key))
    }
}

pub(crate) fn decode_key(bytes: &[u8; 32], field: &'static str) -> Result<PublicKey, DecodeError> {
    PublicKey::from_bytes(bytes).map_err(|_| DecodeError::OutOfBounds { field })
}

/// Whose statement `signed` claims to be, of either kind, with nothing else looked at.
pub(crate) fn claimed_author(signed: &[u8]) -> Option<[u8; 32]> {
    let body = signed.get(SIGNATURE_LEN..)?;
    let (wire::Head::V1(author), _) = postcard::take_from_bytes(body).ok()?;
    Some(author)
}

/// An author's id, and the same as the point that it is. iroh-base hides this way from the one to the
/// other from its documentation; without it the point would be computed twice.
fn decode_author(bytes: &[u8; 32]) -> Result<(PublicKey, VerifyingKey), DecodeError> {
    let key = VerifyingKey::from_bytes(bytes)
        .map_err(|_| DecodeError::OutOfBounds { field: "node_id" })?;
    Ok((PublicKey::from_verifying_key(key), key))
}

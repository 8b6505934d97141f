//! What the RPC answers with: responses as they are on the wire, and what is inside their items.
//!
//! Lists are made of length-prefixed items, each a versioned enum of its own: an item of an unknown
//! version is skipped alone, never the whole answer.

use std::{borrow::Borrow, fmt, time::Duration};

use iroh_base::PublicKey;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};

use crate::{
    announcement::{SignedAnnouncement, UnverifiedAnnouncement, claimed_author, decode_key},
    blob::BlobsPage,
    error::{BadSignature, DecodeError},
    items::Items,
    limits::{MAX_ENTRY_LEN, MAX_ERROR_LEN, MAX_LIST_LEN, MAX_RESPONSE_LEN},
    network::NetworkTag,
    wire,
};

/// Every response, as it is on the wire. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MetaResponse {
    /// The request can't be served. Any request may be answered so; the connection lives on.
    Error(ErrorResponse),
    /// Answers `Whoami`.
    Whoami(WhoamiResponse),
    /// One page of the answer to `ListPeers`.
    Peers(PeersPage),
    /// Answers `Status`: an encoded [`StatusReport`].
    Status(ByteBuf),
    /// Answers `Introducers`: an encoded [`crate::IntroducersReport`].
    Introducers(ByteBuf),
    /// Answers `Explain`: an encoded [`crate::Explanation`].
    Explanation(ByteBuf),
    /// Answers `Discover`: an encoded [`crate::DiscoverReport`].
    Discovered(ByteBuf),
    /// One page of the answer to `List` or `Find`.
    Blobs(BlobsPage),
    /// Answers `Get`: an encoded [`crate::NamedBlob`].
    Blob(ByteBuf),
    /// Answers `Put`, `Delete`, `Rename` and `Copy`: an encoded [`crate::NameChange`].
    Changed(ByteBuf),
}

impl MetaResponse {
    /// Encodes the response, without its length prefix.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Decodes at most [`MAX_RESPONSE_LEN`] bytes, strictly.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        wire::decode(bytes, MAX_RESPONSE_LEN, 10)
    }

    /// An error response; a long message is cut at [`MAX_ERROR_LEN`].
    pub fn error(code: ErrorCode, message: impl fmt::Display) -> Self {
        let mut message = message.to_string();
        message.truncate(message.floor_char_boundary(MAX_ERROR_LEN));
        Self::Error(ErrorResponse { code: code.number(), message })
    }
}

/// Why a request can't be served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorResponse {
    /// An [`ErrorCode`]'s number.
    pub code: u16,
    /// For people. Hostile in a terminal.
    pub message: String,
}

impl ErrorResponse {
    /// What the code means to this release.
    pub fn code(&self) -> ErrorCode {
        ErrorCode::from(self.code)
    }
}

/// What an error response means to a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The server doesn't know the request or its version.
    Unsupported,
    /// The request's bytes are no request.
    Malformed,
    /// The request is longer than the server reads.
    TooLarge,
    /// The network is private and the caller didn't prove that it is a member.
    NotMember,
    /// The server has too much to do for this caller; later may be better.
    Busy,
    /// The server failed.
    Internal,
    /// The server does this for its operators only, and the caller is none.
    NotOperator,
    /// The server lets its operators change names, and those whom they allow to, and the caller is
    /// neither.
    NotWriter,
    /// No such name leads to a blob, or the blob has no name.
    NotFound,
    /// The name leads to another blob, which wasn't to be replaced.
    NameTaken,
    /// The server doesn't hold the blob that a name was to lead to.
    NoBlob,
    /// The server has no room for more names or blobs.
    Full,
    /// A number that a later release gave a meaning.
    Other(u16),
}

impl ErrorCode {
    /// The number on the wire.
    pub fn number(self) -> u16 {
        match self {
            Self::Unsupported => 1,
            Self::Malformed => 2,
            Self::TooLarge => 3,
            Self::NotMember => 4,
            Self::Busy => 5,
            Self::Internal => 6,
            Self::NotOperator => 7,
            Self::NotWriter => 8,
            Self::NotFound => 9,
            Self::NameTaken => 10,
            Self::NoBlob => 11,
            Self::Full => 12,
            Self::Other(number) => number,
        }
    }
}

impl From<u16> for ErrorCode {
    fn from(number: u16) -> Self {
        match number {
            1 => Self::Unsupported,
            2 => Self::Malformed,
            3 => Self::TooLarge,
            4 => Self::NotMember,
            5 => Self::Busy,
            6 => Self::Internal,
            7 => Self::NotOperator,
            8 => Self::NotWriter,
            9 => Self::NotFound,
            10 => Self::NameTaken,
            11 => Self::NoBlob,
            12 => Self::Full,
            other => Self::Other(other),
        }
    }
}

/// Who answers, and in which versions it can be spoken to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoamiResponse {
    /// Numbers of [`crate::version::ProtocolVersion`] that the server speaks. Anyone may know them.
    pub protocol_versions: Vec<u16>,
    /// An encoded [`About`]; `None` for a caller that is not a member of a private network.
    pub about: Option<ByteBuf>,
}

/// What a node says of itself to members.
#[derive(Debug, Clone)]
pub struct About<A> {
    /// The node's endpoint id.
    pub node_id: PublicKey,
    /// Its program and version.
    pub agent: String,
    /// Its network.
    pub network_tag: NetworkTag,
    /// What it runs: `gossip`, `dht`, …
    pub features: Vec<String>,
    /// How many peers its table holds, itself not counted.
    pub table_size: u64,
    /// Its own newest announcement.
    pub announcement: A,
}

impl About<SignedAnnouncement> {
    /// Encodes the item for [`WhoamiResponse::about`].
    pub fn encode(&self) -> ByteBuf {
        ByteBuf::from(wire::encode(&wire::About::V1(wire::AboutV1 {
            node_id: *self.node_id.as_bytes(),
            agent: &self.agent,
            network_tag: self.network_tag.0,
            features: self.features.iter().map(String::as_str).collect(),
            table_size: self.table_size,
            announcement: Bytes::new(self.announcement.bytes()),
        })))
    }
}

impl About<UnverifiedAnnouncement> {
    /// Decodes the item; the announcement's signature is not yet checked.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire::About::V1(v1) = wire::decode(bytes, MAX_RESPONSE_LEN, 1)?;
        check_len(&v1.features, "features")?;
        Ok(Self {
            node_id: decode_key(&v1.node_id, "node_id")?,
            agent: v1.agent.to_owned(),
            network_tag: NetworkTag(v1.network_tag),
            features: v1.features.into_iter().map(str::to_owned).collect(),
            table_size: v1.table_size,
            announcement: UnverifiedAnnouncement::decode(v1.announcement)?,
        })
    }
}

/// How the responder knows a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It is the responder itself.
    Own,
    /// Its announcement came through gossip.
    Gossip,
    /// This peer told it, in answer to a query.
    Told(PublicKey),
}

/// One entry of a table: the signed original, and what the responder adds of its own knowledge.
#[derive(Debug, Clone)]
pub struct PeerEntry<A> {
    /// The announcement.
    pub announcement: A,
    /// How long ago the responder last heard of it.
    pub age: Duration,
    /// How the responder knows it.
    pub source: Source,
    /// How long ago the responder last dialled it and was answered, if ever.
    pub verified_age: Option<Duration>,
}

impl<A: Borrow<SignedAnnouncement>> PeerEntry<A> {
    /// Encodes the entry as an item of a page.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(&wire::PeerEntry::V1(wire::PeerEntryV1 {
            signed: Bytes::new(self.announcement.borrow().bytes()),
            age_ms: millis(self.age),
            source: match self.source {
                Source::Own => wire::Source::Own,
                Source::Gossip => wire::Source::Gossip,
                Source::Told(by) => wire::Source::Told(*by.as_bytes()),
            },
            verified_age_ms: self.verified_age.map(millis),
        }))
    }
}

/// An item of a page whose announcement is still bytes: enough to see whether one holds the same already.
/// To decode an announcement takes a hundred times as long, most of it for the author's key.
#[derive(Debug, Clone, Copy)]
pub struct SealedEntry<'a> {
    /// The announcement's signature and body, undecoded.
    pub signed: &'a [u8],
    /// How long ago the responder last heard of it.
    pub age: Duration,
    /// How long ago the responder last dialled it and was answered, if ever.
    pub verified_age: Option<Duration>,
    source: wire::Source,
}

impl<'a> SealedEntry<'a> {
    /// Decodes an item of a page but for the announcement, and whether the source is a key.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let wire::PeerEntry::V1(v1) = wire::decode(bytes, MAX_ENTRY_LEN, 1)?;
        Ok(Self {
            signed: v1.signed,
            age: Duration::from_millis(v1.age_ms),
            verified_age: v1.verified_age_ms.map(Duration::from_millis),
            source: v1.source,
        })
    }

    /// Whose announcement it claims to be. The id needn't be a key; `None` if there can be none.
    pub fn claimed_author(&self) -> Option<[u8; 32]> {
        claimed_author(self.signed)
    }

    /// Who told the responder of it, if somebody did. The id needn't be a key.
    pub fn claimed_teller(&self) -> Option<[u8; 32]> {
        match self.source {
            wire::Source::Told(by) => Some(by),
            wire::Source::Own | wire::Source::Gossip => None,
        }
    }

    /// Decodes the rest; the announcement's signature is not yet checked.
    pub fn open(self) -> Result<PeerEntry<UnverifiedAnnouncement>, DecodeError> {
        Ok(PeerEntry {
            announcement: UnverifiedAnnouncement::decode(self.signed)?,
            age: self.age,
            source: match self.source {
                wire::Source::Own => Source::Own,
                wire::Source::Gossip => Source::Gossip,
                wire::Source::Told(by) => Source::Told(decode_key(&by, "source")?),
            },
            verified_age: self.verified_age,
        })
    }
}

impl PeerEntry<UnverifiedAnnouncement> {
    /// Decodes an item of a page; the announcement's signature is not yet checked.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        SealedEntry::decode(bytes)?.open()
    }

    /// Checks the announcement's signature.
    pub fn verify(self) -> Result<PeerEntry<SignedAnnouncement>, BadSignature> {
        Ok(PeerEntry {
            announcement: self.announcement.verify()?,
            age: self.age,
            source: self.source,
            verified_age: self.verified_age,
        })
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// One page of a table: items behind each other, each with its length in front.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeersPage {
    items: Items,
    /// Whether another page follows. A stream that ends after `true` was cut off.
    pub more: bool,
}

/// What a page takes besides its items: variant, length of the items, `more`. The length of what
/// fits into [`MAX_RESPONSE_LEN`] is a varint of at most three bytes.
pub(crate) const PAGE_OVERHEAD: usize = 1 + 3 + 1;

impl PeersPage {
    /// Appends an item if it still fits into [`MAX_RESPONSE_LEN`]. Returns whether it did.
    #[must_use]
    pub fn push(&mut self, item: &[u8]) -> bool {
        self.items.push(item, MAX_RESPONSE_LEN - PAGE_OVERHEAD)
    }

    /// The items, undecoded. Ends after the first error, which is a length that lies.
    pub fn items(&self) -> impl Iterator<Item = Result<&[u8], DecodeError>> {
        self.items.iter()
    }
}

/// How a node is doing: what `id-cli status` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReport {
    /// How long the node has run, in seconds.
    pub uptime_secs: u64,
    /// How many peers its table holds, itself not counted.
    pub table_size: u64,
    /// Its neighbours in the gossip topic.
    pub neighbours: Vec<PublicKey>,
    /// Whether it has lost, or never found, every neighbour.
    pub isolated: bool,
    /// What each way of finding peers last did: `(channel, what)`.
    pub channels: Vec<(String, String)>,
    /// What was counted since the start: `(counter, count)`.
    pub counters: Vec<(String, u64)>,
}

impl StatusReport {
    /// Encodes the report for [`MetaResponse::Status`].
    pub fn encode(&self) -> ByteBuf {
        let pairs = self.channels.iter().map(|(channel, what)| (channel.as_str(), what.as_str()));
        ByteBuf::from(wire::encode(&wire::StatusReport::V1(wire::StatusV1 {
            uptime_secs: self.uptime_secs,
            table_size: self.table_size,
            neighbours: self.neighbours.iter().map(|id| Bytes::new(id.as_bytes())).collect(),
            isolated: self.isolated,
            channels: pairs.collect(),
            counters: self.counters.iter().map(|(name, n)| (name.as_str(), *n)).collect(),
        })))
    }

    /// Decodes a report.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire::StatusReport::V1(v1) = wire::decode(bytes, MAX_RESPONSE_LEN, 1)?;
        check_len(&v1.neighbours, "neighbours")?;
        check_len(&v1.channels, "channels")?;
        check_len(&v1.counters, "counters")?;
        let neighbours = v1.neighbours.iter().map(|id| {
            let id = id.as_ref().try_into();
            let id = id.map_err(|_| DecodeError::OutOfBounds { field: "neighbours" })?;
            decode_key(id, "neighbours")
        });
        Ok(Self {
            uptime_secs: v1.uptime_secs,
            table_size: v1.table_size,
            neighbours: neighbours.collect::<Result<_, _>>()?,
            isolated: v1.isolated,
            channels: v1.channels.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect(),
            counters: v1.counters.iter().map(|(name, n)| (name.to_string(), *n)).collect(),
        })
    }
}

/// What an item takes in memory is more than what it takes on the wire: a string of no bytes takes
/// one there, and 24 here.
pub(crate) fn check_len<T>(list: &[T], field: &'static str) -> Result<(), DecodeError> {
    match list.len() {
        0..=MAX_LIST_LEN => Ok(()),
        _ => Err(DecodeError::OutOfBounds { field }),
    }
}

//! How domain types look on the wire. Private: only `encode` and `decode` of each type come here.
//!
//! Every enum is append-only, and its variants' order is its numbering (docs/protocol.md).

use std::{
    fmt,
    marker::PhantomData,
    net::{SocketAddr, SocketAddrV4, SocketAddrV6},
};

use iroh_base::TransportAddr;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{SeqAccess, Visitor},
};
use serde_bytes::{ByteBuf, Bytes};

use crate::{
    error::DecodeError,
    limits::{MAX_ADDR_LEN, MAX_LIST_LEN},
};

#[derive(Serialize, Deserialize)]
pub(crate) enum AnnouncementBody<'a> {
    #[serde(borrow)]
    V1(AnnouncementV1<'a>),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct AnnouncementV1<'a> {
    pub(crate) node_id: [u8; 32],
    pub(crate) name: Option<&'a str>,
    pub(crate) blob_count: u64,
    pub(crate) timestamp_secs: u64,
    pub(crate) seq: u64,
    pub(crate) network_tag: [u8; 16],
    pub(crate) interval_secs: u32,
    #[serde(borrow)]
    pub(crate) addrs: Vec<&'a Bytes>,
    pub(crate) agent: &'a str,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum LeaveBody {
    V1(LeaveV1),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct LeaveV1 {
    pub(crate) node_id: [u8; 32],
    pub(crate) timestamp_secs: u64,
    pub(crate) seq: u64,
    pub(crate) network_tag: [u8; 16],
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Gossip<'a> {
    Announce(#[serde(borrow)] &'a Bytes),
    Leave(#[serde(borrow)] &'a Bytes),
}

/// What the bodies of both kinds begin with.
#[derive(Deserialize)]
pub(crate) enum Head {
    V1([u8; 32]),
}

#[derive(Serialize, Deserialize)]
enum Addr<'a> {
    Relay(&'a str),
    V4([u8; 4], u16),
    V6([u8; 16], u16),
}

#[derive(Serialize, Deserialize)]
pub(crate) enum About<'a> {
    #[serde(borrow)]
    V1(AboutV1<'a>),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct AboutV1<'a> {
    pub(crate) node_id: [u8; 32],
    pub(crate) agent: &'a str,
    pub(crate) network_tag: [u8; 16],
    #[serde(borrow, deserialize_with = "few")]
    pub(crate) features: Vec<&'a str>,
    pub(crate) table_size: u64,
    #[serde(borrow)]
    pub(crate) announcement: &'a Bytes,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum PeerEntry<'a> {
    #[serde(borrow)]
    V1(PeerEntryV1<'a>),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct PeerEntryV1<'a> {
    #[serde(borrow)]
    pub(crate) signed: &'a Bytes,
    pub(crate) age_ms: u64,
    pub(crate) source: Source,
    pub(crate) verified_age_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Source {
    Own,
    Gossip,
    Told([u8; 32]),
}

#[derive(Serialize, Deserialize)]
pub(crate) enum StatusReport<'a> {
    #[serde(borrow)]
    V1(StatusV1<'a>),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct StatusV1<'a> {
    pub(crate) uptime_secs: u64,
    pub(crate) table_size: u64,
    #[serde(borrow, deserialize_with = "few")]
    pub(crate) neighbours: Vec<&'a Bytes>,
    pub(crate) isolated: bool,
    #[serde(borrow, deserialize_with = "few")]
    pub(crate) channels: Vec<(&'a str, &'a str)>,
    #[serde(borrow, deserialize_with = "few")]
    pub(crate) counters: Vec<(&'a str, u64)>,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum IntroducersReport<'a> {
    #[serde(borrow)]
    V1(IntroducersV1<'a>),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct IntroducersV1<'a> {
    pub(crate) table_size: u64,
    pub(crate) n_introducers: u64,
    #[serde(borrow, deserialize_with = "few")]
    pub(crate) introducers: Vec<&'a Bytes>,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Introducer {
    V1(IntroducerV1),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct IntroducerV1 {
    pub(crate) node_id: [u8; 32],
    pub(crate) neighbour: bool,
    pub(crate) n_entries: u64,
    pub(crate) n_unverified: u64,
    pub(crate) quota: u64,
    pub(crate) room: u32,
    pub(crate) squeeze: u32,
    pub(crate) dials: u32,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Explanation<'a> {
    #[serde(borrow)]
    V1(ExplanationV1<'a>),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ExplanationV1<'a> {
    pub(crate) node_id: [u8; 32],
    pub(crate) listed: bool,
    #[serde(borrow)]
    pub(crate) entry: Option<&'a Bytes>,
    pub(crate) neighbour: bool,
    pub(crate) configured: bool,
    #[serde(borrow)]
    pub(crate) introducer: Option<&'a Bytes>,
    pub(crate) author_budget: Option<AuthorBudget>,
    #[serde(borrow)]
    pub(crate) last_dial: Option<LastDial<'a>>,
    #[serde(borrow)]
    pub(crate) next_dial: Option<NextDial<'a>>,
    #[serde(borrow)]
    pub(crate) last_refusal: Option<LastRefusal<'a>>,
    #[serde(borrow)]
    pub(crate) departed: Option<Departed<'a>>,
    pub(crate) lost: Option<Lost>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct AuthorBudget {
    pub(crate) left: u32,
    pub(crate) next_ms: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct LastDial<'a> {
    pub(crate) age_ms: u64,
    pub(crate) end: &'a str,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct NextDial<'a> {
    pub(crate) in_ms: u64,
    pub(crate) why: &'a str,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct LastRefusal<'a> {
    pub(crate) age_ms: u64,
    pub(crate) reason: &'a str,
    pub(crate) by: Option<[u8; 32]>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Departed<'a> {
    pub(crate) age_ms: u64,
    pub(crate) reason: &'a str,
    pub(crate) seq: u64,
    pub(crate) forgotten_in_ms: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Lost {
    pub(crate) age_ms: u64,
    pub(crate) given_up_in_ms: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum DiscoverReport<'a> {
    #[serde(borrow)]
    V1(DiscoverReportV1<'a>),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct DiscoverReportV1<'a> {
    pub(crate) n_new: u64,
    pub(crate) n_newer: u64,
    pub(crate) n_known: u64,
    #[serde(borrow, deserialize_with = "few")]
    pub(crate) refused: Vec<(&'a str, u64)>,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum NamedBlob<'a> {
    #[serde(borrow)]
    V1(NamedBlobV1<'a>),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct NamedBlobV1<'a> {
    pub(crate) name: &'a str,
    pub(crate) hash: [u8; 32],
    pub(crate) size: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum NameChange {
    V1(NameChangeV1),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct NameChangeV1 {
    pub(crate) hash: [u8; 32],
    pub(crate) size: u64,
    pub(crate) n_names: u64,
    pub(crate) replaced: Option<[u8; 32]>,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Ticket<'a> {
    #[serde(borrow)]
    V1(TicketV1<'a>),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct TicketV1<'a> {
    pub(crate) network_tag: [u8; 16],
    pub(crate) peers: Vec<TicketPeer>,
    #[serde(borrow)]
    pub(crate) invitation: Option<(&'a str, &'a str)>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct TicketPeer {
    pub(crate) node_id: [u8; 32],
    pub(crate) addrs: Vec<ByteBuf>,
}

/// Reads a list, and keeps at most one item more than [`MAX_LIST_LEN`], which shows that it has too
/// many. Serde would make room for as many as the length says: in 64 KiB, for a mebibyte of them.
fn few<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Few<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Few<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut kept = Vec::new();
            while let Some(item) = list.next_element()? {
                if kept.len() <= MAX_LIST_LEN {
                    kept.push(item);
                }
            }
            Ok(kept)
        }
    }

    from.deserialize_seq(Few(PhantomData))
}

/// What the number of a variant takes in its shortest encoding; no enum has more than 128.
pub(crate) const VARIANT_LEN: usize = 1;

/// How many bytes the shortest encoding of `number` takes: seven bits a byte, and one at least.
pub(crate) fn varint_len(number: usize) -> usize {
    (usize::BITS - number.leading_zeros()).div_ceil(7).max(1) as usize
}

/// Encodes any wire type.
pub(crate) fn encode<T: Serialize>(wire: &T) -> Vec<u8> {
    postcard::to_stdvec(wire).expect("a wire type encodes into memory")
}

/// Decodes a wire enum of `n_variants` known variants strictly: bounded, known, nothing behind it.
pub(crate) fn decode<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    max: usize,
    n_variants: usize,
) -> Result<T, DecodeError> {
    if bytes.len() > max {
        return Err(DecodeError::TooLong { len: bytes.len(), max });
    }
    let (number, _) = postcard::take_from_bytes::<u32>(bytes).map_err(DecodeError::Malformed)?;
    if number as usize >= n_variants {
        return Err(DecodeError::UnknownVersion { number });
    }
    let (wire, rest) = postcard::take_from_bytes(bytes).map_err(DecodeError::Malformed)?;
    match rest.len() {
        0 => Ok(wire),
        len => Err(DecodeError::TrailingBytes { len }),
    }
}

/// Encodes an address. `None` for the kinds that this protocol has no variant for.
pub(crate) fn encode_addr(addr: &TransportAddr) -> Option<Vec<u8>> {
    let bytes = match addr {
        TransportAddr::Relay(url) => encode(&Addr::Relay(url.as_str())),
        TransportAddr::Ip(SocketAddr::V4(v4)) => encode(&Addr::V4(v4.ip().octets(), v4.port())),
        TransportAddr::Ip(SocketAddr::V6(v6)) => encode(&Addr::V6(v6.ip().octets(), v6.port())),
        _ => return None,
    };
    (bytes.len() <= MAX_ADDR_LEN).then_some(bytes)
}

/// Decodes one address; `Ok(None)` for a kind that a newer release invented, and for a relay whose
/// URL our parser refuses: whether a statement is accepted must not hang on a parser of URLs.
pub(crate) fn decode_addr(bytes: &[u8]) -> Result<Option<TransportAddr>, DecodeError> {
    let addr = match decode(bytes, MAX_ADDR_LEN, 3) {
        Ok(Addr::Relay(url)) => return Ok(url.parse().ok().map(TransportAddr::Relay)),
        Ok(Addr::V4(ip, port)) => TransportAddr::Ip(SocketAddrV4::new(ip.into(), port).into()),
        Ok(Addr::V6(ip, port)) => {
            TransportAddr::Ip(SocketAddrV6::new(ip.into(), port, 0, 0).into())
        }
        Err(DecodeError::UnknownVersion { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(addr))
}

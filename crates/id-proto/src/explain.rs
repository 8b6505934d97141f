//! Why a node believes what it believes: who brought its peers, and what it knows of one of them.
//!
//! All but the announcements is the responder's word: nobody can check it.

use std::{fmt, time::Duration};

use iroh_base::PublicKey;
use serde_bytes::{ByteBuf, Bytes};

use crate::{
    announcement::{SignedAnnouncement, UnverifiedAnnouncement, decode_key},
    error::{BadSignature, DecodeError},
    limits::{MAX_ENTRY_LEN, MAX_EXPLANATION_LEN, MAX_INTRODUCERS, MAX_RESPONSE_LEN, MAX_WORD_LEN},
    query::{PeerEntry, millis},
    wire,
};

/// A stable word for programs, such as the reason of a refusal: 1 to [`MAX_WORD_LEN`] lower-case
/// letters, digits and underscores. Harmless in a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word(String);

impl Word {
    /// `text` as a word, if it is one.
    pub fn new(text: &str) -> Option<Self> {
        let is_plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        let is_word = (1..=MAX_WORD_LEN).contains(&text.len()) && text.bytes().all(is_plain);
        is_word.then(|| Self(text.to_owned()))
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn decode(text: &str, field: &'static str) -> Result<Self, DecodeError> {
        Self::new(text).ok_or(DecodeError::OutOfBounds { field })
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who brought the peers of a table: the answer to `Introducers`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IntroducersReport {
    /// How many peers the table holds.
    pub table_size: u64,
    /// How many introducers they have, those that the list leaves out included.
    pub n_introducers: u64,
    /// The introducers, whoever brought most first; at most [`MAX_INTRODUCERS`].
    pub introducers: Vec<Introducer>,
}

/// What one introducer brought into a table, and what it may still bring.
///
/// An introducer is whoever brought a peer first: the neighbour that delivered its announcement, or
/// the peer that told of it; the peer itself, if nobody had to vouch for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introducer {
    /// Who.
    pub node_id: PublicKey,
    /// Whether it is a neighbour in the gossip topic.
    pub is_neighbour: bool,
    /// How many peers of the table it brought.
    pub n_entries: u64,
    /// How many of them never answered the responder's own dial.
    pub n_unverified: u64,
    /// How many such it may have before each further one is paid for by [`Introducer::squeeze`].
    pub quota: u64,
    /// How many such it may add now while the table has room.
    pub room: u32,
    /// How many it may add when the table has none, or its quota is full.
    pub squeeze: u32,
    /// How many more dials on its word may fail.
    pub dials: u32,
}

/// What a node knows of one peer, and why: the answer to `Explain`.
#[derive(Debug, Clone)]
pub struct Explanation<A> {
    /// The peer.
    pub node_id: PublicKey,
    /// Whether it is in the table, and so in the answer to `ListPeers`.
    pub is_listed: bool,
    /// The announcement that is held, and how the responder knows it: of a listed peer, and of a
    /// lost one.
    pub entry: Option<PeerEntry<A>>,
    /// Whether it is a neighbour in the gossip topic. Neighbours are never evicted.
    pub is_neighbour: bool,
    /// Whether the responder's operator named it. Such peers are never evicted.
    pub is_configured: bool,
    /// Who brought it; of a peer that isn't listed, who brought the statement that was refused.
    pub introducer: Option<Introducer>,
    /// What its author may still announce; `None` if nothing is remembered of it.
    pub author_budget: Option<AuthorBudget>,
    /// How the responder's last dial of it ended.
    pub last_dial: Option<LastDial>,
    /// When it is dialled next.
    pub next_dial: Option<NextDial>,
    /// The last statement that claimed to be its, and wasn't believed.
    pub last_refusal: Option<LastRefusal>,
    /// Set for a while after it has gone from the table, or has said goodbye.
    pub departed: Option<Departed>,
    /// Set while it has fallen silent, and is looked for.
    pub lost: Option<Lost>,
}

/// How often an author may be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthorBudget {
    /// How many announcements would be heard now.
    pub left: u32,
    /// When the next one would be heard; zero if one would now.
    pub next_in: Duration,
}

/// How a dial ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastDial {
    /// How long ago.
    pub age: Duration,
    /// `answered`, or why not.
    pub end: Word,
}

/// A dial that is to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextDial {
    /// Not before this time; a turn may have to be waited for. Zero while it is under way.
    pub after: Duration,
    /// What for.
    pub why: Word,
}

/// A statement that wasn't believed. It needn't be its claimed author's: few are refused for their
/// signature, which is checked last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRefusal {
    /// How long ago.
    pub age: Duration,
    /// The name under which it was counted.
    pub reason: Word,
    /// Who delivered it or told of it, if that wasn't the peer itself, dialled.
    pub by: Option<PublicKey>,
}

/// What is remembered of a peer that went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departed {
    /// How long ago it went.
    pub age: Duration,
    /// Why it went.
    pub reason: Word,
    /// Statements up to this sequence number are refused.
    pub seq: u64,
    /// For how much longer.
    pub forgotten_in: Duration,
}

/// A peer that fell silent, and is asked now and then whether it is there again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// How long ago.
    pub age: Duration,
    /// For how much longer it is looked for.
    pub given_up_in: Duration,
}

impl IntroducersReport {
    /// Encodes the report for [`crate::MetaResponse::Introducers`]. What is beyond
    /// [`MAX_INTRODUCERS`] is left out.
    pub fn encode(&self) -> ByteBuf {
        let introducers = self.introducers.iter().take(MAX_INTRODUCERS);
        let items: Vec<_> = introducers.map(Introducer::encode).collect();
        ByteBuf::from(wire::encode(&wire::IntroducersReport::V1(wire::IntroducersV1 {
            table_size: self.table_size,
            n_introducers: self.n_introducers,
            introducers: items.iter().map(|item| Bytes::new(item)).collect(),
        })))
    }

    /// Decodes a report. An introducer of an unknown version is skipped alone.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire::IntroducersReport::V1(v1) = wire::decode(bytes, MAX_RESPONSE_LEN, 1)?;
        if v1.introducers.len() > MAX_INTRODUCERS {
            return Err(DecodeError::OutOfBounds { field: "introducers" });
        }
        let introducers = v1.introducers.iter().map(|item| Introducer::decode(item));
        let known = introducers.filter(|it| !matches!(it, Err(DecodeError::UnknownVersion { .. })));
        Ok(Self {
            table_size: v1.table_size,
            n_introducers: v1.n_introducers,
            introducers: known.collect::<Result<_, _>>()?,
        })
    }
}

impl Introducer {
    fn encode(&self) -> Vec<u8> {
        wire::encode(&wire::Introducer::V1(wire::IntroducerV1 {
            node_id: *self.node_id.as_bytes(),
            neighbour: self.is_neighbour,
            n_entries: self.n_entries,
            n_unverified: self.n_unverified,
            quota: self.quota,
            room: self.room,
            squeeze: self.squeeze,
            dials: self.dials,
        }))
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire::Introducer::V1(v1) = wire::decode(bytes, MAX_ENTRY_LEN, 1)?;
        Ok(Self {
            node_id: decode_key(&v1.node_id, "introducer")?,
            is_neighbour: v1.neighbour,
            n_entries: v1.n_entries,
            n_unverified: v1.n_unverified,
            quota: v1.quota,
            room: v1.room,
            squeeze: v1.squeeze,
            dials: v1.dials,
        })
    }
}

impl Explanation<SignedAnnouncement> {
    /// Encodes the explanation for [`crate::MetaResponse::Explanation`].
    pub fn encode(&self) -> ByteBuf {
        let entry = self.entry.as_ref().map(PeerEntry::encode);
        let introducer = self.introducer.as_ref().map(Introducer::encode);
        ByteBuf::from(wire::encode(&wire::Explanation::V1(wire::ExplanationV1 {
            node_id: *self.node_id.as_bytes(),
            listed: self.is_listed,
            entry: entry.as_deref().map(Bytes::new),
            neighbour: self.is_neighbour,
            configured: self.is_configured,
            introducer: introducer.as_deref().map(Bytes::new),
            author_budget: self.author_budget.map(AuthorBudget::to_wire),
            last_dial: self.last_dial.as_ref().map(LastDial::to_wire),
            next_dial: self.next_dial.as_ref().map(NextDial::to_wire),
            last_refusal: self.last_refusal.as_ref().map(LastRefusal::to_wire),
            departed: self.departed.as_ref().map(Departed::to_wire),
            lost: self.lost.map(Lost::to_wire),
        })))
    }
}

impl Explanation<UnverifiedAnnouncement> {
    /// Decodes at most [`MAX_EXPLANATION_LEN`] bytes; the announcement's signature is not yet
    /// checked. It is the announcement of whom the explanation is about, or an error.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire::Explanation::V1(v1) = wire::decode(bytes, MAX_EXPLANATION_LEN, 1)?;
        let node_id = decode_key(&v1.node_id, "node_id")?;
        let entry = v1.entry.map(|entry| PeerEntry::<UnverifiedAnnouncement>::decode(entry));
        let entry = entry.transpose()?;
        if entry.as_ref().is_some_and(|it| it.announcement.claimed().node_id != node_id) {
            return Err(DecodeError::OutOfBounds { field: "entry" });
        }
        Ok(Self {
            node_id,
            is_listed: v1.listed,
            entry,
            is_neighbour: v1.neighbour,
            is_configured: v1.configured,
            introducer: decode_introducer(v1.introducer)?,
            author_budget: v1.author_budget.map(AuthorBudget::of_wire),
            last_dial: v1.last_dial.map(LastDial::of_wire).transpose()?,
            next_dial: v1.next_dial.map(NextDial::of_wire).transpose()?,
            last_refusal: v1.last_refusal.map(LastRefusal::of_wire).transpose()?,
            departed: v1.departed.map(Departed::of_wire).transpose()?,
            lost: v1.lost.map(Lost::of_wire),
        })
    }

    /// Checks the announcement's signature.
    pub fn verify(self) -> Result<Explanation<SignedAnnouncement>, BadSignature> {
        Ok(Explanation {
            node_id: self.node_id,
            is_listed: self.is_listed,
            entry: self.entry.map(PeerEntry::verify).transpose()?,
            is_neighbour: self.is_neighbour,
            is_configured: self.is_configured,
            introducer: self.introducer,
            author_budget: self.author_budget,
            last_dial: self.last_dial,
            next_dial: self.next_dial,
            last_refusal: self.last_refusal,
            departed: self.departed,
            lost: self.lost,
        })
    }
}

/// One of an unknown version is left out alone.
fn decode_introducer(item: Option<&Bytes>) -> Result<Option<Introducer>, DecodeError> {
    match item.map(|item| Introducer::decode(item)).transpose() {
        Err(DecodeError::UnknownVersion { .. }) => Ok(None),
        other => other,
    }
}

impl AuthorBudget {
    fn to_wire(self) -> wire::AuthorBudget {
        wire::AuthorBudget { left: self.left, next_ms: millis(self.next_in) }
    }

    fn of_wire(wire: wire::AuthorBudget) -> Self {
        Self { left: wire.left, next_in: Duration::from_millis(wire.next_ms) }
    }
}

impl LastDial {
    fn to_wire(&self) -> wire::LastDial<'_> {
        wire::LastDial { age_ms: millis(self.age), end: self.end.as_str() }
    }

    fn of_wire(wire: wire::LastDial<'_>) -> Result<Self, DecodeError> {
        let end = Word::decode(wire.end, "last_dial")?;
        Ok(Self { age: Duration::from_millis(wire.age_ms), end })
    }
}

impl NextDial {
    fn to_wire(&self) -> wire::NextDial<'_> {
        wire::NextDial { in_ms: millis(self.after), why: self.why.as_str() }
    }

    fn of_wire(wire: wire::NextDial<'_>) -> Result<Self, DecodeError> {
        let why = Word::decode(wire.why, "next_dial")?;
        Ok(Self { after: Duration::from_millis(wire.in_ms), why })
    }
}

impl LastRefusal {
    fn to_wire(&self) -> wire::LastRefusal<'_> {
        wire::LastRefusal {
            age_ms: millis(self.age),
            reason: self.reason.as_str(),
            by: self.by.map(|by| *by.as_bytes()),
        }
    }

    fn of_wire(wire: wire::LastRefusal<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            age: Duration::from_millis(wire.age_ms),
            reason: Word::decode(wire.reason, "last_refusal")?,
            by: wire.by.map(|by| decode_key(&by, "last_refusal")).transpose()?,
        })
    }
}

impl Departed {
    fn to_wire(&self) -> wire::Departed<'_> {
        wire::Departed {
            age_ms: millis(self.age),
            reason: self.reason.as_str(),
            seq: self.seq,
            forgotten_in_ms: millis(self.forgotten_in),
        }
    }

    fn of_wire(wire: wire::Departed<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            age: Duration::from_millis(wire.age_ms),
            reason: Word::decode(wire.reason, "departed")?,
            seq: wire.seq,
            forgotten_in: Duration::from_millis(wire.forgotten_in_ms),
        })
    }
}

impl Lost {
    fn to_wire(self) -> wire::Lost {
        wire::Lost { age_ms: millis(self.age), given_up_in_ms: millis(self.given_up_in) }
    }

    fn of_wire(wire: wire::Lost) -> Self {
        Self {
            age: Duration::from_millis(wire.age_ms),
            given_up_in: Duration::from_millis(wire.given_up_in_ms),
        }
    }
}

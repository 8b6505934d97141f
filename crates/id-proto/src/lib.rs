//! Bytes and meaning of id's peer discovery.
//!
//! A node says "I am here" in a [`PeerAnnouncement`], signs it ([`Signed`]), and sends it through a
//! gossip topic ([`GossipMessage`]). Whoever holds it can pass on the signed original, in answer to
//! a query ([`MetaResponse`]), and whoever receives it can check it. `docs/protocol.md` specifies
//! every byte.
//!
//! This crate does no I/O, reads no clock and spawns nothing. It decides what bytes *mean*, never
//! whether a valid announcement is *believed*: that depends on what a node already knows, and is
//! the business of its table.
#![forbid(unsafe_code)]

pub mod limits;
pub mod version;

mod announcement;
mod blob;
mod discover;
mod error;
mod explain;
mod items;
mod message;
#[cfg(feature = "service")]
mod names;
mod network;
mod peer;
mod query;
#[cfg(feature = "service")]
mod service;
mod signed;
mod wire;

pub use announcement::{
    Leave, PeerAnnouncement, SignedAnnouncement, SignedLeave, UnverifiedAnnouncement,
    UnverifiedLeave,
};
pub use blob::{BlobHash, BlobKey, BlobName, BlobsPage, IfTaken, Match, NameChange, NamedBlob};
pub use discover::DiscoverReport;
pub use error::{
    BadSignature, DecodeError, NetworkError, ParseBlobError, ParsePeerError, SignError,
};
pub use explain::{
    AuthorBudget, Departed, Explanation, Introducer, IntroducersReport, LastDial, LastRefusal,
    Lost, NextDial, Word,
};
pub use iroh_base;
pub use message::GossipMessage;
#[cfg(feature = "service")]
pub use names::{
    CopyRequest, DeleteRequest, FindRequest, GetRequest, ListRequest, PutRequest, RenameRequest,
};
pub use network::{DEFAULT_SECRET, DEFAULT_TOPIC, MembershipProof, Network, NetworkTag};
pub use peer::{Invitation, PeerRef, Ticket};
pub use query::{
    About, ErrorCode, ErrorResponse, MetaResponse, PeerEntry, PeersPage, SealedEntry, Source,
    StatusReport, WhoamiResponse,
};
#[cfg(feature = "service")]
pub use service::{
    DiscoverRequest, ExplainRequest, IntroducersRequest, ListPeersRequest, MetaMessage,
    MetaRequest, StatusRequest, WhoamiRequest,
};
pub use signed::{Signed, Statement, Unverified};

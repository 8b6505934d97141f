//! The RPC as an irpc service: requests, and which channel each is answered through.

use iroh_base::PublicKey;
use irpc::{
    channel::{SendError, mpsc, oneshot},
    rpc_requests,
};
use serde::{Deserialize, Serialize};

use crate::{
    announcement::{SignedAnnouncement, decode_key},
    error::DecodeError,
    items::Items,
    limits::MAX_REQUEST_LEN,
    names::{
        CopyRequest, DeleteRequest, FindRequest, GetRequest, ListRequest, PutRequest, RenameRequest,
    },
    network::MembershipProof,
    query::MetaResponse,
    wire,
};

/// Every request, as it is on the wire. Append-only.
#[rpc_requests(message = MetaMessage)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MetaRequest {
    /// Who are you, and what do you speak?
    #[rpc(tx = oneshot::Sender<MetaResponse>)]
    Whoami(WhoamiRequest),
    /// Which peers do you know? Answered by pages, the responder's own entry first.
    #[rpc(tx = mpsc::Sender<MetaResponse>)]
    ListPeers(ListPeersRequest),
    /// How are you doing?
    #[rpc(tx = oneshot::Sender<MetaResponse>)]
    Status(StatusRequest),
    /// Who brought you the peers that you know?
    #[rpc(tx = oneshot::Sender<MetaResponse>)]
    Introducers(IntroducersRequest),
    /// What do you know of this peer, and why?
    #[rpc(tx = oneshot::Sender<MetaResponse>)]
    Explain(ExplainRequest),
    /// Take in these peers, if you believe what they say. Only for the node's operators.
    #[rpc(tx = oneshot::Sender<MetaResponse>)]
    Discover(DiscoverRequest),
    /// Let this name lead to a blob that you hold. Only for the node's writers.
    #[rpc(tx = oneshot::Sender<MetaResponse>)]
    Put(PutRequest),
    /// Which blob does this name lead to?
    #[rpc(tx = oneshot::Sender<MetaResponse>)]
    Get(GetRequest),
    /// Which names do you have? Answered by pages, in the order of the names' bytes.
    #[rpc(tx = mpsc::Sender<MetaResponse>)]
    List(ListRequest),
    /// Forget this name. Only for the node's writers.
    #[rpc(tx = oneshot::Sender<MetaResponse>)]
    Delete(DeleteRequest),
    /// Let another name lead to where this one leads, and forget this one. Only for the node's
    /// writers.
    #[rpc(tx = oneshot::Sender<MetaResponse>)]
    Rename(RenameRequest),
    /// Let another name lead to where this one leads. Only for the node's writers.
    #[rpc(tx = oneshot::Sender<MetaResponse>)]
    Copy(CopyRequest),
    /// Which names have this in them? Answered by pages, the best match first.
    #[rpc(tx = mpsc::Sender<MetaResponse>)]
    Find(FindRequest),
}

impl MetaRequest {
    /// Encodes the request, without its length prefix.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Decodes at most [`MAX_REQUEST_LEN`] bytes, strictly. [`DecodeError::UnknownVersion`] is a
    /// request of a later release.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        wire::decode(bytes, MAX_REQUEST_LEN, 13)
    }
}

impl MetaMessage {
    /// Answers any request so: with an error, which any request may be answered with.
    pub async fn refuse(self, error: MetaResponse) -> Result<(), SendError> {
        match self {
            Self::Whoami(ask) => ask.tx.send(error).await,
            Self::ListPeers(ask) => ask.tx.send(error).await,
            Self::Status(ask) => ask.tx.send(error).await,
            Self::Introducers(ask) => ask.tx.send(error).await,
            Self::Explain(ask) => ask.tx.send(error).await,
            Self::Discover(ask) => ask.tx.send(error).await,
            Self::Put(ask) => ask.tx.send(error).await,
            Self::Get(ask) => ask.tx.send(error).await,
            Self::List(ask) => ask.tx.send(error).await,
            Self::Delete(ask) => ask.tx.send(error).await,
            Self::Rename(ask) => ask.tx.send(error).await,
            Self::Copy(ask) => ask.tx.send(error).await,
            Self::Find(ask) => ask.tx.send(error).await,
        }
    }
}

/// Asks who answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoamiRequest {
    /// Proof of membership; needed on a private network.
    pub proof: Option<MembershipProof>,
}

/// Asks for the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPeersRequest {
    /// Proof of membership; needed on a private network.
    pub proof: Option<MembershipProof>,
    /// How many entries the caller wants at most.
    pub max_entries: u32,
}

/// Asks for the node's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusRequest {
    /// Proof of membership; needed on a private network.
    pub proof: Option<MembershipProof>,
}

/// Asks who brought the peers of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntroducersRequest {
    /// Proof of membership; needed on a private network.
    pub proof: Option<MembershipProof>,
}

/// Asks what the node knows of one peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainRequest {
    /// Proof of membership; needed on a private network.
    pub proof: Option<MembershipProof>,
    node_id: [u8; 32],
}

impl ExplainRequest {
    /// Asks about `node_id`.
    pub fn new(proof: Option<MembershipProof>, node_id: &PublicKey) -> Self {
        Self { proof, node_id: *node_id.as_bytes() }
    }

    /// Whom it is about. An error if it is nobody: the bytes came undecoded.
    pub fn node_id(&self) -> Result<PublicKey, DecodeError> {
        decode_key(&self.node_id, "node_id")
    }
}

/// Hands announcements to a node: as many signed originals as fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscoverRequest {
    /// Proof of membership; needed on a private network.
    pub proof: Option<MembershipProof>,
    items: Items,
}

/// What such a request takes besides its items: variant, proof, length of the items. The length of
/// what fits into [`MAX_REQUEST_LEN`] is a varint of at most two bytes.
const DISCOVER_OVERHEAD: usize = 1 + 33 + 2;

impl DiscoverRequest {
    /// One that hands over nothing yet.
    pub fn new(proof: Option<MembershipProof>) -> Self {
        Self { proof, items: Items::default() }
    }

    /// Appends an announcement if it still fits into [`MAX_REQUEST_LEN`]. Returns whether it did; an
    /// empty request has room for any.
    #[must_use]
    pub fn push(&mut self, announcement: &SignedAnnouncement) -> bool {
        self.items.push(announcement.bytes(), MAX_REQUEST_LEN - DISCOVER_OVERHEAD)
    }

    /// The announcements, undecoded. Ends after the first error, which is a length that lies.
    pub fn items(&self) -> impl Iterator<Item = Result<&[u8], DecodeError>> {
        self.items.iter()
    }
}

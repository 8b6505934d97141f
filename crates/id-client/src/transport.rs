//! The seam between a crawl and the network: how one peer is asked.

use std::time::Duration;

use futures::stream::BoxStream;
use id_proto::PeersPage;
use iroh::{EndpointAddr, TransportAddr, endpoint::Connection};

use crate::error::AskError;

/// A way to ask peers for their tables. [`crate::Client`] is the one over iroh.
pub trait Transport: Send + Sync + 'static {
    /// Dials `peer` and asks for at most `max_entries` of its table.
    ///
    /// The stream yields one [`Reply::Connected`], then [`Reply::Paths`] if it knows them, then pages,
    /// and ends after the last page or with the first error. Dropping it cancels the question. Deadlines are the caller's business.
    fn list_peers(
        &self,
        peer: EndpointAddr,
        max_entries: u32,
    ) -> BoxStream<'static, Result<Reply, AskError>>;
}

/// A step of an answer.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The peer was reached.
    Connected(Route),
    /// The addresses by which it was reached.
    Paths(Vec<TransportAddr>),
    /// A page of its table, nothing in it checked yet.
    Page(PeersPage),
}

/// How a peer was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Directly or by a relay.
    pub path: PathKind,
    /// The path's round trip as QUIC measured it.
    pub rtt: Duration,
}

impl Route {
    /// What carries the packets of a connection now, if anything does.
    pub fn of(connection: &Connection) -> Option<Self> {
        let paths = connection.paths();
        let selected = paths.iter().find(|path| path.is_selected());
        let path = selected.or_else(|| paths.iter().next())?;
        let kind = if path.is_relay() { PathKind::Relay } else { PathKind::Direct };
        Some(Self { path: kind, rtt: path.rtt() })
    }
}

/// What carries the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// Straight to the peer's address.
    Direct,
    /// Through a relay server.
    Relay,
}

impl PathKind {
    /// The stable lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Relay => "relay",
        }
    }
}

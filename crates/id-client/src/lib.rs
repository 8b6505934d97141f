//! Asks id nodes for the peers they know, and crawls a network of them.

mod client;
mod clock;
mod crawl;
mod entry;
mod error;
pub mod frame;
mod transport;

pub use client::{Client, MAX_ENTRIES, Pong, Session, Whoami};
pub use crawl::{
    Ask, Crawl, CrawlEvent, CrawlReport, CrawlState, CrawledPeer, Crawler, Depth, Limits,
    MAX_FORGED, MAX_VIA, PeerStatus, RejectReason, StopReason, Summary,
};
pub use error::{AskError, FailKind};
pub use id_proto;
pub use iroh;
pub use transport::{PathKind, Reply, Route, Transport};

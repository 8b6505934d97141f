//! Crawling: from peer to peer, bounded, every claim checked.

mod event;
mod limits;
mod report;

pub use event::CrawlEvent;
pub use limits::{Depth, Limits};
pub use report::{
    CrawlReport, CrawledPeer, MAX_VIA, PeerStatus, RejectReason, StopReason, Summary,
};

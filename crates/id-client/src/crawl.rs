//! Crawling: from peer to peer, bounded, every claim checked.

mod driver;
mod event;
mod frontier;
mod limits;
mod report;
mod state;
#[cfg(test)]
mod tests;

pub use driver::{Crawl, Crawler};
pub use event::CrawlEvent;
pub use limits::{Depth, Limits};
pub use report::{
    CrawlReport, CrawledPeer, MAX_VIA, PeerStatus, RejectReason, StopReason, Summary,
};
pub use state::{Ask, CrawlState, MAX_FORGED};

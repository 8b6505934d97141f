//! Crawling: from peer to peer, bounded, every claim checked.

mod agreement;
mod dialled;
mod dialler;
mod driver;
mod event;
mod frontier;
mod graph;
mod known;
mod limits;
mod past;
mod patience;
mod places;
mod report;
mod state;
#[cfg(test)]
mod tests;

pub use agreement::{Agreement, View};
pub use dialled::{DialOutcome, Dialled, FailStage};
pub use driver::{Crawl, Crawler};
pub use event::CrawlEvent;
pub use graph::Graph;
pub use limits::{Depth, Limits, MAX_ATTEMPTS, MAX_PARKED, MAX_PUT_OFF};
pub use past::{Answer, Named, Past, Use};
pub use report::{
    Alone, CrawlReport, CrawledPeer, MAX_ANSWERED_SHARE, MAX_VIA, MIN_ASKED_ALONE, PeerStatus,
    RejectReason, StopReason, Summary, Told,
};
pub use state::{Ask, CrawlState, MAX_FORGED};

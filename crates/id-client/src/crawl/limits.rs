//! What a crawl may cost. Every limit is finite unless the caller says otherwise.

use std::{num::NonZeroUsize, time::Duration};

/// Most peers that are waited for besides those that are being asked, because they can't be reached soon.
///
/// Origin: what a crawl of two thousand may meet, two fifths of whom are gone; each costs an open dial, 20 kB.
pub const MAX_PARKED: usize = 1024;

/// How often a peer is asked at most: again only if it fails in a way that may pass
/// ([`crate::FailKind::is_transient`]), and when there is nobody else to ask.
///
/// Origin: a guess; what fails twice, a second apart, mostly fails a third time.
pub const MAX_ATTEMPTS: u8 = 2;

/// Most peers that wait at the same time to be asked again. Whoever fails beyond has failed.
///
/// Origin: as [`MAX_PARKED`]; of each it is kept whom it named, a bit for each known peer.
pub const MAX_PUT_OFF: usize = 1024;

/// The bounds of one crawl.
///
/// `Limits { max_depth: 2.into(), ..Limits::default() }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How many hops from the seeds peers are still asked. Default: 1, the seeds and whom they name.
    pub max_depth: Depth,
    /// How many peers may become known, seeds included; also inside one answer. Default: 1000.
    ///
    /// A crawl that meets one more asks on whom it knows, and says so in the end. A newcomer then
    /// takes the place of one that wasn't asked yet, if that one was named by a peer that brought more:
    /// so no seed can fill the crawl and keep out whom another one names. With more seeds than this
    /// nobody is asked at all.
    pub max_peers: NonZeroUsize,
    /// How many peers are asked at the same time. Default: 64.
    ///
    /// Whoever isn't reached soon is waited for besides these, up to [`MAX_PARKED`] of them, so that those
    /// who can't be reached don't hold up the others.
    ///
    /// Origin: 16 saturate two cores when every peer answers at once; more help when some don't.
    pub concurrency: NonZeroUsize,
    /// How long the whole crawl may take. Default: 30 s.
    pub timeout: Duration,
    /// How long one peer may take, from the dial to the end of its answer. Default: 10 s.
    ///
    /// Origin: a table of 65,536 entries takes seconds on a slow line.
    pub ask_timeout: Duration,
    /// How long it may take to reach one peer, of [`Limits::ask_timeout`]. Default: 5 s.
    ///
    /// Origin: QUIC sends its first packet again after one second and after three, so two may get lost; iroh
    /// gives up on a dead address after 30 s.
    pub connect_timeout: Duration,
    /// Of how many cases of who named whom the report tells. Default: 0, nothing is kept.
    ///
    /// Peers that all know each other make n² of them; each costs eight bytes while the crawl runs, and
    /// twelve in the report. Those for whom there is no room are counted.
    pub max_edges: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_depth: Depth::Hops(1),
            max_peers: NonZeroUsize::new(1000).expect("not zero"),
            concurrency: NonZeroUsize::new(64).expect("not zero"),
            timeout: Duration::from_secs(30),
            ask_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            max_edges: 0,
        }
    }
}

/// How far from the seeds a crawl asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Peers at most this many hops away are asked; those behind them are known, but not asked.
    Hops(u32),
    /// Until nothing new is found.
    ///
    /// The levels behind a peer that can't be reached soon, or is asked again, don't wait for it. If it answers in the end, the
    /// depths of those whom it would have made nearer stay too large; who is found doesn't change.
    Unlimited,
}

impl Depth {
    /// Whether a peer `hops` away is asked.
    pub fn includes(self, hops: u32) -> bool {
        match self {
            Self::Hops(max) => hops <= max,
            Self::Unlimited => true,
        }
    }
}

impl From<u32> for Depth {
    fn from(hops: u32) -> Self {
        Self::Hops(hops)
    }
}

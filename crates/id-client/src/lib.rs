//! Asks id nodes for the peers they know, and crawls a network of them.
//!
//! - [`Client`] asks one peer: who it is, how it is doing, whom it knows. [`Session`] asks several
//!   things over one connection.
//! - [`Crawler`] goes from peer to peer, breadth first, within [`Limits`] that are finite unless the
//!   caller says otherwise. [`Crawl`] tells what happens as [`CrawlEvent`]s; what it found, what
//!   failed and what was left out is in the [`CrawlReport`], whose counts add up.
//! - [`Past`] is what peers answered in an earlier crawl. Another one can stand on it, and ask only the
//!   others: after an interruption, or to look again now and then.
//! - [`Transport`] is the seam between a crawl and the network. With the feature `test-util` the
//!   module `memory` has one without sockets, for a dependant's tests; and [`CrawlState`] is a
//!   crawl without a driver, for simulations.
//!
//! ```no_run
//! use futures::TryStreamExt;
//! use id_client::{Client, Crawler, Limits};
//!
//! # async fn example(
//! #     endpoint: iroh::Endpoint,
//! #     peer: iroh::EndpointAddr,
//! # ) -> Result<(), id_client::AskError> {
//! let client = Client::new(endpoint.clone());
//! let entries = client.list_peers(peer.clone()).try_collect::<Vec<_>>().await?;
//! println!("{} entries, every signature checked", entries.len());
//!
//! let limits = Limits { max_depth: 2.into(), ..Limits::default() };
//! let report = Crawler::builder(endpoint).seeds([peer]).limits(limits).start().run().await;
//! println!("{:?}", report.summary());
//! # Ok(())
//! # }
//! ```
//!
//! # What it refuses to do
//!
//! - It binds no endpoint and closes none: the caller hands one in, and closes it. Only [`Endpoints`] has the caller's
//!   function bind more, for crawls of thousands, and closes these, in tasks that it owns.
//! - It spawns no other task. Everything happens in the futures and streams that it returns, all of them
//!   `Send + 'static`; dropping one takes the question back. Only the signatures of long answers are checked
//!   elsewhere: page by page on tokio's blocking threads, as many pages at a time as there are cores.
//! - It believes nobody. An announcement counts only with its author's signature, for the network
//!   that was asked for, and with a plausible timestamp; [`RejectReason`] lists what else there is.
//! - It allocates nothing because a peer says so; [`frame`] is how answers are read.
//! - It dials no address because a stranger announces it, where that address is one of somebody's local
//!   network: see [`AddressPolicy`].
//! - A peer that fails is data in the report, never an error of the crawl.
//! - It prints nothing, and writes no file.
#![forbid(unsafe_code)]

mod address_policy;
mod checking;
mod client;
mod clock;
mod crawl;
mod endpoints;
mod entry;
mod error;
pub mod frame;
#[cfg(any(test, feature = "test-util"))]
pub mod memory;
mod transport;
#[cfg(feature = "test-util")]
pub mod untrusted;

pub use address_policy::AddressPolicy;
pub use checking::{CheckedPage, UncheckedPage};
pub use client::{Client, MAX_ENTRIES, Pong, Session, Whoami};
pub use crawl::{
    Agreement, Alone, Answer, Ask, Crawl, CrawlEvent, CrawlReport, CrawlState, CrawledPeer,
    Crawler, Depth, DialOutcome, Dialled, FailStage, Graph, Limits, MAX_ANSWERED_SHARE,
    MAX_ATTEMPTS, MAX_FORGED, MAX_PARKED, MAX_PUT_OFF, MAX_VIA, MIN_ASKED_ALONE, Named, Past,
    PeerStatus, RejectReason, StopReason, Summary, Told, Use, View,
};
pub use endpoints::{Endpoints, MAX_DIALLED};
pub use error::{AskError, FailKind};
pub use id_proto;
pub use iroh;
pub use transport::{PathKind, Reply, Route, Transport};

//! An id node as a library: joins a gossip topic, announces itself, keeps a table of live peers and
//! serves it.
//!
//! [`Node::spawn`] starts one on an endpoint of the caller's. What it knows is a [`membership::View`],
//! an immutable copy that readers can hold; every entry is the signed original.
//!
//! The way through the house: bytes come in through `topic` and `service`, `membership` decides
//! (without any I/O), and `actor` performs what it decided. `bootstrap` finds the first neighbour, in the DHT by
//! `rendezvous`. `blobs` is what it holds.
//!
//! This crate doesn't install a logger, doesn't handle signals and doesn't choose ports; its binary
//! does, with the help of [`endpoint`], [`data_dir`] and [`config_file`].
#![forbid(unsafe_code)]

pub mod access;
pub mod checkup;
pub mod config;
pub mod config_file;
pub mod data_dir;
pub mod endpoint;
pub mod http;
pub mod membership;
pub mod settings;
#[cfg(feature = "test-util")]
pub mod untrusted;

mod actor;
mod address_book;
#[cfg(feature = "blobs")]
mod blobs;
mod bootstrap;
mod bucket;
mod clock;
mod handover;
mod node;
mod observer;
mod reload;
mod rendezvous;
mod routes;
mod service;
mod topic;

pub use access::AccessList;
#[cfg(feature = "blobs")]
pub use blobs::BlobStore;
pub use config::{AnnounceAddrs, DhtBootstrap, NodeConfig, Role};
pub use id_client;
pub use iroh;
pub use node::{Node, NodeError};
pub use observer::Observer;
pub use reload::ReloadEnd;

//! What the binary adds to the library: flags, settings, logs and signals.

pub(crate) mod advice;
pub(crate) mod http;
pub(crate) mod logging;
pub(crate) mod memory;
pub(crate) mod papers;
pub(crate) mod reload;
pub(crate) mod show;
pub(crate) mod signals;
pub(crate) mod supervisor;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

#[cfg(feature = "blobs")]
use id_node::{BlobStore, data_dir::DataDir};

pub(crate) use id_node::settings::{Args, Command, Config, Given, Settings};

/// Something failed.
pub(crate) const EXIT_FAILURE: u8 = 1;
/// The flags or the configuration make no sense.
pub(crate) const EXIT_USAGE: u8 = 2;

/// Where a node keeps its blobs that has this data directory, or none.
#[cfg(feature = "blobs")]
pub(crate) fn blob_store(data_dir: Option<&DataDir>) -> BlobStore {
    data_dir.map_or(BlobStore::Memory, |dir| BlobStore::Disk(dir.path().join("blobs")))
}

/// How programs on this machine reach sockets that are bound so.
pub(crate) fn local_addrs(bound: &[SocketAddr]) -> Vec<SocketAddr> {
    bound.iter().copied().map(local_addr).collect()
}

pub(crate) fn local_addr(bound: SocketAddr) -> SocketAddr {
    match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, bound.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, bound.port()).into(),
        _ => bound,
    }
}

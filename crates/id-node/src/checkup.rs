//! Looking at the ways by which nodes find each other, without being one: nothing is announced, and nothing
//! is written where a node of the network would look.
//!
//! For programs that tell why a node finds nobody. A node that runs isn't disturbed.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};

use id_proto::{Network, iroh_base::PublicKey};

use crate::{bootstrap::mdns_check, config::DhtBootstrap, rendezvous::check};

/// What came of looking at a DHT.
#[derive(Debug, Clone)]
pub struct DhtCheck {
    /// How many addresses there are to enter it through; none if no name resolves.
    pub n_bootstrap: usize,
    /// Whether any node of it has answered.
    pub has_answered: bool,
    /// Whether nodes of it took a test item, under a key that nobody else has.
    pub written: Result<(), String>,
    /// Whether that item was found again.
    pub read_back: bool,
    /// Who left records for this network, in this minute and the last.
    pub authors: Vec<PublicKey>,
}

/// What came of asking the local network.
#[derive(Debug, Clone)]
pub struct MdnsCheck {
    /// By which of this machine's addresses multicast leaves it.
    pub way_out: Option<IpAddr>,
    /// Whether sockets could be bound.
    pub bound: Result<(), String>,
    /// How many members answered.
    pub n_found: usize,
}

/// Enters the DHT as a client, writes a test item and reads it again, and looks for records of `network`.
/// Takes at most as long as the DHT's own time-outs, about 15 s; the deadline is the caller's. Cancel safe.
pub async fn dht(bootstrap: &DhtBootstrap, network: &Network) -> DhtCheck {
    check::look(bootstrap, network).await
}

/// The names through which a DHT is entered, as `host:port`.
pub fn dht_names(bootstrap: &DhtBootstrap) -> Vec<String> {
    check::names(bootstrap)
}

/// Asks the local network for members of `network` for that long, as somebody new; `except` isn't counted.
/// Cancel safe.
pub async fn mdns(network: &Network, except: Option<PublicKey>, time: Duration) -> MdnsCheck {
    mdns_check::listen(network.tag(), except, time).await
}

/// By which of this machine's addresses packets to `target` would leave it. Sends nothing.
pub fn way_out(target: SocketAddr) -> Option<IpAddr> {
    let unspecified: IpAddr = match target {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((unspecified, 0)).ok()?;
    socket.connect(target).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    Some(ip).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

//! A node's own server in front of a table with many peers, none of whom is there.
//!
//! Everything but the table's filling is the node's own; five thousand processes would tell nothing more about
//! its page.

use std::{
    net::Ipv4Addr,
    time::{Duration, SystemTime},
};

use anyhow::Result;
use id_node::{
    endpoint::{self, EndpointOptions},
    http::HttpServer,
    id_client::{FailKind, PathKind, Route},
    iroh::Endpoint,
    untrusted::{MadeUp, serve_http},
};
use id_proto::{
    Network, PeerAnnouncement, SignedAnnouncement,
    iroh_base::{PublicKey, SecretKey},
};
use tokio::net::TcpListener;

/// What peers are called, with a number behind it.
const NAMES: [&str; 7] = ["alder", "beech", "chestnut", "hazel", "juniper", "linden", "willow"];

/// Peers that a node knows. Its server ends with this.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// Where the page is that shows them.
    pub(crate) url: String,
    /// What its metrics tell of; nobody is dialled.
    endpoint: Endpoint,
    _server: HttpServer,
}

impl Crowd {
    /// As many, as they are in a large network: most have answered, most were brought by others.
    pub(crate) async fn gather(n_peers: usize) -> Result<Self> {
        let names = (1..=n_peers).map(|n| match n % 9 {
            0 => None,
            _ => Some(format!("{}-{n}", NAMES[n % NAMES.len()])),
        });
        Self::of(names.collect()).await
    }

    /// Those who call themselves so.
    pub(crate) async fn called(names: &[&str]) -> Result<Self> {
        Self::of(names.iter().map(|name| Some((*name).to_owned())).collect()).await
    }

    async fn of(names: Vec<Option<String>>) -> Result<Self> {
        let own = announcement(&key(0), Some("lookout".to_owned()), 0)?;
        let peers = names.into_iter().zip(1..).map(|(name, n)| peer(name, n));
        let peers = peers.collect::<Result<Vec<_>>>()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let bind = Some((Ipv4Addr::LOCALHOST, 0).into());
        let endpoint = endpoint::bind(EndpointOptions { bind, ..Default::default() }).await?;
        let server = serve_http(listener, endpoint.clone(), own, peers)?;
        let url = format!("http://{}/peers", server.addr());
        Ok(Self { url, endpoint, _server: server })
    }

    /// Ends the server.
    pub(crate) async fn close(self) {
        self.endpoint.close().await;
    }
}

fn peer(name: Option<String>, n: u32) -> Result<MadeUp> {
    let announcement = announcement(&key(n), name, u64::from(n * 37 % 500))?;
    let last_dial = match n % 10 {
        0 => Some(Err(FailKind::Timeout)),
        1 | 2 => None,
        3 => Some(Ok(route(PathKind::Relay, n))),
        _ => Some(Ok(route(PathKind::Direct, n))),
    };
    let age = Duration::from_secs(u64::from(n * 13 % 120));
    Ok(MadeUp { introducer: introducer(n), announcement, age, last_dial })
}

fn route(path: PathKind, n: u32) -> Route {
    Route { path, rtt: Duration::from_micros(u64::from(300 + n * 7919 % 40_000)) }
}

/// The first few came by themselves; of the others, a few brought many.
fn introducer(n: u32) -> PublicKey {
    if n <= 8 { key(n).public() } else { key(1 + n % 8).public() }
}

fn key(n: u32) -> SecretKey {
    let mut bytes = [9; 32];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    SecretKey::from_bytes(&bytes)
}

fn announcement(
    key: &SecretKey,
    name: Option<String>,
    blob_count: u64,
) -> Result<SignedAnnouncement> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let announcement = PeerAnnouncement {
        node_id: key.public(),
        name,
        blob_count,
        timestamp_secs: now.as_secs(),
        seq: now.as_millis() as u64,
        network_tag: Network::public().tag(),
        interval_secs: 30,
        addrs: Vec::new(),
        agent: "id-browser".to_owned(),
    };
    Ok(SignedAnnouncement::sign(announcement, key)?)
}

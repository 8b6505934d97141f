//! Asks one node for the peers it knows.
//!
//! `cargo run -p id-client --example list_peers -- NODE_ID@IP:PORT`

use std::{env, error::Error};

use futures::TryStreamExt;
use id_client::{
    Client,
    id_proto::PeerRef,
    iroh::{Endpoint, endpoint::presets},
};

// readme:begin
async fn list_peers(node: &str) -> Result<(), Box<dyn Error>> {
    let node: PeerRef = node.parse()?; // a node id, id@ip:port, or a ticket
    let endpoint = Endpoint::bind(presets::Minimal).await?;
    let peers = Client::new(endpoint.clone()).list_peers(node.addrs()[0].clone());
    let peers: Result<Vec<_>, _> = peers.try_collect().await;
    endpoint.close().await;
    peers?.iter().for_each(|peer| println!("{}", peer.announcement.node_id));
    Ok(())
}
// readme:end

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let node = env::args().nth(1).ok_or("which node? NODE_ID@IP:PORT")?;
    list_peers(&node).await
}

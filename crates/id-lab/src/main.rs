//! `id-lab`: what surrounds nodes in the lab.
//!
//! `cargo xtask lab` starts it inside its network namespaces. It is no part of what we publish: only
//! here may a mainline server or somebody else's peer live.

mod dht;
mod stock_peer;

use clap::Parser;

/// What surrounds nodes in the lab. Runs until it is killed.
#[derive(Debug, Parser)]
enum Command {
    /// Runs mainline DHT servers that know each other
    Dht(dht::Servers),
    /// Runs a peer that is found by distributed-topic-tracker alone, as others would write one
    StockPeer(stock_peer::StockPeer),
}

// Many threads, because the tracker resolves names synchronously.
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Dht(servers) => servers.run().await,
        Command::StockPeer(peer) => peer.run().await,
    }
}

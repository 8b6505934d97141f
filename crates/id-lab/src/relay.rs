//! A relay as iroh's own are, but over plain HTTP: a lab has nobody who certifies names.

use std::net::SocketAddr;

use anyhow::Result;
use clap::Args;
use iroh_relay::server::{RelayConfig, Server, ServerConfig};

/// One relay.
#[derive(Debug, Args)]
pub(crate) struct Relay {
    /// Where it listens
    #[arg(long, value_name = "ADDR:PORT")]
    bind: SocketAddr,
}

impl Relay {
    /// Says `ready` once it listens, and serves until it is killed.
    pub(crate) async fn run(&self) -> Result<()> {
        let mut config = ServerConfig::default();
        config.relay = Some(RelayConfig::new(self.bind));
        let mut server = Server::spawn(config).await?;
        println!("ready");
        server.join().await??;
        Ok(())
    }
}

//! Mainline DHT servers: the real thing, in a network of their own.

use std::{
    net::SocketAddrV4,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use mainline::Dht;

/// How long servers may take to find each other. Origin: a guess; they take a second.
const LIMIT: Duration = Duration::from_secs(20);

/// Mainline DHT servers in one process.
#[derive(Debug, Args)]
pub(crate) struct Servers {
    /// Where they listen, one server each
    #[arg(long, value_name = "ADDR:PORT", required = true, num_args = 1..)]
    bind: Vec<SocketAddrV4>,
    /// Whom the first asks for others; the others ask the first
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap: Vec<String>,
}

impl Servers {
    /// Starts the servers, says `ready` when each knows another, and serves until it is killed.
    pub(crate) async fn run(&self) -> Result<()> {
        let servers = self.start()?;
        let deadline = Instant::now() + LIMIT;
        if servers.len() > 1 || !self.bootstrap.is_empty() {
            for server in &servers {
                await_others(server, deadline).await?;
            }
        }
        println!("ready");
        // The servers have threads of their own, and live as long as their handles.
        std::future::pending().await
    }

    fn start(&self) -> Result<Vec<Dht>> {
        let (first, others) = self.bind.split_first().context("no address to listen at")?;
        let mut servers = vec![server(*first, &self.bootstrap)?];
        for addr in others {
            servers.push(server(*addr, &[first.to_string()])?);
        }
        Ok(servers)
    }
}

/// A server; it asks those of `bootstrap`, and if there are none, nobody.
pub(crate) fn server(addr: SocketAddrV4, bootstrap: &[String]) -> Result<Dht> {
    let mut builder = Dht::builder();
    builder.server_mode().bind_address(*addr.ip()).port(addr.port());
    match bootstrap {
        [] => builder.no_bootstrap(),
        known => builder.bootstrap(known),
    };
    builder.build().with_context(|| format!("can't serve at {addr}"))
}

async fn await_others(server: &Dht, deadline: Instant) -> Result<()> {
    let server = server.clone().as_async();
    while !server.bootstrapped().await {
        ensure!(Instant::now() < deadline, "a server found no other within {LIMIT:?}");
    }
    Ok(())
}

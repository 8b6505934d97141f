//! DHT servers that are of no help, or worse.

mod garbage;

use std::{net::SocketAddrV4, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use rand::{SeedableRng, rngs::StdRng};
use tokio::{
    net::UdpSocket,
    task::JoinSet,
    time::{Instant, sleep},
};

use self::garbage::Garbage;
use crate::{
    dht,
    strangers::{Writer, nobody},
};

/// The longest question that is read. Origin: an Ethernet frame.
const MAX_QUERY: usize = 1500;
/// How long strangers may take to write their first records. Origin: a guess; they take no second.
const WRITE_LIMIT: Duration = Duration::from_secs(20);
/// Rest between two attempts to write.
const REST: Duration = Duration::from_millis(50);

/// Hostile servers in one process.
#[derive(Debug, Args)]
pub(crate) struct HostileDht {
    /// What they do
    #[arg(long)]
    mode: Mode,
    /// Where they listen, one server each
    #[arg(long, value_name = "ADDR:PORT", required = true, num_args = 1..)]
    bind: Vec<SocketAddrV4>,
    /// Decides which garbage is sent
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What hostile servers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Answer everything, and nothing that helps
    Garbage,
    /// Answer nothing
    Silent,
    /// Real servers, which don't know each other; into each a stranger of its own writes all the time
    Strangers,
}

impl HostileDht {
    /// Starts the servers, says `ready`, and goes on until it is killed.
    pub(crate) async fn run(&self) -> Result<()> {
        match self.mode {
            Mode::Garbage | Mode::Silent => self.run_liars().await,
            Mode::Strangers => self.run_strangers().await,
        }
    }

    async fn run_liars(&self) -> Result<()> {
        let mut servers = JoinSet::new();
        for (seed, addr) in (self.seed..).zip(&self.bind) {
            let bound = UdpSocket::bind(addr).await;
            let socket = bound.with_context(|| format!("can't listen at {addr}"))?;
            let garbage = Garbage::new(StdRng::seed_from_u64(seed));
            servers.spawn(lie(socket, self.mode, garbage));
        }
        println!("ready");
        servers.join_next().await.context("no server")??
    }

    async fn run_strangers(&self) -> Result<()> {
        let mut servers = Vec::new();
        let mut writers = JoinSet::new();
        for (n, addr) in (0..).zip(&self.bind) {
            servers.push(dht::server(*addr, &[])?);
            let writer = Writer::new(nobody(n), *addr)?;
            write_once(&writer).await?;
            writers.spawn(writer.go_on());
        }
        println!("ready");
        writers.join_next().await.context("no server")?.context("a stranger gave up")
    }
}

async fn write_once(writer: &Writer) -> Result<()> {
    let deadline = Instant::now() + WRITE_LIMIT;
    while let Err(error) = writer.write().await {
        ensure!(Instant::now() < deadline, "a stranger can't write: {error:#}");
        sleep(REST).await;
    }
    Ok(())
}

async fn lie(socket: UdpSocket, mode: Mode, mut garbage: Garbage) -> Result<()> {
    let mut buffer = [0; MAX_QUERY];
    loop {
        let (len, from) = socket.recv_from(&mut buffer).await?;
        if mode == Mode::Garbage {
            for answer in garbage.answers(&buffer[..len]) {
                // Whoever has gone meanwhile is no reason to end.
                let _ = socket.send_to(&answer, from).await;
            }
        }
    }
}

//! Opens more than anybody needs.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use clap::Args;
use futures::future::join_all;
use id_proto::version::META_ALPN;
use iroh::endpoint::{Connection, SendStream};
use tokio::time::{sleep, timeout};

use super::{Role, first};
use crate::{
    guard::Target,
    persona::{Hearing, Persona},
    stage::Stage,
    swarm_wire::GOSSIP_ALPN,
};

/// How long the node may take to let us have one more stream. Origin: loopback.
const OPEN_TIMEOUT: Duration = Duration::from_millis(200);
/// How long a dial lasts that is given up within the handshake. Origin: a handshake on loopback takes
/// about a millisecond.
const HALF_DIAL: Duration = Duration::from_micros(300);
/// Rest of a worker that holds all it may.
const REST: Duration = Duration::from_millis(500);

/// Opens thousands of connections, handshakes and streams at the first target.
#[derive(Debug, Args)]
pub(crate) struct ConnectionFlooder {
    /// How many connections are held, half of them for queries and half for gossip
    #[arg(long, default_value_t = 3000)]
    connections: u32,

    /// How many streams are held on each connection for queries
    #[arg(long, default_value_t = 8)]
    streams: u16,

    /// How many identities dial, one connection after the other each
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    identities: u16,
}

impl Role for ConnectionFlooder {
    const NAME: &'static str = "connection-flooder";

    async fn play(self, stage: Arc<Stage>) -> Result<()> {
        let mut workers = Vec::new();
        for n in 0..u64::from(self.identities) {
            workers.push(stage.persona("flooder", n, Hearing::Good).await?);
        }
        let target = first(&stage)?;
        let share = self.connections.div_ceil(self.identities.into()) as usize;
        join_all(workers.iter().map(|worker| self.work(worker, target, share))).await;
        Ok(())
    }
}

/// A connection and the streams on it, held open for nothing.
struct Held {
    connection: Connection,
    _streams: Vec<SendStream>,
}

impl ConnectionFlooder {
    async fn work(&self, worker: &Persona, target: &Target, share: usize) {
        let mut held: Vec<Held> = Vec::new();
        loop {
            let n_before = held.len();
            held.retain(|held| held.connection.close_reason().is_none());
            worker.stage.count("connections_lost", (n_before - held.len()) as u64);
            begin_and_give_up(worker, target).await;
            if held.len() >= share {
                sleep(REST).await;
                continue;
            }
            let alpn = if held.len().is_multiple_of(2) { META_ALPN } else { GOSSIP_ALPN };
            let dialled = worker.dial(target, alpn).await;
            worker.stage.tally(&dialled, "connections", "connections_refused");
            if let Ok(connection) = dialled {
                held.push(self.hold(worker, connection).await);
            }
        }
    }

    /// Opens streams with the beginning of a request on each.
    async fn hold(&self, worker: &Persona, connection: Connection) -> Held {
        let mut streams = Vec::new();
        let wanted = if connection.alpn() == META_ALPN { self.streams } else { 0 };
        for _ in 0..wanted {
            let Ok(Ok((mut send, _recv))) = timeout(OPEN_TIMEOUT, connection.open_bi()).await
            else {
                worker.stage.count("streams_refused", 1);
                break;
            };
            if send.write_all(&[40]).await.is_err() {
                break;
            }
            worker.stage.count("streams", 1);
            streams.push(send);
        }
        Held { connection, _streams: streams }
    }
}

/// A handshake that nobody finishes.
async fn begin_and_give_up(worker: &Persona, target: &Target) {
    let dialling = worker.endpoint().connect(target.addr(), META_ALPN);
    if timeout(HALF_DIAL, dialling).await.is_err() {
        worker.stage.count("handshakes_given_up", 1);
    }
}

//! Takes its time.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use clap::Args;
use futures::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use id_proto::{MetaResponse, PeersPage, Source, version::META_ALPN};
use iroh::endpoint::{Connection, SendStream};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{Role, nth, say_serving};
use crate::{
    member::{Ears, REJOIN_AFTER},
    persona::{Hearing, Persona},
    server::{self, Answers, serve},
    stage::Stage,
    statements::varint,
};

/// The time between two bytes.
const REST: Duration = Duration::from_secs(1);
/// Longest request that claims to come, in bytes. Origin: what nodes read at most.
const CLAIMED: u64 = 4096;
/// How long a node may take to accept one more stream.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends requests, and answers, a byte a second.
#[derive(Debug, Args)]
pub(crate) struct SlowLoris {
    /// How many connections, each by another identity and spread over the targets
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    connections: u16,

    /// How many requests at a time on each
    #[arg(long, default_value_t = 100)]
    streams: u16,
}

impl Role for SlowLoris {
    const NAME: &'static str = "slow-loris";

    async fn play(self, stage: Arc<Stage>) -> Result<()> {
        let server = stage.persona("slow server", 0, Hearing::Good).await?;
        let _serving = serve(&server, Arc::new(Dripping), Ears::Open);
        say_serving(&server);
        let mut callers = Vec::new();
        for n in 0..u64::from(self.connections) {
            callers.push(stage.persona("slow caller", n, Hearing::Good).await?);
        }
        let calls = callers.iter().zip(0..).map(|(caller, n)| self.call(caller, n));
        join_all(calls).await.into_iter().collect()
    }
}

impl SlowLoris {
    async fn call(&self, caller: &Persona, n: u64) -> Result<()> {
        let target = nth(&caller.stage, n)?;
        loop {
            let dialled = caller.dial(target, META_ALPN).await;
            caller.stage.tally(&dialled, "connections", "connections_refused");
            if let Ok(connection) = dialled {
                self.ask_slowly(caller, &connection).await;
            }
            sleep(REJOIN_AFTER).await;
        }
    }

    /// Keeps all streams busy until the node has had enough of the connection.
    async fn ask_slowly(&self, caller: &Persona, connection: &Connection) {
        let mut asking = JoinSet::new();
        while connection.close_reason().is_none() {
            while asking.try_join_next().is_some() {
                caller.stage.count("requests_given_up", 1);
            }
            if asking.len() >= self.streams.into() {
                sleep(REST).await;
                continue;
            }
            // No answer means that the node lets us have no more streams for now.
            if let Ok(Ok((send, _recv))) = timeout(OPEN_TIMEOUT, connection.open_bi()).await {
                caller.stage.count("requests_begun", 1);
                asking.spawn(drip(send, varint(CLAIMED, 1)));
            }
        }
        caller.stage.count("connections_lost", 1);
    }
}

/// Sends the beginning byte by byte, then zeros, until nobody wants them.
async fn drip(mut send: SendStream, beginning: Vec<u8>) {
    for byte in beginning.into_iter().chain(std::iter::repeat(0)) {
        let stopped = tokio::select! {
            _ = send.stopped() => true,
            () = sleep(REST) => false,
        };
        if stopped || send.write_all(&[byte]).await.is_err() {
            return;
        }
    }
}

/// A right answer, a byte a second.
#[derive(Debug)]
struct Dripping;

impl Answers for Dripping {
    fn list_peers<'a>(
        &'a self,
        host: &'a Persona,
        send: &'a mut SendStream,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let mut page = PeersPage::default();
            let _ = page.push(&server::entry(host.announcement(), Source::Own));
            for byte in server::frame(&MetaResponse::Peers(page).encode()) {
                send.write_all(&[byte]).await?;
                host.stage.count("bytes_answered", 1);
                sleep(REST).await;
            }
            Ok(())
        }
        .boxed()
    }
}

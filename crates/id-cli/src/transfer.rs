//! A blob on its way, by iroh-blobs: what is there already isn't sent again, and what comes is checked
//! against its hash as it comes.

mod fetch;
mod meter;
mod push;
mod stream;

use std::{fmt, future::Future, time::Duration};

use anyhow::Result;
use id_client::iroh::{Endpoint, EndpointAddr, endpoint::Connection};
use tokio::time::timeout;

pub(crate) use self::{fetch::fetch, meter::Meter, push::Outgoing, stream::stream};
use crate::{
    exit::{Exit, Stop},
    output::short_id,
};

/// A node on the other end.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) endpoint: Endpoint,
    pub(crate) addr: EndpointAddr,
    /// How long it may be silent.
    pub(crate) silence: Duration,
}

impl Peer {
    async fn connect(&self) -> Result<Connection> {
        let connecting = self.endpoint.connect(self.addr.clone(), iroh_blobs::ALPN);
        let connected = self.patiently(connecting).await?;
        connected.map_err(|error| self.failed("can't be reached for blobs", &error).into())
    }

    /// The outcome of what should show some progress within a while.
    async fn patiently<T>(&self, step: impl Future<Output = T>) -> Result<T> {
        let silent = |_| {
            let secs = self.silence.as_secs_f64();
            self.failed("sends nothing", &format_args!("silent for {secs} s"))
        };
        Ok(timeout(self.silence, step).await.map_err(silent)?)
    }

    /// An end for which this node is to blame, or the way to it.
    fn failed(&self, what: &str, cause: &dyn fmt::Display) -> Stop {
        let id = self.addr.id.to_string();
        let message = format!("{} {what}: {cause}", short_id(&id));
        let stop = Stop { exit: Exit::Failure, message, hint: None };
        stop.with_hint("what has come is kept: do it again, and it goes on from there")
    }
}

/// An end for which this machine is to blame.
fn here(what: &str, cause: impl fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("{what}: {cause}")
}

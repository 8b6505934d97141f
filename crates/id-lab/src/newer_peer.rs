//! A peer of a release to come: it answers who it is, and speaks no version of ours.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use clap::Args;
use id_proto::{
    ErrorCode, MetaMessage, MetaRequest, MetaResponse, WhoamiResponse, version::META_ALPN,
};
use iroh::{
    Endpoint, RelayMode,
    endpoint::{Connection, PortmapperConfig, presets},
};

/// A version that no release of ours speaks.
const VERSION: u16 = 1_000;

/// One such peer.
#[derive(Debug, Args)]
pub(crate) struct NewerPeer {
    /// Where it listens
    #[arg(long, value_name = "ADDR:PORT")]
    bind: SocketAddr,
}

impl NewerPeer {
    /// Says where it is, `id@addr`, then `ready`; and answers until it is killed.
    pub(crate) async fn run(&self) -> Result<()> {
        let endpoint = Endpoint::builder(presets::Minimal)
            .portmapper_config(PortmapperConfig::Disabled)
            .relay_mode(RelayMode::Disabled)
            .clear_ip_transports()
            .bind_addr(self.bind)?
            .alpns(vec![META_ALPN.to_vec()])
            .bind()
            .await?;
        let bound = endpoint.bound_sockets();
        println!("{}@{}", endpoint.id(), bound.first().context("no socket")?);
        println!("ready");
        while let Some(incoming) = endpoint.accept().await {
            tokio::spawn(async move {
                if let Ok(connection) = incoming.await {
                    answer(&connection).await;
                }
            });
        }
        Ok(())
    }
}

async fn answer(connection: &Connection) {
    let whoami = WhoamiResponse { protocol_versions: vec![VERSION], about: None };
    let whoami = MetaResponse::Whoami(whoami);
    let refusal = || MetaResponse::error(ErrorCode::Unsupported, "only in a later version");
    while let Ok(Some(message)) = irpc_iroh::read_request::<MetaRequest>(connection).await {
        // Whoever doesn't wait for the answer misses it.
        let _ = match message {
            MetaMessage::Whoami(request) => request.tx.send(whoami.clone()).await,
            other => other.refuse(refusal()).await,
        };
    }
    connection.closed().await;
}

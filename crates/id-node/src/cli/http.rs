//! Where the HTTP server listens.
//!
//! Unless it is told where, on loopback and on a port that it keeps: the first time a free one, later the one of
//! the last run, as with the UDP port. A port that is the same for all nodes would belong to whichever of them
//! starts first, and a bookmark or a scraper would show another node after a restart, in silence. Whoever
//! needs to know the port gives it, and is told if it is taken.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use id_node::{data_dir::DataDir, http::Listen};
use tokio::net::TcpListener;
use tracing::warn;

/// `None` if there is to be no server.
pub(crate) async fn listen(
    wanted: Option<Listen>,
    dir: Option<&DataDir>,
) -> Result<Option<TcpListener>> {
    match wanted {
        Some(Listen::Off) => Ok(None),
        Some(Listen::At(addr)) => {
            if !addr.ip().is_loopback() {
                warn!(
                    %addr,
                    "HTTP isn't on loopback: whoever reaches it can read this node's id, topic and metrics, \
                     and names, ids and addresses of all peers; nobody is asked for a password"
                );
            }
            let listener = TcpListener::bind(addr).await;
            listener.map(Some).with_context(|| format!("--http: can't listen on {addr}"))
        }
        None => kept(dir).await.map(Some).context("can't listen on loopback: try --http off"),
    }
}

/// On loopback, where it was the last time, if that is free.
async fn kept(dir: Option<&DataDir>) -> Result<TcpListener> {
    let at = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let last = dir.and_then(DataDir::last_http_port);
    if let Some(port) = last
        && let Ok(listener) = TcpListener::bind(at(port)).await
    {
        return Ok(listener);
    }
    let listener = TcpListener::bind(at(0)).await?;
    let port = listener.local_addr()?.port();
    if let Some(Err(error)) = dir.map(|dir| dir.save_http_port(port)) {
        warn!(%error, "can't save the port of HTTP: after a restart it will be another");
    }
    Ok(listener)
}

//! A file from one process to another, as iroh-blobs' own example `transfer` brings it: what our way is
//! measured against.
//!
//! Its steps are the example's, one for one: everything in memory, the downloader, an export. Only the
//! address is told, because the services that would know it are on the internet. With `--store` it keeps the
//! file on disk, as a node does.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Args;
use iroh::{
    Endpoint, EndpointAddr, EndpointId, RelayMode,
    address_lookup::memory::MemoryLookup,
    endpoint::{PortmapperConfig, presets},
    protocol::Router,
};
use iroh_blobs::{
    BlobsProtocol, Hash,
    api::Store,
    store::{fs::FsStore, mem::MemStore},
};

/// The side that has the file.
#[derive(Debug, Args)]
pub(crate) struct Sender {
    file: PathBuf,
    /// Keep what is read in this directory, not in memory
    #[arg(long)]
    store: Option<PathBuf>,
}

/// The side that wants it.
#[derive(Debug, Args)]
pub(crate) struct Receiver {
    hash: Hash,
    from: EndpointId,
    at: SocketAddr,
    /// Where to put it
    file: PathBuf,
    /// Keep what comes in this directory, not in memory
    #[arg(long)]
    store: Option<PathBuf>,
}

impl Sender {
    /// Says `HASH ID ADDR` once the file is read, and serves it until it is killed.
    pub(crate) async fn run(&self) -> Result<()> {
        let endpoint = bind(MemoryLookup::new()).await?;
        let store = open(self.store.as_deref()).await?;
        let blobs = BlobsProtocol::new(&store, None);
        let tag = store.blobs().add_path(std::path::absolute(&self.file)?).await?;
        let at = *endpoint.bound_sockets().first().context("an endpoint without a socket")?;
        let router = Router::builder(endpoint.clone()).accept(iroh_blobs::ALPN, blobs).spawn();
        println!("{} {} {at}", tag.hash, endpoint.id());
        std::future::pending::<()>().await;
        Ok(router.shutdown().await?)
    }
}

impl Receiver {
    /// Returns once the file is there.
    pub(crate) async fn run(&self) -> Result<()> {
        let lookup = MemoryLookup::new();
        lookup.add_endpoint_info(EndpointAddr::new(self.from).with_ip_addr(self.at));
        let endpoint = bind(lookup).await?;
        let store = open(self.store.as_deref()).await?;
        store.downloader(&endpoint).download(self.hash, Some(self.from)).await?;
        store.blobs().export(self.hash, std::path::absolute(&self.file)?).await?;
        endpoint.close().await;
        Ok(())
    }
}

async fn open(dir: Option<&Path>) -> Result<Store> {
    Ok(match dir {
        Some(dir) => FsStore::load(dir).await?.into(),
        None => MemStore::new().into(),
    })
}

async fn bind(lookup: MemoryLookup) -> Result<Endpoint> {
    let builder = Endpoint::builder(presets::Minimal)
        .portmapper_config(PortmapperConfig::Disabled)
        .relay_mode(RelayMode::Disabled)
        .address_lookup(lookup)
        .clear_ip_transports();
    Ok(builder.bind_addr((Ipv4Addr::LOCALHOST, 0))?.bind().await?)
}

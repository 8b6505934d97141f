//! `id-node`: runs a node until it is told to stop.

mod cli;

use std::{io::Write, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use id_node::{
    Node, NodeConfig,
    data_dir::{DataDir, RuntimeFile},
    endpoint::{self, EndpointOptions},
};
use iroh::Endpoint;
use tokio::time::timeout;

use crate::cli::{
    Args, Settings, live, logging, memory,
    signals::{Asked, Signals},
};

fn main() -> ExitCode {
    let args = Args::read();
    let settings = match Settings::new(args) {
        Ok(settings) => settings,
        Err(error) => return fail(&error, cli::EXIT_USAGE),
    };
    logging::install(&settings);
    match run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, cli::EXIT_FAILURE),
    }
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(code)
}

fn run(settings: Settings) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("can't start the runtime")?;
    let outcome = runtime.block_on(run_node(settings));
    // A name lookup of the system's can't be cancelled, and may take half a minute.
    runtime.shutdown_background();
    outcome
}

async fn run_node(settings: Settings) -> Result<()> {
    // Before anything else, so that no moment is left in which a signal ends us without a goodbye.
    let signals = Signals::listen()?;
    let data_dir = settings.data_dir.as_deref().map(DataDir::open).transpose()?.map(Arc::new);
    let secret_key = data_dir.as_ref().map(|dir| dir.identity()).transpose()?;
    let options = EndpointOptions {
        secret_key,
        bind: settings.bind,
        // Peers will look for us where we were.
        preferred_port: data_dir.as_ref().and_then(|dir| dir.last_port()),
        relay: settings.relay.clone(),
    };
    let endpoint = endpoint::bind(options).await.context("can't bind the endpoint")?;

    let stopped = serve(endpoint.clone(), &settings, data_dir, signals).await;
    match stopped {
        // Whoever asks twice doesn't want to wait for peers to acknowledge anything.
        Ok(Stopped::AtOnce) => drop(timeout(Duration::from_millis(50), endpoint.close()).await),
        _ => endpoint.close().await,
    }
    stopped.map(|_| ())
}

/// How a node was ended.
enum Stopped {
    /// With a goodbye to its peers.
    Gracefully,
    /// By a second signal.
    AtOnce,
}

async fn serve(
    endpoint: Endpoint,
    settings: &Settings,
    data_dir: Option<Arc<DataDir>>,
    signals: Signals,
) -> Result<Stopped> {
    let config = NodeConfig {
        name: settings.name.clone(),
        bootstrap: settings.bootstrap.clone(),
        gossip: settings.gossip,
        dht: settings.dht.clone(),
        mdns: settings.mdns,
        bootstrap_dns: settings.bootstrap_dns.clone(),
        announce_addrs: settings.announce_addrs,
        membership: settings.membership(settings.live.access(data_dir.as_deref())?),
        data_dir: data_dir.clone(),
        ..NodeConfig::new(settings.network.clone())
    };
    let node = Node::spawn(endpoint, config).await?;
    let Some(dir) = data_dir else {
        return serve_until_stopped(node, settings, None, signals).await;
    };
    if let Err(error) = dir.write_runtime_file(&runtime_file(&node)) {
        node.shutdown().await;
        return Err(error.into());
    }
    save_port(&node, &dir);
    let stopped = serve_until_stopped(node, settings, Some(&dir), signals).await;
    dir.remove_runtime_file()?;
    stopped
}

async fn serve_until_stopped(
    node: Node,
    settings: &Settings,
    dir: Option<&DataDir>,
    mut signals: Signals,
) -> Result<Stopped> {
    if let Err(error) = print_startup(&node, settings) {
        node.shutdown().await;
        return Err(error);
    }
    let memory = tokio::spawn(memory::give_back());
    while signals.next().await == Asked::Reload {
        tokio::select! {
            () = live::reload(&node, settings, dir) => {}
            () = signals.stop() => break,
        }
    }
    memory.abort();
    tokio::select! {
        () = node.shutdown() => Ok(Stopped::Gracefully),
        () = signals.stop() => {
            tracing::warn!("told twice to stop, leaving without a goodbye");
            Ok(Stopped::AtOnce)
        }
    }
}

fn save_port(node: &Node, dir: &DataDir) {
    let bound = node.endpoint().bound_sockets();
    let saved = bound.first().map(|addr| dir.save_port(addr.port()));
    if let Some(Err(error)) = saved {
        tracing::warn!(%error, "can't save the port: after a restart, peers will look elsewhere");
    }
}

fn print_startup(node: &Node, settings: &Settings) -> Result<()> {
    let peers = match settings.gossip {
        true => format!("gossip enabled (topic: {})", node.network().topic()),
        false => "gossip disabled (--no-gossip)".to_owned(),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "node id: {}\npeers: {peers}\nticket: {}", node.id(), node.ticket())
        .and_then(|()| out.flush())
        .context("can't print the startup lines")
}

fn runtime_file(node: &Node) -> RuntimeFile {
    RuntimeFile {
        node_id: node.id(),
        addrs: cli::local_addrs(&node.endpoint().bound_sockets()),
        pid: std::process::id(),
        topic: node.network().topic().to_owned(),
        network_tag: node.network().tag().to_string(),
    }
}

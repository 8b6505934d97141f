//! `id-node`: runs a node until it is told to stop.

mod cli;

use std::{io::Write, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use id_node::{
    Node, NodeConfig,
    config_file::LogFormat,
    data_dir::{DataDir, RuntimeFile},
    endpoint::{self, EndpointOptions},
    http::HttpServer,
};
use iroh::Endpoint;
use tokio::{net::TcpListener, time::timeout};

use crate::cli::{
    Args, Command, Config, Given, Settings, advice, http,
    logging::{self, Logger},
    memory, papers,
    reload::Reloader,
    show::Shown,
    signals::{Asked, Signals},
    supervisor,
};

/// How long the endpoint may still take to close at the very end. Origin: as long as nobody notices.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let given = Given::read();
    match &given.args.command {
        None => with_settings(&given, run),
        Some(Command::Config(Config::Show(how))) => {
            with_settings(&given, |settings| show(settings, how.json))
        }
        Some(Command::Completions { shell }) => {
            ended(LogFormat::Text, papers::completions(Args::command_line(), *shell))
        }
        Some(Command::Man { dir }) => {
            ended(LogFormat::Text, papers::man(Args::command_line(), dir))
        }
    }
}

fn with_settings(given: &Given, work: impl FnOnce(&Settings) -> Result<()>) -> ExitCode {
    let settings = match Settings::new(given) {
        Ok(settings) => settings,
        Err(error) => {
            // What the file says isn't known.
            logging::say_error(given.args.options.log_format.unwrap_or_default(), &error);
            return ExitCode::from(cli::EXIT_USAGE);
        }
    };
    ended(settings.log_format, work(&settings))
}

fn ended(log_format: LogFormat, outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::say_error(log_format, &error);
            ExitCode::from(cli::EXIT_FAILURE)
        }
    }
}

fn show(settings: &Settings, json: bool) -> Result<()> {
    let shown = Shown::new(settings);
    let text = if json { shown.to_json() } else { shown.to_toml() };
    std::io::stdout().write_all(text.as_bytes()).context("can't print the settings")
}

fn run(settings: &Settings) -> Result<()> {
    let logger = Logger::install(settings.log_format, settings.live.log_level);
    let runtime = tokio::runtime::Runtime::new().context("can't start the runtime")?;
    let outcome = runtime.block_on(run_node(settings, &logger)).map_err(advice::add);
    // A name lookup of the system's can't be cancelled, and may take half a minute.
    runtime.shutdown_background();
    outcome
}

async fn run_node(settings: &Settings, logger: &Logger) -> Result<()> {
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
    let listener = http::listen(settings.http, data_dir.as_deref()).await?;
    let endpoint = endpoint::bind(options).await.context("can't bind the endpoint")?;

    let stopped = serve(endpoint.clone(), listener, settings, logger, data_dir, signals).await;
    // A node that stopped has waited for its peers already, and whoever asks twice doesn't want to.
    let _ = timeout(CLOSE_TIMEOUT, endpoint.close()).await;
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
    listener: Option<TcpListener>,
    settings: &Settings,
    logger: &Logger,
    data_dir: Option<Arc<DataDir>>,
    signals: Signals,
) -> Result<Stopped> {
    let config = NodeConfig {
        name: settings.live.name.clone(),
        bootstrap: settings.live.bootstrap.clone(),
        gossip: settings.gossip,
        dht: settings.dht.clone(),
        mdns: settings.mdns,
        bootstrap_dns: settings.bootstrap_dns.clone(),
        announce_addrs: settings.announce_addrs,
        membership: settings.membership(settings.live.access(data_dir.as_deref())?),
        #[cfg(feature = "blobs")]
        blobs: settings.blobs.then(|| cli::blob_store(data_dir.as_deref())),
        data_dir: data_dir.clone(),
        ..NodeConfig::new(settings.network.clone())
    };
    let node = Node::spawn(endpoint, config).await?;
    let http = listener.map(|listener| node.serve_http(listener, settings.http_host.clone()));
    let http = http.transpose().context("--http")?;
    let Some(dir) = data_dir else {
        return serve_until_stopped(node, http, settings, logger, None, signals).await;
    };
    if let Err(error) = dir.write_runtime_file(&runtime_file(&node, http.as_ref())) {
        node.shutdown().await;
        return Err(error.into());
    }
    save_port(&node, &dir);
    let stopped = serve_until_stopped(node, http, settings, logger, Some(&dir), signals).await;
    dir.remove_runtime_file()?;
    stopped
}

async fn serve_until_stopped(
    node: Node,
    http: Option<HttpServer>,
    settings: &Settings,
    logger: &Logger,
    dir: Option<&DataDir>,
    mut signals: Signals,
) -> Result<Stopped> {
    if let Err(error) = print_startup(&node, http.as_ref(), settings) {
        node.shutdown().await;
        return Err(error);
    }
    supervisor::ready();
    let memory = tokio::spawn(memory::give_back());
    tokio::select! {
        () = heed(&mut signals, Reloader::new(&node, dir, logger, settings.clone())) => {}
        never = supervisor::watch(&node) => match never {},
    }
    supervisor::stopping();
    memory.abort();
    let shutdown = async {
        let http = async {
            if let Some(http) = http {
                http.shutdown().await
            }
        };
        tokio::join!(http, node.shutdown());
    };
    tokio::select! {
        () = shutdown => Ok(Stopped::Gracefully),
        () = signals.stop() => {
            tracing::warn!("told twice to stop, leaving without a goodbye");
            Ok(Stopped::AtOnce)
        }
    }
}

/// Does what signals ask for, until one asks to stop.
async fn heed(signals: &mut Signals, mut reloader: Reloader<'_>) {
    while signals.next().await == Asked::Reload {
        supervisor::reloading();
        tokio::select! {
            () = reloader.reload() => supervisor::ready(),
            () = signals.stop() => return,
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

fn print_startup(node: &Node, http: Option<&HttpServer>, settings: &Settings) -> Result<()> {
    let peers = match settings.gossip {
        true => format!("gossip enabled (topic: {})", node.network().topic()),
        false => "gossip disabled (--no-gossip)".to_owned(),
    };
    let http = match http {
        Some(http) => format!("http://{}/peers", cli::local_addr(http.addr())),
        None => "disabled (--http off)".to_owned(),
    };
    let (id, ticket) = (node.id(), node.ticket());
    let mut out = std::io::stdout().lock();
    writeln!(out, "node id: {id}\npeers: {peers}\nticket: {ticket}\nhttp: {http}")
        .and_then(|()| out.flush())
        .context("can't print the startup lines")
}

fn runtime_file(node: &Node, http: Option<&HttpServer>) -> RuntimeFile {
    RuntimeFile {
        node_id: node.id(),
        addrs: cli::local_addrs(&node.endpoint().bound_sockets()),
        pid: std::process::id(),
        topic: node.network().topic().to_owned(),
        network_tag: node.network().tag().to_string(),
        http: http.map(|http| cli::local_addr(http.addr())),
    }
}

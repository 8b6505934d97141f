//! What the flags, the environment and the configuration file amount to.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use id_node::{
    AccessList, AnnounceAddrs, DhtBootstrap,
    config::{check_name, parse_dns_names, read_secret},
    config_file::{ConfigFile, LogFormat},
    data_dir::default_data_dir,
    endpoint::Relay,
    http::{HostNames, Listen},
    membership::MembershipConfig,
};
use id_proto::{
    Invitation, Network, PeerRef, Ticket, iroh_base::EndpointAddr, limits::INTERVAL_SECS,
};

use super::{
    args::{Args, Options},
    live::Live,
};

/// Settings in force, checked.
#[derive(Debug)]
pub struct Settings {
    /// `None`: nothing on disk.
    pub data_dir: Option<PathBuf>,
    /// What others shall call the node.
    pub name: Option<String>,
    /// The network to join.
    pub network: Network,
    /// Peers to join through.
    pub bootstrap: Vec<EndpointAddr>,
    /// Whether to join the topic.
    pub gossip: bool,
    /// The DHT to look for peers in.
    pub dht: Option<DhtBootstrap>,
    /// Whether to look on the local network.
    pub mdns: bool,
    /// Names to ask the DNS for.
    pub bootstrap_dns: Vec<String>,
    /// Which relays to use.
    pub relay: Relay,
    /// Where to listen.
    pub bind: Option<SocketAddr>,
    /// Which addresses to announce.
    pub announce_addrs: AnnounceAddrs,
    /// How often to announce.
    pub announce_interval: Duration,
    /// `None`: on loopback, where it was the last time.
    pub http: Option<Listen>,
    /// Names by which the pages may be asked for.
    pub http_host: HostNames,
    /// How to log.
    pub log_format: LogFormat,
    /// How much more to log.
    pub verbose: u8,
    /// What may change while the node runs, …
    pub live: Live,
    /// … and what it is read from again.
    pub(crate) args: Args,
}

impl Settings {
    /// Makes sense of what is given.
    pub fn new(args: Args) -> Result<Self> {
        let options = args.options()?;
        let live = Live::new(&options)?;
        let bootstrap = parse_bootstrap(options.bootstrap.as_deref())?;
        let network = network(&options, &bootstrap)?;
        check_tickets(&bootstrap, &network)?;
        check_admitted(&bootstrap, &live.access)?;
        Ok(Self {
            data_dir: data_dir(&options)?,
            name: name(options.name)?,
            bootstrap: bootstrap.iter().flat_map(|peer| peer.addrs()).cloned().collect(),
            gossip: !options.no_gossip.unwrap_or(false),
            dht: dht(options.no_dht, options.dht_bootstrap.as_deref(), &network)?,
            mdns: mdns(options.no_mdns, options.bind),
            bootstrap_dns: bootstrap_dns(options.bootstrap_dns.as_deref())?,
            relay: relay(options.relay, options.no_relay, &network)?,
            bind: options.bind,
            announce_addrs: options.announce_addrs.unwrap_or_default(),
            announce_interval: announce_interval(options.announce_interval)?,
            http: options.http,
            http_host: http_host(options.http_host.as_deref())?,
            log_format: options.log_format.unwrap_or_default(),
            verbose: args.verbose,
            network,
            live,
            args,
        })
    }

    /// The membership's knobs, with the lists as `access` says.
    pub fn membership(&self, access: AccessList) -> MembershipConfig {
        MembershipConfig {
            announce_interval: self.announce_interval,
            access,
            ..MembershipConfig::new(&self.network)
        }
    }
}

impl Args {
    /// What is set by flags, variables and, as it is now, the configuration file.
    pub(super) fn options(&self) -> Result<Options> {
        let from_file = self.config.as_deref().map(read_config).transpose()?;
        Ok(self.options.clone().or(from_file.unwrap_or_default()))
    }
}

fn read_config(path: &Path) -> Result<Options> {
    let file = ConfigFile::read(path).with_context(|| format!("--config {}", path.display()));
    file.map(Options::from)
}

fn data_dir(options: &Options) -> Result<Option<PathBuf>> {
    if options.ephemeral.unwrap_or(false) {
        return Ok(None);
    }
    let dir = options.data_dir.clone().or_else(default_data_dir);
    dir.map(Some).context("no home directory: give a --data-dir, or --ephemeral")
}

fn name(name: Option<String>) -> Result<Option<String>> {
    name.as_deref().map_or(Ok(()), check_name).map_err(|why| anyhow::anyhow!("--name: {why}"))?;
    Ok(name)
}

fn announce_interval(secs: Option<u32>) -> Result<Duration> {
    let secs = secs.unwrap_or(30);
    let (min, max) = (INTERVAL_SECS.start(), INTERVAL_SECS.end());
    ensure!(INTERVAL_SECS.contains(&secs), "--announce-interval {secs}: {min} to {max} seconds");
    Ok(Duration::from_secs(secs.into()))
}

fn http_host(list: Option<&str>) -> Result<HostNames> {
    list.unwrap_or_default().parse().context("--http-host")
}

fn dht(
    no_dht: Option<bool>,
    bootstrap: Option<&str>,
    network: &Network,
) -> Result<Option<DhtBootstrap>> {
    Ok(match (no_dht, bootstrap) {
        (Some(true), Some(_)) => bail!("--no-dht and --dht-bootstrap exclude each other"),
        (_, Some(list)) => Some(DhtBootstrap::Private(host_ports(list)?)),
        (Some(true), None) => None,
        // A private network contacts no third party unless it is told to.
        (None, None) if network.is_private() => None,
        _ => Some(DhtBootstrap::Public),
    })
}

fn host_ports(list: &str) -> Result<Vec<String>> {
    let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
    let items: Vec<_> = items.map(str::to_owned).collect();
    let is_host_port = |item: &&String| match item.rsplit_once(':') {
        Some((host, port)) => !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0),
        None => false,
    };
    if let Some(wrong) = items.iter().find(|item| !is_host_port(item)) {
        bail!("--dht-bootstrap: `{wrong}` is no host:port");
    }
    ensure!(!items.is_empty(), "--dht-bootstrap: at least one host:port is expected");
    Ok(items)
}

/// Who listens only to this machine has nothing to tell the local network.
fn mdns(no_mdns: Option<bool>, bind: Option<SocketAddr>) -> bool {
    let is_loopback = bind.is_some_and(|addr| addr.ip().is_loopback());
    !no_mdns.unwrap_or(is_loopback)
}

fn bootstrap_dns(list: Option<&str>) -> Result<Vec<String>> {
    let names = list.map(parse_dns_names).transpose();
    let names = names.map_err(|why| anyhow::anyhow!("--bootstrap-dns: {why}"))?;
    Ok(names.unwrap_or_default())
}

fn relay(relay: Option<Relay>, no_relay: Option<bool>, network: &Network) -> Result<Relay> {
    let no_relay = no_relay.unwrap_or(false);
    Ok(match relay {
        Some(Relay::Disabled) => Relay::Disabled,
        Some(_) if no_relay => bail!("--relay and --no-relay exclude each other"),
        Some(relay) => relay,
        // A private network contacts no third party unless it is told to.
        None if no_relay || network.is_private() => Relay::Disabled,
        None => Relay::Default,
    })
}

fn network(options: &Options, bootstrap: &[PeerRef]) -> Result<Network> {
    let secret = secret(options)?;
    let names = Invitation::choose(options.topic.as_deref(), secret.as_deref(), bootstrap);
    names.network().context("--topic")
}

fn secret(options: &Options) -> Result<Option<String>> {
    match (&options.topic_secret, &options.topic_secret_file) {
        (Some(_), Some(_)) => bail!("--topic-secret and --topic-secret-file exclude each other"),
        (Some(secret), None) => Ok(Some(secret.clone())),
        (None, Some(file)) => read_secret_file(file).map(Some),
        (None, None) => {
            let credential = std::env::var_os("CREDENTIALS_DIRECTORY")
                .map(|dir| Path::new(&dir).join("topic-secret"))
                .filter(|file| file.exists());
            credential.as_deref().map(read_secret_file).transpose()
        }
    }
}

fn read_secret_file(file: &Path) -> Result<String> {
    read_secret(file).with_context(|| format!("--topic-secret-file {}", file.display()))
}

fn parse_bootstrap(list: Option<&str>) -> Result<Vec<PeerRef>> {
    PeerRef::parse_list(list.unwrap_or_default()).context("--bootstrap")
}

fn check_tickets(bootstrap: &[PeerRef], network: &Network) -> Result<()> {
    for peer in bootstrap {
        if let PeerRef::Ticket(Ticket { network_tag, .. }) = peer
            && *network_tag != network.tag()
        {
            let own = network.tag();
            bail!(
                "--bootstrap: the ticket is for network {network_tag}, and this topic and secret \
                 make network {own}: give those that it was made with"
            );
        }
    }
    Ok(())
}

/// Whoever is to be joined through can't be one to have nothing to do with.
fn check_admitted(bootstrap: &[PeerRef], access: &AccessList) -> Result<()> {
    let mut peers = bootstrap.iter().flat_map(PeerRef::addrs).map(|peer| peer.id);
    let Some(peer) = peers.find(|peer| !access.admits(peer)) else {
        return Ok(());
    };
    match access.deny.contains(&peer) {
        true => bail!("--bootstrap: {peer} is denied by --deny or --deny-file"),
        false => bail!("--bootstrap: {peer} is neither in --allow nor in --allow-file"),
    }
}

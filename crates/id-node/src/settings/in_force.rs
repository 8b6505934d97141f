//! What the flags, the environment and the configuration file amount to.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use id_proto::{DEFAULT_TOPIC, Invitation, Network, PeerRef, Ticket, limits::INTERVAL_SECS};

use crate::{
    AccessList, AnnounceAddrs, DhtBootstrap,
    config::{parse_dns_names, read_secret},
    config_file::LogFormat,
    data_dir::default_data_dir,
    endpoint::Relay,
    http::{HostNames, Listen},
    membership::MembershipConfig,
};

use super::{
    args::Options,
    given::{Given, Layers, Origin},
    live::Live,
};

/// Settings in force, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `None`: nothing on disk.
    pub data_dir: Option<PathBuf>,
    pub network: Network,
    pub gossip: bool,
    pub dht: Option<DhtBootstrap>,
    pub blobs: bool,
    pub mdns: bool,
    pub bootstrap_dns: Vec<String>,
    pub relay: Relay,
    pub bind: Option<SocketAddr>,
    pub announce_addrs: AnnounceAddrs,
    pub announce_interval: Duration,
    /// `None`: on loopback, where it was the last time.
    pub http: Option<Listen>,
    pub http_host: HostNames,
    pub log_format: LogFormat,
    /// What may change while the node runs.
    pub live: Live,
    /// What all of it was made of.
    pub layers: Layers,
}

impl Settings {
    pub fn new(given: &Given) -> Result<Self> {
        let layers = given.with_file()?;
        let bootstrap = parse_bootstrap(layers.options.bootstrap.as_deref())?;
        let network = network(&layers.options, &bootstrap)?;
        let settings = Self::of(layers, network)?;
        check_admitted(&bootstrap, &settings.live.access)?;
        Ok(settings)
    }

    /// The settings as they would be after a restart, but for the network and the lists' verdict on whom to
    /// join through.
    pub fn again(given: &Given, network: Network) -> Result<Self> {
        Self::of(given.with_file()?, network)
    }

    fn of(layers: Layers, network: Network) -> Result<Self> {
        let options = &layers.options;
        Ok(Self {
            data_dir: data_dir(options)?,
            gossip: !options.no_gossip.unwrap_or(false),
            blobs: cfg!(feature = "blobs") && !options.no_blobs.unwrap_or(false),
            dht: dht(options.no_dht, options.dht_bootstrap.as_deref(), &network)?,
            mdns: mdns(options.no_mdns, options.bind),
            bootstrap_dns: bootstrap_dns(options.bootstrap_dns.as_deref())?,
            relay: relay(options.relay.clone(), options.no_relay, &network)?,
            bind: options.bind,
            announce_addrs: options.announce_addrs.unwrap_or_default(),
            announce_interval: announce_interval(options.announce_interval)?,
            http: options.http,
            http_host: http_host(options.http_host.as_deref())?,
            log_format: options.log_format.unwrap_or_default(),
            live: Live::new(options, &network)?,
            network,
            layers,
        })
    }

    /// The options that amount to these settings, those that weren't set too. Secrets are among them.
    pub fn in_force(&self) -> Options {
        let given = self.layers.options.clone();
        Options {
            data_dir: self.data_dir.clone(),
            ephemeral: Some(self.data_dir.is_none()),
            name: self.live.name.clone(),
            topic: Some(self.network.topic().to_owned()),
            topic_secret: given.topic_secret,
            topic_secret_file: given.topic_secret_file,
            bootstrap: given.bootstrap,
            deny: given.deny,
            deny_file: given.deny_file,
            allow: given.allow,
            allow_file: given.allow_file,
            operator: given.operator,
            allow_write: given.allow_write,
            no_blobs: Some(!self.blobs),
            no_gossip: Some(!self.gossip),
            no_dht: Some(self.dht.is_none()),
            dht_bootstrap: given.dht_bootstrap,
            no_mdns: Some(!self.mdns),
            bootstrap_dns: given.bootstrap_dns,
            relay: Some(self.relay.clone()),
            no_relay: Some(self.relay == Relay::Disabled),
            bind: self.bind,
            http: self.http,
            http_host: given.http_host,
            announce_addrs: Some(self.announce_addrs),
            announce_interval: u32::try_from(self.announce_interval.as_secs()).ok(),
            log_format: Some(self.log_format),
            log_level: Some(self.live.log_level),
        }
    }

    /// Where the value of an option comes from.
    pub fn origin(&self, key: &str) -> Origin {
        let options = &self.layers.options;
        let has_secret = options.topic_secret.is_some() || options.topic_secret_file.is_some();
        match (key, self.layers.origin(key)) {
            ("data-dir", Origin::Default) if is_set(STATE_DIRECTORY) => {
                Origin::Manager(STATE_DIRECTORY)
            }
            ("topic-secret", Origin::Default) if !has_secret && credential().is_some() => {
                Origin::Manager(CREDENTIALS_DIRECTORY)
            }
            ("topic-secret", Origin::Default) if !has_secret && self.network.is_private() => {
                Origin::Ticket
            }
            ("topic", Origin::Default) if self.network.topic() != DEFAULT_TOPIC => Origin::Ticket,
            (_, origin) => origin,
        }
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

const STATE_DIRECTORY: &str = "STATE_DIRECTORY";
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

fn data_dir(options: &Options) -> Result<Option<PathBuf>> {
    if options.ephemeral.unwrap_or(false) {
        return Ok(None);
    }
    let dir = options.data_dir.clone().or_else(default_data_dir);
    dir.map(Some).context("no home directory: give a --data-dir, or --ephemeral")
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
        (None, None) => credential().as_deref().map(read_secret_file).transpose(),
    }
}

/// The file with the secret that systemd has handed over.
fn credential() -> Option<PathBuf> {
    let dir = std::env::var_os(CREDENTIALS_DIRECTORY)?;
    Some(Path::new(&dir).join("topic-secret")).filter(|file| file.exists())
}

fn read_secret_file(file: &Path) -> Result<String> {
    read_secret(file).with_context(|| format!("--topic-secret-file {}", file.display()))
}

pub(super) fn parse_bootstrap(list: Option<&str>) -> Result<Vec<PeerRef>> {
    PeerRef::parse_list(list.unwrap_or_default()).context("--bootstrap")
}

pub(super) fn check_tickets(bootstrap: &[PeerRef], network: &Network) -> Result<()> {
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

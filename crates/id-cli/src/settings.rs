//! What the arguments, the environment and this machine's node amount to. Nobody looks at flags
//! after this.

mod blobs;
mod handover;
mod watch;

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use id_client::{
    Depth, Limits,
    id_proto::{
        Invitation, Network, PeerRef, Ticket,
        iroh_base::{EndpointAddr, PublicKey, SecretKey},
    },
};
use id_node::{config::read_secret, endpoint::Relay};

use crate::{
    cli::{At, CrawlArgs, ExplainArgs, NetworkArgs, PeersArgs, PingArgs, StatusArgs, TicketArgs},
    exit::Stop,
    output::{EdgeUse, Format},
    progress::ProgressMode,
    source::{LocalNode, Source, Wanted, other_network},
};

pub(crate) use self::{
    blobs::{GetSettings, Purpose, PutSettings, Sources, Target, ToPut, blob_key, if_taken},
    handover::{Handover, Receiver},
    watch::WatchSettings,
};

/// Settings of `peers`.
#[derive(Debug)]
pub(crate) struct PeersSettings {
    pub(crate) wanted: Wanted,
    pub(crate) source: Source,
    pub(crate) network: Network,
    pub(crate) relay: Relay,
    /// As whom to ask; as somebody new, if there is none.
    pub(crate) key: Option<SecretKey>,
    /// Whether a listener looks for nodes on the local network.
    pub(crate) mdns: bool,
    /// Names that a listener asks the DNS for.
    pub(crate) bootstrap_dns: Vec<String>,
    pub(crate) limits: Limits,
    pub(crate) min_peers: usize,
    /// Whether to compare views.
    pub(crate) check: bool,
    /// Whether who named whom is printed.
    pub(crate) shows_edges: bool,
    /// Where what is found is noted, and was noted by a crawl that was killed.
    pub(crate) resume: Option<PathBuf>,
    /// Whom what is found is handed to.
    pub(crate) handover: Option<Handover>,
    pub(crate) format: Format,
    pub(crate) progress: ProgressMode,
}

/// Settings of the commands that ask one node.
#[derive(Debug)]
pub(crate) struct AskSettings {
    /// The node, or those that its ticket names: the first that answers is meant.
    pub(crate) nodes: Vec<EndpointAddr>,
    pub(crate) network: Network,
    pub(crate) relay: Relay,
    /// As whom to ask; as somebody new, if there is none.
    pub(crate) key: Option<SecretKey>,
    pub(crate) timeout: Duration,
}

impl PeersSettings {
    pub(crate) fn new(args: PeersArgs) -> Result<Self> {
        let bootstrap = bootstrap(&args.crawl);
        let network = network(&args.network, args.node.iter().chain(&bootstrap))?;
        let wanted = match (args.rpc, args.gossip) {
            (true, _) => Wanted::Rpc,
            (_, true) => Wanted::Gossip,
            _ => Wanted::Either,
        };
        let node = args.node.as_ref().map(PeerRef::addrs);
        let more = bootstrap.iter().flat_map(PeerRef::addrs).cloned().collect();
        let format = if args.json { Format::Json } else { args.format };
        let mut key = None;
        let local = || {
            let local = LocalNode::find(args.network.data_dir.as_deref())?;
            key = local.key();
            Ok(local)
        };
        let handover = handover::handover(&args, &network)?;
        let asks = args.check || args.resume.is_some();
        let wanted = if asks { Wanted::Rpc } else { wanted };
        let shows_edges = shows_edges(format, args.edges)?;
        Ok(Self {
            wanted,
            source: Source::choose(wanted, node, more, local, &network)?,
            key,
            relay: relay(&args.network, &network)?,
            network,
            mdns: !args.no_mdns,
            bootstrap_dns: args.bootstrap_dns.map(|names| names.0).unwrap_or_default(),
            limits: Limits {
                max_edges: if shows_edges || args.check { MAX_EDGES } else { 0 },
                ..limits(&args.crawl)
            },
            min_peers: args.min_peers,
            check: args.check,
            shows_edges,
            resume: args.resume,
            handover,
            format,
            progress: args.progress,
        })
    }
}

impl AskSettings {
    fn new(node: Option<PeerRef>, timeout: Duration, args: &NetworkArgs) -> Result<Self> {
        let network = network(args, node.iter())?;
        Self::in_network(network, node.as_ref(), timeout, args)
    }

    fn in_network(
        network: Network,
        node: Option<&PeerRef>,
        timeout: Duration,
        args: &NetworkArgs,
    ) -> Result<Self> {
        let (nodes, key) = match node {
            Some(node) => (node.addrs().to_vec(), None),
            None => {
                let local = LocalNode::find(args.data_dir.as_deref())?;
                (vec![local.required(&network)?], local.key())
            }
        };
        Ok(Self { nodes, relay: relay(args, &network)?, key, network, timeout })
    }
}

/// Settings of `explain`.
#[derive(Debug)]
pub(crate) struct ExplainSettings {
    /// Whom it is about.
    pub(crate) peer: PublicKey,
    pub(crate) ask: AskSettings,
}

impl ExplainSettings {
    pub(crate) fn new(args: &ExplainArgs) -> Result<Self> {
        let at = match &args.at {
            At::Local => None,
            At::Node(node) => Some(node),
        };
        let network = network(&args.network, at.into_iter().chain([&args.node]))?;
        Ok(Self {
            peer: only_one(&args.node)?,
            ask: AskSettings::in_network(network, at, args.timeout, &args.network)?,
        })
    }
}

fn only_one(peer: &PeerRef) -> Result<PublicKey, Stop> {
    match peer.addrs() {
        [one] => Ok(one.id),
        several => {
            let n = several.len();
            Err(Stop::usage(format!("the ticket names {n} peers, and one is explained at a time"))
                .with_hint("name it by its node id"))
        }
    }
}

/// Settings of `ticket`.
#[derive(Debug)]
pub(crate) struct TicketSettings {
    pub(crate) ask: AskSettings,
    /// What the ticket also holds, if it is to let its holder in by itself.
    pub(crate) invitation: Option<Invitation>,
}

impl TicketSettings {
    pub(crate) fn new(args: &TicketArgs) -> Result<Self> {
        let ask = AskSettings::new(args.node.clone(), args.timeout, &args.network)?;
        let invitation = match args.with_secret {
            true if !ask.network.is_private() => {
                return Err(Stop::usage("the public network has no secret")
                    .with_hint("leave --with-secret out, or give --topic and --topic-secret-file")
                    .into());
            }
            true => Some(names(&args.network, args.node.iter())?),
            false => None,
        };
        Ok(Self { ask, invitation })
    }
}

impl TryFrom<&StatusArgs> for AskSettings {
    type Error = anyhow::Error;

    fn try_from(args: &StatusArgs) -> Result<Self> {
        Self::new(args.node.clone(), args.timeout, &args.network)
    }
}

impl TryFrom<&PingArgs> for AskSettings {
    type Error = anyhow::Error;

    fn try_from(args: &PingArgs) -> Result<Self> {
        let NetworkArgs { topic, .. } = &args.network;
        let names_none = topic.is_none() && secret(&args.network)?.is_none();
        match &args.node {
            None if names_none => Self::of_this_machine(args),
            node => Self::new(node.clone(), args.timeout, &args.network),
        }
    }
}

impl AskSettings {
    /// Whether a node is there it tells anybody, so its network needn't be known; and nobody else is
    /// contacted to ask one on this machine.
    fn of_this_machine(args: &PingArgs) -> Result<Self> {
        let local = LocalNode::find(args.network.data_dir.as_deref())?;
        let has_relay = args.network.relay.is_some() || env::var_os("ID_CLI_RELAY").is_some();
        let network = Network::public();
        Ok(Self {
            nodes: vec![local.addr().ok_or_else(|| local.missing())?],
            key: local.key(),
            relay: if has_relay { relay(&args.network, &network)? } else { Relay::Disabled },
            network,
            timeout: args.timeout,
        })
    }
}

/// Most edges that are kept and printed. Origin: a thousand peers, the default of --max-peers, that all
/// know each other; as JSON it is 160 MB.
const MAX_EDGES: usize = 1_000_000;

fn shows_edges(format: Format, is_asked_for: bool) -> Result<bool, Stop> {
    match (format.edges(), is_asked_for) {
        (EdgeUse::Never, true) => Err(Stop::usage("--edges: the format has no place for edges")
            .with_hint("give --format json, jsonl, dot, graphml or svg")),
        (EdgeUse::Never, false) | (EdgeUse::IfAsked, false) => Ok(false),
        (EdgeUse::IfAsked, true) | (EdgeUse::Always, _) => Ok(true),
    }
}

fn bootstrap(args: &CrawlArgs) -> Vec<PeerRef> {
    args.bootstrap.iter().flat_map(|list| list.0.iter().cloned()).collect()
}

fn limits(args: &CrawlArgs) -> Limits {
    Limits {
        max_depth: depth(args.depth),
        max_peers: args.max_peers,
        concurrency: args.concurrency,
        timeout: args.timeout,
        ..Limits::default()
    }
}

/// The argument's parser lets nothing below -1 through.
fn depth(depth: i32) -> Depth {
    u32::try_from(depth).map_or(Depth::Unlimited, Depth::Hops)
}

/// The network of the arguments, else that of a ticket that invites, else the public one. All
/// tickets must be for it.
fn network<'a>(args: &NetworkArgs, peers: impl Iterator<Item = &'a PeerRef>) -> Result<Network> {
    let peers: Vec<&PeerRef> = peers.collect();
    let network = names(args, peers.iter().copied())?.network().map_err(Stop::usage)?;
    let mut tickets = peers.into_iter().filter_map(ticket);
    match tickets.find(|ticket| ticket.network_tag != network.tag()) {
        Some(other) => {
            Err(other_network("the ticket", &other.network_tag.to_string(), &network).into())
        }
        None => Ok(network),
    }
}

/// The topic and the secret that are meant.
fn names<'a>(args: &NetworkArgs, peers: impl Iterator<Item = &'a PeerRef>) -> Result<Invitation> {
    let secret = secret(args)?;
    Ok(Invitation::choose(args.topic.as_deref(), secret.as_deref(), peers))
}

fn ticket(peer: &PeerRef) -> Option<&Ticket> {
    match peer {
        PeerRef::Ticket(ticket) => Some(ticket),
        PeerRef::Addr(_) => None,
    }
}

fn secret(args: &NetworkArgs) -> Result<Option<String>> {
    match (&args.topic_secret, &args.topic_secret_file) {
        (Some(secret), _) => return Ok(Some(secret.clone())),
        (None, Some(file)) => return read_secret_file(file).map(Some),
        (None, None) => {}
    }
    match (env::var_os("ID_CLI_TOPIC_SECRET"), env::var_os("ID_CLI_TOPIC_SECRET_FILE")) {
        (Some(_), Some(_)) => Err(Stop::usage(
            "ID_CLI_TOPIC_SECRET and ID_CLI_TOPIC_SECRET_FILE are both set; unset one",
        )
        .into()),
        (Some(secret), None) => Ok(Some(unicode("ID_CLI_TOPIC_SECRET", secret)?)),
        (None, Some(file)) => read_secret_file(Path::new(&file)).map(Some),
        (None, None) => Ok(None),
    }
}

fn read_secret_file(path: &Path) -> Result<String> {
    read_secret(path)
        .with_context(|| format!("can't read the topic secret from {}", path.display()))
}

fn relay(args: &NetworkArgs, network: &Network) -> Result<Relay> {
    match (&args.relay, env::var_os("ID_CLI_RELAY")) {
        _ if args.no_relay => Ok(Relay::Disabled),
        (Some(relay), _) => Ok(relay.clone()),
        (None, Some(text)) => {
            let relay = unicode("ID_CLI_RELAY", text)?.parse();
            Ok(relay.map_err(|error| Stop::usage(format!("ID_CLI_RELAY: {error}")))?)
        }
        // A private network contacts no third party unless it is told to.
        (None, None) if network.is_private() => Ok(Relay::Disabled),
        (None, None) => Ok(Relay::Default),
    }
}

fn unicode(variable: &str, value: OsString) -> Result<String, Stop> {
    value.into_string().map_err(|_| Stop::usage(format!("{variable} is not UTF-8")))
}

//! Settings of `watch`.

use std::{num::NonZeroU64, time::Duration};

use anyhow::Result;
use id_client::{
    Limits,
    id_proto::{
        Network, PeerRef,
        iroh_base::{EndpointAddr, SecretKey},
    },
};
use id_node::endpoint::Relay;

use super::{bootstrap, limits, network, relay};
use crate::{
    cli::WatchArgs,
    source::{LocalNode, Source, Wanted},
};

/// Settings of `watch`.
#[derive(Debug)]
pub(crate) struct WatchSettings {
    pub(crate) seeds: Vec<EndpointAddr>,
    pub(crate) network: Network,
    pub(crate) relay: Relay,
    /// As whom to ask; as somebody new, if there is none.
    pub(crate) key: Option<SecretKey>,
    /// Of each round.
    pub(crate) limits: Limits,
    pub(crate) every: Duration,
    /// How many rounds; for ever, if that isn't said.
    pub(crate) times: Option<NonZeroU64>,
    pub(crate) json: bool,
}

impl WatchSettings {
    pub(crate) fn new(args: &WatchArgs) -> Result<Self> {
        let bootstrap = bootstrap(&args.crawl);
        let network = network(&args.network, args.node.iter().chain(&bootstrap))?;
        let node = args.node.as_ref().map(PeerRef::addrs);
        let more = bootstrap.iter().flat_map(PeerRef::addrs).cloned().collect();
        let mut key = None;
        let local = || {
            let local = LocalNode::find(args.network.data_dir.as_deref())?;
            key = local.key();
            Ok(local)
        };
        let (Source::Rpc(seeds) | Source::Gossip(seeds)) =
            Source::choose(Wanted::Rpc, node, more, local, &network)?;
        Ok(Self {
            seeds,
            key,
            relay: relay(&args.network, &network)?,
            network,
            limits: limits(&args.crawl),
            every: args.every,
            times: args.times,
            json: args.json,
        })
    }
}

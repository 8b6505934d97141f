//! A peer that is none of ours: stock distributed-topic-tracker, stock address lookup.

use std::{collections::HashSet, time::Duration};

use anyhow::Result;
use clap::Args;
use distributed_topic_tracker::{AutoDiscoveryGossip, Config, RecordPublisher, TopicId};
use id_proto::Network;
use iroh::{
    Endpoint,
    address_lookup::AddrFilter,
    endpoint::{Builder, presets},
    protocol::Router,
};
use iroh_gossip::net::{GOSSIP_ALPN, Gossip};
use iroh_mainline_address_lookup::DhtAddressLookup;

/// How often it looks at its neighbours.
const REST: Duration = Duration::from_millis(25);

/// A peer of the public network that knows nothing of it but topic and secret.
#[derive(Debug, Args)]
pub(crate) struct StockPeer {
    /// Use n0's relays and lookup services, as iroh does by default
    #[arg(long)]
    n0: bool,
}

impl StockPeer {
    /// Joins, says who its neighbours are, and stays until it is killed.
    pub(crate) async fn run(&self) -> Result<()> {
        let builder = match self.n0 {
            true => Endpoint::builder(presets::N0),
            false => Endpoint::builder(presets::Minimal),
        };
        join(builder, &Network::public()).await
    }
}

async fn join(builder: Builder, network: &Network) -> Result<()> {
    let lookup = DhtAddressLookup::builder().addr_filter(AddrFilter::unfiltered());
    let endpoint = builder.address_lookup(lookup).bind().await?;
    println!("node id: {}", endpoint.id());
    let gossip = Gossip::builder().spawn(endpoint.clone());
    let router = Router::builder(endpoint.clone()).accept(GOSSIP_ALPN, gossip.clone()).spawn();

    let records = RecordPublisher::new(
        TopicId::from_hash(&network.gossip_topic()),
        endpoint.secret_key().as_signing_key().clone(),
        None,
        network.rendezvous_secret().to_vec(),
        Config::default(),
    );
    let topic = gossip.subscribe_and_join_with_auto_discovery_no_wait(records).await?;
    println!("ready");
    let told = tell(topic).await;
    router.shutdown().await?;
    told
}

/// Says each neighbour once. Asks for them, because the tracker doesn't export the error that would
/// tell a missed event from the end.
async fn tell(topic: distributed_topic_tracker::Topic) -> Result<()> {
    let receiver = topic.gossip_receiver().await?;
    let mut told = HashSet::new();
    loop {
        for peer in receiver.neighbors().await? {
            if told.insert(peer) {
                println!("neighbour: {peer}");
            }
        }
        tokio::time::sleep(REST).await;
    }
}

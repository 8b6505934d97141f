//! Sits in the topic's places in the DHT.

use std::{net::SocketAddrV4, str::FromStr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use clap::Args;
use distributed_topic_tracker::{TopicId, salt, signing_keypair};
use mainline::{Dht, MutableItem, async_dht::AsyncDht};
use tokio::time::sleep;

use super::Role;
use crate::{guard::is_local, stage::Stage, statements::unix};

/// The sequence number of every record: the greatest, so that the last writer wins.
const SEQ: i64 = i64::MAX;
/// The longest value of a mutable item, in bytes. Origin: BEP 44.
const VALUE_LEN: usize = 900;
/// How long a DHT node may take to answer. Origin: loopback.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(300);
/// Rest between two rounds of overwriting.
const REST: Duration = Duration::from_millis(500);

/// A DHT node to begin with; only a local one.
#[derive(Debug, Clone, Copy)]
struct DhtNode(SocketAddrV4);

impl FromStr for DhtNode {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let addr: SocketAddrV4 = s.parse().map_err(|_| format!("`{s}` is no IPv4 ip:port"))?;
        if is_local((*addr.ip()).into()) {
            Ok(Self(addr))
        } else {
            Err(format!("{addr} isn't local"))
        }
    }
}

/// Overwrites the records of the topic in a DHT, for as long as it runs.
///
/// On the public network anybody can, because the key is derived from the topic. Of a private network
/// it takes the name, and must not find the places.
#[derive(Debug, Args)]
pub(crate) struct DhtSquatter {
    /// Nodes of the DHT: loopback, private or link-local addresses only
    #[arg(long, value_name = "IP:PORT,…", required = true, value_delimiter = ',')]
    dht_bootstrap: Vec<DhtNode>,
}

impl Role for DhtSquatter {
    const NAME: &'static str = "dht-squatter";

    async fn play(self, stage: Arc<Stage>) -> Result<()> {
        let bootstrap: Vec<SocketAddrV4> = self.dht_bootstrap.iter().map(|node| node.0).collect();
        let mut builder = Dht::builder();
        builder.bootstrap(&bootstrap).request_timeout(REQUEST_TIMEOUT).port(0);
        let dht = builder.build().context("can't enter the DHT")?.as_async();
        let topic = TopicId::from_hash(&stage.network.gossip_topic());
        for round in 0_u64.. {
            let minute = unix().as_secs() / 60;
            for minute in [minute, minute + 1] {
                let put = squat(&dht, &topic, minute, round).await;
                stage.tally(&put, "records_written", "records_refused");
            }
            if round == 0 {
                println!("ready");
            }
            sleep(REST).await;
        }
        Ok(())
    }
}

/// Overwrites one place with bytes that are no record.
async fn squat(dht: &AsyncDht, topic: &TopicId, minute: u64, round: u64) -> Result<()> {
    let key = signing_keypair(topic, minute);
    let mut value = vec![0; VALUE_LEN];
    value[..8].copy_from_slice(&round.to_le_bytes());
    let item = MutableItem::new(key, &value, SEQ, Some(&salt(topic, minute)));
    dht.put_mutable(item, None).await?;
    Ok(())
}

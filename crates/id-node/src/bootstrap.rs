//! Ways to find the first neighbour, besides the peers that are configured or remembered.
//!
//! Each channel runs by itself, and leads to the same place: a [`Guide`] that notes where peers are
//! and asks gossip to join them. What a channel is told, strangers may have said, so each bounds what
//! it keeps and whom it dials; and none is ever fatal: what it last did is there for people to read.

mod book;
pub(crate) mod dns;
mod finds;
mod guide;
mod mdns;
pub(crate) mod mdns_check;

use std::sync::Arc;

use id_client::AddressPolicy;
use iroh::Endpoint;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

pub(crate) use self::guide::Guide;
use self::{dns::DnsNames, mdns::Mdns};
use crate::{
    access::Access,
    clock::Clock,
    config::NodeConfig,
    membership::View,
    rendezvous::{Dht, DhtCounts, Offer, Rendezvous, Seeker, add_lookup_to},
    topic::{GossipCounts, Joiner},
};

/// The channels that are in use. They end when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    dht: Option<Rendezvous>,
    dht_counts: DhtCounts,
    mdns: Option<Mdns>,
    dns: Option<DnsNames>,
    _lookup: Option<AbortOnDropHandle<()>>,
}

/// What channels work with.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) endpoint: Endpoint,
    pub(crate) clock: Clock,
    pub(crate) view: watch::Receiver<Arc<View>>,
    pub(crate) joiner: Joiner,
    pub(crate) access: Access,
    /// Which addresses that others publish may be dialled, besides those in our own places.
    pub(crate) policy: watch::Receiver<AddressPolicy>,
}

/// What each channel last did, as it changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reports {
    /// What happened in the topic, if there is one.
    pub(crate) gossip: Option<GossipCounts>,
    pub(crate) dht: Option<watch::Receiver<String>>,
    pub(crate) mdns: Option<watch::Receiver<String>>,
    pub(crate) dns: Option<watch::Receiver<String>>,
    /// How dealings with the DHT ended; nothing, if it isn't in use.
    pub(crate) dht_counts: DhtCounts,
}

impl Channels {
    /// Opens those that `config` wants. Each begins to look at once.
    pub(crate) fn open(config: &NodeConfig, around: &Surroundings) -> Self {
        let guide = Guide::new(&around.endpoint, around.joiner.clone(), around.access.clone());
        let dht = config.dht.clone().map(Dht::new);
        Self {
            dht_counts: dht.as_ref().map(|dht| dht.counts().clone()).unwrap_or_default(),
            _lookup: dht.clone().and_then(|dht| look_up_in(dht, config, around)),
            dht: dht.map(|dht| search(dht, config, around, guide.clone())),
            mdns: config.mdns.then(|| Mdns::spawn(config, around, guide.clone())),
            dns: (!config.bootstrap_dns.is_empty())
                .then(|| DnsNames::spawn(config, around, guide.clone())),
        }
    }

    /// What they report, beside gossip itself, if there is a topic to join.
    pub(crate) fn reports(&self, gossip: Option<GossipCounts>) -> Reports {
        Reports {
            gossip,
            dht: self.dht.as_ref().map(Rendezvous::watch),
            mdns: self.mdns.as_ref().map(Mdns::watch),
            dns: self.dns.as_ref().map(DnsNames::watch),
            dht_counts: self.dht_counts.clone(),
        }
    }
}

impl Reports {
    /// Each channel, and whether it is in use, always in this order.
    pub(crate) fn in_use(&self) -> [(&'static str, bool); 4] {
        [
            ("gossip", self.gossip.is_some()),
            ("dht", self.dht.is_some()),
            ("mdns", self.mdns.is_some()),
            ("dns", self.dns.is_some()),
        ]
    }

    /// Each channel and what it last did, always in this order.
    pub(crate) fn list(&self, n_neighbours: usize) -> Vec<(String, String)> {
        let gossip = match (&self.gossip, n_neighbours) {
            (None, _) => "disabled".to_owned(),
            (Some(counts), 0) => format!("no neighbour{counts}"),
            (Some(counts), n) => format!("{n} neighbours{counts}"),
        };
        let last = |report: &Option<watch::Receiver<String>>| {
            report.as_ref().map_or("disabled".to_owned(), |report| report.borrow().clone())
        };
        let (dht, mdns, dns) = (last(&self.dht), last(&self.mdns), last(&self.dns));
        let all = [("gossip", gossip), ("dht", dht), ("mdns", mdns), ("dns", dns)];
        all.into_iter().map(|(channel, what)| (channel.to_owned(), what)).collect()
    }
}

fn search(dht: Dht, config: &NodeConfig, around: &Surroundings, guide: Guide) -> Rendezvous {
    let counts = dht.counts().clone();
    let seeker = Seeker {
        network: &config.network,
        key: around.endpoint.secret_key(),
        clock: around.clock,
        role: config.role,
        view: around.view.clone(),
        guide,
        counts,
    };
    Rendezvous::spawn(dht, seeker)
}

/// Adds what finds addresses in the DHT, and publishes ours.
fn look_up_in(
    dht: Dht,
    config: &NodeConfig,
    around: &Surroundings,
) -> Option<AbortOnDropHandle<()>> {
    let offer = Offer { announce: config.announce_addrs, private: config.network.is_private() };
    add_lookup_to(&around.endpoint, dht, offer, around.policy.clone())
}

/// Where a channel says what it last did.
#[derive(Debug)]
struct Report {
    channel: &'static str,
    last: watch::Sender<String>,
}

impl Report {
    fn new(channel: &'static str) -> (Self, watch::Receiver<String>) {
        let (last, lasts) = watch::channel("starting".to_owned());
        (Self { channel, last }, lasts)
    }

    fn say(&self, what: String) {
        if *self.last.borrow() != what {
            info!(event = "bootstrap", channel = self.channel, "{what}");
            self.last.send_replace(what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(reports: &Reports, n_neighbours: usize) -> Vec<String> {
        let list = reports.list(n_neighbours).into_iter();
        list.map(|(channel, what)| format!("{channel}: {what}")).collect()
    }

    #[test]
    fn every_channel_is_listed_in_one_order_and_disabled_where_it_is_off() {
        let off = ["gossip: disabled", "dht: disabled", "mdns: disabled", "dns: disabled"];
        assert_eq!(listed(&Reports::default(), 0), off);
        let (report, mdns) = Report::new("mdns");
        let gossip = Some(GossipCounts::default());
        let reports = Reports { gossip, mdns: Some(mdns), ..Reports::default() };
        let on = ["gossip: no neighbour", "dht: disabled", "mdns: starting", "dns: disabled"];
        assert_eq!(listed(&reports, 0), on);
        report.say("3 peers found".to_owned());
        assert_eq!(listed(&reports, 2)[0], "gossip: 2 neighbours");
        assert_eq!(listed(&reports, 2)[2], "mdns: 3 peers found");
    }
}

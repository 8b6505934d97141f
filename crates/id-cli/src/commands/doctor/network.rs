//! Ways out of this machine, and names.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use futures::future::join_all;
use id_client::iroh::{RelayMode, RelayUrl};
use id_node::{checkup, endpoint::Relay};
use tokio::{net::lookup_host, time::timeout};

use super::Patient;
use crate::doctor::facts::{Name, WaysOut};

/// How long a name may take. Origin: a resolver's own first time-out.
const NAME_TIMEOUT: Duration = Duration::from_secs(5);
/// Somewhere outside, to which nothing is sent. Origin: RFC 5737 and RFC 3849, addresses for examples.
const OUTSIDE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const OUTSIDE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
/// The port that is named there.
const ANY_PORT: u16 = 4433;

pub(super) fn ways_out() -> WaysOut {
    WaysOut {
        v4: checkup::way_out((OUTSIDE_V4, ANY_PORT).into()),
        v6: checkup::way_out((OUTSIDE_V6, ANY_PORT).into()),
    }
}

/// Asks for every name that the configuration needs.
pub(super) async fn names(patient: &Patient) -> Vec<Name> {
    let settings = &patient.settings;
    let dht = settings.dht.as_ref().filter(|_| settings.gossip).map(checkup::dht_names);
    let hosts = dht.unwrap_or_default().into_iter().map(|name| (name, "the DHT"));
    let relays = relay_urls(&settings.relay).into_iter().filter_map(|url| {
        let port = url.port_or_known_default()?;
        Some((format!("{}:{port}", url.host_str()?), "a relay"))
    });
    let hosts = hosts.chain(relays).filter(|(host, _)| is_name(host));
    let hosts = join_all(hosts.map(|(host, purpose)| resolve(host, purpose)));
    let records = join_all(settings.bootstrap_dns.iter().map(|name| look_up(patient, name)));
    let (hosts, records) = futures::future::join(hosts, records).await;
    hosts.into_iter().chain(records).collect()
}

/// Every relay that may be used.
pub(super) fn relay_urls(relay: &Relay) -> Vec<RelayUrl> {
    match relay {
        Relay::Disabled => Vec::new(),
        Relay::Default => RelayMode::Default.relay_map().urls(),
        Relay::Custom(urls) => urls.clone(),
    }
}

/// Whether it isn't an address already.
fn is_name(host_port: &str) -> bool {
    host_port.parse::<std::net::SocketAddr>().is_err()
}

/// By the system's resolver, as the node does it.
async fn resolve(host_port: String, purpose: &'static str) -> Name {
    let resolved = match timeout(NAME_TIMEOUT, lookup_host(&host_port)).await {
        Err(_) => Err("no answer in time".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(mut addrs)) => addrs.next().map(drop).ok_or_else(|| "no address".to_owned()),
    };
    let name = host_port.rsplit_once(':').map_or(host_port.as_str(), |(host, _)| host).to_owned();
    Name { name, purpose, resolved }
}

/// By the endpoint's resolver, as the node does it.
async fn look_up(patient: &Patient, name: &str) -> Name {
    let resolved = match patient.endpoint.dns_resolver() {
        Ok(resolver) => match resolver.lookup_txt(name, NAME_TIMEOUT).await {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        },
        Err(error) => Err(error.to_string()),
    };
    Name { name: name.to_owned(), purpose: "--bootstrap-dns", resolved }
}

//! From a node id to its addresses, by the same DHT: records hold ids only.

use std::{borrow::Cow, time::Duration};

use id_proto::iroh_base::EndpointAddr;
use iroh::{Endpoint, address_lookup::AddrFilter};
use iroh_mainline_address_lookup::DhtAddressLookup;
use tokio::time::sleep;
use tracing::{info, warn};

use super::dht::Dht;
use crate::config::AnnounceAddrs;

/// The first wait before bootstrap names are resolved again. Origin: a machine whose network comes
/// up a moment after its services.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest. Origin: nobody waits for it, a network cable may be plugged in at any time.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Gives `endpoint` a lookup through the DHT, and publishes what the node also announces. Tries again
/// until the DHT's bootstrap names resolve, which on an isolated machine is never.
pub(crate) async fn add_to(endpoint: Endpoint, dht: Dht, policy: AnnounceAddrs, private: bool) {
    let mut wait = FIRST_WAIT;
    let bootstrap = loop {
        match dht.bootstrap_addrs().await {
            Ok(addrs) => break addrs,
            Err(_) => sleep(wait).await,
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    };
    let id = endpoint.id();
    let filter = AddrFilter::new(move |addrs| {
        let addr = EndpointAddr::from_parts(id, addrs.iter().cloned());
        Cow::Owned(policy.select(&addr, private))
    });
    let mut builder = n0_mainline::DhtBuilder::default();
    builder.bootstrap(&bootstrap);
    let lookup = DhtAddressLookup::builder()
        .secret_key(endpoint.secret_key().clone())
        .addr_filter(filter)
        .dht_builder(builder)
        .build();
    match (lookup, endpoint.address_lookup()) {
        (Ok(lookup), Ok(services)) => {
            services.add(lookup);
            info!("looking up addresses in the DHT");
        }
        (Err(error), _) => warn!(%error, "no lookup of addresses in the DHT"),
        (_, Err(_)) => {}
    }
}

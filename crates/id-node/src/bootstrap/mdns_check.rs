//! Whether the local network can be asked, and who answers there.

use std::{collections::BTreeSet, time::Duration};

use futures::StreamExt;
use id_proto::{
    NetworkTag,
    iroh_base::{PublicKey, SecretKey},
};
use iroh_mdns_address_lookup::{DiscoveryEvent, MdnsAddressLookup};
use tokio::time::timeout;

use super::mdns::{EAGER, reachable, service_name, way_out};
use crate::checkup::MdnsCheck;

/// Most members that are counted. Origin: a guess; more than one wants to read of.
const MAX_FOUND: usize = 64;

/// Asks for that long, as somebody new, and says nothing of itself.
pub(crate) async fn listen(
    tag: NetworkTag,
    except: Option<PublicKey>,
    time: Duration,
) -> MdnsCheck {
    let built = MdnsAddressLookup::builder()
        .service_name(service_name(tag))
        .discovery_cadence(EAGER)
        .advertise(false)
        .build(SecretKey::generate().public());
    let lookup = match built {
        Ok(lookup) => lookup,
        Err(error) => {
            return MdnsCheck { way_out: way_out(), bound: Err(error.to_string()), n_found: 0 };
        }
    };
    let mut events = lookup.subscribe().await;
    let mut found = BTreeSet::new();
    let hear = async {
        while let Some(event) = events.next().await {
            if let DiscoveryEvent::Discovered { endpoint_info, .. } = event
                && let Some(peer) = reachable(&endpoint_info)
                && Some(peer.id) != except
                && found.len() < MAX_FOUND
            {
                found.insert(peer.id);
            }
        }
    };
    let _ = timeout(time, hear).await;
    MdnsCheck { way_out: way_out(), bound: Ok(()), n_found: found.len() }
}

//! From a node id to its addresses, by the same DHT: records hold ids only.
//!
//! What is published is pkarr's packet, as iroh's own lookups read and write it, so that every iroh
//! endpoint finds us and we find every one. iroh's lookup over the DHT would bring a client of its
//! own, which waits for time-outs of two seconds before it publishes anything; ours shares the one
//! that the rendezvous uses.

use std::time::Duration;

use futures::{StreamExt, future::ready, stream::BoxStream};
use id_client::AddressPolicy;
use id_proto::iroh_base::{EndpointAddr, PublicKey, SecretKey};
use iroh::{
    Endpoint,
    address_lookup::{AddressLookup, Error, Item},
    endpoint_info::{EndpointData, EndpointInfo},
};
use iroh_dns::pkarr::{SignedPacket, Timestamp};
use mainline::MutableItem;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

use super::{counts::Deal, dht::Dht};
use crate::config::AnnounceAddrs;

/// What a lookup is called in iroh's logs.
const PROVENANCE: &str = "dht";
/// How long whoever caches the packet may keep it, in seconds. Origin: iroh's own lookups.
const TTL_SECS: u32 = 30;
/// How often an unchanged packet is published. Origin: BEP 44, whose items live for two hours.
const REPUBLISH: Duration = Duration::from_secs(60 * 60);
/// The first wait after a failure. Origin: a machine whose network comes up a moment after its
/// services.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest. Origin: nobody waits for it, a network cable may be plugged in at any time.
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// How long addresses must be unchanged before they are published. Origin: iroh learns them within
/// milliseconds of each other.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// How long publishing may take. Origin: [`super::LEAVE_TIMEOUT`].
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);
/// Most packets that are read for one id. Origin: each is signed by that id, so more than a few are
/// its own old ones.
const MAX_PACKETS: usize = 8;

/// Gives `endpoint` a lookup through `dht`, and publishes what the node also announces, as long as
/// the returned handle lives. `None` if the endpoint is closed.
pub(crate) fn add_to(
    endpoint: &Endpoint,
    dht: Dht,
    offer: Offer,
    policy: watch::Receiver<AddressPolicy>,
) -> Option<AbortOnDropHandle<()>> {
    let nowhere = EndpointAddr::new(endpoint.id());
    let (offers, offered) = watch::channel(nowhere.clone());
    let own = watch::Sender::new(nowhere);
    let lookup = Lookup { dht: dht.clone(), offer, policy, own, offers };
    endpoint.address_lookup().ok()?.add(lookup);
    let key = endpoint.secret_key().clone();
    Some(AbortOnDropHandle::new(tokio::spawn(publish(dht, key, offered))))
}

/// Which of its addresses a node publishes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    pub(crate) announce: AnnounceAddrs,
    pub(crate) private: bool,
}

/// What the endpoint is given.
#[derive(Debug)]
struct Lookup {
    dht: Dht,
    offer: Offer,
    /// Which published addresses may be dialled, besides those in our own places.
    policy: watch::Receiver<AddressPolicy>,
    /// All our own addresses.
    own: watch::Sender<EndpointAddr>,
    offers: watch::Sender<EndpointAddr>,
}

impl AddressLookup for Lookup {
    fn publish(&self, data: &EndpointData) {
        self.offers.send_if_modified(|offer| {
            let addr = EndpointAddr::from_parts(offer.id, data.addrs().cloned());
            let addrs = self.offer.announce.select(&addr, self.offer.private);
            self.own.send_replace(addr);
            let new = EndpointAddr::from_parts(offer.id, addrs);
            let is_news = new != *offer;
            *offer = new;
            is_news
        });
    }

    fn resolve(&self, id: PublicKey) -> Option<BoxStream<'static, Result<Item, Error>>> {
        // Whoever dials waits for every lookup; one that can't answer yet must not hold it up.
        let packets = self.dht.entered()?.get_mutable(id.as_bytes(), None, None);
        let newest = |last: &mut Option<i64>, item: MutableItem| {
            let is_newer = last.is_none_or(|last| item.seq() > last);
            *last = (*last).max(Some(item.seq()));
            ready(Some(is_newer.then_some(item)))
        };
        let newer = packets.take(MAX_PACKETS).scan(None, newest).filter_map(ready);
        let policy = self.policy.borrow().clone().open(&self.own.borrow());
        Some(newer.filter_map(move |item| ready(dialable(&item, &policy).map(Ok))).boxed())
    }
}

/// Publishes each offer, and again before the DHT forgets it. Ends when the endpoint is gone.
async fn publish(dht: Dht, key: SecretKey, mut offers: watch::Receiver<EndpointAddr>) {
    let mut retry = FIRST_RETRY;
    loop {
        let offer = offers.borrow_and_update().clone();
        let wait = match put(&dht, &key, offer).await {
            Ok(()) => {
                retry = FIRST_RETRY;
                REPUBLISH.mul_f64(rand::random_range(0.9..1.0))
            }
            Err(error) => {
                debug!(error, "can't publish our addresses in the DHT");
                let wait = retry;
                retry = (retry * 2).min(LONGEST_RETRY);
                wait
            }
        };
        match timeout(wait, offers.changed()).await {
            Ok(Ok(())) => sleep(DEBOUNCE).await,
            Ok(Err(_)) => return,
            Err(_) => {}
        }
    }
}

async fn put(dht: &Dht, key: &SecretKey, offer: EndpointAddr) -> Result<(), String> {
    if offer.is_empty() {
        return Ok(());
    }
    let put = put_item(dht, key, offer).await;
    dht.counts().count(if put.is_ok() { Deal::AddrsPublished } else { Deal::AddrsFailed });
    put
}

async fn put_item(dht: &Dht, key: &SecretKey, offer: EndpointAddr) -> Result<(), String> {
    let item = write(key, offer)?;
    let client = dht.client().await?;
    let put = timeout(PUBLISH_TIMEOUT, client.put_mutable(item, None)).await;
    put.map_err(|_| "no answer in time".to_owned())?.map_err(|error| error.to_string())?;
    Ok(())
}

/// The addresses as a pkarr packet, signed by the node.
fn write(key: &SecretKey, addr: EndpointAddr) -> Result<MutableItem, String> {
    let packet = EndpointInfo::from(addr).to_pkarr_signed_packet(key, TTL_SECS);
    let packet = packet.map_err(|error| error.to_string())?;
    let seq = i64::try_from(packet.timestamp().as_micros()).map_err(|error| error.to_string())?;
    Ok(MutableItem::new_signed_unchecked(
        *packet.public_key().as_bytes(),
        packet.signature().to_bytes(),
        packet.encoded_packet(),
        seq,
        None,
    ))
}

/// The addresses in an item that may be dialled, if there are any.
fn dialable(item: &MutableItem, policy: &AddressPolicy) -> Option<Item> {
    let item = read(item)?;
    let addr = policy.select(item.to_endpoint_addr());
    let (is_dialable, info) = (!addr.is_empty(), EndpointInfo::from(addr));
    is_dialable.then(|| Item::new(info, PROVENANCE, item.last_updated()))
}

/// The addresses in an item, whose signature the DHT's client has checked.
fn read(item: &MutableItem) -> Option<Item> {
    let micros = u64::try_from(item.seq()).ok()?;
    let timestamp = Timestamp::from_micros(micros);
    let packet =
        SignedPacket::from_parts_unchecked(item.key(), item.signature(), timestamp, item.value());
    let info = EndpointInfo::from_pkarr_signed_packet(&packet.ok()?).ok()?;
    Some(Item::new(info, PROVENANCE, Some(micros)))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use id_proto::Network;
    use iroh::endpoint::presets;
    use mainline::Testnet;

    use super::*;
    use crate::config::DhtBootstrap;

    const ALL: Offer = Offer { announce: AnnounceAddrs::All, private: true };

    /// Loopback is dialled because the endpoints are there themselves.
    fn policy() -> watch::Receiver<AddressPolicy> {
        watch::Sender::new(AddressPolicy::new(&Network::public())).subscribe()
    }

    async fn endpoint() -> Endpoint {
        let builder = Endpoint::builder(presets::Minimal).clear_ip_transports();
        let bound = builder.bind_addr((Ipv4Addr::LOCALHOST, 0)).unwrap().bind().await;
        bound.unwrap()
    }

    fn addr(seed: u8, addrs: &[&str]) -> EndpointAddr {
        let id = SecretKey::from_bytes(&[seed; 32]).public();
        addrs.iter().fold(EndpointAddr::new(id), |addr, ip| addr.with_ip_addr(ip.parse().unwrap()))
    }

    #[test]
    fn what_is_written_is_read() {
        let written = addr(1, &["10.0.0.1:7", "[fd00::1]:7"])
            .with_relay_url("https://relay.example".parse().unwrap());
        let item = write(&SecretKey::from_bytes(&[1; 32]), written.clone()).unwrap();
        assert_eq!(read(&item).unwrap().to_endpoint_addr(), written);
    }

    #[test]
    fn what_the_policy_forbids_is_not_found() {
        let written = addr(1, &["8.8.8.8:7", "10.0.0.1:7", "127.0.0.1:7"]);
        let item = |addr| write(&SecretKey::from_bytes(&[1; 32]), addr).unwrap();
        let strict = AddressPolicy::new(&Network::public());
        let found = dialable(&item(written), &strict).unwrap();
        assert_eq!(found.to_endpoint_addr(), addr(1, &["8.8.8.8:7"]));
        assert!(dialable(&item(addr(1, &["10.0.0.1:7"])), &strict).is_none());
        let here = strict.open(&addr(2, &["10.0.1.1:1"]));
        assert!(dialable(&item(addr(1, &["10.0.0.1:7"])), &here).is_some());
    }

    #[test]
    fn garbage_holds_no_address() {
        let key = SecretKey::from_bytes(&[1; 32]);
        for value in [&b""[..], b"garbage", &[0; 1000]] {
            let item = MutableItem::new(key.as_signing_key().clone(), value, 1, None);
            assert!(read(&item).is_none_or(|item| item.to_endpoint_addr().is_empty()), "{value:?}");
        }
    }

    #[tokio::test]
    async fn a_dht_that_was_not_entered_holds_nobody_up() {
        let endpoint = endpoint().await;
        let dht = Dht::new(DhtBootstrap::Private(vec!["[::1]:1".to_owned()]));
        let _publishing = add_to(&endpoint, dht, ALL, policy());
        let lookups = endpoint.address_lookup().unwrap();
        let found: Vec<_> = lookups.resolve(addr(2, &[]).id).collect().await;
        assert!(found.iter().all(|found| !matches!(found, Ok(Ok(_)))), "{found:?}");
        endpoint.close().await;
    }

    #[tokio::test]
    async fn a_peer_is_found_by_its_id_alone() {
        let testnet = Testnet::builder(3).seeded(false).build().unwrap();
        let dht = || Dht::new(DhtBootstrap::Private(testnet.bootstrap.clone()));
        let (here, there) = (endpoint().await, endpoint().await);
        let ways = [&here, &there].map(|e| add_to(e, dht(), ALL, policy()));
        // The first who looks may be faster than the one who publishes.
        let found = loop {
            let mut found = here.address_lookup().unwrap().resolve(there.id()).boxed();
            if let Some(Ok(Ok(item))) = found.next().await {
                break item.to_endpoint_addr();
            }
            sleep(Duration::from_millis(20)).await;
        };
        let bound = there.bound_sockets();
        assert!(found.ip_addrs().any(|addr| bound.contains(addr)), "{found:?}, not {bound:?}");
        drop(ways);
        here.close().await;
        there.close().await;
    }
}

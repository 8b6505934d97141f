//! The mainline DHT as a board.

use std::{
    net::{SocketAddr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use mainline::{DEFAULT_BOOTSTRAP_NODES, MutableItem, async_dht::AsyncDht};
use tokio::{net::lookup_host, sync::OnceCell, time::timeout};
use tracing::debug;

use super::{board::Board, counts::DhtCounts, record::Slot};
use crate::config::DhtBootstrap;

/// How long a DHT node may take to answer. Origin: a round trip around the world, twice; mainline's
/// own 2 s are waited out by every query that meets one dead node.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(700);
/// How long the system's resolver may take for one name. Origin: a resolver's own first time-out.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// The sequence number of every record. Origin: distributed-topic-tracker.
const SEQ: i64 = i64::MAX;

/// A client of the mainline DHT. It is entered at the first use.
#[derive(Debug, Clone)]
pub(crate) struct Dht(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bootstrap: DhtBootstrap,
    client: OnceCell<AsyncDht>,
    counts: DhtCounts,
}

impl Dht {
    pub(crate) fn new(bootstrap: DhtBootstrap) -> Self {
        let counts = DhtCounts::default();
        Self(Arc::new(Inner { bootstrap, client: OnceCell::new(), counts }))
    }

    /// Where it is counted how dealings with it end.
    pub(crate) fn counts(&self) -> &DhtCounts {
        &self.0.counts
    }

    /// The client. If no bootstrap name resolves, that is an error, and the next call tries again.
    pub(super) async fn client(&self) -> Result<AsyncDht, String> {
        let enter = || async { enter(&resolve(names(&self.0.bootstrap)).await?) };
        self.0.client.get_or_try_init(enter).await.cloned()
    }

    /// The client, if the DHT was entered already.
    pub(super) fn entered(&self) -> Option<AsyncDht> {
        self.0.client.get().cloned()
    }
}

impl Board for Dht {
    fn look(&self, slot: &Slot) -> BoxStream<'static, Vec<u8>> {
        let (dht, key, salt) = (self.clone(), slot.key().verifying_key().to_bytes(), *slot.salt());
        let values = async move {
            match dht.client().await {
                Ok(client) => client.get_mutable(&key, Some(&salt), None).boxed(),
                Err(error) => {
                    debug!(error, "the DHT can't be entered");
                    stream::empty().boxed()
                }
            }
        };
        values.flatten_stream().map(|item: MutableItem| item.value().to_vec()).boxed()
    }

    fn leave(&self, slot: &Slot, value: Vec<u8>) -> BoxFuture<'static, Result<(), String>> {
        let item = MutableItem::new(slot.key().clone(), &value, SEQ, Some(slot.salt()));
        let dht = self.clone();
        async move {
            let put = dht.client().await?.put_mutable(item, Some(SEQ)).await;
            put.map(|_| ()).map_err(|error| error.to_string())
        }
        .boxed()
    }
}

pub(crate) fn names(bootstrap: &DhtBootstrap) -> Vec<String> {
    match bootstrap {
        DhtBootstrap::Public => DEFAULT_BOOTSTRAP_NODES.map(str::to_owned).to_vec(),
        DhtBootstrap::Private(names) => names.clone(),
    }
}

fn enter(bootstrap: &[SocketAddrV4]) -> Result<AsyncDht, String> {
    let mut builder = mainline::Dht::builder();
    builder.bootstrap(bootstrap).request_timeout(REQUEST_TIMEOUT).port(0);
    builder.build().map(mainline::Dht::as_async).map_err(|error| error.to_string())
}

/// The addresses of all names that resolve; an error if none does. Never blocks a thread of the
/// runtime: the system's resolver has threads of its own.
pub(super) async fn resolve(names: Vec<String>) -> Result<Vec<SocketAddrV4>, String> {
    let lookups = names.into_iter().map(|name| timeout(RESOLVE_TIMEOUT, lookup_host(name)));
    let found = futures::future::join_all(lookups).await;
    let addrs = found.into_iter().flatten().flatten().flatten();
    let v4: Vec<_> = addrs
        .filter_map(|addr| match addr {
            SocketAddr::V4(v4) => Some(v4),
            SocketAddr::V6(_) => None,
        })
        .collect();
    if v4.is_empty() {
        Err("no bootstrap node of the DHT has an address".to_owned())
    } else {
        Ok(v4)
    }
}

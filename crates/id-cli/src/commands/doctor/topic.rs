//! Listening in the topic in place of a node that doesn't run: as somebody new, who says nothing.

use std::time::Duration;

use id_client::id_proto::iroh_base::EndpointAddr;
use id_node::{
    NodeConfig, Observer,
    endpoint::{self, EndpointOptions},
    settings::Settings,
};
use tokio::time::timeout;

use crate::doctor::facts::Heard;

/// How long to wait for somebody. Origin: nodes meet in the DHT within 5 s.
const LISTEN_TIME: Duration = Duration::from_secs(7);
/// How long leaving may take. Origin: nobody waits for a listener's goodbye.
const LEAVE_TIME: Duration = Duration::from_millis(300);

/// Who is there. Nobody, if it can't be listened at all.
pub(super) async fn listen(settings: &Settings) -> (Vec<EndpointAddr>, Option<Heard>) {
    let Some(observer) = join(settings).await else {
        return (Vec::new(), None);
    };
    let _ = timeout(LISTEN_TIME, observer.settled()).await;
    let entries = observer.entries();
    let heard = Heard { n_peers: entries.len(), n_neighbours: observer.n_neighbours() };
    let _ = timeout(LEAVE_TIME, observer.leave()).await;
    let peers = entries.into_iter().map(|entry| entry.announcement.endpoint_addr());
    (peers.filter(|peer| !peer.is_empty()).collect(), Some(heard))
}

async fn join(settings: &Settings) -> Option<Observer> {
    let options = EndpointOptions {
        bind: settings.bind.map(|addr| (addr.ip(), 0).into()),
        relay: settings.relay.clone(),
        ..EndpointOptions::default()
    };
    let endpoint = endpoint::bind(options).await.ok()?;
    let config = NodeConfig {
        bootstrap: settings.live.bootstrap.clone(),
        dht: settings.dht.clone(),
        mdns: settings.mdns,
        bootstrap_dns: settings.bootstrap_dns.clone(),
        ..NodeConfig::observer(settings.network.clone())
    };
    Observer::join(endpoint, config).await.ok()
}

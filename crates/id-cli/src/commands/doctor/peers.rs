//! Asking peers who they are, this machine's node first.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures::{StreamExt, TryStreamExt, future::join_all};
use id_client::{
    AskError, PathKind, Session, Whoami,
    id_proto::iroh_base::{EndpointAddr, PublicKey},
};
use id_node::data_dir::RuntimeFile;
use tokio::time::sleep;

use super::{Patient, within};
use crate::doctor::facts::{
    Announced, Answer, Failure, Instance, Own, OwnStatus, Peer, Standing, Why,
};

/// How long a peer may take. Origin: two attempts to reach it, each with QUIC's first repetitions.
pub(super) const PEER_TIMEOUT: Duration = Duration::from_secs(5);
/// Most peers that are asked of those that were found. Origin: a guess; a median wants a few.
const MAX_FOUND: usize = 8;
/// How long a path through a relay may take to become a direct one. Origin: a few round trips.
const DIRECT_TIME: Duration = Duration::from_secs(2);
/// Rest between two looks at what costs nothing to look at.
const REST: Duration = Duration::from_millis(50);

/// Asks this machine's node how it is doing.
pub(super) async fn own(
    patient: &Patient,
    instance: &Instance,
    runtime: Option<&RuntimeFile>,
) -> Own {
    let tag = patient.settings.network.tag().to_string();
    match (instance, runtime) {
        (_, Some(runtime)) if runtime.network_tag != tag => Own::OtherNetwork,
        (Instance::Node { .. }, Some(runtime)) => match status(patient, runtime).await {
            Ok(status) => Own::Answers(Box::new(status)),
            Err(AskError { kind, message }) => Own::Fails { kind, message },
        },
        _ => Own::NotRunning,
    }
}

async fn status(patient: &Patient, runtime: &RuntimeFile) -> Result<OwnStatus, AskError> {
    let session = patient.client.connect(runtime.endpoint_addr()).await?;
    let whoami = session.whoami().await?;
    let report = session.status().await?;
    Ok(OwnStatus {
        node_id: runtime.node_id,
        versions: whoami.protocol_versions,
        uptime_secs: report.uptime_secs,
        table_size: report.table_size,
        n_neighbours: report.neighbours.len(),
        channels: report.channels.into_iter().collect(),
        counters: report.counters.into_iter().collect(),
    })
}

/// Asks those that were named, and those that the node joins through.
pub(super) async fn told(patient: &Patient) -> Vec<Peer> {
    let named: BTreeSet<PublicKey> = patient.named.iter().map(|peer| peer.id).collect();
    let bootstrap = patient.settings.live.bootstrap.iter().filter(|peer| !named.contains(&peer.id));
    let named = patient.named.iter().map(|peer| (peer, Why::Named));
    let all = named.chain(bootstrap.map(|peer| (peer, Why::Bootstrap)));
    join_all(all.map(|(peer, why)| ask(patient, peer.clone(), why))).await
}

/// Asks some of those that were found, but nobody whom [`told`] asks.
pub(super) async fn found(
    patient: &Patient,
    own: Option<PublicKey>,
    found: Vec<EndpointAddr>,
) -> Vec<Peer> {
    let told: BTreeSet<PublicKey> =
        patient.named.iter().chain(&patient.settings.live.bootstrap).map(|peer| peer.id).collect();
    let is_new = |peer: &EndpointAddr| !told.contains(&peer.id) && Some(peer.id) != own;
    let some: Vec<_> = found.into_iter().filter(is_new).take(MAX_FOUND).collect();
    if some.is_empty() {
        return Vec::new();
    }
    let asked = join_all(some.into_iter().map(|peer| ask(patient, peer, Why::Found)));
    within("found peers", asked).await.unwrap_or_default()
}

/// Those that this machine's node knows.
pub(super) async fn known_to_node(patient: &Patient) -> Vec<EndpointAddr> {
    let Some(dir) = &patient.settings.data_dir else {
        return Vec::new();
    };
    let Ok(Some(runtime)) = RuntimeFile::read(dir) else {
        return Vec::new();
    };
    let entries = patient.client.list_peers(runtime.endpoint_addr());
    let peers = entries.map_ok(|entry| entry.announcement.endpoint_addr());
    let dialable = peers.filter_map(async |peer| peer.ok().filter(|peer| !peer.is_empty()));
    // One more than is asked, for the node names itself.
    dialable.take(MAX_FOUND + 1).collect().await
}

async fn ask(patient: &Patient, peer: EndpointAddr, why: Why) -> Peer {
    let node_id = peer.id;
    let is_here = peer.relay_urls().next().is_none()
        && peer.ip_addrs().next().is_some()
        && peer.ip_addrs().all(|addr| addr.ip().is_loopback());
    let outcome = answer(patient, peer).await;
    let outcome = outcome.map_err(|AskError { kind, message }| Failure { kind, message });
    Peer { node_id, why, is_here, outcome }
}

async fn answer(patient: &Patient, peer: EndpointAddr) -> Result<Answer, AskError> {
    let session = patient.client.connect(peer).await?;
    let whoami = session.whoami().await?;
    let asked_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(Answer {
        standing: standing(patient, &whoami),
        announced: whoami.about.as_ref().map(|about| Announced {
            timestamp_secs: about.announcement.timestamp_secs,
            interval_secs: about.announcement.interval_secs,
        }),
        versions: whoami.protocol_versions,
        path: path(&session).await,
        asked_at,
    })
}

fn standing(patient: &Patient, whoami: &Whoami) -> Standing {
    match &whoami.about {
        None => Standing::Stranger,
        Some(about) if about.network_tag != patient.settings.network.tag() => {
            Standing::Elsewhere(about.network_tag.to_string())
        }
        Some(_) => Standing::Member,
    }
}

/// By what the peer is reached, once it had the time to be reached directly.
async fn path(session: &Session) -> PathKind {
    let started = Instant::now();
    loop {
        let path = session.route().path;
        if path == PathKind::Direct || started.elapsed() > DIRECT_TIME {
            return path;
        }
        sleep(REST).await;
    }
}

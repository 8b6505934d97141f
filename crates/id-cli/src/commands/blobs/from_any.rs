//! `--from any`: who has a blob, of the peers that a node knows.

use std::time::Duration;

use anyhow::Result;
use futures::{StreamExt, stream};
use id_client::{
    AddressPolicy, Client, Crawler, Depth, Limits,
    id_proto::{BlobKey, NamedBlob, SignedAnnouncement, iroh_base::EndpointAddr},
    iroh::Endpoint,
};
use tokio::time::{Instant, timeout_at};

use crate::{
    exit::{Exit, Stop},
    host::Host,
    settings::AskSettings,
    transfer::Peer,
};

/// How many peers are asked at the same time. Origin: as many saturate two cores.
const CONCURRENCY: usize = 16;
/// How long to look for somebody who has it. Origin: as long as a crawl takes by default.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The first that says it has the blob. A name means what that peer says it means; a hash is a proof.
pub(super) async fn locate(
    key: &BlobKey,
    ask: &AskSettings,
    host: &Host,
) -> Result<(NamedBlob, Peer)> {
    let deadline = Instant::now() + TIMEOUT;
    let endpoint = host.endpoint(ask.relay.clone(), ask.key.clone()).await?;
    let keepers = keepers(&endpoint, ask).await?;
    let n_keepers = keepers.len();
    let client = Client::new(endpoint.clone()).with_network(ask.network.clone());
    let client = client.with_timeout(ask.timeout);
    let mut answers = stream::iter(keepers)
        .map(|addr| {
            let answer = client.get_name(addr.clone(), key);
            async move { answer.await.map(|blob| (blob, addr)) }
        })
        .buffer_unordered(CONCURRENCY);
    while let Ok(Some(answer)) = timeout_at(deadline, answers.next()).await {
        if let Ok((blob, addr)) = answer {
            return Ok((blob, Peer { endpoint, addr, silence: ask.timeout }));
        }
    }
    Err(nobody(key, n_keepers).into())
}

fn nobody(key: &BlobKey, n_keepers: usize) -> Stop {
    let message = match n_keepers {
        0 => "no peer says that it keeps anything".to_owned(),
        1 => format!("the one peer that keeps something has no {key}, or doesn't answer"),
        n => format!("none of the {n} peers that keep something has {key} and answers"),
    };
    let stop = Stop { exit: Exit::Failure, message, hint: None };
    stop.with_hint("`id-cli peers` shows who keeps how much")
}

/// Those of whom a node knows that keep something, the node itself first.
async fn keepers(endpoint: &Endpoint, ask: &AskSettings) -> Result<Vec<EndpointAddr>> {
    let mut crawl = Crawler::builder(endpoint.clone())
        .seeds(ask.nodes.iter().cloned())
        .network(ask.network.clone())
        .limits(Limits { max_depth: Depth::Hops(0), timeout: TIMEOUT, ..Limits::default() })
        .start();
    while crawl.next().await.is_some() {}
    let mut peers = crawl.finish().await.peers;
    peers.sort_by_key(|peer| peer.depth);
    let announced: Vec<_> = peers.into_iter().filter_map(|peer| peer.announcement).collect();
    let seed = |it: &SignedAnnouncement| ask.nodes.iter().find(|seed| seed.id == it.node_id);
    // As in a crawl: where a seed's peers may be, it says itself.
    let policy = AddressPolicy::of_crawl(&ask.network, &endpoint.addr(), &ask.nodes);
    let said = announced.iter().filter(|it| seed(it).is_some());
    let policy = said.fold(policy, |policy, it| policy.open(&it.endpoint_addr()));
    let place = |it: &SignedAnnouncement| match seed(it) {
        Some(seed) => seed.clone(),
        None => policy.select(it.endpoint_addr()),
    };
    Ok(announced.iter().filter(|it| it.blob_count > 0).map(place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_found_is_said_with_how_many_were_asked() {
        let key = crate::settings::blob_key("a.pdf").unwrap();
        assert!(nobody(&key, 0).message.starts_with("no peer"));
        assert!(nobody(&key, 7).message.contains("none of the 7 peers"));
        assert_eq!(nobody(&key, 1).exit, Exit::Failure);
    }
}

//! Rendezvous in the mainline DHT, by distributed-topic-tracker.
//!
//! It resolves names synchronously, which blocks its thread for as long as the resolver takes. So it
//! gets a thread and a runtime of its own; nothing of the node ever waits for it.

use distributed_topic_tracker::{AutoDiscoveryGossip, Config, RecordPublisher, TopicId};
use id_proto::{Network, iroh_base::SecretKey};
use iroh_gossip::net::Gossip;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

/// The running rendezvous; ends when dropped, as soon as its resolver lets it.
#[derive(Debug)]
pub(crate) struct Dht {
    state: watch::Receiver<String>,
    _running: DropGuard,
}

impl Dht {
    /// Starts to publish and look for records that lead to `network`'s topic.
    ///
    /// # Errors
    ///
    /// If the system grants no thread. The node runs on without the DHT.
    pub(crate) fn spawn(
        gossip: Gossip,
        network: &Network,
        key: &SecretKey,
    ) -> std::io::Result<Self> {
        let publisher = Publisher {
            topic: network.gossip_topic(),
            secret: network.rendezvous_secret().to_vec(),
            key: key.clone(),
        };
        let cancel = CancellationToken::new();
        let (state, states) = watch::channel("starting".to_owned());
        let token = cancel.clone();
        std::thread::Builder::new()
            .name("id-dht".to_owned())
            .spawn(move || run(gossip, publisher, state, token))?;
        Ok(Self { state: states, _running: cancel.drop_guard() })
    }

    /// What the rendezvous last did, for people.
    pub(crate) fn watch(&self) -> watch::Receiver<String> {
        self.state.clone()
    }
}

struct Publisher {
    topic: [u8; 32],
    secret: Vec<u8>,
    key: SecretKey,
}

fn run(
    gossip: Gossip,
    publisher: Publisher,
    state: watch::Sender<String>,
    cancel: CancellationToken,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime.inspect_err(|error| warn!(%error, "no runtime for the DHT")) else {
        return;
    };
    runtime.block_on(async {
        tokio::select! {
            () = cancel.cancelled() => {}
            () = rendezvous(gossip, publisher, &state) => {}
        }
    });
    // Lookups that block in the system's resolver must not keep the thread that drops the runtime.
    runtime.shutdown_background();
}

async fn rendezvous(gossip: Gossip, publisher: Publisher, state: &watch::Sender<String>) {
    let records = RecordPublisher::new(
        TopicId::from_hash(&publisher.topic),
        publisher.key.as_signing_key().clone(),
        None,
        publisher.secret,
        Config::default(),
    );
    match gossip.subscribe_and_join_with_auto_discovery_no_wait(records).await {
        Ok(topic) => {
            state.send_replace("publishing and looking for records".to_owned());
            watch_topic(topic, state).await;
        }
        Err(error) => {
            warn!(error = format!("{error:#}"), "the DHT rendezvous doesn't start");
            state.send_replace(format!("failed to start: {error:#}"));
        }
    }
}

/// Keeps the topic's handle, which keeps the rendezvous alive, and notes when it has led anywhere.
async fn watch_topic(topic: distributed_topic_tracker::Topic, state: &watch::Sender<String>) {
    if let Ok(mut receiver) = topic.gossip_receiver().await
        && receiver.joined().await.is_ok()
    {
        state.send_replace("joined the topic".to_owned());
    }
    std::future::pending().await
}

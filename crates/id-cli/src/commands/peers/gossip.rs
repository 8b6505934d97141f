//! Listening in the topic, without announcing anything.

use std::{pin::pin, time::Duration};

use anyhow::{Context, Result};
use id_client::{StopReason, id_proto::iroh_base::EndpointAddr};
use id_node::{DhtBootstrap, NodeConfig, Observer, endpoint::Relay};
use tokio::time::{Instant, interval, sleep_until};

use super::{Outcome, Reached, Search};
use id_render::{Document, Header, model::Heard};

use crate::exit::Stop;

/// How often we look whether there are more peers than wanted, and show how many there are.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Search<'_> {
    /// Listens until nobody new announces itself, a limit is met or the user has had enough. With
    /// `--min-peers`, goes on until so many are known.
    pub(super) async fn listen(
        &mut self,
        header: Header,
        bootstrap: &[EndpointAddr],
    ) -> Result<Outcome> {
        let (settings, started) = (self.settings, Instant::now());
        let config = NodeConfig {
            bootstrap: bootstrap.to_vec(),
            dht: self.may_use_dht(bootstrap).then(DhtBootstrap::default),
            mdns: settings.mdns,
            bootstrap_dns: settings.bootstrap_dns.clone(),
            ..NodeConfig::observer(settings.network.clone())
        };
        if !leads_anywhere(&config) {
            return Err(nobody_named().into());
        }
        let observer = Observer::join(self.endpoint.clone(), config);
        let observer = observer.await.context("can't join the topic")?;
        let stopped_by = self.hear(&observer, started + settings.limits.timeout).await;
        let mut entries = observer.entries();
        entries.truncate(settings.limits.max_peers.get());
        let heard =
            Heard { entries, stopped_by, duration: started.elapsed(), limits: &settings.limits };
        let reached = if heard.entries.is_empty() { Reached::Nobody } else { Reached::Somebody };
        let document = Document::of_gossip(header, &heard);
        let found = heard.entries.into_iter().map(|entry| entry.announcement).collect();
        Ok(Outcome { document, stopped_by, reached, found, not_handed: None })
    }

    /// Waits, and says why it didn't wait to the end.
    async fn hear(&mut self, observer: &Observer, deadline: Instant) -> Option<StopReason> {
        let max_peers = self.settings.limits.max_peers.get();
        let mut settled = pin!(observer.settled());
        let mut looks = interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = &mut settled => match observer.entries().len() {
                    n if n > max_peers => return Some(StopReason::MaxPeers),
                    n if n >= self.settings.min_peers => return None,
                    _ => settled.set(observer.settled()),
                },
                _ = looks.tick() => match observer.entries().len() {
                    n if n > max_peers => return Some(StopReason::MaxPeers),
                    n => self.progress.on_known(n),
                },
                () = sleep_until(deadline) => return Some(StopReason::Timeout),
                () = self.interrupt.asked() => return Some(StopReason::Interrupted),
                () = self.progress.tick() => {}
            }
        }
    }

    /// On the public network, the DHT is the only way in if nobody is named. Else it is a third party,
    /// and used only by who uses others, relays, too.
    fn may_use_dht(&self, bootstrap: &[EndpointAddr]) -> bool {
        let is_only_way = bootstrap.is_empty() && !self.settings.network.is_private();
        is_only_way || self.settings.relay != Relay::Disabled
    }
}

/// Whether there is any way to find somebody.
fn leads_anywhere(config: &NodeConfig) -> bool {
    let is_named = !config.bootstrap.is_empty() || !config.bootstrap_dns.is_empty();
    is_named || config.dht.is_some() || config.mdns
}

fn nobody_named() -> Stop {
    Stop::no_source(
        "nobody is named to join through, and a private network contacts no third party",
    )
    .with_hint(
        "name a NODE or --bootstrap PEER,…, look on the local network (without --no-mdns), or allow \
         third parties by --relay default",
    )
}

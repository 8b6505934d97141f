//! A network without an end, made of one program.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::Result;
use clap::Args;
use futures::{FutureExt, future::BoxFuture};
use id_proto::{SignedAnnouncement, Source};
use iroh::endpoint::SendStream;

use super::{Role, first, say_serving};
use crate::{
    member::{Ears, again_and_again},
    persona::{Hearing, Persona},
    server::{self, Answers, serve},
    stage::Stage,
    statements,
};

/// Names, whenever it is asked, new peers that are itself again.
///
/// As many of them answer as there are live identities; the others have the address of one that does,
/// where the handshake fails.
#[derive(Debug, Args)]
pub(crate) struct InfiniteGraph {
    /// How many identities answer
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=2000))]
    live: u16,

    /// How many peers an answer names
    #[arg(long, default_value_t = 16)]
    named: u16,
}

impl Role for InfiniteGraph {
    const NAME: &'static str = "infinite-graph";

    async fn play(self, stage: Arc<Stage>) -> Result<()> {
        let mut live = Vec::new();
        for n in 0..u64::from(self.live) {
            live.push(stage.persona("graph", n, Hearing::Good).await?);
        }
        let announcements = live.iter().map(Persona::announcement).collect();
        let next = AtomicUsize::new(1);
        let graph = Arc::new(Graph { live: announcements, named: self.named.into(), next });
        let _serving: Vec<_> =
            live.iter().map(|one| serve(one, graph.clone(), Ears::Open)).collect();
        say_serving(&live[0]);
        again_and_again(&live[0], first(&stage)?, Ears::Open, async |member| {
            member.closed().await;
            anyhow::bail!("the node hung up")
        })
        .await;
        Ok(())
    }
}

#[derive(Debug)]
struct Graph {
    live: Vec<SignedAnnouncement>,
    named: usize,
    next: AtomicUsize,
}

impl Graph {
    /// Peer number `n`: one that answers while there are some, then one that isn't where it says.
    fn peer(&self, n: usize, host: &Persona) -> SignedAnnouncement {
        if let Some(live) = self.live.get(n) {
            return live.clone();
        }
        let key = host.stage.keys.key("graph's shadow", n as u64);
        let place = self.live[n % self.live.len()].statement().addrs.clone();
        let shadow = statements::announcement(&host.stage.network, key.public(), place);
        statements::sign(shadow, &key)
    }
}

impl Answers for Graph {
    fn list_peers<'a>(
        &'a self,
        host: &'a Persona,
        send: &'a mut SendStream,
    ) -> BoxFuture<'a, Result<()>> {
        let from = self.next.fetch_add(self.named, Ordering::Relaxed);
        async move {
            let own = server::entry(host.announcement(), Source::Own);
            let named = (from..from + self.named)
                .map(|n| server::entry(self.peer(n, host), Source::Gossip));
            let told = server::write_pages(send, std::iter::once(own).chain(named)).await?;
            host.stage.count("entries_told", told);
            Ok(())
        }
        .boxed()
    }
}

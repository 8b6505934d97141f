//! Has as many identities as it likes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::Result;
use clap::Args;
use futures::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use id_proto::{SignedAnnouncement, Source};
use iroh::endpoint::SendStream;

use super::{Role, flood, nth, say_serving};
use crate::{
    member::Ears,
    persona::{Hearing, Persona},
    server::{self, Answers, serve},
    stage::Stage,
    statements,
};

/// Has as many identities as it likes, announces them all, and names them when asked.
#[derive(Debug, Args)]
pub(crate) struct Sybil {
    /// Through how many connections, each to another target while there are some
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=32))]
    connections: u8,

    /// How many announcements a second and connection; 0 for as many as are taken
    #[arg(long, default_value_t = 500)]
    rate: u32,

    /// How many identities each answer to ListPeers names
    #[arg(long, default_value_t = 65_536)]
    told: u32,
}

impl Role for Sybil {
    const NAME: &'static str = "sybil";

    async fn play(self, stage: Arc<Stage>) -> Result<()> {
        let crowd = Arc::new(Crowd { told: self.told, next: AtomicU64::new(0) });
        let mut members = Vec::new();
        for n in 0..u64::from(self.connections) {
            members.push(stage.persona("sybil's mouth", n, Hearing::Good).await?);
        }
        members.iter().for_each(say_serving);
        let _serving: Vec<_> =
            members.iter().map(|member| serve(member, crowd.clone(), Ears::Open)).collect();
        let floods = members.iter().zip(0..).map(async |(member, n)| {
            let broadcast = || {
                let signed = crowd.next(member);
                Some(statements::message(0, signed.bytes(), 1, 1))
            };
            flood(member, nth(&stage, n)?, Ears::Open, self.rate, broadcast).await;
            Ok(())
        });
        join_all(floods).await.into_iter().collect()
    }
}

/// Identities that never end.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) told: u32,
    pub(crate) next: AtomicU64,
}

impl Crowd {
    /// One more, who says that it is where `host` is.
    pub(crate) fn next(&self, host: &Persona) -> SignedAnnouncement {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let key = host.stage.keys.key("sybil", n);
        host.stage.count("identities", 1);
        let announcement =
            statements::announcement(&host.stage.network, key.public(), host.addrs());
        statements::sign(announcement, &key)
    }
}

impl Answers for Crowd {
    fn list_peers<'a>(
        &'a self,
        host: &'a Persona,
        send: &'a mut SendStream,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let own = server::entry(host.announcement(), Source::Own);
            let crowd = (0..self.told).map(|_| server::entry(self.next(host), Source::Gossip));
            let told = server::write_pages(send, std::iter::once(own).chain(crowd)).await?;
            host.stage.count("entries_told", told);
            Ok(())
        }
        .boxed()
    }
}

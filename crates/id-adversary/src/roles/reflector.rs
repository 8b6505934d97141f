//! Makes nodes send packets to people who have nothing to do with it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Result;
use clap::Args;
use futures::{
    FutureExt,
    future::{BoxFuture, join, join_all},
};
use id_proto::{PeerAnnouncement, SignedAnnouncement, Source, limits};
use iroh::{TransportAddr, endpoint::SendStream};
use tokio::net::UdpSocket;

use super::{Role, first, flood, say_serving};
use crate::{
    guard::{Kind, Victim},
    member::Ears,
    persona::{Hearing, Persona},
    server::{self, Answers, serve},
    stage::Stage,
    statements,
};

/// Announces identities at other people's addresses, and counts what arrives there.
///
/// The victims' addresses are local, or set aside for documentation. It listens at them itself, where
/// they are addresses of this machine.
#[derive(Debug, Args)]
pub(crate) struct Reflector {
    /// Where packets shall go
    #[arg(long = "victim", value_name = "IP:PORT", required = true, value_delimiter = ',')]
    victims: Vec<Victim>,

    /// How many identities a second; 0 for as many as are taken
    #[arg(long, default_value_t = 50)]
    rate: u32,

    /// How many identities an answer to ListPeers names
    #[arg(long, default_value_t = 64)]
    told: u32,
}

impl Role for Reflector {
    const NAME: &'static str = "reflector";

    async fn play(self, stage: Arc<Stage>) -> Result<()> {
        let persona = stage.persona("reflector", 0, Hearing::Good).await?;
        let watching = join_all(self.victims.iter().map(|victim| watch(&stage, *victim)));
        let pointing =
            Arc::new(Pointing { victims: self.victims.clone(), told: self.told, next: 0.into() });
        let _serving = serve(&persona, pointing.clone(), Ears::Open);
        say_serving(&persona);
        let next = || Some(statements::message(0, pointing.next(&persona).bytes(), 1, 1));
        let flooding = flood(&persona, first(&stage)?, Ears::Open, self.rate, next);
        join(watching, flooding).await;
        Ok(())
    }
}

/// Counts what arrives at a victim's address.
async fn watch(stage: &Stage, victim: Victim) {
    let (packets, bytes) = counters(victim.kind());
    let Ok(socket) = UdpSocket::bind(victim.addr()).await else {
        return stage.count("victims_unwatched", 1);
    };
    stage.count(packets, 0);
    let mut packet = [0; 2048];
    while let Ok(len) = socket.recv(&mut packet).await {
        stage.count(packets, 1);
        stage.count(bytes, len as u64);
    }
}

fn counters(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Loopback => ("packets_to_loopback", "bytes_to_loopback"),
        Kind::LinkLocal => ("packets_to_link_local", "bytes_to_link_local"),
        Kind::Private => ("packets_to_private", "bytes_to_private"),
        Kind::Elsewhere => ("packets_to_elsewhere", "bytes_to_elsewhere"),
    }
}

/// Identities at the victims' addresses, one victim after the other.
#[derive(Debug)]
struct Pointing {
    victims: Vec<Victim>,
    told: u32,
    next: AtomicU64,
}

impl Pointing {
    fn next(&self, host: &Persona) -> SignedAnnouncement {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let key = host.stage.keys.key("reflection", n);
        let place: SocketAddr = self.victims[(n % self.victims.len() as u64) as usize].addr();
        let addrs = vec![TransportAddr::Ip(place)];
        let honest = statements::announcement(&host.stage.network, key.public(), addrs);
        // So it is stale, and asked, as soon as can be.
        let interval_secs = *limits::INTERVAL_SECS.start();
        host.stage.count("identities", 1);
        statements::sign(PeerAnnouncement { interval_secs, ..honest }, &key)
    }
}

impl Answers for Pointing {
    fn list_peers<'a>(
        &'a self,
        host: &'a Persona,
        send: &'a mut SendStream,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let own = server::entry(host.announcement(), Source::Own);
            let told = (0..self.told).map(|_| server::entry(self.next(host), Source::Gossip));
            let told = server::write_pages(send, std::iter::once(own).chain(told)).await?;
            host.stage.count("entries_told", told);
            Ok(())
        }
        .boxed()
    }
}

//! Answers with what isn't so.

use std::sync::{Arc, atomic::AtomicU64};

use anyhow::Result;
use clap::{Args, ValueEnum};
use futures::{FutureExt, future::BoxFuture};
use id_proto::{MetaResponse, PeersPage, Source};
use iroh::endpoint::SendStream;

use super::{Role, first, say_serving, sybil::Crowd};
use crate::{
    member::{Ears, again_and_again},
    persona::{Hearing, Persona},
    server::{self, Answers, serve},
    stage::Stage,
};

/// What is wrong with the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lie {
    /// Invented identities, each with a signature that is right
    Identities,
    /// One page after the other, for ever, with nobody new in it
    Endless,
    /// Identities whose signatures are wrong
    Forged,
}

/// Answers ListPeers with a million identities, an endless stream, or forgeries.
///
/// It joins the topic as well, so that nodes ask it of their own accord.
#[derive(Debug, Args)]
pub(crate) struct Liar {
    /// What is wrong with the answer
    #[arg(long, value_enum, default_value_t = Lie::Identities)]
    lie: Lie,

    /// How many identities an answer names
    #[arg(long, default_value_t = 1_000_000)]
    identities: u32,
}

impl Role for Liar {
    const NAME: &'static str = "liar";

    async fn play(self, stage: Arc<Stage>) -> Result<()> {
        let persona = stage.persona("liar", 0, Hearing::Good).await?;
        let crowd = Crowd { told: self.identities, next: AtomicU64::new(0) };
        let _serving = serve(&persona, Arc::new(Lying { lie: self.lie, crowd }), Ears::Open);
        say_serving(&persona);
        again_and_again(&persona, first(&stage)?, Ears::Open, async |member| {
            member.closed().await;
            anyhow::bail!("the node hung up")
        })
        .await;
        Ok(())
    }
}

#[derive(Debug)]
struct Lying {
    lie: Lie,
    crowd: Crowd,
}

impl Lying {
    async fn forge(&self, host: &Persona, send: &mut SendStream) -> Result<()> {
        let own = server::entry(host.announcement(), Source::Own);
        let forged = (0..self.crowd.told).map(|_| {
            let mut item = server::entry(self.crowd.next(host), Source::Gossip);
            // Variant and length come first; this is a byte of S.
            item[3 + 40] ^= 1;
            item
        });
        let told = server::write_pages(send, std::iter::once(own).chain(forged)).await?;
        host.stage.count("entries_told", told);
        Ok(())
    }
}

impl Answers for Lying {
    fn list_peers<'a>(
        &'a self,
        host: &'a Persona,
        send: &'a mut SendStream,
    ) -> BoxFuture<'a, Result<()>> {
        match self.lie {
            Lie::Identities => self.crowd.list_peers(host, send),
            Lie::Endless => endless(host, send).boxed(),
            Lie::Forged => self.forge(host, send).boxed(),
        }
    }
}

/// The same page again and again, as fast as it is read.
async fn endless(host: &Persona, send: &mut SendStream) -> Result<()> {
    let item = server::entry(host.announcement(), Source::Own);
    let mut page = PeersPage::default();
    while page.push(&item) {}
    page.more = true;
    let frame = server::frame(&MetaResponse::Peers(page).encode());
    loop {
        send.write_all(&frame).await?;
        host.stage.count("pages", 1);
    }
}

//! Joins and reads nothing any more.

use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use futures::future::{join, join_all};

use super::{Role, flood, nth};
use crate::{
    member::{Ears, Member, REJOIN_AFTER},
    persona::Hearing,
    server::serve,
    stage::Stage,
};

/// How long a filling message is, in bytes. Origin: an announcement.
const FILLING: usize = 250;
/// A variant of gossip messages that no release knows: believed by nobody, forwarded by all.
const UNKNOWN_VARIANT: u8 = 99;

/// Joins the gossip topic and reads nothing any more.
///
/// Its QUIC acknowledges packets and keeps the connection alive; the stream to it is full after a few
/// messages. iroh-gossip 0.101 then waits for it, and with that for everybody. As a network of ten is
/// too quiet to fill anything, an accomplice broadcasts messages that say nothing. Whenever it is
/// thrown out it comes back with another identity.
#[derive(Debug, Args)]
pub(crate) struct MuteNeighbour {
    /// Of how many of the targets it becomes a neighbour
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=32))]
    neighbours: u8,

    /// How many messages a second the accomplice sends; 0 for none
    #[arg(long, default_value_t = 20)]
    traffic: u32,
}

impl Role for MuteNeighbour {
    const NAME: &'static str = "mute-neighbour";

    async fn play(self, stage: Arc<Stage>) -> Result<()> {
        let mutes = (0..u64::from(self.neighbours)).map(|n| stay_mute(&stage, n));
        let (mutes, talking) = join(join_all(mutes), self.talk(&stage)).await;
        mutes.into_iter().chain([talking]).collect()
    }
}

impl MuteNeighbour {
    /// The accomplice, a neighbour of the last target, who hears well.
    async fn talk(&self, stage: &Arc<Stage>) -> Result<()> {
        if self.traffic == 0 {
            return Ok(());
        }
        let accomplice = stage.persona("accomplice", 0, Hearing::Good).await?;
        let last = u64::try_from(stage.targets.len())?.saturating_sub(1);
        let mut n = 0_u64;
        let next = || {
            n += 1;
            let mut filling = vec![0; FILLING];
            filling[0] = UNKNOWN_VARIANT;
            filling[1..9].copy_from_slice(&n.to_le_bytes());
            Some(filling)
        };
        flood(&accomplice, nth(stage, last)?, Ears::Open, self.traffic, next).await;
        Ok(())
    }
}

/// A mute neighbour of target number `n`, under ever new names.
async fn stay_mute(stage: &Arc<Stage>, n: u64) -> Result<()> {
    let target = nth(stage, n)?;
    for life in 0_u64.. {
        let mute = stage.persona("mute", n << 32 | life, Hearing::Deaf).await?;
        // Other nodes are told of it, and dial it.
        let _serving = serve(&mute, Arc::new(Silent), Ears::Shut);
        let joined = Member::join(&mute, target, Ears::Shut).await;
        stage.tally(&joined, "joined", "joins_failed");
        if let Ok(member) = joined {
            member.closed().await;
            stage.count("thrown_out", 1);
        }
        mute.endpoint().close().await;
        tokio::time::sleep(REJOIN_AFTER).await;
    }
    Ok(())
}

/// Answers nothing.
#[derive(Debug)]
struct Silent;

impl crate::server::Answers for Silent {
    fn list_peers<'a>(
        &'a self,
        _: &'a crate::persona::Persona,
        _: &'a mut iroh::endpoint::SendStream,
    ) -> futures::future::BoxFuture<'a, Result<()>> {
        Box::pin(async { bail!("says nothing") })
    }
}

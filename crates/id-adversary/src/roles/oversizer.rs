//! Sends what is too long, or just not.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use futures::{FutureExt, future::BoxFuture};
use id_proto::{
    limits::{MAX_GOSSIP_LEN, MAX_REQUEST_LEN},
    version::META_ALPN,
};
use iroh::endpoint::{Connection, SendStream};
use tokio::time::sleep;

use super::{Pace, Role, first, say_serving};
use crate::{
    member::{Ears, Member, REJOIN_AFTER, again_and_again},
    persona::{Hearing, Persona},
    server::{Answers, frame, serve},
    stage::Stage,
    statements::varint,
    swarm_wire::{MAX_FRAME, OVERHEAD},
};

/// What a frame claims to hold: 4 GiB.
const CLAIM: u64 = 1 << 32;
/// How much of it is sent, in bytes: enough to make a reader that trusts it go on.
const BEGINNING: usize = 64 * 1024;
/// Rest between two lots of requests.
const REST: Duration = Duration::from_millis(20);

/// What is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Requests and answers that claim 4 GiB, requests of the greatest length, gossip of every length
    /// that passes, and gossip frames that claim 4 GiB
    Frames,
    /// Gossip of exactly the length that iroh-gossip 0.101 reads and can't forward
    Poison,
}

/// Claims frames of 4 GiB, and sends the longest messages that pass, and longer ones.
#[derive(Debug, Args)]
pub(crate) struct Oversizer {
    /// What is too long
    #[arg(long, value_enum, default_value_t = What::Frames)]
    what: What,

    /// How many gossip messages a second; 0 for as many as are taken
    #[arg(long, default_value_t = 50)]
    rate: u32,
}

impl Role for Oversizer {
    const NAME: &'static str = "oversizer";

    async fn play(self, stage: Arc<Stage>) -> Result<()> {
        let host = stage.persona("oversizer", 0, Hearing::Good).await?;
        let _serving = serve(&host, Arc::new(Claiming), Ears::Open);
        say_serving(&host);
        if self.what == What::Poison {
            self.gossip(&host, Lengths::poison()).await?;
        }
        let liar = stage.persona("oversizer's claims", 0, Hearing::Good).await?;
        let (gossiped, (), asked) =
            tokio::join!(self.gossip(&host, Lengths::all()), claim(&liar), ask(&host));
        gossiped.and(asked)
    }
}

impl Oversizer {
    async fn gossip(&self, host: &Persona, mut lengths: Lengths) -> Result<()> {
        let mut pace = Pace::new(self.rate);
        again_and_again(host, first(&host.stage)?, Ears::Open, async |member| {
            loop {
                pace.turn().await;
                member.say(&lengths.next_content()).await?;
                host.stage.count("broadcasts", 1);
            }
        })
        .await;
        Ok(())
    }
}

/// Contents of interesting lengths, no two the same.
#[derive(Debug)]
struct Lengths {
    lengths: Vec<usize>,
    n_made: u64,
}

impl Lengths {
    /// Around our own limit, and up to what iroh-gossip still forwards.
    fn all() -> Self {
        let most = MAX_FRAME - OVERHEAD - 1;
        Self { lengths: vec![MAX_GOSSIP_LEN, MAX_GOSSIP_LEN + 1, 2048, most - 4, most], n_made: 0 }
    }

    /// What is read but not forwarded.
    fn poison() -> Self {
        Self { lengths: vec![MAX_FRAME - OVERHEAD], n_made: 0 }
    }

    fn next_content(&mut self) -> Vec<u8> {
        let len = self.lengths[(self.n_made % self.lengths.len() as u64) as usize];
        self.n_made += 1;
        let mut content = vec![0; len];
        content[1..9].copy_from_slice(&self.n_made.to_le_bytes());
        content
    }
}

/// Claims gossip frames of 4 GiB; the node hangs up each time, or should.
async fn claim(liar: &Persona) {
    loop {
        if let Ok(target) = first(&liar.stage)
            && let Ok(mut member) = Member::join(liar, target, Ears::Open).await
        {
            let mut bytes = u32::MAX.to_be_bytes().to_vec();
            bytes.resize(BEGINNING, 0);
            let sent = member.send_bytes(&bytes).await;
            liar.stage.tally(&sent, "gossip_claims", "gossip_claims_cut");
        }
        sleep(REJOIN_AFTER).await;
    }
}

/// Sends requests that are too long.
async fn ask(host: &Persona) -> Result<()> {
    let target = first(&host.stage)?;
    loop {
        if let Ok(connection) = host.dial(target, META_ALPN).await {
            host.stage.count("connections", 1);
            let ended = ask_on(host, &connection).await;
            host.stage.tally(&ended, "connections_left", "connections_lost");
        }
        sleep(REJOIN_AFTER).await;
    }
}

async fn ask_on(host: &Persona, connection: &Connection) -> Result<()> {
    let claimed = [varint(CLAIM, 1), vec![0; BEGINNING]].concat();
    let longest = frame(&[0xff; MAX_REQUEST_LEN]);
    let longer = frame(&[0xff; MAX_REQUEST_LEN + 1]);
    for (request, what) in [
        (&claimed, "requests_of_4_gib"),
        (&longest, "longest_requests"),
        (&longer, "too_long_requests"),
    ]
    .iter()
    .cycle()
    {
        if connection.close_reason().is_some() {
            bail!("the node hung up");
        }
        let (mut send, mut recv) = connection.open_bi().await?;
        // The node may stop reading at any byte, and says why.
        let _ = send.write_all(request).await;
        let _ = send.finish();
        let answered = recv.read_to_end(BEGINNING).await.is_ok_and(|answer| !answer.is_empty());
        host.stage.count(what, 1);
        host.stage.count("requests_answered", u64::from(answered));
        sleep(REST).await;
    }
    Ok(())
}

/// Answers that claim 4 GiB, and go on.
#[derive(Debug)]
struct Claiming;

impl Answers for Claiming {
    fn list_peers<'a>(
        &'a self,
        host: &'a Persona,
        send: &'a mut SendStream,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            send.write_all(&varint(CLAIM, 1)).await?;
            loop {
                send.write_all(&[0; BEGINNING]).await?;
                host.stage.count("bytes_answered", BEGINNING as u64);
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm_wire;

    fn frame_lens(mut lengths: Lengths) -> Vec<usize> {
        (0..5).map(|_| swarm_wire::gossip(&lengths.next_content(), 0).len()).collect()
    }

    #[test]
    fn poison_is_what_is_read_and_no_longer_forwarded() {
        assert_eq!(frame_lens(Lengths::poison()), [MAX_FRAME; 5]);
    }

    #[test]
    fn all_else_is_forwarded() {
        assert_eq!(frame_lens(Lengths::all()).into_iter().max(), Some(MAX_FRAME - 1));
    }
}

//! Announces in the name of others.

use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use id_proto::{Leave, PeerAnnouncement, Statement};
use iroh::PublicKey;

use super::{Role, flood, nth};
use crate::{member::Ears, persona::Hearing, stage::Stage, statements};

/// A point of small order, the identity: a check that isn't strict believes signatures by it.
const IDENTITY_POINT: [u8; 32] = {
    let mut point = [0; 32];
    point[0] = 1;
    point
};

/// Announces in the name of others, with signatures that aren't theirs.
#[derive(Debug, Args)]
pub(crate) struct Forger {
    /// How many forgeries a second; 0 for as many as are taken
    #[arg(long, default_value_t = 500)]
    rate: u32,
}

impl Role for Forger {
    const NAME: &'static str = "forger";

    async fn play(self, stage: Arc<Stage>) -> Result<()> {
        let persona = stage.persona("forger", 0, Hearing::Good).await?;
        let mut n = 0;
        let next = || {
            n += 1;
            forgery(&stage, n)
        };
        flood(&persona, nth(&stage, 0)?, Ears::Open, self.rate, next).await;
        Ok(())
    }
}

/// Forgery number `n`, ready to be broadcast; no two are the same bytes.
fn forgery(stage: &Stage, n: u64) -> Option<Vec<u8>> {
    const LEAVE: u64 = 1;
    const ANNOUNCE: u64 = 0;
    let key = stage.keys.key("forger's own", n);
    let victim = nth(stage, n / 6).ok()?.id();
    let (kind, variant, signed) = match n % 6 {
        0 => {
            let domain = PeerAnnouncement::DOMAIN;
            (
                "announcements_of_others",
                ANNOUNCE,
                statements::forge(&news(stage, victim, n), &key, domain),
            )
        }
        1 => {
            let leave = Leave { seq: u64::MAX - n, ..statements::leave(&stage.network, victim) };
            ("leaves_of_others", LEAVE, statements::forge(&leave, &key, Leave::DOMAIN))
        }
        2 => {
            let own = news(stage, key.public(), n);
            ("wrong_domains", ANNOUNCE, statements::forge(&own, &key, Leave::DOMAIN))
        }
        3 => {
            let own = news(stage, key.public(), n);
            let mut signed = statements::forge(&own, &key, PeerAnnouncement::DOMAIN);
            // A bit of S: the point R stays one.
            signed[32 + (n % 31) as usize] ^= 1;
            ("flipped_bits", ANNOUNCE, signed)
        }
        4 => {
            let body = news(stage, victim, n).encode_body().ok()?;
            ("zero_signatures", ANNOUNCE, statements::with_signature([0; 64], &body))
        }
        _ => {
            let author = PublicKey::from_bytes(&IDENTITY_POINT).ok()?;
            let body = news(stage, author, n).encode_body().ok()?;
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&IDENTITY_POINT);
            ("small_order_keys", ANNOUNCE, statements::with_signature(signature, &body))
        }
    };
    stage.count(kind, 1);
    Some(statements::message(variant, &signed, 1, 1))
}

/// An announcement that is newer than anything its author ever said.
fn news(stage: &Stage, author: PublicKey, n: u64) -> PeerAnnouncement {
    let honest = statements::announcement(&stage.network, author, vec![]);
    PeerAnnouncement { seq: u64::MAX - n, name: Some("forged".to_owned()), ..honest }
}

//! Says things that are dated wrong.

use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use id_proto::{PeerAnnouncement, limits};

use super::{Role, flood, nth};
use crate::{member::Ears, persona::Hearing, stage::Stage, statements};

const DAY: i64 = 24 * 60 * 60;

/// Says things dated far ahead, just within the limit and far behind.
#[derive(Debug, Args)]
pub(crate) struct FutureDater {
    /// How many announcements a second; 0 for as many as are taken
    #[arg(long, default_value_t = 200)]
    rate: u32,
}

impl Role for FutureDater {
    const NAME: &'static str = "future-dater";

    async fn play(self, stage: Arc<Stage>) -> Result<()> {
        let persona = stage.persona("future-dater", 0, Hearing::Good).await?;
        let mut n = 0;
        let next = || {
            n += 1;
            Some(misdated(&stage, n))
        };
        flood(&persona, nth(&stage, 0)?, Ears::Open, self.rate, next).await;
        Ok(())
    }
}

/// A way to date: the counter, seconds ahead, the sequence number if it isn't the honest one, and
/// the announced interval.
type Dating = (&'static str, i64, Option<u64>, u32);

fn datings() -> [Dating; 8] {
    let skew = limits::MAX_CLOCK_SKEW.as_secs().cast_signed();
    let longest = *limits::INTERVAL_SECS.end();
    [
        ("far_ahead", 365 * DAY, None, 30),
        ("end_of_time", i64::MAX, Some(u64::MAX), 30),
        ("just_too_far_ahead", skew + 5, None, 30),
        ("just_within", skew - 5, None, 30),
        ("just_within_and_long_lived", skew - 5, Some(u64::MAX), longest),
        ("far_behind", -365 * DAY, None, 30),
        ("long_dead", -10 * DAY, None, longest),
        ("sequence_zero", 0, Some(0), 30),
    ]
}

/// Identity number `n`, dated in the way whose turn it is.
fn misdated(stage: &Stage, n: u64) -> Vec<u8> {
    let datings = datings();
    let (kind, ahead, seq, interval_secs) = datings[(n % datings.len() as u64) as usize];
    let key = stage.keys.key("misdated", n);
    let honest = statements::announcement(&stage.network, key.public(), vec![]);
    stage.count(kind, 1);
    let announcement = PeerAnnouncement {
        timestamp_secs: honest.timestamp_secs.saturating_add_signed(ahead),
        seq: seq.unwrap_or(honest.seq.saturating_add_signed(ahead.saturating_mul(1000))),
        interval_secs,
        ..honest
    };
    statements::message(0, statements::sign(announcement, &key).bytes(), 1, 1)
}

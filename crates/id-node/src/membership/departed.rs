//! The sequence numbers of those who went, so that an old announcement can't bring them back.

use std::{collections::BTreeMap, time::Duration};

use id_proto::{iroh_base::PublicKey, limits};

use super::event::Now;

/// Most departed peers that are remembered. Origin: a quarter of the table; 1 MiB.
const MAX_DEPARTED: usize = 16_384;

/// How long: an announcement that is older than this is refused for its age. Origin: the staleness
/// of a default node, and the clock skew of its author and of whoever replays it, either way.
const REMEMBERED_FOR: Duration = Duration::from_secs(120 + 2 * limits::MAX_CLOCK_SKEW.as_secs());

#[derive(Debug, Default)]
pub(super) struct Departed {
    seqs: BTreeMap<PublicKey, (u64, Duration)>,
}

impl Departed {
    /// The highest sequence number that `peer` is known to have used before it went.
    pub(super) fn seq(&self, peer: &PublicKey) -> Option<u64> {
        self.seqs.get(peer).map(|(seq, _)| *seq)
    }

    pub(super) fn remember(&mut self, peer: PublicKey, seq: u64, now: Now) {
        if self.seqs.len() >= MAX_DEPARTED && !self.seqs.contains_key(&peer) {
            self.forget_oldest();
        }
        let highest = self.seq(&peer).map_or(seq, |held| held.max(seq));
        self.seqs.insert(peer, (highest, now.mono));
    }

    pub(super) fn expire(&mut self, now: Now) {
        self.seqs.retain(|_, (_, at)| now.mono < *at + REMEMBERED_FOR);
    }

    fn forget_oldest(&mut self) {
        let oldest = self.seqs.iter().min_by_key(|(_, (_, at))| *at).map(|(peer, _)| *peer);
        if let Some(oldest) = oldest {
            self.seqs.remove(&oldest);
        }
    }
}

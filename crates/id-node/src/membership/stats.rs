//! What was counted since the start.

use super::{event::RemovalReason, gate::Refusal};

/// Counters of a membership; they only grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Announcements of ours.
    pub announced: u64,
    /// Announcements of others that were believed.
    pub believed: u64,
    /// Tables that were asked for.
    pub syncs: u64,
    /// Times that gossip told us it had lost messages.
    pub lagged: u64,
    /// Probes that were answered.
    pub probes_answered: u64,
    /// Probes that were not.
    pub probes_failed: u64,
    /// Dials to find out whether a peer that we were only told of is there.
    pub verifications: u64,
    refused: [u64; Refusal::ALL.len()],
    removed: [u64; 5],
}

impl Stats {
    /// How many statements were refused for `reason`.
    pub fn refused(&self, reason: Refusal) -> u64 {
        self.refused[reason as usize]
    }

    /// How many entries were removed for `reason`.
    pub fn removed(&self, reason: RemovalReason) -> u64 {
        self.removed[reason as usize]
    }

    /// Every counter by its stable name.
    pub fn counters(&self) -> Vec<(String, u64)> {
        let mut counters: Vec<_> = [
            ("announced", self.announced),
            ("believed", self.believed),
            ("syncs", self.syncs),
            ("lagged", self.lagged),
            ("probes_answered", self.probes_answered),
            ("probes_failed", self.probes_failed),
            ("verifications", self.verifications),
            ("removed_left", self.removed(RemovalReason::Left)),
            ("removed_probe_failed", self.removed(RemovalReason::ProbeFailed)),
            ("removed_evicted", self.removed(RemovalReason::Evicted)),
            ("removed_unasked", self.removed(RemovalReason::Unasked)),
            ("removed_denied", self.removed(RemovalReason::Denied)),
        ]
        .map(|(name, count)| (name.to_owned(), count))
        .into();
        let refused = Refusal::ALL.iter().map(|r| (r.as_str().to_owned(), self.refused(*r)));
        counters.extend(refused);
        counters
    }

    pub(super) fn count_refusal(&mut self, reason: Refusal) {
        self.refused[reason as usize] += 1;
    }

    pub(super) fn count_removal(&mut self, reason: RemovalReason) {
        self.removed[reason as usize] += 1;
    }
}

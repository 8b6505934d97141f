//! What happened to gossip, for people to read.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// What happened to the gossip of a node since its start. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct GossipCounts(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    cut_off: AtomicU64,
    poisoned: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
    rationed: AtomicU64,
    rebuilt: AtomicU64,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// A neighbour was cut off because it took nothing.
    CutOff,
    /// A neighbour was cut off because it sent a frame that stops iroh-gossip.
    Poisoned,
    /// A connection was refused: of an offender, of one whom our operator denies, or too many in all.
    Refused,
    /// A message was not sent to a neighbour that doesn't keep up.
    Dropped,
    /// A stranger's statement was not heard: the neighbour that brought it had brought too many.
    Rationed,
    /// Gossip was started anew.
    Rebuilt,
}

impl GossipCounts {
    pub(super) fn count(&self, what: Count) {
        self.of(what).fetch_add(1, Ordering::Relaxed);
    }

    fn of(&self, what: Count) -> &AtomicU64 {
        match what {
            Count::CutOff => &self.0.cut_off,
            Count::Poisoned => &self.0.poisoned,
            Count::Refused => &self.0.refused,
            Count::Dropped => &self.0.dropped,
            Count::Rationed => &self.0.rationed,
            Count::Rebuilt => &self.0.rebuilt,
        }
    }

    pub(super) fn get(&self, what: Count) -> u64 {
        self.of(what).load(Ordering::Relaxed)
    }

    /// Every counter by its stable name.
    pub(crate) fn counters(&self) -> [(String, u64); 6] {
        [
            ("gossip_cut_off", Count::CutOff),
            ("gossip_poisoned", Count::Poisoned),
            ("gossip_refused", Count::Refused),
            ("gossip_dropped", Count::Dropped),
            ("gossip_rationed", Count::Rationed),
            ("gossip_rebuilt", Count::Rebuilt),
        ]
        .map(|(name, what)| (name.to_owned(), self.get(what)))
    }
}

/// What to say behind the number of neighbours; nothing if nothing happened.
impl fmt::Display for GossipCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get(Count::CutOff) {
            0 => {}
            1 => f.write_str(", a stalled one cut off")?,
            n => write!(f, ", {n} stalled ones cut off")?,
        }
        match self.get(Count::Poisoned) {
            0 => {}
            1 => f.write_str(", a poisoner cut off")?,
            n => write!(f, ", {n} poisoners cut off")?,
        }
        match self.get(Count::Rebuilt) {
            0 => Ok(()),
            1 => f.write_str(", started anew once"),
            n => write!(f, ", started anew {n} times"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_what_happened_and_nothing_of_what_did_not() {
        let counts = GossipCounts::default();
        assert_eq!(counts.to_string(), "");
        counts.count(Count::CutOff);
        counts.count(Count::Poisoned);
        assert_eq!(counts.to_string(), ", a stalled one cut off, a poisoner cut off");
        let more = [Count::CutOff, Count::Poisoned, Count::Rebuilt];
        more.into_iter().for_each(|what| counts.count(what));
        assert_eq!(
            counts.to_string(),
            ", 2 stalled ones cut off, 2 poisoners cut off, started anew once"
        );
    }
}

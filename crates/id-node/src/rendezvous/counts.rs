//! How dealings with the DHT have ended, for people and programs to read.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How often each dealing has ended how since the start. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct DhtCounts(Arc<[AtomicU64; Deal::ALL.len()]>);

/// A dealing that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deal {
    /// A look found records of others.
    LookFound,
    /// A look found none; a DHT that can't be entered looks the same.
    LookEmpty,
    /// A look came to no end.
    LookTimedOut,
    /// Our record was left.
    RecordLeft,
    /// It wasn't.
    RecordFailed,
    /// Our addresses were published.
    AddrsPublished,
    /// They weren't.
    AddrsFailed,
}

impl Deal {
    /// In the order of the variants.
    const ALL: [Self; 7] = [
        Self::LookFound,
        Self::LookEmpty,
        Self::LookTimedOut,
        Self::RecordLeft,
        Self::RecordFailed,
        Self::AddrsPublished,
        Self::AddrsFailed,
    ];

    /// What was done, and how it ended.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::LookFound => ("look", "found"),
            Self::LookEmpty => ("look", "empty"),
            Self::LookTimedOut => ("look", "timed_out"),
            Self::RecordLeft => ("leave", "done"),
            Self::RecordFailed => ("leave", "failed"),
            Self::AddrsPublished => ("publish", "done"),
            Self::AddrsFailed => ("publish", "failed"),
        }
    }
}

impl DhtCounts {
    pub(super) fn count(&self, deal: Deal) {
        self.0[deal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// What was done, how it ended, and how often.
    pub(crate) fn all(&self) -> [((&'static str, &'static str), u64); Deal::ALL.len()] {
        Deal::ALL.map(|deal| (deal.names(), self.0[deal as usize].load(Ordering::Relaxed)))
    }

    /// Every counter by its stable name.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (String, u64)> {
        let name = |(what, end): (&str, &str)| format!("dht_{what}_{end}");
        self.all().into_iter().map(move |(names, n)| (name(names), n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_by_its_own_name() {
        for deal in Deal::ALL {
            let counts = DhtCounts::default();
            counts.count(deal);
            let counted: Vec<_> = counts.all().into_iter().filter(|(_, n)| *n > 0).collect();
            assert_eq!(counted, [(deal.names(), 1)]);
        }
    }
}

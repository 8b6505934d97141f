//! Who was turned away because there was too much to do, for people and programs to read.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How often what was turned away since the start. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct BusyCounts(Arc<[AtomicU64; Busy::ALL.len()]>);

/// What is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    /// A connection above the caller's, its host's or everybody's share.
    Connection,
    /// A listing or an explanation that its caller hasn't earned yet.
    Listing,
    /// Peers that an operator handed over too fast.
    Handover,
    /// A handshake that gave way to newer ones.
    Handshake,
    /// An attempt that names no protocol, behind those of its kind that are heard.
    Unclear,
}

impl Busy {
    /// In the order of the variants.
    const ALL: [Self; 5] =
        [Self::Connection, Self::Listing, Self::Handover, Self::Handshake, Self::Unclear];

    fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Listing => "listing",
            Self::Handover => "handover",
            Self::Handshake => "handshake",
            Self::Unclear => "unclear",
        }
    }
}

impl BusyCounts {
    pub(crate) fn count(&self, what: Busy) {
        self.0[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// What was turned away, by a stable name, and how often.
    pub(crate) fn all(&self) -> [(&'static str, u64); Busy::ALL.len()] {
        Busy::ALL.map(|what| (what.as_str(), self.0[what as usize].load(Ordering::Relaxed)))
    }

    /// Every counter by its stable name.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (String, u64)> {
        self.all().into_iter().map(|(what, n)| (format!("busy_{what}"), n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_by_its_own_name() {
        for what in Busy::ALL {
            let counts = BusyCounts::default();
            counts.count(what);
            let counted: Vec<_> = counts.all().into_iter().filter(|(_, n)| *n > 0).collect();
            assert_eq!(counted, [(what.as_str(), 1)]);
        }
    }
}

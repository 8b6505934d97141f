//! Why the last statement under somebody's name wasn't believed, for whoever asks.
//!
//! Names are free, and most statements are refused before their signature is checked. So the memory
//! is small, whoever was refused the longest ago goes first, and names that nobody knows push out
//! only each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use id_proto::iroh_base::PublicKey;

use super::gate::Refusal;

/// Most refused names of peers that are known, and as many of others. Origin: a guess; 64 kB in all,
/// and an operator asks about a handful.
pub(super) const MAX_REFUSED: usize = 256;

/// A refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) reason: Refusal,
    /// Who brought the statement, if it wasn't its author, dialled.
    pub(super) by: Option<PublicKey>,
    pub(super) at: Duration,
}

/// Whether a name says anything to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fame {
    /// It is in the table, was there, or was named by the operator.
    Known,
    Unknown,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Refusals {
    known: Recent,
    unknown: Recent,
}

impl Refusals {
    pub(super) fn note(&mut self, author: PublicKey, fame: Fame, refused: Refused) {
        match fame {
            Fame::Known => self.known.note(author, refused),
            Fame::Unknown => self.unknown.note(author, refused),
        }
    }

    /// The last one under this name.
    pub(super) fn last(&self, author: &PublicKey) -> Option<Refused> {
        let both = [&self.known, &self.unknown].into_iter();
        both.filter_map(|recent| recent.last.get(author)).max_by_key(|it| it.at).copied()
    }

    /// What must hold after every event.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        for recent in [&self.known, &self.unknown] {
            assert!(recent.last.len() <= MAX_REFUSED);
            let order = recent.last.iter().map(|(author, refused)| (refused.at, *author));
            assert_eq!(order.collect::<BTreeSet<_>>(), recent.order);
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Recent {
    last: BTreeMap<PublicKey, Refused>,
    /// Who goes first.
    order: BTreeSet<(Duration, PublicKey)>,
}

impl Recent {
    fn note(&mut self, author: PublicKey, refused: Refused) {
        if let Some(old) = self.last.insert(author, refused) {
            self.order.remove(&(old.at, author));
        }
        self.order.insert((refused.at, author));
        if self.last.len() > MAX_REFUSED
            && let Some((_, first)) = self.order.pop_first()
        {
            self.last.remove(&first);
        }
    }
}

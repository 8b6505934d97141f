//! What a change of our operator's lists does to what is known.

use std::sync::Arc;

use id_proto::{Source, iroh_base::PublicKey};

use super::{Effect, Membership, RemovalReason, table::Entry};
use crate::access::AccessList;

/// What becomes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It stays as it is.
    Stays,
    /// It stays, but whoever brought it isn't spoken of any more.
    IsFreed,
    /// It goes.
    Goes,
}

impl Membership {
    /// Forgets whom the lists don't admit, and all that there was on their word alone: they may have
    /// been denied for making peers up. Others are asked for what else they know.
    pub(super) fn on_access_changed(&mut self, access: Arc<AccessList>, effects: &mut Vec<Effect>) {
        if self.access == access {
            return;
        }
        self.access = access;
        self.drop_neighbours();
        self.lost.keep(|peer| self.access.admits(peer));
        let fates = self.table.iter().map(|entry| (entry.node_id(), self.fate(entry)));
        let fates: Vec<_> = fates.filter(|(_, fate)| *fate != Fate::Stays).collect();
        for (peer, fate) in fates {
            self.meet_fate(peer, fate, effects);
        }
        self.syncs.want();
    }

    fn drop_neighbours(&mut self) {
        let denied = self.neighbours.extract_if(.., |peer| !self.access.admits(peer));
        for peer in denied.collect::<Vec<_>>() {
            self.changed = true;
            self.syncs.neighbour_down(&peer);
            if !self.configured.contains(&peer) {
                self.table.unprotect(&peer);
            }
        }
    }

    fn fate(&self, entry: &Entry) -> Fate {
        let peer = entry.node_id();
        let is_teller_admitted = match entry.source {
            Source::Told(by) => self.access.admits(&by),
            _ => true,
        };
        let is_certain = entry.verified.is_some()
            || self.table.is_protected(&peer)
            || self.access.vouches_for(&peer);
        match self.access.admits(&entry.introducer) && is_teller_admitted {
            _ if !self.access.admits(&peer) => Fate::Goes,
            true => Fate::Stays,
            false if is_certain => Fate::IsFreed,
            false => Fate::Goes,
        }
    }

    fn meet_fate(&mut self, peer: PublicKey, fate: Fate, effects: &mut Vec<Effect>) {
        self.changed = true;
        match fate {
            Fate::Stays => {}
            Fate::IsFreed => self.table.set_free(&peer),
            Fate::Goes => drop(self.remove(peer, RemovalReason::Denied, effects)),
        }
    }
}

//! Whom an operator names to join through: nobody crowds them out of the table.

use std::{collections::BTreeSet, sync::Arc};

use id_proto::iroh_base::PublicKey;

use super::Membership;

impl Membership {
    /// Protects those who are named now, and no longer those who were and are no neighbours.
    pub(super) fn on_configured_changed(&mut self, configured: BTreeSet<PublicKey>) {
        if *self.configured == configured {
            return;
        }
        let before = std::mem::replace(&mut self.configured, Arc::new(configured));
        self.configured.iter().for_each(|peer| self.table.protect(*peer));
        for peer in before.difference(&self.configured) {
            if !self.neighbours.contains(peer) {
                self.table.unprotect(peer);
            }
        }
        self.changed = true;
    }
}

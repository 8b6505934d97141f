//! The peers, one entry each, bounded.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use id_proto::{PeerEntry, SignedAnnouncement, Source, Statement, iroh_base::PublicKey};

use super::moment::Moment;

/// One peer as this node knows it. Immutable: news replaces the entry, readers keep the old one.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The newest announcement, signed.
    pub announcement: SignedAnnouncement,
    /// How the first announcement came.
    pub source: Source,
    /// When it was last heard by us, or by the one who told us of it.
    pub heard: Moment,
    /// When it last answered our own dial, if ever, on the clock of [`super::Now::mono`].
    pub verified: Option<Duration>,
}

impl Entry {
    /// Whose entry it is.
    pub fn node_id(&self) -> PublicKey {
        self.announcement.node_id
    }

    /// Whether the peer should have been heard by now, though one message may have got lost.
    pub fn is_overdue(&self, now: Duration) -> bool {
        self.heard.age(now) > self.patience()
    }

    /// When the peer is overdue; `now`, if it is already.
    pub fn overdue_at(&self, now: Duration) -> Duration {
        now + self.patience().saturating_sub(self.heard.age(now))
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.announcement.interval_secs.into()) * 3 / 2
    }

    /// Whether nothing was heard for longer than the peer's own interval explains.
    pub fn is_stale(&self, now: Duration) -> bool {
        self.heard.age(now) > self.announcement.lifetime()
    }

    /// The entry as it is told to others.
    pub fn to_wire(&self, now: Duration) -> PeerEntry<SignedAnnouncement> {
        PeerEntry {
            announcement: self.announcement.clone(),
            age: self.heard.age(now),
            source: self.source,
            verified_age: self.verified.map(|at| now.saturating_sub(at)),
        }
    }
}

/// The table has no room for an entry that is less certain than all it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TableFull;

#[derive(Debug)]
pub(super) struct Table {
    max_entries: usize,
    entries: BTreeMap<PublicKey, Arc<Entry>>,
    /// The entries that we never verified ourselves, oldest first: what goes when room is needed.
    unverified: BTreeSet<(Moment, PublicKey)>,
}

impl Table {
    pub(super) fn new(max_entries: usize) -> Self {
        Self { max_entries, entries: BTreeMap::new(), unverified: BTreeSet::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.values()
    }

    pub(super) fn get(&self, peer: &PublicKey) -> Option<&Arc<Entry>> {
        self.entries.get(peer)
    }

    pub(super) fn contains(&self, peer: &PublicKey) -> bool {
        self.entries.contains_key(peer)
    }

    /// The entry that `announcement` makes of what is known of its author.
    pub(super) fn entry_for(
        &self,
        announcement: SignedAnnouncement,
        source: Source,
        heard: Moment,
    ) -> Arc<Entry> {
        let old = self.entries.get(&announcement.node_id);
        Arc::new(Entry {
            source: old.map_or(source, |old| old.source),
            heard: old.map_or(heard, |old| old.heard.max(heard)),
            verified: old.and_then(|old| old.verified),
            announcement,
        })
    }

    /// Inserts or replaces an entry. Returns the one that had to go, if one had to.
    pub(super) fn insert(&mut self, entry: Arc<Entry>) -> Result<Option<Arc<Entry>>, TableFull> {
        let peer = entry.node_id();
        let evicted = match self.remove(&peer) {
            Some(_) => None,
            None => self.make_room(&entry)?,
        };
        if entry.verified.is_none() {
            self.unverified.insert((entry.heard, peer));
        }
        self.entries.insert(peer, entry);
        Ok(evicted)
    }

    pub(super) fn remove(&mut self, peer: &PublicKey) -> Option<Arc<Entry>> {
        let entry = self.entries.remove(peer)?;
        self.unverified.remove(&(entry.heard, *peer));
        Some(entry)
    }

    /// Notes that the peer answered our own dial. Returns whether it is in the table.
    pub(super) fn mark_verified(&mut self, peer: &PublicKey, now: Duration) -> bool {
        let Some(old) = self.remove(peer) else {
            return false;
        };
        let heard = Moment::before(now, Duration::ZERO);
        let entry = Entry { heard, verified: Some(now), ..(*old).clone() };
        self.entries.insert(*peer, Arc::new(entry));
        true
    }

    /// Makes the least certain entry go, unless that would be the new one.
    fn make_room(&mut self, new: &Entry) -> Result<Option<Arc<Entry>>, TableFull> {
        if self.entries.len() < self.max_entries {
            return Ok(None);
        }
        let (heard, oldest) = *self.unverified.first().ok_or(TableFull)?;
        if new.verified.is_none() && new.heard <= heard {
            return Err(TableFull);
        }
        Ok(self.remove(&oldest))
    }

    /// What must hold after every event.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        assert!(self.entries.len() <= self.max_entries);
        assert!(self.entries.iter().all(|(peer, entry)| *peer == entry.node_id()));
        let unverified = self.entries.values().filter(|entry| entry.verified.is_none());
        let index: BTreeSet<_> = unverified.map(|entry| (entry.heard, entry.node_id())).collect();
        assert_eq!(index, self.unverified);
    }
}

//! The peers, one entry each, bounded; and who goes when there is no room.
//!
//! Everything here takes logarithmic time, except what says that it reads all.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
    time::Duration,
};

use id_client::FailKind;
use id_proto::{PeerEntry, SignedAnnouncement, Source, Statement, iroh_base::PublicKey};

use super::{
    introducers::{self, Space},
    moment::Moment,
};
use crate::bucket::Bucket;

/// How a dial of ours ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DialEnd {
    /// The peer answered.
    Answered,
    /// It answered as a member of another network, or as somebody else.
    OtherNetwork,
    /// It didn't answer well.
    Failed(FailKind),
}

impl DialEnd {
    /// The stable lower-case name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::OtherNetwork => "other_network",
            Self::Failed(kind) => kind.as_str(),
        }
    }
}

/// The end of a dial, and when that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialled {
    pub(super) at: Duration,
    pub(super) end: DialEnd,
}

/// One peer as this node knows it. Immutable: news replaces the entry, readers keep the old one.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The newest announcement, signed.
    pub announcement: SignedAnnouncement,
    /// How the first announcement came.
    pub source: Source,
    /// Who brought it: the neighbour that delivered its first announcement, the peer that told of
    /// it, or itself, if it was a neighbour, was configured or had been dialled by then.
    pub introducer: PublicKey,
    /// When it was last heard by us, or by the one who told us of it.
    pub heard: Moment,
    /// When it last answered our own dial, if ever, on the clock of [`super::Now::mono`].
    pub verified: Option<Duration>,
    /// When it may be dialled to verify it, if nobody has.
    pub(super) verify_at: Duration,
    /// How our last dial of it ended, since it is in the table.
    pub(super) last_dial: Option<Dialled>,
    /// What its author may still announce.
    pub(super) author: Bucket,
}

impl Entry {
    /// An entry of somebody who never answered our own dial.
    pub fn new(
        announcement: SignedAnnouncement,
        source: Source,
        introducer: PublicKey,
        heard: Moment,
    ) -> Self {
        Self {
            announcement,
            source,
            introducer,
            heard,
            verified: None,
            verify_at: Duration::ZERO,
            last_dial: None,
            author: Bucket::default(),
        }
    }

    /// An entry of a peer whose last dial has ended so.
    #[cfg(feature = "test-util")]
    pub(crate) fn dialled(self, end: Result<(), FailKind>) -> Self {
        let end = end.map_or_else(DialEnd::Failed, |()| DialEnd::Answered);
        Self { last_dial: Some(Dialled { at: Duration::ZERO, end }), ..self }
    }

    /// The entry with what `old` knows besides its announcement.
    pub(super) fn after(self, old: &Self) -> Self {
        Self {
            announcement: self.announcement,
            heard: self.heard.max(old.heard),
            // One by one: a copy of the whole would copy an announcement that nobody needs.
            source: old.source,
            introducer: old.introducer,
            verified: old.verified,
            verify_at: old.verify_at,
            last_dial: old.last_dial,
            author: old.author,
        }
    }

    /// Whose entry it is.
    pub fn node_id(&self) -> PublicKey {
        self.announcement.node_id
    }

    /// Whether all that we have of the peer is what it said itself, to us: nobody whom we know may know it.
    pub(super) fn is_its_own_word_only(&self) -> bool {
        let is_heard = self.source == Source::Gossip && self.introducer == self.node_id();
        is_heard && self.verified.is_none()
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

    /// How our last dial of it has ended, since it is in the table; `None` if there was none.
    pub fn last_dial(&self) -> Option<Result<(), FailKind>> {
        self.last_dial.map(|dialled| match dialled.end {
            DialEnd::Answered => Ok(()),
            DialEnd::OtherNetwork => Err(FailKind::NotMember),
            DialEnd::Failed(kind) => Err(kind),
        })
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

/// Whether a newcomer has to be content with the places of others like it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Somebody says that it is there.
    Claimed,
    /// It is a neighbour, was configured, or answered our own dial.
    Certain,
}

/// How much of the table came by one introducer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Who brought them.
    pub introducer: PublicKey,
    /// How many entries it brought.
    pub n_entries: usize,
    /// How many of them never answered our own dial.
    pub n_unverified: usize,
}

/// The entries that came by one introducer.
#[derive(Debug, Default)]
struct Group {
    n_entries: usize,
    /// Those that may have to go, oldest first: unverified, and not protected.
    evictable: BTreeSet<(Moment, PublicKey)>,
    /// Those that were never verified, by when they may be dialled for it.
    unverified: BTreeSet<(Duration, PublicKey)>,
}

#[derive(Debug)]
pub(super) struct Table {
    max_entries: usize,
    entries: BTreeMap<PublicKey, Arc<Entry>>,
    n_unverified: usize,
    /// By introducer; holds no empty group.
    groups: BTreeMap<PublicKey, Group>,
    /// The groups that have somebody to give up, by how many.
    crowds: BTreeSet<(usize, PublicKey)>,
    /// Who is never evicted, in the table or not: neighbours and configured peers.
    protected: BTreeSet<PublicKey>,
}

impl Table {
    pub(super) fn new(max_entries: usize) -> Self {
        Self {
            max_entries,
            entries: BTreeMap::new(),
            n_unverified: 0,
            groups: BTreeMap::new(),
            crowds: BTreeSet::new(),
            protected: BTreeSet::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn is_full(&self) -> bool {
        self.len() >= self.max_entries
    }

    pub(super) fn space(&self) -> Space {
        if self.is_full() { Space::Full } else { Space::Free }
    }

    /// How many peers that `introducer` brought might have to go.
    pub(super) fn n_claimed(&self, introducer: &PublicKey) -> usize {
        self.groups.get(introducer).map_or(0, |group| group.evictable.len())
    }

    pub(super) fn n_unverified(&self) -> usize {
        self.n_unverified
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

    pub(super) fn is_protected(&self, peer: &PublicKey) -> bool {
        self.protected.contains(peer)
    }

    /// Never evicts `peer` from now on.
    pub(super) fn protect(&mut self, peer: PublicKey) {
        let entry = self.remove(&peer);
        self.protected.insert(peer);
        entry.into_iter().for_each(|entry| self.put(entry));
    }

    /// Takes [`Table::protect`] back.
    pub(super) fn unprotect(&mut self, peer: &PublicKey) {
        let entry = self.remove(peer);
        self.protected.remove(peer);
        entry.into_iter().for_each(|entry| self.put(entry));
    }

    /// Whether there is room for a newcomer of `introducer`'s that was heard at `heard`, and who has
    /// to go for it.
    ///
    /// A verified or protected peer never goes. Of the others, whoever brought the most loses the
    /// one that was heard the longest ago. An introducer with a whole quota of its own, or with as
    /// many as anybody, loses its own, and only to one that was heard since.
    pub(super) fn place_for(
        &self,
        introducer: &PublicKey,
        heard: Moment,
        standing: Standing,
    ) -> Result<Option<PublicKey>, TableFull> {
        if !self.is_full() {
            return Ok(None);
        }
        let (most, largest) = *self.crowds.last().ok_or(TableFull)?;
        let own = self.n_claimed(introducer);
        let quota = introducers::quota(self.max_entries) as usize;
        if standing == Standing::Certain || (own < most && own < quota) {
            return Ok(self.oldest_of(&largest).map(|(_, peer)| peer));
        }
        let oldest = self.oldest_of(introducer).filter(|(oldest, _)| *oldest < heard);
        oldest.map(|(_, peer)| Some(peer)).ok_or(TableFull)
    }

    /// Inserts or replaces an entry. There must be room, as [`Table::place_for`] says.
    pub(super) fn insert(&mut self, entry: Arc<Entry>) {
        self.remove(&entry.node_id());
        debug_assert!(!self.is_full(), "there is no place");
        self.put(entry);
    }

    pub(super) fn remove(&mut self, peer: &PublicKey) -> Option<Arc<Entry>> {
        let entry = self.entries.remove(peer)?;
        self.n_unverified -= usize::from(entry.verified.is_none());
        self.regroup(entry.introducer, |group| {
            group.n_entries -= 1;
            group.unverified.remove(&(entry.verify_at, *peer));
            group.evictable.remove(&(entry.heard, *peer));
        });
        Some(entry)
    }

    /// Notes that the peer answered our own dial. Returns the entry as it was, if it is in the table.
    pub(super) fn mark_verified(&mut self, peer: &PublicKey, now: Duration) -> Option<Arc<Entry>> {
        let old = self.remove(peer)?;
        let heard = Moment::before(now, Duration::ZERO);
        let last_dial = Some(Dialled { at: now, end: DialEnd::Answered });
        self.put(Arc::new(Entry { heard, verified: Some(now), last_dial, ..(*old).clone() }));
        Some(old)
    }

    /// Nobody is held to the peer any more, nor said to have told of it.
    pub(super) fn set_free(&mut self, peer: &PublicKey) {
        if let Some(old) = self.remove(peer) {
            let (introducer, source) = (*peer, Source::Gossip);
            self.put(Arc::new(Entry { introducer, source, ..(*old).clone() }));
        }
    }

    /// Notes how a dial of the peer ended, if it is in the table.
    pub(super) fn note_dial(&mut self, peer: &PublicKey, dialled: Dialled) {
        if let Some(old) = self.remove(peer) {
            self.put(Arc::new(Entry { last_dial: Some(dialled), ..(*old).clone() }));
        }
    }

    /// Doesn't let the peer be verified before `at`.
    pub(super) fn verify_later(&mut self, peer: &PublicKey, at: Duration) {
        if let Some(old) = self.remove(peer) {
            self.put(Arc::new(Entry { verify_at: at, ..(*old).clone() }));
        }
    }

    /// Who may be verified now: of the next introducer behind `last` that passes `may_dial`, the one
    /// that has waited the longest. Reads every introducer at worst.
    pub(super) fn to_verify(
        &self,
        last: Option<PublicKey>,
        now: Duration,
        may_dial: impl Fn(&PublicKey) -> bool,
    ) -> Option<&Arc<Entry>> {
        let behind = last.map(|last| self.groups.range((Excluded(last), Unbounded)));
        let mut turns = behind.into_iter().flatten().chain(&self.groups);
        let due = |group: &Group| group.unverified.first().filter(|(at, _)| *at <= now).copied();
        let next = turns.find_map(|(id, group)| due(group).filter(|_| may_dial(id)));
        next.and_then(|(_, peer)| self.entries.get(&peer))
    }

    /// How many introducers the entries have.
    pub(super) fn n_introducers(&self) -> usize {
        self.groups.len()
    }

    /// What each introducer brought, the largest share first. Reads every introducer.
    pub(super) fn shares(&self, max: usize) -> Vec<Share> {
        let share = |(introducer, group): (&PublicKey, &Group)| Share {
            introducer: *introducer,
            n_entries: group.n_entries,
            n_unverified: group.unverified.len(),
        };
        let mut shares: Vec<_> = self.groups.iter().map(share).collect();
        shares.sort_by_key(|share| std::cmp::Reverse((share.n_entries, share.introducer)));
        shares.truncate(max);
        shares
    }

    fn put(&mut self, entry: Arc<Entry>) {
        let peer = entry.node_id();
        let is_protected = self.is_protected(&peer);
        self.n_unverified += usize::from(entry.verified.is_none());
        self.regroup(entry.introducer, |group| {
            group.n_entries += 1;
            if entry.verified.is_none() {
                group.unverified.insert((entry.verify_at, peer));
                if !is_protected {
                    group.evictable.insert((entry.heard, peer));
                }
            }
        });
        self.entries.insert(peer, entry);
    }

    /// Changes a group, and its place among the crowds.
    fn regroup(&mut self, introducer: PublicKey, change: impl FnOnce(&mut Group)) {
        let group = self.groups.entry(introducer).or_default();
        let before = group.evictable.len();
        change(group);
        let after = group.evictable.len();
        if group.n_entries == 0 {
            self.groups.remove(&introducer);
        }
        if before != after {
            self.crowds.remove(&(before, introducer));
            if after > 0 {
                self.crowds.insert((after, introducer));
            }
        }
    }

    fn oldest_of(&self, introducer: &PublicKey) -> Option<(Moment, PublicKey)> {
        self.groups.get(introducer)?.evictable.first().copied()
    }

    /// What must hold after every event.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        assert!(self.entries.len() <= self.max_entries);
        assert!(self.entries.iter().all(|(peer, entry)| *peer == entry.node_id()));
        let brought: usize = self.groups.values().map(|group| group.n_entries).sum();
        assert_eq!(brought, self.entries.len(), "every entry has one introducer");
        let unverified = self.entries.values().filter(|entry| entry.verified.is_none());
        assert_eq!(unverified.count(), self.n_unverified);
        for (introducer, group) in &self.groups {
            let entries = self.entries.values().filter(|entry| entry.introducer == *introducer);
            let unverified = entries.clone().filter(|entry| entry.verified.is_none());
            let evictable = unverified.clone().filter(|it| !self.is_protected(&it.node_id()));
            assert_eq!(group.n_entries, entries.count());
            let by_turn = unverified.map(|entry| (entry.verify_at, entry.node_id()));
            assert_eq!(group.unverified, by_turn.collect());
            let by_age = evictable.map(|entry| (entry.heard, entry.node_id()));
            assert_eq!(group.evictable, by_age.collect());
        }
        let sizes = self.groups.iter().map(|(id, group)| (group.evictable.len(), *id));
        assert_eq!(self.crowds, sizes.filter(|(size, _)| *size > 0).collect());
    }
}

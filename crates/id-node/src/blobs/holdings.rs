//! Which names lead to which blobs, and what becomes of blobs that none leads to; without any I/O.
//!
//! A blob without a name is removed, but not by us: iroh-blobs sweeps now and then, and tells us just
//! before ([`Holdings::sweep`]). From then on until the next time it may be removing what we didn't
//! tell it to keep, and we can't see how far it is. So such a blob takes no name any more, and nobody
//! may send it, until it is seen to be gone ([`Holdings::gone`]).

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    time::Duration,
};

use id_proto::{BlobHash, BlobKey, BlobName, IfTaken, Match, NameChange, NamedBlob};

/// Most names of a node. Origin: a guess; they take about 50 MiB of memory, and a second to read at
/// the start.
pub(crate) const MAX_NAMES: usize = 1 << 18;
/// Most blobs that were sent and have no name yet. Origin: a guess; whoever sends one names it next.
pub(crate) const MAX_ARRIVED: usize = 4096;
/// How long a blob is kept that was sent, or sent in part, and has no name. Origin: a guess; whoever
/// was interrupted comes back within the hour.
pub(crate) const KEPT: Duration = Duration::from_secs(60 * 60);

/// Names and blobs of one node.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    names: BTreeMap<BlobName, BlobHash>,
    named: BTreeMap<BlobHash, Named>,
    unnamed: BTreeMap<BlobHash, Unnamed>,
    /// How many are sending a blob just now, named or not.
    senders: BTreeMap<BlobHash, usize>,
}

/// A blob that names lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    size: u64,
    /// The first in order; most blobs have no other.
    first: BlobName,
    others: BTreeSet<BlobName>,
}

/// A blob that none leads to, but that may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unnamed {
    /// It is kept until then, for somebody to name it or to send the rest.
    Arrived { until: Duration },
    /// Nobody wants it; the next sweep removes it.
    Free,
    /// It is being removed.
    Condemned,
}

/// What is to happen to names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Let `name` lead to a blob that is there, and has this size.
    Put { name: BlobName, hash: BlobHash, size: u64, if_taken: IfTaken },
    /// Let `name` lead nowhere.
    Delete { name: BlobName },
    /// Let `to` lead to where `from` leads, and `from` nowhere.
    Rename { from: BlobName, to: BlobName, if_taken: IfTaken },
    /// Let `to` lead to where `from` leads.
    Copy { from: BlobName, to: BlobName, if_taken: IfTaken },
}

/// What a change comes to; the store does the same on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    /// All is so already.
    Nothing,
    /// Let `name` lead there.
    Set { name: BlobName, hash: BlobHash },
    /// Let `name` lead nowhere.
    Remove { name: BlobName },
    /// Let `to` lead to where `from` leads, and `from` nowhere.
    Move { from: BlobName, to: BlobName },
}

/// Why a change isn't made. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no such name.
    NotFound,
    /// The name leads to another blob.
    NameTaken,
    /// The blob is being removed.
    BeingRemoved,
    /// There are too many names.
    Full,
}

/// Why a blob isn't taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotNow {
    /// It is being removed.
    BeingRemoved,
    /// Too many others were sent and not named.
    TooMany,
}

/// A change that was made, and how to take it back.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) edit: Edit,
    pub(crate) answer: NameChange,
    before: Vec<(BlobName, Option<(BlobHash, u64)>)>,
}

impl Holdings {
    /// What a store holds at the start: names that lead to blobs that are whole, and the other blobs.
    pub(crate) fn load(
        names: impl IntoIterator<Item = NamedBlob>,
        others: impl IntoIterator<Item = BlobHash>,
        now: Duration,
    ) -> Self {
        let mut holdings = Self::default();
        for blob in names {
            holdings.lead(blob.name, Some((blob.hash, blob.size)));
        }
        let until = now + KEPT;
        for hash in others {
            if !holdings.named.contains_key(&hash) {
                holdings.unnamed.insert(hash, Unnamed::Arrived { until });
            }
        }
        holdings
    }

    /// How many blobs have a name.
    pub(crate) fn n_blobs(&self) -> u64 {
        self.named.len() as u64
    }

    /// How many names there are.
    pub(crate) fn n_names(&self) -> u64 {
        self.names.len() as u64
    }

    /// The blob that `key` calls, with the name that was asked for, or its first one.
    pub(crate) fn get(&self, key: &BlobKey) -> Option<NamedBlob> {
        match key {
            BlobKey::Name(name) => self.names.get(name).map(|hash| self.named_blob(name, hash)),
            BlobKey::Hash(hash) => {
                self.named.get(hash).map(|named| self.named_blob(&named.first, hash))
            }
        }
    }

    /// At most `max` names, from the first one behind `after`, in order.
    pub(crate) fn list(&self, after: Option<&BlobName>, max: usize) -> Vec<NamedBlob> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.names.range::<BlobName, _>((from, Bound::Unbounded));
        behind.take(max).map(|(name, hash)| self.named_blob(name, hash)).collect()
    }

    /// At most `max` names with `query` in them, the best matches first, then in order.
    pub(crate) fn find(&self, query: &BlobName, max: usize) -> Vec<NamedBlob> {
        let of_kind =
            |kind: Match, text: &BlobName| Match::of(query.as_str(), text.as_str()) == Some(kind);
        // Names that begin with the query, itself first, are all behind each other.
        let begin = self.names.range::<BlobName, _>(query..);
        let begin = begin.take_while(|(name, _)| name.as_str().starts_with(query.as_str()));
        let mut found: Vec<_> = begin.take(max).collect();
        let others = self.names.iter().filter(|(name, _)| of_kind(Match::Contains, name));
        found.extend(others.take(max - found.len()));
        found.into_iter().map(|(name, hash)| self.named_blob(name, hash)).collect()
    }

    fn named_blob(&self, name: &BlobName, hash: &BlobHash) -> NamedBlob {
        let size = self.named[hash].size;
        NamedBlob { name: name.clone(), hash: *hash, size }
    }

    /// Makes a change, if it may be made.
    pub(crate) fn change(&mut self, change: Change) -> Result<Made, Refusal> {
        let (name, to, edit) = self.decide(change)?;
        let before = self.before(&edit);
        let replaced =
            to.and_then(|(hash, _)| self.names.get(&name).copied().filter(|old| *old != hash));
        let (hash, size) = to.or_else(|| self.leads_to(&name)).ok_or(Refusal::NotFound)?;
        match &edit {
            Edit::Nothing => {}
            Edit::Set { .. } | Edit::Remove { .. } => self.lead(name, to),
            Edit::Move { from, .. } => {
                // In this order, or the blob would be without a name for a moment.
                self.lead(name, to);
                self.lead(from.clone(), None);
            }
        }
        let n_names = self.named.get(&hash).map_or(0, Named::n_names);
        Ok(Made { edit, answer: NameChange { hash, size, n_names, replaced }, before })
    }

    /// Takes a change back that couldn't be written. Nothing may have changed in between.
    pub(crate) fn take_back(&mut self, made: Made) {
        made.before.into_iter().for_each(|(name, to)| self.lead(name, to));
    }

    /// Which name shall lead where, and what that takes.
    #[expect(clippy::type_complexity, reason = "a name, where it leads, and how")]
    fn decide(&self, change: Change) -> Result<(BlobName, Option<(BlobHash, u64)>, Edit), Refusal> {
        match change {
            Change::Put { name, hash, size, if_taken } => {
                if self.unnamed.get(&hash) == Some(&Unnamed::Condemned) {
                    return Err(Refusal::BeingRemoved);
                }
                let edit = self.decide_set(&name, hash, if_taken)?;
                Ok((name, Some((hash, size)), edit))
            }
            Change::Delete { name } => {
                self.leads_to(&name).ok_or(Refusal::NotFound)?;
                Ok((name.clone(), None, Edit::Remove { name }))
            }
            Change::Copy { from, to, if_taken } => {
                let (hash, size) = self.leads_to(&from).ok_or(Refusal::NotFound)?;
                let edit = self.decide_set(&to, hash, if_taken)?;
                Ok((to, Some((hash, size)), edit))
            }
            Change::Rename { from, to, if_taken } => {
                let (hash, size) = self.leads_to(&from).ok_or(Refusal::NotFound)?;
                let edit = match self.names.get(&to) {
                    _ if from == to => Edit::Nothing,
                    Some(old) if *old != hash && if_taken == IfTaken::Refuse => {
                        return Err(Refusal::NameTaken);
                    }
                    _ => Edit::Move { from, to: to.clone() },
                };
                Ok((to, Some((hash, size)), edit))
            }
        }
    }

    fn decide_set(
        &self,
        name: &BlobName,
        hash: BlobHash,
        if_taken: IfTaken,
    ) -> Result<Edit, Refusal> {
        match self.names.get(name) {
            Some(old) if *old == hash => Ok(Edit::Nothing),
            Some(_) if if_taken == IfTaken::Refuse => Err(Refusal::NameTaken),
            None if self.names.len() >= MAX_NAMES => Err(Refusal::Full),
            _ => Ok(Edit::Set { name: name.clone(), hash }),
        }
    }

    fn leads_to(&self, name: &BlobName) -> Option<(BlobHash, u64)> {
        self.names.get(name).map(|hash| (*hash, self.named[hash].size))
    }

    fn before(&self, edit: &Edit) -> Vec<(BlobName, Option<(BlobHash, u64)>)> {
        let names = match edit {
            Edit::Nothing => vec![],
            Edit::Set { name, .. } | Edit::Remove { name } => vec![name],
            Edit::Move { from, to } => vec![from, to],
        };
        names.into_iter().map(|name| (name.clone(), self.leads_to(name))).collect()
    }

    /// Lets `name` lead to a blob, or nowhere.
    fn lead(&mut self, name: BlobName, to: Option<(BlobHash, u64)>) {
        let before = match to {
            Some((hash, size)) => {
                self.add_name(hash, size, &name);
                self.names.insert(name.clone(), hash).filter(|before| *before != hash)
            }
            None => self.names.remove(&name),
        };
        if let Some(before) = before {
            self.remove_name(before, &name);
        }
    }

    fn add_name(&mut self, hash: BlobHash, size: u64, name: &BlobName) {
        self.unnamed.remove(&hash);
        match self.named.get_mut(&hash) {
            Some(named) => named.add(name),
            None => {
                let named = Named { size, first: name.clone(), others: BTreeSet::new() };
                self.named.insert(hash, named);
            }
        }
    }

    fn remove_name(&mut self, hash: BlobHash, name: &BlobName) {
        let has_others = self.named.get_mut(&hash).is_some_and(|named| named.remove(name));
        if !has_others {
            self.named.remove(&hash);
            self.unnamed.insert(hash, Unnamed::Free);
        }
    }

    /// Somebody begins to send a blob. To be followed by [`Holdings::arrived`].
    pub(crate) fn arrives(&mut self, hash: BlobHash, now: Duration) -> Result<(), NotNow> {
        match self.unnamed.get(&hash) {
            _ if self.named.contains_key(&hash) => {}
            Some(Unnamed::Condemned) => return Err(NotNow::BeingRemoved),
            None if self.unnamed.len() >= MAX_ARRIVED => return Err(NotNow::TooMany),
            _ => drop(self.unnamed.insert(hash, Unnamed::Arrived { until: now + KEPT })),
        }
        *self.senders.entry(hash).or_default() += 1;
        Ok(())
    }

    /// A blob that was sent has come, or a part of it.
    pub(crate) fn arrived(&mut self, hash: BlobHash, now: Duration) {
        match self.senders.get_mut(&hash) {
            Some(n_senders) if *n_senders > 1 => *n_senders -= 1,
            _ => drop(self.senders.remove(&hash)),
        }
        if let Some(state) = self.unnamed.get_mut(&hash) {
            *state = Unnamed::Arrived { until: now + KEPT };
        }
    }

    /// Whether somebody is sending it.
    pub(crate) fn is_arriving(&self, hash: &BlobHash) -> bool {
        self.senders.contains_key(hash)
    }

    /// Whether it may be in the middle of its removal.
    pub(crate) fn is_condemned(&self, hash: &BlobHash) -> bool {
        self.unnamed.get(hash) == Some(&Unnamed::Condemned)
    }

    /// Whether it is kept for somebody to name it.
    pub(crate) fn is_waiting(&self, hash: &BlobHash) -> bool {
        matches!(self.unnamed.get(hash), Some(Unnamed::Arrived { .. }))
    }

    /// A blob isn't there (any more).
    pub(crate) fn gone(&mut self, hash: &BlobHash) {
        if !self.is_arriving(hash) {
            self.unnamed.remove(hash);
        }
    }

    /// A sweep is about to begin, and the one before is over: which blobs it must keep. `None` if there
    /// is nothing for it to remove.
    pub(crate) fn sweep(&mut self, now: Duration) -> Option<Vec<BlobHash>> {
        self.unnamed.retain(|_, state| *state != Unnamed::Condemned);
        let mut kept = Vec::new();
        let mut n_condemned = 0_usize;
        for (hash, state) in &mut self.unnamed {
            match *state {
                _ if self.senders.contains_key(hash) => kept.push(*hash),
                Unnamed::Arrived { until } if until > now => kept.push(*hash),
                _ => {
                    *state = Unnamed::Condemned;
                    n_condemned += 1;
                }
            }
        }
        (n_condemned > 0).then(|| {
            kept.extend(self.named.keys());
            kept
        })
    }
}

impl Named {
    fn n_names(&self) -> u64 {
        1 + self.others.len() as u64
    }

    fn add(&mut self, name: &BlobName) {
        if *name < self.first {
            let second = std::mem::replace(&mut self.first, name.clone());
            self.others.insert(second);
        } else if *name != self.first {
            self.others.insert(name.clone());
        }
    }

    /// Returns whether there are others.
    fn remove(&mut self, name: &BlobName) -> bool {
        if *name != self.first {
            self.others.remove(name);
            return true;
        }
        match self.others.pop_first() {
            Some(second) => {
                self.first = second;
                true
            }
            None => false,
        }
    }
}

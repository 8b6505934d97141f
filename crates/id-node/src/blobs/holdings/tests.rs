//! Against a model that is too simple to be wrong, with a sweeper that removes as late as it may.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*};

use super::*;

const NOW: Duration = Duration::ZERO;

fn name(n: u8) -> BlobName {
    let names = ["a", "ab", "abc", "b", "ba", "bab"];
    BlobName::new(names[n as usize % names.len()]).unwrap()
}

fn hash(n: u8) -> BlobHash {
    BlobHash([n % 4; 32])
}

const fn size(hash: BlobHash) -> u64 {
    hash.0[0] as u64 * 100
}

#[derive(Debug, Clone)]
enum Step {
    Send(u8),
    Sent(u8),
    Put(u8, u8, bool),
    Delete(u8),
    Rename(u8, u8, bool),
    Copy(u8, u8, bool),
    Fail(u8, u8),
    BeginSweep,
    Remove(u8),
    Wait(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<u8>().prop_map(Step::Send),
        any::<u8>().prop_map(Step::Sent),
        any::<(u8, u8, bool)>().prop_map(|(a, b, c)| Step::Put(a, b, c)),
        any::<(u8, u8, bool)>().prop_map(|(a, b, c)| Step::Put(a, b, c)),
        any::<u8>().prop_map(Step::Delete),
        any::<(u8, u8, bool)>().prop_map(|(a, b, c)| Step::Rename(a, b, c)),
        any::<(u8, u8, bool)>().prop_map(|(a, b, c)| Step::Copy(a, b, c)),
        any::<(u8, u8)>().prop_map(|(a, b)| Step::Fail(a, b)),
        Just(Step::BeginSweep),
        any::<u8>().prop_map(Step::Remove),
        any::<u8>().prop_map(Step::Wait),
    ]
}

/// A store with a sweeper: it removes what it wasn't told to keep, one by one, whenever it likes until
/// its next round begins.
#[derive(Debug, Default)]
struct World {
    holdings: Holdings,
    names: BTreeMap<BlobName, BlobHash>,
    present: BTreeSet<BlobHash>,
    sending: BTreeMap<BlobHash, usize>,
    doomed: BTreeSet<BlobHash>,
    now: Duration,
}

impl World {
    fn step(&mut self, step: Step) {
        match step {
            Step::Send(n) => self.send(hash(n)),
            Step::Sent(n) => self.sent(hash(n)),
            Step::Put(n, h, replace) => self.put(name(n), hash(h), IfTaken::of(replace)),
            Step::Delete(n) => {
                let expected = self.names.remove(&name(n)).ok_or(Refusal::NotFound);
                let made = self.holdings.change(Change::Delete { name: name(n) });
                assert_eq!(made.map(|made| made.answer.hash), expected);
            }
            Step::Rename(from, to, replace) => {
                let (from, to) = (name(from), name(to));
                let if_taken = IfTaken::of(replace);
                let change = Change::Rename { from: from.clone(), to: to.clone(), if_taken };
                self.lead(&from, &to, if_taken, change, from != to);
            }
            Step::Copy(from, to, replace) => {
                let (from, to) = (name(from), name(to));
                let if_taken = IfTaken::of(replace);
                let change = Change::Copy { from: from.clone(), to: to.clone(), if_taken };
                self.lead(&from, &to, if_taken, change, false);
            }
            Step::Fail(from, to) => {
                let before = format!("{:?}", self.holdings.names);
                let (from, to) = (name(from), name(to));
                let change = Change::Rename { from, to, if_taken: IfTaken::Replace };
                if let Ok(made) = self.holdings.change(change) {
                    self.holdings.take_back(made);
                }
                assert_eq!(format!("{:?}", self.holdings.names), before);
            }
            Step::BeginSweep => self.begin_sweep(),
            Step::Remove(n) => {
                let nth = n as usize % self.doomed.len().max(1);
                if let Some(hash) = self.doomed.iter().nth(nth).copied() {
                    self.remove(hash);
                }
            }
            Step::Wait(minutes) => self.now += Duration::from_secs(60) * u32::from(minutes % 90),
        }
    }

    fn send(&mut self, hash: BlobHash) {
        match self.holdings.arrives(hash, self.now) {
            Ok(()) => {
                assert!(!self.doomed.contains(&hash), "what is being removed isn't taken in");
                self.present.insert(hash);
                *self.sending.entry(hash).or_default() += 1;
            }
            Err(NotNow::BeingRemoved) if !self.present.contains(&hash) => {
                // As the shell does: what is seen to be gone may come again.
                self.holdings.gone(&hash);
                assert_eq!(self.holdings.arrives(hash, self.now), Ok(()));
                self.present.insert(hash);
                *self.sending.entry(hash).or_default() += 1;
            }
            Err(why) => {
                assert_eq!(why, NotNow::BeingRemoved);
                assert!(self.doomed.contains(&hash), "only what is being removed is refused");
            }
        }
    }

    fn sent(&mut self, hash: BlobHash) {
        if let Some(n) = self.sending.get_mut(&hash) {
            *n -= 1;
            if *n == 0 {
                self.sending.remove(&hash);
            }
            self.holdings.arrived(hash, self.now);
        }
    }

    fn put(&mut self, name: BlobName, hash: BlobHash, if_taken: IfTaken) {
        if !self.present.contains(&hash) {
            return;
        }
        let change = Change::Put { name: name.clone(), hash, size: size(hash), if_taken };
        match self.holdings.change(change) {
            Ok(made) => {
                let before = self.names.insert(name, hash);
                assert_eq!(made.answer.replaced, before.filter(|before| *before != hash));
                let n_names = self.names.values().filter(|led| **led == hash).count() as u64;
                assert_eq!(made.answer.n_names, n_names);
            }
            Err(Refusal::NameTaken) => {
                assert!(self.names[&name] != hash && if_taken == IfTaken::Refuse);
            }
            Err(why) => {
                assert_eq!(why, Refusal::BeingRemoved);
                assert!(self.doomed.contains(&hash));
            }
        }
    }

    fn lead(
        &mut self,
        from: &BlobName,
        to: &BlobName,
        if_taken: IfTaken,
        change: Change,
        forget: bool,
    ) {
        let made = self.holdings.change(change).map(|made| made.answer.hash);
        let Some(hash) = self.names.get(from).copied() else {
            return assert_eq!(made, Err(Refusal::NotFound));
        };
        let is_taken = self.names.get(to).is_some_and(|led| *led != hash);
        if is_taken && if_taken == IfTaken::Refuse {
            return assert_eq!(made, Err(Refusal::NameTaken));
        }
        assert_eq!(made, Ok(hash));
        self.names.insert(to.clone(), hash);
        if forget {
            self.names.remove(from);
        }
    }

    fn begin_sweep(&mut self) {
        // The round before is over.
        std::mem::take(&mut self.doomed).into_iter().for_each(|hash| self.remove(hash));
        if let Some(kept) = self.holdings.sweep(self.now) {
            let kept: BTreeSet<_> = kept.into_iter().collect();
            self.doomed = self.present.difference(&kept).copied().collect();
        }
    }

    fn remove(&mut self, hash: BlobHash) {
        self.doomed.remove(&hash);
        self.present.remove(&hash);
    }

    fn check(&self) {
        let listed = self.holdings.list(None, usize::MAX);
        let listed: BTreeMap<_, _> = listed.into_iter().map(|it| (it.name, it.hash)).collect();
        assert_eq!(listed, self.names);
        let blobs: BTreeSet<_> = self.names.values().collect();
        assert_eq!(self.holdings.n_blobs(), blobs.len() as u64);
        assert!(blobs.iter().all(|hash| self.present.contains(hash)), "a name leads to nothing");
        assert!(self.sending.keys().all(|hash| self.present.contains(hash)));
        for hash in (0..4).map(hash) {
            let first = self.names.iter().find(|(_, led)| **led == hash).map(|(name, _)| name);
            let got = self.holdings.get(&BlobKey::Hash(hash));
            assert_eq!(got.as_ref().map(|blob| &blob.name), first);
            assert!(got.is_none_or(|blob| blob.size == size(hash)));
        }
        assert!(self.holdings.unnamed.keys().all(|hash| !self.holdings.named.contains_key(hash)));
    }
}

trait Of {
    fn of(replace: bool) -> Self;
}

impl Of for IfTaken {
    fn of(replace: bool) -> Self {
        if replace { Self::Replace } else { Self::Refuse }
    }
}

proptest! {
    #[test]
    fn names_are_those_of_the_model_and_always_lead_to_a_blob_that_is_there(
        steps in vec(step(), 0..120),
    ) {
        let mut world = World::default();
        for step in steps {
            world.step(step);
            world.check();
        }
    }

    #[test]
    fn pages_put_together_are_the_list(names in vec(any::<u8>(), 0..20), len in 1_usize..4) {
        let mut holdings = Holdings::default();
        for n in names {
            put(&mut holdings, name(n), hash(n)).unwrap();
        }
        let mut pages: Vec<NamedBlob> = Vec::new();
        loop {
            let page = holdings.list(pages.last().map(|blob| &blob.name), len);
            if page.is_empty() {
                break;
            }
            pages.extend(page);
        }
        prop_assert_eq!(pages, holdings.list(None, usize::MAX));
    }

    #[test]
    fn what_is_found_is_all_that_matches_the_best_first(names in vec(any::<u8>(), 0..20), max in 0_usize..8) {
        let mut holdings = Holdings::default();
        for n in names {
            put(&mut holdings, name(n), hash(n)).unwrap();
        }
        for query in ["a", "b", "ab", "abc", "c", "ba"] {
            let found = holdings.find(&query.parse().unwrap(), max);
            let all = holdings.list(None, usize::MAX).into_iter();
            let mut expected: Vec<_> = all
                .filter_map(|blob| Some((Match::of(query, blob.name.as_str())?, blob)))
                .collect();
            expected.sort_by(|one, other| (one.0, &one.1.name).cmp(&(other.0, &other.1.name)));
            let expected: Vec<_> = expected.into_iter().map(|(_, blob)| blob).take(max).collect();
            prop_assert_eq!(found, expected);
        }
    }
}

fn put(holdings: &mut Holdings, name: BlobName, hash: BlobHash) -> Result<Made, Refusal> {
    let if_taken = IfTaken::Replace;
    holdings.change(Change::Put { name, hash, size: size(hash), if_taken })
}

#[test]
fn a_blob_without_a_name_is_kept_for_an_hour_and_then_removed() {
    let mut holdings = Holdings::default();
    let (now, later) = (Duration::from_secs(1), Duration::from_secs(2));
    holdings.arrives(hash(1), now).unwrap();
    assert_eq!(holdings.sweep(now + 2 * KEPT), None, "somebody sends it");
    holdings.arrived(hash(1), now);
    assert_eq!(holdings.sweep(now), None);
    put(&mut holdings, name(0), hash(2)).unwrap();
    holdings.change(Change::Delete { name: name(0) }).unwrap();
    assert_eq!(holdings.sweep(later), Some(vec![hash(1)]), "the other one is removed at once");
    assert_eq!(holdings.sweep(later), None);
    assert_eq!(holdings.sweep(now + KEPT), Some(vec![]));
    assert!(holdings.is_condemned(&hash(1)));
    assert_eq!(holdings.arrives(hash(1), now + KEPT), Err(NotNow::BeingRemoved));
}

#[test]
fn blobs_that_nobody_names_are_bounded() {
    let numbered = |n: usize| {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&n.to_le_bytes());
        BlobHash(hash)
    };
    let mut holdings = Holdings::default();
    (0..MAX_ARRIVED).for_each(|n| holdings.arrives(numbered(n), NOW).unwrap());
    assert_eq!(holdings.arrives(numbered(MAX_ARRIVED), NOW), Err(NotNow::TooMany));
    assert_eq!(holdings.arrives(numbered(0), NOW), Ok(()), "it is one of them");
    put(&mut holdings, name(0), numbered(0)).unwrap();
    assert_eq!(holdings.arrives(numbered(MAX_ARRIVED), NOW), Ok(()), "there is room again");
}

#[test]
fn a_name_that_leads_there_already_is_no_change() {
    let mut holdings = Holdings::default();
    assert_ne!(put(&mut holdings, name(0), hash(1)).unwrap().edit, Edit::Nothing);
    let again = put(&mut holdings, name(0), hash(1)).unwrap();
    assert_eq!((again.edit, again.answer.replaced, again.answer.n_names), (Edit::Nothing, None, 1));
}

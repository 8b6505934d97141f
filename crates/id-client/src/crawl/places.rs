//! Who gives up a place when a crawl is full.
//!
//! Keys are free, so a peer can name thousands of its own invention, and each of those as many. What
//! is shared out is therefore not the number of those who name, but the tree of who named whom first:
//! seeds have equal parts, and of each part all have equal parts whom its seed named, with those whom
//! they named, and so on. A branch may be as large as it likes while there is room. When there is
//! none, a newcomer takes the place of another at the first fork behind which it belongs to a smaller
//! branch than another one.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
};

use crate::crawl::frontier::{Claim, Number};

/// The tree of those who are known.
///
/// Counted are only peers that can go: seeds never do, nor does a peer that was asked. Whoever has
/// named others was asked, so those who can go are leaves.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Who named each peer first, and its leaf while it can go. Seeds aren't in it.
    origins: BTreeMap<Number, (Number, Option<Leaf>)>,
    /// By who named them; `None` are the seeds. Holds no empty one but that.
    branches: BTreeMap<Option<Number>, Branch>,
}

/// A peer that can go. The last one goes first: it is only heard of, and came late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Leaf {
    claim: Claim,
    /// Its number, which grows by arrival.
    peer: Number,
}

/// Those whom one peer named, and whom they named, and so on.
#[derive(Debug, Default)]
struct Branch {
    /// How many can go.
    weight: usize,
    /// Those of them whom it named itself.
    leaves: BTreeSet<Leaf>,
    /// The branches of the others whom it named, by weight. Holds no weight of zero.
    branches: BTreeSet<(usize, Number)>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Up,
    Down,
}

impl Places {
    /// `introducer` named `peer`, which wasn't known or was farther away.
    pub(super) fn add(&mut self, peer: Number, introducer: Number, claim: Claim) {
        self.remove(peer);
        let leaf = Leaf { claim, peer };
        self.origins.insert(peer, (introducer, Some(leaf)));
        self.branches.entry(Some(introducer)).or_default().leaves.insert(leaf);
        self.weigh(introducer, Step::Up);
    }

    /// `peer` is being asked: it stays.
    pub(super) fn keep(&mut self, peer: Number) {
        let origin = self.origins.get_mut(&peer);
        let leaf = origin.and_then(|(introducer, leaf)| Some((*introducer, leaf.take()?)));
        if let Some((introducer, leaf)) = leaf {
            self.cut(introducer, leaf);
        }
    }

    /// `peer` is known no more.
    pub(super) fn remove(&mut self, peer: Number) {
        if let Some((introducer, Some(leaf))) = self.origins.remove(&peer) {
            self.cut(introducer, leaf);
        }
    }

    /// Who has to go for another one that `introducer` names; `None` if the newcomer doesn't come in.
    pub(super) fn victim(&self, introducer: Number, claim: Claim) -> Option<Number> {
        let introducer_of = |peer: &Number| self.origins.get(peer).map(|(from, _)| *from);
        let mut path: Vec<_> = iter::successors(Some(introducer), introducer_of).collect();
        let mut fork = None;
        while let Some(own) = path.pop() {
            if let Some((weight, largest)) = self.largest(fork)
                && self.weight(own) + 1 < weight
            {
                return self.last_of(largest);
            }
            fork = Some(own);
        }
        self.victim_among(introducer, claim)
    }

    /// Who has to go, if it is one whom the newcomer's introducer brought itself.
    fn victim_among(&self, introducer: Number, claim: Claim) -> Option<Number> {
        if let Some((2.., largest)) = self.largest(Some(introducer)) {
            return self.last_of(largest);
        }
        let last = self.branches.get(&Some(introducer))?.leaves.last()?;
        (claim < last.claim).then_some(last.peer)
    }

    fn largest(&self, fork: Option<Number>) -> Option<(usize, Number)> {
        self.branches.get(&fork)?.branches.last().copied()
    }

    fn weight(&self, peer: Number) -> usize {
        self.branches.get(&Some(peer)).map_or(0, |branch| branch.weight)
    }

    /// Who goes first of those in the branch: of the largest branch in it, and so on.
    fn last_of(&self, branch: Number) -> Option<Number> {
        let mut at = self.branches.get(&Some(branch))?;
        loop {
            match (at.branches.last(), at.leaves.last()) {
                (Some((2.., largest)), _) | (Some((_, largest)), None) => {
                    at = self.branches.get(&Some(*largest))?;
                }
                (_, leaf) => return leaf.map(|leaf| leaf.peer),
            }
        }
    }

    fn cut(&mut self, introducer: Number, leaf: Leaf) {
        let branch = self.branches.get_mut(&Some(introducer)).expect("it holds the leaf");
        branch.leaves.remove(&leaf);
        self.weigh(introducer, Step::Down);
    }

    /// Counts one more or less in the branch of `introducer` and in those that it grows from.
    fn weigh(&mut self, introducer: Number, step: Step) {
        let mut next = Some(introducer);
        while let Some(peer) = next {
            let branch = self.branches.entry(Some(peer)).or_default();
            let before = branch.weight;
            branch.weight = match step {
                Step::Up => before + 1,
                Step::Down => before - 1,
            };
            let after = branch.weight;
            if after == 0 {
                self.branches.remove(&Some(peer));
            }
            next = self.origins.get(&peer).map(|(from, _)| *from);
            let parent = self.branches.entry(next).or_default();
            parent.branches.remove(&(before, peer));
            if after > 0 {
                parent.branches.insert((after, peer));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `named` by `by`, all of them only heard of.
    fn add(places: &mut Places, by: Number, named: impl IntoIterator<Item = Number>) {
        named.into_iter().for_each(|i| places.add(i, by, Claim::Heard));
    }

    /// The peers that give way to one after the other whom `by` names, until none does.
    fn give_way(
        places: &mut Places,
        by: Number,
        newcomers: impl IntoIterator<Item = Number>,
    ) -> Vec<Number> {
        let mut gone = Vec::new();
        for newcomer in newcomers {
            let Some(victim) = places.victim(by, Claim::Heard) else { break };
            places.remove(victim);
            add(places, by, [newcomer]);
            gone.push(victim);
        }
        gone
    }

    #[test]
    fn newcomers_of_the_smaller_branch_come_in_until_both_are_equal() {
        let mut places = Places::default();
        add(&mut places, 1, 100..110);
        assert_eq!(give_way(&mut places, 2, 200..300), [109, 108, 107, 106, 105]);
        assert_eq!(places.victim(1, Claim::Heard), None);
    }

    #[test]
    fn the_largest_gives_to_itself_only_what_is_better() {
        let mut places = Places::default();
        add(&mut places, 1, 100..110);
        assert_eq!(places.victim(1, Claim::Heard), None);
        assert_eq!(places.victim(1, Claim::Vouched), Some(109));
        places.remove(109);
        places.add(110, 1, Claim::Vouched);
        assert_eq!(places.victim(1, Claim::Vouched), Some(108), "who is vouched for stays");
    }

    /// Seed 1 names 2, which names eight, each of which names four. Seed 50 names nobody so far.
    #[test]
    fn a_crowd_of_introducers_counts_as_the_one_who_brought_them() {
        let mut places = Places::default();
        add(&mut places, 1, [2]);
        places.keep(2);
        add(&mut places, 2, 10..18);
        for i in 10..18 {
            places.keep(i);
            add(&mut places, i, i * 10..i * 10 + 4);
        }
        assert_eq!(give_way(&mut places, 50, 500..600).len(), 16, "half of 32");
    }

    #[test]
    fn who_was_asked_stays_and_counts_no_more() {
        let mut places = Places::default();
        add(&mut places, 1, 100..104);
        (100..104).for_each(|i| places.keep(i));
        assert_eq!(places.victim(2, Claim::Heard), None);
        assert!(places.branches.values().all(|branch| branch.branches.is_empty()));
    }

    #[test]
    fn whom_a_peer_named_itself_does_not_give_way_to_whom_those_name() {
        let mut places = Places::default();
        add(&mut places, 1, 100..110);
        places.keep(100);
        assert_eq!(places.victim(100, Claim::Heard), None);
    }

    #[test]
    fn between_two_whom_a_seed_named_the_smaller_branch_gains() {
        let mut places = Places::default();
        add(&mut places, 1, [2, 3]);
        places.keep(2);
        places.keep(3);
        add(&mut places, 2, 20..30);
        assert_eq!(give_way(&mut places, 3, 30..90).len(), 5);
        assert!(places.victim(1, Claim::Heard).is_some(), "both give to who is nearer");
    }
}

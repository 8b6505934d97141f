//! Who named whom: the graph of a crawl, or of whatever else names peers.

use std::collections::BTreeMap;

/// A directed graph of peers, by their position in some list: an edge leads from who named to who was
/// named. Each edge is there once, none leads to its own beginning, and both ends are in the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    n_peers: usize,
    edges: Vec<(u32, u32)>,
    /// Of each of them, if it is known.
    ages_secs: Option<Vec<u32>>,
    n_left_out: u64,
}

impl Graph {
    /// The graph of a list of `n_peers` with these edges. What can't be an edge isn't one.
    pub fn new(n_peers: usize, edges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let is_known = |peer: u32| (peer as usize) < n_peers;
        let is_edge = |(from, to): &(u32, u32)| from != to && is_known(*from) && is_known(*to);
        let mut edges: Vec<_> = edges.into_iter().filter(is_edge).collect();
        edges.sort_unstable();
        edges.dedup();
        Self { n_peers, edges, ages_secs: None, n_left_out: 0 }
    }

    /// The same of edges whose age in seconds is known. Of one that is there several times the newest
    /// counts.
    pub fn with_ages(n_peers: usize, edges: impl IntoIterator<Item = ((u32, u32), u32)>) -> Self {
        let mut aged: Vec<_> = edges.into_iter().collect();
        aged.sort_unstable();
        aged.dedup_by_key(|(edge, _)| *edge);
        let graph = Self::new(n_peers, aged.iter().map(|(edge, _)| *edge));
        aged.retain(|(edge, _)| graph.edges.binary_search(edge).is_ok());
        let ages = aged.into_iter().map(|(_, age)| age);
        Self { ages_secs: Some(ages.collect()), ..graph }
    }

    /// The same, of which it is known that so many edges are missing.
    pub fn with_left_out(self, n_left_out: u64) -> Self {
        Self { n_left_out, ..self }
    }

    /// How many peers there are, whether or not an edge touches them.
    pub fn n_peers(&self) -> usize {
        self.n_peers
    }

    /// From whom to whom, in the order of the list.
    pub fn edges(&self) -> &[(u32, u32)] {
        &self.edges
    }

    /// How many seconds ago whoever named a peer had heard of it when it answered, as it said: of each of
    /// [`Graph::edges`], in the same order. `None` if nothing said so.
    pub fn ages_secs(&self) -> Option<&[u32]> {
        self.ages_secs.as_deref()
    }

    /// How many more edges were seen, for which there was no room.
    pub fn n_left_out(&self) -> u64 {
        self.n_left_out
    }

    /// Whether `from` named `to`.
    pub fn contains(&self, from: u32, to: u32) -> bool {
        self.edges.binary_search(&(from, to)).is_ok()
    }

    /// The parts between which nobody named anybody, the largest first; of equal ones that which has
    /// the first peer of the list. Within a part, peers are in the order of the list.
    pub fn islands(&self) -> Vec<Vec<u32>> {
        let mut parents: Vec<u32> = (0u32..).take(self.n_peers).collect();
        for (from, to) in &self.edges {
            let (a, b) = (root(&mut parents, *from), root(&mut parents, *to));
            // The smaller one is the root, so the order of the edges doesn't matter.
            parents[a.max(b) as usize] = a.min(b);
        }
        let mut islands: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for peer in (0u32..).take(self.n_peers) {
            islands.entry(root(&mut parents, peer)).or_default().push(peer);
        }
        largest_first(islands.into_values().collect())
    }

    /// The parts within which everybody is found by asking from anybody on, in the order of
    /// [`Graph::islands`]. Whoever names a part, and isn't named by it, is in another one.
    pub fn strong_islands(&self) -> Vec<Vec<u32>> {
        // Kosaraju's: who is finished last leads to all others, so against the arrows only its own part
        // leads to it.
        let there = Neighbours::new(self.n_peers, &self.edges);
        let back = self.edges.iter().map(|(from, to)| (*to, *from));
        let mut back: Vec<_> = back.collect();
        back.sort_unstable();
        let back = Neighbours::new(self.n_peers, &back);
        let mut is_seen = vec![false; self.n_peers];
        let mut order = Vec::with_capacity(self.n_peers);
        for peer in (0u32..).take(self.n_peers) {
            there.visit(peer, &mut is_seen, &mut order);
        }
        let mut is_seen = vec![false; self.n_peers];
        let mut islands = Vec::new();
        for peer in order.into_iter().rev() {
            let mut island = Vec::new();
            back.visit(peer, &mut is_seen, &mut island);
            island.sort_unstable();
            islands.extend((!island.is_empty()).then_some(island));
        }
        islands.sort_unstable();
        largest_first(islands)
    }

    /// The graph of some of the peers: `members` are positions, ascending, and their places in it are the
    /// positions in the new one.
    pub fn among(&self, members: &[u32]) -> Self {
        let place = |peer: &u32| members.binary_search(peer).ok().and_then(|at| at.try_into().ok());
        let placed = |(from, to): &(u32, u32)| Some((place(from)?, place(to)?));
        match &self.ages_secs {
            Some(ages) => {
                let aged = self.edges.iter().zip(ages);
                let aged = aged.filter_map(|(edge, age)| Some((placed(edge)?, *age)));
                Self::with_ages(members.len(), aged)
            }
            None => Self::new(members.len(), self.edges.iter().filter_map(placed)),
        }
    }
}

fn largest_first(mut islands: Vec<Vec<u32>>) -> Vec<Vec<u32>> {
    islands.sort_by_key(|island| std::cmp::Reverse(island.len()));
    islands
}

/// Whom each peer leads to.
struct Neighbours<'a> {
    edges: &'a [(u32, u32)],
    /// Where the edges of each peer begin, and at the end where the last ones end.
    starts: Vec<usize>,
}

impl<'a> Neighbours<'a> {
    /// The edges are ascending.
    fn new(n_peers: usize, edges: &'a [(u32, u32)]) -> Self {
        let start = |peer: usize| edges.partition_point(|(from, _)| (*from as usize) < peer);
        Self { edges, starts: (0..=n_peers).map(start).collect() }
    }

    /// Adds everybody who is found from `peer` on and wasn't seen before, whoever leads to nobody new
    /// first. Without recursion: a line may be long.
    fn visit(&self, peer: u32, is_seen: &mut [bool], finished: &mut Vec<u32>) {
        if std::mem::replace(&mut is_seen[peer as usize], true) {
            return;
        }
        let mut path = vec![(peer, self.starts[peer as usize])];
        while let Some((peer, next)) = path.last_mut() {
            if *next == self.starts[*peer as usize + 1] {
                finished.push(*peer);
                path.pop();
                continue;
            }
            let (_, to) = self.edges[*next];
            *next += 1;
            if !std::mem::replace(&mut is_seen[to as usize], true) {
                path.push((to, self.starts[to as usize]));
            }
        }
    }
}

/// Who stands for the part that `peer` is in. Shortens the way there.
fn root(parents: &mut [u32], mut peer: u32) -> u32 {
    while parents[peer as usize] != peer {
        let parent = parents[peer as usize];
        parents[peer as usize] = parents[parent as usize];
        peer = parent;
    }
    peer
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn what_cant_be_an_edge_isnt_one() {
        let graph = Graph::new(3, [(2, 0), (0, 1), (1, 1), (0, 3), (7, 0), (0, 1)]);
        assert_eq!(graph.edges(), [(0, 1), (2, 0)]);
        assert!(graph.contains(2, 0) && !graph.contains(0, 2));
    }

    #[test]
    fn every_edge_has_its_newest_age_also_among_some() {
        let aged = [((2, 0), 7), ((0, 1), 5), ((1, 1), 1), ((0, 3), 1), ((0, 1), 3)];
        let graph = Graph::with_ages(3, aged);
        assert_eq!((graph.edges(), graph.ages_secs()), (&[(0, 1), (2, 0)][..], Some(&[3, 7][..])));
        let some = graph.among(&[0, 2]);
        assert_eq!((some.edges(), some.ages_secs()), (&[(1, 0)][..], Some(&[7][..])));
        assert_eq!(Graph::new(3, [(0, 1)]).ages_secs(), None);
        assert_eq!(Graph::with_ages(3, []).ages_secs(), Some(&[][..]));
    }

    #[test]
    fn islands_are_told_apart_and_the_largest_comes_first() {
        let graph = Graph::new(7, [(0, 6), (2, 3), (4, 3), (5, 1)]);
        let islands: Vec<Vec<u32>> = vec![vec![2, 3, 4], vec![0, 6], vec![1, 5]];
        assert_eq!(graph.islands(), islands);
        assert_eq!(Graph::default().islands(), Vec::<Vec<u32>>::new());
        assert_eq!(Graph::new(2, []).islands(), [[0], [1]]);
    }

    #[test]
    fn long_line_is_one_island_and_takes_no_time() {
        let n = 200_000;
        let graph = Graph::new(n as usize, (1..n).rev().map(|i| (i, i - 1)));
        assert_eq!(graph.islands().len(), 1);
    }

    #[test]
    fn strong_islands_need_a_way_back() {
        let graph = Graph::new(6, [(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 3)]);
        let islands: Vec<Vec<u32>> = vec![vec![0, 1, 2], vec![3, 4], vec![5]];
        assert_eq!(graph.strong_islands(), islands);
        let line = Graph::new(200_000, (1..200_000).map(|i| (i - 1, i)));
        assert_eq!(line.strong_islands().len(), 200_000);
    }

    #[test]
    fn graph_among_some_has_their_edges_only() {
        let graph = Graph::new(5, [(0, 1), (1, 4), (4, 1), (4, 2)]);
        assert_eq!(graph.among(&[1, 2, 4]).edges(), [(0, 2), (2, 0), (2, 1)]);
        assert_eq!(graph.among(&[]), Graph::default());
    }

    /// Who is found from each peer on, by asking all for as long as there is anything new.
    fn reachable(graph: &Graph) -> BTreeSet<(u32, u32)> {
        let mut found: BTreeSet<(u32, u32)> =
            (0u32..).take(graph.n_peers()).map(|i| (i, i)).collect();
        loop {
            let further = found.iter().flat_map(|(a, b)| {
                let next = graph.edges().iter().filter(move |(from, _)| from == b);
                next.map(move |(_, to)| (*a, *to))
            });
            let more: BTreeSet<_> = found.iter().copied().chain(further).collect();
            if more.len() == found.len() {
                return found;
            }
            found = more;
        }
    }

    proptest! {
        #[test]
        fn in_a_strong_island_are_exactly_those_who_find_each_other(
            n in 0usize..12,
            edges in vec((0u32..12, 0u32..12), 0..30),
        ) {
            let graph = Graph::new(n, edges);
            let islands = graph.strong_islands();
            prop_assert!(islands.iter().map(Vec::len).rev().is_sorted());
            let found = reachable(&graph);
            let home = |peer| islands.iter().position(|island| island.contains(&peer)).unwrap();
            for (a, b) in (0..n as u32).flat_map(|a| (0..n as u32).map(move |b| (a, b))) {
                let is_mutual = found.contains(&(a, b)) && found.contains(&(b, a));
                prop_assert_eq!(home(a) == home(b), is_mutual, "{} {}", a, b);
            }
        }

        #[test]
        fn islands_share_out_all_peers_and_no_edge_leaves_one(
            n in 0usize..40,
            edges in vec((0u32..45, 0u32..45), 0..60),
        ) {
            let graph = Graph::new(n, edges);
            let islands = graph.islands();
            let all: Vec<u32> = islands.iter().flatten().copied().collect();
            prop_assert_eq!(all.len(), n);
            prop_assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), n);
            for (from, to) in graph.edges() {
                let home = |peer| islands.iter().position(|island| island.contains(peer));
                prop_assert_eq!(home(from), home(to));
            }
        }
    }
}

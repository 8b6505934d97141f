//! Who named whom: the graph of a crawl, or of whatever else names peers.

use std::collections::BTreeMap;

/// A directed graph of peers, by their position in some list: an edge leads from who named to who was
/// named. Each edge is there once, none leads to its own beginning, and both ends are in the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    n_peers: usize,
    edges: Vec<(u32, u32)>,
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
        Self { n_peers, edges, n_left_out: 0 }
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
        let mut islands: Vec<_> = islands.into_values().collect();
        islands.sort_by_key(|island| std::cmp::Reverse(island.len()));
        islands
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

    proptest! {
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

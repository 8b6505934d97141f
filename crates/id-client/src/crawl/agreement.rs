//! Whether those who answered see one network.

use crate::crawl::{
    graph::Graph,
    report::{CrawlReport, PeerStatus, StopReason},
};

/// What those who answered know of each other.
///
/// Nobody else counts: of a peer that didn't answer it isn't known whom it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Each of them, in the order of [`CrawlReport::peers`].
    pub views: Vec<View>,
    /// How many are in each part between which nobody named anybody, the largest first.
    pub islands: Vec<usize>,
    /// How many are in each part within which everybody is found from anybody on, the largest first.
    pub strong_islands: Vec<usize>,
    /// How many named somebody who didn't name them.
    pub n_one_way: usize,
    /// How many seconds ago each had heard of the others whom it named, in the middle; `None` if nobody named
    /// anybody.
    pub median_age_secs: Option<u32>,
    /// The same, at most.
    pub oldest_age_secs: Option<u32>,
}

/// What one of those who answered knows of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Its position in [`CrawlReport::peers`].
    pub peer: u32,
    /// How many of the others who answered it didn't name.
    pub n_missing: usize,
    /// In which of [`Agreement::islands`] it is.
    pub island: usize,
    /// In which of [`Agreement::strong_islands`] it is.
    pub strong_island: usize,
}

impl Agreement {
    /// Whether there are several networks where there should be one: nobody of one part named anybody
    /// of another, or there are parts of two or more from which there is no way back.
    ///
    /// A single peer whom nobody names is no such part: it may have come just now. It is one if it
    /// names nobody either. Two who name nobody but each other can't be told from a real part.
    pub fn is_split(&self) -> bool {
        let n_strong = self.strong_islands.iter().filter(|size| **size > 1).count();
        self.islands.len() > 1 || n_strong > 1
    }

    /// The share of the others who answered that a view lacks; 0 if there are no others.
    pub fn share_missing(&self, view: &View) -> f64 {
        view.n_missing as f64 / (self.views.len().max(2) - 1) as f64
    }

    fn of(graph: &Graph, answered: &[u32]) -> Self {
        let among = graph.among(answered);
        let (islands, strong_islands) = (among.islands(), among.strong_islands());
        let mut views: Vec<View> = answered
            .iter()
            .map(|peer| View {
                peer: *peer,
                n_missing: answered.len() - 1,
                island: 0,
                strong_island: 0,
            })
            .collect();
        among.edges().iter().for_each(|(from, _)| views[*from as usize].n_missing -= 1);
        let members = |parts: &[Vec<u32>]| {
            let parts = parts.iter().enumerate();
            let members = parts.flat_map(|(part, members)| members.iter().map(move |m| (*m, part)));
            members.collect::<Vec<_>>()
        };
        members(&islands).into_iter().for_each(|(m, part)| views[m as usize].island = part);
        for (member, part) in members(&strong_islands) {
            views[member as usize].strong_island = part;
        }
        let is_one_way = |edge: &&(u32, u32)| !among.contains(edge.1, edge.0);
        let mut ages = among.ages_secs().unwrap_or_default().to_vec();
        ages.sort_unstable();
        Self {
            median_age_secs: ages.get(ages.len() / 2).copied(),
            oldest_age_secs: ages.last().copied(),
            views,
            islands: islands.iter().map(Vec::len).collect(),
            strong_islands: strong_islands.iter().map(Vec::len).collect(),
            n_one_way: among.edges().iter().filter(is_one_way).count(),
        }
    }
}

impl CrawlReport {
    /// Whether those who answered see one network. `None` if it can't be said: edges weren't kept
    /// ([`crate::Limits::max_edges`]), or some were left out, as they may be if there were too many peers.
    pub fn agreement(&self) -> Option<Agreement> {
        let has_edges = self.limits.max_edges > 0 && self.graph.n_left_out() == 0;
        let has_all = has_edges && self.stopped_by != Some(StopReason::MaxPeers);
        let answered = (0u32..).zip(&self.peers);
        let answered = answered.filter(|(_, peer)| peer.status == PeerStatus::Answered);
        let answered: Vec<u32> = answered.map(|(position, _)| position).collect();
        has_all.then(|| Agreement::of(&self.graph, &answered))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreement(n: u32, edges: &[(u32, u32)]) -> Agreement {
        let everybody: Vec<u32> = (0..n).collect();
        Agreement::of(&Graph::new(n as usize, edges.iter().copied()), &everybody)
    }

    fn mesh(members: std::ops::Range<u32>) -> Vec<(u32, u32)> {
        members.clone().flat_map(|a| members.clone().map(move |b| (a, b))).collect()
    }

    #[test]
    fn who_all_know_each_other_agree() {
        let agreement = agreement(4, &mesh(0..4));
        assert!(agreement.views.iter().all(|view| view.n_missing == 0));
        assert_eq!((&agreement.islands[..], agreement.n_one_way), (&[4][..], 0));
        assert!(!agreement.is_split());
    }

    #[test]
    fn parts_that_dont_name_each_other_are_a_split() {
        let halves = [mesh(0..3), mesh(3..5)].concat();
        let apart = agreement(5, &halves);
        assert_eq!((&apart.islands[..], &apart.strong_islands[..]), (&[3, 2][..], &[3, 2][..]));
        assert!(apart.is_split());
        assert_eq!(apart.share_missing(&apart.views[0]), 0.5);
        assert_eq!((apart.views[4].n_missing, apart.views[4].island), (3, 1));
    }

    #[test]
    fn word_of_one_half_that_the_other_knows_nothing_of_is_a_split_too() {
        let stale = [mesh(0..3), mesh(3..5), vec![(0, 4)]].concat();
        let agreement = agreement(5, &stale);
        assert_eq!((agreement.islands.len(), agreement.strong_islands.len()), (1, 2));
        assert_eq!(agreement.n_one_way, 1);
        assert!(agreement.is_split());
    }

    #[test]
    fn newcomer_is_no_split_but_a_hermit_is() {
        let newcomer = [mesh(0..3), vec![(3, 0), (3, 1), (3, 2)]].concat();
        assert!(!agreement(4, &newcomer).is_split());
        assert!(agreement(4, &mesh(0..3)).is_split());
    }

    #[test]
    fn age_in_the_middle_and_the_oldest_are_of_those_who_answered() {
        let aged = [((0, 1), 5), ((1, 0), 90), ((1, 2), 7), ((2, 3), 9000)];
        let agreement = Agreement::of(&Graph::with_ages(4, aged), &[0, 1, 2]);
        assert_eq!((agreement.median_age_secs, agreement.oldest_age_secs), (Some(7), Some(90)));
        let nobody = Agreement::of(&Graph::with_ages(1, []), &[0]);
        assert_eq!((nobody.median_age_secs, nobody.oldest_age_secs), (None, None));
    }

    #[test]
    fn nobody_and_one_alone_agree() {
        assert!(!agreement(0, &[]).is_split());
        let alone = agreement(1, &[]);
        assert!(!alone.is_split());
        assert_eq!(alone.share_missing(&alone.views[0]), 0.0);
    }
}

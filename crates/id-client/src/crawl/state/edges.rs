//! Who named whom, as far as that is kept.

use std::{collections::HashMap, time::Duration};

use id_proto::iroh_base::PublicKey;

use crate::crawl::{frontier::Number, graph::Graph, known::Numbers, state::CrawlState};

impl CrawlState {
    /// Keeps that `from`, which is being asked, named the peer `number`, and how long ago it had heard of it,
    /// as far as there is room.
    pub(super) fn keep_age(&mut self, from: PublicKey, number: Number, age: Duration) {
        let has_room = self.n_edges < self.limits.max_edges;
        let Some(peer) = self.peers.get_mut(&from).filter(|peer| has_room && peer.number != number)
        else {
            return;
        };
        let Some(asking) = peer.asking_mut() else { return };
        if !asking.named_before.contains(number) {
            let age_secs = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
            asking.ages_secs.push((number, age_secs));
            self.n_edges += 1;
        }
    }

    /// Keeps whom `from` named in the end: some may have been displaced since, and there may not have been
    /// room for all.
    pub(super) fn keep_edges(
        &mut self,
        from: PublicKey,
        named: &Numbers,
        ages_secs: Vec<(Number, u32)>,
    ) {
        if self.limits.max_edges == 0 {
            return;
        }
        let from = self.peers[&from].number;
        let is_known = |number: &Number| self.ids.contains_key(number);
        let n_named = named.iter().filter(|number| *number != from).filter(is_known).count();
        let n_noted = ages_secs.len();
        let kept: Vec<_> = ages_secs.into_iter().filter(|(number, _)| is_known(number)).collect();
        self.n_edges -= n_noted - kept.len();
        self.n_edges_left_out += (n_named - kept.len()) as u64;
        self.named.insert(from, kept);
    }

    /// Who named whom. Some may have been displaced since.
    pub(super) fn graph(&self) -> Graph {
        let positions: HashMap<Number, u32> = match self.named.is_empty() {
            true => HashMap::new(),
            false => self.peers.values().map(|peer| peer.number).zip(0..).collect(),
        };
        let position = |number| positions.get(number).copied();
        let edges = self.named.iter().flat_map(|(from, named)| {
            let edge = move |to| Some((position(from)?, position(to)?));
            named.iter().filter_map(move |(to, age)| Some((edge(to)?, *age)))
        });
        Graph::with_ages(self.peers.len(), edges).with_left_out(self.n_edges_left_out)
    }
}

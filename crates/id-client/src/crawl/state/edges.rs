//! Who named whom, as far as that is kept.

use std::collections::HashMap;

use id_proto::iroh_base::PublicKey;

use crate::crawl::{frontier::Number, graph::Graph, known::Numbers, state::CrawlState};

impl CrawlState {
    /// Keeps whom `from` named, as far as there is room.
    pub(super) fn keep_edges(&mut self, from: PublicKey, named: &Numbers) {
        if self.limits.max_edges == 0 {
            return;
        }
        let room = self.limits.max_edges - self.n_edges;
        let from = self.peers[&from].number;
        let others = named.iter().filter(|number| *number != from);
        let mut known = others.filter(|number| self.ids.contains_key(number));
        let kept: Vec<Number> = known.by_ref().take(room).collect();
        self.n_edges_left_out += known.count() as u64;
        self.n_edges += kept.len();
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
            named.iter().filter_map(move |to| Some((position(from)?, position(to)?)))
        });
        Graph::new(self.peers.len(), edges).with_left_out(self.n_edges_left_out)
    }
}

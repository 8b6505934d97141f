//! What came, what went, what is different now.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use super::document::{Document, Peer};

/// What is in one document and not in the other. `a` is the older one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference<'a> {
    pub(crate) came: Vec<&'a Peer>,
    pub(crate) went: Vec<&'a Peer>,
    /// In both, but not the same; as it is in the newer one.
    pub(crate) changed: Vec<(&'a Peer, Vec<Change>)>,
    /// `None` if not both know of edges.
    pub(crate) edges: Option<EdgeDifference<'a>>,
}

/// A field of a peer that has another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) field: &'static str,
    pub(crate) from: Value,
    pub(crate) to: Value,
}

/// Who names whom, or doesn't any more.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct EdgeDifference<'a> {
    pub(crate) came: Vec<(&'a str, &'a str)>,
    pub(crate) went: Vec<(&'a str, &'a str)>,
}

impl<'a> Difference<'a> {
    pub(crate) fn of(a: &'a Document, b: &'a Document) -> Self {
        Self { edges: EdgeDifference::of(a, b), ..Self::of_peers(&a.peers, &b.peers) }
    }

    /// The difference between peers of which no edges are known.
    pub(crate) fn of_peers(a: &'a BTreeMap<String, Peer>, b: &'a BTreeMap<String, Peer>) -> Self {
        let missing_in = |other: &'a BTreeMap<String, Peer>| {
            move |(id, peer)| (!other.contains_key::<String>(id)).then_some(peer)
        };
        let both = b.iter().filter_map(|(id, now)| Some((a.get(id)?, now)));
        let changed = both.map(|(before, now)| (now, changes(before, now)));
        Self {
            came: b.iter().filter_map(missing_in(a)).collect(),
            went: a.iter().filter_map(missing_in(b)).collect(),
            changed: changed.filter(|(_, changes)| !changes.is_empty()).collect(),
            edges: None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        let no_edges = EdgeDifference::default();
        let edges = self.edges.as_ref().unwrap_or(&no_edges);
        self.came.is_empty()
            && self.went.is_empty()
            && self.changed.is_empty()
            && *edges == no_edges
    }
}

impl<'a> EdgeDifference<'a> {
    fn of(a: &'a Document, b: &'a Document) -> Option<Self> {
        let (a, b) = (set(a.edges.as_ref()?), set(b.edges.as_ref()?));
        Some(Self {
            came: b.difference(&a).copied().collect(),
            went: a.difference(&b).copied().collect(),
        })
    }
}

fn set(edges: &[(String, String)]) -> BTreeSet<(&str, &str)> {
    edges.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect()
}

/// The fields that are compared, in the order in which they are told.
fn fields(peer: &Peer) -> [(&'static str, Value); 8] {
    let mut addrs = peer.addrs.clone();
    // Their order means nothing.
    addrs.iter_mut().for_each(|addrs| addrs.sort());
    [
        ("status", json!(peer.status)),
        ("error", json!(peer.error)),
        ("name", json!(peer.name)),
        ("blob_count", json!(peer.blob_count)),
        ("agent", json!(peer.agent)),
        ("path", json!(peer.path)),
        ("depth", json!(peer.depth)),
        ("addrs", json!(addrs)),
    ]
}

fn changes(before: &Peer, now: &Peer) -> Vec<Change> {
    let pairs = fields(before).into_iter().zip(fields(now));
    let changed = pairs.filter(|((_, from), (_, to))| from != to);
    changed.map(|((field, from), (_, to))| Change { field, from, to }).collect()
}

/// What makes a difference mean less than it seems to.
pub(super) fn doubts(a: &Document, b: &Document) -> Vec<String> {
    let mut doubts = Vec::new();
    for (which, document) in [("first", a), ("second", b)] {
        if !document.crawl.complete {
            doubts
                .push(format!("the {which} crawl was stopped early: who is missing may be there"));
        }
        if document.edges_left_out > 0 {
            let n = document.edges_left_out;
            doubts.push(format!("the {which} crawl left {n} edges out"));
        }
    }
    if a.crawl.source != b.crawl.source || a.crawl.depth != b.crawl.depth {
        doubts.push("the crawls looked in different ways: source or depth differ".to_owned());
    }
    if a.edges.is_some() != b.edges.is_some() {
        doubts.push("only one crawl was made with --edges; edges are not compared".to_owned());
    }
    doubts
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_map, prelude::*};

    use super::*;
    use crate::commands::diff::document::tests::{document, sample};

    #[test]
    fn what_is_the_same_is_no_difference_whatever_the_time_and_who_named_it() {
        let mut later = sample();
        later["generated_at"] = "2026-01-01T00:00:00Z".into();
        later["peers"][0]["age_secs"] = 77.into();
        later["peers"][0]["timestamp_secs"] = 1_763_632_830.into();
        later["peers"][0]["rtt_ms"] = 9.into();
        later["peers"][3]["via"].as_array_mut().unwrap().reverse();
        later["peers"][1]["addrs"].as_array_mut().unwrap().reverse();
        later["peers"][0]["attempts"] = 2.into();
        later["peers"][0]["dialled"].as_array_mut().unwrap().clear();
        later["edge_ages_secs"].as_array_mut().unwrap().reverse();
        let (a, b) = (document(&sample()).unwrap(), document(&later).unwrap());
        let difference = Difference::of(&a, &b);
        assert!(difference.is_empty(), "{difference:?}");
    }

    #[test]
    fn each_kind_of_difference_is_told() {
        let mut later = sample();
        let gone = later["peers"].as_array_mut().unwrap().remove(0);
        later["peers"][0]["name"] = "oak".into();
        later["peers"][0]["blob_count"] = Value::Null;
        let mut came = gone.clone();
        came["node_id"] = "f".repeat(64).into();
        later["peers"].as_array_mut().unwrap().push(came);
        let edge = later["edges"].as_array_mut().unwrap().remove(0);
        let (a, b) = (document(&sample()).unwrap(), document(&later).unwrap());
        let difference = Difference::of(&a, &b);
        assert_eq!(difference.came[0].node_id, "f".repeat(64));
        assert_eq!(difference.went[0].node_id, gone["node_id"]);
        let [(peer, changes)] = &difference.changed[..] else { panic!("{difference:?}") };
        assert_eq!(peer.name.as_deref(), Some("oak"));
        let name = Change { field: "name", from: json!("ash"), to: json!("oak") };
        let blobs = Change { field: "blob_count", from: json!(7), to: Value::Null };
        assert_eq!(*changes, [name, blobs]);
        let edges = difference.edges.as_ref().unwrap();
        assert_eq!((edges.came.len(), json!(edges.went[0])), (0, edge));
        assert!(!difference.is_empty());
    }

    #[test]
    fn edges_alone_are_a_difference_and_with_one_side_unknown_they_are_none() {
        let mut fewer = sample();
        fewer["edges"].as_array_mut().unwrap().pop();
        let mut none = sample();
        none.as_object_mut().unwrap().remove("edges");
        let [a, fewer, none] = [sample(), fewer, none].map(|value| document(&value).unwrap());
        assert!(!Difference::of(&a, &fewer).is_empty());
        assert!(Difference::of(&a, &none).is_empty());
        let doubts = doubts(&a, &none);
        assert!(doubts.iter().any(|doubt| doubt.contains("only one crawl")), "{doubts:?}");
    }

    #[test]
    fn crawls_that_cant_be_compared_well_are_doubted() {
        let mut whole = sample();
        whole["crawl"]["complete"] = true.into();
        whole["crawl"]["depth"] = 1.into();
        whole["edges_left_out"] = 0.into();
        let (a, b) = (document(&whole).unwrap(), document(&sample()).unwrap());
        assert_eq!(doubts(&a, &a), [""; 0]);
        assert_eq!(doubts(&a, &b).len(), 3);
    }

    proptest! {
        #[test]
        fn what_came_one_way_went_the_other(
            a in btree_map(0u8..20, "[ab]", 0..12),
            b in btree_map(0u8..20, "[ab]", 0..12),
        ) {
            let built = |names: &std::collections::BTreeMap<u8, String>| {
                let mut built = document(&sample()).unwrap();
                let peers = names.iter().map(|(i, name)| {
                    let node_id = format!("{i:064x}");
                    (node_id.clone(), Peer { node_id, name: Some(name.clone()), ..Peer::default() })
                });
                built.peers = peers.collect();
                built
            };
            let (older, newer) = (built(&a), built(&b));
            let (there, back) = (Difference::of(&older, &newer), Difference::of(&newer, &older));
            prop_assert_eq!(&there.came, &back.went);
            prop_assert_eq!(&there.went, &back.came);
            prop_assert_eq!(there.changed.len(), back.changed.len());
            prop_assert_eq!(there.is_empty(), a == b);
        }
    }
}

use std::{collections::BTreeMap, path::Path};

use proptest::{collection::vec, prelude::*};
use roxmltree::Document as Xml;

use super::*;
use crate::{dot, graphml, samples, svg};

type Edges = Vec<(usize, usize)>;

fn line(n: usize) -> Edges {
    (1..n).flat_map(|i| [(i - 1, i), (i, i - 1)]).collect()
}

fn ring(n: usize) -> Edges {
    (0..n).flat_map(|i| [(i, (i + 1) % n), ((i + 1) % n, i)]).collect()
}

/// Each knows so many of the `n` peers from `first` on, the next one among them.
fn random(first: usize, n: usize, degree: usize) -> Edges {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % n
    };
    let mut knows = |i: usize, nth: usize| if nth == 0 { (i + 1) % n } else { below(n) };
    let pairs = (0..n).flat_map(|i| (0..degree).map(move |nth| (i, nth)));
    pairs.map(|(i, nth)| (first + i, first + knows(i, nth))).collect()
}

fn shown(document: &Document) -> String {
    samples::rendered(svg::render, document)
}

/// How many elements there are of each name and class.
fn classes(svg: &str) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for node in Xml::parse(svg).unwrap().descendants().filter(|node| node.is_element()) {
        let class = node.attribute("class").unwrap_or_default().to_owned();
        *counts.entry((node.tag_name().name().to_owned(), class)).or_default() += 1;
    }
    counts
}

fn count(svg: &str, name: &str, class: &str) -> usize {
    classes(svg).get(&(name.to_owned(), class.to_owned())).copied().unwrap_or_default()
}

/// Nothing runs, nothing is loaded, nothing is linked to.
fn assert_harmless(svg: &str) {
    let parsed = Xml::parse(svg).unwrap();
    let names = ["svg", "title", "style", "rect", "g", "circle", "path", "text"];
    for node in parsed.descendants().filter(|node| node.is_element()) {
        assert!(names.contains(&node.tag_name().name()), "{:?}", node.tag_name());
        for attribute in node.attributes() {
            let name = attribute.name();
            assert!(!name.starts_with("on") && name != "href" && name != "style", "{name}");
        }
    }
    let styles: Vec<_> = parsed.descendants().filter(|node| node.has_tag_name("style")).collect();
    assert!(!styles.is_empty() && !STYLE.contains("url") && !STYLE.contains("@import"));
}

/// The pictures of docs/pictures. SNAPSHOTS=overwrite draws them anew.
#[test]
fn pictures_of_the_documentation_are_what_is_drawn() {
    let islands = [random(0, 40, 3), random(40, 15, 3)].concat();
    let some = |i: usize| i % 11 == 5;
    let nobody = |_: usize| false;
    let pictures = [
        ("line", samples::crawled(10, &line(10), &[0], nobody)),
        ("ring", samples::crawled(16, &ring(16), &[0], nobody)),
        ("two-islands", samples::crawled(55, &islands, &[0, 40], nobody)),
        ("random-300", samples::crawled(300, &random(0, 300, 4), &[0], some)),
        ("crowd-10000", many(10_000)),
    ];
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pictures");
    for (name, document) in pictures {
        let file = dir.join(name).with_extension("svg");
        let expected = snapbox::Data::read_from(&file, Some(snapbox::data::DataFormat::Text));
        snapbox::assert_data_eq!(shown(&document), expected.raw());
    }
}

#[test]
fn every_peer_of_a_small_crawl_is_a_dot_and_has_its_name_beside_it() {
    let svg = shown(&samples::crawled(10, &line(10), &[0], |_| false));
    // One more explains the shape.
    assert_eq!(count(&svg, "circle", "answered"), 10 + 1);
    assert_eq!((count(&svg, "circle", "ring"), count(&svg, "path", "way")), (9, 9));
    for i in 0..10 {
        assert!(svg.contains(&format!(">node {i}</text>")), "{i}");
    }
}

#[test]
fn ring_of_300_has_a_dot_for_each_and_one_of_10_000_has_bubbles() {
    let star = |n: usize| (1..=n).map(|i| (0, i)).collect::<Edges>();
    let svg = shown(&samples::crawled(301, &star(300), &[0], |_| false));
    assert_eq!(count(&svg, "circle", "answered"), 301 + 1);
    let svg = shown(&many(10_000));
    let bubbles = count(&svg, "text", "n answered");
    assert!((90..=96).contains(&bubbles), "{bubbles}");
    assert!(svg.len() < 100_000, "{}", svg.len());
}

/// A start that knows `n` others.
fn many(n: usize) -> Document {
    let sample = samples::crawled(2, &[(0, 1)], &[0], |_| false);
    let (start, other) = match &sample.peers[..] {
        [a, b] if a.depth == Some(0) => (a.clone(), b.clone()),
        [a, b] => (b.clone(), a.clone()),
        _ => panic!("two peers"),
    };
    let others = (2..n + 2).map(|i| Peer { node_id: samples::id(i), ..other.clone() });
    let mut peers: Vec<Peer> = others.chain([start]).collect();
    peers.sort_by(|a, b| a.node_id.cmp(&b.node_id));
    Document::sample(sample, peers, Graph::default())
}

#[test]
fn line_of_a_thousand_has_a_last_ring_for_the_rest() {
    let svg = shown(&samples::crawled(1000, &line(1000), &[0], |_| false));
    assert_eq!(count(&svg, "circle", "ring"), 24);
    assert!(svg.contains("24 hops and more"));
}

#[test]
fn too_many_lines_are_left_out_and_that_is_said() {
    let mesh: Edges = (0..100).flat_map(|i| (0..100).map(move |j| (i, j))).collect();
    let svg = shown(&samples::crawled(100, &mesh, &[0], |_| false));
    assert_eq!((count(&svg, "path", "way"), count(&svg, "path", "line")), (99, 0));
    assert!(svg.contains("more cases of who named whom are not drawn"));
}

#[test]
fn islands_have_a_sector_each_and_their_size_is_said() {
    let islands = [random(0, 40, 3), random(40, 15, 3)].concat();
    let svg = shown(&samples::crawled(55, &islands, &[0, 40], |_| false));
    assert!(svg.contains(">40 peers</text>") && svg.contains(">15 peers</text>"), "{svg}");
    assert_eq!(count(&svg, "rect", "onlooker"), 1);
}

#[test]
fn peer_stays_where_it_is_when_others_come() {
    let place = |svg: &str, i: usize| {
        let parsed = Xml::parse(svg).unwrap();
        let titled = |node: &roxmltree::Node<'_, '_>| {
            node.descendants().any(|d| d.text().is_some_and(|t| t.contains(&samples::id(i))))
        };
        let mut circles = parsed.descendants().filter(|node| node.has_tag_name("circle"));
        let circle = circles.rfind(titled).unwrap();
        ["cx", "cy"].map(|axis| circle.attribute(axis).unwrap().parse::<f64>().unwrap())
    };
    let star = |n: usize| (1..=n).map(|i| (0, i)).collect::<Edges>();
    let few = shown(&samples::crawled(9, &star(8), &[0], |_| false));
    let more = shown(&samples::crawled(13, &star(12), &[0], |_| false));
    for i in 1..9 {
        let ([x, y], [u, v]) = (place(&few, i), place(&more, i));
        assert!((x - u).hypot(y - v) < 20.0, "{i}: {x} {y} {u} {v}");
    }
}

#[test]
fn every_sample_is_well_formed_and_harmless() {
    for (name, document) in samples::all() {
        let svg = shown(&document);
        assert!(Xml::parse(&svg).is_ok(), "{name}");
        assert_harmless(&svg);
        assert!(!svg.contains(['\x1b', '\u{202e}', '\u{9b}', '\t']), "{name}");
    }
}

prop_compose! {
    fn peers()(
        peers in vec((".{0,30}", 0u8..3, proptest::option::of(0u32..40), vec(0usize..50, 0..4)), 0..40)
    ) -> Vec<Peer> {
        let template = samples::complete().peers.remove(0);
        let peers = peers.into_iter().enumerate().map(|(i, (name, status, depth, via))| Peer {
            node_id: samples::id(i),
            name: Some(name.clone()),
            agent: Some(name.clone()),
            status: [Status::Answered, Status::Failed, Status::NotAsked][usize::from(status)],
            depth,
            via: via.into_iter().map(samples::id).collect(),
            ..template.clone()
        });
        let mut peers: Vec<Peer> = peers.collect();
        peers.sort_by(|a, b| a.node_id.cmp(&b.node_id));
        peers
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_names_and_any_graph_give_well_formed_output(
        peers in peers(),
        edges in vec((0u32..45, 0u32..45), 0..200),
        topic in ".{0,20}",
    ) {
        let (n_peers, graph) = (peers.len(), Graph::new(peers.len(), edges));
        let n_edges = graph.edges().len();
        let mut document = Document::sample(samples::complete(), peers, graph);
        document.header.network.topic = topic;
        let svg = shown(&document);
        assert_harmless(&svg);
        prop_assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}", svg);
        let graphml = samples::rendered(graphml::render, &document);
        let parsed = Xml::parse(&graphml).unwrap();
        let n = |name| parsed.descendants().filter(|node| node.has_tag_name(name)).count();
        prop_assert_eq!((n("node"), n("edge")), (n_peers, n_edges));
        let dot = samples::rendered(dot::render, &document);
        prop_assert_eq!(dot.lines().count(), 3 + n_peers + n_edges);
    }
}

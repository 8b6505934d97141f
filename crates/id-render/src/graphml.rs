//! GraphML, for programs that analyse and lay out graphs: Gephi, yEd, networkx, igraph.
//!
//! What is unknown of a peer is left out.

use std::io::{self, Write};

use crate::{
    model::{Document, Peer},
    xml::escape,
};

/// Attributes of a node: name and type, in the order in which they are written.
const KEYS: [(&str, &str); 9] = [
    ("name", "string"),
    ("status", "string"),
    ("error", "string"),
    ("depth", "int"),
    ("blob_count", "long"),
    ("timestamp_secs", "long"),
    ("age_secs", "double"),
    ("verified", "boolean"),
    ("agent", "string"),
];

/// The attribute of an edge; a node's has its name already.
const EDGE_AGE: &str = "edge_age_secs";

/// Writes all of `document`.
pub fn render(document: &Document, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(out, r#"<graphml xmlns="http://graphml.graphdrawing.org/xmlns">"#)?;
    for (name, kind) in KEYS {
        writeln!(out, r#"  <key id="{name}" for="node" attr.name="{name}" attr.type="{kind}"/>"#)?;
    }
    writeln!(out, r#"  <key id="{EDGE_AGE}" for="edge" attr.name="age_secs" attr.type="long"/>"#)?;
    writeln!(out, r#"  <graph id="peers" edgedefault="directed">"#)?;
    let n_left_out = document.n_edges_left_out();
    if n_left_out > 0 {
        writeln!(out, "    <desc>{} edges are left out</desc>", n_left_out)?;
    }
    document.peers.iter().try_for_each(|peer| node(peer, out))?;
    for (from, to, age) in document.aged_edges() {
        let (from, to) = (escape(from), escape(to));
        let edge = format!(r#"<edge source="{from}" target="{to}""#);
        match age {
            Some(secs) => {
                writeln!(out, r#"    {edge}><data key="{EDGE_AGE}">{secs}</data></edge>"#)?;
            }
            None => writeln!(out, "    {edge}/>")?,
        }
    }
    writeln!(out, "  </graph>\n</graphml>")
}

fn node(peer: &Peer, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, r#"    <node id="{}">"#, escape(&peer.node_id))?;
    for ((key, _), value) in KEYS.iter().zip(values(peer)) {
        if let Some(value) = value {
            writeln!(out, r#"      <data key="{key}">{}</data>"#, escape(&value))?;
        }
    }
    writeln!(out, "    </node>")
}

fn values(peer: &Peer) -> [Option<String>; 9] {
    [
        peer.name.clone(),
        Some(peer.status.as_str().to_owned()),
        peer.error.map(str::to_owned),
        peer.depth.map(|depth| depth.to_string()),
        // The type `long` has no more.
        peer.blob_count.filter(|n| i64::try_from(*n).is_ok()).map(|n| n.to_string()),
        peer.timestamp_secs.filter(|n| i64::try_from(*n).is_ok()).map(|n| n.to_string()),
        peer.age_secs.map(|secs| secs.to_string()),
        Some(peer.verified.to_string()),
        peer.agent.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use crate::{graphml, samples};

    #[test]
    fn peers_are_nodes_and_who_named_whom_are_edges() {
        let shown = samples::rendered(graphml::render, &samples::partial_with_edges());
        snapbox::assert_data_eq!(shown, snapbox::file!["golden/partial.graphml": Text].raw());
    }

    #[test]
    fn every_value_has_a_declared_key_and_unknown_ones_are_left_out() {
        let shown = samples::rendered(graphml::render, &samples::partial_with_edges());
        let parsed = roxmltree::Document::parse(&shown).unwrap();
        let with_name = |name| parsed.descendants().filter(move |node| node.has_tag_name(name));
        let keys: Vec<_> = with_name("key").filter_map(|key| key.attribute("id")).collect();
        assert!(with_name("data").all(|data| keys.contains(&data.attribute("key").unwrap())));
        let bare = with_name("node").map(|node| node.children().filter(|c| c.is_element()).count());
        assert_eq!(bare.min(), Some(4), "status, error, depth and verified are always known");
    }
}

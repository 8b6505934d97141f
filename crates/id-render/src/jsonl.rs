//! JSON lines: a `version`, then each `peer` once, as soon as its fate is known, then each `edge` if those
//! are asked for, then a `summary`.
//!
//! Who reads them has every peer without waiting for the end, and knows by the last line that there
//! was one. The lines hold what the document of [`super::json`] holds.

use std::{
    collections::HashSet,
    io::{self, Write},
};

use id_client::Graph;
use serde::Serialize;

use crate::{
    agreement::Check,
    handed::HandedOver,
    json,
    model::{Crawl, Document, Header, Peer, Summary},
};

/// One line.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Version(&'a Header),
    Peer(&'a Peer),
    Edge {
        from: &'a str,
        to: &'a str,
        age_secs: Option<u32>,
    },
    Summary {
        crawl: &'a Crawl,
        summary: &'a Summary,
        #[serde(skip_serializing_if = "Option::is_none")]
        edges_left_out: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        agreement: Option<&'a Check>,
        #[serde(skip_serializing_if = "Option::is_none")]
        discover: Option<&'a HandedOver>,
    },
}

/// Lines that are written while the crawl runs. Each is flushed, but for those of edges, which all come
/// at the end.
#[derive(Debug)]
pub struct Lines<W> {
    out: W,
    written: HashSet<String>,
}

impl<W: Write> Lines<W> {
    /// Writes the first line.
    pub fn start(out: W, header: &Header) -> io::Result<Self> {
        let mut lines = Self { out, written: HashSet::new() };
        lines.write(&Line::Version(header))?;
        Ok(lines)
    }

    /// Writes a peer, unless it was written before.
    pub fn peer(&mut self, peer: &Peer) -> io::Result<()> {
        match self.written.insert(peer.node_id.clone()) {
            true => self.write(&Line::Peer(peer)),
            false => Ok(()),
        }
    }

    /// Writes the peers that are still missing, by node id, and the last line.
    pub fn finish(mut self, document: &Document) -> io::Result<()> {
        document.peers.iter().try_for_each(|peer| self.peer(peer))?;
        for (from, to, age_secs) in document.aged_edges() {
            json::line(&Line::Edge { from, to, age_secs }, &mut self.out)?;
        }
        let Document { crawl, summary, .. } = document;
        let edges_left_out = document.graph.as_ref().map(Graph::n_left_out);
        let (agreement, discover) = (json::agreement(document), json::discover(document));
        self.write(&Line::Summary { crawl, summary, edges_left_out, agreement, discover })
    }

    fn write(&mut self, line: &Line<'_>) -> io::Result<()> {
        json::line(line, &mut self.out)?;
        self.out.flush()
    }
}

/// Writes all lines of a crawl that is over.
pub fn render(document: &Document, out: &mut impl Write) -> io::Result<()> {
    Lines::start(out, &document.header)?.finish(document)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{json, jsonl, samples};

    fn lines(shown: &str) -> Vec<Value> {
        shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What the lines say, as one document.
    fn document(mut lines: Vec<Value>) -> Value {
        let summary = lines.pop().unwrap();
        let mut document = lines.remove(0);
        lines.sort_by_key(|line| line.get("node_id").map(Value::to_string));
        document["crawl"] = summary["crawl"].clone();
        document["summary"] = summary["summary"].clone();
        if let Some(left_out) = summary.get("edges_left_out") {
            document["edges_left_out"] = left_out.clone();
            let edges = lines.extract_if(.., |line| line["type"] == "edge");
            let edges = edges.map(|edge| {
                let ends = Value::from(vec![edge["from"].clone(), edge["to"].clone()]);
                (ends, edge["age_secs"].clone())
            });
            let (edges, ages): (Vec<_>, Vec<_>) = edges.unzip();
            document["edges"] = edges.into();
            document["edge_ages_secs"] = ages.into();
        }
        for asked_for in ["agreement", "discover"] {
            if let Some(part) = summary.get(asked_for) {
                document[asked_for] = part.clone();
            }
        }
        document["peers"] = lines.into();
        remove_type(&mut document);
        document
    }

    fn remove_type(document: &mut Value) {
        document.as_object_mut().unwrap().remove("type");
        for peer in document["peers"].as_array_mut().unwrap() {
            peer.as_object_mut().unwrap().remove("type");
        }
    }

    #[test]
    fn lines_say_what_the_document_says() {
        for (name, sample) in samples::all() {
            let lines = lines(&samples::rendered(jsonl::render, &sample));
            let json = samples::rendered(json::render, &sample);
            assert_eq!(document(lines), serde_json::from_str::<Value>(&json).unwrap(), "{name}");
        }
    }

    #[test]
    fn first_line_is_the_version_and_last_the_summary() {
        let lines = lines(&samples::rendered(jsonl::render, &samples::partial()));
        let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["version", "peer", "peer", "peer", "peer", "summary"]);
        assert_eq!(lines[0]["format_version"], "1.0");
    }

    #[test]
    fn every_line_is_as_the_schema_says() {
        let schema = include_str!("../../../docs/peers.schema.json");
        let mut schema: Value = serde_json::from_str(schema).unwrap();
        // The same definitions, with a line in place of a document.
        let root = schema.as_object_mut().unwrap();
        root.retain(|key, _| matches!(key.as_str(), "$schema" | "$defs"));
        root.insert("$ref".to_owned(), "#/$defs/jsonl_line".into());
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        for (name, sample) in samples::all() {
            for line in lines(&samples::rendered(jsonl::render, &sample)) {
                let faults: Vec<_> = validator.iter_errors(&line).map(|e| e.to_string()).collect();
                assert_eq!(faults, [""; 0], "{name}: {line}");
            }
        }
        assert!(!validator.is_valid(&serde_json::json!({"type": "unheard of"})));
    }

    #[test]
    fn peer_that_was_written_early_isnt_written_again() {
        let sample = samples::complete();
        let mut out = Vec::new();
        let mut early = Lines::start(&mut out, &sample.header).unwrap();
        early.peer(&sample.peers[1]).unwrap();
        early.peer(&sample.peers[1]).unwrap();
        early.finish(&sample).unwrap();
        let lines = lines(std::str::from_utf8(&out).unwrap());
        assert_eq!(lines.len(), 1 + sample.peers.len() + 1);
        assert_eq!(lines[1]["node_id"], sample.peers[1].node_id.as_str());
    }
}

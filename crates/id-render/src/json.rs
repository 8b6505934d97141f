//! One JSON document, described by `docs/peers.schema.json`.

use std::io::{self, Write};

use serde::Serialize;

use crate::{
    agreement::Check,
    handed::HandedOver,
    model::{Document, Edges},
    sanitize,
};

/// Writes all of `document`, over several lines.
pub fn render(document: &Document, out: &mut impl Write) -> io::Result<()> {
    let edges = document.edges_json();
    let is_wanted = edges.is_some();
    let whole = Whole {
        document,
        edges,
        edge_ages_secs: is_wanted.then(|| document.edge_ages_secs()),
        edges_left_out: is_wanted.then(|| document.n_edges_left_out()),
        agreement: agreement(document),
        discover: discover(document),
    };
    pretty(&whole, out)
}

/// The document, with what isn't there unless it is asked for.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    document: &'a Document,
    #[serde(skip_serializing_if = "Option::is_none")]
    edges: Option<Edges<'a>>,
    /// `null` if they aren't known.
    #[serde(skip_serializing_if = "Option::is_none")]
    edge_ages_secs: Option<Option<&'a [u32]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edges_left_out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agreement: Option<&'a Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discover: Option<&'a HandedOver>,
}

/// What came of comparing views, if that was asked for; `null` if it can't be said.
pub(crate) fn agreement(document: &Document) -> Option<&Check> {
    document.check.is_wanted().then_some(&document.check)
}

/// What came of handing the peers to a node, if that was asked for; `null` if none was.
pub(crate) fn discover(document: &Document) -> Option<&HandedOver> {
    document.discover.is_wanted().then_some(&document.discover)
}

/// Writes `value` over several lines.
pub fn pretty(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(Harmless(&mut *out), value)?;
    writeln!(out)
}

/// Takes encoded JSON in pieces, so that a document of a million edges isn't held as a whole.
struct Harmless<W>(W);

impl<W: Write> Write for Harmless<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        // The encoder cuts strings only where it escapes an ASCII character.
        let text = std::str::from_utf8(piece).map_err(io::Error::other)?;
        self.0.write_all(sanitize::json(text).as_bytes())?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes `value` on one line.
pub fn line(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    let encoded = serde_json::to_string(value)?;
    writeln!(out, "{}", sanitize::json(&encoded))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::{json, samples};

    const SCHEMA: &str = include_str!("../../../docs/peers.schema.json");

    fn schema() -> Value {
        serde_json::from_str(SCHEMA).unwrap()
    }

    fn faults(schema: &Value, instance: &Value) -> Vec<String> {
        let validator = jsonschema::draft202012::new(schema).unwrap();
        let faults = validator.iter_errors(instance);
        faults.map(|fault| format!("{}: {fault}", fault.instance_path())).collect()
    }

    /// The schema, allowing nothing that it doesn't name: new fields have to be documented.
    fn closed(mut schema: Value) -> Value {
        close(&mut schema);
        schema
    }

    fn close(schema: &mut Value) {
        match schema {
            Value::Object(fields) => {
                fields.values_mut().for_each(close);
                let is_object = fields.get("type").is_some_and(|kind| {
                    *kind == "object"
                        || kind.as_array().is_some_and(|k| k.contains(&"object".into()))
                });
                if is_object && fields.contains_key("properties") {
                    fields.insert("additionalProperties".to_owned(), false.into());
                }
            }
            Value::Array(items) => items.iter_mut().for_each(close),
            _ => {}
        }
    }

    fn documents() -> Vec<(&'static str, Value)> {
        let parse =
            |document| serde_json::from_str(&samples::rendered(json::render, document)).unwrap();
        samples::all().iter().map(|(name, document)| (*name, parse(document))).collect()
    }

    #[test]
    fn every_document_is_as_the_schema_says() {
        for (name, document) in documents() {
            assert_eq!(faults(&schema(), &document), [""; 0], "{name}");
        }
    }

    #[test]
    fn every_field_is_in_the_schema() {
        let closed = closed(schema());
        for (name, document) in documents() {
            assert_eq!(faults(&closed, &document), [""; 0], "{name}");
        }
    }

    #[test]
    fn reader_of_this_version_accepts_later_minor_versions() {
        let (_, mut document) = documents().remove(0);
        document["format_version"] = "1.7".into();
        document["peers"][0]["new_field"] = 1.into();
        assert_eq!(faults(&schema(), &document), [""; 0]);
    }

    #[test]
    fn schema_refuses_what_is_not_promised() {
        let (_, document) = documents().remove(0);
        let changes = [
            ("/format_version", "2.0".into()),
            ("/peers/0/blob_count", (-1).into()),
            ("/peers/0/node_id", "short".into()),
            ("/peers/0/status", "maybe".into()),
            ("/peers/0/error", "timeout".into()),
            ("/summary/known", Value::Null),
        ];
        for (pointer, value) in changes {
            let mut document = document.clone();
            *document.pointer_mut(pointer).unwrap() = value;
            assert_ne!(faults(&schema(), &document), [""; 0], "{pointer}");
        }
    }

    #[test]
    fn errors_of_the_schema_are_those_of_the_client() {
        let schema = schema();
        let documented = schema.pointer("/$defs/error/examples").unwrap().as_array().unwrap();
        let ours = id_client::FailKind::ALL.iter().map(|kind| Value::from(kind.as_str()));
        assert_eq!(*documented, ours.collect::<Vec<_>>());
    }

    #[test]
    fn every_error_and_exit_code_is_explained() {
        const SCRIPTS: &str = include_str!("../../../docs/scripts.md");
        for kind in id_client::FailKind::ALL {
            assert!(SCRIPTS.contains(&format!("\n| `{kind}` | ")), "{kind}");
        }
        let reasons = schema();
        let reasons = reasons.pointer("/$defs/rejected/propertyNames/examples").unwrap();
        for reason in reasons.as_array().unwrap() {
            assert!(SCRIPTS.contains(&format!("`{}`", reason.as_str().unwrap())), "{reason}");
        }
        for code in [0, 1, 2, 3, 4, 5, 130] {
            assert!(SCRIPTS.contains(&format!("\n| {code} | ")), "{code}");
        }
    }

    #[test]
    fn every_edge_has_an_age_unless_nothing_said_so() {
        let with_edges: Value =
            serde_json::from_str(&samples::rendered(json::render, &samples::partial_with_edges()))
                .unwrap();
        assert_eq!(with_edges["edge_ages_secs"], serde_json::json!([3, 4_294_967_295_u32, 0, 61]));
        assert_eq!(with_edges["edges"].as_array().unwrap().len(), 4);
        let heard =
            samples::rendered(json::render, &samples::crawled(2, &[(0, 1)], &[0], |_| false));
        let heard: Value = serde_json::from_str(&heard).unwrap();
        assert_eq!(heard.get("edge_ages_secs"), Some(&Value::Null));
        assert_eq!(documents()[0].1.get("edge_ages_secs"), None, "only with edges");
    }

    #[test]
    fn counts_add_up() {
        for (name, document) in documents() {
            let summary = &document["summary"];
            let count = |field: &str| summary[field].as_u64().unwrap();
            assert_eq!(count("known"), count("asked") + count("not_asked"), "{name}");
            assert_eq!(count("asked"), count("answered") + count("failed"), "{name}");
            assert_eq!(count("known"), document["peers"].as_array().unwrap().len() as u64);
        }
    }

    #[test]
    fn unknown_is_null() {
        let document = &documents().into_iter().find(|(name, _)| *name == "failed seed").unwrap().1;
        let peer = &document["peers"][0];
        let unknown = [
            "name",
            "blob_count",
            "timestamp_secs",
            "age_secs",
            "addrs",
            "path",
            "rtt_ms",
            "agent",
            "answered_dial_age_secs",
        ];
        for field in unknown {
            assert_eq!(peer[field], Value::Null, "{field}");
        }
        assert_eq!(peer["verified"], false);
        assert_eq!(peer["error"], "timeout");
    }

    #[test]
    fn hostile_name_is_whole_for_programs_and_harmless_for_terminals() {
        let shown = samples::rendered(json::render, &samples::hostile());
        assert!(!shown.contains(['\x1b', '\u{202e}', '\u{9b}']), "{shown}");
        let document: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(document["peers"][0]["name"], "\x1b]0;owned\x07\u{202e}gpj\n\tnew\u{9b}31m");
    }

    #[test]
    fn document_in_pieces_is_what_the_whole_would_be() {
        let name = "é\"日\u{202e}\\x\u{9b}\n🦀\u{7f}";
        let value = serde_json::json!({"name": name, "list": [name, 1, null, [name, name]]});
        let mut pieces = Vec::new();
        super::pretty(&value, &mut pieces).unwrap();
        let whole = serde_json::to_string_pretty(&value).unwrap();
        let expected = format!("{}\n", crate::sanitize::json(&whole));
        assert_eq!(String::from_utf8(pieces).unwrap(), expected);
    }

    #[test]
    fn document_of_a_partial_crawl() {
        let shown = samples::rendered(json::render, &samples::partial());
        snapbox::assert_data_eq!(shown, snapbox::file!["golden/partial.json": Text]);
    }
}

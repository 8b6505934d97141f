//! What is different between two crawls: lines for eyes, a document for programs.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::SystemTime,
};

use serde::Serialize;
use serde_json::Value;

use id_render::{
    Tool,
    json::pretty,
    model::{FORMAT_VERSION, generated_at},
    sanitize, text,
};

use crate::{
    commands::diff::{Change, Difference, Document, EdgeDifference, Peer},
    output::TOOL,
};

/// One line for each difference: `+` came, `-` went, `~` changed.
pub(crate) fn text(difference: &Difference<'_>, out: &mut impl Write) -> io::Result<()> {
    let Difference { came, went, changed, edges } = difference;
    went.iter().try_for_each(|peer| writeln!(out, "- {}", named(peer)))?;
    came.iter().try_for_each(|peer| writeln!(out, "+ {}", named(peer)))?;
    for (peer, changes) in changed {
        let changes: Vec<_> = changes.iter().map(change).collect();
        writeln!(out, "~ {}  {}", named(peer), changes.join(", "))?;
    }
    let Some(EdgeDifference { came, went }) = edges else { return Ok(()) };
    went.iter().try_for_each(|edge| writeln!(out, "- {}", arrow(edge)))?;
    came.iter().try_for_each(|edge| writeln!(out, "+ {}", arrow(edge)))
}

pub(super) fn named(peer: &Peer) -> String {
    format!("{}  {}", text::short_id(&peer.node_id), text::string(peer.name.as_deref()))
}

pub(super) fn change(change: &Change) -> String {
    format!("{}: {} -> {}", change.field, value(&change.from), value(&change.to))
}

fn value(value: &Value) -> String {
    match value {
        Value::Null => text::string(None),
        Value::String(text) => sanitize::text(text).into_owned(),
        other => sanitize::text(&other.to_string()).into_owned(),
    }
}

fn arrow((from, to): &(&str, &str)) -> String {
    let short = |id| sanitize::text(text::short_id(id)).into_owned();
    format!("{} -> {}", short(from), short(to))
}

/// The same as one document.
pub(crate) fn json(
    [a, b]: [&Document; 2],
    difference: &Difference<'_>,
    now: SystemTime,
    out: &mut impl Write,
) -> io::Result<()> {
    let Difference { came, went, changed, edges } = difference;
    let report = Report {
        format_version: FORMAT_VERSION,
        generated_at: generated_at(now),
        tool: TOOL,
        same: difference.is_empty(),
        a: Side::of(a),
        b: Side::of(b),
        came: came.iter().copied().map(Row::of).collect(),
        went: went.iter().copied().map(Row::of).collect(),
        changed: changed
            .iter()
            .map(|(peer, all)| Changed { peer: Row::of(peer), changes: ends(all) })
            .collect(),
        edges: edges.as_ref(),
    };
    pretty(&report, out)
}

/// By field.
pub(super) fn ends(changes: &[Change]) -> BTreeMap<&'static str, Ends> {
    let ends = |change: &Change| Ends { from: change.from.clone(), to: change.to.clone() };
    changes.iter().map(|change| (change.field, ends(change))).collect()
}

#[derive(Serialize)]
struct Report<'a> {
    format_version: &'static str,
    generated_at: String,
    tool: Tool,
    same: bool,
    a: Side<'a>,
    b: Side<'a>,
    came: Vec<Row<'a>>,
    went: Vec<Row<'a>>,
    changed: Vec<Changed<'a>>,
    edges: Option<&'a EdgeDifference<'a>>,
}

/// One of the two documents.
#[derive(Serialize)]
struct Side<'a> {
    generated_at: &'a str,
    complete: bool,
    known: usize,
}

impl<'a> Side<'a> {
    fn of(document: &'a Document) -> Self {
        Self {
            generated_at: &document.generated_at,
            complete: document.crawl.complete,
            known: document.peers.len(),
        }
    }
}

#[derive(Serialize)]
struct Row<'a> {
    node_id: &'a str,
    name: Option<&'a str>,
    status: &'a str,
}

impl<'a> Row<'a> {
    fn of(peer: &'a Peer) -> Self {
        Self { node_id: &peer.node_id, name: peer.name.as_deref(), status: &peer.status }
    }
}

#[derive(Serialize)]
struct Changed<'a> {
    #[serde(flatten)]
    peer: Row<'a>,
    changes: BTreeMap<&'static str, Ends>,
}

#[derive(Debug, Serialize)]
pub(super) struct Ends {
    from: Value,
    to: Value,
}

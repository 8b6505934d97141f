//! Graphviz: `id-cli peers --format dot | dot -Tsvg`.

use std::io::{self, Write};

use crate::{
    model::{Document, Peer, Status},
    sanitize, text,
};

/// Writes all of `document`.
pub fn render(document: &Document, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "digraph {} {{", quoted(&document.header.network.topic))?;
    writeln!(out, "  node [shape=ellipse fontname=\"sans-serif\"];")?;
    let n_left_out = document.n_edges_left_out();
    if n_left_out > 0 {
        writeln!(out, "  // {} edges are left out", n_left_out)?;
    }
    document.peers.iter().try_for_each(|peer| node(peer, out))?;
    for (from, to, age) in document.aged_edges() {
        let age = age.map(|secs| format!(" [age_secs={secs}]")).unwrap_or_default();
        writeln!(out, "  {} -> {}{age};", quoted(from), quoted(to))?;
    }
    writeln!(out, "}}")
}

fn node(peer: &Peer, out: &mut impl Write) -> io::Result<()> {
    let id = text::short_id(&peer.node_id);
    let label = match peer.name.as_deref() {
        Some(name) if !name.is_empty() => name,
        _ => id,
    };
    let status = peer.status.as_str();
    let tooltip = match peer.error {
        Some(error) => format!("{id} {status}: {error}"),
        None => format!("{id} {status}"),
    };
    let style = match peer.status {
        Status::Answered => "solid",
        Status::Failed => "dashed",
        Status::NotAsked => "dotted",
    };
    writeln!(
        out,
        "  {} [label={} tooltip={} style={style}];",
        quoted(&peer.node_id),
        quoted(label),
        quoted(&tooltip)
    )
}

/// A string of the language. In it a backslash begins an escape, of which labels know many.
fn quoted(text: &str) -> String {
    let escaped = sanitize::text(text).replace('\\', "\\\\").replace('"', "\\\"");
    // Readers replace `&name;` by a character.
    format!("\"{}\"", escaped.replace('&', "&amp;"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dot, samples};

    #[test]
    fn peers_are_nodes_and_who_named_whom_are_edges() {
        let shown = samples::rendered(dot::render, &samples::partial_with_edges());
        snapbox::assert_data_eq!(shown, snapbox::file!["golden/partial.dot": Text].raw());
    }

    #[test]
    fn no_name_ends_its_string_or_means_anything() {
        assert_eq!(quoted(r#"a" b="c"#), r#""a\" b=\"c""#);
        assert_eq!(quoted(r"\N\"), r#""\\N\\""#);
        assert_eq!(quoted(r#"\""#), r#""\\\"""#);
        assert_eq!(quoted("&lt;"), "\"&amp;lt;\"");
        assert_eq!(quoted("a\nb\u{202e}"), "\"a\u{fffd}b\u{fffd}\"");
    }

    #[test]
    fn hostile_name_stays_on_its_line() {
        let shown = samples::rendered(dot::render, &samples::hostile());
        assert_eq!(shown.lines().count(), 4);
        assert!(!shown.contains(['\x1b', '\u{202e}', '\t']), "{shown:?}");
    }
}

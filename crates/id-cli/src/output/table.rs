//! The table for eyes. Plain text, as wide as it needs to be: never wrapped, cut or coloured.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use id_render::{Document, Peer, Status, text};

const HEADER: [&str; 9] =
    ["NODE", "NAME", "BLOBS", "SEEN", "STATUS", "PATH", "RTT", "DEPTH", "VIA"];

/// The columns that hold numbers.
const NUMERIC: [usize; 4] = [2, 3, 6, 7];

/// Spaces between two columns.
const GAP: u16 = 2;

pub(crate) fn render(document: &Document, out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(HEADER)
        .add_rows(document.peers.iter().map(row));
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    for index in NUMERIC {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}

fn row(peer: &Peer) -> [String; 9] {
    [
        text::short_id(&peer.node_id).to_owned(),
        text::string(peer.name.as_deref()),
        text::number(peer.blob_count),
        text::age(peer.age_secs),
        status(peer),
        text::string(peer.path),
        text::millis(peer.rtt_ms),
        text::number(peer.depth),
        via(&peer.via),
    ]
}

fn status(peer: &Peer) -> String {
    match (peer.status, peer.error) {
        (Status::NotAsked, _) => "not asked".to_owned(),
        (Status::Failed, Some(error)) => format!("failed: {error}"),
        (status, _) => status.as_str().to_owned(),
    }
}

fn via(via: &[String]) -> String {
    match via {
        [] => text::string(None),
        [one] => text::short_id(one).to_owned(),
        [first, rest @ ..] => format!("{} +{}", text::short_id(first), rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use crate::output::{Format, samples};

    #[test]
    fn table_shows_each_peer_on_a_line() {
        let shown = samples::rendered(Format::Table, &samples::partial());
        snapbox::assert_data_eq!(
            shown,
            snapbox::str![[r#"
NODE        NAME   BLOBS  SEEN  STATUS           PATH        RTT  DEPTH  VIA
8139770ea8  birch     14    4s  answered         direct   1.9 ms      1  8a88e3dd74
8a88e3dd74  ash        7    4s  answered         relay   48.3 ms      0  -
ca93ac1705  -          -     -  failed: timeout  -             -      0  -
ed4928c628  -         21    4s  not asked        -             -      2  8139770ea8 +2

"#]]
        );
    }

    #[test]
    fn hostile_name_stays_in_its_cell() {
        let shown = samples::rendered(Format::Table, &samples::hostile());
        assert_eq!(shown.lines().count(), 2);
        assert!(!shown.contains(['\x1b', '\u{202e}', '\t']), "{shown:?}");
    }

    #[test]
    fn long_name_is_neither_cut_nor_wrapped() {
        let shown = samples::rendered(Format::Table, &samples::long_name());
        assert_eq!(shown.lines().count(), 2);
        assert!(shown.contains(&samples::LONG_NAME.repeat(16)), "{shown}");
    }

    #[test]
    fn no_peers_are_a_header() {
        let shown = samples::rendered(Format::Table, &samples::empty());
        assert_eq!(shown.lines().count(), 1);
    }
}

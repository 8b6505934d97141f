//! Tab-separated values: `<node_id>\t<name>\t<blob_count>\t<last_seen>`, one line a peer, no header.
//!
//! `last_seen` is the moment of the peer's newest announcement, by its own clock.

use std::io::{self, Write};

use crate::{
    model::{Document, Peer},
    text,
};

/// Writes all of `document`.
pub fn render(document: &Document, out: &mut impl Write) -> io::Result<()> {
    document.peers.iter().try_for_each(|peer| line(peer, out))
}

fn line(peer: &Peer, out: &mut impl Write) -> io::Result<()> {
    let name = text::string(peer.name.as_deref());
    let blob_count = text::number(peer.blob_count);
    let last_seen = text::moment(peer.timestamp_secs);
    writeln!(out, "{}\t{name}\t{blob_count}\t{last_seen}", peer.node_id)
}

#[cfg(test)]
mod tests {
    use crate::{samples, tsv};

    #[test]
    fn one_line_a_peer_and_unknown_is_a_dash() {
        let shown = samples::rendered(tsv::render, &samples::partial());
        snapbox::assert_data_eq!(
            shown,
            snapbox::str![[r#"
8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394	birch	14	2025-11-20T10:00:00Z
8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c	ash	7	2025-11-20T10:00:00Z
ca93ac1705187071d67b83c7ff0efe8108e8ec4530575d7726879333dbdabe7c	-	-	-
ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1	-	21	2025-11-20T10:00:00Z

"#]]
        );
    }

    #[test]
    fn hostile_name_makes_neither_a_line_nor_a_column() {
        let shown = samples::rendered(tsv::render, &samples::hostile());
        assert_eq!(shown.lines().count(), 1);
        assert_eq!(shown.matches('\t').count(), 3);
        assert!(!shown.contains(['\x1b', '\u{202e}']), "{shown:?}");
    }

    #[test]
    fn no_peers_are_no_lines() {
        assert_eq!(samples::rendered(tsv::render, &samples::empty()), "");
    }
}

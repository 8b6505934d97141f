//! Output formats: siblings, each rendered from the one [`Document`], most of them by `id-render`.

pub(crate) mod blobs;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod explain;
mod introducers;
pub(crate) mod status;
mod table;
pub(crate) mod watch;

#[cfg(test)]
pub(crate) mod samples;

use std::io::{self, BufWriter, Stdout, Write, stdout};

use clap::ValueEnum;

use id_client::CrawledPeer;
pub(crate) use id_render::text::{short_duration, short_id};
use id_render::{Document, Header, Peer, Tool, dot, graphml, json, jsonl, svg, tsv};

/// Who writes the documents.
pub(crate) const TOOL: Tool =
    Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") };

/// In which form peers are printed. All hold the same peers in the same order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For eyes: short ids, one line a peer
    Table,
    /// For cut and awk: node id, name, blob count, last seen; `-` if unknown
    Tsv,
    /// For programs: one document, described by docs/peers.schema.json
    Json,
    /// For programs that don't want to wait: one line a peer, as it answers or fails
    Jsonl,
    /// For Graphviz: peers and who named whom
    Dot,
    /// For Gephi, yEd, networkx: peers and who named whom
    Graphml,
    /// A picture: the start in the centre, a ring for each hop
    Svg,
}

impl Format {
    /// Whether it can hold who named whom.
    pub(crate) fn edges(self) -> EdgeUse {
        match self {
            Self::Table | Self::Tsv => EdgeUse::Never,
            Self::Json | Self::Jsonl => EdgeUse::IfAsked,
            Self::Dot | Self::Graphml | Self::Svg => EdgeUse::Always,
        }
    }
}

/// When a format holds who named whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EdgeUse {
    Never,
    IfAsked,
    Always,
}

/// Prints peers to stdout: as they come where the format allows it, else at the end.
#[derive(Debug)]
pub(crate) enum Printer {
    /// Everything at the end.
    AtEnd(Format),
    /// Line by line.
    Lines(jsonl::Lines<Stdout>),
}

impl Printer {
    /// Prints what can be said before the first peer.
    pub(crate) fn start(format: Format, header: &Header) -> io::Result<Self> {
        match format {
            Format::Jsonl => jsonl::Lines::start(stdout(), header).map(Self::Lines),
            other => Ok(Self::AtEnd(other)),
        }
    }

    /// Prints a peer whose fate is known, if peers are printed as they come.
    pub(crate) fn peer(&mut self, peer: &CrawledPeer) -> io::Result<()> {
        match self {
            Self::AtEnd(_) => Ok(()),
            Self::Lines(lines) => lines.peer(&Peer::crawled(peer)),
        }
    }

    /// Prints the rest.
    pub(crate) fn finish(self, document: &Document) -> io::Result<()> {
        match self {
            Self::AtEnd(format) => render(format, document, &mut BufWriter::new(stdout().lock())),
            Self::Lines(lines) => lines.finish(document),
        }
    }
}

/// Writes all of `document`.
fn render(format: Format, document: &Document, out: &mut impl Write) -> io::Result<()> {
    match format {
        Format::Table => table::render(document, out),
        Format::Tsv => tsv::render(document, out),
        Format::Json => json::render(document, out),
        Format::Jsonl => jsonl::render(document, out),
        Format::Dot => dot::render(document, out),
        Format::Graphml => graphml::render(document, out),
        Format::Svg => svg::render(document, out),
    }?;
    out.flush()
}

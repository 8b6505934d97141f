//! Who brought peers into a node's table: a part of what `status` and `explain` print.

use id_client::id_proto::{self, IntroducersReport};
use id_render::text;
use serde::Serialize;

/// One introducer.
#[derive(Debug, Serialize)]
pub(crate) struct Introducer {
    node_id: String,
    /// Whether it is a neighbour in gossip now.
    neighbour: bool,
    /// How many peers of the table it brought.
    entries: u64,
    /// How many of them never answered the node's own dial.
    unverified: u64,
    /// How many such it may have before each more costs it `squeeze`.
    quota: u64,
    /// How many such it may add now, while the table has room.
    room: u64,
    /// How many it may add now, when the table is full or its quota used up.
    squeeze: u64,
    /// How many more dials on its word may fail.
    dials: u64,
}

/// An introducer, and how much of the table it brought.
#[derive(Debug, Serialize)]
pub(crate) struct Shareholder {
    #[serde(flatten)]
    introducer: Introducer,
    share_percent: f64,
}

/// All introducers that a node tells of.
#[derive(Debug, Serialize)]
pub(crate) struct Introducers {
    /// How many there are, those that the node leaves out included.
    count: u64,
    /// Whoever brought most first.
    largest: Vec<Shareholder>,
}

impl Introducer {
    pub(crate) fn new(introducer: &id_proto::Introducer) -> Self {
        Self {
            node_id: introducer.node_id.to_string(),
            neighbour: introducer.is_neighbour,
            entries: introducer.n_entries,
            unverified: introducer.n_unverified,
            quota: introducer.quota,
            room: introducer.room.into(),
            squeeze: introducer.squeeze.into(),
            dials: introducer.dials.into(),
        }
    }

    /// What it brought, in words.
    pub(crate) fn sentence(&self, share: &str) -> String {
        let Self { entries, unverified, quota, room, squeeze, dials, .. } = self;
        let neighbour = if self.neighbour { " (neighbour)" } else { "" };
        format!(
            "{}{neighbour} brought {entries} peers{share}, {unverified} of them unverified (quota \
             {quota}); may bring {room} more, {squeeze} into a full table; {dials} dials may fail",
            text::short_id(&self.node_id),
        )
    }
}

impl Introducers {
    pub(crate) fn new(report: &IntroducersReport) -> Self {
        let share = |introducer: &id_proto::Introducer| Shareholder {
            introducer: Introducer::new(introducer),
            share_percent: percent(introducer.n_entries, report.table_size),
        };
        Self {
            count: report.n_introducers,
            largest: report.introducers.iter().map(share).collect(),
        }
    }

    /// One line each, and one for those that are left out.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let sentence = |it: &Shareholder| {
            it.introducer.sentence(&format!(" ({:.1} % of the table)", it.share_percent))
        };
        let mut lines: Vec<_> =
            self.largest.iter().map(|it| ("introducer", sentence(it))).collect();
        let n_more = self.count.saturating_sub(self.largest.len() as u64);
        if n_more > 0 {
            lines.push(("introducers", format!("{n_more} more, who brought less")));
        }
        lines
    }
}

/// Rounded to a tenth.
fn percent(part: u64, whole: u64) -> f64 {
    (part as f64 * 1000.0 / whole.max(1) as f64).round() / 10.0
}

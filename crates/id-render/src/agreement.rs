//! What came of comparing views, as [`super::model::Document`] says it.

use id_client::CrawlReport;
use serde::Serialize;

use crate::model::thousandths;

/// What came of comparing views.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Check {
    /// Nobody asked.
    #[default]
    NotWanted,
    /// It can't be said.
    Unknown,
    /// This came of it.
    Known(Agreement),
}

/// What those who answered know of each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agreement {
    /// Whether there are several islands.
    pub split: bool,
    /// Sizes, the largest first.
    pub islands: Vec<usize>,
    /// Sizes of the parts in which everybody reaches everybody; the same order.
    pub strong_islands: Vec<usize>,
    /// Cases of somebody who knows somebody who doesn't know it.
    pub one_way_edges: usize,
    /// How long ago each had heard of the others whom it named.
    pub median_edge_age_secs: Option<u32>,
    /// The oldest of them.
    pub oldest_edge_age_secs: Option<u32>,
    /// By node id.
    pub views: Vec<View>,
}

/// What one of them knows of the others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct View {
    /// Whose view it is.
    pub node_id: String,
    /// How many of the others it doesn't know.
    pub missing: usize,
    /// The same as a share of the others.
    pub missing_share: f64,
    /// Positions in the lists of sizes.
    pub island: usize,
    /// The same among the strong islands.
    pub strong_island: usize,
}

impl Check {
    /// Compares the views of a crawl.
    pub fn of(report: &CrawlReport) -> Self {
        let Some(found) = report.agreement() else { return Self::Unknown };
        let view = |view: &id_client::View| View {
            node_id: report.peers[view.peer as usize].node_id.to_string(),
            missing: view.n_missing,
            missing_share: thousandths(found.share_missing(view)),
            island: view.island,
            strong_island: view.strong_island,
        };
        Self::Known(Agreement {
            split: found.is_split(),
            one_way_edges: found.n_one_way,
            median_edge_age_secs: found.median_age_secs,
            oldest_edge_age_secs: found.oldest_age_secs,
            views: found.views.iter().map(view).collect(),
            islands: found.islands,
            strong_islands: found.strong_islands,
        })
    }

    /// Whether anybody asked.
    pub fn is_wanted(&self) -> bool {
        *self != Self::NotWanted
    }
}

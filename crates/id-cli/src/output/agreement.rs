//! What came of comparing views, as [`super::model::Document`] says it.

use id_client::CrawlReport;
use serde::Serialize;

use crate::output::model::thousandths;

/// What came of comparing views.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Check {
    #[default]
    NotWanted,
    /// It can't be said.
    Unknown,
    Known(Agreement),
}

/// What those who answered know of each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Agreement {
    pub(crate) split: bool,
    /// Sizes, the largest first.
    pub(crate) islands: Vec<usize>,
    pub(crate) strong_islands: Vec<usize>,
    pub(crate) one_way_edges: usize,
    /// How long ago each had heard of the others whom it named.
    pub(crate) median_edge_age_secs: Option<u32>,
    pub(crate) oldest_edge_age_secs: Option<u32>,
    /// By node id.
    pub(crate) views: Vec<View>,
}

/// What one of them knows of the others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct View {
    pub(crate) node_id: String,
    /// How many of the others it doesn't know.
    pub(crate) missing: usize,
    pub(crate) missing_share: f64,
    /// Positions in the lists of sizes.
    pub(crate) island: usize,
    pub(crate) strong_island: usize,
}

impl Check {
    /// Compares the views of a crawl.
    pub(crate) fn of(report: &CrawlReport) -> Self {
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

    pub(crate) fn is_wanted(&self) -> bool {
        *self != Self::NotWanted
    }
}

//! What `peers` says of peers that it handed to a node.

use std::collections::BTreeMap;

use id_client::id_proto::DiscoverReport;
use serde::Serialize;

/// Whether the peers were handed to a node.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(untagged)]
pub enum HandedOver {
    /// Nobody asked for it.
    #[default]
    NotWanted,
    /// None was.
    Nothing,
    /// They were, and this came of it.
    Done(Handed),
}

/// `handed = new + known + the refused`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Handed {
    /// How many were.
    pub handed: u64,
    /// Peers that the node's table lacked.
    pub new: u64,
    /// Peers that it held, whether there was news of them or not.
    pub known: u64,
    /// Announcements that the node doesn't believe, by reason, as it says.
    pub refused: BTreeMap<String, u64>,
}

impl HandedOver {
    /// Whether anybody asked for it.
    pub fn is_wanted(&self) -> bool {
        *self != Self::NotWanted
    }
}

impl Handed {
    /// Adds what came of a part. The client has seen that its counts add up.
    pub fn add(&mut self, report: &DiscoverReport) {
        self.handed += report.total().unwrap_or_default();
        self.new += report.n_new;
        self.known += report.n_newer + report.n_known;
        for (reason, n) in &report.refused {
            let reason = reason.as_str();
            let reason = reason.strip_prefix("refused_").unwrap_or(reason);
            *self.refused.entry(reason.to_owned()).or_default() += n;
        }
    }
}

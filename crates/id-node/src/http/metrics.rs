//! What was counted, for Prometheus and whoever else reads OpenMetrics: iroh's own metrics, and ours.
//!
//! Ours are made of the view at the moment of the request. No label says anything of a peer, and each has a few
//! values that are known beforehand.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use iroh_metrics::{Counter, EncodeLabelSet, Family, Gauge, MetricsGroup, MetricsSource, Registry};

use super::Served;
use crate::membership::{Refusal, RemovalReason, Stats, View};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is counted.
pub(super) async fn metrics(State(node): State<Arc<Served>>) -> Response {
    let mut registry = Registry::default();
    registry.register_all(node.endpoint.metrics());
    registry.register(Arc::new(IdMetrics::of(&node)));
    registry.register(Arc::new(ProcessMetrics::of(&node)));
    match registry.encode_openmetrics_to_string() {
        Ok(text) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct ByState {
    state: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct ByEvent {
    event: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct ByWhat {
    what: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct ByEnd {
    what: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct ByList {
    list: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct ByChannel {
    channel: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct ByVersion {
    version: &'static str,
}

/// What the node counts.
#[derive(Debug, Default, MetricsGroup)]
#[metrics(name = "id")]
struct IdMetrics {
    /// Peers in the table, the node itself not counted, by whether they ever answered a dial of its own
    table_peers: Family<ByState, Gauge>,
    /// Most peers that the table holds
    table_capacity: Gauge,
    /// Neighbours in the gossip topic
    neighbours: Gauge,
    /// 1 if the node has joined a topic and has no neighbour in it, else 0
    isolated: Gauge,
    /// Announcements of the node's own
    announcements_sent: Counter,
    /// Announcements of others that were believed
    announcements_believed: Counter,
    /// Announcements of others that were not believed
    announcements_refused: Family<ByReason, Counter>,
    /// Peers that were removed from the table
    peers_removed: Family<ByReason, Counter>,
    /// Dials to find out whether a peer is still there
    probes: Family<ByOutcome, Counter>,
    /// Dials to find out whether a peer that others tell of is there at all
    verifications: Counter,
    /// Tables of others that were asked for
    syncs: Counter,
    /// Times that gossip lost messages, because there were too many
    gossip_lagged: Counter,
    /// What happened to the neighbours and their messages
    gossip_events: Family<ByEvent, Counter>,
    /// Callers that were not answered, because the operator's lists don't admit them
    callers_refused: Counter,
    /// What was turned away because there was too much to do
    busy: Family<ByWhat, Counter>,
    /// Dealings with the DHT, by what was done and how it ended
    dht: Family<ByEnd, Counter>,
    /// Nodes on the operator's lists
    access_listed: Family<ByList, Gauge>,
    /// 1 for each way of finding peers that is in use, 0 for the others
    channel_enabled: Family<ByChannel, Gauge>,
    /// Always 1; the release is its label
    build_info: Family<ByVersion, Gauge>,
}

/// What is known of the process.
#[derive(Debug, Default, MetricsGroup)]
#[metrics(name = "process")]
struct ProcessMetrics {
    /// When the process started, in seconds since the Unix epoch
    start_time_seconds: Gauge,
}

impl ProcessMetrics {
    fn of(node: &Served) -> Self {
        let now = node.answerer.clock.now();
        let started = now.unix.saturating_sub(now.mono).as_secs();
        let metrics = Self::default();
        metrics.start_time_seconds.set(signed(started));
        metrics
    }
}

impl IdMetrics {
    fn of(node: &Served) -> Self {
        let view = node.answerer.view.borrow().clone();
        let metrics = Self::default();
        metrics.table_capacity.set(signed(node.bounds.max_entries as u64));
        metrics.note_view(&view);
        metrics.note_stats(&view.stats);
        metrics.note_surroundings(node);
        let version = ByVersion { version: env!("CARGO_PKG_VERSION") };
        metrics.build_info.get_or_create(&version).set(1);
        metrics
    }

    fn note_view(&self, view: &View) {
        let n_verified = view.entries.len() - view.n_unverified;
        for (state, n) in [("verified", n_verified), ("unverified", view.n_unverified)] {
            self.table_peers.get_or_create(&ByState { state }).set(signed(n as u64));
        }
        self.neighbours.set(signed(view.neighbours.len() as u64));
        self.isolated.set(view.isolated.into());
    }

    fn note_stats(&self, stats: &Stats) {
        self.announcements_sent.inc_by(stats.announced);
        self.announcements_believed.inc_by(stats.believed);
        self.verifications.inc_by(stats.verifications);
        self.syncs.inc_by(stats.syncs);
        self.gossip_lagged.inc_by(stats.lagged);
        for (outcome, n) in [("answered", stats.probes_answered), ("failed", stats.probes_failed)] {
            self.probes.get_or_create(&ByOutcome { outcome }).inc_by(n);
        }
        for refusal in Refusal::ALL {
            let reason = without("refused_", refusal.as_str());
            let counter = self.announcements_refused.get_or_create(&ByReason { reason });
            counter.inc_by(stats.refused(*refusal));
        }
        for removal in RemovalReason::ALL {
            let counter = self.peers_removed.get_or_create(&ByReason { reason: removal.as_str() });
            counter.inc_by(stats.removed(removal));
        }
    }

    fn note_surroundings(&self, node: &Served) {
        for (name, n) in node.answerer.gossip.counters() {
            let event = without("gossip_", &name).to_owned();
            self.gossip_events.get_or_create(&ByEvent { event }).inc_by(n);
        }
        let access = &node.answerer.access;
        self.callers_refused.inc_by(access.n_refused());
        for (what, n) in node.answerer.busy.all() {
            self.busy.get_or_create(&ByWhat { what }).inc_by(n);
        }
        for ((what, outcome), n) in node.answerer.channels.dht_counts.all() {
            self.dht.get_or_create(&ByEnd { what, outcome }).inc_by(n);
        }
        for (list, n) in access.list_sizes() {
            self.access_listed.get_or_create(&ByList { list }).set(signed(n));
        }
        for (channel, is_on) in node.answerer.channels.in_use() {
            self.channel_enabled.get_or_create(&ByChannel { channel }).set(is_on.into());
        }
    }
}

fn without<'a>(prefix: &str, name: &'a str) -> &'a str {
    name.strip_prefix(prefix).unwrap_or(name)
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

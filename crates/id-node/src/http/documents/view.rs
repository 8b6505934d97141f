//! A node's own view as a document.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, SystemTime},
};

use id_client::Graph;
use id_proto::iroh_base::PublicKey;
use id_render::{
    Document, Header, Peer, Status, Tool,
    model::{Crawl, LimitsInfo, SourceKind, millis, thousandths},
};

use crate::{
    actor::PROBE_TIMEOUT,
    http::Served,
    membership::{Entry, View},
};

const TOOL: Tool = Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") };

/// What the node knows now.
pub(in crate::http) fn document(node: &Served) -> Document {
    let view = node.answerer.view.borrow().clone();
    let now = node.answerer.clock.now().mono;
    let header = Header::new(TOOL, &node.answerer.network, SystemTime::now());
    let ways = Ways::of(&view);
    let routes = node.routes.all();
    let peer = |entry: &Arc<Entry>| {
        let route = routes.get(&entry.node_id());
        peer(entry, &ways, now).routed(route.copied())
    };
    let mut peers: Vec<Peer> = view.entries.iter().map(peer).collect();
    let own = own(&view);
    let at = peers.partition_point(|peer| peer.node_id < own.node_id);
    peers.insert(at, own);
    Document::new(header, crawl(node, now), peers, None)
}

/// The same, with who brought whom.
pub(super) fn document_with_edges(node: &Served) -> Document {
    let document = document(node);
    let graph = graph(&document.peers);
    Document { graph: Some(graph), ..document }
}

fn crawl(node: &Served, now: Duration) -> Crawl {
    Crawl {
        // Announcements are listened to; that the node has dialled some besides is in their status.
        source: SourceKind::Gossip,
        depth: None,
        complete: true,
        stopped_by: None,
        duration_ms: millis(now),
        limits: LimitsInfo {
            max_peers: node.bounds.max_entries,
            timeout_secs: PROBE_TIMEOUT.as_secs_f64(),
            concurrency: node.bounds.max_probes,
        },
    }
}

fn own(view: &View) -> Peer {
    Peer {
        age_secs: Some(0.0),
        status: Status::Answered,
        depth: Some(0),
        ..Peer::announced(&view.own)
    }
}

fn peer(entry: &Entry, ways: &Ways<'_>, now: Duration) -> Peer {
    let secs = |duration: Duration| thousandths(duration.as_secs_f64());
    let (status, error) = match entry.last_dial() {
        None => (Status::NotAsked, None),
        Some(Ok(())) => (Status::Answered, None),
        Some(Err(kind)) => (Status::Failed, Some(kind.as_str())),
    };
    Peer {
        age_secs: Some(secs(entry.heard.age(now))),
        status,
        error,
        answered_dial_age_secs: entry.verified.map(|at| secs(now.saturating_sub(at))),
        depth: Some(ways.depth(entry)),
        via: vec![ways.by(entry).to_string()],
        ..Peer::announced(&entry.announcement)
    }
}

/// By whom the node came to know each peer.
struct Ways<'a> {
    view: &'a View,
    /// How many peers each was brought by, one after the other.
    depths: BTreeMap<PublicKey, u32>,
}

impl<'a> Ways<'a> {
    fn of(view: &'a View) -> Self {
        let mut ways = Self { view, depths: BTreeMap::from([(view.own.node_id, 0)]) };
        let mut brought: BTreeMap<PublicKey, Vec<PublicKey>> = BTreeMap::new();
        for entry in &view.entries {
            brought.entry(ways.by(entry)).or_default().push(entry.node_id());
        }
        let mut queue = VecDeque::from([view.own.node_id]);
        while let Some(by) = queue.pop_front() {
            let depth = ways.depths[&by] + 1;
            for peer in brought.remove(&by).unwrap_or_default() {
                ways.depths.entry(peer).or_insert(depth);
                queue.push_back(peer);
            }
        }
        ways
    }

    fn depth(&self, entry: &Entry) -> u32 {
        // Whoever brought it is gone, or was itself brought by it.
        self.depths.get(&entry.node_id()).copied().unwrap_or(1)
    }

    /// Who brought a peer: this node itself, if nobody had to.
    fn by(&self, entry: &Entry) -> PublicKey {
        let is_near =
            entry.introducer == entry.node_id() || self.view.neighbours.contains(&entry.node_id());
        if is_near { self.view.own.node_id } else { entry.introducer }
    }
}

/// From whoever brought a peer to that peer; from this node, if whoever did is gone.
fn graph(peers: &[Peer]) -> Graph {
    let positions: BTreeMap<&str, u32> =
        peers.iter().map(|peer| peer.node_id.as_str()).zip(0..).collect();
    let own = peers.iter().position(|peer| peer.depth == Some(0)).unwrap_or_default() as u32;
    let from = |peer: &Peer| {
        let by = peer.via.first().and_then(|by| positions.get(by.as_str()).copied());
        by.filter(|_| peer.depth != Some(1)).unwrap_or(own)
    };
    let edges = peers.iter().zip(0..).map(|(peer, to)| (from(peer), to));
    Graph::new(peers.len(), edges)
}

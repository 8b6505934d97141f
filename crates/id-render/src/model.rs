//! What is known of peers, whatever the format: the structs are the JSON, field by field.
//!
//! They are this crate's own, so that the crates below may change their types and the output
//! stays. `docs/peers.schema.json` describes them, and a test compares the two. Unknown is `None`.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use id_client::{
    CrawlReport, CrawledPeer, Depth, FailStage, Graph, Limits, PeerStatus, Route, StopReason,
    id_proto::{
        Network, PeerEntry, SignedAnnouncement, Source as Knowledge,
        iroh_base::{PublicKey, TransportAddr},
    },
};
use serde::{Serialize, Serializer};

use crate::{agreement::Check, handed::HandedOver};

/// A minor number grows when a field is added; a major one when a reader must change.
pub const FORMAT_VERSION: &str = "1.0";

/// How a document says that a crawl had no limit of depth; the same number as on the command line.
const UNLIMITED_DEPTH: i64 = -1;

/// Everything that one look at a network found.
#[derive(Debug, Clone, Serialize)]
pub struct Document {
    /// What is known before the first peer.
    #[serde(flatten)]
    pub header: Header,
    /// How the peers were found.
    pub crawl: Crawl,
    /// How many of them there are, by what came of them.
    pub summary: Summary,
    /// By node id.
    pub peers: Vec<Peer>,
    /// Who named whom, by position in `peers`, if that was asked for.
    #[serde(skip)]
    pub graph: Option<Graph>,
    /// Whether those who answered see one network, if that was asked for.
    #[serde(skip)]
    pub check: Check,
    /// What came of handing the peers to a node, if that was asked for.
    #[serde(skip)]
    pub discover: HandedOver,
}

/// Who named whom, as JSON: `[["from", "to"], …]`.
pub struct Edges<'a>(&'a Document);

/// What is known before the first peer.
#[derive(Debug, Clone, Serialize)]
pub struct Header {
    /// The major and minor number: [`FORMAT_VERSION`].
    pub format_version: &'static str,
    /// RFC 3339, UTC.
    pub generated_at: String,
    /// Who writes the document.
    pub tool: Tool,
    /// The network that was looked at.
    pub network: NetworkInfo,
}

/// The program that wrote the document.
#[derive(Debug, Clone, Serialize)]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// Its release.
    pub version: &'static str,
}

/// The network that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct NetworkInfo {
    /// The topic's name.
    pub topic: String,
    /// 32 hex digits.
    pub tag: String,
    /// Whether a secret keeps outsiders out.
    pub private: bool,
}

/// How the peers were found.
#[derive(Debug, Clone, Serialize)]
pub struct Crawl {
    /// Where the peers came from.
    pub source: SourceKind,
    /// `-1`: unlimited. `None`: nobody was asked.
    pub depth: Option<i64>,
    /// Whether it ended by itself.
    pub complete: bool,
    /// What ended it early; `None` if it is complete.
    pub stopped_by: Option<&'static str>,
    /// How long it took.
    pub duration_ms: u64,
    /// The limits that held.
    pub limits: LimitsInfo,
}

/// Where the peers came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// Nodes were asked, one after the other.
    Rpc,
    /// Announcements were listened to.
    Gossip,
}

/// The limits that held.
#[derive(Debug, Clone, Serialize)]
pub struct LimitsInfo {
    /// Most peers.
    pub max_peers: usize,
    /// For the whole crawl.
    pub timeout_secs: f64,
    /// Most peers that are asked at the same time.
    pub concurrency: usize,
}

/// `known = asked + not_asked`, `asked = answered + failed`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Every peer.
    pub known: usize,
    /// Whose turn it was.
    pub asked: usize,
    /// Who answered.
    pub answered: usize,
    /// Who was asked and didn't.
    pub failed: usize,
    /// Whose turn it never was.
    pub not_asked: usize,
    /// Entries of answers that were not believed, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
}

/// What came of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It was asked, and answered.
    Answered,
    /// It was asked, and didn't answer well.
    Failed,
    /// Nobody asked it.
    NotAsked,
}

/// One peer.
#[derive(Debug, Clone, Serialize)]
pub struct Peer {
    /// 64 hex digits.
    pub node_id: String,
    /// What it calls itself.
    pub name: Option<String>,
    /// How many blobs it says it holds.
    pub blob_count: Option<u64>,
    /// The announcement's, by its author's clock, in unix seconds.
    pub timestamp_secs: Option<u64>,
    /// How long ago whoever knows best had heard of it.
    pub age_secs: Option<f64>,
    /// What came of asking it.
    pub status: Status,
    /// One of the documented list, if it failed.
    pub error: Option<&'static str>,
    /// The same for people.
    pub error_message: Option<String>,
    /// Whether it was reached before it failed, `connect` or `query`.
    pub error_stage: Option<&'static str>,
    /// Where it was dialled the last time.
    pub dialled: Vec<Dialled>,
    /// How often it was its turn to be asked.
    pub attempts: u8,
    /// Hops from the nodes that the crawl started from.
    pub depth: Option<u32>,
    /// Who named it.
    pub via: Vec<String>,
    /// Whether a signed announcement was seen and its signature holds. Nothing about a dial.
    pub verified: bool,
    /// How long ago a responder's own dial of it was answered, as responders say.
    pub answered_dial_age_secs: Option<f64>,
    /// `ip:port` or a relay's URL.
    pub addrs: Option<Vec<String>>,
    /// Over which way it was reached, `direct` or `relay`.
    pub path: Option<&'static str>,
    /// The round trip over that way.
    pub rtt_ms: Option<f64>,
    /// The program it says it runs.
    pub agent: Option<String>,
    /// Entries of its answer that were not believed, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Whom it named, if it gave anything.
    pub told: Option<Told>,
}

/// An address of a peer, and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Dialled {
    /// Where that is.
    pub addr: String,
    /// `carried`, `unknown`, or an error.
    pub outcome: &'static str,
}

/// Whom a peer named.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Told {
    /// How many.
    pub peers: u64,
    /// Those whom nobody else named; `None` while somebody may yet.
    pub alone: Option<Alone>,
}

/// What came of peers that one peer alone named.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Alone {
    /// How many there are.
    pub known: usize,
    /// How many of them were asked.
    pub asked: usize,
    /// How many of those failed.
    pub failed: usize,
    /// Whether nearly all failed, of enough to say so: a warning names the peer.
    #[serde(skip)]
    pub is_barren: bool,
}

/// What came of listening in the topic.
#[derive(Debug)]
pub struct Heard<'a> {
    /// Whoever announced itself.
    pub entries: Vec<PeerEntry<SignedAnnouncement>>,
    /// What ended it early, if anything did.
    pub stopped_by: Option<StopReason>,
    /// How long it took.
    pub duration: Duration,
    /// The limits that held.
    pub limits: &'a Limits,
}

impl Header {
    /// What is known before the first peer, by `tool`, at `now`.
    pub fn new(tool: Tool, network: &Network, now: SystemTime) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            generated_at: generated_at(now),
            tool,
            network: NetworkInfo {
                topic: network.topic().to_owned(),
                tag: network.tag().to_string(),
                private: network.is_private(),
            },
        }
    }
}

impl Document {
    /// The document of a crawl by RPC.
    pub fn of_crawl(header: Header, report: &CrawlReport) -> Self {
        let crawl = Crawl {
            source: SourceKind::Rpc,
            depth: Some(depth_number(report.limits.max_depth)),
            complete: report.is_complete(),
            stopped_by: report.stopped_by.map(StopReason::as_str),
            duration_ms: millis(report.duration),
            limits: LimitsInfo::new(&report.limits),
        };
        let graph = (report.limits.max_edges > 0).then(|| report.graph.clone());
        Self::new(header, crawl, report.peers.iter().map(Peer::crawled).collect(), graph)
    }

    /// The document of what was heard in the topic.
    pub fn of_gossip(header: Header, heard: &Heard<'_>) -> Self {
        let crawl = Crawl {
            source: SourceKind::Gossip,
            depth: None,
            complete: heard.stopped_by.is_none(),
            stopped_by: heard.stopped_by.map(StopReason::as_str),
            duration_ms: millis(heard.duration),
            limits: LimitsInfo::new(heard.limits),
        };
        let mut peers: Vec<Peer> = heard.entries.iter().map(Peer::heard).collect();
        peers.sort_by(|a, b| a.node_id.cmp(&b.node_id));
        let graph = (heard.limits.max_edges > 0).then(|| told(&peers));
        Self::new(header, crawl, peers, graph)
    }

    /// The document of `peers`, which are in the order of their node ids; `graph` is by position among them.
    pub fn new(header: Header, crawl: Crawl, peers: Vec<Peer>, graph: Option<Graph>) -> Self {
        debug_assert!(peers.is_sorted_by(|a, b| a.node_id < b.node_id), "edges are by position");
        Self {
            header,
            crawl,
            summary: Summary::of(&peers),
            peers,
            graph,
            check: Check::NotWanted,
            discover: HandedOver::NotWanted,
        }
    }

    /// `other`, with these peers instead of its own.
    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn sample(other: Self, peers: Vec<Peer>, graph: Graph) -> Self {
        Self::new(other.header, other.crawl, peers, Some(graph))
    }

    /// From whom to whom, by node id.
    pub fn edges(&self) -> impl Iterator<Item = (&str, &str)> {
        let id = |position: u32| self.peers[position as usize].node_id.as_str();
        let edges = self.graph.iter().flat_map(Graph::edges);
        edges.map(move |(from, to)| (id(*from), id(*to)))
    }

    /// The same, and how many seconds ago whoever named had heard of whom it named, if it is known.
    pub fn aged_edges(&self) -> impl Iterator<Item = (&str, &str, Option<u32>)> {
        let ages = self.edge_ages_secs().map_or(&[][..], |ages| ages).iter().copied().map(Some);
        let ages = ages.chain(std::iter::repeat(None));
        self.edges().zip(ages).map(|((from, to), age)| (from, to, age))
    }

    /// How old each edge is, in the order of the edges; `None` if it isn't known.
    pub fn edge_ages_secs(&self) -> Option<&[u32]> {
        self.graph.as_ref()?.ages_secs()
    }

    /// From whom to whom as JSON, if it was asked for.
    pub fn edges_json(&self) -> Option<Edges<'_>> {
        self.graph.as_ref().map(|_| Edges(self))
    }

    /// How many edges there was no room for.
    pub fn n_edges_left_out(&self) -> u64 {
        self.graph.as_ref().map_or(0, Graph::n_left_out)
    }
}

impl Serialize for Edges<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.edges())
    }
}

/// Who told a listener of whom, as far as both announced themselves.
fn told(peers: &[Peer]) -> Graph {
    let positions: BTreeMap<&str, u32> =
        peers.iter().map(|peer| peer.node_id.as_str()).zip(0..).collect();
    let edges = (0..).zip(peers).flat_map(|(to, peer)| {
        let from = peer.via.iter().filter_map(|id| positions.get(id.as_str()).copied());
        from.map(move |from| (from, to))
    });
    Graph::new(peers.len(), edges)
}

impl LimitsInfo {
    fn new(limits: &Limits) -> Self {
        Self {
            max_peers: limits.max_peers.get(),
            timeout_secs: thousandths(limits.timeout.as_secs_f64()),
            concurrency: limits.concurrency.get(),
        }
    }
}

impl Summary {
    fn of(peers: &[Peer]) -> Self {
        let mut summary = Self { known: peers.len(), ..Self::default() };
        for peer in peers {
            match peer.status {
                Status::Answered => summary.answered += 1,
                Status::Failed => summary.failed += 1,
                Status::NotAsked => summary.not_asked += 1,
            }
            for (reason, n) in &peer.rejected {
                *summary.rejected.entry(reason).or_default() += n;
            }
        }
        summary.asked = summary.answered + summary.failed;
        summary
    }
}

impl Status {
    /// The stable lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::NotAsked => "not_asked",
        }
    }
}

impl Peer {
    /// A peer of a crawl.
    pub fn crawled(peer: &CrawledPeer) -> Self {
        let (status, error, error_message) = match &peer.status {
            PeerStatus::Answered => (Status::Answered, None, None),
            PeerStatus::NotAsked => (Status::NotAsked, None, None),
            PeerStatus::Failed { kind, message } => {
                (Status::Failed, Some(kind.as_str()), Some(message.clone()))
            }
        };
        Self {
            status,
            error,
            error_message,
            error_stage: peer.stage.map(FailStage::as_str),
            dialled: peer.dialled.iter().map(Dialled::of).collect(),
            attempts: peer.attempts,
            age_secs: peer.age.map(|age| thousandths(age.as_secs_f64())),
            answered_dial_age_secs: peer.verified_age.map(|age| thousandths(age.as_secs_f64())),
            depth: Some(peer.depth),
            via: peer.via.iter().map(PublicKey::to_string).collect(),
            rejected: peer.rejected.iter().map(|(reason, n)| (reason.as_str(), *n)).collect(),
            told: peer.told.map(Told::of),
            ..match &peer.announcement {
                Some(announcement) => Self::announced(announcement),
                None => Self::unknown(&peer.node_id),
            }
        }
        .routed(peer.route)
    }

    /// The same peer, reached this way, if it is known.
    pub fn routed(self, route: Option<Route>) -> Self {
        Self {
            path: route.map(|route| route.path.as_str()),
            rtt_ms: route.map(|route| thousandths(route.rtt.as_secs_f64() * 1e3)),
            ..self
        }
    }

    /// A peer that announced itself.
    fn heard(entry: &PeerEntry<SignedAnnouncement>) -> Self {
        Self {
            age_secs: Some(thousandths(entry.age.as_secs_f64())),
            answered_dial_age_secs: entry.verified_age.map(|age| thousandths(age.as_secs_f64())),
            via: match entry.source {
                Knowledge::Told(by) => vec![by.to_string()],
                Knowledge::Own | Knowledge::Gossip => Vec::new(),
            },
            ..Self::announced(&entry.announcement)
        }
    }

    /// What a verified announcement says of its author; nobody has asked it.
    pub fn announced(announcement: &SignedAnnouncement) -> Self {
        Self {
            name: announcement.name.clone(),
            blob_count: Some(announcement.blob_count),
            timestamp_secs: Some(announcement.timestamp_secs),
            verified: true,
            addrs: Some(announcement.addrs.iter().map(addr_text).collect()),
            agent: Some(announcement.agent.clone()),
            ..Self::unknown(&announcement.node_id)
        }
    }

    fn unknown(node_id: &PublicKey) -> Self {
        Self {
            node_id: node_id.to_string(),
            name: None,
            blob_count: None,
            timestamp_secs: None,
            age_secs: None,
            status: Status::NotAsked,
            error: None,
            error_message: None,
            error_stage: None,
            dialled: Vec::new(),
            attempts: 0,
            depth: None,
            via: Vec::new(),
            verified: false,
            answered_dial_age_secs: None,
            addrs: None,
            path: None,
            rtt_ms: None,
            agent: None,
            rejected: BTreeMap::new(),
            told: None,
        }
    }
}

impl Dialled {
    fn of(dialled: &id_client::Dialled) -> Self {
        Self { addr: addr_text(&dialled.addr), outcome: dialled.outcome.as_str() }
    }
}

impl Told {
    fn of(told: id_client::Told) -> Self {
        let alone = |alone: id_client::Alone| Alone {
            known: alone.known,
            asked: alone.asked,
            failed: alone.failed,
            is_barren: alone.is_barren(),
        };
        Self { peers: told.n_peers, alone: told.alone.map(alone) }
    }
}

/// A moment as documents say it: RFC 3339 in UTC, to the second.
pub fn generated_at(now: SystemTime) -> String {
    humantime::format_rfc3339_seconds(now).to_string()
}

fn depth_number(depth: Depth) -> i64 {
    match depth {
        Depth::Hops(hops) => hops.into(),
        Depth::Unlimited => UNLIMITED_DEPTH,
    }
}

/// `ip:port`, or the URL of a relay.
pub fn addr_text(addr: &TransportAddr) -> String {
    match addr {
        TransportAddr::Relay(url) => url.to_string(),
        TransportAddr::Ip(addr) => addr.to_string(),
        other => other.to_string(),
    }
}

/// Whole milliseconds.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Rounded to three decimals: what is behind them is noise.
pub fn thousandths(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

//! Reports to render in tests: made of the same types that a crawl returns.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    num::NonZeroUsize,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use id_client::{
    Alone, CrawlReport, CrawledPeer, Depth, DialOutcome, Dialled, FailKind, FailStage, Graph,
    Limits, PathKind, PeerStatus, RejectReason, Route, StopReason, Told,
    id_proto::{
        Network, PeerAnnouncement, SignedAnnouncement,
        iroh_base::{SecretKey, TransportAddr},
    },
};

use crate::{
    agreement::{Agreement, Check, View},
    handed::{Handed, HandedOver},
    model::{Document, Header, Peer, Status, Tool},
};

/// Its sixteenth repetition is as long as a name may be.
pub const LONG_NAME: &str = "long";

/// 2025-11-20T10:00:04Z, four seconds after the announcements.
const NOW: Duration = Duration::from_secs(ANNOUNCED_AT + 4);
const TOOL: Tool = Tool { name: "id-cli", version: "0.1.0" };
const ANNOUNCED_AT: u64 = 1_763_632_800;

/// What `render` writes.
pub fn rendered(
    render: impl FnOnce(&Document, &mut Vec<u8>) -> io::Result<()>,
    document: &Document,
) -> String {
    let mut out = Vec::new();
    render(document, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Every document, with a name for messages.
pub fn all() -> Vec<(&'static str, Document)> {
    vec![
        ("complete", complete()),
        ("empty", empty()),
        ("failed seed", failed_seed()),
        ("hostile", hostile()),
        ("long name", long_name()),
        ("partial", partial()),
        ("partial with edges", partial_with_edges()),
        ("split", checked(Check::Known(split()))),
        ("views unknown", checked(Check::Unknown)),
        ("handed over", handed_over(HandedOver::Done(handed()))),
        ("not handed over", handed_over(HandedOver::Nothing)),
    ]
}

/// Two peers that answered, one that wasn't asked, nothing special.
pub fn complete() -> Document {
    document(vec![
        answered(1, Some("oak"), 0, &[2]),
        answered(2, None, 1, &[1]),
        CrawledPeer {
            status: PeerStatus::NotAsked,
            attempts: 0,
            dialled: Box::default(),
            route: None,
            ..answered(3, Some("elm"), 2, &[1, 2])
        },
    ])
}

/// No peer at all.
pub fn empty() -> Document {
    document(Vec::new())
}

/// A single seed of which nothing is known.
pub fn failed_seed() -> Document {
    document(vec![unreachable(1)])
}

/// A crawl that stopped early: one peer of each status, all that may be unknown unknown.
pub fn partial() -> Document {
    let forger = CrawledPeer {
        told: Some(Told { n_peers: 18, alone: Some(Alone { known: 17, asked: 16, failed: 16 }) }),
        rejected: BTreeMap::from([(RejectReason::BadSignature, 3), (RejectReason::Expired, 1)]),
        attempts: 2,
        ..answered(2, Some("birch"), 1, &[1])
    };
    let not_asked = CrawledPeer {
        status: PeerStatus::NotAsked,
        attempts: 0,
        dialled: Box::default(),
        route: None,
        ..answered(3, None, 2, &[2, 1, 4])
    };
    let by_relay = Route { path: PathKind::Relay, rtt: Duration::from_micros(48_260) };
    Document::of_crawl(
        header(),
        &CrawlReport {
            stopped_by: Some(StopReason::Timeout),
            limits: Limits {
                max_depth: Depth::Unlimited,
                timeout: Duration::from_millis(2500),
                max_peers: NonZeroUsize::new(10).unwrap(),
                ..Limits::default()
            },
            ..report(vec![
                CrawledPeer { route: Some(by_relay), ..answered(1, Some("ash"), 0, &[]) },
                forger,
                not_asked,
                unreachable(4),
            ])
        },
    )
}

/// The same, with who named whom, and a name that edges have to be safe from.
pub fn partial_with_edges() -> Document {
    let mut document = partial();
    document.peers[3].name = Some("<b>\"x\\\" & \u{202e}y".to_owned());
    let aged = [((1, 0), 0), ((0, 1), 3), ((0, 3), u32::MAX), ((1, 3), 61)];
    let graph = Graph::with_ages(document.peers.len(), aged);
    document.graph = Some(graph.with_left_out(2));
    document
}

/// A crawl after which the peers were handed over, or were to be.
pub fn handed_over(discover: HandedOver) -> Document {
    Document { discover, ..complete() }
}

/// What came of handing three peers to a node.
pub fn handed() -> Handed {
    let refused = BTreeMap::from([("expired".to_owned(), 1)]);
    Handed { handed: 3, new: 1, known: 1, refused }
}

/// A crawl whose views were compared.
pub fn checked(check: Check) -> Document {
    Document { check, ..complete() }
}

/// Three who know each other, and two who know only each other.
pub fn split() -> Agreement {
    let view = |i: usize| View {
        node_id: id(i),
        missing: if i < 3 { 2 } else { 3 },
        missing_share: if i < 3 { 0.5 } else { 0.75 },
        island: usize::from(i > 2),
        strong_island: usize::from(i > 2),
    };
    Agreement {
        split: true,
        islands: vec![3, 2],
        strong_islands: vec![3, 2],
        one_way_edges: 0,
        median_edge_age_secs: Some(4),
        oldest_edge_age_secs: Some(300),
        views: (0..5).map(view).collect(),
    }
}

/// Peers by number, with who knows whom, as a crawl from `starts` would show them; peers of which
/// `fails` says so didn't answer. Their ids are far from each other, and always the same.
pub fn crawled(
    n_peers: usize,
    knows: &[(usize, usize)],
    starts: &[usize],
    fails: impl Fn(usize) -> bool,
) -> Document {
    let mut depths: BTreeMap<usize, u32> = starts.iter().map(|start| (*start, 0)).collect();
    let mut via: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut queue: VecDeque<usize> = starts.iter().copied().collect();
    while let Some(from) = queue.pop_front().filter(|_| !knows.is_empty()) {
        let depth = depths[&from];
        for (_, to) in knows.iter().filter(|(who, to)| *who == from && to != who && !fails(*who)) {
            via.entry(*to).or_default().push(id(from));
            depths.entry(*to).or_insert_with(|| {
                queue.push_back(*to);
                depth + 1
            });
        }
    }
    let template = complete().peers.remove(0);
    let mut numbers: Vec<usize> = (0..n_peers).filter(|i| depths.contains_key(i)).collect();
    numbers.sort_by_key(|i| id(*i));
    let peers = numbers.iter().map(|i| Peer {
        node_id: id(*i),
        name: Some(format!("node {i}")),
        status: if fails(*i) { Status::Failed } else { Status::Answered },
        error: fails(*i).then_some("timeout"),
        depth: Some(depths[i]),
        via: via.remove(i).unwrap_or_default(),
        ..template.clone()
    });
    let position = |i: &usize| numbers.iter().position(|number| number == i).map(|at| at as u32);
    let edges = knows.iter().filter(|(from, _)| !fails(*from));
    let edges = edges.filter_map(|(from, to)| Some((position(from)?, position(to)?)));
    let graph = Graph::new(numbers.len(), edges);
    Document::sample(complete(), peers.collect(), graph)
}

/// A node id made of a number: no key, but as evenly spread as keys are.
pub fn id(i: usize) -> String {
    let mut state = (i as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut word = || {
        state = (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state ^= state >> 32;
        format!("{state:016x}")
    };
    [word(), word(), word(), word()].concat()
}

/// A peer whose name and error message are an attack on terminals.
pub fn hostile() -> Document {
    let name = "\x1b]0;owned\x07\u{202e}gpj\n\tnew\u{9b}31m";
    let message = "\x1b[2Jgone\r\n".to_owned();
    let status = PeerStatus::Failed { kind: FailKind::Internal, message };
    let stage = Some(FailStage::Query);
    document(vec![CrawledPeer { status, stage, ..answered(1, Some(name), 0, &[]) }])
}

/// A peer with the longest name.
pub fn long_name() -> Document {
    document(vec![answered(1, Some(&LONG_NAME.repeat(16)), 0, &[])])
}

fn document(peers: Vec<CrawledPeer>) -> Document {
    Document::of_crawl(header(), &report(peers))
}

fn header() -> Header {
    let now: SystemTime = UNIX_EPOCH + NOW;
    Header::new(TOOL, &Network::public(), now)
}

fn report(mut peers: Vec<CrawledPeer>) -> CrawlReport {
    peers.sort_by_key(|peer| peer.node_id);
    CrawlReport {
        peers,
        stopped_by: None,
        duration: Duration::from_millis(812),
        limits: Limits::default(),
        graph: Graph::default(),
    }
}

fn answered(seed: u8, name: Option<&str>, depth: u32, via: &[u8]) -> CrawledPeer {
    CrawledPeer {
        node_id: key(seed).public(),
        announcement: Some(announcement(seed, name)),
        age: Some(Duration::from_micros(4_200_400)),
        verified_age: Some(Duration::from_secs(61)),
        status: PeerStatus::Answered,
        stage: None,
        dialled: dialled(seed, [DialOutcome::Unknown, DialOutcome::Carried]),
        attempts: 1,
        depth,
        via: via.iter().map(|seed| key(*seed).public()).collect(),
        route: Some(Route { path: PathKind::Direct, rtt: Duration::from_nanos(1_900_499) }),
        rejected: BTreeMap::new(),
        told: None,
    }
}

fn unreachable(seed: u8) -> CrawledPeer {
    let message = "no answer in time".to_owned();
    CrawledPeer {
        announcement: None,
        age: None,
        verified_age: None,
        status: PeerStatus::Failed { kind: FailKind::Timeout, message },
        stage: Some(FailStage::Connect),
        dialled: dialled(seed, [DialOutcome::Forbidden, DialOutcome::Failed(FailKind::Timeout)]),
        route: None,
        ..answered(seed, None, 0, &[])
    }
}

/// What became of the addresses that are announced.
fn dialled(seed: u8, outcomes: [DialOutcome; 2]) -> Box<[Dialled]> {
    let addrs = addrs(seed).into_iter().zip(outcomes);
    addrs.map(|(addr, outcome)| Dialled { addr, outcome }).collect()
}

fn addrs(seed: u8) -> Vec<TransportAddr> {
    vec![
        TransportAddr::Relay("https://relay.example/".parse().unwrap()),
        TransportAddr::Ip(([192, 0, 2, seed], 4433).into()),
    ]
}

/// What the peer with this number announces.
pub fn announcement(seed: u8, name: Option<&str>) -> SignedAnnouncement {
    let announcement = PeerAnnouncement {
        node_id: key(seed).public(),
        name: name.map(str::to_owned),
        blob_count: u64::from(seed) * 7,
        timestamp_secs: ANNOUNCED_AT,
        seq: ANNOUNCED_AT * 1000,
        network_tag: Network::public().tag(),
        interval_secs: 30,
        addrs: addrs(seed),
        agent: "id-node/0.1.0".to_owned(),
    };
    SignedAnnouncement::sign(announcement, &key(seed)).unwrap()
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32])
}

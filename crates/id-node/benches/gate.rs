//! What an announcement costs a node. `cargo xtask bench micro` runs it; `cargo xtask bench verify` compares it with
//! its signature.

use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use id_node::membership::{Event, Membership, MembershipConfig, Now, OwnFacts};
use id_proto::{
    GossipMessage, Network, PeerAnnouncement, SignedAnnouncement,
    iroh_base::{PublicKey, SecretKey},
};

const START: Duration = Duration::from_secs(1_800_000_000);
const INTERVAL: Duration = Duration::from_secs(30);
/// After which time the peer has news: sooner than the node itself has, whose signature isn't to be measured.
const GAP: Duration = Duration::from_secs(10);

fn gate(c: &mut Criterion) {
    let from = secret(1).public();
    let messages = [0, 1].map(|nth| GossipMessage::announce(&announcement(nth)));
    let believe = |(mut node, nth): (Membership, usize)| {
        let event = Event::Gossip { message: &messages[nth], from };
        (node.handle(event, at(nth as u32)).len(), node)
    };
    let knows = || believe((node(from), 0)).1;
    c.bench_function("gate, a newcomer's announcement", |b| {
        b.iter_batched(|| (node(from), 0), believe, BatchSize::SmallInput);
    });
    c.bench_function("gate, news of a known peer", |b| {
        b.iter_batched(|| (knows(), 1), believe, BatchSize::SmallInput);
    });
    c.bench_function("gate, what is held already", |b| {
        b.iter_batched(|| (knows(), 0), believe, BatchSize::SmallInput);
    });
}

/// When the peer announces itself for the `nth` time.
fn at(nth: u32) -> Now {
    Now { mono: GAP * nth, unix: START + GAP * nth }
}

fn secret(n: u8) -> SecretKey {
    SecretKey::from_bytes(&[n; 32])
}

fn announcement(nth: u32) -> SignedAnnouncement {
    let (key, unix) = (secret(2), at(nth).unix);
    let announcement = PeerAnnouncement {
        node_id: key.public(),
        name: Some("kestrel".to_owned()),
        blob_count: 300,
        timestamp_secs: unix.as_secs(),
        seq: unix.as_millis() as u64,
        network_tag: Network::public().tag(),
        interval_secs: INTERVAL.as_secs() as u32,
        addrs: Vec::new(),
        agent: "id-node/0.1.0".to_owned(),
    };
    SignedAnnouncement::sign(announcement, &key).expect("in bounds")
}

/// A node with one neighbour, that dials nobody.
fn node(neighbour: PublicKey) -> Membership {
    let config = MembershipConfig { verify_gap: None, ..MembershipConfig::new(&Network::public()) };
    let facts = OwnFacts { name: None, blob_count: 0, addrs: Vec::new() };
    let (mut node, _) = Membership::new(secret(0), config, facts, 0, at(0));
    node.handle(Event::NeighbourUp(neighbour), at(0));
    node
}

criterion_group!(benches, gate);
criterion_main!(benches);

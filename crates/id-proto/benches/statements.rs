//! What an announcement costs, step by step. `cargo xtask bench micro` runs it.

use std::{hint::black_box, time::Duration};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use id_proto::{
    Network, PeerAnnouncement, PeerEntry, SealedEntry, SignedAnnouncement, Source,
    UnverifiedAnnouncement,
    iroh_base::{SecretKey, TransportAddr},
};

fn statements(c: &mut Criterion) {
    let key = SecretKey::from_bytes(&[7; 32]);
    let announcement = announcement(&key);
    let signed = SignedAnnouncement::sign(announcement.clone(), &key).expect("in bounds");
    let decode = || UnverifiedAnnouncement::decode(signed.bytes()).expect("what was signed");
    let entry = PeerEntry {
        announcement: signed.clone(),
        age: Duration::from_secs(9),
        source: Source::Gossip,
        verified_age: None,
    };
    let item = entry.encode();

    let sign = || SignedAnnouncement::sign(announcement.clone(), &key);
    c.bench_function("announcement, sign", |b| b.iter(sign));
    c.bench_function("announcement, decode", |b| b.iter(decode));
    c.bench_function("announcement, verify", |b| {
        b.iter_batched(decode, |unverified| unverified.verify(), BatchSize::SmallInput);
    });
    c.bench_function("entry, encode", |b| b.iter(|| entry.encode()));
    c.bench_function("entry, decode but for the announcement", |b| {
        let decode = || SealedEntry::decode(black_box(&item)).map(|entry| entry.claimed_author());
        b.iter(decode);
    });
}

/// What a peer says: a name, a relay and two addresses.
fn announcement(key: &SecretKey) -> PeerAnnouncement {
    let relay = "https://relay.example.org./".parse().expect("a URL");
    let ip = |addr: &str| TransportAddr::Ip(addr.parse().expect("an address"));
    PeerAnnouncement {
        node_id: key.public(),
        name: Some("kestrel".to_owned()),
        blob_count: 300,
        timestamp_secs: 1_800_000_000,
        seq: 1_800_000_000_000,
        network_tag: Network::public().tag(),
        interval_secs: 30,
        addrs: vec![TransportAddr::Relay(relay), ip("1.1.1.1:4433"), ip("[2606:4700::1]:4433")],
        agent: "id-node/0.1.0".to_owned(),
    }
}

criterion_group!(benches, statements);
criterion_main!(benches);

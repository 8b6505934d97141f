//! What a page of an answer costs a crawl. `cargo xtask bench micro` runs it.

use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use id_client::{
    CrawlState, Limits,
    id_proto::{
        Network, PeerAnnouncement, PeerEntry, PeersPage, SignedAnnouncement, Source,
        iroh_base::{PublicKey, SecretKey, TransportAddr},
    },
};

/// Entries of the page.
const N_ENTRIES: u8 = 200;
const NOW_UNIX_SECS: u64 = 1_800_000_000;

fn pages(c: &mut Criterion) {
    let page = page();
    let seeds = [254, 255].map(|n| SecretKey::from_bytes(&[n; 32]).public());
    let take = |(mut state, from): (CrawlState, PublicKey)| {
        (state.on_page(from, &page, NOW_UNIX_SECS).len(), state)
    };
    c.bench_function("page of 200 new entries, on one core", |b| {
        b.iter_batched(|| (asking(seeds), seeds[0]), take, BatchSize::SmallInput);
    });
    c.bench_function("page of 200 new entries, checked before", |b| {
        let prepare = || {
            let state = asking(seeds);
            let checked = state.look_at(page.clone(), NOW_UNIX_SECS).check();
            (state, checked)
        };
        let take = |(mut state, page): (CrawlState, _)| {
            (state.on_checked_page(seeds[0], page).len(), state)
        };
        b.iter_batched(prepare, take, BatchSize::SmallInput);
    });
    c.bench_function("page of 200 entries that are held", |b| {
        let prepare = || {
            let (n_found, state) = take((asking(seeds), seeds[0]));
            assert_eq!(n_found, usize::from(N_ENTRIES));
            (state, seeds[1])
        };
        b.iter_batched(prepare, take, BatchSize::SmallInput);
    });
}

/// A crawl that is asking both.
fn asking(seeds: [PublicKey; 2]) -> CrawlState {
    let tag = Network::public().tag();
    let mut state = CrawlState::new(seeds.map(Into::into), Limits::default(), tag, None);
    while state.poll().is_some() {}
    state
}

fn page() -> PeersPage {
    let mut page = PeersPage::default();
    for n in 0..N_ENTRIES {
        let entry = PeerEntry {
            announcement: announcement(&SecretKey::from_bytes(&[n; 32])),
            age: Duration::from_secs(9),
            source: Source::Gossip,
            verified_age: None,
        };
        assert!(page.push(&entry.encode()), "it has room");
    }
    page
}

/// What a peer says: a name and two addresses.
fn announcement(key: &SecretKey) -> SignedAnnouncement {
    let ip = |addr: &str| TransportAddr::Ip(addr.parse().expect("an address"));
    let announcement = PeerAnnouncement {
        node_id: key.public(),
        name: Some("kestrel".to_owned()),
        blob_count: 300,
        timestamp_secs: NOW_UNIX_SECS,
        seq: NOW_UNIX_SECS * 1000,
        network_tag: Network::public().tag(),
        interval_secs: 30,
        addrs: vec![ip("1.1.1.1:4433"), ip("[2606:4700::1]:4433")],
        agent: "id-node/0.1.0".to_owned(),
    };
    SignedAnnouncement::sign(announcement, key).expect("in bounds")
}

criterion_group!(benches, pages);
criterion_main!(benches);

//! What a table of 100,000 entries costs in memory.
//!
//! One test, because it measures its process.

#[path = "server/mod.rs"]
mod server;

use std::time::Duration;

use futures::TryStreamExt;
use id_client::{
    Client, Crawler, Limits,
    id_proto::{Network, PeerAnnouncement, PeerEntry, SignedAnnouncement, Source},
    iroh::SecretKey,
};
use server::{Server, bind};

const N_ENTRIES: usize = 100_000;
/// A hundred thousand signatures take seconds, on a busy machine many.
const PATIENCE: Duration = Duration::from_secs(120);
const MIB: usize = 1024 * 1024;

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
async fn a_table_of_100_000_entries_is_read_and_crawled_in_bounded_memory() {
    let mut server = Server::honest(Network::public()).await;
    let template = server.announcement().statement().clone();
    (0..N_ENTRIES).for_each(|i| server.learn(item(&template, i)));
    let endpoint = bind(None).await;

    let before = resident();
    let entries = Client::new(endpoint.clone()).list_peers(server.addr());
    let n_entries = entries.try_fold(0, async |n, _| Ok(n + 1)).await.unwrap();
    let listing = resident().saturating_sub(before);

    let limits = Limits {
        max_depth: 0.into(),
        max_peers: (2 * N_ENTRIES).try_into().unwrap(),
        timeout: PATIENCE,
        ask_timeout: PATIENCE,
        ..Limits::default()
    };
    let crawler = Crawler::builder(endpoint.clone()).seeds([server.addr()]).limits(limits);
    let report = crawler.start().run().await;
    let crawling = resident().saturating_sub(before);

    endpoint.close().await;
    server.close().await;
    eprintln!("listing took {} MiB, crawling {} MiB", listing / MIB, crawling / MIB);
    eprintln!("the crawl took {:?}", report.duration);
    assert_eq!((n_entries, report.summary().known), (N_ENTRIES + 1, N_ENTRIES + 1));
    assert!(listing <= 64 * MIB, "{listing}");
    assert!(crawling <= 165 * MIB, "{crawling}");
}

fn item(template: &PeerAnnouncement, i: usize) -> Vec<u8> {
    let mut seed = [1; 32];
    seed[..8].copy_from_slice(&i.to_le_bytes());
    let key = SecretKey::from_bytes(&seed);
    let name = Some(format!("peer number {i}"));
    let announcement = PeerAnnouncement { node_id: key.public(), name, ..template.clone() };
    let announcement = SignedAnnouncement::sign(announcement, &key).unwrap();
    let age = Duration::from_secs(1);
    PeerEntry { announcement, age, source: Source::Gossip, verified_age: None }.encode()
}

/// The process's resident set, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
}

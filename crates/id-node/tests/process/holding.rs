//! What a process holds: who may change it, and that it outlives whatever ends the process.

use std::{
    fs,
    pin::pin,
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt, stream};
use id_node::{
    data_dir::operator_key,
    id_client::{
        FailKind, Session,
        id_proto::{BlobHash, BlobKey, BlobName, IfTaken, iroh_base::SecretKey},
    },
    iroh::endpoint::Connection,
};
use iroh_blobs::{
    Hash,
    protocol::{ChunkRangesSeq, ObserveRequest, PushRequest},
    store::mem::MemStore,
};

use crate::lab::{Asking, Running, asking, at, ephemeral};

/// How many puts are under way at once.
const AT_ONCE: usize = 4;

fn name(text: &str) -> BlobName {
    text.parse().unwrap()
}

/// Whether `by` may change names: it asks for a blob that isn't there.
async fn writes(by: &Asking, node: &Running) -> Result<(), FailKind> {
    let asked = by.session(node).await;
    let put = asked.put_name(&name("a"), BlobHash([7; 32]), IfTaken::Refuse).await;
    match put.unwrap_err().kind {
        FailKind::NoBlob => Ok(()),
        why => Err(why),
    }
}

#[tokio::test]
async fn the_data_directory_makes_a_writer_so_does_a_name_and_sighup_reads_names_again() {
    asking(async |stranger| {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("id-node.toml");
        fs::write(&config, "").unwrap();
        let data = home.path().join("data");
        let node = at(&data).args(["--config", config.to_str().unwrap()]).start().await;
        let own = stranger.with_key(operator_key(&data).unwrap().unwrap()).await;
        assert_eq!(writes(&own, &node).await, Ok(()));
        let key = SecretKey::generate();
        let named = stranger.with_key(key.clone()).await;
        assert_eq!(writes(&named, &node).await, Err(FailKind::NotWriter));

        fs::write(&config, format!("allow-write = [\"{}\"]", key.public())).unwrap();
        node.signal("HUP");
        node.logged("reloaded").await;
        assert_eq!(writes(&named, &node).await, Ok(()));
        assert!(stranger.access(&node).await.starts_with("everybody; 1 writer"));
        assert_eq!(writes(stranger, &node).await, Err(FailKind::NotWriter));
        futures::join!(own.close(), named.close());
        node.terminate().await.assert_code(0);
    })
    .await;
}

#[tokio::test]
async fn a_node_may_hold_no_blobs_and_what_is_no_node_id_is_no_writer() {
    asking(async |stranger| {
        let node = ephemeral().arg("--no-blobs").start().await;
        assert_eq!(writes(stranger, &node).await, Err(FailKind::Unsupported));
        node.terminate().await.assert_code(0);
    })
    .await;
    let wrong = ephemeral().args(["--allow-write", "nobody"]).run().await;
    wrong.assert_code(2).assert_one_line(&["--allow-write", "nobody"]);
}

#[tokio::test]
async fn what_was_answered_survives_kills_and_no_name_leads_to_nothing() {
    kills(3, 40).await;
}

/// Takes minutes.
#[tokio::test]
#[ignore = "the same for a thousand puts, twenty times"]
async fn of_a_thousand_puts_each_answered_one_survives_twenty_kills() {
    kills(20, 1000).await;
}

/// A figure, which a busy machine spoils.
#[tokio::test]
#[ignore = "takes a minute, and wants a quiet machine"]
async fn of_a_hundred_thousand_names_the_first_come_at_once_and_any_is_found_in_a_tenth_of_a_second()
 {
    const N_NAMES: usize = 100_000;
    asking(async |stranger| {
        let home = tempfile::tempdir().unwrap();
        let node = at(home.path()).start().await;
        let operator = stranger.with_key(operator_key(home.path()).unwrap().unwrap()).await;
        let (asked, store) = (operator.session(&node).await, MemStore::new());
        let connection = operator.endpoint().connect(node.addr(), iroh_blobs::ALPN).await.unwrap();
        let first = put_one(&asked, &store, &connection, "first".to_owned(), 1).await.unwrap().0;
        let numbered = |n: usize| name(&format!("music/album {}/track {n:06}.flac", n / 12));
        let copies = stream::iter(1..N_NAMES)
            .map(|n| asked.copy_name(&first, &numbered(n), IfTaken::Refuse));
        let started = Instant::now();
        assert!(copies.buffer_unordered(16).all(async |copy| copy.is_ok()).await);
        println!("{N_NAMES} names were made in {:?}", started.elapsed());

        let started = Instant::now();
        let mut listed = pin!(asked.list_names(None, u32::MAX));
        listed.next().await.unwrap().unwrap();
        let (until_first, n_rest) = (started.elapsed(), listed.try_fold(0, async |n, _| Ok(n + 1)));
        assert_eq!(n_rest.await.unwrap(), N_NAMES - 1);
        println!("the first name came after {until_first:?}, all after {:?}", started.elapsed());
        for query in ["track 077777", "first", "nowhere", "flac"] {
            let started = Instant::now();
            let found: Vec<_> = asked.find_names(&name(query), 20).try_collect().await.unwrap();
            println!("{query:?} is in {} names: {:?}", found.len(), started.elapsed());
            assert!(started.elapsed() <= Duration::from_millis(100));
        }
        assert!(until_first <= Duration::from_millis(50));
        operator.close().await;

        let started = Instant::now();
        node.terminate().await.assert_code(0);
        let node = at(home.path()).start().await;
        let stopped_and_started = started.elapsed();
        let listed: Vec<_> =
            stranger.session(&node).await.list_names(None, 1).try_collect().await.unwrap();
        assert_eq!(listed.len(), 1);
        println!(
            "stopped and started in {stopped_and_started:?}, asked after {:?}",
            started.elapsed()
        );
        node.terminate().await.assert_code(0);
    })
    .await;
}

/// Kills a node in the midst of puts, so many times, and each time looks at what is left.
async fn kills(n_rounds: usize, n_puts: usize) {
    asking(async |stranger| {
        let home = tempfile::tempdir().unwrap();
        let mut answered: Vec<(BlobName, BlobHash)> = Vec::new();
        for round in 0..n_rounds {
            let mut node = at(home.path()).start().await;
            let key = operator_key(home.path()).unwrap().expect("it was made");
            let operator = stranger.with_key(key).await;
            check(&operator, &node, &answered).await;
            // Each time at another moment: after a part of the puts, with others under way.
            let n_before = 1 + n_puts * (round + 1) / (n_rounds + 1);
            answered.extend(put_until_killed(&operator, &mut node, round, n_puts, n_before).await);
            operator.close().await;
        }
        let node = at(home.path()).start().await;
        check(stranger, &node, &answered).await;
        node.terminate().await.assert_code(0);
    })
    .await;
}

/// Puts names, and kills the node when so many were answered. Returns those that were answered.
async fn put_until_killed(
    by: &Asking,
    node: &mut Running,
    round: usize,
    n_puts: usize,
    n_before: usize,
) -> Vec<(BlobName, BlobHash)> {
    let (asked, store) = (by.session(node).await, MemStore::new());
    let connection = by.endpoint().connect(node.addr(), iroh_blobs::ALPN).await.unwrap();
    let put = |n: usize| put_one(&asked, &store, &connection, format!("{round}/{n}"), n);
    let puts = stream::iter(0..n_puts).map(put).buffer_unordered(AT_ONCE);
    let mut puts = pin!(puts);
    let mut answered = Vec::new();
    while let Some(put) = puts.next().await {
        answered.extend(put);
        if answered.len() == n_before {
            node.signal("KILL");
            connection.close(0_u32.into(), b"");
        }
    }
    node.ended().await;
    assert!(answered.len() < n_puts, "the kill came too late");
    answered
}

/// `None` if it wasn't answered.
async fn put_one(
    asked: &Session,
    store: &MemStore,
    connection: &Connection,
    text: String,
    n: usize,
) -> Option<(BlobName, BlobHash)> {
    let data = data(&text, n);
    let hash = store.add_slice(&data).temp_tag().await.ok()?.hash();
    let request = PushRequest::new(hash, ChunkRangesSeq::root());
    store.remote().execute_push(connection.clone(), request).await.ok()?;
    let mut there = pin!(store.remote().observe(connection.clone(), ObserveRequest::new(hash)));
    let mut bits = there.next().await?.ok()?;
    while !bits.is_complete() {
        let next = tokio::time::timeout(Duration::from_secs(10), there.next()).await.ok()?;
        bits.update(&next?.ok()?);
    }
    let hash = BlobHash(*hash.as_bytes());
    let put = asked.put_name(&name(&text), hash, IfTaken::Refuse);
    put.await.ok().map(|_| (name(&text), hash))
}

/// Some are kept in the database, some in files.
fn data(text: &str, n: usize) -> Vec<u8> {
    let n_copies = if n.is_multiple_of(3) { 5000 } else { 1 };
    text.repeat(n_copies).into_bytes()
}

/// All that was answered is there, and every name leads to a blob that is whole.
async fn check(by: &Asking, node: &Running, answered: &[(BlobName, BlobHash)]) {
    let asked = by.session(node).await;
    for (name, hash) in answered {
        let blob = asked.get_name(&BlobKey::Name(name.clone())).await;
        let found = blob.map(|blob| blob.hash);
        assert_eq!(found, Ok(*hash), "{name} was answered; the node says: {}", node.log());
    }
    let listed: Vec<_> = asked.list_names(None, u32::MAX).try_collect().await.unwrap();
    let store = MemStore::new();
    let connection = by.endpoint().connect(node.addr(), iroh_blobs::ALPN).await.unwrap();
    for blob in listed {
        let hash = Hash::from(blob.hash.0);
        let fetched = store.remote().fetch(connection.clone(), hash).await;
        assert!(fetched.is_ok(), "{} leads to nothing", blob.name);
        let n = blob.name.as_str().split_once('/').unwrap().1.parse().unwrap();
        assert_eq!(store.get_bytes(hash).await.unwrap(), data(blob.name.as_str(), n));
    }
}

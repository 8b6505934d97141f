//! What nodes hold, who may change it, and that others hear of it.

use std::path::Path;

use futures::{StreamExt, TryStreamExt};
use id_node::{
    AccessList, BlobStore, Node, NodeConfig,
    id_client::{
        AskError, Client, FailKind, Session,
        id_proto::{BlobHash, BlobKey, BlobName, IfTaken, NameChange, NamedBlob, Network},
    },
    iroh::Endpoint,
    membership::View,
};
use iroh_blobs::{
    Hash,
    api::Store,
    hashseq::HashSeq,
    protocol::{ChunkRangesSeq, ObserveRequest, PushRequest},
    store::mem::MemStore,
};

use crate::lab::{Lab, addr, awaited, entry, fast, lab, private, through, until};

fn holding(config: NodeConfig, writers: &[&Endpoint]) -> NodeConfig {
    let mut config = NodeConfig { blobs: Some(BlobStore::Memory), ..config };
    config.membership.access.writers = writers.iter().map(|writer| writer.id()).collect();
    config
}

async fn node_of(lab: &Lab, writer: &Endpoint) -> Node {
    lab.node(holding(NodeConfig::new(Network::public()), &[writer])).await
}

fn name(text: &str) -> BlobName {
    text.parse().unwrap()
}

async fn session(by: &Endpoint, node: &Node) -> Session {
    let client = Client::new(by.clone()).with_network(node.network().clone());
    client.connect(addr(node)).await.unwrap()
}

/// Sends a blob, and waits until all of it is there; `None` if it isn't taken.
async fn send(by: &Endpoint, node: &Node, data: &[u8]) -> Option<BlobHash> {
    let store = MemStore::new();
    let hash = store.add_slice(data).temp_tag().await.unwrap().hash();
    send_from(&store, by, node, hash, ChunkRangesSeq::root()).await
}

async fn send_from(
    store: &Store,
    by: &Endpoint,
    node: &Node,
    hash: Hash,
    ranges: ChunkRangesSeq,
) -> Option<BlobHash> {
    let connection = by.connect(addr(node), iroh_blobs::ALPN).await.unwrap();
    let request = PushRequest::new(hash, ranges);
    store.remote().execute_push(connection.clone(), request).await.ok()?;
    let observed = store.remote().observe(connection, ObserveRequest::new(hash));
    let mut observed = std::pin::pin!(observed);
    // Changes are told; what is refused never comes.
    let mut there = observed.next().await?.ok()?;
    while !there.is_complete() {
        let next = tokio::time::timeout(std::time::Duration::from_secs(3), observed.next()).await;
        there.update(&next.ok()??.ok()?);
    }
    Some(BlobHash(*hash.as_bytes()))
}

async fn fetch(by: &Endpoint, node: &Node, hash: BlobHash) -> Option<Vec<u8>> {
    let store = MemStore::new();
    let connection = by.connect(addr(node), iroh_blobs::ALPN).await.ok()?;
    store.remote().fetch(connection, Hash::from(hash.0)).await.ok()?;
    Some(store.get_bytes(Hash::from(hash.0)).await.ok()?.to_vec())
}

async fn put(
    by: &Endpoint,
    node: &Node,
    text: &str,
    hash: BlobHash,
) -> Result<NameChange, FailKind> {
    let put = session(by, node).await.put_name(&name(text), hash, IfTaken::Refuse).await;
    put.map_err(|error| error.kind)
}

async fn put_new(by: &Endpoint, node: &Node, text: &str) -> BlobHash {
    let hash = send(by, node, text.as_bytes()).await.expect("it is taken");
    put(by, node, text, hash).await.expect("it is named");
    hash
}

async fn names(by: &Endpoint, node: &Node) -> Vec<String> {
    let listed = session(by, node).await.list_names(None, u32::MAX).try_collect::<Vec<_>>().await;
    listed.unwrap().into_iter().map(|blob| blob.name.to_string()).collect()
}

fn kind<T>(outcome: Result<T, AskError>) -> Result<T, FailKind> {
    outcome.map_err(|error| error.kind)
}

#[tokio::test]
async fn what_is_put_is_there_for_others_and_its_number_is_announced() {
    lab(async |lab| {
        let (writer, reader) = (lab.endpoint().await, lab.endpoint().await);
        let node = lab.node(holding(fast(Network::public()), &[&writer])).await;
        let other = lab.node(through(&[&node], fast(Network::public()))).await;
        let data = vec![7; 300_000];
        let hash = send(&writer, &node, &data).await.unwrap();
        assert_eq!(node.view().own.blob_count, 0, "it has no name yet");
        let change = put(&writer, &node, "sevens", hash).await.unwrap();
        assert_eq!((change.hash, change.size, change.n_names), (hash, 300_000, 1));
        until(&node, "it says so", |view| view.own.blob_count == 1).await;
        let id = node.id();
        let heard =
            |view: &View, n| entry(view, id).is_some_and(|it| it.announcement.blob_count == n);
        until(&other, "others hear of it", |view| heard(view, 1)).await;

        let found =
            Client::new(reader.clone()).get_name(addr(&node), &BlobKey::Name(name("sevens")));
        let blob = NamedBlob { name: name("sevens"), hash, size: 300_000 };
        assert_eq!(found.await.unwrap(), blob);
        assert_eq!(fetch(&reader, &node, hash).await.unwrap(), data);
        let features =
            session(&reader, &node).await.whoami().await.unwrap().about.unwrap().features;
        assert!(features.contains(&"blobs".to_owned()), "{features:?}");

        session(&writer, &node).await.delete_name(&name("sevens")).await.unwrap();
        until(&other, "others hear of that too", |view| heard(view, 0)).await;
    })
    .await;
}

#[tokio::test]
async fn an_outsider_changes_nothing_and_sends_nothing_until_it_is_named() {
    lab(async |lab| {
        let (writer, outsider) = (lab.endpoint().await, lab.endpoint().await);
        let node = node_of(lab, &writer).await;
        assert_eq!(send(&outsider, &node, b"spam").await, None, "also before anything is there");
        let hash = put_new(&writer, &node, "a").await;
        let asked = session(&outsider, &node).await;
        let (a, b) = (name("a"), name("b"));
        assert_eq!(kind(asked.put_name(&b, hash, IfTaken::Refuse).await), Err(FailKind::NotWriter));
        assert_eq!(kind(asked.delete_name(&a).await), Err(FailKind::NotWriter));
        assert_eq!(
            kind(asked.rename_name(&a, &b, IfTaken::Refuse).await),
            Err(FailKind::NotWriter)
        );
        assert_eq!(kind(asked.copy_name(&a, &b, IfTaken::Refuse).await), Err(FailKind::NotWriter));
        assert_eq!(send(&outsider, &node, b"spam").await, None);
        assert_eq!(names(&outsider, &node).await, ["a"]);

        let named = AccessList { writers: [outsider.id()].into(), ..AccessList::default() };
        node.set_access(named).await;
        put_new(&outsider, &node, "b").await;
        assert_eq!(put(&writer, &node, "c", hash).await, Err(FailKind::NotWriter));
        assert_eq!(names(&writer, &node).await, ["a", "b"]);
    })
    .await;
}

#[tokio::test]
async fn blobs_of_a_private_network_are_for_those_who_proved_to_be_members() {
    lab(async |lab| {
        let (member, outsider) = (lab.endpoint().await, lab.endpoint().await);
        let node = lab.node(holding(NodeConfig::new(private("apples")), &[&member])).await;
        session(&member, &node).await.whoami().await.unwrap();
        let hash = put_new(&member, &node, "secret").await;
        let asked = Client::new(outsider.clone()).connect(addr(&node)).await.unwrap();
        let refused = asked.get_name(&BlobKey::Name(name("secret"))).await;
        assert_eq!(kind(refused), Err(FailKind::NotMember));
        assert_eq!(fetch(&outsider, &node, hash).await, None, "who knows the hash is no member");
        assert_eq!(fetch(&member, &node, hash).await.unwrap(), b"secret");
    })
    .await;
}

#[tokio::test]
async fn names_are_changed_as_asked_and_each_refusal_says_why() {
    lab(async |lab| {
        let writer = lab.endpoint().await;
        let node = node_of(lab, &writer).await;
        let (one, other) = (put_new(&writer, &node, "a").await, put_new(&writer, &node, "b").await);
        let asked = session(&writer, &node).await;
        let (a, b, c) = (name("a"), name("b"), name("c"));
        let refuse = IfTaken::Refuse;
        assert_eq!(kind(asked.put_name(&a, other, refuse).await), Err(FailKind::NameTaken));
        assert_eq!(
            kind(asked.put_name(&c, BlobHash([9; 32]), refuse).await),
            Err(FailKind::NoBlob)
        );
        assert_eq!(kind(asked.rename_name(&c, &a, refuse).await), Err(FailKind::NotFound));
        assert_eq!(kind(asked.copy_name(&a, &b, refuse).await), Err(FailKind::NameTaken));
        assert_eq!(kind(asked.get_name(&BlobKey::Name(c.clone())).await), Err(FailKind::NotFound));
        assert_eq!(asked.put_name(&a, one, refuse).await.unwrap().replaced, None, "it leads there");

        assert_eq!(asked.copy_name(&a, &c, refuse).await.unwrap().n_names, 2);
        let replaced = asked.rename_name(&c, &b, IfTaken::Replace).await.unwrap();
        assert_eq!((replaced.hash, replaced.replaced), (one, Some(other)));
        assert_eq!(names(&writer, &node).await, ["a", "b"]);
        until(&node, "two names of one blob", |view| view.own.blob_count == 1).await;
        let by_hash = asked.get_name(&BlobKey::Hash(one)).await.unwrap();
        assert_eq!(by_hash.name, a, "the first in order");
        assert_eq!(kind(asked.get_name(&BlobKey::Hash(other)).await), Err(FailKind::NotFound));
        let deleted = asked.delete_name(&a).await.unwrap();
        assert_eq!((deleted.hash, deleted.n_names), (one, 1));
        assert_eq!(kind(asked.delete_name(&a).await), Err(FailKind::NotFound));
    })
    .await;
}

#[tokio::test]
async fn many_names_come_page_by_page_and_the_best_match_comes_first() {
    const N_NAMES: usize = 1500;
    lab(async |lab| {
        let writer = lab.endpoint().await;
        let node = node_of(lab, &writer).await;
        let hash = send(&writer, &node, b"one blob").await.unwrap();
        let asked = session(&writer, &node).await;
        let numbered = |n: usize| name(&format!("{n:04} {}", "x".repeat(100)));
        let puts = futures::stream::iter((0..N_NAMES).rev())
            .map(|n| asked.put_name(&numbered(n), hash, IfTaken::Refuse));
        assert!(puts.buffer_unordered(16).all(async |put| put.is_ok()).await);
        let listed: Vec<_> = asked.list_names(None, u32::MAX).try_collect().await.unwrap();
        assert!(
            listed
                .iter()
                .map(|blob| &blob.name)
                .eq((0..N_NAMES).map(numbered).collect::<Vec<_>>().iter())
        );
        let behind =
            asked.list_names(Some(&numbered(1000)), 3).try_collect::<Vec<_>>().await.unwrap();
        let behind: Vec<_> = behind.into_iter().map(|blob| blob.name).collect();
        assert_eq!(behind, [1001, 1002, 1003].map(numbered));

        for text in ["0007", "a 0007 b"] {
            asked.put_name(&name(text), hash, IfTaken::Refuse).await.unwrap();
        }
        let found: Vec<_> = asked.find_names(&name("0007"), 10).try_collect().await.unwrap();
        let found: Vec<_> = found.into_iter().map(|blob| blob.name).collect();
        assert_eq!(found, [name("0007"), numbered(7), name("a 0007 b")]);
        let bounded: Vec<_> = asked.find_names(&name("x"), 5).try_collect().await.unwrap();
        assert_eq!(bounded.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn what_is_on_disk_is_there_again_after_a_restart() {
    lab(async |lab| {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("blobs");
        let writer = lab.endpoint().await;
        let node = lab.node(on_disk(&dir, &writer)).await;
        assert_eq!(names(&writer, &node).await, [""; 0]);
        let reader = lab.endpoint().await;
        assert_eq!(fetch(&reader, &node, BlobHash([7; 32])).await, None);
        assert!(!dir.exists(), "nobody makes it by asking");
        let hash = put_new(&writer, &node, "kept").await;
        put_new(&writer, &node, "other").await;
        node.shutdown().await;

        let node = lab.node(on_disk(&dir, &writer)).await;
        until(&node, "it counts them again", |view| view.own.blob_count == 2).await;
        assert_eq!(names(&writer, &node).await, ["kept", "other"]);
        assert_eq!(fetch(&reader, &node, hash).await.unwrap(), b"kept");
        node.shutdown().await;
    })
    .await;
}

fn on_disk(dir: &Path, writer: &Endpoint) -> NodeConfig {
    let config = holding(NodeConfig::new(Network::public()), &[writer]);
    NodeConfig { blobs: Some(BlobStore::Disk(dir.to_owned())), ..config }
}

#[tokio::test]
async fn lists_of_blobs_are_not_taken_in_for_nobody_would_know_what_they_bring() {
    lab(async |lab| {
        let writer = lab.endpoint().await;
        let node = node_of(lab, &writer).await;
        let store = MemStore::new();
        let child = store.add_slice(b"stowaway").temp_tag().await.unwrap();
        let list: HashSeq = [child.hash()].into_iter().collect();
        let list = store.add_slice(list.into_inner()).temp_tag().await.unwrap();
        let sent = send_from(&store, &writer, &node, list.hash(), ChunkRangesSeq::all()).await;
        assert_eq!(sent, None);
        let child = BlobHash(*child.hash().as_bytes());
        assert_eq!(put(&writer, &node, "child", child).await, Err(FailKind::NoBlob));
    })
    .await;
}

#[tokio::test]
async fn a_node_without_a_store_says_so_and_lives_on() {
    lab(async |lab| {
        let (node, asking) = (lab.slow(&[]).await, lab.endpoint().await);
        let asked = session(&asking, &node).await;
        let got = asked.get_name(&BlobKey::Name(name("a"))).await;
        assert_eq!(kind(got), Err(FailKind::Unsupported));
        let listed: Result<Vec<_>, _> = asked.list_names(None, 10).try_collect().await;
        assert_eq!(listed.unwrap_err().kind, FailKind::Unsupported);
        let refused = asking.connect(addr(&node), iroh_blobs::ALPN);
        assert!(awaited("the refusal", refused).await.is_err());
        assert!(asked.whoami().await.is_ok());
    })
    .await;
}

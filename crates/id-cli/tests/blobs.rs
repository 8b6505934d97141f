//! The real binary puts files into real nodes, which run in this process, and gets them back.

mod nodes;
mod support;

use std::{fs, path::Path, time::Duration};

use id_node::AccessList;
use id_proto::iroh_base::SecretKey;
use nodes::{LIMIT, Nodes};
use serde_json::Value;
use support::Ended;
use tokio::time::timeout;

/// What two chunk groups and a bit hold.
fn large() -> Vec<u8> {
    (0..40_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn file(nodes: &Nodes, name: &str, content: &[u8]) -> String {
    let path = nodes.home.path().join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

fn ok(ended: Ended) -> String {
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    ended.out
}

fn document(text: &str) -> Value {
    let document: Value = serde_json::from_str(text).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/blobs.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let faults: Vec<_> = validator.iter_errors(&document).map(|it| it.to_string()).collect();
    assert_eq!(faults, [""; 0]);
    document
}

fn names(document: &Value) -> Vec<&str> {
    let blobs = document["blobs"].as_array().unwrap();
    blobs.iter().map(|blob| blob["name"].as_str().unwrap()).collect()
}

async fn one() -> Nodes {
    let nodes = Nodes::keepers(1).await;
    nodes.with_operator_key().await;
    nodes
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_is_listed_found_and_got_back() {
    let nodes = one().await;
    let (big, small) = (file(&nodes, "big", &large()), file(&nodes, "small", b"hello\n"));
    let empty = file(&nodes, "empty", b"");
    let named = format!("{small}:notes/small talk");
    let put = document(&ok(nodes.id_cli(&["put", "--json", &big, &named, &empty])));
    assert_eq!(names(&put), ["big", "notes/small talk", "empty"]);
    assert_eq!(put["blobs"][0]["sent_bytes"], 160_000);
    let again = document(&ok(nodes.id_cli(&["put", "--json", &big])));
    assert_eq!(again["blobs"][0]["sent_bytes"], 0, "it is there already");

    let listed = ok(nodes.id_cli(&["ls"]));
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].ends_with("      160000 big"), "{}", lines[0]);
    let listed = document(&ok(nodes.id_cli(&["ls", "--json", "--after", "big", "--limit", "1"])));
    assert_eq!(names(&listed), ["empty"]);
    let found = document(&ok(nodes.id_cli(&["find", "--json", "small"])));
    assert_eq!(names(&found), ["notes/small talk"]);

    assert_eq!(ok(nodes.id_cli(&["cat", "notes/small talk"])), "hello\n");
    let target = nodes.home.path().join("back").display().to_string();
    let get = format!("big:{target}");
    let got = document(&ok(nodes.id_cli(&["get", "--json", &get])));
    assert_eq!(got["blobs"][0]["fetched_bytes"], 160_000);
    assert_eq!(fs::read(&target).unwrap(), large());
    let left: Vec<_> = fs::read_dir(nodes.home.path()).unwrap().flatten().collect();
    assert!(left.iter().all(|it| !it.file_name().to_string_lossy().contains("part-")), "{left:?}");

    fs::write(&target, "mine").unwrap();
    let refused = nodes.id_cli(&["get", &get]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert_eq!(fs::read(&target).unwrap(), b"mine");
    ok(nodes.id_cli(&["get", "--force", &get]));
    assert_eq!(fs::read(&target).unwrap(), large());
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_change_and_none_is_taken_unasked() {
    let nodes = one().await;
    let (a, b) = (file(&nodes, "a", b"a"), file(&nodes, "b", b"b"));
    ok(nodes.id_cli(&["put", &a, &b]));
    for taken in [&["mv", "a", "b"][..], &["cp", "a", "b"], &["put", &format!("{a}:b")]] {
        let refused = nodes.id_cli(taken);
        assert_eq!(refused.code, Some(1), "{}", refused.err);
        assert!(refused.err.contains("--force"), "{}", refused.err);
    }
    ok(nodes.id_cli(&["cp", "a", "c"]));
    ok(nodes.id_cli(&["mv", "--force", "a", "b"]));
    assert_eq!(ok(nodes.id_cli(&["cat", "b"])), "a");
    let removed = nodes.id_cli(&["rm", "--json", "b", "nothing", "c"]);
    assert_eq!(removed.code, Some(1));
    let removed = document(&removed.out);
    assert_eq!((names(&removed), &removed["complete"]), (vec!["b"], &Value::Bool(false)));
    assert_eq!(names(&document(&ok(nodes.id_cli(&["ls", "--json"])))), ["c"]);
    let missing = nodes.id_cli(&["cat", "b"]);
    assert_eq!((missing.code, missing.out.as_str()), (Some(1), ""));
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_whoever_is_allowed_to_puts_into_somebody_elses_node() {
    let nodes = one().await;
    let node = &nodes.nodes[0];
    let there = format!("{}@{}", node.id(), node.endpoint().bound_sockets()[0]);
    let path = file(&nodes, "a", b"a");
    let key = SecretKey::from_bytes(&[7; 32]);
    let key_file = file(&nodes, "key", data(&key).as_bytes());
    restrict(&key_file);
    let put = ["put", &path, "--to", &there, "--key", &key_file];
    let refused = nodes.id_cli(&put);
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    assert!(refused.err.contains("--allow-write"), "{}", refused.err);
    assert!(refused.err.contains(&key.public().to_string()), "whom to allow: {}", refused.err);
    let writers = AccessList { writers: [key.public()].into(), ..AccessList::default() };
    node.set_access(writers).await;
    ok(nodes.id_cli(&put));
    assert_eq!(ok(nodes.id_cli(&["cat", "a", "--from", &there])), "a", "whoever asks");
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_it_is_found_among_the_peers() {
    let nodes = Nodes::keepers(3).await;
    let keeper = &nodes.nodes[2];
    let key = SecretKey::from_bytes(&[7; 32]);
    let writers = AccessList { writers: [key.public()].into(), ..AccessList::default() };
    keeper.set_access(writers).await;
    let key_file = file(&nodes, "key", data(&key).as_bytes());
    restrict(&key_file);
    let there = format!("{}@{}", keeper.id(), keeper.endpoint().bound_sockets()[0]);
    let path = file(&nodes, "a", &large());
    ok(nodes.id_cli(&["put", &path, "--to", &there, "--key", &key_file]));
    let mut views = nodes.nodes[0].watch();
    let told =
        views.wait_for(|view| view.entries.iter().any(|entry| entry.announcement.blob_count == 1));
    timeout(LIMIT, told).await.expect("its number of blobs is told").unwrap();
    let target = format!("a:{}", nodes.home.path().join("back").display());
    let got = document(&ok(nodes.id_cli(&["get", "--json", "--from", "any", &target])));
    assert_eq!(got["blobs"][0]["node_id"], keeper.id().to_string());
    let nobody = nodes.id_cli(&["get", "--from", "any", "b"]);
    assert_eq!(nobody.code, Some(1), "{}", nobody.err);
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_keeps_no_blobs_says_so() {
    let nodes = Nodes::start(1, &id_proto::Network::public()).await;
    let refused = nodes.id_cli(&["ls", "--timeout", "5"]);
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    assert!(refused.err.contains("keeps no blobs"), "{}", refused.err);
    tokio::time::timeout(Duration::from_secs(20), nodes.stop()).await.unwrap();
}

fn data(key: &SecretKey) -> String {
    key.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// For its owner only.
fn restrict(path: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

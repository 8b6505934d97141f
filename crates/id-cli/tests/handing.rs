//! The real binary hands what it found to real nodes, which run in this process.

mod nodes;
mod support;

use std::{collections::BTreeSet, fs, path::Path};

use id_node::{AccessList, Node};
use id_proto::{
    Network,
    iroh_base::{PublicKey, SecretKey},
};
use nodes::{LIMIT, Nodes};
use serde_json::{Value, json};
use support::{Ended, id_cli};
use tokio::time::timeout;

/// A node on this machine, and others that it has never heard of.
async fn mine_and_others(n_others: usize) -> (Nodes, Nodes) {
    let public = Network::public();
    (Nodes::start(1, &public).await, Nodes::start(n_others, &public).await)
}

async fn until_it_knows(node: &Node, peers: &Nodes) {
    let ids: BTreeSet<PublicKey> = peers.nodes.iter().map(Node::id).collect();
    let mut views = node.watch();
    let known = views.wait_for(|view| {
        let known: BTreeSet<_> = view.entries.iter().map(|entry| entry.node_id()).collect();
        known.is_superset(&ids)
    });
    timeout(LIMIT, known).await.expect("it never came to know them").unwrap();
}

fn schema_faults(instance: &Value) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/peers.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    validator.iter_errors(instance).map(|fault| fault.to_string()).collect()
}

/// The crawl's result is printed whatever comes of the handover.
fn listed(ended: &Ended) -> (usize, Value) {
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(schema_faults(&document), [""; 0]);
    (document["peers"].as_array().unwrap().len(), document["discover"].clone())
}

async fn stop(nodes: [Nodes; 2]) {
    for nodes in nodes {
        nodes.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crawl_found_is_handed_to_this_machines_node() {
    let (mine, others) = mine_and_others(2).await;
    mine.with_operator_key().await;
    let start = others.nodes[0].ticket().to_string();
    let ended = mine.id_cli(&["peers", &start, "--json", "--discover"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let says = "handed 2 to this machine's node: 2 new, 0 known, 0 refused\n";
    assert!(ended.err.ends_with(says), "{}", ended.err);
    let handed = json!({ "handed": 2, "new": 2, "known": 0, "refused": {} });
    assert_eq!(listed(&ended), (2, handed));
    until_it_knows(&mine.nodes[0], &others).await;

    // Started from itself, a crawl has nothing new for it, and doesn't hand it over to itself.
    let again = mine.id_cli(&["peers", "--format", "jsonl", "--depth", "-1", "--discover"]);
    assert_eq!(again.code, Some(0), "{}", again.err);
    let summary: Value = serde_json::from_str(again.out.lines().last().unwrap()).unwrap();
    let handed = json!({ "handed": 2, "new": 0, "known": 2, "refused": {} });
    assert_eq!((&summary["type"], &summary["discover"]), (&json!("summary"), &handed));

    let unasked = mine.json(&[]);
    assert_eq!(unasked.get("discover"), None);
    stop([mine, others]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_heard_is_handed_over_as_well() {
    let (mine, others) = mine_and_others(2).await;
    mine.with_operator_key().await;
    let start = others.nodes[0].ticket().to_string();
    let args = ["peers", &start, "--gossip", "--min-peers", "2", "--json", "--discover"];
    let ended = mine.id_cli(&args);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(listed(&ended).1["new"], 2);
    until_it_knows(&mine.nodes[0], &others).await;
    stop([mine, others]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_key_of_the_node_hands_nothing_over_and_is_told_why() {
    let (mine, others) = mine_and_others(2).await;
    let start = others.nodes[0].ticket().to_string();
    let crawl = ["peers", &start, "--json"];
    let refused = |args: &[&str], says: &[&str]| {
        let ended = mine.id_cli(&[&crawl[..], args].concat());
        assert_eq!(ended.code, Some(1), "{}", ended.err);
        assert_eq!(listed(&ended), (2, Value::Null), "what was found is printed");
        for what in says {
            assert!(ended.err.contains(what), "{what}: {}", ended.err);
        }
    };
    // A node of a release that makes no such key.
    refused(&["--discover"], &["error: nothing was handed to this machine's node", "operator-key"]);
    // Its own key, but the node hasn't been told of it.
    mine.data_dir.make_operator_key().unwrap();
    refused(&["--discover"], &["not_operator", "hint: ", "--operator"]);

    let key = SecretKey::from_bytes(&[7; 32]);
    let file = mine.home.path().join("key");
    fs::write(&file, "07".repeat(32)).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let node = mine.nodes[0].ticket().to_string();
    let to = ["--discover-to", &node, "--operator-key", file.to_str().unwrap()];
    refused(&to, &["not_operator", &key.public().to_string()]);
    assert!(mine.nodes[0].view().entries.is_empty());

    // Once it is named, it may.
    let access = AccessList { operators: [key.public()].into(), ..AccessList::default() };
    mine.nodes[0].set_access(access).await;
    let ended = mine.id_cli(&[&crawl[..], &to].concat());
    assert_eq!((ended.code, listed(&ended).1["new"].as_u64()), (Some(0), Some(2)), "{}", ended.err);
    let short_id = &mine.nodes[0].id().to_string()[..10];
    assert!(ended.err.contains(&format!("handed 2 to {short_id}: 2 new")), "{}", ended.err);
    until_it_knows(&mine.nodes[0], &others).await;
    stop([mine, others]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_node_runs_what_was_found_is_printed_and_that_is_said() {
    let others = Nodes::start(2, &Network::public()).await;
    let home = tempfile::tempdir().unwrap();
    let start = others.nodes[0].ticket().to_string();
    let args = ["peers", &start, "--json", "--discover", "--no-relay"];
    let ended = support::run(id_cli(home.path(), args));
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert_eq!(listed(&ended), (2, Value::Null));
    let says = "error: nothing was handed to this machine's node: no node runs on this machine";
    assert!(ended.err.contains(says) && ended.err.contains("hint: "), "{}", ended.err);
    others.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_said_before_anybody_is_asked() {
    let mine = Nodes::start(1, &Network::public()).await;
    let node = mine.nodes[0].ticket().to_string();
    for (args, says) in [
        (vec!["--discover-to", &node, "--operator-key", "/no/such/key"], "/no/such/key"),
        (vec!["--discover", "--topic", "office"], "is in network"),
        (vec!["--discover-to", &node], "--operator-key"),
    ] {
        let ended = mine.id_cli(&[&["peers", &node][..], &args].concat());
        assert_eq!((ended.code, &*ended.out), (Some(2), ""), "{}", ended.err);
        assert!(ended.err.contains(says), "{says}: {}", ended.err);
    }
    mine.stop().await;
}

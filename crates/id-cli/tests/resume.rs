//! `id-cli peers --resume` against real nodes: the real binary, killed in the middle of its work.

mod nodes;
mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use id_proto::{Network, iroh_base::SecretKey};
use nodes::{LIMIT, Nodes};
use serde_json::Value;
use support::id_cli;
use tokio::time::{sleep, timeout};

const N_NODES: usize = 6;

/// Nobody is at this address, so a crawl that starts from there too goes on for seconds.
fn nobody() -> String {
    format!("{}@127.0.0.1:9", SecretKey::from_bytes(&[7; 32]).public())
}

fn peers(nodes: &Nodes, more: &[&str]) -> Command {
    let nobody = nobody();
    let args =
        ["peers", "--no-relay", "--bootstrap", &nobody, "--depth", "-1", "--edges", "--json"];
    id_cli(nodes.home.path(), [&args, more].concat())
}

/// How many peers have a complete line.
fn n_noted(file: &Path) -> usize {
    let text = fs::read_to_string(file).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    whole.lines().filter(|line| line.starts_with("{\"type\":\"peer\"")).count()
}

/// Starts a crawl, and kills it when `n_peers` are noted.
async fn kill_at(nodes: &Nodes, file: &Path, n_peers: usize) {
    let args = ["--resume", file.to_str().unwrap(), "--concurrency", "2"];
    let mut command = peers(nodes, &args);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let noted = async {
        while n_noted(file) < n_peers {
            sleep(Duration::from_millis(1)).await;
        }
    };
    let noted = timeout(LIMIT, noted).await;
    assert!(noted.is_ok(), "{n_peers}: {}", fs::read_to_string(file).unwrap_or_default());
    assert!(child.try_wait().unwrap().is_none(), "it waits for nobody");
    child.kill().unwrap();
    child.wait().unwrap();
}

fn by_id(document: &Value) -> BTreeMap<String, (Value, Value, Value)> {
    let peers = document["peers"].as_array().unwrap().iter();
    let of = |peer: &Value| (peer["status"].clone(), peer["name"].clone(), peer["depth"].clone());
    peers.map(|peer| (peer["node_id"].as_str().unwrap().to_owned(), of(peer))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn crawl_that_was_killed_goes_on_and_finds_what_an_uninterrupted_one_finds() {
    let nodes = Nodes::start(N_NODES, &Network::public()).await;
    let file = nodes.home.path().join("crawl.jsonl");
    let mut noted = Vec::new();
    for n_peers in [1, N_NODES / 2, N_NODES] {
        kill_at(&nodes, &file, n_peers).await;
        noted.push(n_noted(&file));
    }
    assert!(noted.is_sorted() && noted[2] == N_NODES, "{noted:?}");
    // What a kill in the middle of a line leaves.
    let mut text = fs::read_to_string(&file).unwrap();
    text.push_str("{\"type\":\"announcement\",\"signed\":\"01");
    fs::write(&file, &text).unwrap();

    let (resumed, uninterrupted) = std::thread::scope(|scope| {
        let run = |args: Vec<String>| {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            support::run(peers(&nodes, &args))
        };
        let resumed = ["--resume", file.to_str().unwrap()].map(str::to_owned).to_vec();
        let resumed = scope.spawn(move || run(resumed));
        let uninterrupted = scope.spawn(move || run(Vec::new()));
        (resumed.join().unwrap(), uninterrupted.join().unwrap())
    });
    assert_eq!((resumed.code, uninterrupted.code), (Some(0), Some(0)), "{}", resumed.err);
    let [resumed, uninterrupted] =
        [resumed, uninterrupted].map(|ended| serde_json::from_str::<Value>(&ended.out).unwrap());
    assert_eq!(by_id(&resumed), by_id(&uninterrupted));
    assert_eq!(resumed["summary"], uninterrupted["summary"]);
    assert_eq!(resumed["edges"], uninterrupted["edges"]);
    assert_eq!((&resumed["crawl"]["complete"], by_id(&resumed).len()), (&true.into(), N_NODES + 1));

    // Who had answered wasn't asked again, and only nobody was.
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered = lines.iter().filter(|line| line["status"] == "answered").count();
    let failed = lines.iter().filter(|line| line["status"] == "failed").count();
    assert_eq!((answered, failed), (N_NODES, 1));
    assert_eq!(lines.last().unwrap()["type"], "summary");
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_known_is_printed_in_every_format_and_files_of_others_are_refused() {
    let nodes = Nodes::start(3, &Network::public()).await;
    let file = nodes.home.path().join("crawl.jsonl");
    let resume = ["peers", "--resume", file.to_str().unwrap(), "--format", "jsonl"];
    let first = nodes.id_cli(&resume);
    assert_eq!(first.code, Some(0), "{}", first.err);
    let again = nodes.id_cli(&resume);
    assert!(again.err.starts_with("3 answers are in "), "{}", again.err);
    let n_peers = |out: &str| out.matches("\"type\":\"peer\"").count();
    assert_eq!((n_peers(&first.out), n_peers(&again.out)), (3, 3));

    let elsewhere = nodes.nodes[1].ticket().to_string();
    let refused = nodes.id_cli(&[&resume[..], &["--bootstrap", &elsewhere]].concat());
    assert_eq!((refused.code, &*refused.out), (Some(2), ""), "nothing is printed before");
    assert!(refused.err.contains("its crawl started from other nodes"), "{}", refused.err);
    assert!(refused.err.contains("hint: give another file"), "{}", refused.err);
    nodes.stop().await;
}

//! The real binary against real nodes. They run in this process, on loopback, so that none can
//! outlive it; what they speak and what is printed is as between processes.

mod nodes;
mod support;

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
    time::Duration,
};

use id_node::AccessList;
use id_proto::{Network, iroh_base::SecretKey};
use nodes::{LIMIT, Nodes};
use serde_json::Value;
use support::id_cli;
use tokio::time::{sleep, timeout};

fn listed(document: &Value) -> Vec<String> {
    let peers = document["peers"].as_array().unwrap().iter();
    peers.map(|peer| peer["node_id"].as_str().unwrap().to_owned()).collect()
}

fn statuses(document: &Value) -> Vec<&str> {
    let peers = document["peers"].as_array().unwrap().iter();
    peers.map(|peer| peer["status"].as_str().unwrap()).collect()
}

fn faults(schema: &Value, instance: &Value) -> Vec<String> {
    let validator = jsonschema::draft202012::new(schema).unwrap();
    validator.iter_errors(instance).map(|fault| fault.to_string()).collect()
}

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/peers.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_lists_the_same_peers_in_the_same_order() {
    let nodes = Nodes::start(3, &Network::public()).await;
    let ids: Vec<String> = nodes.ids().into_iter().collect();
    let in_format = |format| {
        let ended = nodes.id_cli(&["peers", "--format", format]);
        assert_eq!(ended.code, Some(0), "{format}: {}", ended.err);
        ended.out
    };

    let first_words = |text: String, separator| -> Vec<String> {
        text.lines().filter_map(|line| line.split(separator).next()).map(str::to_owned).collect()
    };
    let short_ids: Vec<_> = ids.iter().map(|id| id[..10].to_owned()).collect();
    assert_eq!(first_words(in_format("table"), ' ')[1..], short_ids);
    assert_eq!(first_words(in_format("tsv"), '\t'), ids);

    let document: Value = serde_json::from_str(&in_format("json")).unwrap();
    assert_eq!(listed(&document), ids);
    assert_eq!(faults(&schema(), &document), [""; 0]);

    let lines = in_format("jsonl");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let peers = lines.iter().filter(|line| line["type"] == "peer");
    let by_lines: BTreeSet<_> = peers.map(|peer| peer["node_id"].as_str().unwrap()).collect();
    assert_eq!(by_lines, ids.iter().map(String::as_str).collect());
    assert_eq!(lines.len(), 1 + ids.len() + 1);
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn crawl_tells_what_is_true_of_every_peer() {
    let nodes = Nodes::start(3, &Network::public()).await;
    let document = nodes.json(&[]);
    assert_eq!(document["crawl"]["complete"], true);
    assert_eq!(document["crawl"]["source"], "rpc");
    assert_eq!(document["summary"]["answered"], 3);
    for peer in document["peers"].as_array().unwrap() {
        assert_eq!(peer["verified"], true);
        assert_eq!(peer["path"], "direct");
        assert!(peer["name"].as_str().unwrap().starts_with("node "));
        assert!(peer["age_secs"].as_f64().unwrap() < LIMIT.as_secs_f64());
        assert!(peer["rtt_ms"].as_f64().unwrap() > 0.0);
        let is_first = peer["node_id"] == nodes.nodes[0].id().to_string();
        assert_eq!(peer["depth"], u64::from(!is_first));
    }
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_with_an_allow_list_answers_whoever_may_read_its_data_directory() {
    let nodes = Nodes::start(2, &Network::public()).await;
    let access = |own| {
        let allow = Some(BTreeSet::from([nodes.nodes[1].id()]));
        AccessList { allow, own, ..AccessList::default() }
    };
    nodes.nodes[0].set_access(access(BTreeSet::new())).await;
    let refused = nodes.id_cli(&["status"]);
    assert_eq!(refused.code, Some(5), "{}", refused.err);
    assert!(refused.err.contains("refused") && refused.err.contains("hint: "), "{}", refused.err);

    let key = nodes.data_dir.make_cli_key().unwrap();
    nodes.nodes[0].set_access(access(BTreeSet::from([key.public()]))).await;
    let answered = nodes.id_cli(&["status"]);
    assert_eq!(answered.code, Some(0), "{}", answered.err);
    assert!(answered.out.contains("channel: access: only 1\n"), "{}", answered.out);
    assert_eq!(listed(&nodes.json(&[])).len(), 2);
    // Whoever names the node is somebody else.
    let named = nodes.id_cli(&["ping", &nodes.nodes[0].ticket().to_string()]);
    assert_eq!(named.code, Some(5), "{}", named.err);
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn depth_zero_asks_only_the_node_that_is_named() {
    let nodes = Nodes::start(3, &Network::public()).await;
    let node = nodes.nodes[1].ticket().to_string();
    let document = nodes.json(&[&node, "--depth", "0"]);
    assert_eq!(listed(&document).len(), 3);
    let mut statuses = statuses(&document);
    statuses.sort_unstable();
    assert_eq!(statuses, ["answered", "not_asked", "not_asked"]);
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edges_say_who_named_whom_in_every_format_that_has_them() {
    let nodes = Nodes::start(3, &Network::public()).await;
    let ids: Vec<String> = nodes.ids().into_iter().collect();
    let all = ids.iter().flat_map(|a| ids.iter().map(move |b| (a.clone(), b.clone())));
    let all: BTreeSet<_> = all.filter(|(a, b)| a != b).collect();

    let document = nodes.json(&["--edges"]);
    assert_eq!(faults(&schema(), &document), [""; 0]);
    let edges: Vec<(String, String)> = serde_json::from_value(document["edges"].clone()).unwrap();
    assert!(edges.is_sorted());
    assert_eq!(edges.into_iter().collect::<BTreeSet<_>>(), all);
    assert_eq!(document["edges_left_out"], 0);
    assert_eq!(nodes.json(&[]).get("edges"), None);

    let lines = nodes.id_cli(&["peers", "--format", "jsonl", "--edges"]);
    assert_eq!(lines.out.matches("\"type\":\"edge\"").count(), all.len());
    for (format, edge) in [("dot", " -> "), ("graphml", "<edge "), ("svg", "class=\"way\" ")] {
        let ended = nodes.id_cli(&["peers", "--format", format]);
        assert_eq!(ended.code, Some(0), "{format}: {}", ended.err);
        let expected = if format == "svg" { 2 } else { all.len() };
        assert_eq!(ended.out.matches(edge).count(), expected, "{format}: {}", ended.out);
    }
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_one_network_from_two() {
    let (whole, other) =
        (Nodes::start(3, &Network::public()).await, Nodes::start(2, &Network::public()).await);
    let document = whole.json(&["--check"]);
    assert_eq!(faults(&schema(), &document), [""; 0]);
    assert_eq!(document["agreement"]["split"], false);
    assert_eq!(document["agreement"]["islands"], serde_json::json!([3]));
    assert_eq!(document.get("edges"), None);
    let agreed = whole.id_cli(&["peers", "--check"]);
    assert_eq!(agreed.code, Some(0), "{}", agreed.err);
    assert!(agreed.err.contains("3 views: all know each other; 0 one-way"), "{}", agreed.err);

    let elsewhere = other.nodes[0].ticket().to_string();
    let args = ["peers", "--check", "--json", "--bootstrap", &elsewhere];
    let split = whole.id_cli(&args);
    assert_eq!(split.code, Some(3), "{}", split.err);
    let says = "error: the network is split: parts of 3, 2 know nothing of each other";
    assert!(split.err.contains(says), "{}", split.err);
    let document: Value = serde_json::from_str(&split.out).unwrap();
    assert_eq!(document["agreement"]["strong_islands"], serde_json::json!([3, 2]));
    for view in document["agreement"]["views"].as_array().unwrap() {
        let in_first = view["island"] == 0;
        assert_eq!(view["missing"], if in_first { 2 } else { 3 });
    }
    whole.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cap_stops_the_crawl_early_and_prints_what_there_is() {
    let nodes = Nodes::start(3, &Network::public()).await;
    let ended = nodes.id_cli(&["peers", "--max-peers", "2", "--json"]);
    assert_eq!(ended.code, Some(4), "{}", ended.err);
    assert!(ended.err.contains("warning: stopped: there are more than --max-peers 2"));
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(document["crawl"]["stopped_by"], "max_peers");
    assert_eq!(listed(&document).len(), 2);
    assert_eq!(faults(&schema(), &document), [""; 0]);
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_peers_are_a_condition_unmet() {
    let nodes = Nodes::start(2, &Network::public()).await;
    assert_eq!(nodes.id_cli(&["peers", "--min-peers", "2"]).code, Some(0));
    let ended = nodes.id_cli(&["peers", "--min-peers", "3"]);
    assert_eq!(ended.code, Some(3));
    assert!(ended.err.contains("error: 2 peers known, --min-peers 3"), "{}", ended.err);
    assert_eq!(ended.out.lines().count(), 3);
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn this_machines_node_is_pinged_without_a_word_on_its_network() {
    let nodes = Nodes::start(1, &Network::derive("office", "hunter2-hunter2").unwrap()).await;
    let pong = nodes.id_cli(&["ping"]);
    assert_eq!(pong.code, Some(0), "{}", pong.err);
    assert!(pong.out.starts_with(&nodes.nodes[0].id().to_string()[..10]), "{}", pong.out);
    let misled = nodes.id_cli(&["ping", "--topic", "another"]);
    assert_eq!(misled.code, Some(2), "{}", misled.err);
    assert_eq!(nodes.id_cli(&["status"]).code, Some(2), "what is in it is for members");
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn local_node_says_who_it_is_and_answers_pings() {
    let nodes = Nodes::start(2, &Network::public()).await;
    let id = nodes.nodes[0].id().to_string();
    let status = nodes.id_cli(&["status", "--json"]);
    assert_eq!(status.code, Some(0), "{}", status.err);
    let status: Value = serde_json::from_str(&status.out).unwrap();
    assert_eq!(status["node_id"], id);
    assert_eq!(status["about"]["name"], "node 0");
    assert_eq!(status["status"]["table_size"], 1);

    let whoami = nodes.id_cli(&["whoami"]);
    assert!(whoami.out.starts_with(&format!("node id: {id}\n")), "{}", whoami.out);

    let pong = nodes.id_cli(&["ping", "-c", "2"]);
    assert_eq!(pong.code, Some(0), "{}", pong.err);
    assert_eq!(pong.out.lines().count(), 2);
    assert!(pong.out.contains("direct path, RTT "), "{}", pong.out);
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listening_hears_who_can_be_asked() {
    let nodes = Nodes::start(3, &Network::public()).await;
    let document = nodes.json(&["--gossip", "--min-peers", "3"]);
    assert_eq!(listed(&document), nodes.ids().into_iter().collect::<Vec<_>>());
    assert_eq!(document["crawl"]["source"], "gossip");
    assert_eq!(document["crawl"]["complete"], true);
    assert_eq!(document["summary"]["not_asked"], 3);
    assert_eq!(faults(&schema(), &document), [""; 0]);
    // Who only listened is in nobody's table.
    assert!(nodes.nodes.iter().all(|node| node.view().entries.len() == 2));
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn private_network_answers_members_only() {
    let nodes = Nodes::start(2, &Network::derive("office", "hunter2").unwrap()).await;
    let first = &nodes.nodes[0];
    let node = format!("{}@{}", first.id(), first.endpoint().bound_sockets()[0]);

    let stranger = nodes.id_cli(&["peers", &node]);
    assert_eq!(stranger.code, Some(5));
    assert!(stranger.err.contains("not_member"), "{}", stranger.err);
    assert!(stranger.err.contains("hint: its network is private"), "{}", stranger.err);

    let about = nodes.id_cli(&["status", &node]);
    assert_eq!(about.code, Some(0), "{}", about.err);
    assert!(about.out.contains("node id: ") && !about.out.contains("node 0"), "{}", about.out);

    let member = ["--topic", "office", "--topic-secret", "hunter2"];
    assert_eq!(listed(&nodes.json(&member)), nodes.ids().into_iter().collect::<Vec<_>>());

    // Without the secret, the local node is in another network, and that is said.
    let ended = nodes.id_cli(&["peers"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("(topic `office`)"), "{}", ended.err);
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_come_while_the_crawl_runs() {
    let nodes = Nodes::start(2, &Network::public()).await;
    // Nobody is at this address, so the crawl goes on until its time is up.
    let nobody = format!("{}@127.0.0.1:9", SecretKey::from_bytes(&[7; 32]).public());
    let args = ["peers", "--format", "jsonl", "--no-relay", "--bootstrap", &nobody];
    let mut command = id_cli(nodes.home.path(), args.iter().chain(&["--timeout", "600"]));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let types: Vec<Value> = (0..3)
        .map(|_| serde_json::from_str(&out.next().unwrap().unwrap()).unwrap())
        .map(|line: Value| line["type"].clone())
        .collect();
    assert_eq!(types, ["version", "peer", "peer"]);
    // It hasn't ended: only then is there a summary.
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_peer_is_listed_as_failed() {
    let mut nodes = Nodes::start(3, &Network::public()).await;
    // Its endpoint closes without a goodbye, so the others still list it.
    let dead = nodes.nodes.pop().unwrap();
    dead.endpoint().close().await;
    let document = nodes.json(&["--timeout", "2"]);
    let peers = document["peers"].as_array().unwrap();
    let failed = peers.iter().find(|peer| peer["node_id"] == dead.id().to_string()).unwrap();
    assert_eq!(failed["status"], "failed");
    assert!(failed["error"].is_string());
    assert_eq!(document["summary"]["failed"], 1);
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reader_of_the_first_line_only_is_no_error() {
    let nodes = Nodes::start(3, &Network::public()).await;
    let mut command = id_cli(nodes.home.path(), ["peers", "--format", "tsv", "--no-relay"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let ended = support::ended(child.wait_with_output().unwrap());
    assert_eq!(first.split('\t').next(), nodes.ids().first().map(String::as_str));
    assert_eq!((ended.code, &*ended.err), (Some(0), ""));
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn printed_ticket_leads_to_the_network() {
    let nodes = Nodes::start(2, &Network::public()).await;
    let ended = nodes.id_cli(&["ticket"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    // Away from the node's data directory, the ticket is all there is.
    let elsewhere = tempfile::tempdir().unwrap();
    let args = ["peers", ended.out.trim(), "--no-relay", "--format", "tsv"];
    let listed = support::run(id_cli(elsewhere.path(), args));
    assert_eq!((listed.code, listed.out.lines().count()), (Some(0), 2), "{}", listed.err);
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ticket_with_the_secret_lets_its_holder_in_by_itself() {
    let nodes = Nodes::start(2, &Network::derive("office", "hunter2").unwrap()).await;
    let secret = nodes.home.path().join("secret");
    std::fs::write(&secret, "hunter2\n").unwrap();
    let network = ["--topic", "office", "--topic-secret-file", secret.to_str().unwrap()];
    let ticket = |more: &[&str]| nodes.id_cli(&[&["ticket"], &network[..], more].concat());
    let peers = |ticket: &str| nodes.id_cli(&["peers", ticket, "--format", "tsv"]);

    let invites = ticket(&["--with-secret"]);
    assert!(invites.err.contains("holds the secret"), "{}", invites.err);
    assert_eq!(peers(invites.out.trim()).out.lines().count(), 2);

    let plain = ticket(&[]);
    assert_eq!((plain.code, plain.err.as_str()), (Some(0), ""));
    let refused = peers(plain.out.trim());
    assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""), "{}", refused.err);

    let public = nodes.id_cli(&["ticket", "--with-secret"]);
    assert_eq!(public.code, Some(2), "{}", public.err);
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_explains_a_peer_that_it_knows_and_one_that_it_never_heard_of() {
    let nodes = Nodes::start(2, &Network::public()).await;
    let peer = nodes.nodes[1].id().to_string();
    let explained = nodes.id_cli(&["explain", &peer, "--json"]);
    assert_eq!(explained.code, Some(0), "{}", explained.err);
    let explained: Value = serde_json::from_str(&explained.out).unwrap();
    assert_eq!(explained["node_id"], peer);
    assert_eq!(explained["answered_by"], nodes.nodes[0].id().to_string());
    assert_eq!(explained["listed"], true);
    assert_eq!(explained["announcement"]["name"], "node 1");
    assert_eq!(
        explained["author_budget"]["next_in_secs"].as_f64().map(|secs| secs < 5.0),
        Some(true)
    );

    let at = nodes.nodes[1].ticket().to_string();
    let of_another = nodes.id_cli(&["explain", &peer, "--at", &at]);
    assert_eq!(of_another.code, Some(0), "{}", of_another.err);
    assert!(of_another.out.contains("itself: it is the node that was asked"), "{}", of_another.out);

    let stranger = SecretKey::from_bytes(&[7; 32]).public().to_string();
    let unknown = nodes.id_cli(&["explain", &stranger]);
    assert_eq!(
        (unknown.code, &*unknown.err),
        (Some(0), ""),
        "nothing is known, and that is an answer"
    );
    assert!(unknown.out.contains("\nin its table:  no\n"), "{}", unknown.out);
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_that_said_goodbye_is_explained_as_departed() {
    let mut nodes = Nodes::start(2, &Network::public()).await;
    let gone = nodes.nodes.pop().unwrap();
    let peer = gone.id().to_string();
    gone.shutdown().await;
    let explain = || -> Value {
        let ended = nodes.id_cli(&["explain", &peer, "--json"]);
        serde_json::from_str(&ended.out).unwrap()
    };
    let departed = async {
        loop {
            match explain() {
                shown if shown["departed"].is_object() => return shown,
                _ => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let shown = timeout(LIMIT, departed).await.expect("the goodbye was never heard");
    assert_eq!(shown["departed"]["reason"], "left");
    assert_eq!(shown["listed"], false);
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn status_lists_who_brought_the_peers_and_not_among_the_channels() {
    let nodes = Nodes::start(3, &Network::public()).await;
    let status = nodes.id_cli(&["status", "--json"]);
    assert_eq!((status.code, &*status.err), (Some(0), ""));
    let status: Value = serde_json::from_str(&status.out).unwrap();
    let introducers = status["status"]["introducers"]["largest"].as_array().unwrap();
    let sum = |field: &str| introducers.iter().map(|it| it[field].as_f64().unwrap()).sum::<f64>();
    assert_eq!(sum("entries"), 2.0);
    assert!((sum("share_percent") - 100.0).abs() < 0.2, "{introducers:?}");
    let channels = status["status"]["channels"].as_object().unwrap();
    assert!(channels.keys().all(|name| !name.contains("introducer")), "{channels:?}");
    nodes.stop().await;
}

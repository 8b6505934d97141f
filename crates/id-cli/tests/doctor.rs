//! `id-cli doctor` with real nodes on loopback. What needs a broken network is shown in the lab.

mod nodes;
mod support;

use std::{fs, path::Path};

use id_proto::Network;
use nodes::Nodes;
use serde_json::Value;
use support::{Ended, id_cli, run};

/// Contacts nobody but this machine.
const QUIET: [&str; 6] =
    ["doctor", "--json", "--no-dht", "--no-relay", "--no-mdns", "--bind=127.0.0.1:0"];

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/doctor.schema.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The document, checked against its schema.
fn document(ended: &Ended) -> Value {
    let document = serde_json::from_str(&ended.out);
    let document: Value = document.unwrap_or_else(|error| panic!("{error}: {}", ended.err));
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let wrong: Vec<_> = validator.iter_errors(&document).map(|it| it.to_string()).collect();
    assert_eq!(wrong, [""; 0]);
    document
}

fn verdict<'a>(document: &'a Value, step: &str) -> &'a str {
    let steps = document["steps"].as_array().unwrap();
    let step = steps.iter().find(|it| it["step"] == step).unwrap();
    step["verdict"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn running_node_with_peers_is_well() {
    let nodes = Nodes::start(3, &Network::public()).await;
    let ended = nodes.id_cli(&QUIET);
    let document = document(&ended);
    assert_eq!((ended.code, &document["fault"]), (Some(0), &Value::Null), "{}", ended.out);
    assert!(document["cause"].as_str().unwrap().contains("2 peers are known"));
    for step in
        ["data_dir", "instance", "rpc", "peers", "clock", "versions", "membership", "gossip"]
    {
        assert_eq!(verdict(&document, step), "ok", "{step}: {}", ended.out);
    }
    for step in ["ip", "dns", "dht", "mdns", "relay"] {
        assert_eq!(verdict(&document, step), "skipped", "{step}: {}", ended.out);
    }
    let text = nodes.id_cli(&[&QUIET[..1], &QUIET[2..]].concat());
    assert_eq!(text.code, Some(0));
    assert!(text.out.ends_with("No fault was found: 2 peers are known.\n"), "{}", text.out);
    assert!(text.err.contains("looked at node"), "{}", text.err);
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_another_network_on_the_directory_of_a_running_node_are_a_fault() {
    let nodes = Nodes::start(1, &Network::public()).await;
    let ended = nodes.id_cli(&[&QUIET[..], &["--topic", "another"]].concat());
    assert_eq!((ended.code, &document(&ended)["fault"]), (Some(3), &"instance".into()));
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_that_is_named_and_in_a_private_network_is_told_from_one_that_is_gone() {
    let nodes = Nodes::start(1, &Network::derive("office", "blue").unwrap()).await;
    let addr = nodes.nodes[0].endpoint().bound_sockets()[0];
    let reference = format!("{}@{addr}", nodes.nodes[0].id());
    let home = tempfile::tempdir().unwrap();
    let ask =
        |args: &[&str]| run(id_cli(home.path(), [&QUIET[..], &["--ephemeral"], args].concat()));
    let red = ask(&["--topic", "office", "--topic-secret", "crimson", &reference]);
    assert_eq!((red.code, &document(&red)["fault"]), (Some(3), &"membership".into()));
    assert!(!red.out.contains("crimson") && !red.err.contains("crimson"), "{}{}", red.out, red.err);
    let blue = ask(&["--topic", "office", "--topic-secret", "blue", &reference]);
    assert_eq!((blue.code, &document(&blue)["fault"]), (Some(0), &Value::Null), "{}", blue.out);
    nodes.stop().await;
    let gone = ask(&["--topic", "office", "--topic-secret", "blue", &reference]);
    assert_eq!((gone.code, &document(&gone)["fault"]), (Some(3), &"peers".into()), "{}", gone.out);
}

#[cfg(unix)]
#[test]
fn key_that_others_may_read_is_named_without_being_shown() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let key = home.path().join("identity");
    fs::write(&key, "5e".repeat(32)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let dir = home.path().to_str().unwrap();
    let ended =
        run(id_cli(home.path(), [&QUIET[..], &["--data-dir", dir, "--no-gossip"]].concat()));
    assert_eq!((ended.code, &document(&ended)["fault"]), (Some(3), &"key".into()), "{}", ended.err);
    assert!(!ended.out.contains("5e5e5e"), "{}", ended.out);
}

#[test]
fn settings_that_make_no_sense_are_a_mistake_of_usage() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("node.toml");
    fs::write(&config, "nmae = \"n\"\n").unwrap();
    let config = config.to_str().unwrap();
    let ended = run(id_cli(home.path(), [&QUIET[..], &["--config", config]].concat()));
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("nmae"), "{}", ended.err);
    assert_eq!(ended.out, "");
}

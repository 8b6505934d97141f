//! `config show`: what is in force, and where it comes from.

use std::{collections::BTreeSet, fs, path::Path};

use id_node::{
    config_file::ConfigFile,
    id_client::id_proto::{Invitation, Network, Ticket, iroh_base::SecretKey},
};
use serde_json::{Value, json};

use crate::lab::{Ended, IdNode, id_node};

const SECRET: &str = "hunter2-hunter2";

async fn shown(node: IdNode) -> Value {
    let ended = node.args(["config", "show", "--json"]).run().await;
    let shown = serde_json::from_str(&ended.assert_code(0).stdout).unwrap();
    assert_eq!(ended.stderr, "", "{ended}");
    shown
}

async fn as_file(node: IdNode) -> Ended {
    node.args(["config", "show"]).run().await
}

fn setting<'a>(shown: &'a Value, key: &str) -> &'a Value {
    &shown["settings"][key]
}

fn write(dir: &Path, name: &str, content: &str) -> String {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_value_is_shown_with_where_it_comes_from() {
    let dir = tempfile::tempdir().unwrap();
    let config = write(dir.path(), "c.toml", "# mine\nname = \"file\"\ntopic = \"office\"\n");
    let node = id_node()
        .args(["--config", &config, "--bind", "127.0.0.1:0", "--announce-interval=7"])
        .env("ID_NODE_NAME", "variable")
        .env("STATE_DIRECTORY", "/var/lib/id-node");
    let shown = shown(node.arg("-v")).await;
    assert_eq!(shown["format_version"], "1.0");
    assert_eq!(shown["config"], config);
    let of = |key| setting(&shown, key);
    let plain = |value: Value, origin| json!({ "value": value, "hidden": false, "origin": origin });
    assert_eq!(of("announce-interval"), &plain(json!(7), "flag"));
    assert_eq!(of("log-level"), &plain(json!("info"), "flag"));
    assert_eq!(of("bind"), &plain(json!("127.0.0.1:0"), "flag"));
    assert_eq!(of("no-mdns"), &plain(json!(true), "default"), "because of --bind");
    assert_eq!(of("deny"), &plain(Value::Null, "default"));
    assert_eq!(of("name")["value"], "variable");
    assert_eq!(of("name")["variable"], "ID_NODE_NAME");
    assert_eq!(of("topic")["value"], "office");
    assert_eq!((&of("topic")["file"], &of("topic")["line"]), (&json!(config), &json!(3)));
    assert_eq!(of("data-dir")["value"], "/var/lib/id-node");
    assert_eq!(of("data-dir")["variable"], "STATE_DIRECTORY");
}

/// What the help says can be set is all there is, and all of it is shown.
#[tokio::test]
async fn every_variable_of_the_help_is_shown() {
    let help = id_node().arg("--help").run().await;
    let named = help.stdout.split("ID_NODE_").skip(1);
    let mut named: Vec<_> = named
        .map(|rest| rest.split(|c: char| !(c.is_ascii_uppercase() || c == '_')).next().unwrap())
        .map(|name| name.to_lowercase().replace('_', "-"))
        .filter(|key| key != "config")
        .collect();
    named.sort();
    named.dedup();
    assert!(named.len() > 20, "{named:?}");
    let shown = shown(id_node().arg("--ephemeral")).await;
    let mut keys: Vec<_> = shown["settings"].as_object().unwrap().keys().cloned().collect();
    keys.sort();
    assert_eq!(keys, named);
}

#[tokio::test]
async fn what_is_shown_is_a_configuration_file_that_amounts_to_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["--name", "a \"b\" \\", "--topic=t", "--dht-bootstrap", "a.example:1,[::1]:2"];
    let node = || id_node().args(flags).args(["--relay=https://r.example", "--data-dir=/x", "-vv"]);
    let first = as_file(node()).await;
    let copy = write(dir.path(), "copy.toml", &first.assert_code(0).stdout);
    let values = |shown: &Value| -> Vec<(String, Value)> {
        let settings = shown["settings"].as_object().unwrap().iter();
        settings.map(|(key, setting)| (key.clone(), setting["value"].clone())).collect()
    };
    let (one, other) = (shown(node()).await, shown(id_node().args(["--config", &copy])).await);
    assert_eq!(values(&one), values(&other));
    assert_eq!(setting(&other, "log-level")["origin"], "file");
    // A default that is written down is the same default.
    let plain = as_file(id_node().arg("--ephemeral")).await;
    let copy = write(dir.path(), "plain.toml", &plain.stdout);
    let again = shown(id_node().args(["--config", &copy])).await;
    assert_eq!(values(&again), values(&shown(id_node().arg("--ephemeral")).await));
}

fn inviting(secret: &str) -> String {
    let network = Network::derive("t", secret).unwrap();
    let invitation = Invitation { topic: "t".to_owned(), secret: secret.to_owned() };
    let peer = SecretKey::from_bytes(&[7; 32]).public();
    let ticket = Ticket {
        network_tag: network.tag(),
        peers: vec![peer.into()],
        invitation: Some(invitation),
    };
    ticket.to_string()
}

/// Not even their lengths: two secrets look the same.
#[tokio::test]
async fn secrets_are_hidden_wherever_they_come_from() {
    let dir = tempfile::tempdir().unwrap();
    let secrets = [SECRET.to_owned(), SECRET.repeat(9)];
    let texts = async |node: &dyn Fn(&str) -> IdNode| {
        let mut texts = Vec::new();
        for secret in &secrets {
            let both = [
                as_file(node(secret)).await,
                node(secret).args(["config", "show", "--json"]).run().await,
            ];
            let both = both.map(|ended| ended.assert_code(0).stdout.clone()).concat();
            assert!(!both.contains(SECRET), "{both}");
            texts.push(both);
        }
        assert_eq!(texts[0], texts[1]);
        texts.remove(0)
    };
    let plain = || id_node().args(["--ephemeral", "--topic=t"]);
    let flag = texts(&|secret| plain().args(["--topic-secret", secret])).await;
    assert!(flag.contains("# topic-secret is hidden"), "{flag}");
    assert!(flag.contains("\"origin\": \"flag\""), "{flag}");
    let variable = texts(&|secret| plain().env("ID_NODE_TOPIC_SECRET", secret)).await;
    assert!(variable.contains("$ID_NODE_TOPIC_SECRET"), "{variable}");
    let file = |secret: &str| {
        let config = write(dir.path(), "c.toml", &format!("\ntopic-secret = {secret:?}"));
        plain().args(["--config", &config])
    };
    let file = texts(&file).await;
    assert!(file.contains("c.toml, line 2"), "{file}");
    let credential = |secret: &str| {
        write(dir.path(), "topic-secret", secret);
        plain().env("CREDENTIALS_DIRECTORY", dir.path().to_str().unwrap())
    };
    let credential = texts(&credential).await;
    assert!(credential.contains("$CREDENTIALS_DIRECTORY"), "{credential}");
    let own_file =
        |secret: &str| plain().args(["--topic-secret-file", &write(dir.path(), "mine", secret)]);
    let own_file = texts(&own_file).await;
    assert!(own_file.contains("# topic-secret is not set"), "{own_file}");

    let ticket = inviting(SECRET);
    let by_ticket = as_file(id_node().args(["--ephemeral", "--bootstrap", &ticket])).await;
    let text = &by_ticket.assert_code(0).stdout;
    assert!(text.contains("# topic-secret is hidden") && text.contains("# ticket"), "{text}");
    assert!(!text.contains(&ticket), "it can be read out of the ticket");
    let shown = text.lines().find_map(|line| line.strip_prefix("bootstrap = \"")).unwrap();
    let shown: Ticket = match shown.split('"').next().unwrap().parse().unwrap() {
        id_node::id_client::id_proto::PeerRef::Ticket(ticket) => ticket,
        other => panic!("{other:?}"),
    };
    assert_eq!(shown.invitation, None);
}

/// As it is, nothing is set; without its comments, all is.
#[tokio::test]
async fn the_example_of_a_configuration_file_names_every_key_and_sets_none() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/id-node.toml");
    let as_it_is = id_node().arg("--ephemeral").args(["--config", example.to_str().unwrap()]);
    let shown = shown(as_it_is).await;
    let settings = shown["settings"].as_object().unwrap();
    assert!(settings.values().all(|setting| setting["origin"] != "file"), "{shown}");

    let text = fs::read_to_string(&example).unwrap();
    let is_setting = |line: &&str| !line.starts_with(' ') && line.contains(" = ");
    let lines = text.lines().filter_map(|line| line.strip_prefix('#')).filter(is_setting);
    let all = lines.collect::<Vec<_>>().join("\n");
    ConfigFile::parse(&all).unwrap();
    let named = toml::from_str::<toml::Table>(&all).unwrap();
    let keys = settings.keys().collect::<BTreeSet<_>>();
    assert_eq!(named.keys().collect::<BTreeSet<_>>(), keys);
    // Keys that are marked are those that may change while a node runs.
    let mut marked = false;
    for line in text.lines() {
        match line.strip_prefix('#').filter(is_setting) {
            Some(setting) => {
                let key = setting.split(" = ").next().unwrap();
                let is_live = [
                    "name",
                    "bootstrap",
                    "deny",
                    "deny-file",
                    "allow",
                    "allow-file",
                    "operator",
                    "allow-write",
                    "log-level",
                ]
                .contains(&key);
                assert_eq!(marked, is_live, "{key}");
            }
            None => marked = line.starts_with("# * ") || marked && !line.is_empty(),
        }
    }
}

#[tokio::test]
async fn settings_that_make_no_node_are_not_shown_but_named() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = write(dir.path(), "wrong.toml", "name = \"n\"\nnmae = 1\n");
    for (args, mentions) in [
        (["--config", "/no/such/file"], &["--config", "/no/such/file"][..]),
        (["--config", &wrong], &[&wrong, "line 2", "nmae"]),
        (["--announce-interval", "0"], &["--announce-interval"]),
    ] {
        as_file(id_node().args(args)).await.assert_code(2).assert_one_line(mentions);
    }
}

#[tokio::test]
async fn with_json_logs_the_last_error_is_json_too() {
    let json = || id_node().args(["--log-format", "json"]);
    for (node, code) in [
        (json().args(["--data-dir", "/dev/null/nowhere", "--no-dht"]), 1),
        (json().args(["--name", "", "--ephemeral"]), 2),
    ] {
        let ended = node.run().await;
        let line: Value = serde_json::from_str(&ended.assert_code(code).stderr).expect("one line");
        assert_eq!(line["fields"]["event"], "failed", "{line}");
    }
}

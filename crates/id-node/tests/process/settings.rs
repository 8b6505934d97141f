//! Flags, variables and the configuration file: which wins, and what is wrong with a bad one.

use std::{fs, path::PathBuf};

use id_node::id_client::id_proto::{Invitation, Network, PeerRef, Ticket, iroh_base::SecretKey};
use tempfile::TempDir;

use crate::lab::{asking, asking_in, at, ephemeral, eventually, id_node, node_json};

const SECRET: &str = "hunter2-hunter2";

fn file(content: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("id-node.toml");
    fs::write(&path, content).unwrap();
    (dir, path)
}

#[tokio::test]
async fn a_flag_beats_its_variable_which_beats_the_file() {
    let (_dir, config) = file("name = \"file\"\ntopic = \"file\"\nephemeral = true");
    let config = config.to_str().unwrap();
    let node = || crate::lab::offline().args(["--config", config]);
    let both = async |node: crate::lab::IdNode| {
        let node = node.start().await;
        let topic = node.said("peers").to_owned();
        let topic = topic.strip_prefix("gossip enabled (topic: ").unwrap();
        let network = Network::derive(topic.trim_end_matches(')'), "id-public-discovery-v1");
        let mut name = None;
        asking_in(network.unwrap(), async |asking| name = asking.name(&node).await).await;
        (name.unwrap(), topic.trim_end_matches(')').to_owned())
    };
    let owned = |name: &str, topic: &str| (name.to_owned(), topic.to_owned());
    assert_eq!(both(node()).await, owned("file", "file"));
    let with_env = || node().env("ID_NODE_NAME", "env");
    assert_eq!(both(with_env()).await, owned("env", "file"));
    let with_flag = with_env().args(["--name", "flag", "--topic", "flag"]);
    assert_eq!(both(with_flag).await, owned("flag", "flag"));
    let by_env = ephemeral().env("ID_NODE_CONFIG", config);
    assert_eq!(both(by_env).await, owned("file", "file"));
}

#[tokio::test]
async fn everything_can_be_set_in_the_file() {
    let first = ephemeral().args(["--topic", "t", "--topic-secret", SECRET]).start().await;
    let home = tempfile::tempdir().unwrap();
    let (_dir, config) = file(&format!(
        "data-dir = {home:?}\nephemeral = false\nname = \"n\"\ntopic = \"t\"\n\
         topic-secret = {SECRET:?}\nbootstrap = [{ticket:?}]\nno-gossip = false\nno-dht = true\n\
         no-mdns = true\nrelay = \"disabled\"\nbind = \"127.0.0.1:0\"\nannounce-addrs = \"all\"\n\
         announce-interval = 1\nhttp = \"off\"\nhttp-host = \"id.test\"\nlog-format = \"json\"\n",
        home = home.path(),
        ticket = first.ticket(),
    ));
    let second = id_node().args(["-v", "--config", config.to_str().unwrap()]).start().await;
    assert_eq!(node_json(home.path()).unwrap().node_id, second.id());
    asking_in(Network::derive("t", SECRET).unwrap(), async |asking| {
        assert_eq!(asking.name(&second).await.as_deref(), Some("n"));
        eventually("they meet", async || asking.knows(&first, second.id()).await).await;
        let entry = asking.entry(&first, second.id()).await.unwrap();
        assert_eq!(entry.announcement.interval_secs, 1);
    })
    .await;
    assert!(!second.events().is_empty());
}

#[tokio::test]
async fn names_to_ask_the_dns_for_can_be_set_in_the_file() {
    // Without gossip nobody is asked.
    let set =
        |name: &str| file(&format!("no-gossip = true\nbootstrap-dns = [\"a.test\", {name:?}]"));
    let (_dir, config) = set("b.test");
    ephemeral().args(["--config", config.to_str().unwrap()]).start().await;
    let (_dir, config) = set("no name");
    let ended = ephemeral().args(["--config", config.to_str().unwrap()]).run().await;
    ended.assert_code(2).assert_one_line(&["--bootstrap-dns", "no name"]);
}

#[tokio::test]
async fn a_ticket_that_invites_brings_its_network() {
    let first = ephemeral().args(["--topic", "office", "--topic-secret", SECRET]).start().await;
    let PeerRef::Ticket(ticket) = first.ticket().parse().unwrap() else { panic!() };
    let invitation = Invitation { topic: "office".to_owned(), secret: SECRET.to_owned() };
    let ticket = Ticket { invitation: Some(invitation), ..ticket }.to_string();
    let second = ephemeral().args(["--bootstrap", &ticket]).start().await;
    assert_eq!(second.said("peers"), "gossip enabled (topic: office)");
    asking_in(Network::derive("office", SECRET).unwrap(), async |asking| {
        eventually("they meet", async || asking.knows(&first, second.id()).await).await;
    })
    .await;
}

#[tokio::test]
async fn an_unknown_key_is_named_with_its_line() {
    let (_dir, config) = file("name = \"n\"\n\nnmae = \"m\"\n");
    let config = config.to_str().unwrap();
    let ended = ephemeral().args(["--config", config]).run().await;
    ended.assert_code(2).assert_one_line(&[config, "line 3", "nmae"]);
}

#[tokio::test]
async fn no_error_quotes_the_secret() {
    let wrong = [
        format!("topic_secret = \"{SECRET}\""),
        format!("topic-secret = {SECRET}"),
        format!("topic-secret = \"{SECRET}"),
        format!("topic-secret = [\"{SECRET}\"]"),
        format!("topic-secret = {{ {SECRET} = 1 }}"),
        format!("topic-secret = \"{SECRET}\"\ntopic-secret = \"{SECRET}\""),
        format!("topic-secret = \"{SECRET}\" \"{SECRET}\""),
        format!("topic-secret = \"{SECRET}\\q\""),
        format!("topic-secret {SECRET}"),
        format!("topic-secret = \"{}\"", SECRET.repeat(100)),
    ];
    for content in wrong {
        let (_dir, config) = file(&content);
        let ended = ephemeral().args(["--config", config.to_str().unwrap()]).run().await;
        assert!(!ended.assert_code(2).stderr.contains(SECRET), "{content}: {ended}");
        ended.assert_one_line(&[]);
    }
    // A number, though it was meant as a secret.
    let (_dir, config) = file("topic-secret = 8675309");
    let ended = ephemeral().args(["--config", config.to_str().unwrap()]).run().await;
    assert!(!ended.assert_code(2).stderr.contains("8675309"), "{ended}");

    let long = SECRET.repeat(100);
    let both = ["--topic-secret", SECRET, "--topic-secret-file", "/dev/null"];
    for (ended, code) in [
        (ephemeral().args(["--topic-secret", &long]).run().await, 2),
        (ephemeral().env("ID_NODE_TOPIC_SECRET", &long).run().await, 2),
        (ephemeral().args(both).run().await, 2),
        (ephemeral().args(["--topic-secret", SECRET, "--bind", "nowhere"]).run().await, 2),
        (id_node().env("ID_NODE_TOPIC_SECRET", SECRET).arg("--no-such-flag").run().await, 2),
        (id_node().env("ID_NODE_TOPIC_SECRET", SECRET).arg("--help").run().await, 0),
        (id_node().env("ID_NODE_TOPIC_SECRET", SECRET).arg("-h").run().await, 0),
    ] {
        ended.assert_code(code);
        assert!(!ended.stderr.contains(SECRET) && !ended.stdout.contains(SECRET), "{ended}");
    }
}

fn command_line(pid: u32) -> String {
    let mut ps = std::process::Command::new("ps");
    let shown = ps.args(["-ww", "-o", "args=", "-p", &pid.to_string()]).output().unwrap();
    String::from_utf8(shown.stdout).unwrap()
}

/// A secret that comes by variable or file is in no command line, log, or file of the node.
#[tokio::test]
async fn a_running_node_shows_its_secret_to_nobody() {
    let (_dir, secret_file) = file(&format!("{SECRET}\n"));
    let secret_file = secret_file.to_str().unwrap();
    let network = Network::derive("t", SECRET).unwrap();
    for by_file in [true, false] {
        let home = tempfile::tempdir().unwrap();
        let node = at(home.path()).args(["-vvv", "--topic", "t"]);
        let node = match by_file {
            true => node.args(["--topic-secret-file", secret_file]),
            false => node.env("ID_NODE_TOPIC_SECRET", SECRET),
        };
        let node = node.start().await;
        asking_in(network.clone(), async |asking| drop(asking.name(&node).await)).await;
        let shown = command_line(node.pid());
        assert!(shown.contains("id-node") && !shown.contains(SECRET), "{shown}");
        for file in fs::read_dir(home.path()).unwrap() {
            let content = fs::read(file.unwrap().path()).unwrap();
            assert!(!content.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()));
        }
        assert!(!node.startup.concat().contains(SECRET));
        let ended = node.terminate().await;
        assert!(!ended.assert_code(0).stderr.contains(SECRET), "{ended}");
    }
}

#[tokio::test]
async fn a_bad_value_gets_one_line_that_says_which() {
    let elsewhere = ephemeral().args(["--topic", "elsewhere"]).start().await;
    let ticket = elsewhere.ticket();
    let id = SecretKey::from_bytes(&[7; 32]).public().to_string();
    let cases: &[(&[&str], &[&str])] = &[
        (&["--bootstrap", "nobody"], &["--bootstrap", "nobody"]),
        (&["--bootstrap", &id[1..]], &["--bootstrap", &id[1..]]),
        (&["--bootstrap", &format!("{id}@")], &["--bootstrap"]),
        (&["--bootstrap", &format!("{id}@127.0.0.1")], &["--bootstrap", "127.0.0.1"]),
        (&["--bootstrap", "idticket"], &["--bootstrap", "ticket"]),
        (&["--bootstrap", &ticket[..40]], &["--bootstrap", "ticket"]),
        (&["--bootstrap", ticket], &["--bootstrap", "ticket", "network"]),
        (&["--topic", ""], &["topic", "empty"]),
        (&["--topic-secret", ""], &["secret", "empty"]),
        (&["--name", ""], &["--name"]),
        (&["--name", "a\u{1b}[2J"], &["--name"]),
        (&["--name", &"x".repeat(65)], &["--name"]),
        (&["--relay", "default"], &["--relay", "--no-relay"]),
        (&["--announce-interval", "0"], &["--announce-interval"]),
        (&["--announce-interval", "86401"], &["--announce-interval"]),
        (&["--topic-secret-file", "/no/such/file"], &["--topic-secret-file", "/no/such/file"]),
        (&["--config", "/no/such/file"], &["--config", "/no/such/file"]),
    ];
    for (args, mentions) in cases {
        let node = args.iter().fold(ephemeral(), |node, arg| node.arg(arg));
        node.run().await.assert_code(2).assert_one_line(mentions);
    }
    // What clap refuses takes a few lines more.
    for args in [
        ["--bootstrap-dns", "not a name"],
        ["--bind", "nowhere"],
        ["--relay", "ftp://x"],
        ["--announce-addrs", "some"],
    ] {
        let node = id_node().arg("--ephemeral").args(args).run().await;
        assert!(node.assert_code(2).stderr.contains(args[0]), "{node}");
    }
}

#[tokio::test]
async fn a_flag_beats_the_variable_of_the_flag_that_it_contradicts() {
    let node = id_node().args(["--ephemeral", "--no-dht", "--bind", "127.0.0.1:0", "--no-relay"]);
    node.env("ID_NODE_RELAY", "https://relay.invalid").start().await;

    let (_dir, secret_file) = file(SECRET);
    let node = ephemeral().args(["--topic-secret-file", secret_file.to_str().unwrap()]);
    let node = node.env("ID_NODE_TOPIC_SECRET", "another").start().await;
    let network = Network::derive("id-peer-discovery-v1", SECRET).unwrap();
    asking_in(network, async |asking| {
        assert!(asking.whoami(node.addr()).await.unwrap().about.is_some());
    })
    .await;
}

#[tokio::test]
async fn switches_can_be_set_to_false() {
    let (_dir, config) = file("ephemeral = true\nno-gossip = true");
    let config = config.to_str().unwrap();
    let node = crate::lab::offline().args(["--config", config, "--no-gossip=false"]);
    assert!(node.start().await.said("peers").starts_with("gossip enabled"));
    let node = ephemeral().env("ID_NODE_NO_GOSSIP", "true");
    assert!(node.start().await.said("peers").starts_with("gossip disabled"));
}

#[tokio::test]
async fn systemds_credentials_and_state_directory_are_used() {
    let (dir, _) = file("");
    fs::write(dir.path().join("topic-secret"), format!("{SECRET}\n")).unwrap();
    let home = tempfile::tempdir().unwrap();
    let node = crate::lab::offline()
        .env("CREDENTIALS_DIRECTORY", dir.path().to_str().unwrap())
        .env("STATE_DIRECTORY", home.path().to_str().unwrap())
        .start()
        .await;
    assert_eq!(node_json(home.path()).unwrap().node_id, node.id());
    let network = Network::derive("id-peer-discovery-v1", SECRET).unwrap();
    asking_in(network, async |asking| {
        assert!(asking.whoami(node.addr()).await.unwrap().about.is_some());
    })
    .await;
    asking(async |outsider| {
        assert!(outsider.whoami(node.addr()).await.unwrap().about.is_none());
    })
    .await;
}

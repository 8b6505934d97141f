//! SIGHUP: lists are read again, and nothing else happens to the node.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use id_node::{
    data_dir::cli_key,
    id_client::{
        FailKind,
        id_proto::iroh_base::{PublicKey, SecretKey},
    },
};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::lab::{Asking, PATIENCE, Running, asking, at, ephemeral, eventually};

fn stranger(seed: u8) -> PublicKey {
    SecretKey::from_bytes(&[seed; 32]).public()
}

fn listing<'a>(peers: impl IntoIterator<Item = &'a PublicKey>) -> String {
    peers.into_iter().map(|peer| format!("{peer} # somebody\n")).collect()
}

/// A directory with the files in it.
fn files<const N: usize>(files: [(&str, &str); N]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

fn path(dir: &TempDir, file: &str) -> String {
    dir.path().join(file).to_str().unwrap().to_owned()
}

fn write(file: impl AsRef<Path>, content: &str) {
    fs::write(file, content).unwrap();
}

/// Two nodes that know each other, of whom the first has these arguments too.
async fn two(asking: &Asking, args: [&str; 2]) -> [Running; 2] {
    let node = ephemeral().args(args).start().await;
    let other = ephemeral().args(["--bootstrap", node.ticket()]).start().await;
    for (one, another) in [(&node, &other), (&other, &node)] {
        eventually("they meet", async || asking.knows(one, another.id()).await).await;
    }
    [node, other]
}

#[tokio::test]
async fn a_node_that_is_put_on_the_file_is_gone_after_sighup_and_back_after_the_next() {
    asking(async |asking| {
        let dir = files([("deny", "# nobody yet\n")]);
        let list = path(&dir, "deny");
        let [node, other] = two(asking, ["--deny-file", &list]).await;
        write(&list, &listing(&[other.id(), stranger(1)]));
        node.signal("HUP");
        node.logged("denied=2 removed=1").await;
        assert!(!asking.knows(&node, other.id()).await);
        assert!(asking.knows(&other, node.id()).await, "the list is the node's own");

        write(&list, "");
        node.signal("HUP");
        node.logged("denied=0 removed=0").await;
        eventually("it is back", async || asking.knows(&node, other.id()).await).await;
        node.terminate().await.assert_code(0);
    })
    .await;
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_the_log_names_its_line() {
    asking(async |asking| {
        let bad = stranger(1);
        let dir = files([("deny", &listing(&[bad]))]);
        let list = path(&dir, "deny");
        let [node, other] = two(asking, ["--deny-file", &list]).await;
        write(&list, &format!("{}\n\nnobody\n", other.id()));
        node.signal("HUP");
        node.logged("reload_failed").await;
        for mention in ["--deny-file", &list, "line 3", "nobody"] {
            assert!(node.log().contains(mention), "{mention}: {}", node.log());
        }
        assert!(asking.knows(&node, other.id()).await);

        fs::remove_file(&list).unwrap();
        node.signal("HUP");
        node.logged("No such file").await;
        assert!(asking.knows(&node, other.id()).await);
        assert!(asking.access(&node).await.starts_with("everybody but 1; a reload failed"));

        write(&list, "");
        node.signal("HUP");
        node.logged("denied=0").await;
        assert!(asking.access(&node).await.starts_with("everybody; reloaded"));
        node.terminate().await.assert_code(0);
    })
    .await;
}

#[tokio::test]
async fn the_configuration_files_lists_are_read_again_too() {
    asking(async |asking| {
        let dir = files([("id-node.toml", "")]);
        let config = path(&dir, "id-node.toml");
        let [node, other] = two(asking, ["--config", &config]).await;
        write(&config, &format!("deny = [\"{}\", \"{}\"]", stranger(1), other.id()));
        node.signal("HUP");
        node.logged("denied=2 removed=1").await;
        assert!(!asking.knows(&node, other.id()).await);

        write(&config, "\ndeny = [");
        node.signal("HUP");
        node.logged("line 2").await;
        assert!(asking.access(&node).await.starts_with("everybody but 2; a reload failed"));

        // A file that it names is read, and with it those who are named in the place of a flag.
        write(path(&dir, "list"), &listing(&[other.id()]));
        let by_file = format!("deny-file = {:?}\ndeny = \"{}\"", path(&dir, "list"), stranger(1));
        write(&config, &by_file);
        node.signal("HUP");
        node.logged("denied=2 removed=0").await;
        assert!(!asking.knows(&node, other.id()).await);
        node.terminate().await.assert_code(0);
    })
    .await;
}

#[tokio::test]
async fn a_new_name_is_announced_after_sighup() {
    asking(async |asking| {
        let dir = files([("id-node.toml", "name = \"before\"")]);
        let config = path(&dir, "id-node.toml");
        let [node, other] = two(asking, ["--config", &config]).await;
        let called = async |name: Option<&str>| {
            let entry = asking.entry(&other, node.id()).await;
            entry.is_some_and(|entry| entry.announcement.name.as_deref() == name)
        };
        eventually("it has its name", async || called(Some("before")).await).await;
        write(&config, "name = \"after\"");
        node.signal("HUP");
        eventually("it has the new one", async || called(Some("after")).await).await;
        assert!(node.log().contains("changed=\"name\""), "{}", node.log());
        write(&config, "");
        node.signal("HUP");
        eventually("it has none", async || called(None).await).await;
        node.terminate().await.assert_code(0);
    })
    .await;
}

#[tokio::test]
async fn a_new_bootstrap_peer_is_joined_through_after_sighup() {
    asking(async |asking| {
        let dir = files([("id-node.toml", "")]);
        let config = path(&dir, "id-node.toml");
        let node = ephemeral().args(["--config", &config]).start().await;
        let other = ephemeral().start().await;
        write(&config, &format!("bootstrap = [{:?}]", other.ticket()));
        node.signal("HUP");
        eventually("they meet", async || asking.knows(&other, node.id()).await).await;
        assert!(asking.knows(&node, other.id()).await);
        // It isn't lost when it isn't named any more.
        write(&config, "");
        node.signal("HUP");
        eventually("that is done", async || node.log().matches("reloaded").count() == 2).await;
        assert!(asking.knows(&node, other.id()).await);
        node.terminate().await.assert_code(0);
    })
    .await;
}

#[tokio::test]
async fn another_log_level_is_in_force_after_sighup_and_no_flag_is_beaten() {
    let dir = files([("id-node.toml", "")]);
    let config = path(&dir, "id-node.toml");
    let node = ephemeral().args(["--config", &config]).start().await;
    let stubborn = ephemeral().args(["--config", &config, "--log-level", "warn"]).start().await;
    write(&config, "log-level = \"info\"");
    for node in [&node, &stubborn] {
        node.signal("HUP");
        node.logged("reloaded").await;
    }
    let other =
        ephemeral().args(["--bootstrap", &format!("{},{}", node.ticket(), stubborn.ticket())]);
    let other = other.start().await;
    node.logged("neighbour_up").await;
    asking(async |asking| {
        eventually("they meet", async || asking.knows(&stubborn, other.id()).await).await;
    })
    .await;
    assert!(!stubborn.log().contains("neighbour_up"), "{}", stubborn.log());
    write(&config, "log-level = \"warn\"");
    node.signal("HUP");
    eventually("that is done", async || node.log().matches("reloaded").count() == 2).await;
    let n_lines = node.log().lines().count();
    other.terminate().await.assert_code(0);
    asking(async |asking| {
        eventually("it is gone", async || asking.table(&node).await.len() < 2).await;
    })
    .await;
    assert_eq!(node.log().lines().count(), n_lines, "{}", node.log());
}

#[tokio::test]
async fn what_needs_a_restart_is_named_after_sighup_and_the_rest_is_in_force() {
    asking(async |asking| {
        let dir = files([("id-node.toml", "announce-interval = 9\nno-dht = true")]);
        let config = path(&dir, "id-node.toml");
        let node = ephemeral().args(["--config", &config]).start().await;
        // A default that is written down is no change.
        write(&config, "name = \"n\"\ntopic = \"t\"\nannounce-interval = 8\nno-gossip = false");
        node.signal("HUP");
        node.logged("reloaded").await;
        let log = node.log();
        let warned = log.lines().find(|line| line.contains("restart_needed")).expect(&log);
        assert!(warned.contains("\"topic, announce-interval\""), "{warned}");
        let is_named = async || asking.name(&node).await.as_deref() == Some("n");
        eventually("the rest is in force", is_named).await;
        node.terminate().await.assert_code(0);
    })
    .await;
}

#[tokio::test]
async fn one_wrong_key_leaves_all_as_it_was() {
    asking(async |asking| {
        let dir = files([("id-node.toml", "name = \"before\"")]);
        let config = path(&dir, "id-node.toml");
        let [node, other] = two(asking, ["--config", &config]).await;
        let bad = format!("name = \"after\"\ndeny = \"{}\"\nbind = \"nowhere\"", other.id());
        write(&config, &bad);
        node.signal("HUP");
        node.logged("reload_failed").await;
        assert!(node.log().contains("line 3: bind"), "{}", node.log());
        assert_eq!(asking.name(&node).await.as_deref(), Some("before"));
        assert!(asking.knows(&node, other.id()).await);
        node.terminate().await.assert_code(0);
    })
    .await;
}

#[tokio::test]
async fn sighup_without_anything_to_read_is_logged_and_harmless() {
    asking(async |asking| {
        let node = ephemeral().args(["--deny", &stranger(1).to_string()]).start().await;
        node.signal("HUP");
        node.logged("SIGHUP").await;
        assert_eq!(asking.access(&node).await, "everybody but 1");
        node.terminate().await.assert_code(0);
    })
    .await;
}

/// A pipe into which nobody writes is read for ever.
#[tokio::test]
async fn a_list_that_does_not_end_keeps_no_node_from_stopping() {
    let dir = files([("deny", "")]);
    let list = path(&dir, "deny");
    let node = ephemeral().args(["--deny-file", &list]).start().await;
    fs::remove_file(&list).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&list).status().unwrap();
    assert!(made.success());
    node.signal("HUP");
    // Opening it waits for whoever reads it.
    let writer = tokio::task::spawn_blocking(move || fs::File::create(list));
    let _writer = timeout(PATIENCE, writer).await.expect("it is read").unwrap().unwrap();
    node.terminate().await.assert_code(0);
}

/// Who asks is a program with a key of its own, as id-cli is.
#[tokio::test]
async fn with_an_allow_list_whoever_may_read_the_data_directory_may_still_ask() {
    let home = tempfile::tempdir().unwrap();
    let dir = files([("allow", ""), ("id-node.toml", "")]);
    let config = path(&dir, "id-node.toml");
    let node = at(home.path()).args(["--config", &config]).start().await;
    assert!(cli_key(home.path()).is_none(), "it answers everybody");
    write(&config, &format!("allow-file = {:?}", path(&dir, "allow")));
    node.signal("HUP");
    node.logged("reloaded").await;
    let key = cli_key(home.path()).expect("it was made");
    let mode = fs::metadata(home.path().join("cli-key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    asking(async |stranger| {
        let error = stranger.whoami(node.addr()).await.unwrap_err();
        assert_eq!(error.kind, FailKind::Refused, "{error}");
        let operator = stranger.with_key(key).await;
        assert!(operator.access(&node).await.starts_with("only 0; reloaded"));
        operator.close().await;
    })
    .await;
    node.terminate().await.assert_code(0);
    let node = at(home.path()).start().await;
    assert!(cli_key(home.path()).is_none(), "it answers everybody again");
    node.terminate().await.assert_code(0);
}

#[tokio::test]
async fn a_bootstrap_peer_that_is_not_admitted_is_refused_at_the_start() {
    let (peer, friend) = (stranger(1).to_string(), stranger(2).to_string());
    let dir = files([("list", &listing(&[stranger(1)])), ("friends", &listing(&[stranger(2)]))]);
    for (flag, value, mention) in [
        ("--deny", peer.as_str(), "--deny"),
        ("--deny-file", &path(&dir, "list"), "--deny"),
        ("--allow", &friend, "--allow"),
        ("--allow-file", &path(&dir, "friends"), "--allow"),
    ] {
        let node = ephemeral().args(["--bootstrap", &peer, flag, value]);
        node.run().await.assert_code(2).assert_one_line(&["--bootstrap", &peer, mention]);
    }
    let both = ["--bootstrap", &peer, "--allow", &friend, "--allow-file", &path(&dir, "list")];
    ephemeral().args(both).start().await;
}

#[tokio::test]
async fn a_wrong_list_gets_one_line_that_says_which() {
    let dir = files([("list", "\nnobody\n")]);
    let list = path(&dir, "list");
    for (args, mentions) in [
        (["--deny", "nobody"], &["--deny", "nobody"][..]),
        (["--allow", "nobody"], &["--allow", "nobody"]),
        (["--allow", ""], &["--allow", "at least one"]),
        (["--deny-file", &list], &["--deny-file", &list, "line 2", "nobody"]),
        (["--allow-file", &list], &["--allow-file", &list, "line 2", "nobody"]),
        (["--allow-file", "/no/such/file"], &["--allow-file", "/no/such/file"]),
    ] {
        ephemeral().args(args).run().await.assert_code(2).assert_one_line(mentions);
    }
}

#[tokio::test]
async fn variables_are_as_good_as_flags() {
    let dir = files([("list", &listing(&[stranger(2), stranger(3)]))]);
    let node = ephemeral()
        .env("ID_NODE_DENY", &stranger(1).to_string())
        .env("ID_NODE_DENY_FILE", &path(&dir, "list"));
    let node = node.start().await;
    asking(async |asking| assert_eq!(asking.access(&node).await, "everybody but 3")).await;
}

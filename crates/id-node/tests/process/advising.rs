//! What a node says when it can't run: one line, with what is wrong and what to try.

use std::{fs, net::UdpSocket, os::unix::fs::PermissionsExt};

use crate::lab::{at, ephemeral, id_node, offline};

#[tokio::test]
async fn port_that_another_program_has_and_address_of_another_machine() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let offline = || id_node().args(["--ephemeral", "--no-dht", "--no-mdns"]).arg("--no-relay");
    let ended = offline().args(["--bind", &taken]).run().await;
    ended.assert_code(1).assert_one_line(&["can't bind", "another program has that port"]);
    let ended = offline().args(["--bind", "203.0.113.1:0"]).run().await;
    ended.assert_code(1).assert_one_line(&["can't bind", "no such address", "0.0.0.0"]);
}

#[tokio::test]
async fn data_directory_that_cant_be_made() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let ended = at(&file).run().await;
    let path = file.to_str().unwrap();
    ended.assert_code(1).assert_one_line(&[path, "give a --data-dir that this user can write to"]);
}

#[tokio::test]
async fn identity_that_others_can_read_or_that_is_none() {
    let home = tempfile::tempdir().unwrap();
    let identity = home.path().join("identity");
    fs::write(&identity, "ab".repeat(32)).unwrap();
    fs::set_permissions(&identity, fs::Permissions::from_mode(0o644)).unwrap();
    let ended = at(home.path()).run().await;
    ended.assert_code(1).assert_one_line(&["may be read by others", "chmod 600"]);
    fs::write(&identity, "no key").unwrap();
    fs::set_permissions(&identity, fs::Permissions::from_mode(0o600)).unwrap();
    let ended = at(home.path()).run().await;
    ended.assert_code(1).assert_one_line(&["holds no key", "restore it from a backup"]);
}

#[tokio::test]
async fn settings_that_make_no_sense() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("id-node.toml");
    let config = config.to_str().unwrap();
    let ticket = ephemeral().start().await;
    let cases: [(&[&str], &[&str]); 7] = [
        (&["--bootstrap", "localhost:4433"], &["--bootstrap", "`id@ip:port`", "ticket"]),
        (&["--bootstrap", ticket.ticket(), "--topic", "x"], &["for network", "give those"]),
        (&["--topic-secret-file", "/nonexistent"], &["--topic-secret-file /nonexistent"]),
        (&["--deny-file", "/nonexistent"], &["--deny-file /nonexistent"]),
        (&["--name", "two\nlines"], &["--name", "control characters"]),
        (&["--allow", ""], &["--allow", "at least one node id"]),
        (&["--config", config], &[config, "No such file"]),
    ];
    for (args, says) in cases {
        let node = args.iter().fold(offline().arg("--ephemeral"), |node, arg| node.arg(arg));
        node.run().await.assert_code(2).assert_one_line(says);
    }
    fs::write(config, "nmae = \"x\"").unwrap();
    let ended = offline().args(["--config", config]).run().await;
    ended.assert_code(2).assert_one_line(&["line 1", "`nmae`", "`name`"]);
    ticket.terminate().await;
}

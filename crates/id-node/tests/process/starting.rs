//! What is printed and kept, and what a node does about files that it can't use.

use std::{fs, os::unix::fs::PermissionsExt};

use id_node::id_client::id_proto::{Network, PeerRef, iroh_base::SecretKey};

use crate::lab::{asking, at, ephemeral, node_json, read};

#[tokio::test]
async fn the_startup_lines_come_in_order_and_nothing_else_is_on_stdout() {
    let node = ephemeral().arg("-v").start().await;
    let [id, peers, ticket, http] = &node.startup[..] else { panic!("{:?}", node.startup) };
    assert_eq!(*id, format!("node id: {}", node.id()));
    assert_eq!(peers, "peers: gossip enabled (topic: id-peer-discovery-v1)");
    let ticket = ticket.strip_prefix("ticket: ").unwrap().parse().unwrap();
    let PeerRef::Ticket(ticket) = ticket else { panic!("{ticket:?}") };
    assert_eq!(ticket.network_tag, Network::public().tag());
    assert_eq!(ticket.peers[0].id, node.id());
    assert!(ticket.peers[0].ip_addrs().all(|addr| addr.ip().is_loopback()));
    let http = http.strip_prefix("http: http://").unwrap().strip_suffix("/peers").unwrap();
    let http: std::net::SocketAddr = http.parse().unwrap();
    assert!(http.ip().is_loopback() && http.port() != 0);
    let ended = node.terminate().await;
    assert_eq!(ended.assert_code(0).stdout, "");
}

#[tokio::test]
async fn logs_have_no_colours_where_there_is_no_terminal() {
    for format in ["auto", "text", "json"] {
        let node = ephemeral().args(["-vvv", "--log-format", format]).start().await;
        node.logged("serving").await;
        if format == "json" {
            assert!(!node.events().is_empty());
        }
        let ended = node.terminate().await;
        assert!(!ended.assert_code(0).stderr.contains('\u{1b}'), "{ended}");
    }
}

#[tokio::test]
async fn a_node_without_gossip_says_so() {
    let node = ephemeral().arg("--no-gossip").start().await;
    assert_eq!(node.said("peers"), "gossip disabled (--no-gossip)");
    node.terminate().await.assert_code(0);
}

#[tokio::test]
async fn an_ephemeral_node_is_somebody_else_at_every_start() {
    let (first, second) = (ephemeral().start().await, ephemeral().start().await);
    assert_ne!(first.id(), second.id());
}

#[tokio::test]
async fn node_json_says_where_the_node_is_for_as_long_as_it_runs() {
    asking(async |asking| {
        for signal in ["TERM", "INT"] {
            let home = tempfile::tempdir().unwrap();
            let mut node = at(home.path()).start().await;
            let runtime = node_json(home.path()).unwrap();
            assert_eq!((runtime.node_id, runtime.pid), (node.id(), node.pid()));
            assert_eq!(runtime.topic, "id-peer-discovery-v1");
            assert_eq!(runtime.network_tag, Network::public().tag().to_string());
            let whoami = asking.whoami(runtime.endpoint_addr()).await.unwrap();
            assert_eq!(whoami.about.unwrap().node_id, node.id());

            node.signal(signal);
            node.ended().await.assert_code(0);
            assert_eq!(node_json(home.path()), None);
        }
    })
    .await;
}

#[tokio::test]
async fn a_node_is_the_same_after_a_restart_also_after_a_crash() {
    let home = tempfile::tempdir().unwrap();
    let mut first = at(home.path()).start().await;
    let id = first.id();
    first.signal("KILL");
    first.ended().await;
    assert!(node_json(home.path()).is_some(), "nobody was left to remove it");
    let second = at(home.path()).start().await;
    assert_eq!(second.id(), id);
    assert_eq!(node_json(home.path()).unwrap().pid, second.pid());
    second.terminate().await.assert_code(0);
    assert_eq!(at(home.path()).start().await.id(), id);
}

#[tokio::test]
async fn a_second_instance_is_refused_and_the_first_runs_on() {
    let home = tempfile::tempdir().unwrap();
    let first = at(home.path()).start().await;
    let second = at(home.path()).run().await;
    second.assert_code(1).assert_one_line(&[home.path().to_str().unwrap()]);
    assert_eq!(node_json(home.path()).unwrap().pid, first.pid());
    asking(async |asking| drop(asking.whoami(first.addr()).await.unwrap())).await;
    first.terminate().await.assert_code(0);
}

#[tokio::test]
async fn a_key_that_others_may_read_is_refused_with_what_to_do_about_it() {
    let home = tempfile::tempdir().unwrap();
    at(home.path()).start().await.terminate().await;
    let (identity, before) = (home.path().join("identity"), read(home.path(), "identity"));
    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(&identity, fs::Permissions::from_mode(mode)).unwrap();
        let refused = at(home.path()).run().await;
        refused.assert_code(1).assert_one_line(&[identity.to_str().unwrap(), "chmod 600"]);
        assert!(!refused.stderr.contains(before.trim()));
        assert_eq!(read(home.path(), "identity"), before);
        assert_eq!(fs::metadata(&identity).unwrap().permissions().mode() & 0o777, mode);
    }
}

#[tokio::test]
async fn a_corrupt_identity_is_named_and_stays_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    at(home.path()).start().await.terminate().await;
    let identity = home.path().join("identity");
    let whole = read(home.path(), "identity");
    let damaged = ["", "no key", &whole[..40], &format!("{whole}{whole}")];
    for damaged in damaged {
        fs::write(&identity, damaged).unwrap();
        let refused = at(home.path()).run().await;
        refused.assert_code(1).assert_one_line(&[identity.to_str().unwrap()]);
        assert!(!refused.stderr.contains(&whole[..20]), "{refused}");
        assert_eq!(read(home.path(), "identity"), damaged);
    }
}

#[tokio::test]
async fn other_damaged_files_are_set_aside_with_a_warning_and_the_node_runs() {
    let home = tempfile::tempdir().unwrap();
    at(home.path()).start().await.terminate().await;
    let files = ["peers", "seq", "node.json"];
    for file in files {
        fs::write(home.path().join(file), format!("damaged {file}")).unwrap();
    }
    let node = at(home.path()).start().await;
    asking(async |asking| drop(asking.whoami(node.addr()).await.unwrap())).await;
    for file in files {
        let aside = format!("{file}.corrupt-1");
        assert_eq!(read(home.path(), &aside), format!("damaged {file}"));
        node.logged(&aside).await;
    }
    let log = node.log();
    assert_eq!(log.matches("WARN").count(), files.len(), "{log}");
    node.terminate().await.assert_code(0);
    // Nothing is wrong with what it left behind.
    let node = at(home.path()).start().await;
    assert_eq!(node.terminate().await.assert_code(0).stderr, "");
}

#[tokio::test]
async fn a_data_dir_that_is_none_is_named() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = at(&file).run().await;
    refused.assert_code(1).assert_one_line(&[file.to_str().unwrap()]);
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error() {
    let first = ephemeral().start().await;
    let taken = first.addr().ip_addrs().next().unwrap().to_string();
    let args = ["--bind", &taken, "--ephemeral", "--no-relay", "--no-dht"];
    let second = crate::lab::id_node().args(args).run().await;
    second.assert_code(1).assert_one_line(&["bind"]);
}

#[tokio::test]
async fn a_node_runs_on_if_nobody_it_is_told_of_can_be_reached() {
    let stranger = SecretKey::from_bytes(&[7; 32]).public();
    let nobody = format!("{stranger},{stranger}@127.0.0.1:9");
    let node = ephemeral().args(["--bootstrap", &nobody]).start().await;
    asking(async |asking| {
        let about = asking.whoami(node.addr()).await.unwrap().about.unwrap();
        assert_eq!(about.table_size, 0);
    })
    .await;
    node.terminate().await.assert_code(0);
}

#[tokio::test]
async fn who_cannot_say_that_it_serves_does_not_serve() {
    let home = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = at(home.path()).stdout(writer).run().await;
    ended.assert_code(1).assert_one_line(&["startup lines"]);
    assert_eq!(node_json(home.path()), None);
}

#[tokio::test]
async fn who_listens_to_the_startup_lines_may_go_then() {
    asking(async |asking| {
        let node = ephemeral().arg("-v").start().await;
        let other = ephemeral().args(["--bootstrap", node.ticket()]).start().await;
        let (id, addr) = (node.id(), node.addr());
        let node = node.close_stdout();
        crate::lab::eventually("it joins", async || asking.knows(&other, id).await).await;
        asking.whoami(addr).await.unwrap();
        drop(node);
    })
    .await;
}

//! Where a process serves HTTP, and what it says of it.

use std::net::{SocketAddr, TcpListener};

use crate::lab::{Running, at, ephemeral, node_json};

fn http_addr(node: &Running) -> SocketAddr {
    let said = node.said("http").strip_prefix("http://").unwrap();
    said.strip_suffix("/peers").unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_port_of_http_is_kept_and_told_to_programs_on_this_machine() {
    let dir = tempfile::tempdir().unwrap();
    let first = at(dir.path()).start().await;
    let addr = http_addr(&first);
    assert!(addr.ip().is_loopback());
    assert_eq!(node_json(dir.path()).unwrap().http, Some(addr));
    first.terminate().await.assert_code(0);
    let again = at(dir.path()).start().await;
    assert_eq!(http_addr(&again), addr);
    again.terminate().await.assert_code(0);
    // Whoever has it meanwhile keeps it.
    let _taken = TcpListener::bind(addr).unwrap();
    let elsewhere = at(dir.path()).start().await;
    assert_ne!(http_addr(&elsewhere), addr);
    elsewhere.terminate().await.assert_code(0);
}

#[tokio::test]
async fn http_is_off_where_it_shall_be() {
    let dir = tempfile::tempdir().unwrap();
    let node = at(dir.path()).env("ID_NODE_HTTP", "off").start().await;
    assert_eq!(node.said("http"), "disabled (--http off)");
    assert_eq!(node_json(dir.path()).unwrap().http, None);
    node.terminate().await.assert_code(0);
}

#[tokio::test]
async fn a_port_that_was_asked_for_and_is_taken_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let ended = ephemeral().args(["--http", &addr]).run().await;
    ended.assert_code(1).assert_one_line(&["--http", &addr]);
}

#[tokio::test]
async fn who_opens_http_to_others_is_told_what_they_can_read() {
    let node = ephemeral().args(["--http", "0.0.0.0:0"]).start().await;
    node.logged("HTTP isn't on loopback").await;
    node.terminate().await.assert_code(0);
}

#[tokio::test]
async fn a_wrong_place_or_name_is_named() {
    let nowhere = ephemeral().env("ID_NODE_HTTP_HOST", "a b").run().await;
    nowhere.assert_code(2).assert_one_line(&["--http-host", "`a b`"]);
    let nowhere = ephemeral().args(["--http", "8080"]).run().await;
    nowhere.assert_code(2);
    assert!(nowhere.stderr.contains("127.0.0.1:8080, or off"), "{nowhere}");
}

//! What a node says by HTTP, and to whom it says nothing.

pub(crate) mod client;
#[cfg(feature = "test-util")]
mod hostile;
mod metrics;

use std::collections::BTreeSet;

use id_node::{
    NodeConfig,
    id_client::id_proto::{Network, SignedAnnouncement},
    iroh::SecretKey,
    membership::View,
};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use self::client::{get, send, serve};
use crate::{
    lab::{entry, knows, lab, through, until},
    member::{Member, stranger},
};

#[tokio::test]
async fn every_answer_says_how_browsers_shall_handle_it() {
    lab(async |lab| {
        let node = lab.slow(&[]).await;
        let server = serve(&node, "").await;
        for path in ["/livez", "/peers.json", "/peers.svg", "/nowhere"] {
            let answer = get(&server, path).await;
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
            assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{path}");
            assert_eq!(answer.header("cache-control"), "no-store", "{path}");
            let policy = answer.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
            assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn who_calls_it_by_a_name_that_isnt_its_own_is_refused() {
    lab(async |lab| {
        let node = lab.slow(&[]).await;
        let server = serve(&node, "id.example.org,Proxy.").await;
        let status = async |head: &str| {
            let request = format!("GET {head}Connection: close\r\n\r\n");
            send(server.addr(), &request).await.status
        };
        let own = [
            "127.0.0.1",
            "127.0.0.1:1",
            "[::1]:80",
            "192.0.2.7",
            "localhost:8080",
            "LOCALHOST.",
            "a.localhost",
            "ID.example.org",
            "id.example.org.:443",
            "proxy",
        ];
        for host in own {
            assert_eq!(
                status(&format!("/livez HTTP/1.1\r\nHost: {host}\r\n")).await,
                200,
                "{host}"
            );
        }
        let others = [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "example.org",
            "a.id.example.org",
            "[::1].evil.example",
            "0x7f000001",
            "2130706433",
        ];
        for host in others {
            let refused = status(&format!("/livez HTTP/1.1\r\nHost: {host}\r\n")).await;
            let is_name = !host.starts_with('[');
            assert_eq!(refused, if is_name { 421 } else { 400 }, "{host}");
        }
        assert_eq!(status("/livez HTTP/1.1\r\nHost: evil.example\r\n").await, 421);
        // An absolute target counts, whatever the header says.
        let absolute = "http://evil.example/livez HTTP/1.1\r\nHost: 127.0.0.1\r\n";
        assert_eq!(status(absolute).await, 421);
        for wrong in ["", "Host: \r\n", "Host: a b\r\n", "Host: me@127.0.0.1\r\n"] {
            assert_eq!(status(&format!("/livez HTTP/1.1\r\n{wrong}")).await, 400, "{wrong:?}");
        }
        let two = "/livez HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n";
        assert_eq!(status(two).await, 400);
        // No browser speaks it, and probes that do don't say whom they call.
        assert_eq!(status("/livez HTTP/1.0\r\n").await, 200);
    })
    .await;
}

#[tokio::test]
async fn only_get_and_head_are_answered() {
    lab(async |lab| {
        let node = lab.slow(&[]).await;
        let server = serve(&node, "").await;
        let ask = async |method: &str, path: &str| {
            let rest =
                "HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            send(server.addr(), &format!("{method} {path} {rest}")).await
        };
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"] {
            for path in ["/peers.json", "/nowhere"] {
                let answer = ask(method, path).await;
                assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"), "{method}");
            }
        }
        let (whole, head) = (get(&server, "/livez").await, ask("HEAD", "/livez").await);
        assert_eq!((whole.status, whole.body.as_str()), (200, "live\n"));
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        assert_eq!(head.header("content-length"), whole.header("content-length"));
        assert_eq!(ask("HEAD", "/peers.json").await.body, "");
    })
    .await;
}

#[tokio::test]
async fn a_head_without_measure_is_refused() {
    lab(async |lab| {
        let node = lab.slow(&[]).await;
        let server = serve(&node, "").await;
        let long =
            format!("GET /livez HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(20_000));
        assert_eq!(send(server.addr(), &long).await.status, 431);
        let many = "X: y\r\n".repeat(100);
        let many = format!("GET /livez HTTP/1.1\r\nHost: localhost\r\n{many}\r\n");
        assert_eq!(send(server.addr(), &many).await.status, 431);
    })
    .await;
}

#[tokio::test]
async fn a_node_that_is_alone_lives_and_is_ready_for_who_wants_nobody_else() {
    lab(async |lab| {
        let node = lab.slow(&[]).await;
        let server = serve(&node, "").await;
        assert_eq!(get(&server, "/livez").await.status, 200);
        assert_eq!(get(&server, "/readyz").await.status, 200);
        let alone = get(&server, "/readyz?min_peers=1").await;
        assert_eq!((alone.status, alone.body.as_str()), (503, "0 peers known, min_peers=1\n"));
        assert_eq!(get(&server, "/readyz?min_peers=one").await.status, 400);
        assert_eq!(get(&server, "/readyz?max_peers=1").await.status, 400);
        let _other = lab.slow(&[&node]).await;
        until(&node, "a peer", |view| view.entries.len() == 1).await;
        let ready = get(&server, "/readyz?min_peers=1").await;
        assert_eq!((ready.status, ready.body.as_str()), (200, "ready: 1 peers known\n"));
    })
    .await;
}

#[tokio::test]
async fn a_node_that_was_shut_down_lives_no_more() {
    lab(async |lab| {
        let node = lab.slow(&[]).await;
        let server = serve(&node, "").await;
        node.shutdown().await;
        assert_eq!(get(&server, "/livez").await.status, 503);
        assert_eq!(get(&server, "/readyz").await.status, 503);
        server.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_shut_down_is_gone_and_its_port_is_free() {
    lab(async |lab| {
        let node = lab.slow(&[]).await;
        let server = serve(&node, "").await;
        let addr = server.addr();
        // A client that says nothing isn't waited for.
        let idle = tokio::net::TcpStream::connect(addr).await.unwrap();
        let started = std::time::Instant::now();
        server.shutdown().await;
        assert!(started.elapsed() < std::time::Duration::from_secs(5));
        tokio::net::TcpListener::bind(addr).await.unwrap();
        drop(idle);
    })
    .await;
}

#[tokio::test]
async fn peers_are_told_as_a_crawl_would_tell_them() {
    lab(async |lab| {
        let node = lab.slow(&[]).await;
        let named =
            NodeConfig { name: Some("oak".to_owned()), ..NodeConfig::new(Network::public()) };
        let other = lab.node(through(&[&node], named)).await;
        until(&node, "a peer", |view| view.entries.len() == 1).await;
        let server = serve(&node, "").await;
        let answer = get(&server, "/peers.json").await;
        assert_eq!(answer.header("content-type"), "application/json");
        let document: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(document["summary"]["known"], 2);
        assert_eq!(document["tool"]["name"], "id-node");
        let peer = |id: String| {
            let peers = document["peers"].as_array().unwrap();
            peers.iter().find(|peer| peer["node_id"] == id.as_str()).unwrap().clone()
        };
        let (own, told) = (peer(node.id().to_string()), peer(other.id().to_string()));
        assert_eq!((&own["status"], &own["depth"]), (&"answered".into(), &0.into()));
        assert_eq!((&told["name"], &told["verified"]), (&"oak".into(), &true.into()));
        assert_eq!(told["via"], serde_json::json!([node.id().to_string()]));
        let picture = get(&server, "/peers.svg").await;
        assert_eq!(picture.header("content-type"), "image/svg+xml");
        assert!(picture.body.contains("oak · "), "{}", picture.body);
    })
    .await;
}

/// Of a node that is alone, and of one that knows peers who answered, who didn't, and whom it hasn't asked yet.
#[tokio::test]
async fn peers_json_is_what_its_schema_describes() {
    lab(async |lab| {
        let node = lab.slow(&[]).await;
        let server = serve(&node, "").await;
        check_by_schema(&get(&server, "/peers.json").await.body);

        let answers = lab.slow(&[&node]).await;
        let fails = Member::join(lab, Network::public(), &node).await;
        fails.stop_answering();
        fails.announce(&fails.sign(fails.announcement())).await;
        let dial = |view: &View, peer| entry(view, peer).and_then(|entry| entry.last_dial());
        until(&node, "one answered, and one didn't", |view| {
            dial(view, answers.id()) == Some(Ok(()))
                && dial(view, fails.id()).is_some_and(|end| end.is_err())
        })
        .await;
        // One a second is dialled.
        let strangers = [(); 40].map(|()| SecretKey::generate());
        for key in &strangers {
            let said = stranger(key, &Network::public());
            fails.announce(&SignedAnnouncement::sign(said, key).unwrap()).await;
        }
        until(&node, "the last one is known", |view| knows(view, strangers[39].public())).await;
        let document = check_by_schema(&get(&server, "/peers.json").await.body);
        let peers = document["peers"].as_array().unwrap().iter();
        let statuses: BTreeSet<_> = peers.map(|peer| peer["status"].as_str().unwrap()).collect();
        assert_eq!(statuses, BTreeSet::from(["answered", "failed", "not_asked"]), "{document}");
    })
    .await;
}

fn check_by_schema(document: &str) -> Value {
    let schema = include_str!("../../../../docs/peers.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let document: Value = serde_json::from_str(document).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let faults: Vec<_> = validator.iter_errors(&document).map(|fault| fault.to_string()).collect();
    assert_eq!(faults, [""; 0], "{document}");
    document
}

#[tokio::test]
async fn clients_that_never_say_what_they_want_keep_nobody_else_away_for_long() {
    lab(async |lab| {
        let node = lab.slow(&[]).await;
        let server = serve(&node, "").await;
        let mut idle = Vec::new();
        // As many as are taken at the same time.
        for _ in 0..64 {
            let mut stream = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
            stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n").await.unwrap();
            idle.push(stream);
        }
        assert_eq!(get(&server, "/livez").await.status, 200);
    })
    .await;
}

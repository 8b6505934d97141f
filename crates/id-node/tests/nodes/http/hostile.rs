//! What peers say of themselves is theirs; what it does isn't.

use std::time::Duration;

use id_node::{
    id_client::id_proto::{Network, PeerAnnouncement, SignedAnnouncement, iroh_base::SecretKey},
    untrusted::{MadeUp, serve_http},
};
use serde_json::Value;
use tokio::net::TcpListener;

use super::client::get;
use crate::{lab::lab, member::stranger};

/// A name that attacks whoever shows it.
const HOSTILE: &str = "</title><script>alert(1)</script>\x1b[31m\u{202e}gpj&\"'";

#[tokio::test]
async fn a_hostile_name_is_whole_for_programs_and_harmless_for_browsers() {
    lab(async |lab| {
        let node = lab.slow(&[]).await;
        let key = SecretKey::generate();
        // No node of ours calls itself so.
        let hostile = PeerAnnouncement {
            name: Some(HOSTILE.to_owned()),
            ..stranger(&key, &Network::public())
        };
        let announcement = SignedAnnouncement::sign(hostile, &key).unwrap();
        let introducer = key.public();
        let other = MadeUp { announcement, introducer, age: Duration::ZERO, last_dial: None };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = node.view().own.clone();
        let endpoint = node.endpoint().clone();
        let server = serve_http(listener, endpoint, own, vec![other]).unwrap();
        let json = get(&server, "/peers.json").await.body;
        assert!(!json.contains(['\x1b', '\u{202e}']), "{json}");
        let document: Value = serde_json::from_str(&json).unwrap();
        let peers = document["peers"].as_array().unwrap();
        assert!(peers.iter().any(|peer| peer["name"] == HOSTILE));
        let svg = get(&server, "/peers.svg").await.body;
        assert!(!svg.contains("<script") && !svg.contains(['\x1b', '\u{202e}']), "{svg}");
        assert!(svg.contains("&lt;script&gt;"), "{svg}");
        // A node that takes no turns isn't alive, whatever it knows.
        assert_eq!(get(&server, "/livez").await.status, 503);
    })
    .await;
}

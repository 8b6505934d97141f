use std::time::{SystemTime, UNIX_EPOCH};

use id_proto::{Network, PeerAnnouncement, SignedAnnouncement, version::META_ALPN};
use iroh::protocol::Router;

use super::*;
use crate::{
    endpoint::{EndpointOptions, bind},
    service::{Service, made_up::answerer},
};

async fn on_loopback() -> Endpoint {
    let loopback = Some("127.0.0.1:0".parse().unwrap());
    bind(EndpointOptions { bind: loopback, ..Default::default() }).await.unwrap()
}

fn announcement(of: &Endpoint) -> SignedAnnouncement {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let announcement = PeerAnnouncement {
        node_id: of.id(),
        name: None,
        blob_count: 0,
        timestamp_secs: now.as_secs(),
        seq: now.as_millis() as u64,
        network_tag: Network::public().tag(),
        interval_secs: 30,
        addrs: Vec::new(),
        agent: "test".to_owned(),
    };
    SignedAnnouncement::sign(announcement, of.secret_key()).unwrap()
}

#[tokio::test]
async fn a_sync_tells_how_the_peer_was_reached_if_it_answered() {
    let (here, there) = (on_loopback().await, on_loopback().await);
    let book = AddressBook::default();
    here.address_lookup().unwrap().add(book.clone());
    book.set(there.addr());
    let service = Service::new(answerer(announcement(&there), Vec::new()));
    let router = Router::builder(there.clone()).accept(META_ALPN, service).spawn();

    let (told, mut pages) = mpsc::channel(4);
    let reading = tokio::spawn(async move {
        let page: Told = pages.recv().await.unwrap();
        page.go_on.send(true).unwrap();
    });
    let access = Access::new(AccessList::default());
    let sync_from = |peer| sync(Client::new(here.clone()), peer, told.clone(), access.clone());
    let answered = sync_from(there.id()).await;
    assert!(
        matches!(&answered, Outcome::Synced { route: Some(_), end: SyncEnd::Complete, .. }),
        "{answered:?}"
    );
    reading.await.unwrap();

    let nobody = iroh::SecretKey::generate().public();
    let failed = sync_from(nobody).await;
    assert!(
        matches!(&failed, Outcome::Synced { route: None, end: SyncEnd::Failed, .. }),
        "{failed:?}"
    );
    router.shutdown().await.unwrap();
    here.close().await;
}

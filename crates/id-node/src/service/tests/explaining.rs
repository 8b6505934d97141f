//! Who is told what a node knows, and why.

use id_client::FailKind;

use super::*;

/// What members of a private network are told, asked by whoever proves to be one, or doesn't.
async fn explained_to(network: &Network) -> [Result<(), FailKind>; 2] {
    let private = Network::derive("orchard", "correct horse battery staple").unwrap();
    let endpoint = bind_on_loopback().await;
    let own = sign(endpoint.secret_key(), short);
    let answerer = Answerer { network: private, ..answerer(own, peers(3, short)) };
    let router =
        Router::builder(endpoint.clone()).accept(META_ALPN, Service::new(answerer)).spawn();
    let caller = bind_on_loopback().await;
    let client = Client::new(caller.clone()).with_network(network.clone());
    let session = client.connect(endpoint.addr()).await.unwrap();
    let stranger = SecretKey::from_bytes(&[99; 32]).public();
    let answers = [
        session.introducers().await.map(|report| assert_eq!(report.table_size, 3)),
        session.explain(stranger).await.map(|shown| assert!(!shown.is_listed)),
    ];
    futures::join!(caller.close(), router.endpoint().close());
    answers.map(|answer| answer.map_err(|error| error.kind))
}

#[tokio::test]
async fn on_a_private_network_only_members_are_told_who_is_known_and_why() {
    let outsiders = explained_to(&Network::public()).await;
    assert_eq!(outsiders, [Err(FailKind::NotMember); 2]);
    let member = Network::derive("orchard", "correct horse battery staple").unwrap();
    assert_eq!(explained_to(&member).await, [Ok(()); 2]);
}

#[tokio::test]
async fn a_peer_is_explained_by_its_entry_and_one_that_is_no_key_is_malformed() {
    let peers = peers(2, long);
    let peer = peers[1].clone();
    served(peers, async |served| {
        let session = served.client().connect(served.addr()).await.unwrap();
        let shown = session.explain(peer.node_id).await.unwrap();
        assert!(shown.is_listed);
        assert_eq!(shown.entry.unwrap().announcement, peer);
        let connection = served.connect().await;
        let mut bytes = (0..=u8::MAX).map(|byte| [byte; 32]);
        let no_point = bytes.find(|bytes| PublicKey::from_bytes(bytes).is_err()).unwrap();
        // Variant 4, without a proof.
        let no_key = [&[4, 0][..], &no_point].concat();
        assert_error(&ask(&connection, &frame(&no_key)).await, ErrorCode::Malformed);
        assert_lives(&connection).await;
    })
    .await;
}

#[tokio::test]
async fn an_explanation_costs_its_caller_as_much_as_a_listing() {
    close_after(Served::start(peers(2, long), Limits::default()).await, async |served| {
        let stranger = SecretKey::from_bytes(&[99; 32]).public();
        let session = served.client().connect(served.addr()).await.unwrap();
        let mut ends = Vec::new();
        for _ in 0..100 {
            ends.push(session.explain(stranger).await.map(drop).map_err(|error| error.kind));
        }
        assert!(ends[..5].iter().all(Result::is_ok), "{ends:?}");
        assert!(ends.contains(&Err(FailKind::Busy)), "{ends:?}");
        assert!(session.status().await.is_ok());
    })
    .await;
}

//! Who may hand peers over, and what they are told.

use id_client::FailKind;
use id_proto::{DiscoverReport, Word};
use tokio::sync::mpsc;

use super::*;
use crate::{
    access::AccessList,
    handover::{self, Handed},
};

/// A service whose operators are `operators`, in `network`, and what it is handed.
async fn started(network: &Network, operators: &[&Endpoint]) -> (Router, mpsc::Receiver<Handed>) {
    let endpoint = bind_on_loopback().await;
    let own = sign(endpoint.secret_key(), short);
    let (handover, handed) = handover::channel();
    let operators = operators.iter().map(|endpoint| endpoint.id()).collect();
    let answerer = Answerer {
        network: network.clone(),
        access: Access::new(AccessList { operators, ..AccessList::default() }),
        handover,
        ..answerer(own, Vec::new())
    };
    let router = Router::builder(endpoint).accept(META_ALPN, Service::new(answerer)).spawn();
    (router, handed)
}

/// The reports that come, or why none does, from somebody who hands `n` peers over.
async fn hand(caller: &Endpoint, to: &Router, n: u32) -> Result<Vec<DiscoverReport>, FailKind> {
    hand_as_member(&Network::public(), caller, to, n).await
}

async fn hand_as_member(
    network: &Network,
    caller: &Endpoint,
    to: &Router,
    n: u32,
) -> Result<Vec<DiscoverReport>, FailKind> {
    let client = Client::new(caller.clone()).with_network(network.clone()).with_timeout(PATIENCE);
    let session = client.connect(to.endpoint().addr()).await.unwrap();
    let reports = session.discover(peers(n, short)).try_collect().await;
    reports.map_err(|error| error.kind)
}

/// Takes `n` items in, each as new. They are who handed them over, and what.
async fn believe(handed: &mut mpsc::Receiver<Handed>, n: usize) -> Vec<(PublicKey, Vec<u8>)> {
    let mut all = Vec::new();
    while all.len() < n {
        let Handed { by, request, report } = handed.recv().await.unwrap();
        let before = all.len();
        all.extend(request.items().map(|item| (by, item.unwrap().to_vec())));
        let n_new = (all.len() - before) as u64;
        report.send(DiscoverReport { n_new, ..DiscoverReport::default() }).unwrap();
    }
    all
}

async fn close(callers: &[&Endpoint], router: &Router) {
    futures::future::join_all(callers.iter().map(|caller| caller.close())).await;
    router.endpoint().close().await;
}

#[tokio::test]
async fn what_an_operator_hands_over_comes_as_its_authors_signed_it_and_the_report_goes_back() {
    let caller = bind_on_loopback().await;
    let (router, mut handed) = started(&Network::public(), &[&caller]).await;
    let (reports, came) = futures::join!(hand(&caller, &router, 100), believe(&mut handed, 100));
    let reports = reports.unwrap();
    assert!(reports.len() > 1, "they don't fit into one request");
    assert_eq!(reports.iter().map(|report| report.n_new).sum::<u64>(), 100);
    let author = |(by, signed): &(PublicKey, Vec<u8>)| {
        assert_eq!(*by, caller.id());
        UnverifiedAnnouncement::decode(signed).unwrap().verify().unwrap().node_id
    };
    let mut authors: Vec<_> = came.iter().map(author).collect();
    authors.sort();
    assert!(authors.iter().eq(peers(100, short).iter().map(|peer| &peer.node_id)));
    close(&[&caller], &router).await;
}

#[tokio::test]
async fn whoever_is_no_operator_is_refused_and_nothing_comes_in() {
    let (operator, stranger) = (bind_on_loopback().await, bind_on_loopback().await);
    let (router, mut handed) = started(&Network::public(), &[&operator]).await;
    assert_eq!(hand(&stranger, &router, 100).await, Err(FailKind::NotOperator));
    assert!(handed.try_recv().is_err());
    let connection = stranger.connect(router.endpoint().addr(), META_ALPN).await.unwrap();
    assert_lives(&connection).await;
    close(&[&operator, &stranger], &router).await;
}

#[tokio::test]
async fn on_a_private_network_an_operator_must_be_a_member_as_well() {
    let private = Network::derive("orchard", "correct horse battery staple").unwrap();
    let operator = bind_on_loopback().await;
    let (router, mut handed) = started(&private, &[&operator]).await;
    assert_eq!(hand(&operator, &router, 1).await, Err(FailKind::NotMember));
    assert!(handed.try_recv().is_err());
    let as_member = hand_as_member(&private, &operator, &router, 1);
    let (reports, _) = futures::join!(as_member, believe(&mut handed, 1));
    assert_eq!(reports.unwrap().len(), 1);
    close(&[&operator], &router).await;
}

#[tokio::test]
async fn who_was_operator_is_refused_from_then_on() {
    let operator = bind_on_loopback().await;
    let endpoint = bind_on_loopback().await;
    let own = sign(endpoint.secret_key(), short);
    let (handover, mut handed) = handover::channel();
    let operators = AccessList { operators: [operator.id()].into(), ..AccessList::default() };
    let access = Access::new(operators);
    let answerer = Answerer { access: access.clone(), handover, ..answerer(own, Vec::new()) };
    let router = Router::builder(endpoint).accept(META_ALPN, Service::new(answerer)).spawn();
    let (reports, _) = futures::join!(hand(&operator, &router, 1), believe(&mut handed, 1));
    assert_eq!(reports.unwrap().len(), 1);
    access.set(Arc::new(AccessList::default()));
    assert_eq!(hand(&operator, &router, 1).await, Err(FailKind::NotOperator));
    close(&[&operator], &router).await;
}

#[tokio::test]
async fn an_operator_that_hands_over_too_much_is_told_to_wait_and_may_still_ask() {
    let operator = bind_on_loopback().await;
    let (router, mut handed) = started(&Network::public(), &[&operator]).await;
    let connection = operator.connect(router.endpoint().addr(), META_ALPN).await.unwrap();
    let empty = frame(&MetaRequest::Discover(DiscoverRequest::new(None)).encode());
    let taken = async {
        let mut n = 0;
        while let Some(Handed { report, .. }) = handed.recv().await {
            report.send(DiscoverReport::default()).unwrap();
            n += 1;
        }
        n
    };
    let asked = async {
        let limits = Limits::default();
        let started = Instant::now();
        let mut n_taken = 0;
        loop {
            match &ask(&connection, &empty).await[..] {
                [MetaResponse::Discovered(_)] => n_taken += 1,
                busy => break assert_error(busy, ErrorCode::Busy),
            }
            let earned = started.elapsed().as_millis() / limits.handover_gap.as_millis();
            assert!(n_taken <= u128::from(limits.handover_burst) + earned + 1);
        }
        assert!(n_taken >= u128::from(limits.handover_burst));
        assert_lives(&connection).await;
    };
    tokio::select! {
        () = asked => {}
        n = taken => panic!("the service is gone after {n}"),
    }
    close(&[&operator], &router).await;
}

/// The actor has much to do: requests wait in line, and others are answered meanwhile.
#[tokio::test]
async fn while_handovers_wait_others_are_answered() {
    let operator = bind_on_loopback().await;
    let (router, handed) = started(&Network::public(), &[&operator]).await;
    let waiting = hand(&operator, &router, 200);
    tokio::pin!(waiting);
    let stranger = bind_on_loopback().await;
    let connection = stranger.connect(router.endpoint().addr(), META_ALPN).await.unwrap();
    tokio::select! {
        early = &mut waiting => panic!("nobody has taken it in: {early:?}"),
        () = assert_lives(&connection) => {}
    }
    // The node stops.
    drop(handed);
    assert_eq!(waiting.await, Err(FailKind::Internal));
    close(&[&operator, &stranger], &router).await;
}

#[tokio::test]
async fn a_node_that_stops_while_it_takes_in_says_so() {
    let operator = bind_on_loopback().await;
    let (router, mut handed) = started(&Network::public(), &[&operator]).await;
    let stops = async {
        let taken = handed.recv().await.unwrap();
        drop((taken, handed));
    };
    let (reports, ()) = futures::join!(hand(&operator, &router, 1), stops);
    assert_eq!(reports, Err(FailKind::Internal));
    close(&[&operator], &router).await;
}

#[tokio::test]
async fn a_length_that_lies_is_one_item_of_nothing() {
    let operator = bind_on_loopback().await;
    let (router, mut handed) = started(&Network::public(), &[&operator]).await;
    let connection = operator.connect(router.endpoint().addr(), META_ALPN).await.unwrap();
    // Variant 5, without a proof; two bytes of items, of which the first says that nine follow.
    let lies = frame(&[5, 0, 2, 9, 1]);
    let taken = async {
        let Handed { request, report, .. } = handed.recv().await.unwrap();
        assert_eq!(request.items().count(), 1);
        let malformed = (Word::new("refused_malformed").unwrap(), 1);
        let of_it = DiscoverReport { refused: vec![malformed], ..DiscoverReport::default() };
        report.send(of_it).unwrap();
    };
    let (responses, ()) = futures::join!(ask(&connection, &lies), taken);
    assert!(matches!(responses[..], [MetaResponse::Discovered(_)]), "{responses:?}");
    close(&[&operator], &router).await;
}

//! Over real connections: what honest peers give, and what hostile ones can't do.

mod server;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt};
use id_client::{
    AskError, Client, CrawlReport, Crawler, Depth, FailKind, Limits, MAX_ENTRIES, PathKind,
    PeerStatus, RejectReason, StopReason,
    id_proto::{
        DiscoverReport, ErrorCode, Explanation, MetaResponse, Network, PeerAnnouncement, PeerEntry,
        PeersPage, SignedAnnouncement, Source,
        iroh_base::PublicKey,
        limits::{MAX_REQUEST_LEN, MAX_RESPONSE_LEN},
    },
    iroh::{EndpointAddr, SecretKey},
};
use server::{End, Script, Server, bind, frame, page};

/// Long enough for loopback on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// For peers that never answer.
const IMPATIENCE: Duration = Duration::from_millis(300);

/// Runs `test` with a client, and closes the client's endpoint whatever comes of it.
async fn with_client<T>(timeout: Duration, test: impl AsyncFnOnce(Client) -> T) -> T {
    let endpoint = bind(None).await;
    let outcome = test(Client::new(endpoint.clone()).with_timeout(timeout)).await;
    endpoint.close().await;
    outcome
}

/// What becomes of a question to a server that answers by `script`.
async fn whoami_of(script: Script) -> Result<id_client::Whoami, AskError> {
    let server = Server::scripted(script).await;
    let answer = with_client(IMPATIENCE, async |client| client.whoami(server.addr()).await).await;
    server.close().await;
    answer
}

/// The pages that came, and what the answer ended in, if it wasn't its end.
async fn pages_of(script: Script, max_entries: u32) -> (Vec<PeersPage>, Option<FailKind>) {
    let server = Server::scripted(script).await;
    let outcome = with_client(IMPATIENCE, async |client| {
        let session = client.connect(server.addr()).await.expect("the server accepts");
        let (mut pages, mut failure) = (Vec::new(), None);
        let mut answer = Box::pin(session.list_peers(max_entries));
        while let Some(page) = answer.next().await {
            match page {
                Ok(page) => pages.push(page),
                Err(error) => failure = Some(error.kind),
            }
        }
        (pages, failure)
    });
    let outcome = outcome.await;
    server.close().await;
    outcome
}

async fn connect_error(addr: EndpointAddr, timeout: Duration) -> AskError {
    with_client(timeout, async |client| client.whoami(addr).await.unwrap_err()).await
}

/// Servers whose tables are what `edges` says.
async fn network(n: usize, edges: &[(usize, usize)]) -> Vec<Server> {
    let mut servers = Vec::new();
    for _ in 0..n {
        servers.push(Server::honest(Network::public()).await);
    }
    for (from, to) in edges {
        let entry = servers[*to].entry(Source::Gossip);
        servers[*from].learn(entry);
    }
    servers
}

async fn crawl(servers: &[Server], limits: Limits) -> CrawlReport {
    let endpoint = bind(None).await;
    let crawler = Crawler::builder(endpoint.clone()).seeds([servers[0].addr()]).limits(limits);
    let report = crawler.start().run().await;
    endpoint.close().await;
    report
}

async fn close_all(servers: Vec<Server>) {
    futures::future::join_all(servers.into_iter().map(Server::close)).await;
}

fn somebody() -> PublicKey {
    SecretKey::from_bytes(&[9; 32]).public()
}

#[tokio::test]
async fn whoami_tells_who_answers() {
    let server = Server::honest(Network::public()).await;
    let whoami = with_client(PATIENCE, async |client| client.whoami(server.addr()).await).await;
    let whoami = whoami.unwrap();
    assert_eq!(whoami.protocol_versions, [1]);
    let about = whoami.about.unwrap();
    assert_eq!((about.node_id, about.table_size), (server.id(), 0));
    assert_eq!(about.announcement, server.announcement());
    server.close().await;
}

#[tokio::test]
async fn status_and_ping_answer_too() {
    let server = Server::honest(Network::public()).await;
    with_client(PATIENCE, async |client| {
        assert_eq!(client.status(server.addr()).await.unwrap().table_size, 0);
        let pong = client.ping(server.addr()).await.unwrap();
        assert_eq!(pong.route.path, PathKind::Direct);
        assert!(pong.route.rtt > Duration::ZERO && pong.route.rtt <= pong.elapsed);
    })
    .await;
    server.close().await;
}

#[tokio::test]
async fn a_table_is_a_stream_of_entries_with_the_responder_first() {
    let servers = network(4, &[(0, 1), (0, 2), (0, 3)]).await;
    let entries = with_client(PATIENCE, async |client| {
        client.list_peers(servers[0].addr()).try_collect::<Vec<_>>().await
    });
    let entries = entries.await.unwrap();
    let ids: Vec<_> = entries.iter().map(|entry| entry.announcement.node_id).collect();
    let expected: Vec<_> = servers.iter().map(Server::id).collect();
    assert_eq!(ids, expected);
    assert_eq!(entries[0].source, Source::Own);
    close_all(servers).await;
}

#[tokio::test]
async fn several_questions_go_over_one_connection() {
    let server = Server::honest(Network::public()).await;
    with_client(PATIENCE, async |client| {
        let session = client.connect(server.addr()).await.unwrap();
        let (whoami, status) = futures::join!(session.whoami(), session.status());
        whoami.unwrap();
        status.unwrap();
        assert_eq!(session.remote_id(), server.id());
    })
    .await;
    assert_eq!(server.n_connections(), 1);
    server.close().await;
}

#[tokio::test]
async fn the_connection_closes_with_code_0_when_its_last_user_is_gone() {
    let mut server = Server::honest(Network::public()).await;
    with_client(PATIENCE, async |client| {
        let session = client.connect(server.addr()).await.unwrap();
        let pages = session.list_peers(10);
        drop(session);
        assert_eq!(pages.try_collect::<Vec<_>>().await.unwrap().len(), 1);
        assert_eq!(server.next_close_code().await, Some(0));
    })
    .await;
    server.close().await;
}

#[tokio::test]
async fn a_private_network_tells_members_only() {
    let network = Network::derive("ours", "secret").unwrap();
    let server = Server::honest(network.clone()).await;
    with_client(PATIENCE, async |client| {
        assert!(client.whoami(server.addr()).await.unwrap().about.is_none());
        assert_eq!(client.status(server.addr()).await.unwrap_err().kind, FailKind::NotMember);
        let member = client.with_network(network);
        assert!(member.whoami(server.addr()).await.unwrap().about.is_some());
        let entries = member.list_peers(server.addr()).try_collect::<Vec<_>>().await;
        assert_eq!(entries.unwrap().len(), 1);
    })
    .await;
    server.close().await;
}

#[tokio::test]
async fn a_crawl_of_tables_that_differ_gives_the_exact_sets() {
    let servers = network(5, &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)]).await;
    for (max_depth, n_asked, n_known) in
        [(0.into(), 1, 2), (1.into(), 2, 3), (2.into(), 3, 4), (Depth::Unlimited, 5, 5)]
    {
        let report = crawl(&servers, Limits { max_depth, ..Limits::default() }).await;
        let known: BTreeSet<_> = report.peers.iter().map(|peer| peer.node_id).collect();
        let expected: BTreeSet<_> = servers[..n_known].iter().map(Server::id).collect();
        assert_eq!(known, expected, "{max_depth:?}");
        assert_eq!(report.summary().answered, n_asked, "{max_depth:?}");
        assert!(report.is_complete());
    }
    close_all(servers).await;
}

#[tokio::test]
async fn a_crawl_says_how_each_peer_was_reached_and_who_failed() {
    let mut servers = network(3, &[(0, 1), (0, 2)]).await;
    let gone = servers.pop().unwrap();
    let gone_id = gone.id();
    gone.close().await;
    let limits = Limits { ask_timeout: IMPATIENCE, ..Limits::default() };
    let report = crawl(&servers, limits).await;
    let by_id: BTreeMap<_, _> = report.peers.iter().map(|peer| (peer.node_id, peer)).collect();
    assert_eq!(by_id[&servers[1].id()].path(), Some(PathKind::Direct));
    assert_eq!(by_id[&gone_id].path(), None);
    assert_eq!((report.summary().answered, report.summary().failed), (2, 1));
    close_all(servers).await;
}

#[tokio::test]
async fn a_crawl_counts_a_liars_entries_by_reason() {
    let mut servers = network(2, &[(0, 1)]).await;
    let mut forged = servers[0].entry(Source::Gossip);
    forged[5] ^= 1;
    servers[1].learn(forged);
    servers[1].learn(vec![99]);
    let report = crawl(&servers, Limits::default()).await;
    let liar = report.peers.iter().find(|peer| peer.node_id == servers[1].id()).unwrap();
    assert!(liar.rejected.contains_key(&RejectReason::UnknownVersion), "{:?}", liar.rejected);
    assert_eq!(report.summary().known, 2);
    close_all(servers).await;
}

#[tokio::test]
async fn a_real_crawl_stops_at_its_cap_and_at_its_deadline() {
    let servers = network(5, &[(0, 1), (0, 2), (0, 3), (0, 4)]).await;
    let max_peers = 3.try_into().unwrap();
    let report = crawl(&servers, Limits { max_peers, ..Limits::default() }).await;
    assert_eq!(report.summary().known, 3);
    assert_eq!(report.stopped_by, Some(StopReason::MaxPeers));
    close_all(servers).await;

    let silent = Server::scripted(Script::new([], End::Hang)).await;
    let started = Instant::now();
    let report = crawl(&[silent], Limits { timeout: IMPATIENCE, ..Limits::default() }).await;
    assert!(started.elapsed() < IMPATIENCE * 2, "{:?}", started.elapsed());
    assert_eq!(report.stopped_by, Some(StopReason::Timeout));
}

#[tokio::test]
async fn without_an_address_there_is_nothing_to_dial() {
    let error = connect_error(somebody().into(), PATIENCE).await;
    assert_eq!(error.kind, FailKind::NoAddress, "{error}");
    assert!(!error.message.contains('\n'), "{error}");
}

#[tokio::test]
async fn somebody_else_at_the_address_is_a_failed_handshake() {
    let server = Server::honest(Network::public()).await;
    let addr = EndpointAddr::from_parts(somebody(), server.addr().addrs);
    let error = connect_error(addr, PATIENCE).await;
    assert_eq!(error.kind, FailKind::Handshake, "{error}");
    server.close().await;
}

#[tokio::test]
async fn a_peer_that_does_not_speak_the_protocol_refuses() {
    let other = Server::foreign().await;
    let error = connect_error(other.addr(), PATIENCE).await;
    assert_eq!(error.kind, FailKind::Refused, "{error}");
    other.close().await;
}

#[tokio::test]
async fn a_peer_that_refuses_or_hangs_up_at_once_refuses() {
    for server in [Server::refusing().await, Server::hanging_up().await] {
        let error = connect_error(server.addr(), PATIENCE).await;
        assert_eq!(error.kind, FailKind::Refused, "{error}");
        server.close().await;
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_a_timeout() {
    let gone = bind(None).await;
    let addr = gone.addr();
    gone.close().await;
    let error = connect_error(addr, IMPATIENCE).await;
    assert_eq!(error.kind, FailKind::Timeout, "{error}");
}

#[tokio::test]
async fn one_cannot_ask_oneself() {
    let endpoint = bind(None).await;
    let error = Client::new(endpoint.clone()).whoami(endpoint.addr()).await.unwrap_err();
    assert_eq!(error.kind, FailKind::Refused, "{error}");
    endpoint.close().await;
}

#[tokio::test]
async fn a_closed_endpoint_asks_nobody() {
    let server = Server::honest(Network::public()).await;
    let endpoint = bind(None).await;
    endpoint.close().await;
    let error = Client::new(endpoint).whoami(server.addr()).await.unwrap_err();
    assert_eq!(error.kind, FailKind::Lost, "{error}");
    server.close().await;
}

#[tokio::test]
async fn a_peer_that_never_answers_times_out() {
    let started = Instant::now();
    let error = whoami_of(Script::new([], End::Hang)).await.unwrap_err();
    assert_eq!(error.kind, FailKind::Timeout, "{error}");
    assert!(started.elapsed() < IMPATIENCE * 3, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_claim_of_16_mib_is_too_large() {
    // The length of 16 MiB, and then nothing: who believed it would wait for the rest.
    let error = whoami_of(Script::raw(vec![0x80, 0x80, 0x80, 0x08], End::Hang)).await.unwrap_err();
    assert_eq!(error.kind, FailKind::TooLarge, "{error}");
}

#[tokio::test]
async fn a_response_a_byte_too_long_is_too_large() {
    let too_long = frame(vec![0; MAX_RESPONSE_LEN + 1]);
    let error = whoami_of(Script::raw(too_long, End::Finish)).await.unwrap_err();
    assert_eq!(error.kind, FailKind::TooLarge, "{error}");
}

#[tokio::test]
async fn a_response_of_a_later_release_is_unsupported() {
    let error = whoami_of(Script::raw(frame(vec![99]), End::Finish)).await.unwrap_err();
    assert_eq!(error.kind, FailKind::Unsupported, "{error}");
}

#[tokio::test]
async fn bytes_that_are_no_response_are_a_fault_of_protocol() {
    for bytes in [frame(vec![3, 200]), frame(vec![]), vec![0x80; 10]] {
        let error = whoami_of(Script::raw(bytes.clone(), End::Finish)).await.unwrap_err();
        assert_eq!(error.kind, FailKind::Protocol, "{bytes:?}: {error}");
    }
}

#[tokio::test]
async fn an_answer_to_another_question_is_a_fault_of_protocol() {
    let page = MetaResponse::Peers(PeersPage::default());
    let error = whoami_of(Script::new([page], End::Finish)).await.unwrap_err();
    assert_eq!(error.kind, FailKind::Protocol, "{error}");
}

#[tokio::test]
async fn an_answer_about_somebody_else_is_a_fault_of_protocol() {
    let other = Server::honest(Network::public()).await;
    let error = whoami_of(Script::new([other.whoami()], End::Finish)).await.unwrap_err();
    assert_eq!(error.kind, FailKind::Protocol, "{error}");
    other.close().await;
}

#[tokio::test]
async fn an_error_response_is_an_error_by_its_code() {
    for (code, kind) in [
        (ErrorCode::Unsupported, FailKind::Unsupported),
        (ErrorCode::Busy, FailKind::Busy),
        (ErrorCode::Internal, FailKind::Internal),
        (ErrorCode::Other(99), FailKind::Internal),
    ] {
        let script = Script::new([MetaResponse::error(code, "why")], End::Finish);
        let error = whoami_of(script).await.unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (kind, "why"));
    }
}

#[tokio::test]
async fn an_answer_that_ends_before_its_last_page_is_lost() {
    for end in [End::Finish, End::Reset, End::Close] {
        let script = Script::new([MetaResponse::Peers(page(2, true))], end);
        let (pages, failure) = pages_of(script, 10).await;
        // What is on its way when the peer resets or closes may be lost with it.
        assert!(pages.len() <= 1, "{end:?}");
        assert!(failure == Some(FailKind::Lost) || failure == Some(FailKind::Refused), "{end:?}");
    }
}

#[tokio::test]
async fn a_peer_that_stops_between_pages_times_out() {
    let script = Script::new([MetaResponse::Peers(page(2, true))], End::Hang);
    let (pages, failure) = pages_of(script, 10).await;
    assert_eq!((pages.len(), failure), (1, Some(FailKind::Timeout)));
}

#[tokio::test]
async fn an_answer_that_ends_inside_a_frame_is_lost() {
    let mut bytes = frame(MetaResponse::Peers(page(2, false)).encode());
    bytes.pop();
    let error = whoami_of(Script::raw(bytes, End::Finish)).await.unwrap_err();
    assert_eq!(error.kind, FailKind::Lost, "{error}");
}

#[tokio::test]
async fn more_entries_than_were_asked_for_are_too_many_and_the_others_stay() {
    let (pages, failure) =
        pages_of(Script::new([MetaResponse::Peers(page(3, true))], End::Repeat), 10).await;
    let n_items: Vec<_> = pages.iter().map(|page| page.items().count()).collect();
    assert_eq!((n_items, failure), (vec![3, 3, 3, 1], Some(FailKind::TooLarge)));
}

#[tokio::test]
async fn a_page_behind_the_entries_that_were_asked_for_is_too_much() {
    for (responses, expected) in [
        ([page(3, true), page(3, true)], Some(FailKind::TooLarge)),
        ([page(3, true), page(0, true)], Some(FailKind::Protocol)),
        ([page(3, true), page(0, false)], None),
        ([page(3, false), page(3, false)], None),
    ] {
        let script = Script::new(responses.map(MetaResponse::Peers), End::Finish);
        let (pages, failure) = pages_of(script, 3).await;
        assert_eq!((pages[0].items().count(), failure), (3, expected));
    }
}

#[tokio::test]
async fn a_peer_that_names_another_twice_has_failed_and_what_it_said_before_stays() {
    let honest = network(2, &[(0, 1), (0, 1)]).await;
    let report = crawl(&honest, Limits::default()).await;
    let status = |server: &Server| {
        let peer = report.peers.iter().find(|peer| peer.node_id == server.id());
        peer.map(|peer| peer.status.clone()).unwrap()
    };
    let PeerStatus::Failed { kind, message } = status(&honest[0]) else {
        panic!("it repeated itself");
    };
    assert_eq!(kind, FailKind::Protocol);
    assert!(message.contains("twice"), "{message}");
    assert_eq!(status(&honest[1]), PeerStatus::Answered);
    close_all(honest).await;
}

#[tokio::test]
async fn endless_empty_pages_are_a_fault_of_protocol() {
    let (pages, failure) =
        pages_of(Script::new([MetaResponse::Peers(page(0, true))], End::Repeat), 10).await;
    assert_eq!((pages.len(), failure), (0, Some(FailKind::Protocol)));
}

#[tokio::test]
async fn an_empty_table_is_an_answer() {
    let (pages, failure) =
        pages_of(Script::new([MetaResponse::Peers(page(0, false))], End::Finish), 10).await;
    assert_eq!((pages.len(), failure), (1, None));
}

#[tokio::test]
async fn endless_pages_do_not_outlast_a_crawl() {
    let endless = Script::new([MetaResponse::Peers(page(3, true))], End::Repeat);
    let server = Server::scripted(endless).await;
    let limits = Limits { timeout: IMPATIENCE, ..Limits::default() };
    let started = Instant::now();
    let report = crawl(std::slice::from_ref(&server), limits).await;
    assert!(started.elapsed() < IMPATIENCE * 2, "{:?}", started.elapsed());
    let n_rejected = report.peers[0].rejected[&RejectReason::UnknownVersion];
    assert!(n_rejected <= MAX_ENTRIES.into(), "{n_rejected}");
    server.close().await;
}

#[tokio::test]
async fn a_node_of_version_1_does_not_know_the_questions_of_version_2_and_answers_the_others() {
    let server = Server::honest(Network::public()).await;
    with_client(PATIENCE, async |client| {
        let session = client.connect(server.addr()).await.unwrap();
        assert_eq!(session.introducers().await.unwrap_err().kind, FailKind::Unsupported);
        assert_eq!(session.explain(server.id()).await.unwrap_err().kind, FailKind::Unsupported);
        assert_eq!(session.status().await.unwrap().table_size, 0);
    })
    .await;
    server.close().await;
}

/// An explanation of `about` that holds what `key` announces in `network`.
fn explanation(
    about: PublicKey,
    key: &SecretKey,
    network: &Network,
) -> Explanation<SignedAnnouncement> {
    let announcement = PeerAnnouncement {
        node_id: key.public(),
        name: Some("kestrel".to_owned()),
        blob_count: 0,
        timestamp_secs: 1_763_632_800,
        seq: 1,
        network_tag: network.tag(),
        interval_secs: 30,
        addrs: vec![],
        agent: "test".to_owned(),
    };
    let entry = PeerEntry {
        announcement: SignedAnnouncement::sign(announcement, key).unwrap(),
        age: Duration::from_secs(1),
        source: Source::Gossip,
        verified_age: None,
    };
    Explanation {
        node_id: about,
        is_listed: true,
        entry: Some(entry),
        is_neighbour: false,
        is_configured: false,
        introducer: None,
        author_budget: None,
        last_dial: None,
        next_dial: None,
        last_refusal: None,
        departed: None,
        lost: None,
    }
}

async fn explained_by(bytes: Vec<u8>) -> Result<Explanation<SignedAnnouncement>, AskError> {
    let response = MetaResponse::Explanation(bytes.into());
    let server = Server::scripted(Script::new([response], End::Finish)).await;
    let answer = with_client(PATIENCE, async |client| {
        client.connect(server.addr()).await?.explain(somebody()).await
    });
    let answer = answer.await;
    server.close().await;
    answer
}

#[tokio::test]
async fn an_explanation_is_about_whom_was_asked_for_and_its_announcement_is_proven() {
    let (key, other) = (SecretKey::from_bytes(&[9; 32]), SecretKey::from_bytes(&[8; 32]));
    let public = Network::public();
    let honest = explanation(somebody(), &key, &public).encode().into_vec();
    let read = explained_by(honest.clone()).await.unwrap();
    assert_eq!(read.entry.unwrap().announcement.name.as_deref(), Some("kestrel"));

    let mut forged = honest.clone();
    let name_at = forged.windows(7).position(|bytes| bytes == b"kestrel").unwrap();
    forged[name_at] = b'K';
    let elsewhere = Network::derive("elsewhere", "secret").unwrap();
    let lies = [
        forged,
        explanation(other.public(), &other, &public).encode().into_vec(),
        explanation(somebody(), &other, &public).encode().into_vec(),
        explanation(somebody(), &key, &elsewhere).encode().into_vec(),
        [honest, vec![0]].concat(),
    ];
    for lie in lies {
        assert_eq!(explained_by(lie).await.unwrap_err().kind, FailKind::Protocol);
    }
    let of_a_later_version = explained_by(vec![1]).await.unwrap_err();
    assert_eq!(of_a_later_version.kind, FailKind::Unsupported);
}

fn signed(n: usize) -> Vec<SignedAnnouncement> {
    let of = |seed: usize| {
        let key = SecretKey::from_bytes(&[seed as u8 + 1; 32]);
        explanation(key.public(), &key, &Network::public()).entry.unwrap().announcement
    };
    (0..n).map(of).collect()
}

fn all_new(n: u64) -> MetaResponse {
    let report = DiscoverReport { n_new: n, ..DiscoverReport::default() };
    MetaResponse::Discovered(report.encode())
}

/// The reports that came, and what the handover ended in, if it wasn't its end.
async fn handed(n: usize, server: &Server, timeout: Duration) -> (Vec<u64>, Option<FailKind>) {
    with_client(timeout, async |client| {
        let session = client.connect(server.addr()).await.expect("the server accepts");
        let (mut reports, mut failure) = (Vec::new(), None);
        let mut answers = Box::pin(session.discover(signed(n)));
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(report) => reports.push(report.n_new),
                Err(error) => failure = Some(error.kind),
            }
        }
        (reports, failure)
    })
    .await
}

async fn handed_to(n: usize, answer: MetaResponse) -> (Vec<u64>, Option<FailKind>) {
    let server = Server::scripted(Script::new([answer], End::Finish)).await;
    let outcome = handed(n, &server, IMPATIENCE).await;
    server.close().await;
    outcome
}

#[tokio::test]
async fn what_is_handed_over_is_reported_part_by_part_and_nothing_is_asked_for_nothing() {
    assert_eq!(handed_to(3, all_new(3)).await, (vec![3], None));
    let server = Server::honest(Network::public()).await;
    assert_eq!(handed(0, &server, PATIENCE).await, (vec![], None));
    // Its length takes two bytes, and the request itself 36.
    let n_fit = (MAX_REQUEST_LEN - 36) / (signed(1)[0].bytes().len() + 2);
    let n = n_fit as u64;
    assert_eq!(handed_to(3 * n_fit, all_new(n)).await, (vec![n; 3], None));
    server.close().await;
}

#[tokio::test]
async fn a_report_about_more_or_less_than_was_handed_over_breaks_the_protocol() {
    for n in [0, 2, 4] {
        assert_eq!(handed_to(3, all_new(n)).await, (vec![], Some(FailKind::Protocol)));
    }
    let later = MetaResponse::Discovered(vec![1].into());
    assert_eq!(handed_to(3, later).await, (vec![], Some(FailKind::Unsupported)));
}

#[tokio::test]
async fn a_handover_ends_with_its_first_error() {
    let refused = MetaResponse::error(ErrorCode::NotOperator, "not you");
    assert_eq!(handed_to(100, refused).await, (vec![], Some(FailKind::NotOperator)));
    let server = Server::honest(Network::public()).await;
    let of_version_1 = handed(100, &server, PATIENCE).await;
    assert_eq!(of_version_1, (vec![], Some(FailKind::Unsupported)));
    server.close().await;
}

#[tokio::test]
async fn a_busy_peer_is_asked_again_and_given_up_in_the_end() {
    let busy = || MetaResponse::error(ErrorCode::Busy, "not now");
    let server = Server::scripted(Script::new([busy()], End::Finish)).await;
    let started = Instant::now();
    let ended = handed(3, &server, Duration::from_millis(2500)).await;
    assert_eq!(ended, (vec![], Some(FailKind::Busy)));
    assert!(started.elapsed() >= Duration::from_secs(2), "it was asked three times");
    server.close().await;
}

#[tokio::test]
async fn a_crawl_tells_when_a_peer_last_answered_a_responder_as_the_responders_say() {
    let mut servers = network(3, &[(0, 1)]).await;
    let mut claim = |from: usize, secs: Option<u64>| {
        let announcement = servers[2].announcement();
        let entry = PeerEntry {
            announcement,
            age: Duration::from_secs(1),
            source: Source::Gossip,
            verified_age: secs.map(Duration::from_secs),
        };
        servers[from].learn(entry.encode());
    };
    claim(0, Some(60));
    claim(1, Some(20));
    let report = crawl(&servers, Limits { max_depth: Depth::Hops(1), ..Limits::default() }).await;
    let ages = |server: &Server| {
        report.peers.iter().find(|peer| peer.node_id == server.id()).unwrap().verified_age
    };
    assert_eq!(ages(&servers[2]), Some(Duration::from_secs(20)));
    assert_eq!(ages(&servers[1]), None);
    close_all(servers).await;
}

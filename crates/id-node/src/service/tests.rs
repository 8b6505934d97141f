mod explaining;
mod handing;

use std::{
    fs,
    process::Command,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use futures::TryStreamExt;
use id_client::Client;
use id_proto::{
    PeerAnnouncement, PeerEntry, SignedAnnouncement, UnverifiedAnnouncement, WhoamiRequest,
    iroh_base::{EndpointAddr, SecretKey, TransportAddr},
    limits::{MAX_RESPONSE_LEN, MAX_SIGNED_LEN},
    version::META_ALPN,
};
use iroh::{Endpoint, endpoint::ConnectionError, protocol::Router};

use super::{made_up::answerer, *};
use crate::endpoint::{EndpointOptions, bind};

/// Long enough for anything on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// A service in front of a made-up table, and somebody who asks.
struct Served {
    router: Router,
    caller: Endpoint,
    busy: BusyCounts,
}

impl Served {
    async fn with_table(peers: Vec<SignedAnnouncement>) -> Self {
        // Tests ask more often than anybody has to.
        Self::start(peers, Limits { list_burst: 100, ..Limits::default() }).await
    }

    async fn start(peers: Vec<SignedAnnouncement>, limits: Limits) -> Self {
        let (endpoint, caller) = (bind_on_loopback().await, bind_on_loopback().await);
        let own = sign(endpoint.secret_key(), short);
        let mut service = Service::new(answerer(own, peers));
        let busy = service.node.busy.clone();
        service.callers = Callers::new(limits);
        let router = Router::builder(endpoint).incoming_filter(service.incoming_filter());
        Self { router: router.accept(META_ALPN, service).spawn(), caller, busy }
    }

    fn addr(&self) -> EndpointAddr {
        self.router.endpoint().addr()
    }

    async fn connect(&self) -> Connection {
        self.caller.connect(self.addr(), META_ALPN).await.unwrap()
    }

    /// What was turned away, and how often.
    fn turned_away(&self) -> Vec<(&'static str, u64)> {
        self.busy.all().into_iter().filter(|(_, n)| *n > 0).collect()
    }

    fn client(&self) -> Client {
        Client::new(self.caller.clone()).with_timeout(PATIENCE)
    }
}

/// Runs a test with a service in front of `peers`, and closes its endpoints whatever comes of it.
async fn served(peers: Vec<SignedAnnouncement>, test: impl AsyncFnOnce(&Served)) {
    close_after(Served::with_table(peers).await, test).await;
}

async fn close_after(served: Served, test: impl AsyncFnOnce(&Served)) {
    use futures::FutureExt;
    let outcome = std::panic::AssertUnwindSafe(test(&served)).catch_unwind().await;
    futures::join!(served.caller.close(), served.router.endpoint().close());
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

async fn bind_on_loopback() -> Endpoint {
    let options =
        EndpointOptions { bind: Some("127.0.0.1:0".parse().unwrap()), ..Default::default() };
    bind(options).await.unwrap()
}

fn sign(key: &SecretKey, kind: impl Fn(&mut PeerAnnouncement)) -> SignedAnnouncement {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut announcement = PeerAnnouncement {
        node_id: key.public(),
        name: None,
        blob_count: 0,
        timestamp_secs: now.as_secs(),
        seq: now.as_millis() as u64,
        network_tag: Network::public().tag(),
        interval_secs: 30,
        addrs: Vec::new(),
        agent: "test".to_owned(),
    };
    kind(&mut announcement);
    SignedAnnouncement::sign(announcement, key).unwrap()
}

fn short(_: &mut PeerAnnouncement) {}

/// As long as a statement may be, or almost.
fn long(announcement: &mut PeerAnnouncement) {
    announcement.name = Some("n".repeat(64));
    announcement.agent = "a".repeat(32);
    let relay = |c: &str| format!("https://{}.example", c.repeat(90)).parse().unwrap();
    announcement.addrs = ["a", "b"].map(|c| TransportAddr::Relay(relay(c))).into();
}

/// `n` peers, in the order of a table.
fn peers(n: u32, kind: impl Fn(&mut PeerAnnouncement)) -> Vec<SignedAnnouncement> {
    let mut peers = Vec::with_capacity(n as usize);
    for i in 0..n {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&i.to_le_bytes());
        peers.push(sign(&SecretKey::from_bytes(&seed), &kind));
    }
    peers.sort_by_key(|peer| peer.node_id);
    peers
}

fn frame(content: &[u8]) -> Vec<u8> {
    postcard::to_stdvec(content).unwrap()
}

fn whoami() -> Vec<u8> {
    frame(&MetaRequest::Whoami(WhoamiRequest { proof: None }).encode())
}

fn list_peers(max_entries: u32) -> Vec<u8> {
    frame(&MetaRequest::ListPeers(ListPeersRequest { proof: None, max_entries }).encode())
}

/// Sends bytes on a stream of their own, finishes it, and reads every response.
async fn ask(connection: &Connection, bytes: &[u8]) -> Vec<MetaResponse> {
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(bytes).await.unwrap();
    send.finish().unwrap();
    responses(&mut recv).await
}

async fn responses(recv: &mut RecvStream) -> Vec<MetaResponse> {
    let mut responses = Vec::new();
    while let Some(frame) = read_frame(recv, MAX_RESPONSE_LEN).await.unwrap() {
        responses.push(MetaResponse::decode(&frame).unwrap());
    }
    responses
}

#[track_caller]
fn assert_error(responses: &[MetaResponse], code: ErrorCode) {
    let [MetaResponse::Error(error)] = responses else { panic!("{responses:?}") };
    assert_eq!(error.code(), code, "{}", error.message);
}

async fn assert_lives(connection: &Connection) {
    let responses = ask(connection, &whoami()).await;
    assert!(matches!(responses[..], [MetaResponse::Whoami(_)]), "{responses:?}");
}

#[tokio::test]
async fn a_request_of_a_later_release_is_unsupported_and_the_connection_lives_on() {
    served(Vec::new(), async |served| {
        let connection = served.connect().await;
        for later in [&[13][..], &[99, 1, 2, 3], &[0xff, 0xff, 0xff, 0xff, 0x0f]] {
            assert_error(&ask(&connection, &frame(later)).await, ErrorCode::Unsupported);
        }
        assert_lives(&connection).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_no_request_is_malformed_and_the_connection_lives_on() {
    served(Vec::new(), async |served| {
        let connection = served.connect().await;
        let behind = [MetaRequest::Whoami(WhoamiRequest { proof: None }).encode(), vec![0]];
        let no_requests = [
            ("nothing", Vec::new()),
            ("an empty frame", frame(&[])),
            ("an option that is neither", frame(&[0, 7])),
            ("bytes behind the request", frame(&behind.concat())),
            ("half a request", frame(&[1, 1, 2, 3])),
            ("half a frame", whoami()[..2].to_vec()),
            ("a length that is none", vec![0xff; 11]),
            ("the longest request", frame(&[0; MAX_REQUEST_LEN])),
        ];
        for (what, bytes) in no_requests {
            println!("{what}");
            assert_error(&ask(&connection, &bytes).await, ErrorCode::Malformed);
        }
        assert_lives(&connection).await;
    })
    .await;
}

/// The caller sends nothing but the claim, and waits: whoever waited for more would wait too.
#[tokio::test]
async fn a_claim_above_the_limit_is_refused_before_anything_is_read() {
    served(Vec::new(), async |served| {
        let connection = served.connect().await;
        for claim in [MAX_REQUEST_LEN as u64 + 1, 16 << 20, u64::MAX] {
            let (mut send, mut recv) = connection.open_bi().await.unwrap();
            send.write_all(&postcard::to_stdvec(&claim).unwrap()).await.unwrap();
            let asked = Instant::now();
            assert_error(&responses(&mut recv).await, ErrorCode::TooLarge);
            assert!(asked.elapsed() < REQUEST_TIMEOUT);
        }
        assert_lives(&connection).await;
    })
    .await;
}

#[tokio::test]
async fn what_follows_a_request_is_ignored() {
    served(Vec::new(), async |served| {
        let connection = served.connect().await;
        let responses = ask(&connection, &[whoami(), whoami(), vec![0xff; 100]].concat()).await;
        assert!(matches!(responses[..], [MetaResponse::Whoami(_)]), "{responses:?}");
    })
    .await;
}

#[tokio::test]
async fn a_caller_who_sends_byte_by_byte_is_given_up_and_others_are_not() {
    served(Vec::new(), async |served| {
        let connection = served.connect().await;
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        let request = frame(&[0; MAX_REQUEST_LEN]);
        let (started, mut answer) = (Instant::now(), Box::pin(responses(&mut recv)));
        let mut pause = tokio::time::interval(Duration::from_millis(500));
        for byte in request {
            tokio::select! {
                _ = pause.tick() => send.write_all(&[byte]).await.unwrap(),
                answer = &mut answer => {
                    assert_error(&answer, ErrorCode::Malformed);
                    break;
                }
            }
            assert_lives(&connection).await;
            assert!(started.elapsed() < PATIENCE);
        }
        assert!(started.elapsed() >= REQUEST_TIMEOUT);
    })
    .await;
}

#[tokio::test]
async fn more_requests_than_are_served_at_once_wait_for_their_turn() {
    served(Vec::new(), async |served| {
        let connection = served.connect().await;
        let (request, mut unfinished) = (whoami(), Vec::new());
        for _ in 0..MAX_REQUESTS {
            let (mut send, recv) = connection.open_bi().await.unwrap();
            send.write_all(&request[..1]).await.unwrap();
            unfinished.push((send, recv));
        }
        let mut one_more = Box::pin(ask(&connection, &request));
        let early = timeout(Duration::from_millis(300), &mut one_more).await;
        assert!(early.is_err(), "all slots are taken");
        for (send, _) in &mut unfinished {
            send.write_all(&request[1..]).await.unwrap();
        }
        for (_, recv) in &mut unfinished {
            let responses = responses(recv).await;
            assert!(matches!(responses[..], [MetaResponse::Whoami(_)]), "{responses:?}");
        }
        let answer = timeout(PATIENCE, one_more).await.unwrap();
        assert!(matches!(answer[..], [MetaResponse::Whoami(_)]), "{answer:?}");
    })
    .await;
}

#[tokio::test]
async fn a_connection_too_many_is_told_that_we_are_busy() {
    let limits = Limits { max_connections: 1, ..Limits::default() };
    close_after(Served::start(Vec::new(), limits).await, async |served| {
        let first = served.connect().await;
        assert_lives(&first).await;
        let second = served.connect().await;
        assert_closed(&second, ErrorCode::Busy.number(), "busy").await;
        assert_lives(&first).await;
        assert_eq!(served.turned_away(), [("connection", 1)]);

        first.close(0_u32.into(), b"done");
        let deadline = Instant::now() + PATIENCE;
        while served.client().whoami(served.addr()).await.is_err() {
            assert!(Instant::now() < deadline, "the place is free again");
        }
    })
    .await;
}

async fn assert_closed(connection: &Connection, code: u16, reason: &str) {
    let closed = timeout(PATIENCE, connection.closed()).await;
    let Ok(ConnectionError::ApplicationClosed(close)) = closed else {
        panic!("closed by the server: {closed:?}")
    };
    assert_eq!(close.error_code.into_inner(), u64::from(code));
    assert_eq!(close.reason, reason.as_bytes());
}

#[tokio::test]
async fn one_caller_has_its_share_of_the_connections_and_others_have_theirs() {
    let limits = Limits { max_per_caller: 2, ..Limits::default() };
    close_after(Served::start(Vec::new(), limits).await, async |served| {
        let first = [served.connect().await, served.connect().await];
        for connection in &first {
            assert_lives(connection).await;
        }
        assert_closed(&served.connect().await, ErrorCode::Busy.number(), "busy").await;
        let other = bind_on_loopback().await;
        let connection = other.connect(served.addr(), META_ALPN).await.unwrap();
        assert_lives(&connection).await;
        other.close().await;
    })
    .await;
}

#[tokio::test]
async fn one_host_has_its_share_of_the_connections_whatever_it_calls_itself() {
    let limits = Limits { max_per_host: 1, ..Limits::default() };
    close_after(Served::start(Vec::new(), limits).await, async |served| {
        let first = served.connect().await;
        assert_lives(&first).await;
        let other = bind_on_loopback().await;
        let second = other.connect(served.addr(), META_ALPN).await.unwrap();
        assert_closed(&second, ErrorCode::Busy.number(), "busy").await;
        assert_lives(&first).await;
        other.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_over_which_nothing_is_asked_is_closed_and_one_with_a_request_is_not() {
    let limits = Limits { idle: Duration::from_millis(500), ..Limits::default() };
    close_after(Served::start(Vec::new(), limits).await, async |served| {
        let (idle, busy) = (served.connect().await, served.connect().await);
        let (mut send, mut recv) = busy.open_bi().await.unwrap();
        send.write_all(&whoami()[..1]).await.unwrap();
        assert_closed(&idle, 0, "idle").await;
        send.write_all(&whoami()[1..]).await.unwrap();
        assert!(matches!(responses(&mut recv).await[..], [MetaResponse::Whoami(_)]));
        assert_closed(&busy, 0, "idle").await;
    })
    .await;
}

#[tokio::test]
async fn who_asks_for_the_table_again_and_again_is_told_that_we_are_busy_and_others_are_not() {
    close_after(Served::start(peers(3, short), Limits::default()).await, async |served| {
        let connection = served.connect().await;
        let mut n_refused = 0;
        for _ in 0..20 {
            let responses = ask(&connection, &list_peers(u32::MAX)).await;
            if matches!(responses[..], [MetaResponse::Error(_)]) {
                assert_error(&responses, ErrorCode::Busy);
                n_refused += 1;
            }
        }
        assert!(n_refused > 0, "twenty listings take less than 15 s");
        assert_eq!(served.turned_away(), [("listing", n_refused)]);
        assert_lives(&connection).await;
        let other = bind_on_loopback().await;
        let connection = other.connect(served.addr(), META_ALPN).await.unwrap();
        assert_eq!(listed(&pages(ask(&connection, &list_peers(u32::MAX)).await)).len(), 4);
        other.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_caller_has_no_more_streams_than_allowed() {
    served(Vec::new(), async |served| {
        let connection = served.connect().await;
        assert_lives(&connection).await;
        let mut streams = Vec::new();
        let more = loop {
            match timeout(Duration::from_millis(300), connection.open_bi()).await {
                Ok(stream) => streams.push(stream.unwrap()),
                Err(_) => break streams.len(),
            }
            assert!(streams.len() <= MAX_STREAMS as usize);
            let (send, _) = streams.last_mut().unwrap();
            send.write_all(&whoami()[..1]).await.unwrap();
        };
        println!("{more} streams");
        assert!(more >= MAX_REQUESTS);
    })
    .await;
}

/// Eighty at once, most of whom have to come twice.
#[tokio::test]
async fn in_a_rush_callers_prove_their_addresses_and_are_served() {
    let limits = Limits { max_connections: 128, ..Limits::default() };
    close_after(Served::start(Vec::new(), limits).await, async |served| {
        let callers = futures::future::join_all((0..10).map(|_| bind_on_loopback())).await;
        let ask_all = callers.iter().flat_map(|caller| (0..8).map(move |_| caller));
        let answers = ask_all.map(|caller| async {
            let connection = caller.connect(served.addr(), META_ALPN).await.unwrap();
            assert_lives(&connection).await;
            connection
        });
        let open = timeout(PATIENCE, futures::future::join_all(answers)).await.unwrap();
        assert_eq!(open.len(), 80, "more than are taken at their word");
        futures::future::join_all(callers.iter().map(Endpoint::close)).await;
    })
    .await;
}

fn pages(responses: Vec<MetaResponse>) -> Vec<PeersPage> {
    let page = |response| match response {
        MetaResponse::Peers(page) => page,
        other => panic!("{other:?}"),
    };
    responses.into_iter().map(page).collect()
}

fn listed(pages: &[PeersPage]) -> Vec<PublicKey> {
    let items = pages.iter().flat_map(PeersPage::items).map(Result::unwrap);
    let entries = items.map(|item| PeerEntry::<UnverifiedAnnouncement>::decode(item).unwrap());
    entries.map(|entry| entry.announcement.claimed().node_id).collect()
}

/// [`ask`] reads no response above the limit.
#[tokio::test]
async fn a_table_comes_in_pages_within_the_limit_each_but_the_last_promising_more() {
    let n_peers = 1000;
    served(peers(n_peers, long), async |served| {
        let connection = served.connect().await;
        let pages = pages(ask(&connection, &list_peers(u32::MAX)).await);
        let more: Vec<_> = pages.iter().map(|page| page.more).collect();
        let expected: Vec<_> = (1..=pages.len()).map(|i| i < pages.len()).collect();
        assert_eq!(more, expected);
        assert!(pages.len() >= n_peers as usize * 400 / MAX_RESPONSE_LEN, "{}", pages.len());
        for page in &pages[..pages.len() - 1] {
            let len = MetaResponse::Peers(page.clone()).encode().len();
            assert!(len > MAX_RESPONSE_LEN - 600, "a page of {len} bytes isn't full");
        }

        let ids = listed(&pages);
        let (own, others) = ids.split_first().unwrap();
        assert_eq!(*own, served.router.endpoint().id());
        assert_eq!(others.len(), n_peers as usize);
        assert!(others.is_sorted());
    })
    .await;
}

#[tokio::test]
async fn no_more_entries_come_than_are_asked_for() {
    let n_peers = 300;
    served(peers(n_peers, long), async |served| {
        let connection = served.connect().await;
        for max_entries in [0, 1, 2, 150, 300, 301, 302, u32::MAX] {
            let pages = pages(ask(&connection, &list_peers(max_entries)).await);
            assert_eq!(listed(&pages).len(), max_entries.min(n_peers + 1) as usize);
            assert!(!pages.last().unwrap().more);
        }
    })
    .await;
}

#[tokio::test]
async fn a_caller_who_does_not_read_is_given_up_and_others_are_not() {
    served(peers(20_000, long), async |served| {
        let connection = served.connect().await;
        // That one stream isn't read shall not keep another one from being read.
        connection.set_receive_window(u32::MAX.into());
        let mut unread = Vec::new();
        for _ in 0..MAX_REQUESTS {
            let (mut send, recv) = connection.open_bi().await.unwrap();
            send.write_all(&list_peers(u32::MAX)).await.unwrap();
            unread.push((send, recv));
        }
        let started = Instant::now();
        assert_lives(&served.connect().await).await;
        assert!(started.elapsed() < PAGE_TIMEOUT);
        // All slots of the first connection are taken, until its callers are given up.
        timeout(PATIENCE, assert_lives(&connection)).await.unwrap();
        assert!(started.elapsed() >= PAGE_TIMEOUT);
    })
    .await;
}

/// Set for the process that [`a_table_of_100_000_entries_is_served_and_read_in_little_memory`]
/// starts, so that no other test is in the figure.
const ALONE: &str = "ID_NODE_TEST_ALONE";

#[cfg(target_os = "linux")]
#[test]
fn a_table_of_100_000_entries_is_served_and_read_in_little_memory() {
    let name = "service::tests::a_table_of_100_000_entries_is_served_and_read_in_little_memory";
    if std::env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        return runtime.block_on(list_100_000());
    }
    let mut alone = Command::new(std::env::current_exe().unwrap());
    let alone = alone.args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&alone.stdout);
    println!("{said}{}", String::from_utf8_lossy(&alone.stderr));
    assert!(alone.status.success() && said.contains("extra peak"));
}

async fn list_100_000() {
    const MIB: u64 = 1 << 20;
    const PROMISED: u64 = 64 * MIB;
    let n_peers = 100_000;
    served(peers(n_peers, long), async |served| {
        let before = memory("VmRSS");
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let started = Instant::now();
        let client = served.client().with_timeout(Duration::from_secs(300));
        let mut entries = Box::pin(client.list_peers(served.addr()));
        let (mut n_entries, mut n_bytes) = (0, 0);
        while let Some(entry) = entries.try_next().await.unwrap() {
            n_entries += 1;
            n_bytes += entry.announcement.bytes().len() as u64;
        }
        let extra = memory("VmHWM").saturating_sub(before);
        println!(
            "{n_entries} entries, {} MiB, in {:?}; extra peak of both sides: {:.1} MiB over {} MiB",
            n_bytes / MIB,
            started.elapsed(),
            extra as f64 / MIB as f64,
            before / MIB,
        );
        assert_eq!(n_entries, n_peers + 1);
        assert!(n_bytes > u64::from(n_peers) * (MAX_SIGNED_LEN as u64 - 100));
        assert!(extra <= PROMISED);
        assert!(extra < n_bytes / 2, "a side holds the whole answer");
    })
    .await;
}

/// A figure of `/proc/self/status`, in bytes.
fn memory(what: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    let kib = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kib.parse::<u64>().unwrap() * 1024
}

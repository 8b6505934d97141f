//! How fast a table of 100,000 entries is listed, compared with a raw stream of the same bytes. `cargo xtask bench list`
//! builds it, runs it and prints what it found.
//!
//! Server and caller are two endpoints of this process, and the ways take turns; the median round counts.

use std::time::{Duration, Instant, SystemTime};

use futures::{Stream, TryStreamExt};
use id_client::{AskError, Client, MAX_ENTRIES, Session};
use id_node::untrusted::serve_table;
use id_proto::{
    MetaResponse, Network, PeerAnnouncement, PeersPage, SignedAnnouncement,
    iroh_base::{EndpointAddr, SecretKey, TransportAddr},
};
use iroh::{
    Endpoint, RelayMode,
    endpoint::{Connection, PortmapperConfig, presets},
    protocol::{AcceptError, ProtocolHandler},
};

const N_ENTRIES: u32 = 100_000;
/// Odd, so that there is a median; and no more than a caller may list at once.
const N_ROUNDS: usize = 5;
/// How much a raw stream is written and read at a time: a longest page.
const CHUNK: usize = 64 * 1024;
const RAW_ALPN: &[u8] = b"raw";
/// For whatever a busy machine does.
const TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() {
    let (server, caller) = (bind(secret(0)).await, bind(secret(u32::MAX)).await);
    let peers = (1..=N_ENTRIES).map(|n| announcement(&secret(n))).collect();
    let router = serve_table(server, announcement(&secret(0)), peers).accept(RAW_ALPN, Raw).spawn();
    let addr = router.endpoint().addr();
    let n_bytes = n_bytes(addr.clone()).await;

    let client = Client::new(caller.clone()).with_timeout(TIMEOUT);
    let session = client.connect(addr.clone()).await.expect("the server is here");
    let raw = caller.connect(addr.clone(), RAW_ALPN).await.expect("the server is here");
    let mut rounds = Vec::new();
    for nth in 0..N_ROUNDS {
        // Who is first finds the caches cold, so both are, in turns.
        let early = if nth % 2 == 0 { Some(timed(read_raw(&raw, n_bytes)).await) } else { None };
        let list = timed(list(&session)).await;
        let raw = match early {
            Some(early) => early,
            None => timed(read_raw(&raw, n_bytes)).await,
        };
        rounds.push((list, raw));
    }
    let checked = check(addr).await;
    router.shutdown().await.expect("it serves nobody");
    let rate = |secs: f64| n_bytes as f64 / secs;
    let report = serde_json::json!({
        "entries": N_ENTRIES + 1,
        "bytes": n_bytes,
        "list_bytes_per_second": median(rounds.iter().map(|(list, _)| rate(*list))),
        "raw_bytes_per_second": median(rounds.iter().map(|(_, raw)| rate(*raw))),
        "ratio": median(rounds.iter().map(|(list, raw)| raw / list)),
        "checked_entries_per_second": f64::from(N_ENTRIES + 1) / checked,
    });
    println!("{report}");
}

async fn timed(work: impl Future<Output = ()>) -> f64 {
    let started = Instant::now();
    work.await;
    started.elapsed().as_secs_f64()
}

/// The whole table, as a crawl reads it before it checks anything.
async fn list(session: &Session) {
    let n_entries = pages(session).try_fold(0, async |n, page| Ok(n + page.items().count())).await;
    assert_eq!(n_entries.expect("an honest answer"), N_ENTRIES as usize + 1);
}

fn pages(session: &Session) -> impl Stream<Item = Result<PeersPage, AskError>> + use<> {
    session.list_peers(MAX_ENTRIES)
}

/// As many bytes, with nothing in them.
async fn read_raw(connection: &Connection, n_bytes: u64) {
    let (mut send, mut recv) = connection.open_bi().await.expect("the server is here");
    send.write_all(&n_bytes.to_le_bytes()).await.expect("the server reads");
    let (mut buffer, mut n_read) = (vec![0; CHUNK], 0);
    while let Some(n) = recv.read(&mut buffer).await.expect("the server writes") {
        n_read += n as u64;
    }
    assert_eq!(n_read, n_bytes);
}

/// How long the answer is on the wire, asked by somebody else, for each may list only so often.
async fn n_bytes(server: EndpointAddr) -> u64 {
    let caller = bind(secret(u32::MAX - 1)).await;
    let session = Client::new(caller.clone()).connect(server).await.expect("the server is here");
    let frame_len = |page| 3 + MetaResponse::Peers(page).encode().len() as u64;
    let n_bytes = pages(&session).try_fold(0, async |n, page| Ok(n + frame_len(page))).await;
    caller.close().await;
    n_bytes.expect("an honest answer")
}

/// How many seconds a listing takes whose signatures are checked, on all cores.
async fn check(server: EndpointAddr) -> f64 {
    let caller = bind(secret(u32::MAX - 2)).await;
    let client = Client::new(caller.clone()).with_timeout(TIMEOUT);
    let entries = client.list_peers(server).try_fold(0, async |n, _| Ok(n + 1));
    let secs = timed(async {
        assert_eq!(entries.await.expect("an honest answer"), N_ENTRIES + 1);
    })
    .await;
    caller.close().await;
    secs
}

/// Sends as many bytes as it is asked for.
#[derive(Debug)]
struct Raw;

impl ProtocolHandler for Raw {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        let chunk = vec![7; CHUNK];
        while let Ok((mut send, mut recv)) = connection.accept_bi().await {
            let mut n_bytes = [0; 8];
            recv.read_exact(&mut n_bytes).await.map_err(AcceptError::from_err)?;
            let mut left = u64::from_le_bytes(n_bytes) as usize;
            while left > 0 {
                let n = left.min(CHUNK);
                send.write_all(&chunk[..n]).await.map_err(AcceptError::from_err)?;
                left -= n;
            }
            send.finish().map_err(AcceptError::from_err)?;
        }
        Ok(())
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn bind(key: SecretKey) -> Endpoint {
    let builder = Endpoint::builder(presets::Minimal)
        .secret_key(key)
        .portmapper_config(PortmapperConfig::Disabled)
        .relay_mode(RelayMode::Disabled)
        .clear_ip_transports();
    let builder = builder.bind_addr("127.0.0.1:0").expect("an address");
    builder.bind().await.expect("a socket on loopback")
}

fn secret(n: u32) -> SecretKey {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    SecretKey::from_bytes(&bytes)
}

/// What a peer says: a name, a relay and two addresses.
fn announcement(key: &SecretKey) -> SignedAnnouncement {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    let relay = "https://relay.example.org./".parse().expect("a URL");
    let ip = |addr: &str| TransportAddr::Ip(addr.parse().expect("an address"));
    let announcement = PeerAnnouncement {
        node_id: key.public(),
        name: Some("kestrel".to_owned()),
        blob_count: 300,
        timestamp_secs: now.as_secs(),
        seq: now.as_millis() as u64,
        network_tag: Network::public().tag(),
        interval_secs: 86_400,
        addrs: vec![TransportAddr::Relay(relay), ip("1.1.1.1:4433"), ip("[2606:4700::1]:4433")],
        agent: "id-node/0.1.0".to_owned(),
    };
    SignedAnnouncement::sign(announcement, key).expect("in bounds")
}

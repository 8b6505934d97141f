//! How fast peers are asked, in one of several ways. `cargo xtask bench crawl` builds it, runs it against a farm of
//! peers and prints what it found.
//!
//! It reads peers from stdin, `id@addr` a line: whom to call, or the seeds of a crawl. It prints one line of JSON.

use std::{
    env,
    io::{Read, stdin},
    net::SocketAddr,
    num::NonZeroUsize,
    process::exit,
    slice,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use id_client::{
    AskError, Client, CrawlEvent, Crawler, Depth, Endpoints, Limits, Reply, Summary, Transport,
    id_proto::{MetaRequest, Network, PeerRef, WhoamiRequest, version::META_ALPN},
};
use iroh::{
    Endpoint, EndpointAddr, RelayMode, SecretKey,
    endpoint::{self, PortmapperConfig, presets},
};
use irpc_iroh::IrohRemoteConnection;

/// Most peers of a crawl here: more than any farm has.
const MAX_PEERS: NonZeroUsize = NonZeroUsize::new(1 << 20).unwrap();
/// How long a crawl may take here.
const TIMEOUT: Duration = Duration::from_secs(600);

/// How long signatures are checked for, to know how many a second there can be.
const CHECKING: Duration = Duration::from_secs(3);

const USAGE: &str =
    "usage: crawl_speed bare|crawl|one-endpoint|per-query CONCURRENCY [MAX_DEPTH] < PEERS
       crawl_speed signatures THREADS";

/// What came of it.
struct Outcome {
    known: usize,
    asked: usize,
    answered: usize,
    /// When the last of them had.
    last_answer: Duration,
    took: Duration,
}

#[tokio::main]
async fn main() {
    let args: Vec<_> = env::args().skip(1).collect();
    let number = |n: usize| args.get(n).and_then(|arg| arg.parse::<usize>().ok());
    let (Some(way), Some(concurrency)) = (args.first(), number(1).and_then(NonZeroUsize::new))
    else {
        eprintln!("{USAGE}");
        exit(2);
    };
    if way == "signatures" {
        return println!("{}", signatures(concurrency.get()));
    }
    let peers = peers();
    let max_depth = number(2).map_or(Depth::Unlimited, |depth| Depth::Hops(depth as u32));
    let limits = Limits {
        max_depth,
        max_peers: MAX_PEERS,
        concurrency,
        timeout: TIMEOUT,
        ..Limits::default()
    };
    let outcome = match way.as_str() {
        "bare" => bare(peers, concurrency.get()).await,
        "crawl" => {
            let at = bind_addr(&peers);
            let bind = move || builder(at).bind();
            let endpoints = Endpoints::new(bind().await.expect("a socket"), bind);
            crawled(Crawler::in_turns(Arc::new(endpoints)), peers, limits).await
        }
        "one-endpoint" => {
            let endpoint = bind(&peers).await;
            crawled(Crawler::builder(endpoint), peers, limits).await
        }
        "per-query" => crawled(Crawler::with_transport(PerQuery), peers, limits).await,
        _ => {
            eprintln!("{USAGE}");
            exit(2);
        }
    };
    println!("{}", outcome.to_json());
}

fn peers() -> Vec<EndpointAddr> {
    let mut text = String::new();
    stdin().read_to_string(&mut text).expect("stdin is text");
    let peers = text.lines().map(|line| line.parse::<PeerRef>().expect("a line is a peer"));
    peers.flat_map(|peer| peer.addrs().to_vec()).collect()
}

/// On loopback, if that is where whoever is asked is.
fn bind_addr(peers: &[EndpointAddr]) -> &'static str {
    let mut ips = peers.iter().flat_map(EndpointAddr::ip_addrs).map(SocketAddr::ip);
    if ips.all(|ip| ip.is_loopback()) { "127.0.0.1:0" } else { "0.0.0.0:0" }
}

async fn bind(peers: &[EndpointAddr]) -> Endpoint {
    builder(bind_addr(peers)).bind().await.expect("a socket")
}

fn builder(at: &str) -> endpoint::Builder {
    let builder = Endpoint::builder(presets::Minimal)
        .portmapper_config(PortmapperConfig::Disabled)
        .relay_mode(RelayMode::Disabled)
        .clear_ip_transports();
    builder.bind_addr(at).expect("an address")
}

/// Connects and makes one unary call, to each of `peers`, with nothing checked and nothing kept: what
/// no crawler is faster than.
async fn bare(peers: Vec<EndpointAddr>, concurrency: usize) -> Outcome {
    let (endpoint, asked) = (bind(&peers).await, peers.len());
    let started = Instant::now();
    let calls = stream::iter(peers).map(|peer| call(endpoint.clone(), peer));
    let ended = calls.buffer_unordered(concurrency).collect::<Vec<_>>().await;
    let answered = ended.into_iter().flatten().count();
    let took = started.elapsed();
    Outcome { known: asked, asked, answered, last_answer: took, took }
}

async fn call(endpoint: Endpoint, peer: EndpointAddr) -> Option<()> {
    let proof = Some(Network::public().prove(&endpoint.id(), &peer.id));
    let connection = endpoint.connect(peer, META_ALPN).await.ok()?;
    let remote = IrohRemoteConnection::new(connection.clone());
    let client = irpc::Client::<MetaRequest>::boxed(remote);
    client.rpc(WhoamiRequest { proof }).await.ok()?;
    connection.close(0_u32.into(), b"done");
    Some(())
}

async fn crawled(crawler: Crawler, seeds: Vec<EndpointAddr>, limits: Limits) -> Outcome {
    let crawl = crawler.seeds(seeds).limits(limits);
    let started = Instant::now();
    let (mut crawl, mut last_answer) = (crawl.start(), Duration::ZERO);
    while let Some(event) = crawl.next().await {
        if let CrawlEvent::Answered { .. } = event {
            last_answer = started.elapsed();
        }
    }
    let summary = crawl.finish().await.summary();
    let took = started.elapsed();
    let Summary { known, asked, answered, .. } = summary;
    Outcome { known, asked, answered, last_answer, took }
}

/// How many signatures so many threads check a second, strictly and one by one, with nothing else done. Each key is
/// decompressed anew, as that of each announcement is.
fn signatures(n_threads: usize) -> f64 {
    let key = SecretKey::from_bytes(&[7; 32]);
    let signed: Vec<_> = (0..512_u32).map(|n| [n.to_le_bytes(); 50].concat()).collect();
    let signed: Vec<_> = signed.into_iter().map(|bytes| (key.sign(&bytes), bytes)).collect();
    let author = key.public();
    let check = || {
        let started = Instant::now();
        let turns = signed.iter().cycle().take_while(|_| started.elapsed() < CHECKING);
        turns.filter(|(signature, bytes)| author.verify(bytes, signature).is_ok()).count()
    };
    let n_checked: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(check)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it only counts")).sum()
    });
    n_checked as f64 / CHECKING.as_secs_f64()
}

/// Binds an endpoint for each question, as the first crawlers for iroh did.
struct PerQuery;

impl Transport for PerQuery {
    fn list_peers(
        &self,
        peer: EndpointAddr,
        max_entries: u32,
    ) -> BoxStream<'static, Result<Reply, AskError>> {
        let replies = async move {
            let endpoint = bind(slice::from_ref(&peer)).await;
            let answer: Vec<_> =
                Transport::list_peers(&Client::new(endpoint.clone()), peer, max_entries)
                    .collect()
                    .await;
            endpoint.close().await;
            stream::iter(answer)
        };
        stream::once(replies).flatten().boxed()
    }
}

impl Outcome {
    fn to_json(&self) -> String {
        let Self { known, asked, answered, .. } = self;
        let (secs, last) = (self.took.as_secs_f64(), self.last_answer.as_secs_f64());
        let (peak, cpu) = (peak_rss_kib().unwrap_or_default(), cpu_secs().unwrap_or_default());
        format!(
            r#"{{"known":{known},"asked":{asked},"answered":{answered},"secs":{secs},"last_answer_secs":{last},"peak_rss_kib":{peak},"cpu_secs":{cpu}}}"#
        )
    }
}

/// Of this process; none where there is no procfs.
fn peak_rss_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// How long this process's threads, but for those that have ended, were on a core; none where there is no procfs.
fn cpu_secs() -> Option<f64> {
    let mut nanos = 0;
    for thread in std::fs::read_dir("/proc/self/task").ok()? {
        let times = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        nanos += times.split(' ').next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(nanos).as_secs_f64())
}

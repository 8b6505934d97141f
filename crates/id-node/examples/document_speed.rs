//! How long a node takes to tell by HTTP of N peers: `document_speed [N]`.

use std::{
    error::Error,
    io::Write,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use id_node::{
    endpoint::{self, EndpointOptions},
    id_client::id_proto::{Network, PeerAnnouncement, SignedAnnouncement, iroh_base::SecretKey},
    untrusted::{MadeUp, serve_http},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const N_ROUNDS: usize = 20;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let n: u32 = std::env::args().nth(1).map_or(Ok(5000), |n| n.parse())?;
    let bind = Some("127.0.0.1:0".parse()?);
    let endpoint = endpoint::bind(EndpointOptions { bind, ..Default::default() }).await?;
    let peers = (1..=n).map(announcement).map(heard).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = serve_http(listener, endpoint.clone(), announcement(0), peers)?;
    let mut out = std::io::stdout().lock();
    for path in ["/peers", "/peers.json", "/peers.svg", "/metrics"] {
        let mut took = Vec::new();
        let mut len = 0;
        for _ in 0..N_ROUNDS {
            let started = Instant::now();
            len = read(server.addr(), path).await?;
            took.push(started.elapsed());
        }
        took.sort();
        let ms = |took: Duration| took.as_secs_f64() * 1e3;
        let (median, worst) = (ms(took[N_ROUNDS / 2]), ms(took[N_ROUNDS - 1]));
        writeln!(
            out,
            "{path}: {n} peers, {len} bytes, {median:.1} ms median, {worst:.1} ms at most"
        )?;
    }
    server.shutdown().await;
    endpoint.close().await;
    Ok(())
}

fn announcement(i: u32) -> SignedAnnouncement {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&i.to_le_bytes());
    let key = SecretKey::from_bytes(&seed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let announcement = PeerAnnouncement {
        node_id: key.public(),
        name: Some(format!("node {i}")),
        blob_count: i.into(),
        timestamp_secs: now.as_secs(),
        seq: 1,
        network_tag: Network::public().tag(),
        interval_secs: 30,
        addrs: vec![iroh_addr(i)],
        agent: "id-node/0.1.0".to_owned(),
    };
    SignedAnnouncement::sign(announcement, &key).expect("it is within its bounds")
}

fn heard(announcement: SignedAnnouncement) -> MadeUp {
    let introducer = announcement.node_id;
    MadeUp { announcement, introducer, age: Duration::ZERO, last_dial: None }
}

fn iroh_addr(i: u32) -> id_node::iroh::TransportAddr {
    let [_, a, b, c] = i.to_be_bytes();
    id_node::iroh::TransportAddr::Ip(([10, a, b, c], 4433).into())
}

async fn read(addr: std::net::SocketAddr, path: &str) -> Result<usize, Box<dyn Error>> {
    let mut stream = TcpStream::connect(addr).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    Ok(stream.read_to_end(&mut answer).await?)
}

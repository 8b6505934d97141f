//! A farm of peers: thousands of `id/meta/1` servers in one process, for crawlers to be measured with.
//!
//! Each has its own key and, because iroh knows no other way, its own endpoint. What they say is signed and true
//! to the protocol; only who knows whom is made up.

use std::{
    io::{BufRead, stdin},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    ops::Range,
    sync::Arc,
    time::SystemTime,
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use id_proto::{
    About, ErrorCode, MetaMessage, MetaRequest, MetaResponse, Network, PeerAnnouncement, PeerEntry,
    PeersPage, SignedAnnouncement, Source, WhoamiResponse,
    iroh_base::{SecretKey, TransportAddr},
    version::META_ALPN,
};
use iroh::{
    Endpoint, RelayMode,
    endpoint::{Connection, PortmapperConfig, presets},
};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

/// Sockets that those who don't answer share: whoever dials them hears nothing at all.
const N_SILENT_SOCKETS: usize = 16;
/// How often a peer promises to announce itself, in seconds: so rarely that nothing gets old while it is
/// measured.
const INTERVAL_SECS: u32 = 86_400;

/// What stands in the farm.
#[derive(Debug, Args)]
pub(crate) struct Farm {
    /// Peers that answer
    #[arg(long, default_value_t = 100)]
    peers: usize,
    /// Peers that don't: nothing comes back from where they are
    #[arg(long, default_value_t = 0)]
    silent: usize,
    /// How many of these each one that answers names
    #[arg(long, default_value_t = 16)]
    named: usize,
    /// How many peers that don't answer it names besides, and nobody else does
    #[arg(long, default_value_t = 0)]
    alone: usize,
    /// Where they listen
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST)]
    bind: Ipv4Addr,
    /// How many processes share the farm: each peer has a socket or two, and a process may open only so many.
    /// Each says `bound` when its own peers are, and reads from stdin where all are, in the order of the parts
    #[arg(long, default_value_t = 1)]
    parts: usize,
    /// Which of these processes this is
    #[arg(long, default_value_t = 0)]
    part: usize,
}

impl Farm {
    /// Says where those are who answer, `id@addr` a line, then `ready`; and answers until it is killed.
    pub(crate) async fn run(self) -> Result<()> {
        let silent = silent_sockets(self.bind)?;
        let mut endpoints = Vec::new();
        for n in self.own() {
            endpoints.push(bind(key("answers", n), self.bind).await?);
        }
        let mut places: Vec<_> = endpoints.iter().map(bound).collect::<Result<_>>()?;
        for (endpoint, place) in endpoints.iter().zip(&places) {
            println!("{}@{place}", endpoint.id());
        }
        if self.parts > 1 {
            println!("bound");
            places = read_places(stdin().lock(), self.peers)?;
        }
        let everybody = self.everybody(&places, &silent)?;
        let mut serving = JoinSet::new();
        for (n, endpoint) in self.own().zip(endpoints) {
            let table = Arc::new(self.table(n, &everybody, &silent)?);
            serving.spawn(serve(endpoint, table));
        }
        println!("ready");
        while serving.join_next().await.is_some() {}
        drop(silent);
        Ok(())
    }

    /// The numbers of the peers of this part.
    fn own(&self) -> Range<usize> {
        let first = |part| self.peers * part / self.parts;
        first(self.part)..first(self.part + 1)
    }

    /// What each says that may be named: first those who answer.
    fn everybody(
        &self,
        places: &[SocketAddr],
        silent: &[Silent],
    ) -> Result<Vec<SignedAnnouncement>> {
        let answering = places.iter().enumerate();
        let answering = answering.map(|(n, at)| announce(&key("answers", n), *at));
        let others = (0..self.silent).map(|n| announce(&key("silent", n), place(silent, n)));
        answering.chain(others).collect()
    }

    /// Whom the peer number `n` names: the next one that answers, so that all are found, others by a
    /// hash, and those that it names alone.
    fn table(
        &self,
        n: usize,
        everybody: &[SignedAnnouncement],
        silent: &[Silent],
    ) -> Result<Table> {
        let mut named = vec![n, (n + 1) % self.peers];
        for i in 0..self.named.saturating_sub(1) {
            let hash = Sha256::digest(format!("named {n} {i}"));
            let hash = u64::from_le_bytes(hash[..8].try_into().expect("eight of 32 bytes"));
            named.push((hash % everybody.len() as u64) as usize);
        }
        named[1..].sort_unstable();
        named.dedup();
        let mut seen = std::collections::BTreeSet::new();
        named.retain(|one| seen.insert(*one));
        let mut entries: Vec<_> = named.iter().map(|one| everybody[*one].clone()).collect();
        for i in 0..self.alone {
            let i = n * self.alone + i;
            entries.push(announce(&key("alone", i), place(silent, i))?);
        }
        Ok(Table::of(entries))
    }
}

/// A socket that nobody reads.
#[derive(Debug)]
struct Silent {
    addr: SocketAddr,
    _socket: UdpSocket,
}

fn silent_sockets(at: Ipv4Addr) -> Result<Vec<Silent>> {
    let bind = |_| {
        let socket = UdpSocket::bind((at, 0))?;
        Ok(Silent { addr: socket.local_addr()?, _socket: socket })
    };
    (0..N_SILENT_SOCKETS).map(bind).collect()
}

fn place(silent: &[Silent], n: usize) -> SocketAddr {
    silent[n % silent.len()].addr
}

fn key(what: &str, n: usize) -> SecretKey {
    SecretKey::from_bytes(&Sha256::digest(format!("farm {what} {n}")).into())
}

/// Where the peers of all parts are, `id@addr` a line.
fn read_places(lines: impl BufRead, n: usize) -> Result<Vec<SocketAddr>> {
    let place = |line: std::io::Result<String>| {
        let line = line?;
        let (_, addr) = line.split_once('@').context("a line is `id@addr`")?;
        Ok(addr.parse()?)
    };
    let places: Vec<_> = lines.lines().take(n).map(place).collect::<Result<_>>()?;
    ensure!(places.len() == n, "{} places of {n}", places.len());
    Ok(places)
}

async fn bind(key: SecretKey, at: Ipv4Addr) -> Result<Endpoint> {
    let builder = Endpoint::builder(presets::Minimal)
        .secret_key(key)
        .portmapper_config(PortmapperConfig::Disabled)
        .relay_mode(RelayMode::Disabled)
        .clear_ip_transports()
        .alpns(vec![META_ALPN.to_vec()]);
    Ok(builder.bind_addr((at, 0))?.bind().await?)
}

fn bound(endpoint: &Endpoint) -> Result<SocketAddr> {
    endpoint.bound_sockets().first().copied().context("an endpoint without a socket")
}

fn announce(key: &SecretKey, at: SocketAddr) -> Result<SignedAnnouncement> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let announcement = PeerAnnouncement {
        node_id: key.public(),
        name: None,
        blob_count: 0,
        timestamp_secs: now.as_secs(),
        seq: now.as_millis() as u64,
        network_tag: Network::public().tag(),
        interval_secs: INTERVAL_SECS,
        addrs: vec![TransportAddr::Ip(at)],
        agent: "farm".to_owned(),
    };
    Ok(SignedAnnouncement::sign(announcement, key)?)
}

/// What a peer answers with.
#[derive(Debug)]
struct Table {
    about: MetaResponse,
    pages: Vec<MetaResponse>,
}

impl Table {
    /// Of these, the first of whom is the peer itself.
    fn of(entries: Vec<SignedAnnouncement>) -> Self {
        let own = &entries[0];
        let about = About {
            node_id: own.statement().node_id,
            agent: "farm".to_owned(),
            network_tag: own.statement().network_tag,
            features: Vec::new(),
            table_size: entries.len() as u64 - 1,
            announcement: own.clone(),
        };
        let about = WhoamiResponse { protocol_versions: vec![1], about: Some(about.encode()) };
        Self { about: MetaResponse::Whoami(about), pages: pages(&entries) }
    }
}

fn pages(entries: &[SignedAnnouncement]) -> Vec<MetaResponse> {
    let mut pages = Vec::new();
    let mut page = PeersPage::default();
    for (n, announcement) in entries.iter().enumerate() {
        let item = PeerEntry {
            announcement: announcement.clone(),
            age: std::time::Duration::ZERO,
            source: if n == 0 { Source::Own } else { Source::Gossip },
            verified_age: None,
        };
        let item = item.encode();
        if !page.push(&item) {
            page.more = true;
            pages.push(std::mem::take(&mut page));
            assert!(page.push(&item), "an entry fits into a page");
        }
    }
    pages.push(page);
    pages.into_iter().map(MetaResponse::Peers).collect()
}

async fn serve(endpoint: Endpoint, table: Arc<Table>) {
    while let Some(incoming) = endpoint.accept().await {
        let table = table.clone();
        tokio::spawn(async move {
            if let Ok(connection) = incoming.await {
                answer(&connection, &table).await;
            }
        });
    }
}

/// Answers until the caller hangs up.
async fn answer(connection: &Connection, table: &Table) {
    let refusal = || MetaResponse::error(ErrorCode::Unsupported, "a farm doesn't know");
    while let Ok(Some(message)) = irpc_iroh::read_request::<MetaRequest>(connection).await {
        // Whoever doesn't wait for the answer misses it.
        let _ = match message {
            MetaMessage::Whoami(request) => request.tx.send(table.about.clone()).await,
            MetaMessage::ListPeers(request) => {
                for page in &table.pages {
                    if request.tx.send(page.clone()).await.is_err() {
                        break;
                    }
                }
                Ok(())
            }
            other => other.refuse(refusal()).await,
        };
    }
    connection.closed().await;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

    fn farm() -> Farm {
        Farm { peers: 20, silent: 5, named: 6, alone: 3, bind: HERE, parts: 1, part: 0 }
    }

    fn named(table: &Table) -> Vec<[u8; 32]> {
        let pages = table.pages.iter().map(|page| match page {
            MetaResponse::Peers(page) => page,
            other => panic!("{other:?}"),
        });
        let items: Vec<_> = pages.flat_map(PeersPage::items).map(Result::unwrap).collect();
        let decode = |item: &&[u8]| PeerEntry::decode(item).unwrap().verify().unwrap();
        items.iter().map(|item| *decode(item).announcement.node_id.as_bytes()).collect()
    }

    #[test]
    fn everybody_is_found_and_nobody_is_named_twice() {
        let (farm, silent) = (farm(), silent_sockets(HERE).unwrap());
        let everybody: Vec<_> =
            (0..25).map(|n| announce(&key("any", n), place(&silent, n)).unwrap()).collect();
        let mut found = BTreeSet::new();
        for n in 0..farm.peers {
            let table = farm.table(n, &everybody, &silent).unwrap();
            let ids = named(&table);
            assert_eq!(&ids[0], everybody[n].node_id.as_bytes(), "itself first");
            assert!(ids.contains(everybody[(n + 1) % 20].node_id.as_bytes()));
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
            found.extend(ids);
        }
        assert!((20 + 60..=25 + 60).contains(&found.len()), "{}", found.len());
    }

    #[test]
    fn parts_are_told_where_all_are_and_have_each_peer_once() {
        let parts = (0..3).map(|part| Farm { parts: 3, part, ..farm() });
        assert_eq!(parts.flat_map(|part| part.own()).collect::<Vec<_>>(), Vec::from_iter(0..20));
        let lines = "a@127.0.0.1:1\nb@127.0.0.1:2\nc@127.0.0.1:3\n";
        let ports = |places: Vec<SocketAddr>| places.iter().map(SocketAddr::port).collect();
        let read =
            |n| read_places(lines.as_bytes(), n).map(ports).map_err(|error| error.to_string());
        assert_eq!(read(2), Ok(vec![1, 2]));
        assert_eq!(read(4), Err("3 places of 4".to_owned()));
        assert!(read_places("127.0.0.1:1\n".as_bytes(), 1).is_err());
    }

    #[tokio::test]
    async fn a_peer_of_the_farm_says_who_it_is_and_whom_it_names() {
        let farm = Farm { peers: 1, silent: 0, named: 1, alone: 500, ..farm() };
        let silent = silent_sockets(HERE).unwrap();
        let server = bind(key("answers", 0), HERE).await.unwrap();
        let everybody = farm.everybody(&[bound(&server).unwrap()], &silent).unwrap();
        let table = farm.table(0, &everybody, &silent).unwrap();
        assert!(table.pages.len() > 1, "more than a page");
        assert_eq!(named(&table).len(), 501);
        let addr = server.addr();
        let serving = tokio::spawn(serve(server, Arc::new(table)));
        let caller = bind(key("caller", 0), HERE).await.unwrap();
        let connection = caller.connect(addr, META_ALPN).await.unwrap();
        let client =
            irpc::Client::<MetaRequest>::boxed(irpc_iroh::IrohRemoteConnection::new(connection));
        let answer = client.rpc(id_proto::WhoamiRequest { proof: None }).await.unwrap();
        assert!(matches!(answer, MetaResponse::Whoami(_)), "{answer:?}");
        caller.close().await;
        serving.abort();
    }
}

//! `id-prober`: an honest caller that asks nodes for their tables while somebody else attacks them.
//!
//! One identity, one question a node at a time and about one a second: within what a node grants
//! everybody. It says how long answers took, whom the tables lacked, and how old what they say is.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::Parser;
use futures::{TryStreamExt, future::try_join_all};
use id_client::{
    AskError, Client,
    id_proto::{
        DEFAULT_SECRET, DEFAULT_TOPIC, Network, PeerEntry, PeerRef, PeersPage,
        UnverifiedAnnouncement, iroh_base::PublicKey,
    },
    iroh::{
        Endpoint, EndpointAddr, RelayMode,
        endpoint::{PortmapperConfig, presets},
    },
};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

/// How long a node may take to answer. Origin: far above the bound, and the caller goes on.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Most entries that are taken of an answer. Origin: four times what `id-cli` takes; more would make
/// the honest caller a burden.
const MAX_ENTRIES: u32 = 4096;

/// Asks nodes for their tables, and says in one line of JSON how that went.
#[derive(Debug, Parser)]
#[command(name = "id-prober")]
struct Cli {
    /// The nodes
    #[arg(long, value_name = "ID@IP:PORT,…", required = true)]
    target: Vec<Nodes>,

    /// The network's topic
    #[arg(long, default_value = DEFAULT_TOPIC)]
    topic: String,

    /// The network's secret
    #[arg(long, default_value = DEFAULT_SECRET)]
    topic_secret: String,

    /// How long, in seconds
    #[arg(long, default_value_t = 60)]
    secs: u64,

    /// The time between two questions to one node, in milliseconds
    #[arg(long, default_value_t = 1200)]
    every_ms: u64,
}

#[derive(Debug, Clone)]
struct Nodes(Vec<EndpointAddr>);

impl FromStr for Nodes {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let peers = PeerRef::parse_list(s).map_err(|error| error.to_string())?;
        Ok(Self(peers.iter().flat_map(PeerRef::addrs).cloned().collect()))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<Value> {
    let nodes: Vec<EndpointAddr> = cli.target.into_iter().flat_map(|nodes| nodes.0).collect();
    let network = Network::derive(&cli.topic, &cli.topic_secret)?;
    let endpoint = Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .portmapper_config(PortmapperConfig::Disabled)
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")?
        .bind()
        .await?;
    let client = Client::new(endpoint.clone()).with_network(network).with_timeout(TIMEOUT);
    let deadline = Instant::now() + Duration::from_secs(cli.secs);
    let every = Duration::from_millis(cli.every_ms.max(1));
    let honest = Arc::new(Honest::new(nodes.iter().map(|node| node.id).collect()));
    let asking = nodes
        .into_iter()
        .map(|node| tokio::spawn(ask_until(client.clone(), node, honest.clone(), deadline, every)));
    let all = try_join_all(asking).await?.into_iter().fold(Findings::default(), Findings::and);
    endpoint.close().await;
    Ok(all.to_json())
}

/// What was found in one node's answers, or in all.
#[derive(Debug, Default)]
struct Findings {
    /// From the dial to the last page, in milliseconds; a failure counts as the time-out, however soon it came.
    took_ms: Vec<f64>,
    dials_ms: Vec<f64>,
    failures: BTreeMap<&'static str, u64>,
    /// The greatest number of peers in one answer that aren't honest nodes.
    strangers: usize,
    /// The greatest number of honest nodes that a whole answer lacked.
    missing: usize,
    /// The same, of each node's last whole answer.
    missing_at_end: usize,
    /// The greatest age of what was said of an honest node, in seconds.
    silence_secs: f64,
    /// How many nodes never answered.
    nodes_unheard: usize,
}

impl Findings {
    fn and(mut self, other: Self) -> Self {
        self.took_ms.extend(other.took_ms);
        self.dials_ms.extend(other.dials_ms);
        for (kind, n) in other.failures {
            *self.failures.entry(kind).or_default() += n;
        }
        self.strangers = self.strangers.max(other.strangers);
        self.missing = self.missing.max(other.missing);
        self.missing_at_end = self.missing_at_end.max(other.missing_at_end);
        self.silence_secs = self.silence_secs.max(other.silence_secs);
        self.nodes_unheard += other.nodes_unheard;
        self
    }

    fn take(&mut self, answer: &Answer, honest: &Honest) {
        self.strangers = self.strangers.max(answer.strangers);
        self.silence_secs = self.silence_secs.max(answer.oldest.as_secs_f64());
        if answer.is_whole {
            self.missing_at_end = honest.ids.len() - answer.honest.len();
            self.missing = self.missing.max(self.missing_at_end);
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "n_asked": self.took_ms.len(),
            "n_failed": self.failures.values().sum::<u64>(),
            "failures": self.failures,
            "p50_ms": percentile(&self.took_ms, 50),
            "p99_ms": percentile(&self.took_ms, 99),
            "max_ms": percentile(&self.took_ms, 100),
            "dial_p99_ms": percentile(&self.dials_ms, 99),
            "strangers": self.strangers,
            "missing": self.missing,
            "missing_at_end": self.missing_at_end,
            "silence_secs": self.silence_secs,
            "nodes_unheard": self.nodes_unheard,
        })
    }
}

/// The figure that `percent` of all don't exceed; `None` of nothing.
fn percentile(figures: &[f64], percent: usize) -> Option<f64> {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    let rank = (figures.len() * percent).div_ceil(100).max(1);
    figures.get(rank - 1).copied()
}

/// Who is honest, and a quick way to see who can't be.
#[derive(Debug)]
struct Honest {
    ids: BTreeSet<PublicKey>,
    /// With which two bytes an id begins. Ten ids leave one stranger's entry of forty to be decoded.
    starts: Box<[bool]>,
}

impl Honest {
    fn new(ids: BTreeSet<PublicKey>) -> Self {
        let mut starts = vec![false; 1 << 16].into_boxed_slice();
        ids.iter().for_each(|id| starts[start(id.as_bytes())] = true);
        Self { ids, starts }
    }

    /// The entry, if it is an honest node's.
    ///
    /// Signatures aren't checked: whose entry it is says enough. Strangers' entries aren't even
    /// decoded if it can be helped, for a key's point takes 10 µs, and the caller must stay cheap.
    fn entry(&self, item: &[u8]) -> Option<PeerEntry<UnverifiedAnnouncement>> {
        if !item.windows(2).any(|window| self.starts[start(window)]) {
            return None;
        }
        let entry = PeerEntry::decode(item).ok()?;
        self.ids.contains(&entry.announcement.claimed().node_id).then_some(entry)
    }
}

fn start(id: &[u8]) -> usize {
    usize::from(id[0]) << 8 | usize::from(id[1])
}

async fn ask_until(
    client: Client,
    node: EndpointAddr,
    honest: Arc<Honest>,
    deadline: Instant,
    every: Duration,
) -> Findings {
    let mut findings = Findings::default();
    let mut turns = interval(every);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_heard = false;
    loop {
        turns.tick().await;
        let started = Instant::now();
        if started >= deadline {
            findings.nodes_unheard = usize::from(!was_heard);
            return findings;
        }
        match ask(&client, &node, &mut findings.dials_ms).await {
            Ok(pages) => {
                was_heard = true;
                findings.took_ms.push(started.elapsed().as_secs_f64() * 1e3);
                findings.take(&Answer::read(&pages, &honest), &honest);
            }
            Err(error) => {
                *findings.failures.entry(error.kind.as_str()).or_default() += 1;
                findings.took_ms.push(TIMEOUT.as_secs_f64() * 1e3);
            }
        }
    }
}

async fn ask(
    client: &Client,
    node: &EndpointAddr,
    dials_ms: &mut Vec<f64>,
) -> Result<Vec<PeersPage>, AskError> {
    let started = Instant::now();
    let session = client.connect(node.clone()).await?;
    dials_ms.push(started.elapsed().as_secs_f64() * 1e3);
    session.list_peers(MAX_ENTRIES).try_collect().await
}

/// What one answer says.
#[derive(Debug, Default)]
struct Answer {
    honest: BTreeSet<PublicKey>,
    strangers: usize,
    /// The greatest age of an honest node's entry.
    oldest: Duration,
    /// Whether all that the node knows is in it.
    is_whole: bool,
}

impl Answer {
    fn read(pages: &[PeersPage], honest: &Honest) -> Self {
        let mut answer = Self::default();
        for item in pages.iter().flat_map(PeersPage::items).flatten() {
            match honest.entry(item) {
                Some(entry) => answer.note(&entry),
                None => answer.strangers += 1,
            }
        }
        // A cut answer ends like a whole one.
        let is_cut = answer.honest.len() + answer.strangers >= MAX_ENTRIES as usize;
        answer.is_whole = !is_cut && pages.last().is_some_and(|page| !page.more);
        answer
    }

    fn note(&mut self, entry: &PeerEntry<UnverifiedAnnouncement>) {
        self.honest.insert(entry.announcement.claimed().node_id);
        self.oldest = self.oldest.max(entry.age);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_figures_that_were_measured() {
        let figures: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(percentile(&figures, 50), Some(100.0));
        assert_eq!(percentile(&figures, 99), Some(198.0));
        assert_eq!(percentile(&figures, 100), Some(200.0));
        assert_eq!(percentile(&[7.0], 1), Some(7.0));
        assert_eq!(percentile(&[], 99), None);
    }

    #[test]
    fn worst_node_counts_for_all() {
        let with =
            |silence_secs, missing| Findings { silence_secs, missing, ..Findings::default() };
        let all = with(1.0, 3).and(with(9.0, 0)).and(with(2.0, 1));
        assert_eq!((all.silence_secs, all.missing), (9.0, 3));
    }

    #[test]
    fn only_whole_answers_tell_who_is_missing() {
        let honest = Honest::new(BTreeSet::new());
        let mut findings = Findings { missing_at_end: 2, ..Findings::default() };
        findings.take(&Answer { is_whole: false, ..Answer::default() }, &honest);
        assert_eq!(findings.missing_at_end, 2);
        findings.take(&Answer { is_whole: true, ..Answer::default() }, &honest);
        assert_eq!(findings.missing_at_end, 0);
    }
}

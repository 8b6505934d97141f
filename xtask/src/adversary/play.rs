//! One role against a network of its own, and what was measured meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{
    crawl::{self, Crawl},
    roles::{Demands, Named, Scenario},
    verdict::MAX_REST_MIB,
};
use crate::{
    process::{Process, poll},
    project::{Binaries, capture},
    swarm::{Node, REST, Swarm, forget_settings},
    tables,
    usage::Usage,
};

/// How long the nodes may take to know each other.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);
/// How long they are left alone before, so that what joining costs is over.
const SETTLE: Duration = Duration::from_secs(5);
/// How long they are left alone after, at least. Origin: a guess; idle time-outs act within seconds.
const REST_AFTER: Duration = Duration::from_secs(10);
/// How long they may take to give back what they took. Origin: a stranger that says that it announces
/// itself every 30 s is believed for 120 s, and waits as long again to be dialled; then somebody looks at
/// memory every half minute.
const REST_LIMIT: Duration = Duration::from_secs(300);
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How much longer than it was told a program may take to end.
const END_GRACE: Duration = Duration::from_secs(20);
/// A role that is crawled goes on behind the honest caller's time for as long as the crawl may take.
const CRAWL_MARGIN: Duration = Duration::from_secs(5);

const PRIVATE: [&str; 4] = ["--topic", "orchard", "--topic-secret", "correct horse battery staple"];
const OUTSIDER: [&str; 2] = ["--topic", "orchard"];

/// The programs, and the terms that they play on.
#[derive(Debug)]
pub(super) struct Company {
    node: PathBuf,
    cli: PathBuf,
    adversary: PathBuf,
    prober: PathBuf,
    terms: Terms,
}

/// How many nodes, for how long, and how often they announce themselves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) n_nodes: u8,
    pub(super) time: Duration,
    pub(super) interval_secs: u64,
}

/// What was measured.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// How often the nodes announced themselves, in seconds.
    pub(super) interval_secs: u64,
    /// Removals of honest peers from the tables of honest nodes, and those that lack one in the end.
    pub(super) lost: usize,
    /// The greatest growth of a node's memory, while it lasted and after a rest, in MiB.
    pub(super) peak_growth_mib: f64,
    pub(super) rest_growth_mib: f64,
    /// How long after the end it was back within the bound, or was waited for.
    pub(super) rest: Duration,
    /// What the honest caller and the hostile program say of themselves.
    pub(super) probe: Value,
    pub(super) adversary: Value,
    /// How much each counter grew, over all nodes.
    pub(super) counters: BTreeMap<String, u64>,
    /// How many nodes hold one in their tables who has left.
    pub(super) ghosts: usize,
    pub(super) crawl: Option<(Crawl, String, Named)>,
    /// What shouldn't have happened at all.
    pub(super) troubles: Vec<String>,
}

impl Company {
    pub(super) fn of(binaries: &Binaries, terms: Terms) -> Result<Self> {
        let beside = |name| binaries.node.with_file_name(name);
        let (adversary, prober) = (beside("id-adversary"), beside("id-prober"));
        for path in [&adversary, &prober] {
            ensure!(path.exists(), "the build left no {}", path.display());
        }
        let (node, cli) = (binaries.node.clone(), binaries.cli.clone());
        Ok(Self { node, cli, adversary, prober, terms })
    }

    /// Plays one role against nodes of its own.
    pub(super) fn play(&self, scenario: &Scenario) -> Result<Findings> {
        let interval = self.terms.interval_secs.to_string();
        let mut flags = vec!["--announce-interval", &interval];
        flags.extend(network(scenario));
        let mut swarm = Swarm::with_flags(&self.node, &flags)?;
        let played = self.play_against(&mut swarm, scenario);
        if played.is_err() {
            swarm.keep_files();
        }
        let mut findings = played?;
        if let Err(error) = swarm.stop() {
            let error = format!("{error:#}");
            let first_line = error.lines().next().unwrap_or_default().to_owned();
            findings.troubles.push(first_line);
        }
        Ok(findings)
    }

    fn play_against(&self, swarm: &mut Swarm, scenario: &Scenario) -> Result<Findings> {
        settle(swarm, self.terms.n_nodes)?;
        let interval_secs = self.terms.interval_secs;
        let mut findings = Findings { interval_secs, ..Findings::default() };
        let counters_before = self.counters(swarm, scenario, &mut findings.troubles);
        let mut memory = Memory::of(swarm);
        let began = SystemTime::now();
        let mut cast = self.start_cast(swarm, scenario)?;
        let leaver = self.act(swarm, scenario, &mut cast, &mut memory, &mut findings)?;
        findings.rest = rest(swarm, &mut memory)?;
        (findings.peak_growth_mib, findings.rest_growth_mib) = memory.growth();
        let counters_after = self.counters(swarm, scenario, &mut findings.troubles);
        findings.counters = grown(&counters_before, &counters_after);
        findings.troubles.extend(swarm.dead()?.into_iter().map(|name| format!("{name} died")));
        swarm.follow_logs()?;
        findings.lost = lost(swarm, began);
        findings.ghosts = leaver.map_or(0, |gone| ghosts(swarm, &gone));
        Ok(findings)
    }

    /// The time of the role from its start to its end. Returns who left meanwhile.
    fn act(
        &self,
        swarm: &mut Swarm,
        scenario: &Scenario,
        cast: &mut Cast,
        memory: &mut Memory,
        findings: &mut Findings,
    ) -> Result<Option<String>> {
        let started = Instant::now();
        let mut leaver = None;
        let asked = poll(started + cast.asked + END_GRACE, LOOK, || {
            memory.look(swarm);
            let leaves_now = scenario.demands == Demands::NoGhost
                && leaver.is_none()
                && started.elapsed() > self.terms.time / 3;
            if leaves_now {
                leaver = Some(swarm.stop_one(swarm.nodes().len() - 1)?.id);
            }
            cast.prober.process.ended()
        })?;
        ensure!(asked.is_some(), "the honest caller didn't end");
        // Not before: a crawl works hard, and would be in the honest caller's figures.
        if let Some(named) = scenario.crawl {
            let hostile = cast.await_serving()?;
            let id = hostile.split('@').next().unwrap_or_default().to_owned();
            findings.crawl = Some((crawl::crawl(swarm, &self.cli, &hostile)?, id, named));
        }
        let ended = poll(started + cast.played + END_GRACE, LOOK, || {
            memory.look(swarm);
            cast.adversary.process.ended()
        })?;
        ensure!(ended.is_some(), "{} didn't end", scenario.name);
        findings.probe = cast.prober.summary()?;
        findings.adversary = cast.adversary.summary()?;
        if let Some(error) = findings.adversary.get("error").and_then(Value::as_str) {
            findings.troubles.push(format!("the role couldn't be played: {error}"));
        }
        Ok(leaver)
    }

    fn start_cast(&self, swarm: &Swarm, scenario: &Scenario) -> Result<Cast> {
        let crawled = scenario.crawl.map(|_| crawl::TIMEOUT + CRAWL_MARGIN);
        let (asked, played) = (self.terms.time, self.terms.time + crawled.unwrap_or_default());
        let secs = |time: Duration| time.as_secs().to_string();
        // Who is going to leave is no honest target any more.
        let n_stay = swarm.nodes().len() - usize::from(scenario.demands == Demands::NoGhost);
        let nodes: Vec<String> = swarm.nodes()[..n_stay].iter().map(Node::reference).collect();
        let nodes = nodes.join(",");

        let mut adversary = Command::new(&self.adversary);
        adversary.args(scenario.command).args(["--target", &nodes, "--secs", &secs(played)]);
        let mut prober = Command::new(&self.prober);
        prober.args(["--target", &nodes, "--secs", &secs(asked)]).args(network(scenario));
        if scenario.demands == Demands::Secrecy {
            adversary.args(OUTSIDER);
        }
        Ok(Cast {
            adversary: Player::start(swarm, "adversary", &mut adversary)?,
            prober: Player::start(swarm, "prober", &mut prober)?,
            asked,
            played,
        })
    }

    /// What each node has counted, as `id-cli` is told.
    fn counters(
        &self,
        swarm: &Swarm,
        scenario: &Scenario,
        troubles: &mut Vec<String>,
    ) -> BTreeMap<(String, String), u64> {
        let mut counters = BTreeMap::new();
        for node in swarm.nodes() {
            match self.status(node, scenario) {
                Ok(status) => {
                    let of_node = status.pointer("/status/counters").and_then(Value::as_object);
                    for (name, count) in of_node.into_iter().flatten() {
                        let key = (node.name.clone(), name.clone());
                        counters.insert(key, count.as_u64().unwrap_or_default());
                    }
                }
                Err(_) => troubles.push(format!("{} doesn't say its status", node.name)),
            }
        }
        counters
    }

    fn status(&self, node: &Node, scenario: &Scenario) -> Result<Value> {
        let mut command = Command::new(&self.cli);
        command.arg("status").arg(node.reference()).args([
            "--json",
            "--no-relay",
            "--timeout",
            "5",
        ]);
        forget_settings(&mut command);
        command.args(network(scenario));
        Ok(serde_json::from_str(&capture(&mut command)?)?)
    }
}

/// Flags that lead into the scenario's network.
fn network(scenario: &Scenario) -> &'static [&'static str] {
    if scenario.demands == Demands::Secrecy { &PRIVATE } else { &[] }
}

fn settle(swarm: &mut Swarm, n_nodes: u8) -> Result<()> {
    for number in 1..=n_nodes {
        swarm.start(&format!("n{number:02}"))?;
    }
    let agreed = tables::await_logs(swarm, Instant::now() + SETTLE_LIMIT)?;
    agreed.context("the nodes don't know each other even before the attack")?;
    thread::sleep(SETTLE);
    Ok(())
}

/// Waits until the nodes' memory has returned, as long as that may take.
fn rest(swarm: &Swarm, memory: &mut Memory) -> Result<Duration> {
    let ended = Instant::now();
    thread::sleep(REST_AFTER);
    poll(ended + REST_LIMIT, LOOK, || {
        memory.look(swarm);
        Ok((memory.growth().1 <= MAX_REST_MIB).then_some(()))
    })?;
    Ok(ended.elapsed())
}

fn grown(
    before: &BTreeMap<(String, String), u64>,
    after: &BTreeMap<(String, String), u64>,
) -> BTreeMap<String, u64> {
    let mut grown = BTreeMap::new();
    for (key, count) in after {
        let by = count.saturating_sub(before.get(key).copied().unwrap_or_default());
        if by > 0 {
            *grown.entry(key.1.clone()).or_default() += by;
        }
    }
    grown
}

/// How often honest nodes lost honest peers, and how many tables lack one now.
fn lost(swarm: &Swarm, since: SystemTime) -> usize {
    let of_node = |node: &Node| {
        let honest = swarm.others(node);
        let removed = node.log.removed_after(since).filter(|peer| honest.contains(*peer)).count();
        let lacks_some = node.log.holds_since(&honest).is_none();
        removed.max(usize::from(lacks_some))
    };
    swarm.nodes().iter().map(of_node).sum()
}

fn ghosts(swarm: &Swarm, gone: &str) -> usize {
    let gone = BTreeSet::from([gone.to_owned()]);
    swarm.nodes().iter().filter(|node| node.log.holds_since(&gone).is_some()).count()
}

/// Every node's memory: before, at its most and now, in KiB.
#[derive(Debug, Default)]
struct Memory {
    nodes: BTreeMap<String, NodeMemory>,
}

#[derive(Debug, Clone, Copy, Default)]
struct NodeMemory {
    before: u64,
    /// What the most was before.
    peak_before: u64,
    most: u64,
    now: u64,
}

impl Memory {
    fn of(swarm: &Swarm) -> Self {
        let mut memory = Self::default();
        for node in swarm.nodes() {
            let usage = node.usage();
            let before = usage.map_or(0, |usage| usage.rss_kib);
            let peak_before = usage.map_or(0, |usage| usage.peak_kib);
            let of_node = NodeMemory { before, peak_before, most: before, now: before };
            memory.nodes.insert(node.name.clone(), of_node);
        }
        memory
    }

    fn look(&mut self, swarm: &Swarm) {
        for node in swarm.nodes() {
            if let (Some(memory), Some(usage)) = (self.nodes.get_mut(&node.name), node.usage()) {
                memory.see(usage);
            }
        }
    }

    /// The greatest growth at any time and the greatest that is left, in MiB.
    fn growth(&self) -> (f64, f64) {
        const KIB_PER_MIB: f64 = 1024.0;
        let most = |of: fn(&NodeMemory) -> u64| {
            let grown = self.nodes.values().map(|m| of(m).saturating_sub(m.before));
            grown.max().unwrap_or_default() as f64 / KIB_PER_MIB
        };
        (most(|memory| memory.most), most(|memory| memory.now))
    }
}

impl NodeMemory {
    fn see(&mut self, usage: Usage) {
        self.now = usage.rss_kib;
        self.most = self.most.max(usage.rss_kib);
        // The kernel sees what happens between two looks.
        if usage.peak_kib > self.peak_before {
            self.most = self.most.max(usage.peak_kib);
        }
    }
}

/// The hostile program and the honest caller.
#[derive(Debug)]
struct Cast {
    adversary: Player,
    prober: Player,
    /// How long the honest caller asks.
    asked: Duration,
    /// How long the role is played.
    played: Duration,
}

impl Cast {
    /// Where the role answers queries.
    fn await_serving(&self) -> Result<String> {
        let serving = poll(Instant::now() + END_GRACE, REST, || {
            let text = fs::read_to_string(&self.adversary.output)?;
            let line = text.lines().find_map(|line| line.strip_prefix("serving: "));
            Ok(line.map(str::to_owned))
        })?;
        serving.context("the role doesn't serve")
    }
}

/// A program whose last line of output says how it went.
#[derive(Debug)]
struct Player {
    process: Process,
    output: PathBuf,
}

impl Player {
    fn start(swarm: &Swarm, name: &str, command: &mut Command) -> Result<Self> {
        let path = |suffix| -> PathBuf { Path::join(swarm.dir(), format!("{name}.{suffix}")) };
        let output = path("out");
        command.stdout(File::create(&output)?).stderr(File::create(path("log"))?);
        Ok(Self { process: swarm.spawn(command)?, output })
    }

    fn summary(&self) -> Result<Value> {
        let text = fs::read_to_string(&self.output)?;
        let line = text.lines().last().unwrap_or_default();
        serde_json::from_str(line).with_context(|| {
            let log = self.output.with_extension("log");
            format!("no summary in {}:\n{}", self.output.display(), crate::logs::tail(&log))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(rss_kib: u64, peak_kib: u64) -> Usage {
        Usage { rss_kib, peak_kib, cpu: Duration::ZERO }
    }

    fn memory(looks: &[Usage]) -> (f64, f64) {
        let start = NodeMemory { before: 10_240, peak_before: 20_480, most: 10_240, now: 10_240 };
        let mut memory = Memory { nodes: BTreeMap::from([("n".to_owned(), start)]) };
        for look in looks {
            memory.nodes.values_mut().for_each(|node| node.see(*look));
        }
        memory.growth()
    }

    #[test]
    fn growth_is_at_its_most_and_in_the_end() {
        assert_eq!(memory(&[usage(15_360, 20_480), usage(11_264, 20_480)]), (5.0, 1.0));
    }

    #[test]
    fn peak_of_the_time_before_does_not_count_and_a_new_one_does() {
        assert_eq!(memory(&[usage(10_240, 20_480)]), (0.0, 0.0));
        assert_eq!(memory(&[usage(10_240, 30_720)]), (20.0, 0.0));
    }

    #[test]
    fn counters_of_all_nodes_add_up() {
        let key = |node: &str, name: &str| (node.to_owned(), name.to_owned());
        let before = BTreeMap::from([(key("a", "x"), 1), (key("b", "x"), 5), (key("a", "y"), 2)]);
        let after = BTreeMap::from([(key("a", "x"), 4), (key("b", "x"), 5), (key("a", "y"), 2)]);
        assert_eq!(grown(&before, &after), BTreeMap::from([("x".to_owned(), 3)]));
    }
}

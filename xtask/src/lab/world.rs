//! The world of one scenario: its network, and the programs that run in it.

mod patient;
mod surroundings;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

pub(crate) use self::{patient::Report, surroundings::Hostility};
use super::network::{Network, Side};
use crate::{
    logs::{self, Log},
    process::{Process, Watchdog, poll, terminate},
    project::{Binaries, capture},
    swarm::{REST, forget_settings},
};

/// How long a program may take to serve. Origin: swarm.rs; a busy machine is slow.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long nodes may take to say goodbye. Origin: swarm.rs.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Rest between two looks at a file whose change is being timed.
const SHORT_REST: Duration = Duration::from_millis(5);

/// The programs of a lab.
#[derive(Debug)]
pub(crate) struct Tools {
    node: PathBuf,
    cli: PathBuf,
    lab: PathBuf,
    adversary: PathBuf,
}

/// Hosts 1 to n, on each at most one node; and the DHT's host.
#[derive(Debug)]
pub(crate) struct World {
    // Dropped in this order: who runs, who watches them.
    nodes: BTreeMap<usize, Node>,
    helpers: Vec<Process>,
    watchdog: Watchdog,
    network: Network,
    tools: Tools,
    /// Everything that is kept of a scenario that fails.
    files: PathBuf,
    n_started: usize,
}

/// A running node.
#[derive(Debug)]
struct Node {
    id: String,
    ticket: String,
    addrs: String,
    log: Log,
    started_at: SystemTime,
    served_after: Duration,
    /// Only members are told anything, and we ask without a secret.
    is_private: bool,
    process: Process,
}

/// A node that was launched and may not serve yet.
#[derive(Debug)]
pub(crate) struct Launched {
    host: usize,
    dir: PathBuf,
    stem: PathBuf,
    started: Instant,
    started_at: SystemTime,
    is_private: bool,
    process: Process,
}

impl Tools {
    /// Those beside the programs that every xtask knows.
    pub(crate) fn of(binaries: &Binaries) -> Result<Self> {
        let [lab, adversary] =
            ["id-lab", "id-adversary"].map(|name| binaries.node.with_file_name(name));
        for path in [&lab, &adversary] {
            ensure!(path.exists(), "the build left no {}", path.display());
        }
        Ok(Self { node: binaries.node.clone(), cli: binaries.cli.clone(), lab, adversary })
    }
}

impl World {
    /// Builds the network; nothing runs yet.
    pub(crate) fn new(tools: Tools, scratch: &Path, n_hosts: usize) -> Result<Self> {
        let network = Network::build(&scratch.join("hosts"), n_hosts)?;
        let files = scratch.join("files");
        fs::create_dir_all(&files)?;
        let watchdog = Watchdog::start(&files)?;
        let (nodes, helpers) = (BTreeMap::new(), Vec::new());
        Ok(Self { nodes, helpers, watchdog, network, tools, files, n_started: 0 })
    }

    /// How many hosts there are besides the DHT's.
    pub(crate) fn n_hosts(&self) -> usize {
        self.network.n_hosts()
    }

    /// Starts a node and waits until it serves.
    pub(crate) fn start(&mut self, host: usize, flags: &[&str]) -> Result<()> {
        let launched = self.launch(host, flags)?;
        self.await_serving(launched)
    }

    /// Starts nodes together, and returns when the first was started.
    pub(crate) fn start_together(&mut self, hosts: &[usize], flags: &[&str]) -> Result<SystemTime> {
        let started_at = SystemTime::now();
        let launched: Vec<Launched> =
            hosts.iter().map(|host| self.launch(*host, flags)).collect::<Result<_>>()?;
        launched.into_iter().try_for_each(|launched| self.await_serving(launched))?;
        Ok(started_at)
    }

    /// Starts a node on what a killed one has left, as its operator would: with no flag.
    pub(crate) fn launch(&mut self, host: usize, flags: &[&str]) -> Result<Launched> {
        self.n_started += 1;
        let stem = self.files.join(format!("n{host:02}-{:03}", self.n_started));
        let dir = self.data_dir(host);
        let mut command = self.network.command(host, &self.tools.node);
        command.args(["--data-dir".as_ref(), dir.as_os_str()]).args(flags);
        command.args(["--name", &format!("n{host:02}"), "--log-format", "json", "-v"]);
        forget_settings(&mut command);
        command.stdout(File::create(stem.with_extension("out"))?);
        command.stderr(File::create(stem.with_extension("log"))?);
        let (started, started_at) = (Instant::now(), SystemTime::now());
        let process = self.watchdog.spawn(&mut command)?;
        let is_private = flags.contains(&"--topic-secret");
        Ok(Launched { host, dir, stem, started, started_at, is_private, process })
    }

    /// Waits until a launched node serves, and takes it in.
    pub(crate) fn await_serving(&mut self, mut launched: Launched) -> Result<()> {
        let (out, log) = (launched.stem.with_extension("out"), launched.stem.with_extension("log"));
        let deadline = launched.started + START_LIMIT;
        let said = await_line(&out, &mut launched.process, "ticket: ", deadline)
            .with_context(|| format!("its log ends:\n{}", logs::tail(&log)))?;
        let served_after = launched.started.elapsed();
        let node = Node {
            id: value_of(&said, "node id: ").context("no node id")?,
            ticket: value_of(&said, "ticket: ").context("no ticket")?,
            addrs: read_addrs(&launched.dir, &self.network.addrs(launched.host), deadline)?,
            log: Log::open(&log)?,
            started_at: launched.started_at,
            served_after,
            is_private: launched.is_private,
            process: launched.process,
        };
        self.nodes.insert(launched.host, node);
        Ok(())
    }

    /// Stops nodes as their operator would, and waits for their end.
    pub(crate) fn stop(&mut self, hosts: &[usize]) -> Result<()> {
        let mut nodes: Vec<Node> =
            hosts.iter().filter_map(|host| self.nodes.remove(host)).collect();
        terminate(&nodes.iter().map(|node| node.process.id()).collect::<Vec<_>>())?;
        let deadline = Instant::now() + STOP_LIMIT;
        for node in &mut nodes {
            poll(deadline, REST, || node.process.ended())?
                .with_context(|| format!("it doesn't stop:\n{}", node.log.tail()))?;
        }
        Ok(())
    }

    /// Kills nodes, as a power cut would.
    pub(crate) fn kill(&mut self, hosts: &[usize]) {
        for host in hosts {
            self.nodes.remove(host);
        }
    }

    /// Kills a node and forgets what it left: the next one here is somebody else.
    pub(crate) fn forget(&mut self, host: usize) -> Result<()> {
        self.kill(&[host]);
        Ok(fs::remove_dir_all(self.data_dir(host))?)
    }

    /// How to name a node on a command line: `id@ip:port`.
    pub(crate) fn reference(&self, host: usize) -> Result<String> {
        let node = self.node(host)?;
        Ok(format!("{}@{}", node.id, node.addrs))
    }

    /// The ticket that a node printed when it started.
    pub(crate) fn ticket(&self, host: usize) -> Result<String> {
        Ok(self.node(host)?.ticket.clone())
    }

    /// When a node was started.
    pub(crate) fn started_at(&self, host: usize) -> Result<SystemTime> {
        Ok(self.node(host)?.started_at)
    }

    /// How long a node took from its start to its startup lines.
    pub(crate) fn served_after(&self, host: usize) -> Result<Duration> {
        Ok(self.node(host)?.served_after)
    }

    /// Until the tables of all `hosts` hold all others of them. Returns when the last became so, or
    /// who misses whom at the limit.
    pub(crate) fn await_agreement(
        &mut self,
        hosts: &[usize],
        limit: Duration,
    ) -> Result<Result<SystemTime, String>> {
        let deadline = Instant::now() + limit;
        let agreed = poll(deadline, REST, || {
            self.follow_logs()?;
            Ok(hosts.iter().map(|host| self.holds_since(*host, hosts)).collect::<Option<Vec<_>>>())
        })?;
        let Some(agreed) = agreed else {
            return Ok(Err(self.who_misses_whom(hosts)));
        };
        hosts.iter().try_for_each(|host| self.prove(*host, hosts))?;
        Ok(Ok(agreed.into_iter().max().unwrap_or(SystemTime::UNIX_EPOCH)))
    }

    /// An error if a node has ended by itself.
    pub(crate) fn ensure_running(&mut self, hosts: &[usize]) -> Result<()> {
        for host in hosts {
            let node = self.nodes.get_mut(host).context("it was never started")?;
            if let Some(status) = node.process.ended()? {
                bail!("the node on host {host} ended with {status}:\n{}", node.log.tail());
            }
        }
        Ok(())
    }

    /// Reads every log up to now.
    pub(crate) fn follow_logs(&mut self) -> Result<()> {
        self.nodes.values_mut().try_for_each(|node| node.log.follow())
    }

    /// Which of `others` the table on `host` holds, by the log as far as it was read.
    pub(crate) fn held(&self, host: usize, others: &[usize]) -> Vec<usize> {
        let holds = |other: &usize| self.holds_since(host, &[*other]).is_some();
        others.iter().copied().filter(|other| *other != host).filter(holds).collect()
    }

    /// How many peers somebody on host `from` who knows no secret is told by the node on `host`.
    pub(crate) fn n_told_to_outsider(&self, from: usize, host: usize) -> Result<usize> {
        let mut command = self.list_command(from, &self.reference(host)?);
        let output = command.output().context("can't run id-cli")?;
        let listed = String::from_utf8_lossy(&output.stdout).into_owned();
        // The one that was asked is listed in any case, as one that gave no answer.
        let asked = &self.node(host)?.id;
        Ok(listed.lines().filter(|line| !line.starts_with(asked)).count())
    }

    /// A node and how to get to it from outside, for people.
    pub(crate) fn describe(&self, host: usize) -> Result<String> {
        let reference = self.reference(host)?;
        Ok(format!(
            "host {host}: {reference}\n  nsenter --user --preserve-credentials --net --mount --pid \
             --target \"$(pgrep -nf -- '--name n{host:02} ')\""
        ))
    }

    /// Cuts the network in two: those `there` hear nothing of the others.
    pub(crate) fn cut(&self, there: &[usize]) -> Result<()> {
        self.network.move_to(Side::There, there)
    }

    /// Heals the cut.
    pub(crate) fn heal(&self, there: &[usize]) -> Result<()> {
        self.network.move_to(Side::Here, there)
    }

    /// The network, for what only one scenario does.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// Asks the node of that reference for its table.
    fn list_command(&self, from: usize, reference: &str) -> Command {
        let mut command = self.network.command(from, &self.tools.cli);
        command.args(["peers", reference, "--depth", "0", "--format", "tsv"]);
        command.args(["--no-relay", "--progress", "none"]);
        forget_settings(&mut command);
        command
    }

    /// What the logs say must be what a client is told.
    fn prove(&self, host: usize, hosts: &[usize]) -> Result<()> {
        let node = self.node(host)?;
        if node.is_private {
            return Ok(());
        }
        let listed = capture(&mut self.list_command(host, &self.reference(host)?))?;
        for other in hosts {
            let is_listed = listed.contains(&self.node(*other)?.id);
            ensure!(is_listed, "by its log, {host} holds {other}; a client isn't told so");
        }
        Ok(())
    }

    fn holds_since(&self, host: usize, hosts: &[usize]) -> Option<SystemTime> {
        let wanted: BTreeSet<String> = hosts
            .iter()
            .filter(|other| **other != host)
            .filter_map(|other| self.nodes.get(other))
            .map(|node| node.id.clone())
            .collect();
        self.nodes.get(&host)?.log.holds_since(&wanted)
    }

    /// Who of `hosts` doesn't hold whom of them, by the logs as far as they were read.
    pub(crate) fn who_misses_whom(&self, hosts: &[usize]) -> String {
        let gap = |host: &usize| {
            let held = self.held(*host, hosts);
            let missing = |other: &&usize| *other != host && !held.contains(other);
            let missing: Vec<String> = hosts.iter().filter(missing).map(usize::to_string).collect();
            (!missing.is_empty()).then(|| format!("{host} misses {}", missing.join(" ")))
        };
        let gaps: Vec<String> = hosts.iter().filter_map(gap).collect();
        gaps.join("; ")
    }

    fn node(&self, host: usize) -> Result<&Node> {
        self.nodes.get(&host).with_context(|| format!("no node runs on host {host}"))
    }

    pub(crate) fn data_dir(&self, host: usize) -> PathBuf {
        self.files.join(format!("data{host:02}"))
    }
}

/// Waits until the file holds a line that begins so, and returns the file's text.
fn await_line(
    path: &Path,
    process: &mut Process,
    start: &str,
    deadline: Instant,
) -> Result<String> {
    let said = poll(deadline, SHORT_REST, || {
        let text = fs::read_to_string(path)?;
        let is_there = text.lines().any(|line| line.starts_with(start)) && text.ends_with('\n');
        match process.ended()? {
            Some(status) if !is_there => bail!("it ended with {status}"),
            _ => Ok(is_there.then_some(text)),
        }
    })?;
    said.with_context(|| format!("no line `{start}` within {START_LIMIT:?}"))
}

fn value_of(text: &str, start: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix(start)).map(str::to_owned)
}

/// A node's addresses in the lab. Its runtime file names those for programs on the same host.
fn read_addrs(data_dir: &Path, ips: &Ips, deadline: Instant) -> Result<String> {
    let path = data_dir.join("node.json");
    let text = poll(deadline, REST, || Ok(fs::read_to_string(&path).ok()))?
        .context("it serves but left no node.json")?;
    let runtime: Value = serde_json::from_str(&text).context("node.json is no JSON")?;
    let addrs = runtime["addrs"].as_array().context("no addrs in node.json")?;
    let in_lab: Vec<String> = addrs.iter().filter_map(|addr| lab_addr(addr, ips)).collect();
    Ok(in_lab.join(","))
}

/// A host's IPv4 address, and its IPv6 address where it has one.
type Ips = (String, Option<String>);

fn lab_addr(addr: &Value, (v4, v6): &Ips) -> Option<String> {
    let (ip, port) = addr.as_str()?.rsplit_once(':')?;
    match ip.starts_with('[') {
        true => v6.as_ref().map(|v6| format!("[{v6}]:{port}")),
        false => Some(format!("{v4}:{port}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses_become_those_of_the_lab() {
        let ips = ("10.77.0.3".to_owned(), Some("fd77::3".to_owned()));
        let in_lab = |addr: &str| lab_addr(&Value::from(addr), &ips);
        assert_eq!(in_lab("127.0.0.1:77").as_deref(), Some("10.77.0.3:77"));
        assert_eq!(in_lab("[::1]:78").as_deref(), Some("[fd77::3]:78"));
        assert_eq!(in_lab("nonsense"), None);
        let v4_only = ("10.77.0.3".to_owned(), None);
        assert_eq!(lab_addr(&Value::from("[::1]:78"), &v4_only), None);
    }
}

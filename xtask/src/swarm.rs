//! Real nodes on this machine: loopback only, no DHT, no relay, each with its own data directory.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{ChildStdout, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    logs::{self, Log},
    process::{Process, Watchdog, poll, terminate},
    project::line,
    usage::Usage,
};

/// How long a node may take to serve. It should take a third of a second; a busy machine is slower.
const START_LIMIT: Duration = Duration::from_secs(20);

/// How long nodes may take to say goodbye after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Rest between two looks at something that costs next to nothing to look at.
pub(crate) const REST: Duration = Duration::from_millis(25);

/// Nodes that know each other through the first of them.
#[derive(Debug)]
pub(crate) struct Swarm {
    // Dropped in this order: the nodes, who watches them, their files.
    nodes: Vec<Node>,
    watchdog: Watchdog,
    dir: TempDir,
    binary: PathBuf,
    flags: Vec<String>,
}

/// One running node.
#[derive(Debug)]
pub(crate) struct Node {
    /// What it calls itself.
    pub(crate) name: String,
    /// Its node id, 64 hex digits.
    pub(crate) id: String,
    /// The command that started it, as one would type it.
    pub(crate) command: String,
    /// Its log.
    pub(crate) log: Log,
    /// When it was started.
    pub(crate) started_at: SystemTime,
    /// From its start to its startup lines.
    pub(crate) served_after: Duration,
    addrs: Vec<String>,
    process: Process,
}

impl Swarm {
    /// No nodes yet; `binary` is what will be started.
    pub(crate) fn new(binary: &Path) -> Result<Self> {
        Self::with_flags(binary, &[])
    }

    /// The same, of nodes that are given more flags.
    pub(crate) fn with_flags(binary: &Path, flags: &[&str]) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("id-xtask-").tempdir()?;
        let watchdog = Watchdog::start(dir.path())?;
        let flags = flags.iter().map(ToString::to_string).collect();
        Ok(Self { nodes: Vec::new(), watchdog, dir, binary: binary.to_owned(), flags })
    }

    /// Starts another program among the nodes: it ends with them.
    pub(crate) fn spawn(&self, command: &mut Command) -> Result<Process> {
        forget_settings(command);
        self.watchdog.spawn(command)
    }

    /// Where the nodes' files are.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The names of nodes that have ended without being told to.
    pub(crate) fn dead(&mut self) -> Result<Vec<String>> {
        let mut dead = Vec::new();
        for node in &mut self.nodes {
            if node.process.ended()?.is_some() {
                dead.push(node.name.clone());
            }
        }
        Ok(dead)
    }

    /// Starts one more node and waits until it serves.
    pub(crate) fn start(&mut self, name: &str) -> Result<&Node> {
        let mut command = self.command(name);
        let log_path = self.dir.path().join(format!("{name}.log"));
        command.stdout(Stdio::piped()).stderr(File::create(&log_path)?);

        let (started_at, started) = (SystemTime::now(), Instant::now());
        let mut process = self.watchdog.spawn(&mut command)?;
        let lines = read_lines(process.take_stdout().context("stdout isn't a pipe")?);
        let id = await_startup_lines(&lines, started + START_LIMIT).with_context(|| {
            format!("{name} didn't start; its log ends:\n{}", logs::tail(&log_path))
        })?;
        let served_after = started.elapsed();
        let addrs = self.read_addrs(name, started + START_LIMIT)?;

        let log = Log::open(&log_path)?;
        let command = line(&command);
        let name = name.to_owned();
        let node = Node { name, id, command, log, started_at, served_after, addrs, process };
        self.nodes.push(node);
        Ok(&self.nodes[self.nodes.len() - 1])
    }

    /// The running nodes, in the order of their start.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Reads the nodes' logs up to now.
    pub(crate) fn follow_logs(&mut self) -> Result<()> {
        self.nodes.iter_mut().try_for_each(|node| node.log.follow())
    }

    /// The ids of all nodes but `node`: what its table should hold.
    pub(crate) fn others(&self, node: &Node) -> BTreeSet<String> {
        self.nodes.iter().map(|other| other.id.clone()).filter(|id| *id != node.id).collect()
    }

    /// The name of the node with this id, or the id if it is none of ours.
    pub(crate) fn name_of<'a>(&'a self, id: &'a str) -> &'a str {
        self.nodes.iter().find(|node| node.id == id).map_or(id, |node| &node.name)
    }

    /// Stops one node with SIGTERM, and waits for its end.
    pub(crate) fn stop_one(&mut self, index: usize) -> Result<Node> {
        let mut node = self.nodes.remove(index);
        stop(std::slice::from_mut(&mut node))?;
        Ok(node)
    }

    /// Stops all nodes with SIGTERM, and waits for their end. It is an error if one fails at it.
    pub(crate) fn stop(mut self) -> Result<()> {
        let stopped = stop(&mut self.nodes);
        if stopped.is_err() {
            self.keep_files();
        }
        stopped
    }

    /// Leaves data directories and logs for whoever looks for the cause of a failure.
    pub(crate) fn keep_files(&mut self) {
        self.dir.disable_cleanup(true);
        eprintln!("the nodes' files stay in {}", self.dir.path().display());
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .current_dir(self.dir.path())
            .args(["--bind", "127.0.0.1:0", "--no-dht", "--relay", "disabled"])
            .args(["--data-dir", name, "--name", name, "--log-format", "json", "-v"])
            .args(&self.flags);
        if let Some(first) = self.nodes.first() {
            command.args(["--bootstrap", &first.reference()]);
        }
        forget_settings(&mut command);
        command
    }

    /// A node's addresses, from the runtime file that it leaves for programs on the same machine.
    fn read_addrs(&self, name: &str, deadline: Instant) -> Result<Vec<String>> {
        let path = self.dir.path().join(name).join("node.json");
        let text = poll(deadline, REST, || Ok(fs::read_to_string(&path).ok()))?
            .with_context(|| format!("{name} serves but left no node.json"))?;
        let runtime: Value = serde_json::from_str(&text).context("node.json is no JSON")?;
        let addrs =
            runtime.get("addrs").and_then(Value::as_array).context("no addrs in node.json")?;
        Ok(addrs.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }
}

impl Node {
    /// How to name it on a command line: `id@ip:port`.
    pub(crate) fn reference(&self) -> String {
        format!("{}@{}", self.id, self.addrs.join(","))
    }

    /// What it uses now.
    pub(crate) fn usage(&self) -> Option<Usage> {
        Usage::of(self.process.id())
    }
}

/// Keeps the settings of whoever runs us away from a program under test.
pub(crate) fn forget_settings(command: &mut Command) {
    let ours = |name: &str| name.starts_with("ID_") || name == "RUST_LOG";
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(ours) {
            command.env_remove(name);
        }
    }
    command.env_remove("STATE_DIRECTORY").env_remove("CREDENTIALS_DIRECTORY");
}

fn stop(nodes: &mut [Node]) -> Result<()> {
    let deadline = Instant::now() + STOP_LIMIT;
    let pids: Vec<u32> = nodes.iter().map(|node| node.process.id()).collect();
    terminate(&pids)?;
    nodes.iter_mut().try_for_each(|node| await_end(node, deadline))
}

fn await_end(node: &mut Node, deadline: Instant) -> Result<()> {
    let Some(status) = poll(deadline, REST, || node.process.ended())? else {
        bail!("{} didn't end within {STOP_LIMIT:?} of SIGTERM:\n{}", node.name, node.log.tail());
    };
    ensure!(status.success(), "{} ended badly ({status}):\n{}", node.name, node.log.tail());
    Ok(())
}

/// Reads a node's stdout in a thread of its own, which ends with the node. A pipe alone can't be
/// read with a deadline, and a node must never wait for someone to read what it prints.
pub(crate) fn read_lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::sync_channel(16);
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

/// Waits for the last startup line; the node's id is in the first.
fn await_startup_lines(lines: &Receiver<String>, deadline: Instant) -> Result<String> {
    let mut id = None;
    loop {
        let line = match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => bail!("no startup lines within {START_LIMIT:?}"),
            Err(RecvTimeoutError::Disconnected) => bail!("it ended at once"),
        };
        if let Some(text) = line.strip_prefix("node id: ") {
            id = Some(text.trim().to_owned());
        }
        if line.starts_with("ticket: ") {
            return id.context("a ticket but no node id");
        }
    }
}

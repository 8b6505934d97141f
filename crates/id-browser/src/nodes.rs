//! Real nodes on this machine, each a process of its own, on loopback alone.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// How long a node may take to serve. It should take a third of a second; a busy machine is slower.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long it may take to say goodbye.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Nodes that know each other through the first of them.
#[derive(Debug)]
pub(crate) struct Nodes {
    // Dropped in this order: the nodes, then their files.
    nodes: Vec<Node>,
    dir: TempDir,
    binary: PathBuf,
}

/// A running node; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: String,
    /// Where its page is.
    pub(crate) url: String,
    ticket: String,
    process: Child,
}

impl Nodes {
    pub(crate) fn new(binary: &Path) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("id-browser-nodes-").tempdir()?;
        // A node is started elsewhere than we are.
        let binary = binary.canonicalize().with_context(|| format!("{}", binary.display()))?;
        Ok(Self { nodes: Vec::new(), dir, binary })
    }

    /// Starts one more of this name, and waits until it serves.
    pub(crate) async fn start(&mut self, name: &str) -> Result<&Node> {
        let log = std::fs::File::create(self.dir.path().join(format!("{}.log", self.nodes.len())))?;
        let mut command = Command::new(&self.binary);
        command.current_dir(self.dir.path()).args([
            "--bind",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
        ]);
        command.args([
            "--no-dht",
            "--no-mdns",
            "--relay",
            "disabled",
            "--ephemeral",
            "--name",
            name,
        ]);
        if let Some(first) = self.nodes.first() {
            command.args(["--bootstrap", &first.ticket]);
        }
        forget_settings(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut process = command.spawn().with_context(|| format!("{}", self.binary.display()))?;
        let stdout = process.stdout.take().context("stdout isn't a pipe")?;
        let started = timeout(START_LIMIT, Started::read(stdout)).await;
        let Started { id, ticket, url } = started.context("it doesn't serve")??;
        self.nodes.push(Node { id, url, ticket, process });
        Ok(&self.nodes[self.nodes.len() - 1])
    }

    /// Has the one that came last say goodbye, and waits for its end.
    pub(crate) async fn stop_last(&mut self) -> Result<()> {
        let mut node = self.nodes.pop().context("there is a node")?;
        let pid = node.process.id().context("it runs")?.to_string();
        let told = Command::new("kill").args(["-s", "TERM", &pid]).status().await?;
        ensure!(told.success(), "can't end a node");
        let status =
            timeout(STOP_LIMIT, node.process.wait()).await.context("it goes on and on")??;
        ensure!(status.success(), "a node ended badly ({status})");
        Ok(())
    }
}

/// What a node says once it serves.
struct Started {
    id: String,
    ticket: String,
    url: String,
}

impl Started {
    async fn read(stdout: ChildStdout) -> Result<Self> {
        let mut lines = BufReader::new(stdout).lines();
        let id = value(&mut lines, "node id: ").await?;
        let ticket = value(&mut lines, "ticket: ").await?;
        let url = value(&mut lines, "http: ").await?;
        Ok(Self { id, ticket, url })
    }
}

/// What follows `label` on the next line that begins with it.
async fn value(lines: &mut Lines<BufReader<ChildStdout>>, label: &str) -> Result<String> {
    while let Some(line) = lines.next_line().await? {
        if let Some(value) = line.strip_prefix(label) {
            return Ok(value.trim().to_owned());
        }
    }
    bail!("the node ended without a line `{label}`")
}

/// Keeps the settings of whoever runs us away from the nodes.
fn forget_settings(command: &mut Command) {
    let ours = |name: &str| name.starts_with("ID_") || name == "RUST_LOG";
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(ours) {
            command.env_remove(name);
        }
    }
    command.env_remove("STATE_DIRECTORY").env_remove("CREDENTIALS_DIRECTORY");
}

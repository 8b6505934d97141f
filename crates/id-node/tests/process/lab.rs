//! Processes of a test. Whatever comes of the test, none outlives it.

use std::{
    fmt, fs,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::{TryStream, TryStreamExt, future::BoxFuture};
use id_node::{
    data_dir::RuntimeFile,
    endpoint::{self, EndpointOptions},
    id_client::{
        AskError, Client, Whoami,
        id_proto::{
            DiscoverReport, Network, PeerEntry, PeerRef, SignedAnnouncement,
            iroh_base::{EndpointAddr, PublicKey, SecretKey},
        },
    },
    iroh::Endpoint,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// Long enough for anything on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A command line to come.
#[derive(Debug)]
pub(crate) struct IdNode(Command);

/// `id-node` with nothing but the flags that come, and no variable of ours.
pub(crate) fn id_node() -> IdNode {
    let mut command = Command::new(env!("CARGO_BIN_EXE_id-node"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    IdNode(command)
}

/// `id-node` on loopback, where it bothers nobody.
pub(crate) fn offline() -> IdNode {
    id_node().args(["--bind", "127.0.0.1:0", "--no-relay", "--no-dht"])
}

/// [`offline`], with `dir` to keep things in.
pub(crate) fn at(dir: &Path) -> IdNode {
    offline().arg("--data-dir").arg(dir.to_str().unwrap())
}

/// [`offline`], keeping nothing.
pub(crate) fn ephemeral() -> IdNode {
    offline().arg("--ephemeral")
}

impl IdNode {
    pub(crate) fn arg(self, arg: &str) -> Self {
        self.args([arg])
    }

    pub(crate) fn args<const N: usize>(mut self, args: [&str; N]) -> Self {
        self.0.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn stdout(mut self, to: impl Into<Stdio>) -> Self {
        self.0.stdout(to);
        self
    }

    /// Nobody listens to it but who holds the other end.
    pub(crate) fn stderr(mut self, to: impl Into<Stdio>) -> Self {
        self.0.stderr(to);
        self
    }

    /// Runs it to its end, which it is expected to find by itself.
    pub(crate) async fn run(mut self) -> Ended {
        let child = self.0.spawn().unwrap();
        let output = timeout(PATIENCE, child.wait_with_output()).await;
        let output = output.unwrap_or_else(|_| panic!("{self:?} runs on")).unwrap();
        Ended {
            status: output.status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts it, and waits until it serves.
    pub(crate) async fn start(mut self) -> Running {
        let mut child = self.0.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(keep(BufReader::new(stderr).lines(), log.clone()));
        }
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut running = Running { child, stdout, log, startup: Vec::new() };
        while running.startup.len() < N_STARTUP_LINES {
            let line = timeout(PATIENCE, running.stdout.next_line()).await;
            match line.expect("it starts in time").unwrap() {
                Some(line) => running.startup.push(line),
                None => panic!("it doesn't start: {}", running.log()),
            }
        }
        running
    }
}

const N_STARTUP_LINES: usize = 4;

async fn keep(mut lines: Lines<impl AsyncBufReadExt + Unpin>, log: Arc<Mutex<String>>) {
    while let Ok(Some(line)) = lines.next_line().await {
        log.lock().unwrap().extend([&line, "\n"]);
    }
}

/// A process that serves.
pub(crate) struct Running {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    log: Arc<Mutex<String>>,
    /// What it printed before it served.
    pub(crate) startup: Vec<String>,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// What a startup line says behind its label.
    pub(crate) fn said(&self, label: &str) -> &str {
        let said = self.startup.iter().find_map(|line| line.strip_prefix(label));
        said.and_then(|said| said.strip_prefix(": ")).expect("such a line")
    }

    pub(crate) fn id(&self) -> PublicKey {
        self.said("node id").parse().unwrap()
    }

    pub(crate) fn ticket(&self) -> &str {
        self.said("ticket")
    }

    pub(crate) fn addr(&self) -> EndpointAddr {
        self.ticket().parse::<PeerRef>().unwrap().addrs()[0].clone()
    }

    /// What it said on stderr until now.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) async fn logged(&self, what: &str) {
        eventually(what, async || self.log().contains(what)).await;
    }

    /// The objects that it logged until now, with `--log-format json`.
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        let log = self.log();
        log.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.pid());
        let killed = std::process::Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(killed.success());
    }

    /// Nobody reads what it prints any more.
    pub(crate) fn close_stdout(self) -> Deaf {
        Deaf { _child: self.child }
    }

    /// Its end, which must come.
    pub(crate) async fn ended(&mut self) -> Ended {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap();
        let mut stdout = String::new();
        while let Some(line) = self.stdout.next_line().await.unwrap() {
            stdout.extend([&line, "\n"]);
        }
        Ended { status, stdout, stderr: self.log() }
    }

    pub(crate) async fn terminate(mut self) -> Ended {
        self.signal("TERM");
        self.ended().await
    }
}

/// A process whose stdout is closed.
pub(crate) struct Deaf {
    _child: Child,
}

/// What came of a process.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// Behind the startup lines, if it served.
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "{self}");
        self
    }

    /// One line on stderr, and nothing on stdout.
    #[track_caller]
    pub(crate) fn assert_one_line(&self, mentions: &[&str]) -> &Self {
        assert_eq!(self.stdout, "", "{self}");
        assert_eq!(self.stderr.lines().count(), 1, "{self}");
        assert!(self.stderr.starts_with("error: "), "{self}");
        for mention in mentions {
            assert!(self.stderr.contains(mention), "{mention}: {self}");
        }
        self
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nstdout:\n{}\nstderr:\n{}", self.status, self.stdout, self.stderr)
    }
}

/// Waits until it holds.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}: not after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs a test with somebody who can ask the processes.
pub(crate) async fn asking(test: impl AsyncFnOnce(&Asking)) {
    asking_in(Network::public(), test).await;
}

pub(crate) async fn asking_in(network: Network, test: impl AsyncFnOnce(&Asking)) {
    use futures::FutureExt;
    let bind = Some("127.0.0.1:0".parse().unwrap());
    let options = EndpointOptions { bind, ..Default::default() };
    let endpoint = endpoint::bind(options.clone()).await.unwrap();
    let client = Client::new(endpoint.clone()).with_network(network.clone());
    let asking = Asking { endpoint: endpoint.clone(), client, network, options };
    let outcome = std::panic::AssertUnwindSafe(test(&asking)).catch_unwind().await;
    endpoint.close().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

pub(crate) struct Asking {
    endpoint: Endpoint,
    client: Client,
    network: Network,
    options: EndpointOptions,
}

impl Asking {
    /// The same as somebody with that key.
    pub(crate) async fn with_key(&self, key: SecretKey) -> Self {
        let options = EndpointOptions { secret_key: Some(key), ..self.options.clone() };
        let endpoint = endpoint::bind(options.clone()).await.unwrap();
        let client = Client::new(endpoint.clone()).with_network(self.network.clone());
        Self { endpoint, client, network: self.network.clone(), options }
    }

    pub(crate) async fn close(self) {
        self.endpoint.close().await;
    }

    /// The table of a node, its own entry left out.
    pub(crate) async fn table(&self, node: &Running) -> Vec<PeerEntry<SignedAnnouncement>> {
        // A test asks more often than one caller may.
        let endpoint = endpoint::bind(self.options.clone()).await.unwrap();
        let client = Client::new(endpoint.clone()).with_network(self.network.clone());
        let listed = client.list_peers(node.addr()).try_collect::<Vec<_>>().await;
        endpoint.close().await;
        listed.unwrap_or_else(|error| panic!("{error}: {}", node.log())).split_off(1)
    }

    pub(crate) async fn knows(&self, node: &Running, peer: PublicKey) -> bool {
        self.entry(node, peer).await.is_some()
    }

    pub(crate) async fn entry(
        &self,
        node: &Running,
        peer: PublicKey,
    ) -> Option<PeerEntry<SignedAnnouncement>> {
        let table = self.table(node).await;
        table.into_iter().find(|entry| entry.announcement.node_id == peer)
    }

    /// A connection to a node, for more than one question.
    #[cfg(feature = "blobs")]
    pub(crate) async fn session(&self, node: &Running) -> id_node::id_client::Session {
        self.client.connect(node.addr()).await.unwrap()
    }

    #[cfg(feature = "blobs")]
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Hands `found` to a node.
    pub(crate) async fn discover(
        &self,
        node: &Running,
        found: Vec<SignedAnnouncement>,
    ) -> Result<impl TryStream<Ok = DiscoverReport, Error = AskError> + use<>, AskError> {
        Ok(self.client.connect(node.addr()).await?.discover(found))
    }

    pub(crate) fn whoami(&self, addr: EndpointAddr) -> BoxFuture<'_, Result<Whoami, AskError>> {
        Box::pin(self.client.whoami(addr))
    }

    /// Whom it says to have to do with.
    pub(crate) async fn access(&self, node: &Running) -> String {
        let status = self.client.status(node.addr()).await.unwrap();
        let access = status.channels.into_iter().find(|(name, _)| name == "access");
        access.expect("it says so").1
    }

    /// What it has counted.
    pub(crate) async fn counter(&self, node: &Running, name: &str) -> u64 {
        let status = self.client.status(node.addr()).await.unwrap();
        let counter = status.counters.into_iter().find(|(counted, _)| counted == name);
        counter.expect("it is counted").1
    }

    /// What others call it.
    pub(crate) async fn name(&self, node: &Running) -> Option<String> {
        let about = self.whoami(node.addr()).await.unwrap().about.unwrap();
        about.announcement.name.clone()
    }
}

/// What is in `node.json`.
pub(crate) fn node_json(dir: &Path) -> Option<RuntimeFile> {
    RuntimeFile::read(dir).unwrap()
}

pub(crate) fn read(dir: &Path, file: &str) -> String {
    fs::read_to_string(dir.join(file)).unwrap()
}

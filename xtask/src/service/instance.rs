//! A node under a service manager of ours.

use std::{
    fs::File,
    io::ErrorKind,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    process::{Process, Signal, Watchdog, poll, signal},
    swarm::forget_settings,
};

/// How long anything may take, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(30);
/// Rest between two looks at whether a process has ended.
const REST: Duration = Duration::from_millis(1);

/// A node that was started, and what it tells its manager.
#[derive(Debug)]
pub(super) struct Instance {
    process: Process,
    told: UnixDatagram,
    /// What was told and not asked for yet.
    lines: Vec<String>,
    started: Instant,
    log: PathBuf,
}

impl Instance {
    /// Starts a node with these arguments; its socket and its log are in `dir`.
    pub(super) fn start(
        watchdog: &Watchdog,
        node: &Path,
        dir: &Path,
        args: &[&str],
    ) -> Result<Self> {
        let (socket, log) = (dir.join("notify"), dir.join("log"));
        let _ = std::fs::remove_file(&socket);
        let told = UnixDatagram::bind(&socket)?;
        let mut command = Command::new(node);
        command.args(args).env("NOTIFY_SOCKET", &socket).env("HOME", dir);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::options().append(true).create(true).open(&log)?);
        forget_settings(&mut command);
        let started = Instant::now();
        let process = watchdog.spawn(&mut command)?;
        Ok(Self { process, told, lines: Vec::new(), started, log })
    }

    /// How long it took, from its start, to serve.
    pub(super) fn ready(&mut self) -> Result<Duration> {
        self.tells("READY=1")?;
        Ok(self.started.elapsed())
    }

    /// Waits until it tells this.
    pub(super) fn tells(&mut self, what: &str) -> Result<()> {
        self.tells_what(what, |line| line == what)
    }

    /// Waits until so many peers are in its table; or more, for somebody may have gone without a goodbye.
    pub(super) fn knows(&mut self, n_peers: usize) -> Result<()> {
        let n_known = |line: &str| line.strip_prefix("STATUS=")?.split(' ').next()?.parse().ok();
        self.tells_what(&format!("of {n_peers} peers"), |line| {
            n_known(line).is_some_and(|n: usize| n >= n_peers)
        })
    }

    fn tells_what(&mut self, what: &str, is_it: impl Fn(&str) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.lines.iter().any(|line| is_it(line)) {
            if Instant::now() > deadline || self.process.ended()?.is_some() {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                bail!("it doesn't tell {what}, but {:?}; its log:\n{log}", self.lines);
            }
            self.hear(Duration::from_millis(100))?;
        }
        // What comes later is told again.
        self.lines.clear();
        Ok(())
    }

    fn hear(&mut self, patience: Duration) -> Result<()> {
        self.told.set_read_timeout(Some(patience))?;
        let mut buffer = [0; 1024];
        match self.told.recv(&mut buffer) {
            Ok(len) => {
                let told = String::from_utf8_lossy(&buffer[..len]);
                self.lines.extend(told.lines().map(str::to_owned));
                Ok(())
            }
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn signal(&self, which: Signal) -> Result<()> {
        signal(which, &[self.process.id()])
    }

    /// Waits for its end.
    pub(super) fn ended(&mut self) -> Result<ExitStatus> {
        let ended = poll(Instant::now() + PATIENCE, REST, || self.process.ended())?;
        ended.with_context(|| format!("it runs on after {PATIENCE:?}"))
    }

    /// Ends it as politely as a manager does.
    pub(super) fn stop(mut self) -> Result<Duration> {
        let asked = Instant::now();
        self.signal(Signal::SIGTERM)?;
        let status = self.ended()?;
        anyhow::ensure!(status.success(), "it ended badly ({status})");
        Ok(asked.elapsed())
    }

    /// Ends it without asking. It leaves what it was at.
    pub(super) fn kill(self) {
        drop(self.process);
    }
}

//! A farm of peers, and what asks them.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::process::{Process, Watchdog};

/// The program that measures: an example of id-client's.
const PROGRAM: &str = "crawl_speed";

/// The programs of one build.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) dir: PathBuf,
}

/// Peers in a process of their own. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Farm {
    /// Those who answer, `id@addr`.
    pub(super) peers: Vec<String>,
    _process: Process,
    _watchdog: Watchdog,
}

/// What a run found.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Run {
    pub(super) known: u64,
    pub(super) answered: u64,
    pub(super) secs: f64,
    /// Until the last one answered; a crawl waits for others longer.
    pub(super) last_answer_secs: f64,
    pub(super) peak_rss_kib: u64,
}

impl Run {
    /// Answers a second, until the last one.
    pub(super) fn rate(&self) -> f64 {
        self.answered as f64 / self.last_answer_secs
    }
}

impl Programs {
    /// Starts a farm with these arguments, and waits until all of it answers.
    pub(super) fn farm(&self, args: &[&str]) -> Result<Farm> {
        let watchdog = Watchdog::start(Path::new("/nonexistent"))?;
        let mut command = Command::new(self.dir.join("id-lab"));
        command.arg("farm").args(args).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = watchdog.spawn(&mut command)?;
        let stdout = process.take_stdout().context("the farm has no stdout")?;
        let mut peers = Vec::new();
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            if line == "ready" {
                return Ok(Farm { peers, _process: process, _watchdog: watchdog });
            }
            peers.push(line);
        }
        bail!("the farm ended before it was ready")
    }

    /// Asks these peers, or crawls from them.
    pub(super) fn run(&self, args: &[&str], peers: &[String]) -> Result<Run> {
        let mut command = Command::new(self.dir.join("examples").join(PROGRAM));
        let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().context("no stdin")?;
        stdin.write_all((peers.join("\n") + "\n").as_bytes())?;
        drop(stdin);
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "{PROGRAM} {args:?} failed ({})", output.status);
        serde_json::from_slice(&output.stdout).context("the program's report is no JSON")
    }
}

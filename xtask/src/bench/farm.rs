//! A farm of peers in processes of their own, and what asks them.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{
    process::{Process, Watchdog},
    speed::{self, Run},
};

/// How many peers one process can have. Origin: a system lets one open 20,000 files, and a peer takes two.
const MAX_PER_PROCESS: usize = 5000;

/// The programs of one build.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) dir: PathBuf,
}

/// Peers. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Farm {
    /// Those who answer, `id@addr`.
    pub(super) peers: Vec<String>,
    _parts: Vec<Part>,
    _watchdog: Watchdog,
}

/// A process of a farm, and what it says.
#[derive(Debug)]
struct Part {
    process: Process,
    said: BufReader<ChildStdout>,
}

impl Programs {
    /// Starts a farm of so many peers that answer, and waits until all of it does.
    pub(super) fn farm(&self, peers: usize, args: &[&str]) -> Result<Farm> {
        let watchdog = Watchdog::start(Path::new("/nonexistent"))?;
        let n_parts = peers.div_ceil(MAX_PER_PROCESS);
        let start = |part: usize| {
            let mut command = Command::new(self.dir.join("id-lab"));
            command.args(["farm", "--peers", &peers.to_string()]).args(args);
            command.args(["--parts", &n_parts.to_string(), "--part", &part.to_string()]);
            Part::start(&watchdog, &mut command)
        };
        let mut parts: Vec<_> = (0..n_parts).map(start).collect::<Result<_>>()?;
        let mut places = Vec::new();
        if n_parts > 1 {
            for part in &mut parts {
                places.extend(part.lines_until("bound")?);
            }
            let all = places.join("\n") + "\n";
            parts.iter_mut().try_for_each(|part| part.tell(&all))?;
        }
        for part in &mut parts {
            places.extend(part.lines_until("ready")?);
        }
        Ok(Farm { peers: places, _parts: parts, _watchdog: watchdog })
    }

    /// Asks these peers, or crawls from them.
    pub(super) fn run(&self, args: &[&str], peers: &[String]) -> Result<Run> {
        let mut command = Command::new(self.example(speed::PROGRAM));
        speed::ask(command.args(args), peers)
    }

    /// An example's program.
    pub(super) fn example(&self, name: &str) -> PathBuf {
        self.dir.join("examples").join(name)
    }
}

impl Part {
    fn start(watchdog: &Watchdog, command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = watchdog.spawn(command)?;
        let stdout = process.take_stdout().context("the farm has no stdout")?;
        Ok(Self { process, said: BufReader::new(stdout) })
    }

    /// What it says before it says this.
    fn lines_until(&mut self, last: &str) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for line in (&mut self.said).lines() {
            match line? {
                line if line == last => return Ok(lines),
                line => lines.push(line),
            }
        }
        bail!("the farm ended before it was {last}")
    }

    fn tell(&mut self, text: &str) -> Result<()> {
        let mut stdin = self.process.take_stdin().context("the farm has no stdin")?;
        Ok(stdin.write_all(text.as_bytes())?)
    }
}

//! `cargo xtask bench blobs`: a long file into a node and out again, next to iroh-blobs' own example; what an
//! interrupted one costs; how soon a count is seen; what discovery pays while blobs move.
//!
//! Everything is a process on this machine, from its start to its end. What is compared takes turns.

mod network;
mod transfer;

use std::{
    fs::File,
    io::{Read, copy},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Report, farm::Programs};
use crate::{
    process::poll,
    project::line,
    swarm::{Swarm, forget_settings},
    usage::Usage,
};

/// Of the long file.
const SIZE: u64 = 1 << 30;
/// Rest between two looks at a process.
const REST: Duration = Duration::from_millis(10);
/// How long a process may take, on a slow disk too.
const PATIENCE: Duration = Duration::from_secs(300);

/// All of it.
pub(super) fn measure(programs: &Programs, report: &mut Report) -> Result<()> {
    let dir = tempfile::Builder::new().prefix("id-bench-").tempdir()?;
    let scene = Scene { programs, dir: dir.path(), file: dir.path().join("long") };
    let random = File::open("/dev/urandom").context("there are no random bytes")?;
    copy(&mut random.take(SIZE), &mut File::create(&scene.file)?)?;
    transfer::speed(&scene, report)?;
    transfer::resumed(&scene, report)?;
    network::counts(&scene, report)?;
    network::beside_discovery(&scene, report)
}

/// What every measurement works with.
struct Scene<'a> {
    programs: &'a Programs,
    dir: &'a Path,
    /// The long one.
    file: PathBuf,
}

/// How a process went.
#[derive(Debug, Clone, Copy)]
struct Took {
    time: Duration,
    peak_kib: u64,
}

impl Scene<'_> {
    /// Nodes that were not started yet.
    fn swarm(&self) -> Result<Swarm> {
        Swarm::with_flags(&self.programs.dir.join("id-node"), &["--no-mdns"])
    }

    /// id-cli, as the operator of the node with this name.
    fn cli(&self, swarm: &Swarm, node: &str, args: &[&str]) -> Command {
        let mut command = Command::new(self.programs.dir.join("id-cli"));
        command.current_dir(self.dir).args(args).arg("--no-relay");
        command.arg("--data-dir").arg(swarm.dir().join(node));
        forget_settings(&mut command);
        command
    }

    /// The same for what moves blobs; it prints a document.
    fn mover(&self, swarm: &Swarm, node: &str, args: &[&str]) -> Command {
        let mut command = self.cli(swarm, node, args);
        command.args(["--json", "--progress", "none"]);
        command
    }

    fn lab(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.programs.dir.join("id-lab"));
        command.current_dir(self.dir).args(args).stdin(Stdio::null());
        forget_settings(&mut command);
        command
    }
}

/// Runs to the end. What it prints must be short.
fn run(command: &mut Command) -> Result<(Took, Vec<u8>)> {
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut peak_kib = 0;
    let ended = poll(started + PATIENCE, REST, || {
        // It has none any more once it has ended.
        peak_kib = Usage::of(child.id()).map_or(peak_kib, |usage| usage.peak_kib.max(peak_kib));
        Ok(child.try_wait()?)
    });
    let time = started.elapsed();
    let Some(status) = ended? else {
        child.kill()?;
        anyhow::bail!("{} took too long", line(command));
    };
    ensure!(status.success(), "{} failed ({status})", line(command));
    let mut printed = Vec::new();
    child.stdout.take().context("no stdout")?.read_to_end(&mut printed)?;
    Ok((Took { time, peak_kib }, printed))
}

/// A number of the first blob in a document.
fn number(document: &[u8], key: &str) -> Result<u64> {
    let document: Value = serde_json::from_slice(document).context("no JSON document")?;
    document["blobs"][0][key].as_u64().with_context(|| format!("no {key} in {document}"))
}

/// The median.
fn median<T>(mut figures: Vec<T>, by: impl Fn(&T) -> Duration) -> T {
    figures.sort_by_key(by);
    figures.swap_remove(figures.len() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_that_of_the_first_blob_and_what_is_missing_is_named() {
        let document = br#"{"blobs": [{"sent_bytes": 7}, {"sent_bytes": 8}]}"#;
        assert_eq!(number(document, "sent_bytes").unwrap(), 7);
        let missing = number(document, "fetched_bytes").unwrap_err().to_string();
        assert!(missing.contains("fetched_bytes"), "{missing}");
        assert!(number(b"no", "sent_bytes").is_err());
    }

    #[test]
    fn a_process_that_fails_is_an_error_and_what_another_prints_is_kept() {
        let (took, printed) = run(Command::new("echo").arg("a")).unwrap();
        assert_eq!(printed, b"a\n");
        assert!(took.time < PATIENCE);
        let failed = run(&mut Command::new("false")).unwrap_err().to_string();
        assert!(failed.starts_with("false failed"), "{failed}");
    }
}

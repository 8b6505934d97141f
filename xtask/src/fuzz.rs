//! `cargo xtask fuzz`: feeds every reader of strangers' bytes with what libFuzzer makes up.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;

use crate::project::{Project, capture, line, pass, succeeds};

/// How long an input may take, in seconds, before it counts as a finding. Origin: a guess; the slowest
/// takes some milliseconds.
const INPUT_SECS: u32 = 10;
/// How much memory the whole process may have, in MiB. Origin: the corpus and libFuzzer's own tables.
/// What an input makes a reader hold is counted and bounded by the targets themselves.
const RSS_MIB: u32 = 1024;
/// Most that is kept of a target's inputs in the corpus, in bytes. Origin: the corpus is committed;
/// 300 KiB in all are enough.
const MAX_CORPUS: u64 = 16 * 1024;
/// Most inputs that one run adds to a target's corpus. Origin: somebody may want to look at them.
const MAX_ADDED: usize = 64;
/// Longest input that is kept, in bytes. Origin: a guess; many short ones show more.
const MAX_KEPT: u64 = 2048;

/// No sanitizer, because nothing of ours is `unsafe`, and it is some times as fast without; and no
/// `cfg(fuzzing)`, so that what runs is what is shipped.
const BUILD: [&str; 3] = ["--sanitizer", "none", "--no-cfg-fuzzing"];

/// Feeds every reader of strangers' bytes with what libFuzzer makes up, one after the other.
///
/// Needs cargo-fuzz, a nightly compiler and a C++ compiler. Prints one line a target. A finding is
/// kept in fuzz/artifacts and fails the run, after the other targets had their turn.
#[derive(Debug, Args)]
pub(crate) struct Fuzz {
    /// Only these; all, if none is named
    targets: Vec<String>,
    /// How long each may take, in seconds
    #[arg(long, default_value_t = 600)]
    secs: u32,
    /// How many inputs each is fed, if there is time
    #[arg(long, default_value_t = 10_000_000)]
    runs: u64,
    /// Keep inputs that reach what the corpus didn't, in fuzz/corpus, as far as there is room
    #[arg(long)]
    keep: bool,
}

/// A target, as fuzz/Cargo.toml names it.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    name: String,
    max_len: u64,
}

/// What libFuzzer and the target said at the end of a run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    n_runs: u64,
    seconds: u64,
    /// Inputs that each reach something that no other does.
    corpus: u64,
    /// Most bytes held for one input.
    held: u64,
    /// All bytes allocated for one input.
    allocated: u64,
}

/// Where things are kept.
struct Rooms {
    fuzz: PathBuf,
}

impl Fuzz {
    /// Builds the targets and runs them.
    pub(crate) fn run(&self, project: &Project) -> Result<()> {
        check_tools(project)?;
        let rooms = Rooms { fuzz: project.root.join("fuzz") };
        let targets = self.chosen(all_targets(project)?)?;
        eprintln!("building the targets (the first time takes a quarter of an hour)");
        pass(project.nightly_cargo(["fuzz", "build"]).args(BUILD))?;
        println!(
            "{:<18}{:>11}{:>7}{:>10}{:>8}{:>11}{:>11}  findings",
            "target", "runs", "secs", "runs/s", "corpus", "held", "allocated"
        );
        let mut n_findings = 0;
        for target in &targets {
            let (outcome, findings) = self.feed(project, &rooms, target)?;
            println!("{}", row(target, &outcome, &findings));
            n_findings += findings.len();
            if self.keep && findings.is_empty() {
                keep(project, &rooms, target)?;
            }
        }
        ensure!(n_findings == 0, "{n_findings} findings, see fuzz/artifacts and fuzz/target/logs");
        Ok(())
    }

    fn chosen(&self, all: Vec<Target>) -> Result<Vec<Target>> {
        let is_known = |name: &&String| !all.iter().any(|target| target.name == **name);
        if let Some(unknown) = self.targets.iter().find(is_known) {
            let names: Vec<_> = all.iter().map(|target| target.name.as_str()).collect();
            bail!("{unknown} is no target; there are {}", names.join(", "));
        }
        let is_chosen =
            |target: &Target| self.targets.is_empty() || self.targets.contains(&target.name);
        Ok(all.into_iter().filter(is_chosen).collect())
    }

    fn feed(
        &self,
        project: &Project,
        rooms: &Rooms,
        target: &Target,
    ) -> Result<(Outcome, Vec<String>)> {
        let before = files(&rooms.artifacts(target))?;
        let log = rooms.log(target)?;
        let mut run = fuzzer(project, target, &[rooms.found(target)?, rooms.corpus(target)]);
        run.arg(format!("-runs={}", self.runs)).arg(format!("-max_total_time={}", self.secs));
        run.arg(format!("-max_len={}", target.max_len)).arg("-print_final_stats=1");
        run.arg(format!("-timeout={INPUT_SECS}")).arg(format!("-rss_limit_mb={RSS_MIB}"));
        let ended = run.stdout(Stdio::null()).stderr(File::create(&log)?).status();
        let ended = ended.with_context(|| format!("can't run {}", line(&run)))?;
        let outcome = Outcome::read(&String::from_utf8_lossy(&fs::read(&log)?));
        let mut findings = files(&rooms.artifacts(target))?;
        findings.retain(|finding| !before.contains(finding));
        if !ended.success() && findings.is_empty() {
            findings.push(format!("{ended}, see {}", log.display()));
        }
        Ok((outcome, findings))
    }
}

fn check_tools(project: &Project) -> Result<()> {
    let has_nightly = succeeds(&mut project.nightly_cargo(["--version"]));
    ensure!(has_nightly, "a nightly compiler is missing (rustup toolchain install nightly)");
    let has_fuzz = succeeds(&mut project.nightly_cargo(["fuzz", "--version"]));
    ensure!(has_fuzz, "cargo-fuzz is missing (cargo install cargo-fuzz --locked)");
    Ok(())
}

fn all_targets(project: &Project) -> Result<Vec<Target>> {
    let mut asked = project.cargo(["metadata", "--format-version", "1", "--no-deps"]);
    asked.args(["--manifest-path", "fuzz/Cargo.toml"]);
    let metadata: Value = serde_json::from_str(&capture(&mut asked)?)?;
    let lens = metadata.pointer("/packages/0/metadata/max-len").and_then(Value::as_object);
    let lens = lens.context("fuzz/Cargo.toml has no [package.metadata.max-len]")?;
    let target = |(name, len): (&String, &Value)| {
        Some(Target { name: name.clone(), max_len: len.as_u64()? })
    };
    lens.iter().map(target).collect::<Option<_>>().context("a max-len is no number")
}

/// libFuzzer of a target on these directories; new inputs go into the first.
fn fuzzer(project: &Project, target: &Target, corpora: &[PathBuf]) -> Command {
    let mut run = project.nightly_cargo(["fuzz", "run"]);
    run.args(BUILD).arg(&target.name).args(corpora).arg("--");
    run
}

/// Takes what reaches more than the corpus does over into it: short ones and long ones, as far as
/// there is room.
fn keep(project: &Project, rooms: &Rooms, target: &Target) -> Result<()> {
    let corpus = rooms.corpus(target);
    let merged = rooms.emptied("merged", target)?;
    for input in inputs(&corpus)? {
        fs::copy(&input.path, merged.join(&input.name))?;
    }
    let mut merge = fuzzer(project, target, &[merged.clone(), rooms.found(target)?]);
    merge.arg("-merge=1").arg(format!("-max_len={}", target.max_len.min(MAX_KEPT)));
    capture(&mut merge)?;
    let mut room = MAX_CORPUS.saturating_sub(inputs(&corpus)?.iter().map(|input| input.len).sum());
    let mut new = inputs(&merged)?;
    new.retain(|input| !corpus.join(&input.name).exists());
    for input in new.iter().step_by(new.len().div_ceil(MAX_ADDED).max(1)) {
        if input.len <= room {
            fs::copy(&input.path, corpus.join(&input.name))?;
            room -= input.len;
        }
    }
    Ok(())
}

/// A file of a corpus.
struct Input {
    len: u64,
    name: String,
    path: PathBuf,
}

/// The inputs in a directory, the shortest first.
fn inputs(dir: &Path) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for name in files(dir)? {
        let path = dir.join(&name);
        inputs.push(Input { len: fs::metadata(&path)?.len(), name, path });
    }
    inputs.sort_by(|a, b| (a.len, &a.name).cmp(&(b.len, &b.name)));
    Ok(inputs)
}

impl Rooms {
    fn corpus(&self, target: &Target) -> PathBuf {
        self.fuzz.join("corpus").join(&target.name)
    }

    fn artifacts(&self, target: &Target) -> PathBuf {
        self.fuzz.join("artifacts").join(&target.name)
    }

    /// A directory that is there and empty; not committed.
    fn emptied(&self, what: &str, target: &Target) -> Result<PathBuf> {
        let dir = self.fuzz.join("target").join(what).join(&target.name);
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// What earlier runs found; not committed.
    fn found(&self, target: &Target) -> Result<PathBuf> {
        let dir = self.fuzz.join("target/found").join(&target.name);
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    fn log(&self, target: &Target) -> Result<PathBuf> {
        let dir = self.fuzz.join("target/logs");
        fs::create_dir_all(&dir)?;
        Ok(dir.join(&target.name))
    }
}

fn files(dir: &Path) -> Result<Vec<String>> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let name = |entry: std::io::Result<fs::DirEntry>| Ok(text(&entry?.file_name()));
    fs::read_dir(dir)?.map(name).collect()
}

fn text(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

impl Outcome {
    fn read(log: &str) -> Self {
        let mut outcome = Self::default();
        for line in log.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["stat::number_of_executed_units:", n] => outcome.n_runs = number(n),
                ["Done", _, "runs", "in", seconds, ..] => outcome.seconds = number(seconds),
                [_, "held", held, "bytes,", "allocated", allocated] => {
                    (outcome.held, outcome.allocated) = (number(held), number(allocated));
                }
                _ => {}
            }
            if let Some(at) = words.iter().position(|word| *word == "corp:") {
                let corpus = words.get(at + 1).and_then(|corpus| corpus.split('/').next());
                outcome.corpus = corpus.map_or(outcome.corpus, number);
            }
        }
        outcome
    }

    fn runs_per_second(&self) -> u64 {
        self.n_runs / Duration::from_secs(self.seconds.max(1)).as_secs()
    }
}

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_default()
}

fn row(target: &Target, outcome: &Outcome, findings: &[String]) -> String {
    let findings = match findings {
        [] => "none".to_owned(),
        some => some.join(" "),
    };
    format!(
        "{:<18}{:>11}{:>7}{:>10}{:>8}{:>11}{:>11}  {findings}",
        target.name,
        outcome.n_runs,
        outcome.seconds,
        outcome.runs_per_second(),
        outcome.corpus,
        outcome.held,
        outcome.allocated,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
        INFO: seed corpus: files: 3\n\
        leave: held 100 bytes, allocated 120\n\
        #2 INITED cov: 82 ft: 83 corp: 1/1b exec/s: 0 rss: 39Mb\n\
        leave: held 400 bytes, allocated 700\n\
        #1000 DONE   cov: 90 ft: 120 corp: 17/2048b lim: 4 exec/s: 500 rss: 39Mb\n\
        Done 1000 runs in 2 second(s)\n\
        stat::number_of_executed_units: 1000\n\
        stat::average_exec_per_sec:     500\n";

    #[test]
    fn end_of_a_run_is_read_from_its_log() {
        let outcome = Outcome::read(LOG);
        let expected = Outcome { n_runs: 1000, seconds: 2, corpus: 17, held: 400, allocated: 700 };
        assert_eq!(outcome, expected);
        assert_eq!(outcome.runs_per_second(), 500);
    }

    #[test]
    fn target_that_does_not_exist_is_named() {
        let all = || vec![Target { name: "leave".to_owned(), max_len: 1 }];
        let fuzz =
            |name: &str| Fuzz { targets: vec![name.to_owned()], secs: 1, runs: 1, keep: false };
        assert_eq!(fuzz("leave").chosen(all()).unwrap(), all());
        assert!(fuzz("left").chosen(all()).unwrap_err().to_string().contains("leave"));
    }
}

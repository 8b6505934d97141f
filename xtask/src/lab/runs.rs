//! Which labs run, by what each of them left beside its files; and how to end those that wait.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::{
    process::{poll, terminate},
    swarm::REST,
};

/// What directories of runs begin with.
pub(crate) const PREFIX: &str = "run-";
/// The file in a run's directory that says which process it belongs to. From inside the sandbox it
/// can't be seen, for there something else is mounted over it.
const OWNER: &str = "owner";
/// How long a lab may take to end. Origin: a guess; it takes a tenth of a second.
const END_LIMIT: Duration = Duration::from_secs(10);

/// A run that has left a directory. Whether it still goes on is another question.
#[derive(Debug)]
struct Run {
    dir: PathBuf,
    owner: u32,
}

/// What a process is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A lab that waits for Ctrl-C.
    Kept,
    /// Another program of ours, which may run scenarios.
    Ours,
    /// None of ours, or nobody any more.
    Foreign,
}

/// Says that this process is the owner of a run's directory.
pub(crate) fn own(dir: &Path) -> Result<()> {
    Ok(fs::write(dir.join(OWNER), std::process::id().to_string())?)
}

/// Deletes what runs left in `dir` whose owner is no more.
pub(crate) fn sweep(dir: &Path) -> Result<()> {
    for run in all(dir)? {
        if kind_of(run.owner) == Kind::Foreign {
            fs::remove_dir_all(&run.dir)?;
        }
    }
    Ok(())
}

/// Ends the labs of `dir` that are kept, and returns their process ids.
pub(crate) fn end_kept(dir: &Path) -> Result<Vec<u32>> {
    sweep(dir)?;
    let kept: Vec<Run> =
        all(dir)?.into_iter().filter(|run| kind_of(run.owner) == Kind::Kept).collect();
    for run in &kept {
        // Between the question and the signal it may have ended by itself, which is as good.
        let _ = terminate(&[run.owner]);
        await_end(run)?;
    }
    Ok(kept.into_iter().map(|run| run.owner).collect())
}

/// Waits until the process is gone, and what it left.
fn await_end(run: &Run) -> Result<()> {
    let deadline = Instant::now() + END_LIMIT;
    let is_gone = || kind_of(run.owner) == Kind::Foreign && !run.dir.join(OWNER).exists();
    let gone = poll(deadline, REST, || Ok(is_gone().then_some(())))?;
    ensure!(gone.is_some(), "the lab of process {} doesn't end", run.owner);
    Ok(())
}

fn all(dir: &Path) -> Result<Vec<Run>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        // No lab has run yet.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    Ok(entries.filter_map(|entry| run_in(&entry.ok()?.path())).collect())
}

fn run_in(dir: &Path) -> Option<Run> {
    let is_run = dir.file_name()?.to_str()?.starts_with(PREFIX);
    let owner = fs::read_to_string(dir.join(OWNER)).ok()?.trim().parse().ok()?;
    is_run.then(|| Run { dir: dir.to_owned(), owner })
}

/// Process ids are used again, so the name decides.
fn kind_of(pid: u32) -> Kind {
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    parse_kind(&String::from_utf8_lossy(&command_line))
}

fn parse_kind(command_line: &str) -> Kind {
    let mut words = command_line.split('\0');
    let program = words.next().and_then(|word| Path::new(word).file_name()?.to_str());
    match (program, words.next(), words.next()) {
        (Some("xtask"), Some("lab"), Some("up")) => Kind::Kept,
        (Some("xtask"), ..) => Kind::Ours,
        _ => Kind::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Above what Linux hands out.
    const NOBODY: u32 = u32::MAX;

    fn run_of(dir: &Path, name: &str, owner: u32) -> PathBuf {
        let run = dir.join(name);
        fs::create_dir(&run).unwrap();
        fs::write(run.join(OWNER), owner.to_string()).unwrap();
        run
    }

    #[test]
    fn only_a_lab_that_waits_is_kept() {
        assert_eq!(parse_kind("target/debug/xtask\0lab\0up\0--nodes\x003\0"), Kind::Kept);
        assert_eq!(parse_kind("target/debug/xtask\0lab\0run\0all\0"), Kind::Ours);
        assert_eq!(parse_kind("/usr/bin/vim\0lab\0up\0"), Kind::Foreign);
        assert_eq!(parse_kind(""), Kind::Foreign);
    }

    #[test]
    fn what_a_dead_process_left_is_deleted_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let stale = run_of(dir.path(), "run-stale", NOBODY);
        let other = run_of(dir.path(), "failed", NOBODY);
        let unowned = dir.path().join("run-unowned");
        fs::create_dir(&unowned).unwrap();
        sweep(dir.path()).unwrap();
        assert_eq!([&stale, &other, &unowned].map(|dir| dir.exists()), [false, true, true]);
    }

    #[test]
    fn a_process_that_is_no_lab_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut sleeper = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        run_of(dir.path(), "run-reused-pid", sleeper.id());
        assert_eq!(end_kept(dir.path()).unwrap(), [0_u32; 0]);
        let is_alive = sleeper.try_wait().unwrap().is_none();
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert!(is_alive);
    }

    #[test]
    fn where_no_lab_has_run_none_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(end_kept(&dir.path().join("lab")).unwrap(), [0_u32; 0]);
    }
}

//! Where a scenario is played: namespaces whose files are in memory.
//!
//! With the last process in there go the network namespaces, the mounts and the files. What is left is
//! the directory over which the memory was mounted; the first process deletes it.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::runs;
use crate::{
    namespaces::{self, Needed},
    project::{Binaries, pass},
};

/// What the lab is made with.
const PROGRAMS: [Needed; 4] = [
    namespaces::UNSHARE,
    ("nsenter", "--version", "util-linux"),
    ("mount", "--version", "util-linux"),
    ("ip", "-V", "iproute2"),
];

/// Everything of a kernel that each scenario needs.
const PROBE: &str = "mount -t tmpfs lab /mnt && ip link add bridge type bridge && \
                     ip link add one type veth peer name other";

/// Mounts memory over its first argument.
const SET_UP: &str = r#"
scratch=$1; shift
mount -t tmpfs -o mode=0700 lab "$scratch" || exit
clear() { umount -l "$scratch" && rm -r "$scratch"; }
"#;

/// Why the lab can't run here, if it can't.
pub(crate) fn obstacle() -> Option<String> {
    namespaces::obstacle(&PROGRAMS, PROBE)
}

/// A sandbox that wasn't entered yet.
#[derive(Debug)]
pub(crate) struct Sandbox {
    /// Where memory is mounted inside; outside it only says whose it is.
    scratch: TempDir,
    xtask: PathBuf,
}

impl Sandbox {
    /// Prepares one for programs that are built.
    pub(crate) fn new(binaries: &Binaries) -> Result<Self> {
        let dir = files_dir(&binaries.node)?;
        fs::create_dir_all(&dir)?;
        runs::sweep(&dir)?;
        let scratch = tempfile::Builder::new().prefix(runs::PREFIX).tempdir_in(dir)?;
        runs::own(scratch.path())?;
        // The one beside the programs: while `cargo xtask test` runs, cargo may have replaced the
        // file that this process was started from.
        Ok(Self { scratch, xtask: binaries.node.with_file_name("xtask") })
    }

    /// Runs `lab inside` with `args` in there, and returns what it printed.
    pub(crate) fn ask(&self, args: &[String]) -> Result<String> {
        let mut child = namespaces::start(self.command(args).stdout(Stdio::piped()))?;
        let _lifeline = child.stdin.take();
        let mut answer = String::new();
        child.stdout.take().context("stdout isn't a pipe")?.read_to_string(&mut answer)?;
        let status = child.wait()?;
        ensure!(status.success(), "the sandbox ended with {status}");
        Ok(answer)
    }

    /// Runs `lab inside` with `args` in there, for whoever looks at our stdout.
    pub(crate) fn show(&self, args: &[String]) -> Result<()> {
        let status = namespaces::run(&mut self.command(args))?;
        ensure!(status.success(), "the sandbox ended with {status}");
        Ok(())
    }

    fn command(&self, args: &[String]) -> Command {
        let mut command = namespaces::command(SET_UP);
        command.arg(self.scratch.path()).arg(&self.xtask);
        command.args(["lab", "inside", "--scratch"]).arg(self.scratch.path()).args(args);
        command
    }
}

/// Copies a scenario's files to where they outlive the sandbox, for who looks for a cause.
pub(crate) fn keep_files(scratch: &Path, name: &str) -> Result<()> {
    let dir = scratch.parent().context("no parent")?.join("failed");
    let kept = dir.join(name);
    fs::create_dir_all(&dir)?;
    if kept.exists() {
        fs::remove_dir_all(&kept)?;
    }
    pass(Command::new("cp").arg("-r").arg(scratch.join("files")).arg(&kept))?;
    eprintln!("the files of {name} are in {}", kept.display());
    Ok(())
}

/// `lab` in the target directory.
fn files_dir(node: &Path) -> Result<PathBuf> {
    let target = node.parent().and_then(Path::parent).context("no target directory")?;
    Ok(target.join("lab"))
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::PermissionsExt,
        time::{Duration, Instant},
    };

    use super::*;
    use crate::process::poll;

    /// A program that stays, with a child of its own.
    const STAYS: &str = "#!/bin/sh\necho here\nsleep 600 &\nsleep 600\n";

    #[test]
    fn nothing_is_left_when_whoever_started_it_vanishes() {
        if let Some(obstacle) = obstacle() {
            return eprintln!("skipped: {obstacle}");
        }
        let dir = tempfile::tempdir().unwrap();
        let stays = dir.path().join("stays");
        fs::write(&stays, STAYS).unwrap();
        fs::set_permissions(&stays, fs::Permissions::from_mode(0o755)).unwrap();
        let scratch = tempfile::tempdir_in(dir.path()).unwrap();
        runs::own(scratch.path()).unwrap();
        let sandbox = Sandbox { scratch, xtask: stays };
        let mut child = sandbox.command(&[]).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut here = [0; 5];
        stdout.read_exact(&mut here).unwrap();

        // What remains of a process that is killed: its files. Its ends of pipes are closed.
        let scratch = sandbox.scratch.keep();
        drop(child.stdin.take());
        // Ends when the last process in there does, for each has inherited it.
        stdout.read_to_end(&mut Vec::new()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let rest = Duration::from_millis(20);
        let ended = poll(deadline, rest, || Ok(child.try_wait()?)).unwrap();
        assert!(ended.is_some() && !scratch.exists(), "{ended:?}");
    }
}

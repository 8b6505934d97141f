//! Child processes that don't outlive us, however we end.
//!
//! Three layers: a [`Process`] is killed when it is dropped (an error or a panic of ours), a
//! [`Watchdog`] ends the whole group when we are killed ourselves, and a normal end is a SIGTERM
//! that the processes may take their time for.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
pub(crate) use nix::sys::signal::Signal;
use nix::{sys::signal::kill, unistd::Pid};

/// A shell that leads a process group and outlives us if it has to.
///
/// It waits for a line from us. If end of file comes instead, we are gone (Ctrl-C, SIGTERM or
/// SIGKILL, none of which runs our destructors): then it ends the group and deletes our files.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Child,
    stdin: Option<ChildStdin>,
}

/// Ends the group: politely, then, for those who don't listen and the shell itself, for good.
const WATCH: &str = r#"
trap '' INT TERM HUP
read -r all_is_well && exit
kill -TERM 0
sleep 3
rm -rf "$1"
kill -KILL 0
"#;

impl Watchdog {
    /// Starts to watch; `scratch` is the directory to delete if we don't live to do it.
    pub(crate) fn start(scratch: &Path) -> Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", WATCH, "watchdog"])
            .arg(scratch)
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("can't run sh")?;
        let stdin = shell.stdin.take();
        Ok(Self { shell, stdin })
    }

    /// Starts `command` in the group that this watchdog ends.
    pub(crate) fn spawn(&self, command: &mut Command) -> Result<Process> {
        command.process_group(self.shell.id().cast_signed());
        let child = command
            .spawn()
            .with_context(|| format!("can't run {}", command.get_program().display()))?;
        Ok(Process { child })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(mut stdin) = self.stdin.take() {
            let _ = stdin.write_all(b"all is well\n");
        }
        let _ = self.shell.wait();
    }
}

/// A child process; dropping it kills it and waits for its end.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child's stdin, if it is a pipe and wasn't taken before.
    pub(crate) fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// The child's stdout, if it is a pipe and wasn't taken before.
    pub(crate) fn take_stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// The child's stderr, if it is a pipe and wasn't taken before.
    pub(crate) fn take_stderr(&mut self) -> Option<std::process::ChildStderr> {
        self.child.stderr.take()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends SIGTERM to all `pids`.
pub(crate) fn terminate(pids: &[u32]) -> Result<()> {
    signal(Signal::SIGTERM, pids)
}

/// Sends a signal to all `pids`.
pub(crate) fn signal(signal: Signal, pids: &[u32]) -> Result<()> {
    let send = |pid: &u32| kill(Pid::from_raw(pid.cast_signed()), signal);
    // Whoever of them can get it, gets it.
    let sent: Vec<_> = pids.iter().map(send).collect();
    let failed = sent.into_iter().find_map(Result::err);
    failed.map_or(Ok(()), |errno| Err(errno).with_context(|| format!("can't send {signal}")))
}

/// Asks again and again, resting in between, until there is an answer or the deadline has passed.
pub(crate) fn poll<T>(
    deadline: Instant,
    rest: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    loop {
        // The order matters: what is true at the deadline counts.
        let late = Instant::now() >= deadline;
        let answer = ask()?;
        if answer.is_some() || late {
            return Ok(answer);
        }
        thread::sleep(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Command {
        let mut command = Command::new("sleep");
        command.arg("600");
        command
    }

    fn is_alive(pid: u32) -> bool {
        crate::project::succeeds(Command::new("sh").args(["-c", &format!("kill -0 {pid}")]))
    }

    #[test]
    fn dropped_process_is_gone() {
        let scratch = tempfile::tempdir().unwrap();
        let watchdog = Watchdog::start(scratch.path()).unwrap();
        let process = watchdog.spawn(&mut sleeper()).unwrap();
        let pid = process.id();
        assert!(is_alive(pid));
        drop(process);
        assert!(!is_alive(pid));
    }

    #[test]
    fn watchdog_ends_the_group_and_deletes_the_files_when_its_owner_vanishes() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("files");
        std::fs::create_dir(&dir).unwrap();
        let mut watchdog = Watchdog::start(&dir).unwrap();
        let mut process = watchdog.spawn(&mut sleeper()).unwrap();

        watchdog.stdin.take();
        let deadline = Instant::now() + Duration::from_secs(10);
        let rest = Duration::from_millis(20);
        let ended = poll(deadline, rest, || process.ended()).unwrap();
        assert!(ended.is_some_and(|status| !status.success()));
        let deleted = poll(deadline, rest, || Ok((!dir.exists()).then_some(()))).unwrap();
        assert!(deleted.is_some());
    }

    #[test]
    fn poll_asks_once_more_at_the_deadline() {
        let mut asked = 0;
        let answer: Option<()> = poll(Instant::now(), Duration::ZERO, || {
            asked += 1;
            Ok(None)
        })
        .unwrap();
        assert_eq!((answer, asked), (None, 1));
    }
}

//! Where roles are played: namespaces with loopback and nothing else.
//!
//! The first process inside watches a pipe whose other end we hold; if we vanish, it ends, and the
//! kernel ends all others with it.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::project::{Binaries, capture, succeeds};

/// The user namespace makes us root in there, whoever we are out here.
const FLAGS: [&str; 8] = [
    "--user",
    "--map-root-user",
    "--net",
    "--mount",
    "--mount-proc",
    "--pid",
    "--fork",
    "--kill-child",
];

/// Addresses that `lo` has besides loopback's, so that packets to them are seen: a link-local one, a
/// private one and one that nobody has (RFC 5737).
pub(super) const OTHERS: [&str; 3] = ["169.254.99.1", "10.99.0.1", "192.0.2.1"];

/// Brings up `lo`, and runs the rest with standard input as its lifeline. A shell, because the first
/// process of a namespace must collect orphans, and ignores signals that it doesn't handle.
const GUARD: &str = r#"
trap 'exit 143' TERM
ip link set lo up || exit
while [ "$1" != -- ]; do ip address add "$1/32" dev lo || exit; shift; done; shift
exec 3<&0
(cat <&3 >/dev/null; kill -s TERM 1) &
"$@" </dev/null 3<&- &
wait $!
"#;

/// Why there can't be an arena, if so.
pub(super) fn obstacle() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("network namespaces are Linux'".to_owned());
    }
    for (program, question) in [("unshare", "--version"), ("ip", "-V")] {
        if !succeeds(Command::new(program).arg(question)) {
            return Some(format!("`{program}` is missing"));
        }
    }
    let probe =
        capture(Command::new("unshare").args(FLAGS).args(["ip", "link", "set", "lo", "up"]));
    probe.err().map(|error| format!("the system grants no namespaces: {error:#}"))
}

/// An arena that wasn't entered yet.
#[derive(Debug)]
pub(super) struct Arena {
    files: PathBuf,
    xtask: PathBuf,
}

impl Arena {
    /// Prepares one for programs that are built.
    pub(super) fn new(binaries: &Binaries) -> Result<Self> {
        let dir = binaries.node.parent().and_then(|dir| dir.parent()).context("no target dir")?;
        let files = dir.join("adversary");
        // What an earlier run left for whoever looked for the cause of a failure.
        if files.exists() {
            fs::remove_dir_all(&files)?;
        }
        fs::create_dir_all(&files)?;
        Ok(Self { files, xtask: binaries.node.with_file_name("xtask") })
    }

    /// Runs `xtask adversary --inside` with `args` in there; its output and its failure are ours.
    pub(super) fn run(&self, args: &[String]) -> Result<()> {
        let mut command = Command::new("unshare");
        command.args(FLAGS).args(["sh", "-c", GUARD, "guard"]).args(OTHERS).arg("--");
        command.arg(&self.xtask).args(["adversary", "--inside"]).args(args);
        command.env("TMPDIR", &self.files).stdin(Stdio::piped());
        let mut child = command.spawn().context("can't run unshare")?;
        let _lifeline = child.stdin.take();
        match child.wait()? {
            status if status.success() => Ok(()),
            status => bail!("see above ({status})"),
        }
    }
}

//! Where roles are played: namespaces with loopback and nothing else.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, ensure};

use crate::{
    namespaces::{self, Needed},
    project::Binaries,
};

const PROGRAMS: [Needed; 2] = [namespaces::UNSHARE, ("ip", "-V", "iproute2")];

/// Addresses whose packets are seen besides loopback's: a link-local one, a private one and one that nobody
/// has (RFC 5737).
pub(super) const OTHERS: [&str; 3] = ["169.254.99.1", "10.99.0.1", "192.0.2.1"];

/// Delivers here what goes to the addresses before `--`. They are no addresses of `lo`: nodes and crawlers
/// may dial where they are themselves.
const SET_UP: &str = r#"
ip link set lo up || exit
while [ "$1" != -- ]; do ip route add local "$1/32" dev lo || exit; shift; done; shift
clear() { :; }
"#;

/// Why there can't be an arena, if so.
pub(super) fn obstacle() -> Option<String> {
    namespaces::obstacle(&PROGRAMS, "ip link set lo up")
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
        let mut command = namespaces::command(SET_UP);
        command.args(OTHERS).arg("--").arg(&self.xtask).args(["adversary", "--inside"]).args(args);
        let status = namespaces::run(command.env("TMPDIR", &self.files))?;
        ensure!(status.success(), "see above ({status})");
        Ok(())
    }
}

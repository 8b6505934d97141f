//! The unit file: what systemd says of it, and whether a node lives under it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::project::{Binaries, Project, capture, succeeds};

const UNIT: &str = "packaging/systemd/id-node.service";
/// Where the unit looks for the program.
const INSTALLED: &str = "/usr/bin/id-node";
/// How exposed the unit may be, in tenths, by systemd's own scale. Origin: below 2.6 it calls a unit well
/// protected.
const MAX_EXPOSURE: &str = "25";

/// Checks the unit file: what systemd says of it, and how a node does under it.
#[derive(Debug, Args)]
pub(crate) struct Unit {}

impl Unit {
    pub(crate) fn run(&self, project: &Project) -> Result<()> {
        let binaries = project.build_binaries()?;
        for (what, check) in [("verify", verify as Check), ("live", live as Check)] {
            match check(project, &binaries)? {
                None => println!("{what} passed"),
                Some(obstacle) => println!("SKIP     {what}: {obstacle}"),
            }
        }
        Ok(())
    }
}

type Check = fn(&Project, &Binaries) -> Result<Option<String>>;

/// Has systemd read the unit, and judge how exposed it is. What keeps it from that, if something does.
pub(crate) fn verify(project: &Project, binaries: &Binaries) -> Result<Option<String>> {
    if !succeeds(Command::new("systemd-analyze").arg("--version")) {
        return Ok(Some("systemd-analyze is missing (package systemd)".to_owned()));
    }
    let dir = tempfile::tempdir()?;
    let unit = dir.path().join("id-node.service");
    let text = fs::read_to_string(project.root.join(UNIT))?;
    let node = binaries.node.to_str().context("an odd directory")?;
    ensure!(text.contains(INSTALLED), "the unit doesn't start {INSTALLED}");
    fs::write(&unit, text.replace(INSTALLED, node))?;

    let mut verify = Command::new("systemd-analyze");
    let verified = verify.args(["verify", "--man=no"]).arg(&unit).output()?;
    let complaints = String::from_utf8_lossy(&verified.stderr).into_owned();
    // What it doesn't know it ignores, with a complaint.
    ensure!(verified.status.success() && complaints.is_empty(), "the unit is wrong: {complaints}");

    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--offline=true", "--no-pager", "--threshold", MAX_EXPOSURE]);
    let judged = capture(security.arg(&unit)).context("the unit is too exposed")?;
    println!("{}", judged.lines().last().unwrap_or_default());
    Ok(None)
}

/// Boots a systemd in a container that has nothing but a copy of this system in memory, without a network,
/// and has it run the unit. What keeps it from that, if something does.
pub(crate) fn live(project: &Project, binaries: &Binaries) -> Result<Option<String>> {
    if !succeeds(Command::new("systemd-nspawn").arg("--version")) {
        return Ok(Some("systemd-nspawn is missing (package systemd-container)".to_owned()));
    }
    if capture(Command::new("id").arg("-u"))?.trim() != "0" {
        return Ok(Some("only root may start a systemd".to_owned()));
    }
    let stage = Stage::set(project, binaries)?;
    let booted = stage.boot()?;
    let report = fs::read_to_string(stage.path("out/report")).unwrap_or_default();
    if !report.starts_with("began\n") {
        let last = booted.lines().last().unwrap_or_default().to_owned();
        return Ok(Some(format!("no systemd boots in a container here: {last}")));
    }
    let wrong: Vec<_> = report.lines().filter(|line| line.starts_with("WRONG")).collect();
    print!("{report}");
    match wrong.is_empty() && report.ends_with("done\n") {
        true => Ok(None),
        false => {
            let log = fs::read_to_string(stage.path("out/log")).unwrap_or_default();
            bail!("the node doesn't live under its unit:\n{log}")
        }
    }
}

/// The files of a boot.
#[derive(Debug)]
struct Stage {
    dir: tempfile::TempDir,
    /// What is shown where in the container.
    binds: Vec<String>,
}

/// A target that starts nothing but what looks at the unit.
const TARGET: &str =
    "[Unit]\nRequires=sysinit.target dbus.socket look.service\nAfter=sysinit.target dbus.socket\n";
const LOOK: &str = "[Unit]\nAfter=sysinit.target dbus.socket\n[Service]\nType=oneshot\n\
                    ExecStart=/bin/sh /stage/look.sh\nExecStopPost=/bin/systemctl --no-block exit 0\n";
/// So that nobody waits for half a minute.
const HASTY: &str = "[Service]\nWatchdogSec=2s\nRestartSec=100ms\n";
const LOOK_SH: &str = include_str!("unit/look.sh");
/// As somebody would write it.
const SETTINGS: &str = "name = \"before\"\ntopic = \"office\"\n";

/// Copies the system's root into memory, and boots that.
const BOOT: &str = r#"
mount --make-rprivate / && mount --bind / "$1/root" || exit
root=$1/root; shift
exec systemd-nspawn --quiet --directory "$root" --volatile=overlay --register=no --keep-unit \
    --private-network --link-journal=no --machine=id-unit "$@" --boot systemd.unit=look.target
"#;

impl Stage {
    fn set(project: &Project, binaries: &Binaries) -> Result<Self> {
        let mut stage = Self { dir: tempfile::tempdir()?, binds: Vec::new() };
        for dir in ["root", "out", "etc"] {
            fs::create_dir(stage.path(dir))?;
        }
        let units = Path::new("/etc/systemd/system");
        stage.show(&project.root.join(UNIT), &units.join("id-node.service"));
        for (name, text) in [("look.target", TARGET), ("look.service", LOOK)] {
            stage.write(name, text)?;
            stage.show(&stage.path(name), &units.join(name));
        }
        stage.write("hasty.conf", HASTY)?;
        stage.show(&stage.path("hasty.conf"), &units.join("id-node.service.d/hasty.conf"));
        stage.write("look.sh", LOOK_SH)?;
        stage.write("etc/id-node.toml", SETTINGS)?;
        stage.write("topic-secret", "hunter2-hunter2\n")?;
        stage.show(&binaries.node, Path::new(INSTALLED));
        stage.show(&binaries.cli, Path::new("/usr/bin/id-cli"));
        let (dir, etc) = (stage.path(""), stage.path("etc"));
        stage.binds.push(format!("--bind={}:/stage", dir.display()));
        stage.binds.push(format!("--bind={}:/etc/id-node", etc.display()));
        Ok(stage)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        Ok(fs::write(self.path(name), text)?)
    }

    fn show(&mut self, file: &Path, there: &Path) {
        self.binds.push(format!("--bind-ro={}:{}", file.display(), there.display()));
    }

    /// What it said.
    fn boot(&self) -> Result<String> {
        let mut boot = Command::new("timeout");
        boot.args(["--kill-after=5", "90", "unshare", "--mount", "sh", "-c", BOOT, "boot"]);
        boot.arg(self.dir.path()).args(&self.binds).stdin(std::process::Stdio::null());
        let output = boot.output().context("can't run timeout")?;
        let said = [output.stdout, output.stderr].concat();
        Ok(String::from_utf8_lossy(&said).into_owned())
    }
}

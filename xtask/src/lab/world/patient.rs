//! What is done to a host that a doctor is called to, and the doctor.

use std::{
    fs::{self, File, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::World;
use crate::{lab::network::addr, project::pass, swarm::forget_settings};

/// What a doctor says.
#[derive(Debug)]
pub(crate) struct Report {
    /// The document.
    pub(crate) json: Value,
    pub(crate) exit_code: Option<i32>,
    pub(crate) took: Duration,
}

impl World {
    /// Runs `id-cli doctor` on `host`, on its data directory and with these settings.
    pub(crate) fn doctor(&self, host: usize, flags: &[&str]) -> Result<Report> {
        let mut doctor = self.network.command(host, &self.tools.cli);
        doctor.args(["doctor", "--json", "--data-dir"]).arg(self.data_dir(host)).args(flags);
        forget_settings(&mut doctor);
        let started = Instant::now();
        let output = doctor.output().context("can't run id-cli")?;
        let took = started.elapsed();
        fs::write(self.files.join(format!("doctor{host:02}.json")), &output.stdout)?;
        fs::write(self.files.join(format!("doctor{host:02}.log")), &output.stderr)?;
        let json = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("no document: {}", String::from_utf8_lossy(&output.stderr)))?;
        Ok(Report { json, exit_code: output.status.code(), took })
    }

    /// Drops all UDP from and to `host`, somewhere on its way; TCP passes. Needs nft.
    pub(crate) fn block_udp(&self, host: usize) -> Result<()> {
        self.network.block_udp(host)
    }

    /// Shifts the wall clock of programs that are started on `host` from now on.
    pub(crate) fn shift_clock(&mut self, host: usize, offset: &str) {
        self.network.shift_clock(host, offset);
    }

    /// Lets everybody read the key of the node on `host`.
    pub(crate) fn loosen_key(&self, host: usize) -> Result<()> {
        let key = self.data_dir(host).join("identity");
        Ok(fs::set_permissions(key, Permissions::from_mode(0o644))?)
    }

    /// Makes the data directory of `host` a small disk without any room left.
    pub(crate) fn fill_disk(&self, host: usize) -> Result<()> {
        let dir = self.data_dir(host);
        fs::create_dir_all(&dir)?;
        pass(Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "lab"]).arg(&dir))?;
        let mut file = File::create(dir.join("something-else"))?;
        loop {
            match file.write_all(&[0; 4096]) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A second start on the data directory of `host`, which must be refused.
    pub(crate) fn start_in_vain(&self, host: usize, flags: &[&str]) -> Result<String> {
        let mut node = self.network.command(host, &self.tools.node);
        node.arg("--data-dir").arg(self.data_dir(host)).args(flags);
        forget_settings(&mut node);
        let output = node.output().context("can't run id-node")?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.code() == Some(1), "it ended with {}: {said}", output.status);
        Ok(said)
    }

    /// Starts a peer of a newer protocol on `host`, and returns how to name it.
    pub(crate) fn start_newer_peer(&mut self, host: usize) -> Result<String> {
        let bind = format!("{}:4433", addr(host));
        self.help(host, "newer-peer", &["newer-peer", "--bind", &bind])?;
        let said = fs::read_to_string(self.files.join("newer-peer.out"))?;
        match said.lines().find(|line| line.contains('@')) {
            Some(peer) => Ok(peer.to_owned()),
            None => bail!("it didn't say where it is"),
        }
    }
}

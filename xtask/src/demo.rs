//! `cargo xtask demo`: five nodes, one crawl, nothing left behind.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    project::{Binaries, Project, line, pass},
    swarm::{Swarm, forget_settings},
    tables,
};

const NAMES: [&str; 5] = ["ash", "birch", "cedar", "elm", "oak"];

/// How long the nodes may take to know each other. Two seconds is what they should take.
const LIMIT: Duration = Duration::from_secs(10);

/// Starts five nodes on this machine, crawls them, prints what was found and stops them.
#[derive(Debug, Args)]
pub(crate) struct Demo {}

impl Demo {
    /// Builds the programs and shows them.
    pub(crate) fn run(&self, project: &Project) -> Result<()> {
        show(&project.build_binaries()?)
    }
}

/// Shows programs that are built already.
pub(crate) fn show(binaries: &Binaries) -> Result<()> {
    let mut swarm = Swarm::new(&binaries.node)?;
    let shown = crawl(&mut swarm, &binaries.cli);
    if shown.is_err() {
        swarm.keep_files();
    }
    shown?;
    swarm.stop()?;
    println!("\nFive nodes stopped, and everything they wrote is deleted.");
    Ok(())
}

fn crawl(swarm: &mut Swarm, cli: &Path) -> Result<()> {
    println!("Five nodes on this machine; each but the first is told of the first:\n");
    for name in NAMES {
        println!("$ {} &", swarm.start(name)?.command);
    }
    let last_start = Instant::now();
    let agreed = tables::await_logs(swarm, last_start + LIMIT)?;
    tables::prove(swarm, cli, last_start + LIMIT)?;
    agreed.context("the tables are right, but the logs don't say so")?;

    println!("\nEach knows the other four. What the last of them leads to:\n");
    let mut command = crawl_from(swarm, cli);
    println!("$ {}", line(&command));
    pass(&mut command)
}

/// The crawl starts at the node that was told least; it must find all five.
fn crawl_from(swarm: &Swarm, cli: &Path) -> Command {
    let last = &swarm.nodes()[NAMES.len() - 1];
    let mut command = Command::new(cli);
    command.arg("peers").arg(last.reference()).args(["--depth", "-1", "--no-relay"]);
    command.args(["--min-peers", &NAMES.len().to_string()]);
    forget_settings(&mut command);
    command
}

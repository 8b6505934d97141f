//! `cargo xtask lab`: real nodes, each in a network namespace of its own, and a real mainline DHT.
//!
//! A scenario is run by this very program, started anew inside a sandbox: user, network, mount and
//! process namespaces that nothing leaves and of which the kernel removes everything, however the
//! scenario ends. What it found comes back as a line of JSON. See docs/lab.md.

mod network;
mod report;
mod runs;
mod sandbox;
mod scenarios;
mod strangers;
mod world;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use self::{
    report::{Finding, Verdict},
    sandbox::Sandbox,
    scenarios::Scenario,
    world::{Tools, World},
};
use crate::project::{Binaries, Project};

/// Runs real nodes in network namespaces, joined by a bridge, beside a real mainline DHT.
///
/// Needs Linux, iproute2 and util-linux, but neither root nor the internet: its traffic can't leave
/// its namespaces.
#[derive(Debug, Args)]
pub(crate) struct Lab {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Says which scenarios there are
    List,
    /// Runs scenarios, and prints what each shows, its figure and its bound
    Run(Run),
    /// Keeps a lab until Ctrl-C or `lab down`, and says how to get into it
    Up(Up),
    /// Ends the labs that are kept
    Down,
    /// Runs one scenario; only inside the sandbox
    #[command(hide = true)]
    Inside(Inside),
}

#[derive(Debug, Args)]
struct Run {
    /// Their names, or `all`
    #[arg(value_name = "SCENARIO", required = true)]
    scenarios: Vec<String>,
    /// How often each is run; the median counts
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=99))]
    times: u8,
    /// Take the programs that an earlier build left
    #[arg(long)]
    no_build: bool,
}

#[derive(Debug, Args)]
struct Up {
    /// How many nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=100))]
    nodes: u8,
    /// Flags for every node
    #[arg(last = true, value_name = "FLAG")]
    flags: Vec<String>,
}

#[derive(Debug, Args)]
struct Inside {
    #[arg(long)]
    scratch: PathBuf,
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Scenario { name: String },
    Up(Up),
}

impl Lab {
    /// Does what was asked for.
    pub(crate) fn run(&self, project: &Project) -> Result<()> {
        match &self.command {
            Command::List => list(),
            Command::Run(run) => run.run(project),
            Command::Up(up) => up.run(project),
            Command::Down => down(project),
            Command::Inside(inside) => inside.run(project),
        }
    }
}

/// Runs the scenarios that belong to `cargo xtask test`. `Some` says why they can't be run here.
pub(crate) fn run_short(binaries: &Binaries) -> Result<Option<String>> {
    if let Some(obstacle) = sandbox::obstacle() {
        return Ok(Some(obstacle));
    }
    run_all(binaries, &scenarios::short(), 1)?;
    Ok(None)
}

/// Runs a scenario, and returns what it found in words.
pub(crate) fn look(binaries: &Binaries, name: &str) -> Result<String> {
    if let Some(obstacle) = sandbox::obstacle() {
        return Ok(format!("skipped: the lab can't run here: {obstacle}"));
    }
    let scenarios = scenarios::named(&[name.to_owned()])?;
    let scenario = scenarios.first().context("a name is of one scenario")?;
    Ok(run_in_sandbox(binaries, scenario)?.note)
}

fn list() -> Result<()> {
    for scenario in scenarios::ALL {
        println!("{:<20} {} ({})", scenario.name, scenario.shows, scenario.bound);
    }
    Ok(())
}

fn down(project: &Project) -> Result<()> {
    let ended = runs::end_kept(&project.lab_dir())?;
    if ended.is_empty() {
        println!("no lab is kept here");
    }
    for pid in ended {
        println!("ended the lab of process {pid}");
    }
    Ok(())
}

impl Run {
    fn run(&self, project: &Project) -> Result<()> {
        let scenarios = scenarios::named(&self.scenarios)?;
        if let Some(obstacle) = sandbox::obstacle() {
            println!("SKIP     the lab can't run here: {obstacle}");
            return Ok(());
        }
        let binaries = match self.no_build {
            true => project.built_binaries()?,
            false => project.build_binaries()?,
        };
        run_all(&binaries, &scenarios, self.times)
    }
}

impl Up {
    fn run(&self, project: &Project) -> Result<()> {
        if let Some(obstacle) = sandbox::obstacle() {
            bail!("the lab can't run here: {obstacle}");
        }
        let sandbox = Sandbox::new(&project.build_binaries()?)?;
        let mut args = vec!["up".to_owned(), "--nodes".to_owned(), self.nodes.to_string()];
        args.push("--".to_owned());
        args.extend(self.flags.iter().cloned());
        sandbox.show(&args)
    }
}

fn run_all(binaries: &Binaries, scenarios: &[&Scenario], times: u8) -> Result<()> {
    let mut n_failed = 0;
    for scenario in scenarios {
        let findings: Vec<Finding> =
            (0..times).map(|_| run_in_sandbox(binaries, scenario)).collect::<Result<_>>()?;
        let verdict = Verdict::of(scenario.bound, &findings);
        println!("{}", report::lines(scenario, &findings, &verdict));
        n_failed += usize::from(verdict.is_failure());
    }
    match n_failed {
        0 => Ok(()),
        n => bail!("{n} of {} scenarios failed", scenarios.len()),
    }
}

fn run_in_sandbox(binaries: &Binaries, scenario: &Scenario) -> Result<Finding> {
    let sandbox = Sandbox::new(binaries)?;
    let answer = sandbox.ask(&["scenario".to_owned(), scenario.name.to_owned()])?;
    let line = answer.lines().last().context("the sandbox ended without an answer")?;
    Finding::from_json(line).with_context(|| format!("the sandbox answered {line}"))
}

impl Inside {
    fn run(&self, project: &Project) -> Result<()> {
        let tools = Tools::of(&project.built_binaries()?)?;
        match &self.task {
            Task::Scenario { name } => {
                let finding = run_scenario(tools, &self.scratch, name)?;
                println!("{}", finding.to_json());
                Ok(())
            }
            Task::Up(up) => keep_up(tools, &self.scratch, up),
        }
    }
}

fn run_scenario(tools: Tools, scratch: &Path, name: &str) -> Result<Finding> {
    let [scenario] = scenarios::named(&[name.to_owned()])?[..] else {
        bail!("one scenario at a time");
    };
    let mut world = World::new(tools, scratch, scenario.n_hosts)?;
    let finding = (scenario.run)(&mut world).unwrap_or_else(Finding::broken);
    if Verdict::of(scenario.bound, std::slice::from_ref(&finding)).is_failure() {
        sandbox::keep_files(scratch, name)?;
    }
    Ok(finding)
}

fn keep_up(tools: Tools, scratch: &Path, up: &Up) -> Result<()> {
    let mut world = World::new(tools, scratch, up.nodes.into())?;
    world.start_dht()?;
    let flags: Vec<&str> = up.flags.iter().map(String::as_str).collect();
    for host in 1..=world.n_hosts() {
        world.start(host, &flags)?;
        println!("{}", world.describe(host)?);
    }
    println!(
        "until Ctrl-C or `cargo xtask lab down`; the commands lead onto a host, for instance to run id-cli there"
    );
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

//! `cargo xtask service`: how the node does as a service: how fast it starts and stops, what it takes when
//! nothing happens, and whether it outlives being killed at any moment.
//!
//! Everything runs in a network namespace that has no interface but `lo`: what looks for names, relays or a
//! DHT there finds nothing, as on a machine that is cut off.

mod instance;
mod kills;
mod memory;
mod numbers;
mod times;

use std::{fmt::Display, path::PathBuf, process::Stdio};

use anyhow::{Result, ensure};
use clap::Args;

pub(crate) use self::kills::short as kill_some;
use self::{kills::Kills, numbers::Numbers};
use crate::{
    bench::judged,
    namespaces::{self, Needed},
    project::{Binaries, Project},
};

/// Measures how fast a node starts and stops, and kills it at random moments.
///
/// The exit code is 1 if a figure misses what is asked of it. The machine should have nothing else to do.
#[derive(Debug, Args)]
pub(crate) struct Service {
    /// How often to kill a node
    #[arg(long, default_value_t = 100)]
    kills: u32,

    /// What the random moments are made of; another one each time, unless it is given
    #[arg(long)]
    seed: Option<u64>,

    /// Kill only
    #[arg(long)]
    only_kills: bool,

    /// Where the programs are that an earlier build left
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,

    /// This process runs inside the namespace already
    #[arg(long, hide = true)]
    inside: bool,
}

const PROGRAMS: [Needed; 2] = [namespaces::UNSHARE, ("ip", "-V", "iproute2")];

const SET_UP: &str = "ip link set lo up || exit\nclear() { :; }\n";

/// The programs to measure.
#[derive(Debug, Clone)]
struct Programs {
    node: PathBuf,
    lab: PathBuf,
}

impl Service {
    /// Measures what was asked for.
    pub(crate) fn run(&self, project: &Project) -> Result<()> {
        if self.inside {
            return self.measure();
        }
        if let Some(obstacle) = obstacle() {
            println!("SKIP     no node can be cut off from the network here: {obstacle}");
            return Ok(());
        }
        let binaries = match &self.programs {
            Some(dir) => Binaries::in_dir(dir)?,
            None => project.build_binaries()?,
        };
        let seed = self.seed.unwrap_or_else(numbers::seed);
        let status = namespaces::run(&mut inside(&binaries, self.kills, seed, self.only_kills)?)?;
        ensure!(status.success(), "see above ({status})");
        Ok(())
    }

    fn measure(&self) -> Result<()> {
        let programs = Programs {
            node: self.programs.clone().unwrap_or_default().join("id-node"),
            lab: self.programs.clone().unwrap_or_default().join("id-lab"),
        };
        let mut figures = Figures::default();
        if !self.only_kills {
            times::measure(&programs, &mut figures)?;
            memory::measure(&programs, &mut figures)?;
        }
        let seed = self.seed.unwrap_or_default();
        figures.figure("the seed of the random moments", seed);
        let numbers = Numbers::new(seed);
        Kills { programs: &programs, n: self.kills, numbers }.run(&mut figures)?;
        ensure!(figures.n_missed == 0, "{} figures miss what is asked of them", figures.n_missed);
        Ok(())
    }
}

/// Why it can't be measured here, if it can't.
pub(crate) fn obstacle() -> Option<String> {
    namespaces::obstacle(&PROGRAMS, "ip link set lo up")
}

/// What `cargo xtask service` finds with these programs, line by line.
pub(crate) fn look(binaries: &Binaries) -> Result<String> {
    use std::io::Read;
    let mut command = inside(binaries, 100, numbers::seed(), false)?;
    let mut child = namespaces::start(command.stdout(Stdio::piped()))?;
    let _lifeline = child.stdin.take();
    let mut found = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut found)?;
    }
    // A figure that misses is in what it says.
    child.wait()?;
    Ok(found)
}

fn inside(binaries: &Binaries, kills: u32, seed: u64, only: bool) -> Result<std::process::Command> {
    let dir = binaries.node.parent().unwrap_or(&binaries.node);
    let mut command = namespaces::command(SET_UP);
    // The one beside the programs: cargo may have replaced the one that runs.
    command.arg(dir.join("xtask")).args(["service", "--inside", "--programs"]).arg(dir);
    command.args(["--kills", &kills.to_string(), "--seed", &seed.to_string()]);
    command.args(only.then_some("--only-kills"));
    Ok(command)
}

/// What was found, said as it is found.
#[derive(Debug, Default)]
struct Figures {
    n_missed: usize,
}

impl Figures {
    fn figure(&self, what: &str, figure: impl Display) {
        println!("{what:<56} {figure:>8}");
    }

    fn at_most(&mut self, what: &str, figure: f64, most: f64) {
        let holds = figure <= most;
        self.n_missed += usize::from(!holds);
        println!("{}", judged(what, figure, &format!("<= {most}"), holds));
    }
}

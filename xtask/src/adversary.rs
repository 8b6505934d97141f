//! `cargo xtask adversary`: real nodes, a hostile program among them, and what honest callers notice.
//!
//! Everything runs in a network namespace that has no interface but `lo`, started anew for that, so
//! that whatever a role makes a node do, no packet gets out. See docs/adversary.md.

mod arena;
mod crawl;
mod play;
mod roles;
mod verdict;

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;

use self::{
    arena::Arena,
    play::{Company, Terms},
    roles::Scenario,
    verdict::Row,
};
use crate::project::Project;

/// Attacks a network of real nodes, role by role, and measures what its users feel of it.
///
/// For each role: starts nodes and waits until they know each other, starts the hostile program and an
/// honest caller, and prints how many honest peers were lost, how memory grew and shrank, how long
/// answers took, and what the nodes refused. It is a failure if a bound is missed.
///
/// Needs Linux, iproute2 and util-linux, but neither root nor the internet.
#[derive(Debug, Args)]
pub(crate) struct Adversary {
    /// Which roles, `all`, or `list` to see what there is
    #[arg(value_name = "ROLE", required = true)]
    roles: Vec<String>,

    /// How long each role is played, in seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(5..=600))]
    secs: u64,

    /// How many nodes
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(3..=50))]
    nodes: u8,

    /// How often the nodes announce themselves, in seconds; a node's own default is 30
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    interval: u64,

    /// Take the programs that an earlier build left
    #[arg(long)]
    no_build: bool,

    /// This process runs inside the arena already
    #[arg(long, hide = true)]
    inside: bool,
}

impl Adversary {
    /// Does what was asked for.
    pub(crate) fn run(&self, project: &Project) -> Result<()> {
        if self.roles == ["list"] {
            return list();
        }
        let scenarios = roles::named(&self.roles)?;
        if self.inside {
            return self.play(project, &scenarios);
        }
        if let Some(obstacle) = arena::obstacle() {
            println!("SKIP     no adversary can be let loose here: {obstacle}");
            return Ok(());
        }
        let binaries = match self.no_build {
            true => project.built_binaries()?,
            false => project.build_binaries()?,
        };
        Arena::new(&binaries)?.run(&self.as_args())
    }

    fn as_args(&self) -> Vec<String> {
        let mut args = self.roles.clone();
        let numbers =
            [("--secs", self.secs), ("--nodes", self.nodes.into()), ("--interval", self.interval)];
        for (flag, value) in numbers {
            args.extend([flag.to_owned(), value.to_string()]);
        }
        args
    }

    fn play(&self, project: &Project, scenarios: &[&'static Scenario]) -> Result<()> {
        let binaries = project.built_binaries()?;
        let terms = Terms {
            n_nodes: self.nodes,
            time: Duration::from_secs(self.secs),
            interval_secs: self.interval,
        };
        let company = Company::of(&binaries, terms)?;
        let mut rows = Vec::new();
        for scenario in scenarios {
            let row = match scenario.obstacle {
                Some(obstacle) => Row::skipped(scenario, obstacle),
                None => {
                    eprintln!("==> {}: {}", scenario.name, scenario.does);
                    Row::of(scenario, company.play(scenario))
                }
            };
            eprintln!("{}", row.details());
            rows.push(row);
        }
        println!("{}", verdict::table(&rows));
        match rows.iter().filter(|row| row.is_failure()).count() {
            0 => Ok(()),
            n => bail!("{n} of {} roles got through", rows.len()),
        }
    }
}

fn list() -> Result<()> {
    for scenario in roles::ALL {
        println!("{:<20} {}", scenario.name, scenario.does);
    }
    Ok(())
}

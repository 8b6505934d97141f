//! What a contributor runs: `cargo xtask test`, `demo`, `testnet`, `lab`, `adversary`, `fuzz`, `bench`, `service`,
//! `unit`, `examples`, `man`, `page`.
//!
//! It builds and starts the real binaries and looks at them from outside, so it depends on none of
//! the workspace's crates and compiles in seconds.

mod adversary;
mod architecture;
mod bench;
mod ci;
mod demo;
mod documents;
mod examples;
mod fuzz;
mod lab;
mod logs;
mod man;
mod metrics;
mod namespaces;
mod page;
mod process;
mod project;
mod service;
mod source;
mod speed;
mod swarm;
mod tables;
mod testnet;
mod unit;
mod usage;

use std::process::ExitCode;

use clap::Parser;

use crate::project::Project;

/// What a contributor runs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Starts five nodes on this machine, crawls them, prints what was found and stops them
    Demo(demo::Demo),
    /// Starts many nodes on this machine and measures when all of them know each other
    Testnet(testnet::Testnet),
    /// Runs real nodes in network namespaces, joined by a bridge, beside a real mainline DHT
    Lab(lab::Lab),
    /// Attacks a network of real nodes, role by role, and measures what its users feel of it
    Adversary(adversary::Adversary),
    /// Feeds every reader of strangers' bytes with what libFuzzer makes up
    Fuzz(fuzz::Fuzz),
    /// Measures how fast what has to be fast is
    Bench(bench::Bench),
    /// Looks at the peers page of real nodes in Chromium
    Page(page::Page),
    /// Checks the unit file, by systemd and under it
    Unit(unit::Unit),
    /// Measures how fast a node starts and stops, and kills it at random moments
    Service(service::Service),
    /// Checks everything: format, lints, tests, docs, architecture, metrics, a testnet, the demo, the examples, the
    /// page, the lab, kills, the unit
    #[command(visible_alias = "ci")]
    Test(ci::Test),
    /// Runs the examples
    Examples(examples::Examples),
    /// Writes manual pages and completions, for packages
    Man(man::Man),
    /// Checks only the rules of docs/architecture.md that a program can check
    Architecture(architecture::Architecture),
}

fn main() -> ExitCode {
    match run(Command::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let project = Project::load()?;
    match command {
        Command::Demo(demo) => demo.run(&project),
        Command::Testnet(testnet) => testnet.run(&project),
        Command::Lab(lab) => lab.run(&project),
        Command::Adversary(adversary) => adversary.run(&project),
        Command::Fuzz(fuzz) => fuzz.run(&project),
        Command::Bench(bench) => bench.run(&project),
        Command::Examples(examples) => examples.run(&project),
        Command::Man(man) => man.run(&project),
        Command::Page(page) => page.run(&project),
        Command::Service(service) => service.run(&project),
        Command::Unit(unit) => unit.run(&project),
        Command::Test(test) => test.run(&project),
        Command::Architecture(architecture) => architecture.run(&project),
    }
}

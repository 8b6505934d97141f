//! `cargo xtask test`: everything that has to hold before a change is merged.

use std::{
    borrow::Cow,
    fmt,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    architecture, demo, examples, lab, metrics, page,
    project::{Project, pass, succeeds},
    service, testnet, unit,
};

/// Checks everything: format, lints, tests, docs, architecture, metrics, a testnet, the demo, the examples, the page, the
/// lab, kills at random moments, and the unit file.
///
/// Needs nothing but Rust. A tool that is missing is named in the summary; the first failure ends
/// the run.
#[derive(Debug, Args)]
pub(crate) struct Test {}

struct Step {
    name: &'static str,
    run: fn(&Project) -> Result<Outcome>,
}

#[derive(Debug)]
enum Outcome {
    Passed,
    /// Passed, by other means than we would have liked.
    PassedWith(&'static str),
    Skipped(Cow<'static, str>),
}

/// What fails fastest comes first.
const STEPS: &[Step] = &[
    Step { name: "format", run: format },
    Step { name: "architecture", run: architecture },
    Step { name: "lints", run: lints },
    Step { name: "build", run: build },
    Step { name: "tests", run: tests },
    Step { name: "doc tests", run: doc_tests },
    Step { name: "docs", run: docs },
    Step { name: "dependencies", run: dependencies },
    Step { name: "metrics", run: metrics },
    Step { name: "testnet", run: short_testnet },
    Step { name: "demo", run: short_demo },
    Step { name: "examples", run: run_examples },
    Step { name: "page", run: look_at_page },
    Step { name: "lab", run: short_lab },
    Step { name: "kills", run: some_kills },
    Step { name: "unit", run: unit },
    Step { name: "live unit", run: live_unit },
];

impl Test {
    /// Runs the steps, up to the first that fails.
    pub(crate) fn run(&self, project: &Project) -> Result<()> {
        let started = Instant::now();
        let mut summary = String::new();
        for step in STEPS {
            println!("==> {}", step.name);
            let step_started = Instant::now();
            let outcome = (step.run)(project);
            let verdict = verdict(step.name, &outcome, step_started.elapsed());
            println!("{verdict}\n");
            summary += &format!("{verdict}\n");
            if let Err(error) = outcome {
                eprintln!("{error:#}\n");
                print!("{summary}");
                bail!("{} failed", step.name);
            }
        }
        print!("{summary}");
        println!("all passed in {:.1} s", started.elapsed().as_secs_f64());
        Ok(())
    }
}

fn verdict(name: &str, outcome: &Result<Outcome>, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    match outcome {
        Ok(outcome) => format!("{name:<14}{seconds:>7.1} s  {outcome}"),
        Err(_) => format!("{name:<14}{seconds:>7.1} s  FAILED"),
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::PassedWith(note) => write!(f, "passed ({note})"),
            Self::Skipped(reason) => write!(f, "SKIPPED: {reason}"),
        }
    }
}

fn format(project: &Project) -> Result<Outcome> {
    if !succeeds(&mut project.cargo(["fmt", "--version"])) {
        return Ok(Outcome::Skipped("rustfmt is missing (rustup component add rustfmt)".into()));
    }
    pass(&mut project.cargo(["fmt", "--all", "--check"]))?;
    // Of the fuzzer's programs no more than this is checked: to build them takes a C++ compiler.
    passed(&mut project.cargo(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))
}

fn architecture(project: &Project) -> Result<Outcome> {
    architecture::check(project)?;
    Ok(Outcome::Passed)
}

fn lints(project: &Project) -> Result<Outcome> {
    if !succeeds(&mut project.cargo(["clippy", "--version"])) {
        return Ok(Outcome::Skipped("clippy is missing (rustup component add clippy)".into()));
    }
    let mut clippy = project.workspace("clippy");
    passed(clippy.args(["--all-targets", "--", "-D", "warnings"]))
}

fn build(project: &Project) -> Result<Outcome> {
    passed(project.workspace("build").arg("--all-targets"))
}

fn tests(project: &Project) -> Result<Outcome> {
    if succeeds(&mut project.cargo(["nextest", "--version"])) {
        return passed(&mut project.workspace("nextest run"));
    }
    pass(project.workspace("test").arg("--all-targets"))?;
    Ok(Outcome::PassedWith("by cargo test, because cargo-nextest is missing"))
}

fn doc_tests(project: &Project) -> Result<Outcome> {
    passed(project.workspace("test").arg("--doc"))
}

fn docs(project: &Project) -> Result<Outcome> {
    passed(project.workspace("doc").arg("--no-deps").env("RUSTDOCFLAGS", "-D warnings"))
}

fn dependencies(project: &Project) -> Result<Outcome> {
    if !succeeds(&mut project.cargo(["deny", "--version"])) {
        return Ok(Outcome::Skipped(
            "cargo-deny is missing (cargo install cargo-deny --locked)".into(),
        ));
    }
    // No advisories: they come over the network, and change without a change of ours.
    passed(&mut project.cargo(["deny", "check", "bans", "licenses", "sources"]))
}

fn metrics(project: &Project) -> Result<Outcome> {
    let missing = metrics::check(project)?;
    Ok(missing.map_or(Outcome::Passed, |missing| Outcome::Skipped(missing.into())))
}

fn short_testnet(project: &Project) -> Result<Outcome> {
    testnet::measure(&project.built_binaries()?, 8, Duration::from_secs(30))?;
    Ok(Outcome::Passed)
}

fn short_demo(project: &Project) -> Result<Outcome> {
    demo::show(&project.built_binaries()?)?;
    Ok(Outcome::Passed)
}

fn run_examples(project: &Project) -> Result<Outcome> {
    if !succeeds(Command::new("bash").arg("--version")) {
        return Ok(Outcome::Skipped("bash is missing".into()));
    }
    let node = project.built_binaries()?.node;
    examples::check(project, node.parent().context("programs are in a directory")?)?;
    Ok(Outcome::Passed)
}

fn look_at_page(project: &Project) -> Result<Outcome> {
    if let Some(obstacle) = page::obstacle() {
        return Ok(Outcome::Skipped(obstacle.into()));
    }
    page::look_at_all(project, &project.built_binaries()?)?;
    Ok(match page::axe(project) {
        Some(_) => Outcome::Passed,
        None => Outcome::PassedWith("without axe-core: npm install --prefix target/axe axe-core"),
    })
}

fn short_lab(project: &Project) -> Result<Outcome> {
    let obstacle = lab::run_short(&project.built_binaries()?)?;
    Ok(obstacle.map_or(Outcome::Passed, |obstacle| Outcome::Skipped(obstacle.into())))
}

fn some_kills(project: &Project) -> Result<Outcome> {
    service::kill_some(&project.built_binaries()?)?;
    Ok(Outcome::Passed)
}

fn unit(project: &Project) -> Result<Outcome> {
    let obstacle = unit::verify(project, &project.built_binaries()?)?;
    Ok(obstacle.map_or(Outcome::Passed, |obstacle| Outcome::Skipped(obstacle.into())))
}

fn live_unit(project: &Project) -> Result<Outcome> {
    let obstacle = unit::live(project, &project.built_binaries()?)?;
    Ok(obstacle.map_or(Outcome::Passed, |obstacle| Outcome::Skipped(obstacle.into())))
}

fn passed(command: &mut Command) -> Result<Outcome> {
    pass(command)?;
    Ok(Outcome::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_step_says_what_is_missing() {
        let line =
            verdict("docs", &Ok(Outcome::Skipped("no pen".into())), Duration::from_millis(1500));
        assert_eq!(line, "docs              1.5 s  SKIPPED: no pen");
    }
}

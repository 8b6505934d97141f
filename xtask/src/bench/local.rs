//! `cargo xtask bench local`: how long somebody waits who asks this machine's node.
//!
//! Each run is a process, from its start to its end. What is compared takes turns.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::{Report, farm::Programs};
use crate::{
    project::line,
    swarm::{Swarm, forget_settings},
    tables,
};

/// How often each way is measured, in turns; the median counts.
const N_RUNS: usize = 50;
/// Nodes that know each other.
const N_NODES: usize = 5;
/// Entries of the longer list.
const N_ENTRIES: usize = 300;
/// Of an answer to a person who waits for it. Origin: half of what is noticed as a delay.
const MOST_MILLIS: f64 = 40.0;
/// What a question as a process may cost, in questions by a process that runs already: the start and
/// the end of a process, the file that says where the node is, the crawl around the question.
const MOST_BARE: f64 = 4.0;
/// How long the nodes may take to know each other.
const LIMIT: Duration = Duration::from_secs(20);

/// `id-cli peers` against this machine's node, next to a bare question by an endpoint that is bound for it.
pub(super) fn measure(programs: &Programs, report: &mut Report) -> Result<()> {
    let mut swarm = Swarm::with_flags(&programs.dir.join("id-node"), &["--no-mdns"])?;
    for number in 1..=N_NODES {
        swarm.start(&format!("n{number}"))?;
    }
    tables::await_logs(&mut swarm, Instant::now() + LIMIT)?
        .context("the nodes never knew each other")?;
    let farm = programs.farm(1, &["--alone", &N_ENTRIES.to_string()])?;
    let data_dir = swarm.dir().join("n1").display().to_string();
    let local = vec![swarm.nodes()[0].reference()];
    let cli = programs.dir.join("id-cli");
    let ways: [(&str, Vec<&str>); 4] = [
        ("id-cli peers, five nodes", vec!["peers", "--data-dir", &data_dir]),
        ("id-cli peers --depth 0", vec!["peers", "--depth", "0", "--data-dir", &data_dir]),
        ("the same of 300 entries", vec!["peers", "--depth", "0", &farm.peers[0]]),
        ("id-cli ping", vec!["ping", "--data-dir", &data_dir]),
    ];
    let (mut times, mut bare) = (ways.each_ref().map(|_| Vec::new()), Vec::new());
    for _ in 0..N_RUNS {
        for ((_, args), times) in ways.iter().zip(&mut times) {
            times.push(wait_for(Command::new(&cli).args(args).arg("--no-relay"))?);
        }
        let asked = programs.run(&["per-query", "1", "0"], &local)?;
        ensure!(asked.answered == 1, "the node didn't answer");
        bare.push(1000.0 * asked.last_answer_secs);
    }
    swarm.stop()?;
    report.line("milliseconds from start to end                             median     95 %");
    for ((what, _), times) in ways.iter().zip(&mut times) {
        say(report, what, times);
    }
    say(report, "bare: bind, connect, list, by a process that runs", &mut bare);
    report.at_most("id-cli peers, five nodes", at(&times[0], 0.5), MOST_MILLIS);
    report.at_most("id-cli peers --depth 0 / bare", at(&times[1], 0.5) / at(&bare, 0.5), MOST_BARE);
    Ok(())
}

/// From start to end, in milliseconds.
fn wait_for(command: &mut Command) -> Result<f64> {
    forget_settings(command);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let status = command.status()?;
    let took = started.elapsed();
    ensure!(status.success(), "{} failed ({status})", line(command));
    Ok(1000.0 * took.as_secs_f64())
}

fn say(report: &mut Report, what: &str, times: &mut [f64]) {
    times.sort_by(f64::total_cmp);
    report.line(&format!("{what:<56} {:>8.1} {:>8.1}", at(times, 0.5), at(times, 0.95)));
}

/// Of figures in their order, the one below which this share of them is.
fn at(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len() - 1;
    sorted[((sorted.len() as f64 * share) as usize).min(last)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_percentile_are_of_the_figures() {
        let sorted: Vec<f64> = (1..=50).map(f64::from).collect();
        assert_eq!((at(&sorted, 0.5), at(&sorted, 0.95)), (26.0, 48.0));
        assert_eq!(at(&[7.0], 0.95), 7.0);
    }
}

//! `cargo xtask bench verify`: what belief costs besides the signature.

use std::{path::Path, process::Command};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Report, farm::Programs};
use crate::project::capture;

/// The program that measures: an example of id-node's, because it needs a membership.
const PROGRAM: &str = "gate_speed";

/// How often it is run; odd, so that there is a median. One run differs from the next by some
/// hundredths, more than its rounds do. Origin: a guess.
const N_RUNS: usize = 9;

/// What part of the speed of bare verification the gate must reach.
const LEAST_RATIO: f64 = 0.9;

/// Announcements through the whole gate, and nothing but their signatures: the same bytes in the same run, in turns,
/// announcement by announcement; the median run counts.
pub(super) fn measure(programs: &Programs, report: &mut Report) -> Result<()> {
    let program = programs.example(PROGRAM);
    let reports: Vec<_> = (0..N_RUNS).map(|_| run(&program)).collect::<Result<_>>()?;
    table(&reports)?.lines().for_each(|line| report.line(line));
    for (what, name) in [("newcomers", "/ratio/newcomers"), ("news", "/ratio/news")] {
        let what = format!("{what} through the gate / bare strict verification");
        report.at_least(&what, median(&reports, name)?, LEAST_RATIO);
    }
    Ok(())
}

fn run(program: &Path) -> Result<Value> {
    let report = capture(&mut Command::new(program))?;
    serde_json::from_str(&report).context("the program's report is no JSON")
}

/// One line for each way, the slowest first.
fn table(reports: &[Value]) -> Result<String> {
    let mut table = String::new();
    table += "                                          a second   of bare strict\n";
    for (what, name) in [
        ("newcomers through the whole gate", "newcomers"),
        ("news of known peers through it", "news"),
        ("strict Ed25519, one by one", "strict"),
        ("a batch of 64, which decides nothing", "batch"),
    ] {
        let rate = median(reports, &format!("/per_second/{name}"))?;
        table += &format!("{what:<40}  {rate:>8.0}");
        if let Ok((least, ratio, most)) = spread(reports, &format!("/ratio/{name}")) {
            table += &format!("   {ratio:.2} ({least:.2} to {most:.2})");
        }
        table.push('\n');
    }
    let (n, rounds) = (median(reports, "/announcements")?, median(reports, "/rounds")?);
    let (bytes, runs) = (median(reports, "/message_bytes")?, reports.len());
    table += &format!(
        "{n} announcements of {bytes} bytes, {runs} runs of {rounds} rounds, one thread\n"
    );
    Ok(table)
}

fn median(reports: &[Value], pointer: &str) -> Result<f64> {
    spread(reports, pointer).map(|(_, median, _)| median)
}

/// The least, the median and the most of what the reports say.
fn spread(reports: &[Value], pointer: &str) -> Result<(f64, f64, f64)> {
    let number = |report: &Value| report.pointer(pointer).and_then(Value::as_f64);
    let numbers: Option<Vec<f64>> = reports.iter().map(number).collect();
    let mut numbers = numbers
        .filter(|numbers| !numbers.is_empty())
        .with_context(|| format!("a report says nothing at {pointer}"))?;
    numbers.sort_by(f64::total_cmp);
    Ok((numbers[0], numbers[numbers.len() / 2], numbers[numbers.len() - 1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(news: f64) -> Value {
        serde_json::json!({
            "announcements": 500, "message_bytes": 200, "rounds": 11,
            "per_second": {"newcomers": 900, "news": 950, "strict": 1000, "batch": 2000},
            "ratio": {"newcomers": 0.9, "news": news, "batch": 2.0},
        })
    }

    #[test]
    fn every_way_gets_a_line_and_the_median_run_counts() {
        let table = table(&[report(0.93), report(0.99), report(0.91)]).unwrap();
        assert_eq!(table.lines().count(), 6);
        assert!(table.contains("950   0.93 (0.91 to 0.99)\n"), "{table}");
        assert!(table.contains("    1000\n"), "{table}");
    }

    #[test]
    fn what_a_report_lacks_is_named() {
        let error = table(&[report(0.9), serde_json::json!({})]).unwrap_err().to_string();
        assert!(error.contains("/per_second/newcomers"), "{error}");
        assert!(table(&[]).is_err());
    }
}

//! The bounds, and the table that says which held.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::Value;

use super::{
    play::Findings,
    roles::{Demands, Scenario},
};

/// Most that a node's memory may grow, in MiB. Origin: issue 4.
const MAX_GROWTH_MIB: f64 = 64.0;
/// Most that may be left of it after a rest, in MiB. Origin: a quarter; an allocator keeps some.
pub(super) const MAX_REST_MIB: f64 = 16.0;
/// Longest time that 99 of 100 answers to an honest caller take, in milliseconds. Origin: issue 4.
const MAX_P99_MS: f64 = 250.0;
/// How long after an interval the next announcement must have arrived, in seconds. Origin: issue 4.
const MAX_SILENCE_SECS: f64 = 10.0;
/// How many counters a line names.
const MAX_NAMED: usize = 3;

/// A line of the table.
#[derive(Debug)]
pub(super) struct Row {
    name: &'static str,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    Played { findings: Box<Findings>, faults: Vec<String> },
    Broken(String),
    Skipped(&'static str),
}

impl Row {
    pub(super) fn skipped(scenario: &Scenario, obstacle: &'static str) -> Self {
        Self { name: scenario.name, outcome: Outcome::Skipped(obstacle) }
    }

    pub(super) fn of(scenario: &Scenario, played: Result<Findings>) -> Self {
        let outcome = match played {
            Ok(findings) => {
                let faults = faults(scenario, &findings);
                Outcome::Played { findings: Box::new(findings), faults }
            }
            Err(error) => Outcome::Broken(format!("{error:#}")),
        };
        Self { name: scenario.name, outcome }
    }

    pub(super) fn is_failure(&self) -> bool {
        match &self.outcome {
            Outcome::Played { faults, .. } => !faults.is_empty(),
            Outcome::Broken(_) => true,
            Outcome::Skipped(_) => false,
        }
    }

    /// Everything that was measured, for whoever looks for a cause.
    pub(super) fn details(&self) -> String {
        match &self.outcome {
            Outcome::Played { findings, .. } => {
                let crawl = findings.crawl.as_ref().map(|(crawl, id, _)| crawl.line(id));
                let mut text = format!("    adversary {}\n", findings.adversary);
                let _ = writeln!(text, "    prober    {}", findings.probe);
                let _ = writeln!(text, "    counters  {:?}", findings.counters);
                let _ = write!(text, "    crawl     {}", crawl.unwrap_or_else(|| "-".to_owned()));
                text
            }
            Outcome::Broken(why) => format!("    broken: {why}"),
            Outcome::Skipped(why) => format!("    skipped: {why}"),
        }
    }
}

fn number(value: &Value, key: &str) -> Option<f64> {
    value.get(key).and_then(Value::as_f64)
}

/// A count of what the role did; `None` if it doesn't say.
fn done(findings: &Findings, what: &str) -> Option<u64> {
    findings.adversary.pointer(&format!("/counts/{what}")).and_then(Value::as_u64)
}

/// Which bounds were missed, and by how much.
fn faults(scenario: &Scenario, findings: &Findings) -> Vec<String> {
    let mut faults = findings.troubles.clone();
    let mut demand = |holds: bool, fault: String| {
        if !holds {
            faults.push(fault);
        }
    };
    demand(findings.lost == 0, format!("{} honest peers lost", findings.lost));
    let (peak, rest) = (findings.peak_growth_mib, findings.rest_growth_mib);
    demand(peak <= MAX_GROWTH_MIB, format!("memory grew by {peak:.0} MiB"));
    demand(rest <= MAX_REST_MIB, format!("{rest:.0} MiB of memory don't return"));
    let p99 = number(&findings.probe, "p99_ms").unwrap_or(f64::INFINITY);
    demand(p99 <= MAX_P99_MS, format!("answers take {p99:.0} ms"));
    let unheard = number(&findings.probe, "nodes_unheard").unwrap_or(f64::INFINITY);
    demand(unheard == 0.0, format!("{unheard} nodes never answered"));
    for (holds, fault) in demanded(scenario.demands, findings) {
        demand(holds, fault);
    }
    if let Some((crawl, id, named)) = &findings.crawl {
        faults.extend(crawl.faults(id, *named));
    }
    faults
}

/// What this role is asked besides: whether it holds, and what to say if it doesn't.
fn demanded(demands: Demands, findings: &Findings) -> Vec<(bool, String)> {
    match demands {
        Demands::Nothing => Vec::new(),
        Demands::Announcements => {
            let silence = number(&findings.probe, "silence_secs").unwrap_or(f64::INFINITY);
            let bound = findings.interval_secs as f64 + MAX_SILENCE_SECS;
            vec![(silence <= bound, format!("no announcement for {silence:.0} s"))]
        }
        Demands::Secrecy => {
            let learned = done(findings, "learned");
            vec![(learned == Some(0), format!("the outsider learned {learned:?} things"))]
        }
        Demands::NoGhost => {
            vec![(findings.ghosts == 0, format!("{} tables hold who left", findings.ghosts))]
        }
        Demands::NoReflection => ["packets_to_private", "packets_to_link_local"]
            .iter()
            .map(|what| {
                let n = done(findings, what);
                (
                    n == Some(0),
                    format!("{} {what}", n.map_or("unknown".to_owned(), |n| n.to_string())),
                )
            })
            .collect(),
    }
}

const HEADS: [&str; 10] = [
    "role",
    "lost",
    "RSS +MiB",
    "after +MiB",
    "after s",
    "p99 ms",
    "silence s",
    "strangers",
    "crawl",
    "refused",
];

/// The table, role by role, with a verdict for each.
pub(super) fn table(rows: &[Row]) -> String {
    let cells: Vec<[String; 10]> = rows.iter().map(cells).collect();
    let width = |column: usize| {
        let lens = cells.iter().map(|row| row[column].chars().count());
        lens.chain([HEADS[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let line = |cells: &[String]| -> String {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ")
    };
    let mut text = line(&HEADS.map(str::to_owned)) + "  verdict";
    for (row, cells) in rows.iter().zip(&cells) {
        let _ = write!(text, "\n{}  {}", line(cells), verdict(row));
    }
    text
}

fn verdict(row: &Row) -> String {
    match &row.outcome {
        Outcome::Played { faults, .. } if faults.is_empty() => "holds".to_owned(),
        Outcome::Played { faults, .. } => format!("MISSED: {}", faults.join("; ")),
        Outcome::Broken(why) => format!("BROKEN: {}", why.lines().next().unwrap_or_default()),
        Outcome::Skipped(why) => format!("SKIPPED: {why}"),
    }
}

fn cells(row: &Row) -> [String; 10] {
    let mut cells = [const { String::new() }; 10];
    cells.fill("-".to_owned());
    row.name.clone_into(&mut cells[0]);
    if let Outcome::Played { findings, .. } = &row.outcome {
        let figure =
            |key| number(&findings.probe, key).map_or("-".to_owned(), |n| format!("{n:.0}"));
        cells[1] = findings.lost.to_string();
        cells[2] = format!("{:.0}", findings.peak_growth_mib);
        cells[3] = format!("{:.0}", findings.rest_growth_mib);
        cells[4] = format!("{:.0}", findings.rest.as_secs_f64());
        cells[5] = figure("p99_ms");
        cells[6] = figure("silence_secs");
        cells[7] = figure("strangers");
        if let Some((crawl, ..)) = &findings.crawl {
            cells[8] = format!("{:.1} s {} MiB", crawl.took.as_secs_f64(), crawl.peak_mib);
        }
        cells[9] = refusals(findings);
    }
    cells
}

/// The most frequent refusals, whatever they are called.
fn refusals(findings: &Findings) -> String {
    let refused = findings.counters.iter();
    let mut refused: Vec<_> =
        refused.filter_map(|(name, n)| Some((name.strip_prefix("refused_")?, n))).collect();
    refused.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    let named = refused.iter().take(MAX_NAMED).map(|(name, n)| format!("{name} {n}"));
    match refused.len() {
        0 => "-".to_owned(),
        _ => named.collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use serde_json::json;

    use super::*;
    use crate::adversary::roles;

    fn good() -> Findings {
        Findings {
            interval_secs: 5,
            peak_growth_mib: 12.0,
            rest_growth_mib: 3.0,
            rest: Duration::from_secs(10),
            probe: json!({"p99_ms": 40.4, "silence_secs": 4.9, "strangers": 7, "nodes_unheard": 0}),
            adversary: json!({"counts": {"learned": 0, "packets_to_private": 0, "packets_to_link_local": 0}}),
            counters: BTreeMap::from([("refused_not_newer".into(), 9), ("believed".into(), 400)]),
            ..Findings::default()
        }
    }

    fn scenario(name: &str) -> &'static Scenario {
        roles::named(&[name.to_owned()]).unwrap()[0]
    }

    fn faults_of(name: &str, findings: Findings) -> Vec<String> {
        faults(scenario(name), &findings)
    }

    #[test]
    fn what_is_within_every_bound_holds() {
        for name in ["sybil", "replayer", "topic-guesser", "mute-neighbour"] {
            assert!(faults_of(name, good()).is_empty(), "{name}");
        }
    }

    #[test]
    fn each_missed_bound_is_a_fault_of_its_own() {
        let probe = |key: &str, value: f64| {
            let mut probe = good().probe;
            probe[key] = json!(value);
            Findings { probe, ..good() }
        };
        let missed = [
            Findings { lost: 1, ..good() },
            Findings { peak_growth_mib: 64.1, ..good() },
            Findings { rest_growth_mib: 16.1, ..good() },
            Findings { probe: json!({"nodes_unheard": 0}), ..good() },
            probe("p99_ms", 250.1),
            probe("nodes_unheard", 1.0),
            Findings { troubles: vec!["n03 died".into()], ..good() },
        ];
        for findings in missed {
            assert_eq!(faults_of("sybil", findings).len(), 1);
        }
    }

    #[test]
    fn special_demands_are_asked_of_their_roles_only() {
        let silent = || Findings {
            probe: json!({"p99_ms": 1, "silence_secs": 15.1, "nodes_unheard": 0}),
            ..good()
        };
        assert!(faults_of("sybil", silent()).is_empty());
        assert_eq!(faults_of("mute-neighbour", silent()).len(), 1);
        let leaky = || Findings { adversary: json!({"counts": {"learned": 1}}), ..good() };
        assert!(faults_of("sybil", leaky()).is_empty());
        assert_eq!(faults_of("topic-guesser", leaky()).len(), 1);
        let haunted = || Findings { ghosts: 2, ..good() };
        assert_eq!(faults_of("replayer", haunted()).len(), 1);
    }

    #[test]
    fn figure_that_is_missing_is_no_figure_that_holds() {
        let unknown = Findings { adversary: json!({}), ..good() };
        assert_eq!(faults_of("topic-guesser", unknown).len(), 1);
    }

    #[test]
    fn table_says_role_figures_and_verdict() {
        let rows = [
            Row::of(scenario("sybil"), Ok(good())),
            Row::of(scenario("forger"), Ok(Findings { lost: 3, ..good() })),
            Row::of(scenario("liar"), Err(anyhow::anyhow!("no such thing"))),
            Row::skipped(scenario("dht-squatter"), "no DHT"),
        ];
        let expected = "\
role          lost  RSS +MiB  after +MiB  after s  p99 ms  silence s  strangers  crawl  refused      verdict
sybil         0     12        3           10       40      5          7          -      not_newer 9  holds
forger        3     12        3           10       40      5          7          -      not_newer 9  MISSED: 3 honest peers lost
liar          -     -         -           -        -       -          -          -      -            BROKEN: no such thing
dht-squatter  -     -         -           -        -       -          -          -      -            SKIPPED: no DHT";
        assert_eq!(table(&rows), expected);
        assert_eq!(rows.iter().filter(|row| row.is_failure()).count(), 2);
    }
}

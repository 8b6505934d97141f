//! `cargo xtask bench crawl`: how far a crawl is from what no crawl is faster than.
//!
//! Each run is a process of its own, cold: it has no connection and no ticket. The farm is another process
//! on the same machine. What is compared takes turns.

use std::{process::Command, thread};

use anyhow::{Context, Result, ensure};

use super::{
    Report,
    farm::{Farm, Programs},
};
use crate::{
    project::capture,
    speed::{PROGRAM, Run, median},
};

/// How often each way is measured, in turns; the median counts. Odd, so that there is one.
const N_RUNS: usize = 3;
/// How many peers answer.
const N_PEERS: usize = 2000;
/// At which the bare calls and the crawl are measured. Origin: 16 saturate two cores; 64 is the default.
const CONCURRENCIES: [&str; 3] = ["16", "32", "64"];
/// Peers that are asked with an endpoint of its own for each question: it takes a second for each hundred.
const N_PER_QUERY: usize = 200;
/// Entries that those of the last farm name alone, each.
const N_ALONE: &str = "500";
/// What a crawl waits for a silent peer at first, in seconds. Origin: `Limits::connect_timeout`.
const FIRST_TIMEOUT_SECS: f64 = 5.0;

/// Crawls of a farm of peers, next to bare calls of the same peers.
pub(super) fn measure(programs: &Programs, report: &mut Report) -> Result<()> {
    report
        .line("                                    known  answered  seconds   a second  peak MiB");
    limit(programs, report)?;
    undialable(programs, report)?;
    growth(programs, report)?;
    many_entries(programs, report)
}

/// The crawl, next to what is faster and what is slower.
fn limit(programs: &Programs, report: &mut Report) -> Result<()> {
    let farm = programs.farm(N_PEERS, &[])?;
    let ways = CONCURRENCIES.iter().flat_map(|n| [Way::Bare(n), Way::Crawl(n)]);
    let ways: Vec<_> = ways.chain([Way::Crawl("1"), Way::PerQuery]).collect();
    let mut runs: Vec<_> = ways.iter().map(|_| Vec::new()).collect();
    for _ in 0..N_RUNS {
        for (way, runs) in ways.iter().zip(&mut runs) {
            runs.push(way.run(programs, &farm)?);
        }
    }
    let say = |(way, runs): (&Way, _)| say(report, &way.name(), median(runs));
    let runs: Vec<_> = ways.iter().zip(runs).map(say).collect();
    let (bare, crawls): (Vec<_>, Vec<_>) =
        runs[..2 * CONCURRENCIES.len()].chunks(2).map(|pair| (pair[0], pair[1])).unzip();
    let all = crawls.iter().all(|run| run.answered == N_PEERS as u64);
    ensure!(all, "a crawl didn't find all {N_PEERS} peers");
    let (best_bare, best) = (fastest(&bare), fastest(&crawls));
    let [.., one, per_query] = &runs[..] else { unreachable!("there are eight ways") };
    report.at_least("crawl / bare calls, each at its best", best / best_bare, 0.9);
    report.at_least("crawl / crawl, one at a time", best / one.rate(), 2.0);
    report
        .figure("crawl / one at a time, endpoint each", format!("{:.1}", best / per_query.rate()));
    Ok(())
}

/// A way to ask a farm.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// So many calls at a time, of all peers.
    Bare(&'static str),
    /// A crawl from one peer.
    Crawl(&'static str),
    /// One at a time, each with an endpoint of its own; of some peers, because it is slow.
    PerQuery,
}

impl Way {
    fn name(self) -> String {
        match self {
            Self::Bare(n) => format!("bare calls, {n} at a time"),
            Self::Crawl("1") => "crawl, one at a time".to_owned(),
            Self::Crawl(n) => format!("crawl, {n} at a time"),
            Self::PerQuery => "one at a time, endpoint each".to_owned(),
        }
    }

    fn run(self, programs: &Programs, farm: &Farm) -> Result<Run> {
        match self {
            Self::Bare(n) => programs.run(&["bare", n], &farm.peers),
            Self::Crawl(n) => crawl(programs, n, farm),
            Self::PerQuery => programs.run(&["per-query", "1", "0"], &farm.peers[..N_PER_QUERY]),
        }
    }
}

/// The same number of peers, 40 of 100 of whom don't answer.
fn undialable(programs: &Programs, report: &mut Report) -> Result<()> {
    let (answering, silent) = (N_PEERS * 3 / 5, N_PEERS * 2 / 5);
    let without = programs.farm(answering, &[])?;
    let with = programs.farm(answering, &["--silent", &silent.to_string()])?;
    let (without, with) = in_turns(programs, [&without, &with])?;
    let without = say(report, &format!("{answering} that answer"), without);
    let with = say(report, &format!("the same and {silent} that don't"), with);
    report.at_least("rate with / without those who don't", with.rate() / without.rate(), 0.6);
    let most = 1.5 * without.secs + FIRST_TIMEOUT_SECS;
    report.at_most("seconds with those who don't", with.secs, most);
    Ok(())
}

/// What a peer costs as the network grows.
fn growth(programs: &Programs, report: &mut Report) -> Result<()> {
    let sizes = [100, 1000, 10_000];
    let farms: Vec<_> = sizes.iter().map(|n| programs.farm(*n, &[])).collect::<Result<_>>()?;
    let mut runs = sizes.map(|_| Vec::new());
    for _ in 0..N_RUNS {
        for (runs, farm) in runs.iter_mut().zip(&farms) {
            // A crawl of a hundred is over before the machine has changed its speed; so are ten of them.
            let n_times = (1000 / farm.peers.len()).max(1);
            let crawls = (0..n_times).map(|_| crawl(programs, "64", farm));
            runs.push(median(crawls.collect::<Result<_>>()?));
        }
    }
    let (mut costs, mut times) = (Vec::new(), Vec::new());
    for (size, runs) in sizes.iter().zip(runs) {
        let run = say(report, &format!("crawl of {size}"), median(runs));
        costs.push(1000.0 * run.cpu_secs / run.answered as f64);
        times.push(1000.0 / run.rate());
    }
    let through_one = programs.run(&["one-endpoint", "64"], &farms[2].peers[..1])?;
    let through_one = say(report, "crawl of 10000, one endpoint", through_one);
    let of_one = 1000.0 * through_one.cpu_secs / through_one.answered as f64;
    let list = |millis: &[f64]| millis.iter().map(|it| format!("{it:.2}")).collect::<Vec<_>>();
    report.figure("milliseconds a peer, with its server", list(&times).join(", "));
    report.figure("of a core for the crawler", list(&costs).join(", "));
    report.figure("the last one through one endpoint", format!("{of_one:.2}"));
    let [least, most] = [f64::min, f64::max].map(|of| costs.iter().copied().fold(costs[0], of));
    report.at_most("the most / the least of a core", most / least, 1.2);
    Ok(())
}

/// A hundred thousand entries through two hundred servers, none of which is asked in turn.
fn many_entries(programs: &Programs, report: &mut Report) -> Result<()> {
    let farm = programs.farm(200, &["--alone", N_ALONE])?;
    let cores = thread::available_parallelism()?.to_string();
    let (mut crawls, mut signatures) = (Vec::new(), Vec::new());
    for _ in 0..N_RUNS {
        crawls.push(programs.run(&["crawl", "64", "0"], &farm.peers)?);
        let rate = capture(Command::new(programs.example(PROGRAM)).args(["signatures", &cores]))?;
        signatures.push(rate.trim().parse::<f64>().context("no rate")?);
    }
    signatures.sort_by(f64::total_cmp);
    let (crawl, signatures) = (median(crawls), signatures[N_RUNS / 2]);
    let run = say(report, "100,200 entries by 200 peers", crawl);
    let entries = run.known as f64 / run.secs;
    report.figure("entries a second, each signature checked", format!("{entries:.0}"));
    report.figure("signatures a second on all cores", format!("{signatures:.0}"));
    report.at_least("entries / signatures", entries / signatures, 0.7);
    report.at_most("peak MiB", run.peak_rss_kib as f64 / 1024.0, 200.0);
    Ok(())
}

/// Crawls of two farms, in turns.
fn in_turns(programs: &Programs, farms: [&Farm; 2]) -> Result<(Run, Run)> {
    let mut runs = (Vec::new(), Vec::new());
    for _ in 0..N_RUNS {
        runs.0.push(crawl(programs, "64", farms[0])?);
        runs.1.push(crawl(programs, "64", farms[1])?);
    }
    Ok((median(runs.0), median(runs.1)))
}

fn crawl(programs: &Programs, concurrency: &str, farm: &Farm) -> Result<Run> {
    programs.run(&["crawl", concurrency], &farm.peers[..1])
}

fn say(report: &mut Report, what: &str, run: Run) -> Run {
    let Run { known, answered, secs, peak_rss_kib, .. } = run;
    let (rate, peak) = (run.rate(), peak_rss_kib / 1024);
    report.line(&format!(
        "{what:<35} {known:>6}  {answered:>8}  {secs:>7.2}  {rate:>9.0}  {peak:>8}"
    ));
    run
}

fn fastest(runs: &[Run]) -> f64 {
    runs.iter().map(Run::rate).fold(0.0, f64::max)
}

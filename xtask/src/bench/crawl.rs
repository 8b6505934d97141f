//! `cargo xtask bench crawl`: how far a crawl is from what no crawl is faster than.

use anyhow::{Result, ensure};
use clap::Args;

use super::farm::{Farm, Programs, Run};
use crate::project::Project;

/// How often each way is measured, in turns; the median counts. Odd, so that there is one.
const N_RUNS: usize = 3;
/// At which the bare calls and the crawl are measured. Origin: 16 saturate two cores; 64 is the default.
const CONCURRENCIES: [&str; 3] = ["16", "32", "64"];
/// Peers that a crawl with an endpoint of its own for each question asks: it takes seconds for each hundred.
const N_PER_QUERY: &str = "300";
/// Entries that those of the last farm name alone, each.
const N_ALONE: &str = "500";

/// Measures crawls of a farm of peers, next to bare calls of the same peers.
///
/// Each run is a process of its own, cold: it has no connection and no ticket. The farm is another process
/// on the same machine, which should have nothing else to do.
#[derive(Debug, Args)]
pub(crate) struct Crawl {
    /// How many peers answer
    #[arg(long, default_value_t = 2000)]
    peers: usize,
    /// Build with the release profile
    #[arg(long)]
    release: bool,
}

impl Crawl {
    /// Builds, measures and prints.
    pub(crate) fn run(&self, project: &Project) -> Result<()> {
        let programs = Programs { dir: super::build(project, self.release)? };
        println!(
            "                                    known  answered  seconds   a second  peak MiB"
        );
        self.limit(&programs)?;
        self.undialable(&programs)?;
        growth(&programs)?;
        many_entries(&programs)
    }

    /// The crawl, next to what is faster and what is slower.
    fn limit(&self, programs: &Programs) -> Result<()> {
        let farm = programs.farm(&["--peers", &self.peers.to_string()])?;
        let (mut bare, mut crawls) = (Vec::new(), Vec::new());
        for concurrency in CONCURRENCIES {
            let mut runs = (Vec::new(), Vec::new());
            for _ in 0..N_RUNS {
                runs.0.push(programs.run(&["bare", concurrency], &farm.peers)?);
                runs.1.push(crawl(programs, concurrency, &farm)?);
            }
            bare.push(say(&format!("bare calls, {concurrency} at a time"), median(runs.0)));
            crawls.push(say(&format!("crawl, {concurrency} at a time"), median(runs.1)));
        }
        let all = crawls.iter().all(|run| run.answered == self.peers as u64);
        ensure!(all, "a crawl didn't find all {} peers", self.peers);
        let one = say("crawl, one at a time", crawl(programs, "1", &farm)?);
        drop(farm);
        let farm = programs.farm(&["--peers", N_PER_QUERY])?;
        let slow = programs.run(&["per-query", "1"], &farm.peers[..1])?;
        let slow = say("crawl, one at a time, endpoint each", slow);
        let (best_bare, best) = (fastest(&bare), fastest(&crawls));
        println!("crawl / bare calls, each at its best            {:.2}", best / best_bare);
        println!("crawl / crawl, one at a time                    {:.1}", best / one.rate());
        println!("crawl / one at a time, endpoint each            {:.1}", best / slow.rate());
        Ok(())
    }

    /// The same number of peers, 40 of 100 of whom don't answer.
    fn undialable(&self, programs: &Programs) -> Result<()> {
        let (answering, silent) = (self.peers * 3 / 5, self.peers * 2 / 5);
        let without = programs.farm(&["--peers", &answering.to_string()])?;
        let without =
            median((0..N_RUNS).map(|_| crawl(programs, "64", &without)).collect::<Result<_>>()?);
        let args = ["--peers", &answering.to_string(), "--silent", &silent.to_string()];
        let farm = programs.farm(&args)?;
        let with =
            median((0..N_RUNS).map(|_| crawl(programs, "64", &farm)).collect::<Result<_>>()?);
        say(&format!("{answering} that answer"), without);
        say(&format!("the same and {silent} that don't"), with);
        println!(
            "rate with / without those who don't answer      {:.2}",
            with.rate() / without.rate()
        );
        println!("seconds with - without                          {:.1}", with.secs - without.secs);
        Ok(())
    }
}

/// What a peer costs as the network grows.
fn growth(programs: &Programs) -> Result<()> {
    let mut costs = Vec::new();
    for peers in ["100", "1000", "5000"] {
        let farm = programs.farm(&["--peers", peers])?;
        let runs = (0..N_RUNS).map(|_| crawl(programs, "64", &farm)).collect::<Result<_>>()?;
        let run = say(&format!("crawl of {peers}"), median(runs));
        costs.push(1000.0 / run.rate());
    }
    let costs: Vec<_> = costs.iter().map(|cost| format!("{cost:.2}")).collect();
    println!("milliseconds a peer                             {}", costs.join(", "));
    Ok(())
}

/// A hundred thousand entries through two hundred servers, none of which is asked in turn.
fn many_entries(programs: &Programs) -> Result<()> {
    let farm = programs.farm(&["--peers", "200", "--alone", N_ALONE])?;
    let run = || programs.run(&["crawl", "64", "0"], &farm.peers);
    let run = say(
        "100,200 entries by 200 peers",
        median((0..N_RUNS).map(|_| run()).collect::<Result<_>>()?),
    );
    println!("entries a second, each signature checked        {:.0}", run.known as f64 / run.secs);
    Ok(())
}

fn crawl(programs: &Programs, concurrency: &str, farm: &Farm) -> Result<Run> {
    programs.run(&["crawl", concurrency], &farm.peers[..1])
}

fn say(what: &str, run: Run) -> Run {
    let Run { known, answered, secs, peak_rss_kib, .. } = run;
    let (rate, peak) = (run.rate(), peak_rss_kib / 1024);
    println!("{what:<35} {known:>6}  {answered:>8}  {secs:>7.2}  {rate:>9.0}  {peak:>8}");
    run
}

fn median(mut runs: Vec<Run>) -> Run {
    runs.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    runs[runs.len() / 2]
}

fn fastest(runs: &[Run]) -> f64 {
    runs.iter().map(Run::rate).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(answered: u64) -> Run {
        Run { known: 10, answered, secs: 3.0, last_answer_secs: 2.0, peak_rss_kib: 2048 }
    }

    #[test]
    fn the_median_run_and_the_fastest_way_count() {
        assert_eq!(median([3, 9, 6].map(run).to_vec()).answered, 6);
        assert_eq!(fastest(&[3, 9, 6].map(run)), 4.5);
    }
}

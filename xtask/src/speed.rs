//! How fast peers are asked: what `crawl_speed`, an example of id-client's, found.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// Its name.
pub(crate) const PROGRAM: &str = "crawl_speed";

/// What a run found.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Run {
    pub(crate) known: u64,
    pub(crate) answered: u64,
    pub(crate) secs: f64,
    /// Until the last one answered; a crawl waits for others longer.
    pub(crate) last_answer_secs: f64,
    pub(crate) peak_rss_kib: u64,
    /// How long the program's threads were on a core.
    pub(crate) cpu_secs: f64,
}

impl Run {
    /// Answers a second, until the last one.
    pub(crate) fn rate(&self) -> f64 {
        self.answered as f64 / self.last_answer_secs
    }
}

/// Has the program ask these peers, or crawl from them.
pub(crate) fn ask(program: &mut Command, peers: &[String]) -> Result<Run> {
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("no stdin")?;
    stdin.write_all((peers.join("\n") + "\n").as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{PROGRAM} failed ({})", output.status);
    serde_json::from_slice(&output.stdout).context("the program's report is no JSON")
}

/// That of the median rate.
pub(crate) fn median(mut runs: Vec<Run>) -> Run {
    runs.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    runs[runs.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_run_counts() {
        let run = |answered| Run {
            known: 10,
            answered,
            secs: 3.0,
            last_answer_secs: 2.0,
            peak_rss_kib: 2048,
            cpu_secs: 1.0,
        };
        assert_eq!(median([3, 9, 6].map(run).to_vec()).answered, 6);
        assert_eq!(run(9).rate(), 4.5);
    }
}

//! What a scenario found, and whether that is good enough.

use std::{fmt, time::Duration};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::scenarios::Scenario;

/// What one run of a scenario found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    /// The figure, if there is one.
    pub(crate) figure: Figure,
    /// What else is worth knowing, for people.
    pub(crate) note: String,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Figure {
    /// It happened, after so many seconds.
    Seconds(f64),
    /// So many of what shouldn't be there.
    Count(u64),
    /// It didn't happen; the note says what did.
    Never,
    /// It can't be measured here; the note says why.
    Skipped,
}

/// What the issue asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// It happens within this time.
    Within(Duration),
    /// There is none of it.
    None,
    /// Nothing: nobody can promise it, but the time is worth knowing.
    Open,
}

/// What became of all runs of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// The median keeps the bound, and no run failed.
    Pass(f64),
    /// It doesn't. The median, unless there is none.
    Fail(Option<f64>),
    /// Whatever it was, nothing is asked for. The median, unless there is none.
    Seen(Option<f64>),
    /// Nothing was measured.
    Skip,
}

impl Finding {
    /// It happened after `took`.
    pub(crate) fn took(took: Duration) -> Self {
        Self { figure: Figure::Seconds(took.as_secs_f64()), note: String::new() }
    }

    /// So many of what shouldn't be there.
    pub(crate) fn count(count: usize) -> Self {
        Self { figure: Figure::Count(count as u64), note: String::new() }
    }

    /// It didn't happen.
    pub(crate) fn never(note: impl Into<String>) -> Self {
        Self { figure: Figure::Never, note: note.into() }
    }

    /// It can't be measured here.
    pub(crate) fn skipped(reason: impl Into<String>) -> Self {
        Self { figure: Figure::Skipped, note: reason.into() }
    }

    /// The scenario itself failed.
    pub(crate) fn broken(error: anyhow::Error) -> Self {
        Self::never(format!("{error:#}"))
    }

    /// The same, but if it happened, not before `took`.
    pub(crate) fn at_least(self, took: Duration) -> Self {
        match self.figure {
            Figure::Seconds(seconds) => {
                let seconds = seconds.max(took.as_secs_f64());
                Self { figure: Figure::Seconds(seconds), ..self }
            }
            _ => self,
        }
    }

    /// The same with one more line of note.
    pub(crate) fn noting(self, note: impl Into<String>) -> Self {
        let note = format!("{}\n{}", self.note, note.into());
        Self { note: note.trim().to_owned(), ..self }
    }

    /// One line that [`Finding::from_json`] reads.
    pub(crate) fn to_json(&self) -> String {
        let (kind, value) = match self.figure {
            Figure::Seconds(seconds) => ("seconds", json!(seconds)),
            Figure::Count(count) => ("count", json!(count)),
            Figure::Never => ("never", Value::Null),
            Figure::Skipped => ("skipped", Value::Null),
        };
        json!({ "kind": kind, "value": value, "note": self.note }).to_string()
    }

    /// Reads what [`Finding::to_json`] wrote.
    pub(crate) fn from_json(line: &str) -> Result<Self> {
        let json: Value = serde_json::from_str(line)?;
        let value = &json["value"];
        let figure = match json["kind"].as_str().context("no kind")? {
            "seconds" => Figure::Seconds(value.as_f64().context("no number")?),
            "count" => Figure::Count(value.as_u64().context("no number")?),
            "skipped" => Figure::Skipped,
            _ => Figure::Never,
        };
        Ok(Self { figure, note: json["note"].as_str().unwrap_or_default().to_owned() })
    }

    /// For the median: what never happened took for ever.
    fn size(&self) -> f64 {
        match self.figure {
            Figure::Seconds(seconds) => seconds,
            Figure::Count(count) => count as f64,
            Figure::Never | Figure::Skipped => f64::INFINITY,
        }
    }
}

impl Bound {
    fn holds(self, size: f64) -> bool {
        match self {
            Self::Within(limit) => size <= limit.as_secs_f64(),
            Self::None => size == 0.0,
            Self::Open => true,
        }
    }
}

impl Verdict {
    /// The median decides, and one run in which it never happened is one too many.
    pub(crate) fn of(bound: Bound, findings: &[Finding]) -> Self {
        if findings.iter().any(|finding| finding.figure == Figure::Skipped) {
            return Self::Skip;
        }
        let mut sizes: Vec<f64> = findings.iter().map(Finding::size).collect();
        sizes.sort_by(f64::total_cmp);
        let median = sizes.get(sizes.len() / 2).copied().filter(|median| median.is_finite());
        let all_happened = sizes.iter().all(|size| size.is_finite());
        match median {
            median if bound == Bound::Open => Self::Seen(median),
            Some(median) if all_happened && bound.holds(median) => Self::Pass(median),
            median => Self::Fail(median),
        }
    }

    /// Whether it was measured and isn't good enough.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Self::Fail(_))
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within(limit) => write!(f, "at most {limit:?}"),
            Self::None => f.write_str("none"),
            Self::Open => f.write_str("no promise"),
        }
    }
}

/// The verdict, and what each run says besides.
pub(crate) fn lines(scenario: &Scenario, findings: &[Finding], verdict: &Verdict) -> String {
    let (word, median) = match verdict {
        Verdict::Pass(median) => ("PASS", figure(scenario.bound, Some(*median))),
        Verdict::Fail(median) => ("FAIL", figure(scenario.bound, *median)),
        Verdict::Seen(median) => ("SEEN", figure(scenario.bound, *median)),
        Verdict::Skip => ("SKIP", "-".to_owned()),
    };
    let mut lines = format!(
        "{word} {:<18} {median:>9}  ({})  {}",
        scenario.name, scenario.bound, scenario.shows
    );
    if findings.len() > 1 {
        let all: Vec<String> = findings
            .iter()
            .map(|one| figure(scenario.bound, Some(one.size()).filter(|size| size.is_finite())))
            .collect();
        lines += &format!("\n       runs: {}", all.join(", "));
    }
    // Most runs say the same.
    let mut notes: Vec<&str> = findings.iter().map(|finding| finding.note.as_str()).collect();
    notes.dedup();
    for note in notes.into_iter().filter(|note| !note.is_empty()) {
        lines += &format!("\n       {}", note.replace('\n', "\n       "));
    }
    lines
}

fn figure(bound: Bound, size: Option<f64>) -> String {
    match (bound, size) {
        (_, None) => "never".to_owned(),
        (Bound::Within(_) | Bound::Open, Some(seconds)) => format!("{seconds:.3} s"),
        (Bound::None, Some(count)) => format!("{count}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Bound = Bound::Within(Duration::from_secs(2));

    fn seconds(seconds: f64) -> Finding {
        Finding { figure: Figure::Seconds(seconds), note: String::new() }
    }

    #[test]
    fn the_median_decides() {
        let runs = [seconds(9.0), seconds(1.0), seconds(2.0)];
        assert_eq!(Verdict::of(BOUND, &runs), Verdict::Pass(2.0));
        let runs = [seconds(9.0), seconds(1.0), seconds(2.1)];
        assert_eq!(Verdict::of(BOUND, &runs), Verdict::Fail(Some(2.1)));
    }

    #[test]
    fn one_run_that_never_ends_well_fails_all() {
        let runs = [seconds(1.0), seconds(1.0), Finding::never("")];
        assert_eq!(Verdict::of(BOUND, &runs), Verdict::Fail(Some(1.0)));
        assert_eq!(Verdict::of(BOUND, &[Finding::never("")]), Verdict::Fail(None));
    }

    #[test]
    fn what_cant_be_measured_is_no_failure() {
        assert_eq!(Verdict::of(BOUND, &[Finding::skipped("no nft")]), Verdict::Skip);
    }

    #[test]
    fn none_means_none() {
        assert_eq!(Verdict::of(Bound::None, &[Finding::count(0)]), Verdict::Pass(0.0));
        assert_eq!(Verdict::of(Bound::None, &[Finding::count(1)]), Verdict::Fail(Some(1.0)));
    }

    #[test]
    fn what_nobody_promises_never_fails() {
        assert_eq!(Verdict::of(Bound::Open, &[Finding::never("")]), Verdict::Seen(None));
        assert_eq!(Verdict::of(Bound::Open, &[seconds(1.0)]), Verdict::Seen(Some(1.0)));
        assert!(!Verdict::Seen(None).is_failure());
    }

    #[test]
    fn a_finding_survives_its_way_out_of_the_sandbox() {
        for finding in [seconds(1.5).noting("a\n\"b\""), Finding::count(3), Finding::never("x")] {
            assert_eq!(Finding::from_json(&finding.to_json()).unwrap(), finding);
        }
    }
}

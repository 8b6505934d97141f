//! `cargo xtask bench micro`: the hot paths one by one, by criterion.

use anyhow::{Result, ensure};

use super::Report;
use crate::project::{Project, capture};

/// In `benches` of id-proto, id-client and id-node.
const BENCHES: [&str; 3] = ["statements", "pages", "gate"];

/// What a statement, an entry and a page cost, each alone.
pub(super) fn measure(project: &Project, release: bool, report: &mut Report) -> Result<()> {
    let mut bench = project.workspace("bench");
    bench.args(BENCHES.iter().flat_map(|name| ["--bench", name]));
    bench.args(["--profile", if release { "release" } else { "dev" }]);
    bench.args(["--", "--output-format", "bencher"]);
    let said = capture(&mut bench)?;
    let figures: Vec<_> = said.lines().filter_map(figure).collect();
    ensure!(!figures.is_empty(), "criterion said nothing");
    for (what, nanos) in figures {
        report.figure(&what, format!("{:.2} us", nanos / 1000.0));
    }
    Ok(())
}

/// `test NAME ... bench:   1,234 ns/iter (+/- 5)`: the name, and how many nanoseconds.
fn figure(line: &str) -> Option<(String, f64)> {
    let (name, rest) = line.strip_prefix("test ")?.split_once(" ... bench:")?;
    let (nanos, _) = rest.trim().split_once(" ns/iter")?;
    Some((name.trim().to_owned(), nanos.replace(',', "").parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn criterions_lines_are_read_and_others_passed_over() {
        let line = "test an announcement/decode ... bench:      12,345 ns/iter (+/- 67)";
        assert_eq!(figure(line), Some(("an announcement/decode".to_owned(), 12_345.0)));
        assert_eq!(figure("test a::b ... ok"), None);
        assert_eq!(figure("running 3 tests"), None);
    }
}

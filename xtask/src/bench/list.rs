//! `cargo xtask bench list`: what a long table costs besides its bytes.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Report, farm::Programs};
use crate::project::capture;

/// The program that measures: an example of id-node's, because it serves a table as a node does.
const PROGRAM: &str = "list_speed";

/// A listing of a table of 100,000 entries, next to a raw stream of as many bytes.
pub(super) fn measure(programs: &Programs, report: &mut Report) -> Result<()> {
    let found = capture(&mut Command::new(programs.example(PROGRAM)))?;
    let found: Value = serde_json::from_str(&found).context("the program's report is no JSON")?;
    let number = |name: &str| {
        found[name].as_f64().with_context(|| format!("the program's report has no {name}"))
    };
    let mib = |bytes: f64| format!("{:.1}", bytes / f64::from(1 << 20));
    report.figure("entries", format!("{:.0}", number("entries")?));
    report.figure("MiB", mib(number("bytes")?));
    report.figure("MiB a second, listed", mib(number("list_bytes_per_second")?));
    report.figure("MiB a second, raw", mib(number("raw_bytes_per_second")?));
    let checked = number("checked_entries_per_second")?;
    report.figure("entries a second, each signature checked", format!("{checked:.0}"));
    report.at_least("listed / raw", number("ratio")?, 0.5);
    Ok(())
}

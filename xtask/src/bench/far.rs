//! `cargo xtask bench far`: a crawl over long wires, in the lab.

use anyhow::Result;

use super::Report;
use crate::{lab, project::Project};

/// The scenario that measures.
const SCENARIO: &str = "far-crawl";

/// What the scenario finds; its count is of the figures that miss what is asked of them.
pub(super) fn measure(project: &Project, release: bool, report: &mut Report) -> Result<()> {
    if release {
        report.line("skipped: the lab takes the programs of the dev profile");
        return Ok(());
    }
    let note = lab::look(&project.built_binaries()?, SCENARIO)?;
    note.lines().for_each(|line| report.repeat(line));
    Ok(())
}

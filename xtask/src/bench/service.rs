//! `cargo xtask bench service`: how a node does as a service. `cargo xtask service` measures.

use anyhow::Result;

use super::{Report, farm::Programs};
use crate::{project::Binaries, service};

/// What it finds, line by line.
pub(super) fn measure(programs: &Programs, report: &mut Report) -> Result<()> {
    if let Some(obstacle) = service::obstacle() {
        report.line(&format!("skipped: {obstacle}"));
        return Ok(());
    }
    let found = service::look(&Binaries::in_dir(&programs.dir)?)?;
    found.lines().for_each(|line| report.repeat(line));
    Ok(())
}

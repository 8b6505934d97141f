//! `cargo xtask bench`: how fast what has to be fast is. docs/benchmarks.md keeps what it found.

mod crawl;
mod farm;
mod verify;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::project::{Project, pass};

/// Measures how fast what has to be fast is.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Announcements through the whole gate, compared with nothing but their signatures
    Verify(verify::Verify),
    /// Crawls of thousands of peers, compared with nothing but the calls
    Crawl(crawl::Crawl),
}

impl Bench {
    /// Measures what was asked for.
    pub(crate) fn run(&self, project: &Project) -> Result<()> {
        match &self.what {
            What::Verify(verify) => verify.run(project),
            What::Crawl(crawl) => crawl.run(project),
        }
    }
}

/// Builds the programs, and says where they are.
fn build(project: &Project, release: bool) -> Result<PathBuf> {
    let mut build = project.workspace("build");
    build.args(["--bins", "--examples"]);
    if release {
        build.arg("--release");
    }
    pass(&mut build)?;
    Ok(project.target_dir().join(if release { "release" } else { "debug" }))
}

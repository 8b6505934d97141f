//! `cargo xtask bench`: how fast what has to be fast is. Examples measure, in one process or two; this builds
//! them, runs them, says what they found, and writes it down.

mod blobs;
mod crawl;
mod far;
mod farm;
mod list;
mod local;
mod micro;
mod record;
mod service;
mod verify;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};

pub(crate) use self::record::judged;
use self::{farm::Programs, record::Report};
use crate::project::{Project, pass};

/// Measures how fast what has to be fast is: everything, unless one thing is named.
///
/// The exit code is 1 if a figure misses what is asked of it. The machine should have nothing else to do.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: Option<What>,
    /// Build with the release profile. The dev profile optimises signatures in full and our own code little
    #[arg(long, global = true)]
    release: bool,
    /// Write what was found into docs/benchmarks.md
    #[arg(long, global = true)]
    write: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
enum What {
    /// Announcements through the whole gate, compared with nothing but their signatures
    Verify,
    /// Crawls of thousands of peers, compared with nothing but the calls
    Crawl,
    /// A table of 100,000 entries, compared with a raw stream of as many bytes
    List,
    /// How long somebody waits who asks this machine's node
    Local,
    /// A crawl at a round trip of 50 ms, compared with one query at a time; in the lab
    Far,
    /// The hot paths one by one, by criterion
    Micro,
    /// A node's start, its end, what it takes when idle, and kills at random moments
    Service,
    /// A file of 1 GiB into a node and out again, compared with iroh-blobs' own example
    Blobs,
}

impl What {
    const ALL: &[Self] = &[
        Self::Verify,
        Self::Crawl,
        Self::List,
        Self::Local,
        Self::Far,
        Self::Micro,
        Self::Service,
        Self::Blobs,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Crawl => "crawl",
            Self::List => "list",
            Self::Local => "local",
            Self::Far => "far",
            Self::Micro => "micro",
            Self::Service => "service",
            Self::Blobs => "blobs",
        }
    }
}

/// The figures that a build is asked for.
#[derive(Debug)]
struct Built<'a> {
    project: &'a Project,
    programs: Programs,
    release: bool,
}

impl Bench {
    /// Measures what was asked for.
    pub(crate) fn run(&self, project: &Project) -> Result<()> {
        let programs = Programs { dir: build(project, self.release)? };
        let built = Built { project, programs, release: self.release };
        let mut n_missed = 0;
        for what in self.what.as_ref().map_or(What::ALL, std::slice::from_ref) {
            let mut report = Report::begin(what.name(), built.command(*what));
            built.measure(*what, &mut report)?;
            n_missed += report.n_missed();
            if self.write {
                report.write_into(project, self.release)?;
            }
        }
        ensure!(n_missed == 0, "{n_missed} figures miss what is asked of them");
        Ok(())
    }
}

impl Built<'_> {
    fn measure(&self, what: What, report: &mut Report) -> Result<()> {
        match what {
            What::Verify => verify::measure(&self.programs, report),
            What::Crawl => crawl::measure(&self.programs, report),
            What::List => list::measure(&self.programs, report),
            What::Local => local::measure(&self.programs, report),
            What::Far => far::measure(self.project, self.release, report),
            What::Micro => micro::measure(self.project, self.release, report),
            What::Service => service::measure(&self.programs, report),
            What::Blobs => blobs::measure(&self.programs, report),
        }
    }

    fn command(&self, what: What) -> String {
        let release = if self.release { " --release" } else { "" };
        format!("cargo xtask bench {}{release}", what.name())
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

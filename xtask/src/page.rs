//! `cargo xtask page`: the peers page of real nodes, looked at in a real browser.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};
use clap::Args;

use crate::project::{Binaries, Project, pass, succeeds};

/// What is needed, and which of Debian's packages brings it.
const NEEDED: [(&str, &str); 2] = [("chromium", "chromium"), ("chromedriver", "chromium-driver")];

/// Looks at the peers page of real nodes in Chromium: who comes and goes, hostile names, the keyboard, no
/// scripts, and how long thousands of rows take.
///
/// Leaves pictures of what was seen. Whether everybody can use the page is asked of axe-core, if
/// `npm install --prefix target/axe --no-save axe-core` has put it there.
#[derive(Debug, Args)]
pub(crate) struct Page {
    /// Where the pictures are left, instead of target/page
    #[arg(long)]
    shots: Option<PathBuf>,

    /// Tell one story only: alone, comings, hostile, keyboard, plain, all or crowds
    #[arg(long, value_name = "STORY")]
    only: Option<String>,
}

impl Page {
    /// Builds the programs and looks.
    pub(crate) fn run(&self, project: &Project) -> Result<()> {
        if let Some(obstacle) = obstacle() {
            bail!(obstacle);
        }
        look(project, &project.build_binaries()?, self)
    }
}

/// Looks at programs that are built already, at everything.
pub(crate) fn look_at_all(project: &Project, binaries: &Binaries) -> Result<()> {
    look(project, binaries, &Page { shots: None, only: None })
}

/// What is missing, if anything is.
pub(crate) fn obstacle() -> Option<String> {
    let is_there = |program: &str| succeeds(Command::new(program).arg("--version"));
    let (program, package) = NEEDED.into_iter().find(|(program, _)| !is_there(program))?;
    Some(format!("`{program}` is missing (package {package})"))
}

/// Where axe-core is, if it was fetched.
pub(crate) fn axe(project: &Project) -> Option<PathBuf> {
    let path = project.target_dir().join("axe/node_modules/axe-core/axe.min.js");
    path.exists().then_some(path)
}

fn look(project: &Project, binaries: &Binaries, page: &Page) -> Result<()> {
    let shots = page.shots.clone().unwrap_or_else(|| project.target_dir().join("page"));
    let mut command = Command::new(binaries.node.with_file_name("id-browser"));
    command.arg("--node").arg(&binaries.node).arg("--shots").arg(&shots);
    command.args(axe(project).iter().flat_map(|axe| [Path::new("--axe"), axe]));
    command.args(page.only.iter().flat_map(|only| ["--only", only]));
    pass(&mut command)?;
    println!("pictures are in {}", shots.display());
    Ok(())
}

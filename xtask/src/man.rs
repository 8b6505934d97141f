//! `cargo xtask man`: what a package holds besides the programs, as the programs write it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use clap::Args;

use crate::project::{Project, capture};

/// By what names shells look for a completion script of `name`.
const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "{name}"), ("fish", "{name}.fish"), ("zsh", "_{name}")];

/// Writes manual pages into target/man, and scripts for shells' completion into target/completions/SHELL.
#[derive(Debug, Args)]
pub(crate) struct Man {}

impl Man {
    /// Builds the programs and has them write.
    pub(crate) fn run(&self, project: &Project) -> Result<()> {
        let binaries = project.build_binaries()?;
        let target = project.target_dir();
        for program in [&binaries.node, &binaries.cli] {
            pages(program, &target.join("man"))?;
            completions(program, &target.join("completions"))?;
        }
        println!("{} and {}", target.join("man").display(), target.join("completions").display());
        Ok(())
    }
}

fn pages(program: &Path, dir: &Path) -> Result<()> {
    capture(Command::new(program).arg("man").arg(dir)).map(drop)
}

fn completions(program: &Path, dir: &Path) -> Result<()> {
    let name = program.file_name().and_then(|name| name.to_str()).context("programs have names")?;
    for (shell, file) in COMPLETIONS {
        let script = capture(Command::new(program).args(["completions", shell]))?;
        let file: PathBuf = dir.join(shell).join(file.replace("{name}", name));
        fs::create_dir_all(file.with_file_name(""))?;
        fs::write(&file, script).with_context(|| format!("can't write {}", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_packages_hold_every_page_and_every_script() {
        let project = Project::load().unwrap();
        for name in ["id-node", "id-cli"] {
            let manifest = project.root.join("crates").join(name).join("Cargo.toml");
            let manifest = fs::read_to_string(manifest).unwrap();
            let scripts = COMPLETIONS.map(|(shell, file)| format!("completions/{shell}/{file}"));
            let pages = "man/{name}*.1".to_owned();
            for made in scripts.into_iter().chain([pages]) {
                let asset = format!("[\"../../target/{}\",", made.replace("{name}", name));
                assert!(manifest.contains(&asset), "{name} lacks {asset}");
            }
        }
    }
}

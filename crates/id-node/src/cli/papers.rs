//! What a package holds besides the program: scripts for shells' completion, and manual pages.

use std::{
    fs,
    io::{Write, stdout},
    path::Path,
};

use anyhow::{Context, Result};
use clap_complete::Shell;

/// Prints a script that completes the arguments of `program` in `shell`.
pub(crate) fn completions(mut program: clap::Command, shell: Shell) -> Result<()> {
    let name = program.get_name().to_owned();
    // Into memory first: the generator panics if nobody reads its output.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, name, &mut script);
    let script = consistent(&String::from_utf8(script)?);
    stdout().write_all(script.as_bytes()).context("can't print the script")
}

/// clap_complete 4.6 spells a hyphen of the program's name in two ways in its script for bash, which then
/// completes nothing behind a command (clap's issue 6421). Where it doesn't, this changes nothing.
fn consistent(script: &str) -> String {
    script.replace("id__subcmd__node", "id__node")
}

/// Writes the manual pages of `program` into `dir`.
pub(crate) fn man(program: clap::Command, dir: &Path) -> Result<()> {
    let written = fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(program, dir));
    written.with_context(|| format!("can't write to {}", dir.display()))
}

//! `completions`: a script that completes this program's arguments in a shell.

use std::io::{Write, stdout};

use anyhow::Result;
use clap::CommandFactory;

use crate::{
    cli::{Cli, CompletionsArgs},
    exit::Exit,
};

pub(crate) fn run(args: &CompletionsArgs) -> Result<Exit> {
    // Into memory first: the generator panics if nobody reads its output.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "id-cli", &mut script);
    stdout().write_all(consistent(&String::from_utf8(script)?).as_bytes())?;
    Ok(Exit::Ok)
}

/// clap_complete 4.6 spells a hyphen of the program's name in two ways in its script for bash, which then
/// completes nothing behind a command (clap's issue 6421). Where it doesn't, this changes nothing.
fn consistent(script: &str) -> String {
    script.replace("id__subcmd__cli", "id__cli")
}

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
    stdout().write_all(&script)?;
    Ok(Exit::Ok)
}

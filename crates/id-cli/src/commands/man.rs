//! `man`: the manual pages of this program, one for each command, for whoever packages it.

use std::fs;

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::{
    cli::{Cli, ManArgs},
    exit::Exit,
};

pub(crate) fn run(args: &ManArgs) -> Result<Exit> {
    let dir = &args.dir;
    let written =
        fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Cli::command(), dir));
    written.with_context(|| format!("can't write to {}", dir.display()))?;
    Ok(Exit::Ok)
}

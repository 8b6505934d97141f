//! `id-cli`: lists, asks and crawls id nodes.
//!
//! Arguments ([`cli`]) become settings once ([`settings`]); a command ([`commands`]) does its work
//! with the libraries below, and renders one model ([`output`]). What `doctor` decides is in [`doctor`]. stdout is data, stderr is talk
//! ([`talk`]), and the exit code is decided in one place ([`exit`]).

mod cli;
mod commands;
mod doctor;
mod exit;
mod host;
mod interrupt;
mod output;
mod progress;
mod settings;
mod source;
mod talk;
mod transfer;

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use clap::{
    Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{cli::Cli, exit::Exit};

/// How long the end waits for what can't be cancelled, such as a name lookup of the system's.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let exit = match Cli::try_parse() {
        Ok(cli) => run(cli),
        Err(usage) => explain(&usage),
    };
    exit.into()
}

fn run(cli: Cli) -> Exit {
    talk::init_logs(cli.verbose);
    talk::outcome(perform(cli))
}

fn perform(cli: Cli) -> Result<Exit> {
    let runtime = tokio::runtime::Runtime::new().context("can't start the runtime")?;
    let outcome = runtime.block_on(commands::run(cli.invocation));
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    outcome
}

/// Prints a usage error, or the help or version that was asked for.
fn explain(usage: &clap::Error) -> Exit {
    // Nobody may be reading; the exit code says it too.
    let _ = usage.print();
    if let Some(ContextValue::String(arg)) = usage.get(ContextKind::InvalidArg)
        && usage.kind() == ErrorKind::ValueValidation
        && ["NODE", "PEER"].iter().any(|what| arg.contains(what))
    {
        talk::hint(
            "`id-node` prints its id and a ticket when it starts, `id-cli ticket` prints one later",
        );
    }
    if usage.use_stderr() { Exit::Usage } else { Exit::Ok }
}

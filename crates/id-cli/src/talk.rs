//! What the program says on stderr. stdout carries data only.
//!
//! `eprintln!` panics when nobody reads stderr; these don't mind.

use std::io::{IsTerminal, Write, stderr};

use anyhow::{Error, Result};
use tracing_subscriber::EnvFilter;

use id_render::sanitize;

use crate::exit::{Exit, Stop, is_closed_pipe};

/// What is logged unless `-v` or `RUST_LOG` say otherwise. The network stack reports as errors what
/// is an everyday event for us, such as a peer that is gone; so only our own crates are heard.
const FILTERS: [&str; 4] = [
    "off,id_cli=warn,id_client=warn,id_node=warn",
    "off,id_cli=info,id_client=info,id_node=info",
    "info,id_cli=debug,id_client=debug,id_node=debug",
    "debug,id_cli=trace,id_client=trace,id_node=trace",
];

/// Sends logs to stderr; each `-v` shows more of them.
pub(crate) fn init_logs(verbosity: u8) {
    let default = FILTERS[usize::from(verbosity).min(FILTERS.len() - 1)];
    let from_env = match verbosity {
        0 => EnvFilter::try_from_default_env().ok(),
        _ => None,
    };
    tracing_subscriber::fmt()
        .with_env_filter(from_env.unwrap_or_else(|| EnvFilter::new(default)))
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .init();
}

/// Says why a command ended without having done what was asked for, if it did.
pub(crate) fn outcome(outcome: Result<Exit>) -> Exit {
    outcome.unwrap_or_else(|failed| {
        error(&failed);
        Exit::of(&failed)
    })
}

fn error(error: &Error) {
    if is_closed_pipe(error) {
        return;
    }
    failure(&format!("{error:#}"));
    error.downcast_ref::<Stop>().into_iter().for_each(advise);
}

/// Says what a session can't do now, and what to try next.
pub(crate) fn stop(stop: &Stop) {
    note(&stop.message);
    advise(stop);
}

fn advise(stop: &Stop) {
    stop.hint.iter().for_each(|text| hint(text));
}

/// Says what is wrong.
pub(crate) fn failure(text: &str) {
    line("error", text);
}

/// Says what is not as the caller may think.
pub(crate) fn warning(text: &str) {
    line("warning", text);
}

/// Says what to try next.
pub(crate) fn hint(text: &str) {
    line("hint", text);
}

/// Says something that is neither wrong nor data.
pub(crate) fn note(text: &str) {
    let _ = writeln!(stderr(), "{}", sanitize::text(text));
}

fn line(kind: &str, text: &str) {
    note(&format!("{kind}: {text}"));
}

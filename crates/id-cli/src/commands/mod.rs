//! One command, one file, each with a `run` that takes its arguments and says how it ended.

mod completions;
pub(crate) mod diff;
mod explain;
mod peers;
mod ping;
mod status;
mod ticket;
pub(crate) mod watch;

use std::{future::Future, time::Duration};

use anyhow::{Context, Result};
use id_client::{
    AskError, FailKind,
    id_proto::iroh_base::{EndpointAddr, SecretKey},
    iroh::Endpoint,
};
use id_node::endpoint::{self, EndpointOptions, Relay};

use crate::{
    cli::Command,
    exit::{Exit, Stop},
};

/// How long closing the endpoint may take. Origin: those who were asked are told at once that we go;
/// the rest is waiting for those who no longer listen, and `--timeout` is to be kept.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(100);

/// Performs a command.
pub(crate) async fn run(command: Command) -> Result<Exit> {
    match command {
        Command::Peers(args) => peers::run(args).await,
        Command::Status(args) => status::run(args).await,
        Command::Explain(args) => explain::run(args).await,
        Command::Ping(args) => ping::run(args).await,
        Command::Ticket(args) => ticket::run(args).await,
        Command::Diff(args) => diff::run(&args),
        Command::Watch(args) => watch::run(&args).await,
        Command::Completions(args) => completions::run(&args),
    }
}

/// Lends `work` an endpoint, with a key of its own if none is given, and closes it however the work ends.
async fn with_endpoint<T>(
    relay: Relay,
    secret_key: Option<SecretKey>,
    work: impl AsyncFnOnce(Endpoint) -> Result<T>,
) -> Result<T> {
    let options = EndpointOptions { relay, secret_key, ..EndpointOptions::default() };
    let endpoint = endpoint::bind(options).await.context("can't open a socket")?;
    let outcome = work(endpoint.clone()).await;
    // A peer that doesn't hear of it will notice by itself.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, endpoint.close()).await;
    outcome
}

/// Asks one node after the other until one answers.
async fn ask_first<T, F>(nodes: &[EndpointAddr], ask: impl Fn(EndpointAddr) -> F) -> Result<T>
where
    F: Future<Output = Result<T, AskError>>,
{
    let mut first_failure = None;
    for node in nodes {
        match ask(node.clone()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                first_failure.get_or_insert((node, error));
            }
        }
    }
    Err(match first_failure {
        Some((node, error)) => not_reached(&node.id.to_string(), error.kind, &error.message).into(),
        None => Stop::usage("the ticket names no peer").into(),
    })
}

/// What to say when the only node that could be asked, or the first of them, failed.
fn not_reached(node_id: &str, kind: FailKind, message: &str) -> Stop {
    let short_id = crate::output::short_id(node_id);
    let stop = Stop::no_source(format!("{short_id} could not be asked: {kind} ({message})"));
    match hint(kind.as_str()) {
        Some(hint) => stop.with_hint(hint),
        None => stop,
    }
}

/// What to try after an error of [`id_client::FailKind`]'s list.
fn hint(error: &str) -> Option<&'static str> {
    Some(match error {
        "no_address" => "give its address too (id@ip:port), or a ticket",
        "forbidden_address" => "give its address yourself (id@ip:port) if you trust it",
        "timeout" => "is it running, is the address right, does a firewall drop UDP?",
        "refused" => {
            "what runs there is no id node, one that doesn't admit you, or one about to stop"
        }
        "handshake" => "another node runs at that address: is the id right?",
        "not_member" => "its network is private: give its --topic and --topic-secret-file",
        "not_operator" => "its operator names by --operator who may",
        "unsupported" => "it runs another release",
        "busy" => "try again later",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hint_belongs_to_an_error_that_exists() {
        let hints = FailKind::ALL.iter().filter_map(|kind| hint(kind.as_str()));
        assert_eq!(hints.count(), 9);
    }

    #[test]
    fn node_that_failed_is_named_with_what_it_said() {
        let stop = not_reached(&"ab".repeat(32), FailKind::NoAddress, "nowhere");
        assert_eq!(stop.to_string(), "ababababab could not be asked: no_address (nowhere)");
        assert_eq!(stop.exit, Exit::NoSource);
        assert!(stop.hint.is_some());
    }
}

//! One command, one file, each with a `run` that takes its arguments and says how it ended.

mod blobs;
mod completions;
pub(crate) mod diff;
mod doctor;
mod explain;
mod man;
mod peers;
mod ping;
mod repl;
mod status;
mod ticket;
pub(crate) mod watch;

use std::future::Future;

use anyhow::Result;
use id_client::{AskError, FailKind, id_proto::iroh_base::EndpointAddr};

use crate::{
    cli::{Command, Invocation},
    exit::{Exit, Stop},
    host::Host,
};

/// Does what the program was started for.
pub(crate) async fn run(invocation: Invocation) -> Result<Exit> {
    match invocation {
        Invocation::Command(command) => once(command).await,
        Invocation::Repl(args) => repl::run(args).await,
        Invocation::Completions(args) => completions::run(&args),
        Invocation::Man(args) => man::run(&args),
    }
}

async fn once(command: Command) -> Result<Exit> {
    let host = Host::once();
    let outcome = perform(command, &host).await;
    host.close().await;
    outcome
}

/// Performs a command.
async fn perform(command: Command, host: &Host) -> Result<Exit> {
    match command {
        Command::Peers(args) => peers::run(args, host).await,
        Command::Status(args) => status::run(args, host).await,
        Command::Explain(args) => explain::run(args, host).await,
        Command::Ping(args) => ping::run(args, host).await,
        Command::Doctor(args) => doctor::run(*args).await,
        Command::Ticket(args) => ticket::run(args, host).await,
        Command::Diff(args) => diff::run(&args),
        Command::Watch(args) => watch::run(&args, host).await,
        Command::Put(args) => blobs::put(args, host).await,
        Command::Get(args) => blobs::get(args, host).await,
        Command::Cat(args) => blobs::cat(args, host).await,
        Command::Ls(args) => blobs::ls(args, host).await,
        Command::Rm(args) => blobs::rm(args, host).await,
        Command::Mv(args) => blobs::mv(args, host).await,
        Command::Cp(args) => blobs::cp(args, host).await,
        Command::Find(args) => blobs::find(args, host).await,
    }
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
        "not_writer" => "its operator names by --allow-write who may",
        "not_found" => "`ls` and `find` say what there is",
        "name_taken" => "--force takes the name all the same",
        "unsupported" => "it runs another release, or keeps no blobs",
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
        assert_eq!(hints.count(), 12);
    }

    #[test]
    fn node_that_failed_is_named_with_what_it_said() {
        let stop = not_reached(&"ab".repeat(32), FailKind::NoAddress, "nowhere");
        assert_eq!(stop.to_string(), "ababababab could not be asked: no_address (nowhere)");
        assert_eq!(stop.exit, Exit::NoSource);
        assert!(stop.hint.is_some());
    }
}

//! `id-adversary`: everything that a stranger may do to a network of nodes, one role each.
//!
//! A test tool, not a weapon: it talks to loopback, private and link-local addresses only ([`guard`]),
//! and stops by itself. The roles are built on the wire types and on iroh, never on our own node or
//! client, whose good manners would get in the way. `cargo xtask adversary` starts it.

mod guard;
mod keys;
mod member;
mod persona;
mod roles;
mod server;
mod stage;
mod statements;
mod swarm_wire;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::{
    roles::{
        Role, connection_flooder::ConnectionFlooder, dht_squatter::DhtSquatter, forger::Forger,
        future_dater::FutureDater, infinite_graph::InfiniteGraph, liar::Liar,
        mute_neighbour::MuteNeighbour, oversizer::Oversizer, reflector::Reflector,
        replayer::Replayer, slow_loris::SlowLoris, sybil::Sybil, topic_guesser::TopicGuesser,
    },
    stage::StageArgs,
};

/// Does to nodes what a stranger may do. Loopback, private and link-local targets only.
///
/// Stops by itself after --secs. Roles that answer queries print `serving: ID@IP:PORT` first; the last
/// line of the output is a JSON object that says what was done.
#[derive(Debug, Parser)]
#[command(name = "id-adversary")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Has as many identities as it likes, announces them all, and names them when asked
    Sybil(Act<Sybil>),
    /// Announces in the name of others, with signatures that aren't theirs
    Forger(Act<Forger>),
    /// Repeats what honest nodes said, in ever new wrappings, also after they left
    Replayer(Act<Replayer>),
    /// Says things dated far ahead, just within the limit and far behind
    FutureDater(Act<FutureDater>),
    /// Answers ListPeers with a million identities, an endless stream, or forgeries
    Liar(Act<Liar>),
    /// Sends requests, and answers, a byte a second
    SlowLoris(Act<SlowLoris>),
    /// Claims frames of 4 GiB, and sends the longest messages that pass, and longer ones
    Oversizer(Act<Oversizer>),
    /// Names, whenever it is asked, new peers that are itself again
    InfiniteGraph(Act<InfiniteGraph>),
    /// Announces identities at other people's addresses, and counts what arrives there
    Reflector(Act<Reflector>),
    /// Opens thousands of connections, handshakes and streams
    ConnectionFlooder(Act<ConnectionFlooder>),
    /// An outsider of a private network: knows its topic's name and guesses the rest
    TopicGuesser(Act<TopicGuesser>),
    /// Overwrites the records of the topic in a DHT
    DhtSquatter(Act<DhtSquatter>),
    /// Joins the gossip topic and reads nothing any more
    MuteNeighbour(Act<MuteNeighbour>),
}

/// A role and its stage.
#[derive(Debug, Args)]
struct Act<R: Args> {
    #[command(flatten)]
    stage: StageArgs,
    #[command(flatten)]
    role: R,
}

impl<R: Args + Role> Act<R> {
    async fn perform(self) -> ExitCode {
        stage::perform(self.stage, self.role).await
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Sybil(act) => act.perform().await,
        Command::Forger(act) => act.perform().await,
        Command::Replayer(act) => act.perform().await,
        Command::FutureDater(act) => act.perform().await,
        Command::Liar(act) => act.perform().await,
        Command::SlowLoris(act) => act.perform().await,
        Command::Oversizer(act) => act.perform().await,
        Command::InfiniteGraph(act) => act.perform().await,
        Command::Reflector(act) => act.perform().await,
        Command::ConnectionFlooder(act) => act.perform().await,
        Command::TopicGuesser(act) => act.perform().await,
        Command::DhtSquatter(act) => act.perform().await,
        Command::MuteNeighbour(act) => act.perform().await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    const TARGET: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

    fn parse(role: &str, target: &str, more: &[&str]) -> Result<Cli, clap::Error> {
        let line = ["id-adversary", role, "--target", target];
        Cli::try_parse_from(line.iter().chain(more))
    }

    #[test]
    fn definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_role_takes_a_local_target_and_no_other() {
        for role in Cli::command().get_subcommands().map(|role| role.get_name().to_owned()) {
            let more: &[&str] = match role.as_str() {
                "dht-squatter" => &["--dht-bootstrap", "127.0.0.1:6881"],
                "reflector" => &["--victim", "127.0.0.2:9"],
                _ => &[],
            };
            parse(&role, &format!("{TARGET}@127.0.0.1:4433"), more).unwrap();
            for public in ["8.8.8.8:53", "127.0.0.1:1,8.8.8.8:53", "[2606:4700::1111]:443"] {
                let error = parse(&role, &format!("{TARGET}@{public}"), more).unwrap_err();
                assert!(error.to_string().contains("isn't local"), "{role}: {error}");
            }
        }
    }

    #[test]
    fn no_role_runs_for_ever() {
        let target = format!("{TARGET}@127.0.0.1:4433");
        assert!(parse("sybil", &target, &["--secs", "600"]).is_ok());
        for endless in ["0", "601", "-1"] {
            assert!(parse("sybil", &target, &["--secs", endless]).is_err(), "{endless}");
        }
    }
}

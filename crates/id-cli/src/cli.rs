//! Arguments as they are given. [`crate::settings`] makes sense of them, once.

mod blobs;
mod crawl;
mod doctor;
mod repl;
mod watch;

use std::{num::NonZeroUsize, path::PathBuf, str::FromStr, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand};
use clap_complete::Shell;
use id_client::id_proto::{ParsePeerError, PeerRef};
use id_node::{config::parse_dns_names, endpoint::Relay};

pub(crate) use self::{
    blobs::{
        AtArgs, CatArgs, CpArgs, FindArgs, From, FromTo, GetArgs, KeeperArgs, LsArgs, MvArgs,
        PutArgs, RmArgs,
    },
    crawl::CrawlArgs,
    doctor::DoctorArgs,
    repl::{Line, ReplArgs, Wish},
    watch::WatchArgs,
};
use crate::{output::Format, progress::ProgressMode};

const AFTER_HELP: &str = "\
NODE and PEER are a node id, a node id with addresses (id@ip:port[,ip:port]), or a ticket.
A flag beats its environment variable. docs/scripts.md tells the rest.

Exit codes: 0 ok, 1 failure, 2 usage, 3 condition unmet, 4 stopped early (what there was is
printed), 5 no source could be reached, 130 interrupted (what there was is printed).";

const PEERS_EXAMPLES: &str = "\
Examples:
  id-cli peers                                 whom does this machine's node know?
  id-cli peers --depth -1                      … and whom do they, and so on?
  id-cli peers idticket… --json | jq .summary
  id-cli peers --format tsv | cut -f1          node ids only
  id-cli peers --min-peers 5 --format tsv >/dev/null || echo 'too few'
  id-cli peers --depth -1 --check              do all see one network?
  id-cli peers --gossip --timeout 60           without asking anybody: who announces itself?
  id-cli peers --depth -1 --format svg >peers.svg
  id-cli peers --depth -1 --timeout 600 --resume crawl.jsonl
  id-cli peers idticket… --depth -1 --discover
                                               teach this machine's node what is found

The table is for eyes; scripts use tsv, json or jsonl.";

const STATUS_EXAMPLES: &str = "\
Examples:
  id-cli status                                who is this machine's node, and how is it doing?
  id-cli whoami idticket…                      … and somebody else's?
  id-cli status --json | jq .status.counters";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  id-cli completions bash >~/.local/share/bash-completion/completions/id-cli
  id-cli completions zsh >~/.zfunc/_id-cli
  id-cli completions fish >~/.config/fish/completions/id-cli.fish";

const PING_EXAMPLES: &str = "\
Examples:
  id-cli ping idticket…
  id-cli ping -c 3 9f86…@192.0.2.7:4433";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  id-cli explain 9f86…                         what does this machine's node know of that peer?
  id-cli explain 9f86… --at idticket…          … and somebody else's node?
  id-cli explain 9f86… --json | jq .last_refusal

NODE is the peer in question; it isn't asked itself. What is printed is the word of the node that is
asked, but for the announcement, whose signature is checked here.";

const DIFF_EXAMPLES: &str = "\
Examples:
  id-cli peers --depth -1 --json --edges >monday.json
  id-cli peers --depth -1 --json --edges >tuesday.json
  id-cli diff monday.json tuesday.json
  id-cli diff monday.json tuesday.json --json | jq -r '.went[].node_id'

+ came, - went, ~ changed; an edge, from -> to, is there if both documents have edges.

Exit codes: 0 the same, 1 different, 2 trouble.";

const TICKET_EXAMPLES: &str = "\
Examples:
  id-node --bootstrap \"$(id-cli ticket)\"      join the network of this machine's node
  id-cli ticket --topic office --topic-secret-file secret --with-secret
                                               whoever gets it needs nothing else";

/// Lists, asks and crawls id nodes.
#[derive(Debug, Parser)]
#[command(name = "id-cli", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) invocation: Invocation,

    /// Log more; twice and thrice for debugging
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// What the program is started for.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "a program has one")]
pub(crate) enum Invocation {
    #[command(flatten)]
    Command(Command),
    /// Read commands line by line, from a terminal or a pipe
    Repl(ReplArgs),
    /// Print a script that completes this program's arguments
    Completions(CompletionsArgs),
    /// Write the manual pages of this program into a directory
    #[command(hide = true)]
    Man(ManArgs),
}

/// What can be done once, and in a session again and again.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the peers that nodes know
    Peers(PeersArgs),
    /// Ask a node who it is and how it is doing
    #[command(visible_alias = "whoami")]
    Status(StatusArgs),
    /// Ask a node what it knows of a peer, and why it believes it
    Explain(ExplainArgs),
    /// Find out whether a node is there, and how it is reached
    Ping(PingArgs),
    /// Find out why a node has no peers: step by step, from its key to its neighbours
    Doctor(Box<DoctorArgs>),
    /// Print a ticket through which others find a node's network
    Ticket(TicketArgs),
    /// Compare two documents that `peers --json` wrote: who came, went, changed
    Diff(DiffArgs),
    /// List the peers that nodes know again and again, and print who comes, goes and changes
    Watch(WatchArgs),
    /// Let a node keep files, and give them names
    Put(PutArgs),
    /// Fetch a file that a node keeps
    Get(GetArgs),
    /// Print a file that a node keeps
    Cat(CatArgs),
    /// List the names of what a node keeps
    Ls(LsArgs),
    /// Let a node forget names
    Rm(RmArgs),
    /// Change a name
    Mv(MvArgs),
    /// Add a name
    Cp(CpArgs),
    /// List the names with a text in them, the best match first
    Find(FindArgs),
}

/// Arguments of `peers`.
#[derive(Debug, Args)]
#[command(after_help = PEERS_EXAMPLES)]
pub(crate) struct PeersArgs {
    /// Node to start from [default: the one that runs on this machine]
    pub(crate) node: Option<PeerRef>,

    /// Ask nodes for the peers that they know [default, if there is a node to ask]
    #[arg(long, conflicts_with = "gossip")]
    pub(crate) rpc: bool,

    /// Listen in the topic for nodes that announce themselves, without announcing anything
    #[arg(long)]
    pub(crate) gossip: bool,

    #[command(flatten)]
    pub(crate) crawl: CrawlArgs,

    /// When listening: don't look for nodes on the local network
    #[arg(long, env = "ID_CLI_NO_MDNS", hide_env_values = true, num_args = 0..=1,
          require_equals = true, default_value_t = false, default_missing_value = "true",
          hide_default_value = true, hide_possible_values = true)]
    pub(crate) no_mdns: bool,

    /// When listening: join through the peers that the TXT records of these DNS names name
    #[arg(long, value_name = "NAME,…", env = "ID_CLI_BOOTSTRAP_DNS", hide_env_values = true)]
    pub(crate) bootstrap_dns: Option<DnsNames>,

    /// End with exit code 3 if fewer peers are known in the end
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) min_peers: usize,

    /// Compare what those who answer know of each other; end with exit code 3 if they are several
    /// networks, or if that can't be said
    #[arg(long, conflicts_with = "gossip")]
    pub(crate) check: bool,

    /// Note in this file what is found, and go on from what a crawl that was killed has noted there: who
    /// answered isn't asked again
    #[arg(long, value_name = "FILE", conflicts_with = "gossip")]
    pub(crate) resume: Option<PathBuf>,

    /// Hand the peers that were found to this machine's node, which takes in whom it believes; whoever
    /// may read its data directory may
    #[arg(long, conflicts_with = "discover_to")]
    pub(crate) discover: bool,

    /// Hand them to this node, whose operator has named the key's id by --operator
    #[arg(long, value_name = "NODE", requires = "operator_key")]
    pub(crate) discover_to: Option<PeerRef>,

    /// As whom to hand them over: a file that nobody else may read, with 64 hex digits
    #[arg(long, value_name = "FILE", requires = "discover_to")]
    pub(crate) operator_key: Option<PathBuf>,

    /// How to print the peers
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,

    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,

    /// Print who named whom as well, and how long ago it had heard of it: in json and jsonl; dot, graphml
    /// and (without ages) svg always do
    #[arg(long)]
    pub(crate) edges: bool,

    /// What to say on stderr meanwhile
    #[arg(long, value_enum, value_name = "MODE", default_value_t = ProgressMode::Auto)]
    pub(crate) progress: ProgressMode,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
#[command(after_help = STATUS_EXAMPLES)]
pub(crate) struct StatusArgs {
    /// Node to ask [default: the one that runs on this machine]
    pub(crate) node: Option<PeerRef>,

    /// Print a JSON document
    #[arg(long)]
    pub(crate) json: bool,

    /// How long the node may take to answer, in seconds
    #[arg(long, value_name = "SECS", default_value = "10", value_parser = parse_secs)]
    pub(crate) timeout: Duration,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(after_help = EXPLAIN_EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// Peer to explain
    pub(crate) node: PeerRef,

    /// Node to ask; `local` is the one that runs on this machine
    #[arg(long, value_name = "NODE|local", default_value = "local")]
    pub(crate) at: At,

    /// Print a JSON document
    #[arg(long)]
    pub(crate) json: bool,

    /// How long the node may take to answer, in seconds
    #[arg(long, value_name = "SECS", default_value = "10", value_parser = parse_secs)]
    pub(crate) timeout: Duration,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// Arguments of `ping`.
#[derive(Debug, Args)]
#[command(after_help = PING_EXAMPLES)]
pub(crate) struct PingArgs {
    /// Node to ping [default: the one that runs on this machine]
    pub(crate) node: Option<PeerRef>,

    /// How often; each time a new connection is made
    #[arg(short, long, value_name = "N", default_value = "1")]
    pub(crate) count: NonZeroUsize,

    /// How long each ping may take, in seconds
    #[arg(long, value_name = "SECS", default_value = "10", value_parser = parse_secs)]
    pub(crate) timeout: Duration,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// Arguments of `ticket`.
#[derive(Debug, Args)]
#[command(after_help = TICKET_EXAMPLES)]
pub(crate) struct TicketArgs {
    /// Node to lead to [default: the one that runs on this machine]
    pub(crate) node: Option<PeerRef>,

    /// Put topic and secret into the ticket: whoever holds it is let in
    #[arg(long)]
    pub(crate) with_secret: bool,

    /// How long the node may take to answer, in seconds
    #[arg(long, value_name = "SECS", default_value = "10", value_parser = parse_secs)]
    pub(crate) timeout: Duration,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
#[command(after_help = DIFF_EXAMPLES)]
pub(crate) struct DiffArgs {
    /// The older document
    pub(crate) a: PathBuf,

    /// The newer document
    pub(crate) b: PathBuf,

    /// Print a JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Where to; made if it isn't there
    pub(crate) dir: PathBuf,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// For which shell
    pub(crate) shell: Shell,
}

/// Arguments that say in which network to look, and how to reach it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    /// The network's topic [default: the ticket's, if it invites, else id-peer-discovery-v1]
    #[arg(long, value_name = "NAME", env = "ID_CLI_TOPIC", hide_env_values = true)]
    pub(crate) topic: Option<String>,

    /// The network's secret. Everybody on this machine can read a command line: better use the file
    /// or the variable [env: ID_CLI_TOPIC_SECRET]
    #[arg(long, value_name = "SECRET", conflicts_with = "topic_secret_file")]
    pub(crate) topic_secret: Option<String>,

    /// Read the network's secret from this file [env: ID_CLI_TOPIC_SECRET_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) topic_secret_file: Option<PathBuf>,

    /// Relays: disabled (contact no third party), default (n0's relays and lookup services), or at
    /// most 4 URLs [default: default on the public network, disabled on a private one] [env:
    /// ID_CLI_RELAY]
    #[arg(long, value_name = "disabled|default|URL,…", conflicts_with = "no_relay")]
    pub(crate) relay: Option<Relay>,

    /// The same as --relay disabled
    #[arg(long)]
    pub(crate) no_relay: bool,

    /// Data directory of this machine's node [default: $STATE_DIRECTORY, else the user's]
    #[arg(long, value_name = "DIR", env = "ID_CLI_DATA_DIR", hide_env_values = true)]
    pub(crate) data_dir: Option<PathBuf>,
}

/// Whom to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum At {
    /// This machine's node.
    Local,
    /// This one.
    Node(PeerRef),
}

impl FromStr for At {
    type Err = ParsePeerError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "local" => Ok(Self::Local),
            node => node.parse().map(Self::Node),
        }
    }
}

/// Peers, separated by commas.
#[derive(Debug, Clone)]
pub(crate) struct PeerList(pub(crate) Vec<PeerRef>);

impl FromStr for PeerList {
    type Err = ParsePeerError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        PeerRef::parse_list(s).map(Self)
    }
}

/// Names to ask the DNS for, separated by commas.
#[derive(Debug, Clone)]
pub(crate) struct DnsNames(pub(crate) Vec<String>);

impl FromStr for DnsNames {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        parse_dns_names(s).map(Self)
    }
}

fn parse_secs(text: &str) -> Result<Duration, String> {
    let secs: f64 = text.parse().map_err(|_| "a number of seconds is expected".to_owned())?;
    let duration = Duration::try_from_secs_f64(secs).ok().filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| "more than 0 seconds are expected".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use id_client::id_proto::DEFAULT_TOPIC;

    use super::*;

    const ID: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

    fn peers(args: &[&str]) -> Result<PeersArgs, clap::Error> {
        let command_line = ["id-cli", "peers"].iter().chain(args);
        match Cli::try_parse_from(command_line)?.invocation {
            Invocation::Command(Command::Peers(args)) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn definition_is_sound() {
        Cli::command().debug_assert();
    }

    /// What of a line of examples runs this program: the words of each call.
    fn calls(line: &str) -> Vec<Vec<String>> {
        let invitation = None;
        let network_tag = id_client::id_proto::Network::public().tag();
        let peers = vec![ID.parse::<id_client::id_proto::iroh_base::PublicKey>().unwrap().into()];
        let ticket = id_client::id_proto::Ticket { network_tag, peers, invitation };
        // What stands behind two spaces says what the example is for.
        let line = line.trim_start().split("  ").next().unwrap_or_default();
        let line = line.replace("idticket…", &ticket.to_string()).replace("9f86…", ID);
        let words = shlex::split(&line.replace("\"$(", "| ").replace(")\"", ""));
        // Prose has apostrophes.
        assert!(words.is_some() || !line.starts_with("id-"), "{line}");
        let words = words.unwrap_or_default();
        let calls = words.split(|word| ["|", "||", "&&", ";"].contains(&word.as_str()));
        let no_redirection = |word: &&String| !word.starts_with(['<', '>']);
        let of_call = |call: &[String]| call.iter().filter(no_redirection).cloned().collect();
        let calls = calls.map(of_call).filter(|call: &Vec<String>| !call.is_empty());
        calls.filter(|call| call[0] == "id-cli").collect()
    }

    #[test]
    fn every_example_of_every_command_parses() {
        let cli = Cli::command();
        for command in cli.get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = command.get_name();
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let (_, examples) = help.split_once("Examples:\n").unwrap_or_default();
            let examples = examples.lines().take_while(|line| line.starts_with("  "));
            let calls: Vec<_> = examples.flat_map(calls).collect();
            let is_own = |call: &Vec<String>| {
                call.get(1) == Some(&name.to_owned())
                    || command
                        .get_visible_aliases()
                        .any(|alias| call.get(1).is_some_and(|it| it == alias))
            };
            assert!(calls.iter().any(is_own), "`{name} --help` has no example");
            for call in calls {
                assert!(Cli::try_parse_from(&call).is_ok(), "{name}: {call:?}");
            }
        }
    }

    #[test]
    fn example_is_read_as_a_shell_would_read_it() {
        let call = |line| calls(line).iter().map(|call| call.join(" ")).collect::<Vec<_>>();
        assert_eq!(call("  id-cli peers --json | jq .summary"), ["id-cli peers --json"]);
        assert_eq!(call("  id-cli diff a b >/dev/null || echo 'id-cli'"), ["id-cli diff a b"]);
        assert_eq!(call("  id-node --bootstrap \"$(id-cli ticket)\"  joins"), ["id-cli ticket"]);
        assert_eq!(call("  id-cli ping   is it there?"), ["id-cli ping"]);
    }

    #[test]
    fn help_names_the_default_topic() {
        let help = Cli::command().find_subcommand_mut("peers").unwrap().render_long_help();
        assert!(help.to_string().contains(DEFAULT_TOPIC));
    }

    #[test]
    fn help_and_usage_errors_show_no_secret() {
        let error = peers(&["--topic-secret", "hunter2", "--depth", "x"]).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn depth_is_a_number_of_hops_or_minus_one() {
        assert_eq!(peers(&[]).unwrap().crawl.depth, 1);
        assert_eq!(peers(&["--depth", "0"]).unwrap().crawl.depth, 0);
        assert_eq!(peers(&["--depth", "-1"]).unwrap().crawl.depth, -1);
        assert_eq!(peers(&["--depth=-1"]).unwrap().crawl.depth, -1);
        for wrong in ["-2", "1.5", "", "all", "3000000000"] {
            assert!(peers(&["--depth", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn time_is_positive_and_may_be_a_fraction() {
        assert_eq!(
            peers(&["--timeout", "2.5"]).unwrap().crawl.timeout,
            Duration::from_millis(2500)
        );
        for wrong in ["0", "-1", "nan", "inf", "1e300", "soon", ""] {
            assert!(peers(&["--timeout", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_peers_and_no_concurrency_make_no_sense() {
        assert!(peers(&["--max-peers", "0"]).is_err());
        assert!(peers(&["--concurrency", "0"]).is_err());
    }

    #[test]
    fn local_network_is_looked_at_unless_that_is_forbidden() {
        assert!(!peers(&[]).unwrap().no_mdns);
        assert!(peers(&["--no-mdns"]).unwrap().no_mdns);
        assert!(!peers(&["--no-mdns=false"]).unwrap().no_mdns);
    }

    #[test]
    fn dns_names_are_checked_before_anybody_is_asked() {
        let names = peers(&["--bootstrap-dns", "a.example,b.example"]).unwrap().bootstrap_dns;
        assert_eq!(names.unwrap().0, ["a.example", "b.example"]);
        assert!(peers(&["--bootstrap-dns", "not a name"]).is_err());
    }

    #[test]
    fn whom_to_ask_is_this_machines_node_unless_another_one_is_named() {
        let id = ID;
        let at = |args: &[&str]| match Cli::try_parse_from(
            [&["id-cli", "explain", id], args].concat(),
        ) {
            Ok(Cli { invocation: Invocation::Command(Command::Explain(args)), .. }) => {
                Some(args.at)
            }
            _ => None,
        };
        assert_eq!(at(&[]), Some(At::Local));
        assert_eq!(at(&["--at", "local"]), Some(At::Local));
        assert_eq!(at(&["--at", id]), Some(At::Node(id.parse().unwrap())));
        assert_eq!(at(&["--at", "elsewhere"]), None);
    }

    #[test]
    fn what_excludes_each_other_is_refused() {
        assert!(peers(&["--rpc", "--gossip"]).is_err());
        assert!(peers(&["--resume", "file", "--gossip"]).is_err());
        assert!(peers(&["--json", "--format", "tsv"]).is_err());
        assert!(peers(&["--discover", "--discover-to", ID, "--operator-key", "file"]).is_err());
        assert!(peers(&["--discover-to", ID]).is_err(), "as whom?");
        assert!(peers(&["--operator-key", "file"]).is_err(), "for what?");
        assert!(peers(&["--discover-to", ID, "--operator-key", "file"]).is_ok());
        assert!(peers(&["--gossip", "--discover"]).is_ok());
        assert!(peers(&["--relay", "default", "--no-relay"]).is_err());
        assert!(peers(&["--topic-secret", "a", "--topic-secret-file", "b"]).is_err());
    }
}

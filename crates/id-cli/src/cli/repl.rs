//! Arguments of `repl`, and its lines.

use clap::{
    ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, parser::ValueSource,
};
use id_client::id_proto::PeerRef;

use super::{
    At, CatArgs, Command, CpArgs, FindArgs, From, FromTo, GetArgs, LsArgs, MvArgs, NetworkArgs,
    RmArgs,
};

const EXAMPLES: &str = "\
Examples:
  id-cli repl                                  ask this machine's node, line by line
  id-cli repl idticket…                        … or somebody else's
  printf 'status\\nping -c 3\\n' | id-cli repl   … or what a script has to ask, in one session
  id-cli repl --keep-going <questions

A line is a command with its flags, as id-cli takes them, in a shell's quotes; # begins a comment. A
word @NODE stands for a node that the last `peers` found, by its name or the first digits of its id.
`help` lists the commands; `quit` or Ctrl-D ends. Ctrl-C ends the command that runs.

From a pipe, the first line that fails ends the script, with the exit code of its command.";

const LINE_HELP: &str = "\
NODE: a node id, id@ip:port[,ip:port], a ticket, or @ with the name or the first digits of the id of
a node that the last `peers` found. `peers --help` tells more of peers.";

/// Arguments of `repl`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplArgs {
    /// Node to ask where a line names none [default: the one that runs on this machine]
    pub(crate) node: Option<PeerRef>,

    /// From a pipe: go on after a line that failed, and end with the exit code of the first that did
    #[arg(long)]
    pub(crate) keep_going: bool,

    /// Neither read nor write the history of earlier sessions
    #[arg(long)]
    pub(crate) no_history: bool,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// A line of a session: the very commands of the program, and the end.
#[derive(Debug, Parser)]
#[command(multicall = true, after_help = LINE_HELP)]
pub(crate) struct Line {
    #[command(subcommand)]
    pub(crate) wish: Wish,
}

/// What a line asks for.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub(crate) enum Wish {
    #[command(flatten)]
    Command(Command),
    /// End the session
    #[command(visible_alias = "exit")]
    Quit,
}

impl Line {
    /// What the words say, and where they don't say it, what the session was started with.
    pub(crate) fn parse(words: &[String], session: &ReplArgs) -> Result<Self, clap::Error> {
        let mut matches = Self::command().try_get_matches_from(words)?;
        let line = Self::from_arg_matches(&matches)?;
        let Wish::Command(mut command) = line.wish else {
            return Ok(line);
        };
        if let Some((_, said)) = matches.remove_subcommand() {
            command.fill_in(&said, session);
        }
        Ok(Self { wish: Wish::Command(command) })
    }
}

impl Command {
    fn fill_in(&mut self, said: &ArgMatches, session: &ReplArgs) {
        let (node, network) = match self {
            Self::Peers(args) => (Some(&mut args.node), &mut args.network),
            Self::Status(args) => (Some(&mut args.node), &mut args.network),
            Self::Ping(args) => (Some(&mut args.node), &mut args.network),
            Self::Ticket(args) => (Some(&mut args.node), &mut args.network),
            Self::Watch(args) => (Some(&mut args.node), &mut args.network),
            Self::Explain(args) => {
                if let (ValueSource::DefaultValue, Some(node)) = (source(said, "at"), &session.node)
                {
                    args.at = At::Node(node.clone());
                }
                (None, &mut args.network)
            }
            Self::Put(args) => (Some(&mut args.to), &mut args.ask.network),
            Self::Get(GetArgs { from, ask, .. }) | Self::Cat(CatArgs { from, ask, .. }) => {
                if let (None, Some(node)) = (&from, &session.node) {
                    *from = Some(From::Node(node.clone()));
                }
                (None, &mut ask.network)
            }
            Self::Ls(LsArgs { at, .. })
            | Self::Rm(RmArgs { at, .. })
            | Self::Mv(MvArgs { names: FromTo { at, .. } })
            | Self::Cp(CpArgs { names: FromTo { at, .. } })
            | Self::Find(FindArgs { at, .. }) => (Some(&mut at.at), &mut at.ask.network),
            // It reads what the node itself would read.
            Self::Diff(_) | Self::Doctor(_) => return,
        };
        if let Some(node) = node
            && node.is_none()
        {
            node.clone_from(&session.node);
        }
        network.fill_in(said, &session.network);
    }
}

impl NetworkArgs {
    /// Variables were read when the session was started, and its flags beat them.
    fn fill_in(&mut self, said: &ArgMatches, session: &Self) {
        let is_said = |id| source(said, id) == ValueSource::CommandLine;
        if !is_said("topic") {
            self.topic.clone_from(&session.topic);
        }
        if !is_said("data_dir") {
            self.data_dir.clone_from(&session.data_dir);
        }
        if self.topic_secret.is_none() && self.topic_secret_file.is_none() {
            self.topic_secret.clone_from(&session.topic_secret);
            self.topic_secret_file.clone_from(&session.topic_secret_file);
        }
        if self.relay.is_none() && !self.no_relay {
            self.relay.clone_from(&session.relay);
            self.no_relay = session.no_relay;
        }
    }
}

fn source(said: &ArgMatches, id: &str) -> ValueSource {
    said.value_source(id).unwrap_or(ValueSource::DefaultValue)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Invocation};

    const ID: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

    fn session(args: &[&str]) -> ReplArgs {
        let command_line = ["id-cli", "repl"].iter().chain(args);
        match Cli::try_parse_from(command_line).unwrap().invocation {
            Invocation::Repl(args) => args,
            other => panic!("{other:?}"),
        }
    }

    fn command(line: &str, session: &ReplArgs) -> Command {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        match Line::parse(&words, session).unwrap().wish {
            Wish::Command(command) => command,
            Wish::Quit => panic!("quit"),
        }
    }

    #[test]
    fn definition_is_sound() {
        Line::command().debug_assert();
    }

    #[test]
    fn line_that_names_no_node_means_the_sessions() {
        let here = session(&[]);
        let there = session(&[ID]);
        let node = |line: &str, session: &ReplArgs| match command(line, session) {
            Command::Peers(args) => args.node,
            Command::Status(args) => args.node,
            Command::Ping(args) => args.node,
            Command::Ticket(args) => args.node,
            Command::Watch(args) => args.node,
            other => panic!("{other:?}"),
        };
        let other = ID.replace("8a88", "ed49");
        for command in ["peers", "status", "whoami", "ping", "ticket", "watch"] {
            assert_eq!(node(command, &here), None);
            assert_eq!(node(command, &there), there.node);
            let named = other.parse();
            if let Ok(named) = named {
                assert_eq!(node(&format!("{command} {other}"), &there), Some(named));
            }
        }
    }

    #[test]
    fn explained_by_the_sessions_node_unless_another_one_is_named() {
        let at = |line: &str, session: &ReplArgs| match command(line, session) {
            Command::Explain(args) => args.at,
            other => panic!("{other:?}"),
        };
        let there = session(&[ID]);
        assert_eq!(at(&format!("explain {ID}"), &session(&[])), At::Local);
        assert_eq!(at(&format!("explain {ID}"), &there), At::Node(ID.parse().unwrap()));
        assert_eq!(at(&format!("explain {ID} --at local"), &there), At::Local);
    }

    #[test]
    fn network_is_the_sessions_unless_a_line_says_otherwise() {
        let office = session(&["--topic", "office", "--topic-secret-file", "secret", "--no-relay"]);
        let network = |line: &str| match command(line, &office) {
            Command::Status(args) => args.network,
            other => panic!("{other:?}"),
        };
        let said = network("status");
        assert_eq!(said.topic.as_deref(), Some("office"));
        assert_eq!(said.topic_secret_file, Some("secret".into()));
        assert!(said.no_relay);
        let other = network("status --topic home --topic-secret-file other --relay default");
        assert_eq!(other.topic.as_deref(), Some("home"));
        assert_eq!(other.topic_secret_file, Some("other".into()));
        assert!(other.relay.is_some() && !other.no_relay);
    }

    #[test]
    fn what_needs_a_session_or_a_shell_is_no_line() {
        for line in ["repl", "completions bash", "--version", "-v", "peers -v", "nonsense"] {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            assert!(Line::parse(&words, &session(&[])).is_err(), "{line}");
        }
        for line in ["quit", "exit"] {
            let parsed = Line::parse(&[line.to_owned()], &session(&[])).unwrap();
            assert!(matches!(parsed.wish, Wish::Quit));
        }
    }
}

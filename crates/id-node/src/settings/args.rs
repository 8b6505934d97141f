//! Flags and environment variables, as they are given. [`super::Settings`] makes sense of them.

use std::{
    fmt::{self, Display},
    net::SocketAddr,
    path::PathBuf,
};

use clap::{
    ArgAction, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
    parser::ValueSource,
};
use clap_complete::Shell;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{
    AnnounceAddrs,
    config_file::{ConfigFile, LogFormat, LogLevel},
    endpoint::Relay,
    http::Listen,
};

const EXAMPLES: &str = "\
Examples:
  id-node                                      join the public network
  id-node --bootstrap idticket…                join through somebody's ticket
  id-node --topic-secret-file secret --topic office
                                               a private network
  id-node --bind 127.0.0.1:0 --no-dht --no-relay --ephemeral
                                               try it on this machine alone
  id-node --config /etc/id-node/id-node.toml config show
                                               what is set, and where
  id-node completions bash >~/.local/share/bash-completion/completions/id-node

A flag beats its environment variable, which beats the configuration file.
SIGINT or SIGTERM: says goodbye and ends; a second one ends it at once.
SIGHUP: reads the configuration file and the lists of nodes again, and takes over who is denied,
allowed, an operator and a writer, the name, whom to join through and how much to log. If anything is wrong,
all stays as it is, and the log says what.";

/// Joins a network of id nodes, and serves the list of its peers.
#[derive(Debug, Clone, Parser)]
#[command(version, after_help = EXAMPLES)]
pub struct Args {
    /// Read settings from this TOML file; its keys are the flags' names
    #[arg(long, value_name = "FILE", env = "ID_NODE_CONFIG")]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    pub options: Options,

    /// Log more: as --log-level info does, twice as debug, three times as all; beats it
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,

    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do instead of running a node.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Look at the settings
    #[command(subcommand)]
    Config(Config),
    /// Print a script that completes this program's arguments
    Completions {
        /// For which shell
        shell: Shell,
    },
    /// Write the manual pages of this program into a directory
    #[command(hide = true)]
    Man {
        /// Where to; made if it isn't there
        dir: PathBuf,
    },
}

/// What to do with the settings.
#[derive(Debug, Clone, Subcommand)]
pub enum Config {
    /// Show the settings in force, each with where it comes from; secrets are hidden
    ///
    /// What is printed is a configuration file. The same flags as for running a node are taken, and the same
    /// variables are heeded.
    Show(Show),
}

/// How to show the settings.
#[derive(Debug, Clone, clap::Args)]
pub struct Show {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What can be set by a flag, a variable or a key of the configuration file.
#[derive(Clone, Default, clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Options {
    /// Where identity and known peers are kept [default: $STATE_DIRECTORY, else the user's data
    /// directory]
    #[arg(long, value_name = "DIR", env = "ID_NODE_DATA_DIR")]
    #[serde(serialize_with = "as_path")]
    pub data_dir: Option<PathBuf>,

    /// Keep nothing on disk: a new identity at every start
    #[arg(long, env = "ID_NODE_EPHEMERAL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub ephemeral: Option<bool>,

    /// What others shall call this node
    #[arg(long, env = "ID_NODE_NAME")]
    pub name: Option<String>,

    /// The network's topic [default: that of a ticket that invites, else id-peer-discovery-v1]
    #[arg(long, value_name = "NAME", env = "ID_NODE_TOPIC")]
    pub topic: Option<String>,

    /// The network's secret, which makes it private. Others on this machine can read a command
    /// line: better use the file
    #[arg(long, value_name = "SECRET", env = "ID_NODE_TOPIC_SECRET", hide_env_values = true)]
    pub topic_secret: Option<String>,

    /// Read the network's secret from this file [default: $CREDENTIALS_DIRECTORY/topic-secret]
    #[arg(long, value_name = "FILE", env = "ID_NODE_TOPIC_SECRET_FILE")]
    #[serde(serialize_with = "as_path")]
    pub topic_secret_file: Option<PathBuf>,

    /// Join through these peers: node ids, `id@ip:port[,ip:port]`, or tickets
    #[arg(long, value_name = "PEER,…", env = "ID_NODE_BOOTSTRAP")]
    pub bootstrap: Option<String>,

    /// Have nothing to do with these nodes, by their ids: refuse what they say, drop them from the table,
    /// tell nobody of them, don't dial them, and take no connection of theirs
    #[arg(long, value_name = "NODE,…", env = "ID_NODE_DENY")]
    pub deny: Option<String>,

    /// The same with those that this file lists: one id a line, `#` begins a comment. Read again on
    /// SIGHUP
    #[arg(long, value_name = "FILE", env = "ID_NODE_DENY_FILE")]
    #[serde(serialize_with = "as_path")]
    pub deny_file: Option<PathBuf>,

    /// Have to do with these nodes only; --deny beats it
    #[arg(long, value_name = "NODE,…", env = "ID_NODE_ALLOW")]
    pub allow: Option<String>,

    /// The same with those that this file lists, as --deny-file does; with --allow, both count
    #[arg(long, value_name = "FILE", env = "ID_NODE_ALLOW_FILE")]
    #[serde(serialize_with = "as_path")]
    pub allow_file: Option<PathBuf>,

    /// Take in the peers that these hand over, by their ids, if what they hand over passes all checks.
    /// Whoever may read the data directory may hand peers over in any case: id-cli peers --discover
    #[arg(long, value_name = "NODE,…", env = "ID_NODE_OPERATOR")]
    pub operator: Option<String>,

    /// Let these change the names of this node's blobs, and send it blobs, by their ids. Operators may, too,
    /// and whoever may read the data directory: id-cli put, rm, mv, cp
    #[arg(long, value_name = "NODE,…", env = "ID_NODE_ALLOW_WRITE")]
    pub allow_write: Option<String>,

    /// Hold no blobs: neither keep nor serve any, and leave those that are there alone
    #[arg(long, env = "ID_NODE_NO_BLOBS", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_blobs: Option<bool>,

    /// Don't join the gossip topic
    #[arg(long, env = "ID_NODE_NO_GOSSIP", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_gossip: Option<bool>,

    /// Don't look for peers in the mainline DHT [default: false on the public network, true on a
    /// private one without --dht-bootstrap]
    #[arg(long, env = "ID_NODE_NO_DHT", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_dht: Option<bool>,

    /// Enter a private DHT through these nodes, instead of the public one
    #[arg(long, value_name = "HOST:PORT,…", env = "ID_NODE_DHT_BOOTSTRAP")]
    pub dht_bootstrap: Option<String>,

    /// Don't look for peers on the local network, and don't be found there [default: false; true where
    /// --bind names a loopback address]
    #[arg(long, env = "ID_NODE_NO_MDNS", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_mdns: Option<bool>,

    /// Join through the peers that the TXT records of these DNS names name, while there is no neighbour
    #[arg(long, value_name = "NAME,…", env = "ID_NODE_BOOTSTRAP_DNS")]
    pub bootstrap_dns: Option<String>,

    /// Relays: disabled (contacts no third party), default (n0's relays and lookup services), or at
    /// most 4 URLs [default: default on the public network, disabled on a private one]
    #[arg(long, value_name = "disabled|default|URL,…", env = "ID_NODE_RELAY")]
    #[serde(serialize_with = "as_text")]
    pub relay: Option<Relay>,

    /// The same as --relay disabled
    #[arg(
        long,
        env = "ID_NODE_NO_RELAY",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub no_relay: Option<bool>,

    /// Listen only there [default: everywhere, on a free port]
    #[arg(long, value_name = "ADDR:PORT", env = "ID_NODE_BIND")]
    pub bind: Option<SocketAddr>,

    /// Which addresses to announce: auto, all, relay or none [default: auto]
    #[arg(long, value_name = "WHICH", env = "ID_NODE_ANNOUNCE_ADDRS")]
    #[serde(serialize_with = "as_text")]
    pub announce_addrs: Option<AnnounceAddrs>,

    /// How often to announce, in seconds; others look after a node that is silent for four times as
    /// long [default: 30]
    #[arg(long, value_name = "SECS", env = "ID_NODE_ANNOUNCE_INTERVAL")]
    pub announce_interval: Option<u32>,

    /// Serve what is known of peers, metrics and health by HTTP there, or nowhere. Whoever reaches it can
    /// read it all [default: 127.0.0.1, on a free port that is kept]
    #[arg(long, value_name = "ADDR:PORT|off", env = "ID_NODE_HTTP")]
    #[serde(serialize_with = "as_text")]
    pub http: Option<Listen>,

    /// Answer HTTP requests for these host names too, besides addresses and localhost
    #[arg(long, value_name = "NAME,…", env = "ID_NODE_HTTP_HOST")]
    pub http_host: Option<String>,

    /// How to log [default: auto: text, coloured on a terminal]
    #[arg(long, value_name = "FORMAT", env = "ID_NODE_LOG_FORMAT", value_parser = log_format())]
    #[serde(serialize_with = "as_text")]
    pub log_format: Option<LogFormat>,

    /// How much to log: warn, info, debug, or all, which has the network stack talk too. RUST_LOG beats
    /// it [default: warn]
    #[arg(long, value_name = "LEVEL", env = "ID_NODE_LOG_LEVEL", value_parser = log_level())]
    #[serde(serialize_with = "as_text")]
    pub log_level: Option<LogLevel>,
}

impl Args {
    /// The command line. What is behind a subcommand is as good as what is before it.
    pub fn command_line() -> clap::Command {
        Self::command().mut_args(|arg| arg.global(true))
    }

    pub fn of(matches: &ArgMatches) -> Self {
        let mut args = Self::from_arg_matches(matches).unwrap_or_else(|error| error.exit());
        if args.verbose > 0 {
            args.options.log_level = Some(LogLevel::of_verbosity(args.verbose));
        }
        args.options.forget_contradicted(matches);
        args
    }
}

impl Options {
    /// Each option by its key, which is the name of its flag too; `null` if it isn't set.
    pub fn values(&self) -> serde_json::Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(values)) => values,
            other => unreachable!("options are an object: {other:?}"),
        }
    }

    /// Forgets the variables that a flag of another name contradicts.
    fn forget_contradicted(&mut self, flags: &ArgMatches) {
        let is_flag = |id| flags.value_source(id) == Some(ValueSource::CommandLine);
        match (is_flag("relay"), is_flag("no_relay")) {
            (true, false) => self.no_relay = None,
            (false, true) if self.no_relay == Some(true) => self.relay = None,
            _ => {}
        }
        match (is_flag("topic_secret"), is_flag("topic_secret_file")) {
            (true, false) => self.topic_secret_file = None,
            (false, true) => self.topic_secret = None,
            _ => {}
        }
    }

    /// What is set here, and where it isn't, what is set in `other`.
    pub fn or(self, other: Self) -> Self {
        // A relay set here must not meet the switch that forbids it there, nor the reverse.
        let decides_relay = self.relay.is_some() || self.no_relay.is_some();
        let (relay, no_relay) = match decides_relay {
            true => (self.relay, self.no_relay),
            false => (other.relay, other.no_relay),
        };
        let decides_secret = self.topic_secret.is_some() || self.topic_secret_file.is_some();
        let (topic_secret, topic_secret_file) = match decides_secret {
            true => (self.topic_secret, self.topic_secret_file),
            false => (other.topic_secret, other.topic_secret_file),
        };
        let decides_dht = self.no_dht.is_some() || self.dht_bootstrap.is_some();
        let (no_dht, dht_bootstrap) = match decides_dht {
            true => (self.no_dht, self.dht_bootstrap),
            false => (other.no_dht, other.dht_bootstrap),
        };
        Self {
            data_dir: self.data_dir.or(other.data_dir),
            ephemeral: self.ephemeral.or(other.ephemeral),
            name: self.name.or(other.name),
            topic: self.topic.or(other.topic),
            topic_secret,
            topic_secret_file,
            bootstrap: self.bootstrap.or(other.bootstrap),
            deny: self.deny.or(other.deny),
            deny_file: self.deny_file.or(other.deny_file),
            allow: self.allow.or(other.allow),
            allow_file: self.allow_file.or(other.allow_file),
            operator: self.operator.or(other.operator),
            allow_write: self.allow_write.or(other.allow_write),
            no_blobs: self.no_blobs.or(other.no_blobs),
            no_gossip: self.no_gossip.or(other.no_gossip),
            no_dht,
            dht_bootstrap,
            no_mdns: self.no_mdns.or(other.no_mdns),
            bootstrap_dns: self.bootstrap_dns.or(other.bootstrap_dns),
            relay,
            no_relay,
            bind: self.bind.or(other.bind),
            announce_addrs: self.announce_addrs.or(other.announce_addrs),
            announce_interval: self.announce_interval.or(other.announce_interval),
            http: self.http.or(other.http),
            http_host: self.http_host.or(other.http_host),
            log_format: self.log_format.or(other.log_format),
            log_level: self.log_level.or(other.log_level),
        }
    }
}

/// Shows no secret.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("name", &self.name)
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

impl From<ConfigFile> for Options {
    fn from(file: ConfigFile) -> Self {
        Self {
            data_dir: file.data_dir,
            ephemeral: file.ephemeral,
            name: file.name,
            topic: file.topic,
            topic_secret: file.topic_secret,
            topic_secret_file: file.topic_secret_file,
            bootstrap: file.bootstrap,
            deny: file.deny,
            deny_file: file.deny_file,
            allow: file.allow,
            allow_file: file.allow_file,
            operator: file.operator,
            allow_write: file.allow_write,
            no_blobs: file.no_blobs,
            no_gossip: file.no_gossip,
            no_dht: file.no_dht,
            dht_bootstrap: file.dht_bootstrap,
            no_mdns: file.no_mdns,
            bootstrap_dns: file.bootstrap_dns,
            relay: file.relay,
            no_relay: file.no_relay,
            bind: file.bind,
            announce_addrs: file.announce_addrs,
            announce_interval: file.announce_interval,
            http: file.http,
            http_host: file.http_host,
            log_format: file.log_format,
            log_level: file.log_level,
        }
    }
}

/// A path that is no text is shown as well as it can be.
fn as_path<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
    as_text(&path.as_ref().map(|path| path.display()), to)
}

fn as_text<T: Display, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(T::to_string).serialize(to)
}

fn log_level() -> impl TypedValueParser<Value = LogLevel> {
    PossibleValuesParser::new(LogLevel::NAMES).try_map(|name| name.parse::<LogLevel>())
}

fn log_format() -> impl TypedValueParser<Value = LogFormat> {
    PossibleValuesParser::new(LogFormat::NAMES).try_map(|name| name.parse::<LogFormat>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definition_is_sound() {
        Args::command_line().debug_assert();
    }

    #[test]
    fn every_example_parses() {
        let examples = EXAMPLES.lines().filter_map(|line| line.strip_prefix("  id-node"));
        let mut n_examples = 0;
        for example in examples {
            // What stands behind two spaces says what the example is for.
            let said = example.split("  ").next().unwrap_or_default();
            let words = said.split_whitespace().filter(|word| !word.starts_with('>'));
            let parsed =
                Args::command_line().try_get_matches_from(["id-node"].into_iter().chain(words));
            assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
            n_examples += 1;
        }
        assert!(n_examples >= 4);
    }
}

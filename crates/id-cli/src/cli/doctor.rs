//! Arguments of `doctor`: those of the node that it is about.

use std::path::PathBuf;

use clap::Args;
use id_client::id_proto::PeerRef;
use id_node::settings::Options;

const EXAMPLES: &str = "\
Examples:
  id-cli doctor                                why does this machine's node have no peers?
  sudo -u id-node id-cli doctor --config /etc/id-node/id-node.toml
                                               … the one that runs as a service
  id-cli doctor idticket…                      why doesn't it find this one?
  id-cli doctor --topic office --topic-secret-file secret --bootstrap 9f86…@192.0.2.7:4433
                                               before a node is started so
  id-cli doctor --json | jq -r '.steps[] | select(.verdict == \"fault\") | .step'

Works with and without a running node, takes at most 15 s, changes nothing, and never speaks in the
node's name. Where a node runs, give the settings that it runs with. The last line names the most likely
cause.

Exit codes: 0 no fault, 3 a fault, 2 the settings make no sense.";

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, mut_args = |arg| arg.hide_env_values(true))]
pub(crate) struct DoctorArgs {
    /// Peers that the node should reach, to be asked besides those that it knows
    pub(crate) nodes: Vec<PeerRef>,

    /// Print a JSON document, described by docs/doctor.schema.json
    #[arg(long)]
    pub(crate) json: bool,

    /// Read the node's settings from this TOML file
    #[arg(long, value_name = "FILE", env = "ID_NODE_CONFIG")]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten, next_help_heading = "The node's settings")]
    pub(crate) node: Options,
}

//! Arguments of `watch`.

use std::{num::NonZeroU64, time::Duration};

use clap::Args;
use id_client::id_proto::PeerRef;

use super::{CrawlArgs, NetworkArgs, parse_secs};

const EXAMPLES: &str = "\
Examples:
  id-cli watch                                 what changes around this machine's node?
  id-cli watch --depth -1 --every 60           … and in the whole network?
  id-cli watch --json | jq -r 'select(.type == \"went\") | .node_id'
  id-cli watch --times 2 --every 10 --json     look twice, and end

+ came, - went, ~ changed, with the time. The nodes to start from are asked in each round,
others the more rarely the longer they have been answering. A peer is said to have gone when
it failed to answer twice, or when nobody names it any more.";

/// Arguments of `watch`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WatchArgs {
    /// Node to start from [default: the one that runs on this machine]
    pub(crate) node: Option<PeerRef>,

    /// How long from one round to the next, in seconds; a peer that didn't answer is asked again sooner
    #[arg(long, value_name = "SECS", default_value = "30", value_parser = parse_secs)]
    pub(crate) every: Duration,

    /// End after so many rounds [default: go on until interrupted]
    #[arg(long, value_name = "N")]
    pub(crate) times: Option<NonZeroU64>,

    #[command(flatten)]
    pub(crate) crawl: CrawlArgs,

    /// Print JSON lines: a version, each peer that is known at first, then one line for each change and
    /// for each round
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

//! Arguments of the commands that crawl.

use std::{num::NonZeroUsize, time::Duration};

use clap::{Args, builder::RangedI64ValueParser};

use super::{PeerList, parse_secs};

/// How far to ask, and from where besides.
#[derive(Debug, Args)]
pub(crate) struct CrawlArgs {
    /// How many hops from the first nodes to ask on; 0 asks only those, -1 goes on until nothing is
    /// new
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true,
          value_parser = RangedI64ValueParser::<i32>::new().range(-1..))]
    pub(crate) depth: i32,

    /// Stop when so many peers are known
    #[arg(long, value_name = "N", default_value = "1000")]
    pub(crate) max_peers: NonZeroUsize,

    /// Stop after this time, in seconds: the whole crawl, not each question
    #[arg(long, value_name = "SECS", default_value = "30", value_parser = parse_secs)]
    pub(crate) timeout: Duration,

    /// How many peers to ask at the same time
    #[arg(long, value_name = "N", default_value = "64")]
    pub(crate) concurrency: NonZeroUsize,

    /// More peers to start from
    #[arg(long, value_name = "PEER,…", env = "ID_CLI_BOOTSTRAP", hide_env_values = true)]
    pub(crate) bootstrap: Vec<PeerList>,
}

//! Arguments of the commands about blobs and their names.

use std::{ffi::OsString, path::PathBuf, str::FromStr, time::Duration};

use clap::Args;
use id_client::id_proto::{BlobName, ParsePeerError, PeerRef};

use super::{NetworkArgs, parse_secs};
use crate::progress::ProgressMode;

const PUT_EXAMPLES: &str = "\
Examples:
  id-cli put report.pdf                        this machine's node keeps it, as report.pdf
  id-cli put report.pdf:2026/report --force    … under another name, whatever that led to
  id-cli put *.pdf --to idticket… --key key    into another node, whose operator allows this key

What the node holds already isn't sent again, so that a put that was interrupted goes on where it ended.
A file whose name has a colon needs a name of its own behind another one.";

const GET_EXAMPLES: &str = "\
Examples:
  id-cli get report.pdf                        from this machine's node, into report.pdf
  id-cli get 2026/report:/tmp/r.pdf --from idticket…
  id-cli get report.pdf --from any             from whichever peer has it
  id-cli get report.pdf:- | sha256sum

Every byte is checked against the blob's hash before it is believed. A get that was interrupted goes on
where it ended: until then what there is waits in a directory beside the file, .NAME.part-HASH. A NAME
with a colon needs another one behind it.";

const CAT_EXAMPLES: &str = "\
Examples:
  id-cli cat notes.txt
  id-cli cat notes.txt --from any | less";

const LS_EXAMPLES: &str = "\
Examples:
  id-cli ls                                    what does this machine's node keep?
  id-cli ls --at idticket… --json | jq -r '.blobs[].name'

A line is hash, size in bytes, name.";

const RM_EXAMPLES: &str = "\
Examples:
  id-cli rm report.pdf
  id-cli rm report.pdf notes.txt --at idticket… --key key

What no other name leads to is removed from the node's disk after a while.";

const MV_EXAMPLES: &str = "\
Examples:
  id-cli mv report.pdf 2026/report.pdf";

const CP_EXAMPLES: &str = "\
Examples:
  id-cli cp report.pdf report-final.pdf        two names, and still one blob";

const FIND_EXAMPLES: &str = "\
Examples:
  id-cli find report                           report, then report…, then …report…
  id-cli find report --limit 1 --json | jq -r '.blobs[0].hash'";

/// Arguments of `put`.
#[derive(Debug, Args)]
#[command(after_help = PUT_EXAMPLES)]
pub(crate) struct PutArgs {
    /// Files, and what to call them [default: as the file is called]
    #[arg(value_name = "FILE[:NAME]", required = true)]
    pub(crate) files: Vec<OsString>,

    /// Node to put them into [default: the one that runs on this machine]
    #[arg(long, value_name = "NODE")]
    pub(crate) to: Option<PeerRef>,

    /// Take a name that leads to another blob
    #[arg(short, long)]
    pub(crate) force: bool,

    /// Print a JSON document
    #[arg(long)]
    pub(crate) json: bool,

    /// What to say on stderr meanwhile
    #[arg(long, value_enum, value_name = "MODE", default_value_t = ProgressMode::Auto)]
    pub(crate) progress: ProgressMode,

    #[command(flatten)]
    pub(crate) ask: KeeperArgs,
}

/// Arguments of `get`.
#[derive(Debug, Args)]
#[command(after_help = GET_EXAMPLES)]
pub(crate) struct GetArgs {
    /// The blob, by name or hash, and where to write it; `-` is stdout [default: the name's last part]
    #[arg(value_name = "NAME|HASH[:PATH|-]")]
    pub(crate) blob: String,

    /// Node to get it from, or `any`: whoever has it of the peers that are found [default: the one that
    /// runs on this machine]
    #[arg(long, value_name = "NODE|any")]
    pub(crate) from: Option<From>,

    /// Write over a file that is there
    #[arg(short, long)]
    pub(crate) force: bool,

    /// Print a JSON document
    #[arg(long)]
    pub(crate) json: bool,

    /// What to say on stderr meanwhile
    #[arg(long, value_enum, value_name = "MODE", default_value_t = ProgressMode::Auto)]
    pub(crate) progress: ProgressMode,

    #[command(flatten)]
    pub(crate) ask: KeeperArgs,
}

/// Arguments of `cat`.
#[derive(Debug, Args)]
#[command(after_help = CAT_EXAMPLES)]
pub(crate) struct CatArgs {
    /// The blob
    #[arg(value_name = "NAME|HASH")]
    pub(crate) blob: String,

    /// Node to get it from, or `any`: whoever has it of the peers that are found [default: the one that
    /// runs on this machine]
    #[arg(long, value_name = "NODE|any")]
    pub(crate) from: Option<From>,

    #[command(flatten)]
    pub(crate) ask: KeeperArgs,
}

/// Arguments of `ls`.
#[derive(Debug, Args)]
#[command(after_help = LS_EXAMPLES)]
pub(crate) struct LsArgs {
    /// Begin with the first name behind this one
    #[arg(long, value_name = "NAME")]
    pub(crate) after: Option<BlobName>,

    /// List at most so many names
    #[arg(long, value_name = "N", default_value_t = u32::MAX, hide_default_value = true)]
    pub(crate) limit: u32,

    #[command(flatten)]
    pub(crate) at: AtArgs,
}

/// Arguments of `rm`.
#[derive(Debug, Args)]
#[command(after_help = RM_EXAMPLES)]
pub(crate) struct RmArgs {
    /// Names to remove
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<BlobName>,

    #[command(flatten)]
    pub(crate) at: AtArgs,
}

/// Arguments of `mv`.
#[derive(Debug, Args)]
#[command(after_help = MV_EXAMPLES)]
pub(crate) struct MvArgs {
    #[command(flatten)]
    pub(crate) names: FromTo,
}

/// Arguments of `cp`.
#[derive(Debug, Args)]
#[command(after_help = CP_EXAMPLES)]
pub(crate) struct CpArgs {
    #[command(flatten)]
    pub(crate) names: FromTo,
}

/// Two names, of which the second comes to lead to where the first does.
#[derive(Debug, Args)]
pub(crate) struct FromTo {
    /// The name
    #[arg(value_name = "NAME")]
    pub(crate) name: BlobName,

    /// The new name
    #[arg(value_name = "NEW")]
    pub(crate) new: BlobName,

    /// Take a name that leads to another blob
    #[arg(short, long)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) at: AtArgs,
}

/// Arguments of `find`.
#[derive(Debug, Args)]
#[command(after_help = FIND_EXAMPLES)]
pub(crate) struct FindArgs {
    /// What is in the names; upper and lower case differ
    #[arg(value_name = "TEXT")]
    pub(crate) query: BlobName,

    /// List at most so many names
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: u32,

    #[command(flatten)]
    pub(crate) at: AtArgs,
}

/// Whose names are meant, and how to print them.
#[derive(Debug, Args)]
pub(crate) struct AtArgs {
    /// Node to ask [default: the one that runs on this machine]
    #[arg(long, value_name = "NODE")]
    pub(crate) at: Option<PeerRef>,

    /// Print a JSON document
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) ask: KeeperArgs,
}

/// How to ask a node that keeps blobs.
#[derive(Debug, Args)]
pub(crate) struct KeeperArgs {
    /// As whom to ask: a file that nobody else may read, with 64 hex digits [default: the operator of this
    /// machine's node, if that is asked; else somebody new]
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,

    /// How long the node may be silent, in seconds
    #[arg(long, value_name = "SECS", default_value = "10", value_parser = parse_secs)]
    pub(crate) timeout: Duration,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// Where a blob comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    /// Whoever has it.
    Any,
    /// This node.
    Node(PeerRef),
}

impl FromStr for From {
    type Err = ParsePeerError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "any" => Ok(Self::Any),
            node => node.parse().map(Self::Node),
        }
    }
}

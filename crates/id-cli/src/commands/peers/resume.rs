//! `--resume FILE`: what a crawl finds, noted line by line, so that another one can go on from there.
//!
//! The file is as `--format jsonl`, and has besides what it takes to go on: in the first line what crawl
//! it is, lines of announcements, and in the line of each peer what it answered. Only complete lines
//! count, and nothing is believed that isn't signed by its author.

mod journal;
mod reading;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use id_client::id_proto::{NetworkTag, iroh_base::PublicKey};
use serde::{Deserialize, Serialize};

pub(super) use self::journal::Journal;
use id_render::{Header, model};

/// Of how many cases of who named whom the answers are noted. Origin: as many as edges are printed; whose
/// answer has no room is asked again.
pub(super) const MAX_NAMED: usize = 1_000_000;

/// Longest file. Origin: twice what [`MAX_NAMED`] take, at 32 bytes each.
const MAX_FILE_LEN: u64 = 64 << 20;

/// Longest line. Origin: an answer of as many entries as are asked for, at 32 bytes each, and then some.
const MAX_LINE_LEN: u64 = 5 << 20;

/// What has to be the same when a crawl goes on.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) seeds: BTreeSet<PublicKey>,
    pub(super) max_peers: usize,
    pub(super) network_tag: NetworkTag,
}

/// The first line.
#[derive(Debug, Serialize)]
struct VersionLine<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    header: &'a Header,
    resume: ResumeInfo,
}

/// What crawl the file is of, besides the network.
#[derive(Debug, Serialize, Deserialize)]
struct ResumeInfo {
    seeds: BTreeSet<String>,
    max_peers: usize,
}

/// A signed original. They are numbered from 0, in the order of their lines.
#[derive(Debug, Serialize, Deserialize)]
struct AnnouncementLine {
    #[serde(skip_deserializing)]
    r#type: &'static str,
    /// Signature and body, in hex.
    signed: String,
}

/// A peer whose fate is known.
#[derive(Debug, Serialize)]
struct PeerLine<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    peer: &'a model::Peer,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<AnswerInfo>,
}

/// The same, as far as it is needed to go on.
#[derive(Debug, Deserialize)]
struct AnsweredLine {
    node_id: String,
    status: String,
    path: Option<String>,
    rtt_ms: Option<f64>,
    rejected: BTreeMap<String, u32>,
    answer: Option<AnswerInfo>,
}

/// What a peer answered.
#[derive(Debug, Serialize, Deserialize)]
struct AnswerInfo {
    /// When, in unix seconds.
    at_secs: u64,
    /// Whom it named: the number of the announcement, how long ago it had been heard of, and how long
    /// ago it had answered a dial, in milliseconds.
    named: Vec<(u32, u64, Option<u64>)>,
    /// How many more it named for whom there was no room.
    left_out: u32,
}

/// The last line of a crawl that wasn't stopped.
#[derive(Debug, Serialize)]
struct SummaryLine<'a> {
    r#type: &'static str,
    crawl: &'a model::Crawl,
    summary: &'a model::Summary,
}

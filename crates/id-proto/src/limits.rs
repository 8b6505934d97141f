//! Every limit of the protocol: its name, its unit, and where the figure comes from.
//!
//! One list, so that a reader finds in one place what a stranger can make a node do.

use std::time::Duration;

/// Longest signed statement (body and signature), in bytes.
///
/// Origin: our decision. Everything but the addresses takes 246 bytes at worst, which leaves room
/// for eight IPv6 addresses or a relay URL and several IPv4 ones. An ENR of Ethereum has 300.
pub const MAX_SIGNED_LEN: usize = 512;

/// Longest gossip message, in bytes, sent or accepted.
///
/// Origin: iroh-gossip 0.101 stops sending to a neighbour, without an error, when a message with
/// its framing passes 4096 bytes. A quarter of that leaves room for later variants.
pub const MAX_GOSSIP_LEN: usize = 1024;

/// Longest name of a node, in bytes of UTF-8. Origin: a DNS label has 63.
pub const MAX_NAME_LEN: usize = 64;

/// Longest agent string, in bytes of UTF-8. Origin: wild guess; `id-node/0.1.0` has 13.
pub const MAX_AGENT_LEN: usize = 32;

/// Most addresses in an announcement. Origin: a home relay and seven interfaces, a guess.
pub const MAX_ADDRS: usize = 8;

/// Longest encoded address, in bytes. Origin: a relay URL of 126 bytes; fits [`MAX_SIGNED_LEN`].
pub const MAX_ADDR_LEN: usize = 128;

/// Shortest and longest announce interval that is accepted, in seconds.
///
/// Origin: a node that announces more often than every second floods; one that is silent for
/// longer than a day is not discoverable.
pub const INTERVAL_SECS: std::ops::RangeInclusive<u32> = 1..=86_400;

/// How far ahead of our clock a timestamp may be.
///
/// Origin: Kerberos' default skew (RFC 4120), which is what NTP-less machines are seen to keep.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// A peer is stale after this many of its own announce intervals. Origin: 120 s ÷ 30 s.
pub const STALE_INTERVALS: u32 = 4;

/// How long after its timestamp a leave is still news. Origin: the staleness of a default node.
pub const LEAVE_LIFETIME: Duration = Duration::from_secs(120);

/// Longest request, in bytes without its length prefix. Origin: our decision (protocol.md).
pub const MAX_REQUEST_LEN: usize = 4 * 1024;

/// Longest response or page, in bytes without its length prefix. Origin: our decision.
pub const MAX_RESPONSE_LEN: usize = 64 * 1024;

/// Longest entry of a page, in bytes, of whatever version.
///
/// Origin: the signed original and 64 bytes of the responder's; version 1 takes at most 57.
pub const MAX_ENTRY_LEN: usize = MAX_SIGNED_LEN + 64;

/// Longest explanation of what a node knows of a peer, in bytes, of whatever version.
///
/// Origin: version 1 takes at most 962, an entry included; as much again is for later ones.
pub const MAX_EXPLANATION_LEN: usize = 2 * 1024;

/// Most introducers in a report.
///
/// Origin: a dozen times the neighbours that a node has at a time; whoever has brought less than
/// the 64 largest has brought little.
pub const MAX_INTRODUCERS: usize = 64;

/// Longest word of an explanation, such as the reason of a refusal, in bytes.
///
/// Origin: `refused_introducer_budget` has 25.
pub const MAX_WORD_LEN: usize = 32;

/// Longest message in an error response, in bytes of UTF-8. Origin: fits a terminal's line or two.
pub const MAX_ERROR_LEN: usize = 256;

/// Most items of a list in the answers to `Whoami`, `Status` and `Discover`: features, neighbours,
/// channels, counters, reasons.
///
/// Origin: a guess; our own lists have some forty. Decoded, such a list takes 48 KiB at most.
pub const MAX_LIST_LEN: usize = 1024;

/// Longest name of a blob, in bytes of UTF-8. Origin: the longest file name of common file systems.
pub const MAX_BLOB_NAME_LEN: usize = 255;

/// Longest entry of a page of names, and longest report of a change of one, in bytes, of whatever
/// version.
///
/// Origin: version 1 takes at most 300; the rest is for later ones.
pub const MAX_BLOB_ENTRY_LEN: usize = 512;

/// Most peers in a ticket. Origin: a QR code and a command line still hold it.
pub const MAX_TICKET_PEERS: usize = 16;

/// Longest ticket, in bytes before base32. Origin: [`MAX_TICKET_PEERS`] with four addresses each.
pub const MAX_TICKET_LEN: usize = 4 * 1024;

/// Longest topic name or secret, in bytes. Origin: anything longer is a file, not a name.
pub const MAX_TOPIC_LEN: usize = 1024;

/// When an author who announces every `interval_secs` is stale: [`STALE_INTERVALS`] of them.
pub fn stale_after(interval_secs: u32) -> Duration {
    Duration::from_secs(u64::from(interval_secs) * u64::from(STALE_INTERVALS))
}

//! Feeds arbitrary bytes to everything that reads bytes of strangers, and checks what comes out.
//!
//! Each [`Target`] is one reader with what has to hold of it, whatever the bytes: it doesn't panic, it
//! refuses what it can't use, what it understands is within the documented limits and means the same
//! when it is written and read again, and no input of a stranger's makes it hold more than [`MAX_HELD`] bytes.
//!
//! `fuzz/` drives the targets by cargo-fuzz; the test `corpus` walks `fuzz/corpus`, on any compiler.
//! Linking this crate replaces the global allocator by one that counts, so nothing that is shipped
//! may depend on it.

mod answer;
mod check;
mod dht;
mod files;
mod gate;
mod names;
mod target;
mod wire;

pub use target::{MAX_HELD, Memory, Outcome, Target};

/// A message of the gossip topic.
pub const GOSSIP_MESSAGE: Target =
    Target::new("gossip_message", id_proto::limits::MAX_GOSSIP_LEN, wire::gossip_message);
/// An announcement with its signature.
pub const ANNOUNCEMENT: Target =
    Target::new("announcement", id_proto::limits::MAX_SIGNED_LEN, wire::announcement);
/// A leave with its signature.
pub const LEAVE: Target = Target::new("leave", id_proto::limits::MAX_SIGNED_LEN, wire::leave);
/// A request to the service.
pub const REQUEST: Target =
    Target::new("request", id_proto::limits::MAX_REQUEST_LEN, wire::request);
/// A response of the service, and what is inside: pages, errors, reports.
pub const RESPONSE: Target =
    Target::new("response", id_proto::limits::MAX_RESPONSE_LEN, wire::response);
/// What a node says of itself in answer to `Whoami`.
pub const ABOUT: Target = Target::new("about", id_proto::limits::MAX_RESPONSE_LEN, wire::about);
/// An entry of a page.
pub const PEER_ENTRY: Target =
    Target::new("peer_entry", id_proto::limits::MAX_ENTRY_LEN, wire::peer_entry);
/// How a node is doing, in answer to `Status`.
pub const STATUS_REPORT: Target =
    Target::new("status_report", id_proto::limits::MAX_RESPONSE_LEN, wire::status_report);
/// Who brought a node its peers, in answer to `Introducers`.
pub const INTRODUCERS_REPORT: Target =
    Target::new("introducers_report", id_proto::limits::MAX_RESPONSE_LEN, wire::introducers_report);
/// What a node knows of a peer, in answer to `Explain`.
pub const EXPLANATION: Target =
    Target::new("explanation", id_proto::limits::MAX_EXPLANATION_LEN, wire::explanation);
/// A ticket's bytes, and the same as text.
pub const TICKET: Target = Target::new("ticket", id_proto::limits::MAX_TICKET_LEN, names::ticket);
/// A peer, or a list of peers, as a person names it.
pub const PEER_ARGUMENT: Target = Target::new("peer_argument", 8 * 1024, names::peer_argument);
/// The TXT record of a name in the DNS.
pub const DNS_RECORD: Target = Target::new("dns_record", 8 * 1024, names::dns_record);
/// A value in the slot of a DHT.
pub const DHT_RECORD: Target = Target::new("dht_record", 1000, dht::record);
/// All that a client reads of the answer to a question, frame by frame.
pub const ANSWER: Target = Target::new("answer", 128 * 1024, answer::answer);
/// The file of the peers of the last run.
pub const REMEMBERED_PEERS: Target =
    Target::new("remembered_peers", 600 * 1024, files::remembered_peers);
/// `node.json`.
pub const RUNTIME_FILE: Target = Target::new("runtime_file", 17 * 1024, files::runtime_file);
/// The configuration file. It is its owner's, no stranger's; a table of the parser's takes a kilobyte or
/// two, and `a.b=0` is one. Each of them is an allocation of its own.
pub const CONFIG: Target =
    Target::new("config", id_node::config_file::MAX_CONFIG_LEN, files::config).holding(16 << 20);
/// The gate as a whole: what happens to a membership among strangers, signed, forged and garbled.
pub const GATE: Target = Target::new("gate", 1024, gate::gate);

/// Every target.
pub const TARGETS: &[Target] = &[
    GOSSIP_MESSAGE,
    ANNOUNCEMENT,
    LEAVE,
    REQUEST,
    RESPONSE,
    ABOUT,
    PEER_ENTRY,
    STATUS_REPORT,
    INTRODUCERS_REPORT,
    EXPLANATION,
    TICKET,
    PEER_ARGUMENT,
    DNS_RECORD,
    DHT_RECORD,
    ANSWER,
    REMEMBERED_PEERS,
    RUNTIME_FILE,
    CONFIG,
    GATE,
];

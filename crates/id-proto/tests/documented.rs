//! `docs/protocol.md` says what the code does: its tables and its bytes come from the registry, the
//! limits and the golden vectors. `UPDATE_DOCS=1 cargo test -p id-proto --all-features` rewrites
//! them.
#![cfg(feature = "service")]

mod vectors;

use std::{collections::BTreeSet, fmt::Write as _, path::PathBuf};

use id_proto::{
    DEFAULT_SECRET, DEFAULT_TOPIC, ErrorCode, Leave, PeerAnnouncement, Statement, Ticket,
    iroh_base::SecretKey,
    limits,
    version::{META_ALPN, ProtocolVersion, REGISTRY},
};
use vectors::{NETWORKS, NetworkVector, Part, SMALL_ORDER, Vector, unhex};

/// How many bytes of an example go on one line.
const BYTES_PER_LINE: usize = 16;

#[test]
fn the_document_shows_what_the_code_does() {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md"));
    let written = std::fs::read_to_string(&path).expect("docs/protocol.md is there");
    let expected = blocks().iter().fold(written.clone(), |doc, block| block.put_into(&doc));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, expected).expect("docs/protocol.md can be written");
    } else {
        assert!(written == expected, "docs/protocol.md is out of date: run with UPDATE_DOCS=1");
    }
}

#[test]
fn the_document_has_every_generated_block_and_no_other() {
    let doc = document();
    let marked =
        doc.lines().filter_map(|line| line.strip_prefix("<!-- ")?.strip_suffix(":begin -->"));
    let generated = blocks().into_iter().map(|block| block.name).collect::<BTreeSet<_>>();
    assert_eq!(marked.map(str::to_owned).collect::<BTreeSet<_>>(), generated);
}

/// What a reader makes of the left column is what the code writes.
#[test]
fn the_hex_of_every_example_is_the_vector_itself() {
    for vector in vectors::ALL {
        assert_eq!(read_example(vector.name), vector.bytes(), "{}", vector.name);
    }
}

fn read_example(name: &str) -> Vec<u8> {
    let doc = document();
    let (_, rest) = doc.split_once(&format!("<!-- vector {name}:begin -->\n")).unwrap();
    let (_, rest) = rest.split_once("```text\n").unwrap();
    let (lines, _) = rest.split_once("```").unwrap();
    let read = |line: &str| {
        let word = line.split(' ').next().unwrap();
        match word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) {
            Some(other) => read_example(other),
            None => unhex(word),
        }
    };
    lines.lines().flat_map(read).collect()
}

#[test]
fn the_document_names_the_fixed_strings() {
    let doc = document();
    let kind = <Ticket as iroh_tickets::Ticket>::KIND;
    let alpn = std::str::from_utf8(META_ALPN).unwrap();
    let domains =
        [PeerAnnouncement::DOMAIN, Leave::DOMAIN].map(|d| std::str::from_utf8(d).unwrap());
    for fixed in [DEFAULT_TOPIC, DEFAULT_SECRET, kind, alpn, domains[0], domains[1]] {
        assert!(doc.contains(&format!("`{fixed}`")), "{fixed}");
    }
}

/// That the values are those of the code is the business of `golden.rs`.
#[test]
fn the_document_names_the_contexts_that_networks_derive_by() {
    let doc = document();
    type Value = fn(&NetworkVector) -> &'static str;
    let derived: [(&str, Value); 4] = [
        ("id 2026-11-20 network v1 gossip topic", |network| network.gossip_topic),
        ("id 2026-11-20 network v1 member key", |network| network.member_key),
        ("id 2026-11-20 network v1 rendezvous secret", |network| network.rendezvous_secret),
        ("id 2026-11-20 network v1 tag", |network| network.network_tag),
    ];
    for (context, value) in derived {
        assert!(doc.contains(&format!("`{context}`")), "{context}");
        for network in NETWORKS {
            let key = blake3::derive_key(context, &network_input(network));
            assert!(key.starts_with(&unhex(value(network))), "{context}");
        }
    }
}

fn network_input(network: &NetworkVector) -> Vec<u8> {
    let inputs = [network.topic, network.secret];
    inputs.iter().flat_map(|s| [&(s.len() as u64).to_le_bytes(), s.as_bytes()].concat()).collect()
}

fn document() -> String {
    include_str!("../../../docs/protocol.md").to_owned()
}

/// What stands between two markers.
struct Block {
    name: String,
    content: String,
}

impl Block {
    fn new(name: impl Into<String>, content: String) -> Self {
        Self { name: name.into(), content }
    }

    fn text(name: impl Into<String>, content: &str) -> Self {
        Self::new(name, format!("```text\n{content}```\n"))
    }

    /// The document with this content between this block's markers.
    fn put_into(&self, doc: &str) -> String {
        let (begin, end) =
            (format!("<!-- {}:begin -->\n", self.name), format!("<!-- {}:end -->", self.name));
        let Some((before, rest)) = doc.split_once(&begin) else {
            panic!("docs/protocol.md has no block {}", self.name);
        };
        let (_, after) = rest.split_once(&end).expect("a block that begins ends");
        [before, &begin, &self.content, &end, after].concat()
    }
}

fn blocks() -> Vec<Block> {
    let mut blocks = vec![
        Block::new("registry", registry()),
        Block::new("limits", limits_table()),
        Block::new("errors", errors()),
        Block::new("versions", versions()),
        Block::text("small-order", &lines(SMALL_ORDER)),
        Block::text("keys", &keys()),
        Block::text(
            "networks",
            &NETWORKS.iter().map(|n| network(n)).collect::<Vec<_>>().join("\n"),
        ),
        Block::text("ticket-string", &lines([vectors::TICKET_STRING])),
        Block::text("ticket-invitation-string", &lines([vectors::TICKET_INVITATION_STRING])),
    ];
    let vectors = vectors::ALL.iter();
    blocks.extend(vectors.map(|v| Block::new(format!("vector {}", v.name), example(v))));
    blocks
}

fn registry() -> String {
    let mut table = "| Enum | Variants by number |\n|---|---|\n".to_owned();
    for wire_enum in REGISTRY {
        let variants = wire_enum.variants.iter().enumerate();
        let variants = variants.map(|(number, variant)| format!("{number} `{variant}`"));
        let variants = variants.collect::<Vec<_>>().join(", ");
        writeln!(table, "| `{}` | {variants} |", wire_enum.name).unwrap();
    }
    table
}

fn versions() -> String {
    let numbers = ProtocolVersion::ALL.iter().map(|version| version.number().to_string());
    format!("Versions of `id/meta/1` so far: {}.\n", numbers.collect::<Vec<_>>().join(", "))
}

fn errors() -> String {
    let mut table = "| Code | Name | Meaning |\n|---|---|---|\n".to_owned();
    for (code, meaning) in [
        (ErrorCode::Unsupported, "the server doesn't know the request, or its version"),
        (ErrorCode::Malformed, "the bytes are no request"),
        (ErrorCode::TooLarge, "the request is longer than `MAX_REQUEST_LEN`"),
        (ErrorCode::NotMember, "the network is private, and the proof is missing or wrong"),
        (ErrorCode::Busy, "the server has too much to do for this caller; ask again later"),
        (ErrorCode::Internal, "the server failed"),
        (ErrorCode::NotOperator, "the server does this for its operators only"),
        (ErrorCode::NotWriter, "the server changes names for its writers only"),
        (ErrorCode::NotFound, "the server has no such name, or no name leads to that blob"),
        (ErrorCode::NameTaken, "the name leads to another blob, which isn't to be replaced"),
        (ErrorCode::NoBlob, "the server doesn't hold the blob that a name is to lead to"),
        (ErrorCode::Full, "the server has no room for more names or blobs"),
    ] {
        writeln!(table, "| {} | `{code:?}` | {meaning} |", code.number()).unwrap();
    }
    table
}

fn limits_table() -> String {
    let seconds = |duration: std::time::Duration| format!("{} s", duration.as_secs());
    let interval = limits::INTERVAL_SECS;
    let values = [
        ("MAX_SIGNED_LEN", limits::MAX_SIGNED_LEN.to_string()),
        ("MAX_GOSSIP_LEN", limits::MAX_GOSSIP_LEN.to_string()),
        ("MAX_NAME_LEN", limits::MAX_NAME_LEN.to_string()),
        ("MAX_AGENT_LEN", limits::MAX_AGENT_LEN.to_string()),
        ("MAX_ADDRS", limits::MAX_ADDRS.to_string()),
        ("MAX_ADDR_LEN", limits::MAX_ADDR_LEN.to_string()),
        ("INTERVAL_SECS", format!("{} to {}", interval.start(), interval.end())),
        ("MAX_CLOCK_SKEW", seconds(limits::MAX_CLOCK_SKEW)),
        ("STALE_INTERVALS", limits::STALE_INTERVALS.to_string()),
        ("LEAVE_LIFETIME", seconds(limits::LEAVE_LIFETIME)),
        ("MAX_REQUEST_LEN", limits::MAX_REQUEST_LEN.to_string()),
        ("MAX_RESPONSE_LEN", limits::MAX_RESPONSE_LEN.to_string()),
        ("MAX_ENTRY_LEN", limits::MAX_ENTRY_LEN.to_string()),
        ("MAX_EXPLANATION_LEN", limits::MAX_EXPLANATION_LEN.to_string()),
        ("MAX_INTRODUCERS", limits::MAX_INTRODUCERS.to_string()),
        ("MAX_WORD_LEN", limits::MAX_WORD_LEN.to_string()),
        ("MAX_ERROR_LEN", limits::MAX_ERROR_LEN.to_string()),
        ("MAX_LIST_LEN", limits::MAX_LIST_LEN.to_string()),
        ("MAX_BLOB_NAME_LEN", limits::MAX_BLOB_NAME_LEN.to_string()),
        ("MAX_BLOB_ENTRY_LEN", limits::MAX_BLOB_ENTRY_LEN.to_string()),
        ("MAX_TICKET_PEERS", limits::MAX_TICKET_PEERS.to_string()),
        ("MAX_TICKET_LEN", limits::MAX_TICKET_LEN.to_string()),
        ("MAX_TOPIC_LEN", limits::MAX_TOPIC_LEN.to_string()),
    ];
    let described = described_limits();
    let names = |list: &[(&'static str, String)]| list.iter().map(|l| l.0).collect::<Vec<_>>();
    assert_eq!(names(&described), names(&values), "every limit has its value here, in order");
    let mut table = "| Limit | Value | What it bounds |\n|---|---|---|\n".to_owned();
    for ((name, what), (_, value)) in described.iter().zip(&values) {
        writeln!(table, "| `{name}` | {value} | {what} |").unwrap();
    }
    table
}

/// The constants of `limits.rs`, each with what its docs say before they name the origin.
fn described_limits() -> Vec<(&'static str, String)> {
    let mut limits = Vec::new();
    let mut doc = String::new();
    for line in include_str!("../src/limits.rs").lines() {
        if let Some(text) = line.strip_prefix("///") {
            doc.push_str(text);
        } else if let Some(constant) = line.strip_prefix("pub const ") {
            let (name, _) = constant.split_once(':').unwrap();
            let (what, _origin) = doc.split_once("Origin:").expect("every limit has an origin");
            limits.push((name, what.trim().to_owned()));
            doc.clear();
        } else {
            doc.clear();
        }
    }
    limits
}

fn keys() -> String {
    let line = |seed: u8| {
        let public = SecretKey::from_bytes(&[seed; 32]).public();
        format!("public key {seed}  {public}\n")
    };
    (1..=3).map(line).collect()
}

fn network(network: &NetworkVector) -> String {
    let NetworkVector { title, topic, secret, gossip_topic, member_key, .. } = network;
    let NetworkVector { rendezvous_secret, network_tag, proof, .. } = network;
    format!(
        "{title}\n\
         topic              {topic}\n\
         secret             {secret}\n\
         gossip_topic       {gossip_topic}\n\
         member_key         {member_key}\n\
         rendezvous_secret  {rendezvous_secret}\n\
         network_tag        {network_tag}\n\
         proof              {proof}\n"
    )
}

/// One example: a title, then hex on the left and its meaning on the right.
fn example(vector: &Vector) -> String {
    let lines = vector.parts.iter().map(part).collect::<String>();
    format!("{}: `{}`\n\n```text\n{lines}```\n", vector.title, vector.name)
}

fn part(part: &Part) -> String {
    match part {
        Part::Variant(hex, wire_enum, variant) => field(hex, &format!("{wire_enum}::{variant}")),
        Part::Field(hex, meaning) => field(hex, meaning),
        Part::Whole(vector) => {
            field(&format!("{{{}}}", vector.name), "all the bytes of that example")
        }
    }
}

fn field(hex: &str, meaning: &str) -> String {
    const WIDTH: usize = 2 * BYTES_PER_LINE;
    let (first, rest) = hex.split_at(hex.len().min(WIDTH));
    let rest = rest.as_bytes().chunks(WIDTH).map(|line| std::str::from_utf8(line).unwrap());
    format!("{first:WIDTH$}  {meaning}\n{}", lines(rest))
}

fn lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

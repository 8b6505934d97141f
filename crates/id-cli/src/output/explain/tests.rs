use std::time::UNIX_EPOCH;

use id_client::{
    PathKind,
    id_proto::{Word, iroh_base::SecretKey},
};

use super::*;
use crate::output::samples;

const NOW: Duration = Duration::from_secs(1_763_632_804);

fn key(seed: u8) -> PublicKey {
    SecretKey::from_bytes(&[seed; 32]).public()
}

fn word(text: &str) -> Word {
    Word::new(text).unwrap()
}

fn unknown() -> Explanation<SignedAnnouncement> {
    Explanation {
        node_id: key(1),
        is_listed: false,
        entry: None,
        is_neighbour: false,
        is_configured: false,
        introducer: None,
        author_budget: None,
        last_dial: None,
        next_dial: None,
        last_refusal: None,
        departed: None,
        lost: None,
    }
}

fn listed() -> Explanation<SignedAnnouncement> {
    Explanation {
        is_listed: true,
        entry: Some(PeerEntry {
            announcement: samples::announcement(1, Some("oak\x1b[31m")),
            age: Duration::from_secs(4),
            source: Source::Told(key(3)),
            verified_age: Some(Duration::from_secs(61)),
        }),
        is_neighbour: true,
        introducer: Some(id_proto::Introducer {
            node_id: key(3),
            is_neighbour: false,
            n_entries: 300,
            n_unverified: 41,
            quota: 4096,
            room: 4055,
            squeeze: 64,
            dials: 16,
        }),
        author_budget: Some(id_proto::AuthorBudget { left: 2, next_in: Duration::ZERO }),
        last_dial: Some(id_proto::LastDial { age: Duration::from_secs(61), end: word("answered") }),
        next_dial: Some(id_proto::NextDial {
            after: Duration::from_secs(118),
            why: word("silent"),
        }),
        ..unknown()
    }
}

fn gone() -> Explanation<SignedAnnouncement> {
    Explanation {
        author_budget: Some(id_proto::AuthorBudget { left: 0, next_in: Duration::from_secs(4) }),
        last_refusal: Some(id_proto::LastRefusal {
            age: Duration::from_secs(2),
            reason: word("refused_departed"),
            by: Some(key(3)),
        }),
        departed: Some(id_proto::Departed {
            age: Duration::from_secs(10),
            reason: word("left"),
            seq: 1_763_632_805_000,
            forgotten_in: Duration::from_secs(710),
        }),
        lost: Some(id_proto::Lost {
            age: Duration::from_secs(12),
            given_up_in: Duration::from_secs(3588),
        }),
        ..unknown()
    }
}

fn document(explanation: Explanation<SignedAnnouncement>) -> ExplainDocument {
    let route = Route { path: PathKind::Direct, rtt: Duration::from_micros(412) };
    let answer = Answer { by: key(2), route, explanation };
    ExplainDocument::new(&answer, UNIX_EPOCH + NOW)
}

fn text_of(explanation: Explanation<SignedAnnouncement>) -> String {
    let mut out = Vec::new();
    document(explanation).render_text(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn listed_peer_is_explained_line_by_line_and_nothing_is_hostile() {
    snapbox::assert_data_eq!(
        text_of(listed()),
        snapbox::str![[r#"
peer:          8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c
asked:         8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394, which says all that follows
in its table:  yes
known by:      what ed4928c628 told
name:          oak�[31m
agent:         id-node/0.1.0
announced:     2025-11-20T10:00:00Z
addresses:     https://relay.example/, 192.0.2.1:4433
last heard:    4s ago
last answered: 1m01s ago
protected:     yes: neighbour, answered a dial
introducer:    ed4928c628 brought 300 peers, 41 of them unverified (quota 4096); may bring 4055 more, 64 into a full table; 16 dials may fail
author budget: 2 more at once
last dial:     1m01s ago: answered
next dial:     in 1m58s at the earliest, if it stays silent
last refusal:  -
departed:      -
lost:          -

"#]]
    );
}

#[test]
fn peer_that_is_gone_is_explained_by_what_is_remembered() {
    let shown = text_of(gone());
    for line in [
        "in its table:  no",
        "known by:      -",
        "protected:     no",
        "author budget: no announcement now, the next in 4s",
        "last refusal:  2s ago: refused_departed, brought by ed4928c628",
        "departed:      10s ago: left; what it said up to sequence number 1763632805000 is \
         refused for another 11m50s",
        "lost:          12s ago; it is looked for another 59m48s",
    ] {
        assert!(shown.contains(&format!("\n{line}\n")), "{line}\n{shown}");
    }
}

#[test]
fn unknown_is_a_dash_in_text_and_null_in_json() {
    let shown = text_of(unknown());
    assert_eq!(shown.lines().count(), 18);
    assert_eq!(shown.lines().filter(|line| line.ends_with(" -")).count(), 14, "{shown}");
    let json = serde_json::to_value(document(unknown())).unwrap();
    let fields = json.as_object().unwrap();
    let nulls = fields.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| &**name);
    let mut nulls: Vec<&str> = nulls.collect();
    nulls.sort_unstable();
    assert_eq!(
        nulls,
        [
            "age_secs",
            "announcement",
            "answered_dial_age_secs",
            "author_budget",
            "departed",
            "introducer",
            "last_dial",
            "last_refusal",
            "lost",
            "next_dial",
            "source",
            "told_by",
        ]
    );
}

#[test]
fn json_has_the_documented_fields() {
    let listed = serde_json::to_value(document(listed())).unwrap();
    assert_eq!(listed["format_version"], FORMAT_VERSION);
    assert_eq!(listed["listed"], true);
    assert_eq!(listed["source"], "told");
    assert_eq!(listed["told_by"], key(3).to_string());
    assert_eq!(listed["announcement"]["name"], "oak\x1b[31m");
    assert_eq!(listed["answered_dial_age_secs"], 61.0);
    assert_eq!(listed["introducer"]["quota"], 4096);
    assert_eq!(listed["next_dial"]["why"], "silent");
    let gone = serde_json::to_value(document(gone())).unwrap();
    assert_eq!(gone["departed"]["seq"], 1_763_632_805_000_u64);
    assert_eq!(gone["author_budget"]["next_in_secs"], 4.0);
    assert_eq!(gone["last_refusal"]["reason"], "refused_departed");
    assert_eq!(gone["lost"]["given_up_in_secs"], 3588.0);
}

#[test]
fn every_field_and_word_is_documented() {
    const SCRIPTS: &str = include_str!("../../../../../docs/scripts.md");
    let json = serde_json::to_value(document(listed())).unwrap();
    for field in json.as_object().unwrap().keys() {
        assert!(SCRIPTS.contains(&format!("`{field}`")), "{field}");
    }
    for word in ["under_way", "verify", "silent", "lost", "answered", "other_network"] {
        assert!(SCRIPTS.contains(&format!("`{word}`")), "{word}");
    }
}

//! Lists by sentences.

use std::{collections::BTreeSet, io::Write};

use id_proto::iroh_base::{PublicKey, SecretKey};
use proptest::prelude::*;

use super::*;

fn id(seed: u16) -> PublicKey {
    let mut bytes = [3; 32];
    bytes[..2].copy_from_slice(&seed.to_le_bytes());
    SecretKey::from_bytes(&bytes).public()
}

fn ids(seeds: &[u16]) -> BTreeSet<PublicKey> {
    seeds.iter().copied().map(id).collect()
}

#[test]
fn without_lists_everybody_is_admitted_and_nobody_vouched_for() {
    let list = AccessList::default();
    assert!(list.admits(&id(1)));
    assert!(!list.vouches_for(&id(1)));
}

#[test]
fn who_is_denied_is_not_admitted_and_all_others_are() {
    let list = AccessList { deny: ids(&[1]), ..AccessList::default() };
    assert!(!list.admits(&id(1)));
    assert!(list.admits(&id(2)));
}

#[test]
fn with_an_allow_list_nobody_else_is_admitted() {
    let list = AccessList { allow: Some(ids(&[1])), ..AccessList::default() };
    assert!(list.admits(&id(1)) && list.vouches_for(&id(1)));
    assert!(!list.admits(&id(2)) && !list.vouches_for(&id(2)));
    let empty = AccessList { allow: Some(ids(&[])), ..AccessList::default() };
    assert!(!empty.admits(&id(1)));
}

#[test]
fn deny_beats_allow() {
    let list = AccessList { deny: ids(&[1]), allow: Some(ids(&[1, 2])), ..AccessList::default() };
    assert!(!list.admits(&id(1)) && !list.vouches_for(&id(1)));
    assert!(list.admits(&id(2)));
}

#[test]
fn the_operators_own_tools_are_admitted_in_any_case() {
    let list = AccessList {
        deny: ids(&[1]),
        allow: Some(ids(&[])),
        own: ids(&[1]),
        ..AccessList::default()
    };
    assert!(list.admits(&id(1)));
    assert!(!list.admits(&id(2)));
}

#[test]
fn an_operator_is_one_who_is_named_and_admitted() {
    let list = AccessList { operators: ids(&[1, 2]), ..AccessList::default() };
    assert!(list.is_operator(&id(1)) && list.is_operator(&id(2)));
    assert!(!list.is_operator(&id(3)), "whoever may ask may not hand over");
    let list = AccessList { deny: ids(&[1]), ..list };
    assert!(!list.is_operator(&id(1)) && list.is_operator(&id(2)));
    let list = AccessList { allow: Some(ids(&[1])), own: ids(&[3]), ..list };
    assert!(!list.is_operator(&id(1)) && !list.is_operator(&id(2)));
    assert!(!list.is_operator(&id(3)), "the tools that crawl hand nothing over");
    let list = AccessList { operators: ids(&[3]), ..list };
    assert!(list.is_operator(&id(3)));
}

#[test]
fn operators_are_counted_for_people_but_for_the_own_one() {
    let with = |operators: &[u16]| AccessList {
        deny: ids(&[9]),
        own: ids(&[1]),
        operators: ids(operators),
        ..AccessList::default()
    };
    assert_eq!(with(&[1]).to_string(), "everybody but 1");
    assert_eq!(with(&[1, 2]).to_string(), "everybody but 1; 1 operator");
    assert_eq!(with(&[1, 2, 3]).to_string(), "everybody but 1; 2 operators");
}

#[test]
fn a_file_holds_one_id_a_line_comments_and_empty_lines() {
    let text = format!("# who floods\n\n{}\r\n  {}  # since Monday\n\t\n{}", id(1), id(2), id(1));
    assert_eq!(parse_list(text.as_bytes()).unwrap(), ids(&[1, 2]));
    assert_eq!(parse_list(b"").unwrap(), ids(&[]));
    assert_eq!(parse_list(b"# nobody\n").unwrap(), ids(&[]));
}

#[test]
fn the_first_wrong_line_is_named_with_what_it_holds() {
    let text = format!("{}\n# fine\nalice\x1b[2J\nbob\n", id(1));
    let error = parse_list(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(error, "line 3: \"alice\\u{1b}[2J\" is no node id");
    let two = format!("{} {}", id(1), id(2));
    assert!(parse_list(two.as_bytes()).unwrap_err().to_string().starts_with("line 1: "));
    let long = "x".repeat(10_000);
    assert!(parse_list(long.as_bytes()).unwrap_err().to_string().len() < 200);
    let not_text = [b"# fine\n".as_slice(), &[0xff]].concat();
    assert_eq!(parse_list(&not_text).unwrap_err().to_string(), "line 2: not UTF-8");
}

#[test]
fn a_file_is_neither_too_long_nor_names_too_many() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&vec![b'\n'; MAX_LIST_LEN as usize]).unwrap();
    assert_eq!(read_list(file.path()).unwrap(), ids(&[]));
    file.write_all(b"\n").unwrap();
    assert!(matches!(read_list(file.path()), Err(ListError::TooLong)));
    assert!(matches!(read_list("/nowhere/list".as_ref()), Err(ListError::Io(_))));
}

#[test]
fn as_many_nodes_as_allowed_fit_and_one_more_does_not() {
    // Half of all x-coordinates belong to a point of the curve, and are ids.
    let candidates = (1_u64..).map(|n| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_le_bytes());
        bytes
    });
    let ids = candidates.filter_map(|bytes| PublicKey::from_bytes(&bytes).ok());
    let lines: Vec<_> = ids.take(MAX_LISTED + 1).map(|id| format!("{id}\n")).collect();
    let all_but_one = lines[1..].concat();
    assert_eq!(parse_list(all_but_one.as_bytes()).unwrap().len(), MAX_LISTED);
    assert!(matches!(parse_list(lines.concat().as_bytes()), Err(ListError::TooMany)));
    let twice = [&all_but_one, lines[1].as_str()].concat();
    assert!(parse_list(twice.as_bytes()).is_ok(), "nobody is counted twice");
}

#[test]
fn a_comma_separated_list_names_nodes_and_nothing_else() {
    assert_eq!(parse_ids(&format!("{}, {},", id(1), id(2))).unwrap(), ids(&[1, 2]));
    assert_eq!(parse_ids(" , ").unwrap(), ids(&[]));
    let error = parse_ids(&format!("{},alice", id(1))).unwrap_err().to_string();
    assert_eq!(error, "\"alice\" is no node id");
    // An address belongs to --bootstrap.
    assert!(parse_ids(&format!("{}@127.0.0.1:1", id(1))).is_err());
}

proptest! {
    #[test]
    fn whatever_a_file_holds_is_a_list_or_an_error(bytes: Vec<u8>) {
        let n_lines = 1 + bytes.iter().filter(|byte| **byte == b'\n').count();
        match parse_list(&bytes) {
            Ok(ids) => prop_assert!(ids.len() <= n_lines),
            Err(ListError::BadLine { line, found }) => {
                prop_assert!((1..=n_lines).contains(&line) && !found.is_empty());
            }
            Err(ListError::NotText { line }) => prop_assert!((1..=n_lines).contains(&line)),
            Err(error) => prop_assert!(false, "{error}"),
        }
    }

    #[test]
    fn what_is_written_is_read_whatever_stands_between(
        seeds in prop::collection::vec((0_u16..50, "[ \t]{0,3}(#[^\n]{0,20})?", "\n(#[^\n]{0,9}\n|[ \t]*\n){0,3}"), 0..20),
    ) {
        let text: String =
            seeds.iter().map(|(seed, comment, rest)| format!("{}{comment}{rest}", id(*seed))).collect();
        let written = seeds.iter().map(|(seed, ..)| id(*seed)).collect();
        prop_assert_eq!(parse_list(text.as_bytes()).unwrap(), written);
    }

    #[test]
    fn who_is_admitted_is_never_denied_and_always_allowed(
        deny in prop::collection::vec(0_u16..8, 0..8),
        allow in prop::option::of(prop::collection::vec(0_u16..8, 0..8)),
        peer in 0_u16..8,
    ) {
        let list = AccessList { deny: ids(&deny), allow: allow.as_deref().map(ids), ..AccessList::default() };
        let expected = !deny.contains(&peer) && allow.is_none_or(|allow| allow.contains(&peer));
        prop_assert_eq!(list.admits(&id(peer)), expected);
    }
}

#[tokio::test]
async fn whoever_waits_for_a_revocation_hears_of_it_and_of_no_other() {
    let access = Access::new(AccessList::default());
    let revoked = access.revoked(id(1));
    tokio::pin!(revoked);
    assert!(futures::poll!(&mut revoked).is_pending());
    access.set(Arc::new(AccessList { deny: ids(&[2]), ..AccessList::default() }));
    assert!(futures::poll!(&mut revoked).is_pending());
    access.set(Arc::new(AccessList { deny: ids(&[1]), ..AccessList::default() }));
    revoked.await;
    assert!(!access.admits(&id(1)) && access.admits(&id(2)));
}

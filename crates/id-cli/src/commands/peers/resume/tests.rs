//! Crawls of networks in memory that are killed anywhere, and files that aren't what they seem.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use id_client::{
    CrawlReport, Crawler, Depth, Limits, Past, Use,
    id_proto::{Network, SignedAnnouncement},
    memory::{Behaviour, Lie, MemoryNetwork},
};
use id_proto::iroh_base::SecretKey;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::{exit::Stop, output::TOOL};
use id_render::Document;

/// Everything that a peer may do, except to be slow.
fn motley() -> MemoryNetwork {
    MemoryNetwork::random(16, 3, 7)
        .with_page_len(2)
        .with(3, Behaviour::Refuses)
        .with(5, Behaviour::HangsUpAfter(1))
        .with_lie(6, Lie::Forged)
        .with_lie(7, Lie::Expired)
}

fn limits() -> Limits {
    Limits { max_depth: Depth::Unlimited, max_edges: 1000, ..Limits::default() }
}

fn header() -> Header {
    Header::new(TOOL, &Network::public(), SystemTime::UNIX_EPOCH)
}

fn frame(network: &MemoryNetwork) -> Frame {
    Frame {
        seeds: BTreeSet::from([network.id(0)]),
        max_peers: limits().max_peers.get(),
        network_tag: Network::public().tag(),
    }
}

fn open(path: &Path, frame: &Frame) -> Result<(Journal, Past), Stop> {
    Journal::open(path, &header(), frame, SystemTime::now())
}

fn refusal(path: &Path, frame: &Frame) -> String {
    open(path, frame).unwrap_err().message
}

/// Crawls as `peers --resume` does; `n_events` later it is killed.
async fn crawl_until(network: &MemoryNetwork, path: &Path, n_events: usize) -> Document {
    let (mut journal, past) = open(path, &frame(network)).unwrap();
    let crawler = Crawler::with_transport(network.clone()).seeds([network.addr(0)]);
    let mut crawl = crawler.limits(limits()).past(past).keep_answers(MAX_NAMED).start();
    let mut n_left = n_events;
    while n_left > 0
        && let Some(event) = crawl.next().await
    {
        journal.on_event(&mut crawl, &event).unwrap();
        n_left -= 1;
    }
    let report: CrawlReport = crawl.finish().await;
    let document = Document::of_crawl(header(), &report);
    if n_left > 0 {
        journal.finish(&document).unwrap();
    }
    document
}

/// What a document says, without how long it took, in which order answers came, and who was dialled in it.
fn said(document: &Document) -> Value {
    let mut said = serde_json::to_value(document).unwrap();
    said["crawl"]["duration_ms"] = 0.into();
    for peer in said["peers"].as_array_mut().unwrap() {
        let via = peer["via"].as_array_mut().unwrap();
        via.sort_by_key(Value::to_string);
        // Some seconds may have passed.
        assert!(peer["age_secs"].as_f64().unwrap_or(0.0) < 60.0, "{peer}");
        peer["age_secs"] = Value::Null;
        peer["dialled"] = Value::Null;
    }
    said["edges"] = document.edges().collect();
    said
}

fn file() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("crawl.jsonl");
    (dir, path)
}

/// The lines of a whole crawl of `network`.
async fn noted(network: &MemoryNetwork) -> (TempDir, PathBuf, Vec<String>) {
    let (dir, path) = file();
    crawl_until(network, &path, usize::MAX).await;
    let lines = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    (dir, path, lines)
}

fn write(path: &Path, lines: &[String]) {
    fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn crawl_that_is_killed_after_any_event_and_goes_on_prints_what_an_uninterrupted_one_does() {
    let network = motley();
    let (_dir, path, _) = noted(&network).await;
    fs::remove_file(&path).unwrap();
    let expected = said(&crawl_until(&network, &path, usize::MAX).await);
    for n_events in 0..80 {
        fs::remove_file(&path).unwrap();
        crawl_until(&network, &path, n_events).await;
        assert_eq!(said(&crawl_until(&network, &path, usize::MAX).await), expected, "{n_events}");
    }
}

#[tokio::test(start_paused = true)]
async fn file_that_is_cut_anywhere_is_read_as_far_as_its_lines_are_whole() {
    let network = motley();
    let (_dir, path, lines) = noted(&network).await;
    let expected = said(&crawl_until(&network, &path, usize::MAX).await);
    let whole: String = lines.iter().map(|line| format!("{line}\n")).collect();
    for len in (0..whole.len()).step_by(211) {
        fs::write(&path, &whole[..len]).unwrap();
        assert_eq!(said(&crawl_until(&network, &path, usize::MAX).await), expected, "{len}");
        for line in fs::read_to_string(&path).unwrap().lines() {
            assert!(serde_json::from_str::<Value>(line).is_ok(), "{len}: {line}");
        }
    }
}

#[tokio::test]
async fn who_answered_is_not_asked_again() {
    let network = MemoryNetwork::ring(9);
    let (_dir, path) = file();
    crawl_until(&network, &path, 12).await;
    let before = network.asked();
    crawl_until(&network, &path, usize::MAX).await;
    let (_journal, past) = open(&path, &frame(&network)).unwrap();
    assert_eq!(past.n_answers(), 9);
    let again = network.asked().split_off(before.len());
    // The last of them may have been killed before it could answer.
    let n_answered = before.len() - again.iter().filter(|id| before.contains(id)).count();
    assert!(n_answered > 2 && n_answered < 9, "{n_answered}");
    assert_eq!(again.len(), 9 - n_answered);
}

#[tokio::test]
async fn file_holds_the_lines_of_jsonl_and_each_signed_original_once() {
    let network = MemoryNetwork::star(5);
    let (_dir, path, lines) = noted(&network).await;
    let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |kind: &str| lines.iter().filter(|line| line["type"] == kind).count();
    assert_eq!((count("announcement"), count("peer")), (5, 5));
    assert_eq!((&lines[0]["type"], &lines[10 + 1]["type"]), (&"version".into(), &"summary".into()));
    let peer = lines.iter().find(|line| line["type"] == "peer").unwrap();
    assert_eq!((&peer["status"], &peer["told"]["peers"]), (&"answered".into(), &4.into()));
    let (_journal, past) = open(&path, &frame(&network)).unwrap();
    let (answer, usage) = past.answer(&network.id(0)).unwrap();
    assert_eq!((answer.named.len(), usage), (5, Use::InsteadOfAsking));
}

#[tokio::test]
async fn crawl_of_something_else_is_refused() {
    let network = MemoryNetwork::star(3);
    let (_dir, path, lines) = noted(&network).await;
    let own = frame(&network);
    let other = Network::derive("office", "hunter2").unwrap();
    let elsewhere = Frame { network_tag: other.tag(), ..own.clone() };
    assert!(refusal(&path, &elsewhere).contains("it is of network "));
    let from_another = Frame { seeds: BTreeSet::from([network.id(1)]), ..own.clone() };
    assert!(refusal(&path, &from_another).contains("started from other nodes"));
    let larger = Frame { max_peers: own.max_peers + 1, ..own.clone() };
    assert!(refusal(&path, &larger).contains("more than --max-peers 1000"));
    let later = [vec![lines[0].replace("\"1.0\"", "\"2.0\"")], lines[1..].to_vec()].concat();
    write(&path, &later);
    assert!(refusal(&path, &own).contains("its format_version is 2.0, and 1.x is understood"));
    let minor = [vec![lines[0].replace("\"1.0\"", "\"1.9\"")], lines[1..].to_vec()].concat();
    write(&path, &[minor, vec!["{\"type\":\"news\"}".to_owned()]].concat());
    assert!(open(&path, &own).is_ok());
}

#[tokio::test]
async fn what_is_no_file_of_ours_is_refused_and_left_as_it_is() {
    let network = MemoryNetwork::star(3);
    let (dir, path, lines) = noted(&network).await;
    let jsonl = r#"{"type":"version","format_version":"1.0","network":{"tag":"0"}}"#;
    for content in ["a letter", "a letter\n", "{}\n", &format!("{jsonl}\n"), "\0\0\0"] {
        fs::write(&path, content).unwrap();
        let refusal = refusal(&path, &frame(&network));
        let is_clear =
            refusal.contains("no such line") || refusal.contains("no file that --resume");
        assert!(is_clear, "{content:?}: {refusal}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    for (at, line) in [(1, "half of some"), (2, "[]"), (3, "{\"type\":\"peer\"}")] {
        let mut damaged = lines.clone();
        damaged[at] = line.to_owned();
        write(&path, &damaged);
        assert!(
            refusal(&path, &frame(&network)).contains(&format!("line {}: no such line", at + 1))
        );
    }
    assert!(refusal(dir.path(), &frame(&network)).starts_with(dir.path().to_str().unwrap()));
}

#[tokio::test]
async fn nothing_is_believed_that_its_author_did_not_sign() {
    let network = MemoryNetwork::star(3);
    let (_dir, path, lines) = noted(&network).await;
    let frame = frame(&network);
    let with = |signed: &str| {
        let forged = format!("{{\"type\":\"announcement\",\"signed\":\"{signed}\"}}");
        write(&path, &[&lines[..1], &[forged], &lines[1..]].concat());
        refusal(&path, &frame)
    };
    let original = network.announcement(1);
    let mut altered = original.bytes().to_vec();
    *altered.last_mut().unwrap() ^= 1;
    assert!(with(&hex(&altered)).contains("line 2: "), "{}", with(&hex(&altered)));
    let mut forged = original.bytes().to_vec();
    forged[0] ^= 1;
    assert!(with(&hex(&forged)).contains("that its author didn't sign"));
    let key = SecretKey::from_bytes(&[9; 32]);
    let signed = |change: fn(&mut id_proto::PeerAnnouncement)| {
        let mut announcement = original.statement().clone();
        announcement.node_id = key.public();
        change(&mut announcement);
        hex(SignedAnnouncement::sign(announcement, &key).unwrap().bytes())
    };
    let foreign = signed(|it| it.network_tag = NetworkTag([7; 16]));
    assert!(with(&foreign).contains("of another network"));
    let early = signed(|it| it.timestamp_secs += 3600);
    assert!(with(&early).contains("of the future"));
    for wrong in ["0", "zz", &"00".repeat(513), "\u{e9}\u{e9}"] {
        assert!(with(wrong).contains("line 2: "), "{wrong}");
    }
}

#[tokio::test]
async fn answer_that_names_an_announcement_that_is_not_there_is_refused() {
    let network = MemoryNetwork::star(3);
    let (_dir, path, mut lines) = noted(&network).await;
    let at = lines.iter().position(|line| line.contains("\"answer\"")).unwrap();
    lines[at] = lines[at].replace("\"named\":[[0,", "\"named\":[[77,");
    write(&path, &lines);
    assert!(refusal(&path, &frame(&network)).contains("there is no announcement 77"));
}

#[test]
fn lines_and_files_have_a_length_behind_which_they_are_not_read() {
    let network = MemoryNetwork::star(1);
    let (_dir, path) = file();
    drop(open(&path, &frame(&network)).unwrap());
    let first = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{first}{}", "x".repeat(usize::try_from(MAX_LINE_LEN).unwrap() + 1)))
        .unwrap();
    assert!(refusal(&path, &frame(&network)).contains("a line is longer than 5 MiB"));
    let filler = format!("{{\"type\":\"x\",\"x\":\"{}\"}}\n", "x".repeat(4 << 20));
    fs::write(&path, format!("{first}{}", filler.repeat(16))).unwrap();
    assert!(refusal(&path, &frame(&network)).contains("it is longer than 64 MiB"));
}

#[test]
fn two_crawls_do_not_write_to_one_file() {
    let network = MemoryNetwork::star(1);
    let (_dir, path) = file();
    let first = open(&path, &frame(&network)).unwrap();
    assert!(refusal(&path, &frame(&network)).contains("another crawl writes to it"));
    drop(first);
    assert!(open(&path, &frame(&network)).is_ok());
}

#[tokio::test]
async fn answers_are_as_old_as_they_are() {
    let network = MemoryNetwork::star(2);
    let (_dir, path, lines) = noted(&network).await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let hour_ago = format!("\"at_secs\":{}", now - 3600);
    let aged = lines.iter().map(|line| match line.find("\"at_secs\":") {
        Some(at) => format!("{}{hour_ago}{}", &line[..at], &line[at + 20..]),
        None => line.clone(),
    });
    write(&path, &aged.collect::<Vec<_>>());
    let document = crawl_until(&network, &path, usize::MAX).await;
    let ages = document.peers.iter().map(|peer| peer.age_secs.unwrap());
    assert!(
        ages.clone().all(|age| (3600.0..3700.0).contains(&age)),
        "{:?}",
        ages.collect::<Vec<_>>()
    );
    assert_eq!(document.summary.answered, 2);
}

/// Whom a crawl knows that goes on from `bytes`; `None` if they are refused.
fn known(network: &MemoryNetwork, bytes: &[u8]) -> Option<Vec<String>> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let past = reading::read(bytes, &frame(network), now).ok()?.past;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let crawler = Crawler::with_transport(network.clone()).seeds([network.addr(0)]);
    let report =
        runtime.block_on(async { crawler.limits(limits()).past(past).start().run().await });
    let document = Document::of_crawl(header(), &report);
    Some(document.peers.into_iter().map(|peer| peer.node_id).collect())
}

#[test]
fn damaged_file_neither_panics_nor_makes_anybody_up() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let network = MemoryNetwork::star(4);
    let (_dir, path, _) = runtime.block_on(noted(&network));
    let whole = fs::read(&path).unwrap();
    let all = known(&network, &whole).unwrap();
    assert_eq!(all.len(), 4);
    let damage = prop::collection::vec((0..whole.len(), any::<u8>()), 1..4);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&damage, |damage| {
        let mut bytes = whole.clone();
        damage.iter().for_each(|(at, byte)| bytes[*at] = *byte);
        let known = known(&network, &bytes).unwrap_or_default();
        prop_assert!(known.iter().all(|id| all.contains(id)), "{:?}", known);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn largest_numbers_in_a_file_overflow_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let network = MemoryNetwork::star(2);
    let (_dir, path, lines) = runtime.block_on(noted(&network));
    let extreme = |line: &String| {
        let Ok(Value::Object(mut line)) = serde_json::from_str(line) else { panic!("{line}") };
        if let Some(answer) = line.get_mut("answer") {
            answer["at_secs"] = 0.into();
            answer["left_out"] = u32::MAX.into();
            for named in answer["named"].as_array_mut().unwrap() {
                (named[1], named[2]) = (u64::MAX.into(), u64::MAX.into());
            }
            line["rtt_ms"] = 1e300.into();
            line["rejected"] = serde_json::json!({"malformed": u32::MAX, "unheard_of": 1});
        }
        Value::from(line).to_string()
    };
    let extreme: Vec<String> = lines.iter().map(extreme).collect();
    write(&path, &extreme);
    assert_eq!(known(&network, &fs::read(&path).unwrap()).unwrap().len(), 2);
    // Nor are lines out of their bounds taken for smaller ones.
    let too_large = extreme.iter().map(|line| line.replace("4294967295", "4294967296"));
    write(&path, &too_large.collect::<Vec<_>>());
    assert!(refusal(&path, &frame(&network)).contains("no such line"));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

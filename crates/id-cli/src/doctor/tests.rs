//! What is found where one thing is broken, and that nothing else is blamed.

use std::{collections::BTreeMap, net::Ipv4Addr, path::PathBuf};

use id_client::{
    FailKind, PathKind,
    id_proto::{
        iroh_base::{PublicKey, SecretKey},
        version::ProtocolVersion,
    },
};
use id_node::checkup::{DhtCheck, MdnsCheck};

use super::{
    Diagnosis, Facts, Step, Verdict,
    facts::{
        Announced, Answer, Config, DataDir, Failure, Heard, Instance, Key, Name, Own, OwnStatus,
        Peer, Relay, RelayState, Standing, WaysOut, Why,
    },
};

const NOW: u64 = 1_763_632_800;

fn id(seed: u8) -> PublicKey {
    SecretKey::from_bytes(&[seed; 32]).public()
}

fn versions() -> Vec<u16> {
    ProtocolVersion::ALL.iter().map(|version| version.number()).collect()
}

fn peer(seed: u8) -> Peer {
    let answer = Answer {
        versions: versions(),
        standing: Standing::Member,
        path: PathKind::Direct,
        asked_at: NOW,
        announced: Some(Announced { timestamp_secs: NOW - 12, interval_secs: 30 }),
    };
    Peer { node_id: id(seed), why: Why::Bootstrap, is_here: false, outcome: Ok(answer) }
}

fn silent(seed: u8) -> Peer {
    let failure = Failure { kind: FailKind::Timeout, message: "no answer in 5s".to_owned() };
    Peer { outcome: Err(failure), ..peer(seed) }
}

fn own() -> OwnStatus {
    OwnStatus {
        node_id: id(1),
        versions: versions(),
        uptime_secs: 60,
        table_size: 3,
        n_neighbours: 2,
        channels: BTreeMap::new(),
        counters: BTreeMap::new(),
    }
}

/// A machine on which all is well.
fn well() -> Facts {
    Facts {
        config: Config {
            topic: "office".to_owned(),
            tag: "ab".repeat(16),
            is_private: true,
            gossip: true,
            is_local: false,
            third_parties: Vec::new(),
        },
        data_dir: DataDir::Usable(PathBuf::from("/data")),
        key: Key::Good(id(1)),
        instance: Instance::Node { pid: 7, topic: "office".to_owned(), tag: "ab".repeat(16) },
        own: Own::Answers(Box::new(own())),
        ways_out: WaysOut { v4: Some(Ipv4Addr::new(10, 0, 0, 1).into()), v6: None },
        names: vec![name(Ok(()))],
        outside: None,
        relays: vec![relay(RelayState::Connected)],
        dht: Some(dht()),
        mdns: Some(MdnsCheck {
            way_out: Some(Ipv4Addr::new(10, 0, 0, 1).into()),
            bound: Ok(()),
            n_found: 0,
        }),
        peers: vec![peer(2), peer(3)],
        heard: None,
    }
}

fn name(resolved: Result<(), String>) -> Name {
    Name { name: "dht.example".to_owned(), purpose: "the DHT", resolved }
}

fn relay(state: RelayState) -> Relay {
    Relay { url: "https://relay.example/".to_owned(), state }
}

fn dht() -> DhtCheck {
    DhtCheck {
        n_bootstrap: 8,
        has_answered: true,
        written: Ok(()),
        read_back: true,
        authors: vec![id(1)],
    }
}

fn dead_dht() -> DhtCheck {
    let written = Err("no node of it answers".to_owned());
    DhtCheck { has_answered: false, written, read_back: false, authors: Vec::new(), ..dht() }
}

/// The steps at fault, in the order in which they are shown.
fn faults(facts: &Facts) -> Vec<Step> {
    let findings = Diagnosis::of(facts).findings.into_iter();
    findings.filter(|it| it.verdict == Verdict::Fault).map(|it| it.step).collect()
}

fn verdict(facts: &Facts, step: Step) -> Verdict {
    let findings = Diagnosis::of(facts).findings;
    findings.into_iter().find(|it| it.step == step).unwrap().verdict
}

fn assert_blamed(facts: &Facts, step: Step) {
    let diagnosis = Diagnosis::of(facts);
    assert_eq!(faults(facts), [step], "{diagnosis:#?}");
    assert_eq!(diagnosis.fault(), Some(step));
    assert!(diagnosis.cause.contains(step.as_str()), "{}", diagnosis.cause);
}

#[test]
fn where_all_is_well_nothing_is_found() {
    let diagnosis = Diagnosis::of(&well());
    let steps: Vec<Step> = diagnosis.findings.iter().map(|it| it.step).collect();
    assert_eq!(steps, Step::ALL);
    assert!(
        diagnosis.findings.iter().all(|it| matches!(it.verdict, Verdict::Ok | Verdict::Skipped))
    );
    assert_eq!(diagnosis.fault(), None);
    assert_eq!(diagnosis.cause, "No fault was found: 3 peers are known.");
}

#[test]
fn every_fault_and_warning_says_what_to_do() {
    let facts = Facts {
        data_dir: DataDir::Full("/data".into(), "full".to_owned()),
        key: Key::Loose { path: "/data/identity".into(), mode: 0o644 },
        instance: Instance::Unknown("/data/lock".into()),
        own: Own::NotRunning,
        ways_out: WaysOut::default(),
        dht: Some(dead_dht()),
        peers: vec![silent(2)],
        ..well()
    };
    let findings = Diagnosis::of(&facts).findings;
    for finding in findings {
        let is_bad = matches!(finding.verdict, Verdict::Fault | Verdict::Warning);
        assert_eq!(finding.advice.is_some(), is_bad, "{finding:?}");
    }
}

#[test]
fn full_data_dir_comes_before_everything_else() {
    let facts = Facts {
        data_dir: DataDir::Full("/data".into(), "no space left".to_owned()),
        key: Key::Missing,
        ..well()
    };
    assert_blamed(&facts, Step::DataDir);
    let also = Facts { dht: Some(dead_dht()), ..facts };
    assert_eq!(Diagnosis::of(&also).fault(), Some(Step::DataDir));
    assert_eq!(faults(&also), [Step::DataDir, Step::Dht], "the other isn't hidden");
}

#[test]
fn key_that_others_may_read_is_told_with_its_mode_and_the_cure() {
    let path = PathBuf::from("/data/identity");
    let facts = Facts { key: Key::Loose { path, mode: 0o644 }, ..well() };
    assert_blamed(&facts, Step::Key);
    let findings = Diagnosis::of(&facts).findings;
    let key = findings.iter().find(|it| it.step == Step::Key).unwrap();
    assert!(key.seen.contains("0644"), "{key:?}");
    assert!(key.advice.as_ref().unwrap().contains("chmod 600 /data/identity"), "{key:?}");
}

#[test]
fn second_node_of_another_network_on_the_directory_is_told() {
    let other = Instance::Node { pid: 7, topic: "cellar".to_owned(), tag: "cd".repeat(16) };
    let facts = Facts { instance: other, own: Own::OtherNetwork, ..well() };
    assert_blamed(&facts, Step::Instance);
    assert_blamed(
        &Facts { instance: Instance::Unknown("/data/lock".into()), ..well() },
        Step::Instance,
    );
}

#[test]
fn node_that_runs_and_doesnt_answer_is_told() {
    let own = Own::Fails { kind: FailKind::Timeout, message: "no answer".to_owned() };
    assert_blamed(&Facts { own, ..well() }, Step::Rpc);
}

#[test]
fn without_names_neither_the_dht_nor_relays_are_blamed() {
    let failed = || Err("no answer in time".to_owned());
    let facts = Facts {
        names: vec![name(failed()), name(failed())],
        dht: Some(DhtCheck { n_bootstrap: 0, ..dead_dht() }),
        relays: vec![relay(RelayState::Failed("no address".to_owned()))],
        ..well()
    };
    assert_blamed(&facts, Step::Dns);
    assert_eq!(verdict(&facts, Step::Relay), Verdict::Skipped);
}

#[test]
fn name_that_fails_beside_one_that_resolves_is_a_warning() {
    let names = vec![name(Ok(())), name(Err("no address".to_owned()))];
    let facts = Facts { names, ..well() };
    assert_eq!(faults(&facts), []);
    assert_eq!(verdict(&facts, Step::Dns), Verdict::Warning);
}

#[test]
fn udp_is_blamed_if_nobody_of_several_kinds_answers_by_it() {
    let facts = Facts { dht: Some(dead_dht()), peers: vec![silent(2)], ..well() };
    assert_blamed(&facts, Step::Udp);
    let mut relayed = peer(2);
    relayed.outcome.as_mut().unwrap().path = PathKind::Relay;
    assert_blamed(&Facts { dht: Some(dead_dht()), peers: vec![relayed], ..well() }, Step::Udp);
}

#[test]
fn dead_dht_is_blamed_if_others_answer_by_udp_or_nobody_else_was_asked() {
    assert_blamed(&Facts { dht: Some(dead_dht()), ..well() }, Step::Dht);
    assert_blamed(&Facts { dht: Some(dead_dht()), peers: Vec::new(), ..well() }, Step::Dht);
}

#[test]
fn peer_on_this_machine_says_nothing_of_udp() {
    let here = Peer { is_here: true, ..peer(2) };
    let facts = Facts { dht: None, peers: vec![here], ..well() };
    assert_eq!(verdict(&facts, Step::Udp), Verdict::Skipped);
}

#[test]
fn relay_that_is_down_is_told_although_all_else_works() {
    let failed = RelayState::Failed("Connection refused".to_owned());
    assert_blamed(&Facts { relays: vec![relay(failed)], ..well() }, Step::Relay);
}

#[test]
fn peer_of_another_secret_is_told_apart_from_one_that_is_silent() {
    let standing = |standing| {
        let mut peer = peer(2);
        let answer = peer.outcome.as_mut().unwrap();
        (answer.standing, answer.announced) = (standing, None);
        Facts { peers: vec![peer], ..well() }
    };
    assert_blamed(&standing(Standing::Stranger), Step::Membership);
    assert_blamed(&standing(Standing::Elsewhere("cd".repeat(16))), Step::Membership);
    assert_blamed(&Facts { peers: vec![silent(2)], ..well() }, Step::Peers);
}

#[test]
fn peer_that_speaks_no_version_of_ours_is_told_and_not_taken_for_a_stranger() {
    let mut newer = peer(2);
    let answer = newer.outcome.as_mut().unwrap();
    (answer.versions, answer.standing) = (vec![1_000], Standing::Stranger);
    assert_blamed(&Facts { peers: vec![newer], ..well() }, Step::Versions);
    let failure = Failure { kind: FailKind::Unsupported, message: "version 1000".to_owned() };
    let newer = Peer { outcome: Err(failure), ..peer(2) };
    assert_blamed(&Facts { peers: vec![newer], ..well() }, Step::Versions);
}

#[test]
fn peer_that_speaks_a_newer_version_too_is_no_fault() {
    let mut newer = peer(2);
    newer.outcome.as_mut().unwrap().versions.push(1_000);
    let facts = Facts { peers: vec![newer], ..well() };
    assert_eq!(faults(&facts), []);
    assert_eq!(verdict(&facts, Step::Versions), Verdict::Warning);
}

/// Peers whose clocks are behind ours by so many seconds.
fn behind(offsets: &[i64]) -> Facts {
    let peers = offsets.iter().zip(2..).map(|(secs, seed)| {
        let mut peer = peer(seed);
        let answer = peer.outcome.as_mut().unwrap();
        answer.announced.as_mut().unwrap().timestamp_secs = (NOW - 12).saturating_add_signed(-secs);
        peer
    });
    Facts { peers: peers.collect(), ..well() }
}

#[test]
fn clock_is_told_with_its_direction() {
    for (secs, word) in [(7_200, "ahead of"), (-7_200, "behind")] {
        let facts = behind(&[secs, secs]);
        assert_blamed(&facts, Step::Clock);
        let cause = Diagnosis::of(&facts).cause;
        assert!(cause.contains(word) && cause.contains("2.0 h "), "{cause}");
    }
}

#[test]
fn one_wrong_clock_among_several_isnt_ours() {
    assert_eq!(faults(&behind(&[3_600, 0, 0])), []);
    assert_eq!(verdict(&behind(&[3_600, 0, 0]), Step::Clock), Verdict::Ok);
}

#[test]
fn announcement_within_its_interval_is_no_difference_and_a_minute_is_a_warning() {
    assert_eq!(verdict(&behind(&[17, 17]), Step::Clock), Verdict::Ok);
    assert_eq!(verdict(&behind(&[90, 90]), Step::Clock), Verdict::Warning);
    assert_eq!(verdict(&behind(&[]), Step::Clock), Verdict::Skipped);
}

#[test]
fn hostile_timestamps_are_survived() {
    for timestamp_secs in [0, u64::MAX] {
        let mut facts = behind(&[0]);
        let answer = facts.peers[0].outcome.as_mut().unwrap();
        answer.announced = Some(Announced { timestamp_secs, interval_secs: u32::MAX });
        Diagnosis::of(&facts);
    }
}

#[test]
fn without_a_network_nothing_else_is_blamed() {
    let facts = Facts {
        ways_out: WaysOut::default(),
        names: vec![name(Err("no answer".to_owned()))],
        dht: Some(DhtCheck { n_bootstrap: 0, ..dead_dht() }),
        relays: vec![relay(RelayState::Failed("unreachable".to_owned()))],
        mdns: Some(MdnsCheck { way_out: None, bound: Ok(()), n_found: 0 }),
        peers: vec![silent(2)],
        ..well()
    };
    assert_blamed(&facts, Step::Ip);
}

#[test]
fn local_network_without_a_way_to_the_internet_is_no_fault() {
    let verdict = |way_out: Option<Ipv4Addr>, peers| {
        let way_out = way_out.map(Into::into);
        let facts = Facts {
            ways_out: WaysOut::default(),
            names: Vec::new(),
            dht: None,
            relays: Vec::new(),
            mdns: Some(MdnsCheck { way_out, bound: Ok(()), n_found: 0 }),
            peers,
            ..well()
        };
        verdict(&facts, Step::Ip)
    };
    assert_eq!(verdict(None, Vec::new()), Verdict::Fault);
    assert_eq!(verdict(None, vec![silent(2)]), Verdict::Fault);
    assert_eq!(verdict(None, vec![peer(2)]), Verdict::Warning);
    assert_eq!(verdict(Some(Ipv4Addr::new(10, 0, 0, 1)), Vec::new()), Verdict::Warning);
}

#[test]
fn nobody_there_is_no_fault_and_the_question_is_whether_others_run() {
    let facts = Facts {
        instance: Instance::None,
        own: Own::NotRunning,
        peers: Vec::new(),
        heard: Some(Heard { n_peers: 0, n_neighbours: 0 }),
        ..well()
    };
    assert_eq!(faults(&facts), []);
    let cause = Diagnosis::of(&facts).cause;
    assert!(
        cause.contains("nobody else in network") && cause.ends_with("same topic and secret?"),
        "{cause}"
    );
}

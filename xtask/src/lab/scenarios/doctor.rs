//! Set-ups that are broken on purpose, each in one way: `id-cli doctor` must name that way and no other.
//!
//! All of them have everything else that a node can use: a DHT, a relay, a peer, the local network.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{Bound, PATIENCE};
use crate::lab::{
    network::{DHT_HOST, Dns, NO_FAKETIME, Network, addr, faketime},
    report::Finding,
    strangers,
    world::{Hostility, Report, World},
};

/// How long a doctor may take. Origin: ours; whoever waits for one is in a hurry.
pub(super) const BOUND: Bound = Bound::Within(Duration::from_secs(15));

const SICK: usize = 1;
const WELL: usize = 2;

pub(super) fn healthy(world: &mut World) -> Result<Finding> {
    let flags = start_both(world)?;
    let running = judge(&world.doctor(SICK, &strs(&flags))?, None)?;
    world.stop(&[SICK])?;
    let without = judge(&world.doctor(SICK, &strs(&flags))?, None)?;
    Ok(running.noting(format!("without a running node: {}", without.note)))
}

pub(super) fn no_dns(world: &mut World) -> Result<Finding> {
    world.set_dns(SICK, Dns::BlackHole)?;
    examine_running(world, "dns")
}

pub(super) fn no_udp(world: &mut World) -> Result<Finding> {
    if !strangers::has_nft() {
        return Ok(Finding::skipped(strangers::NO_NFT));
    }
    let relay = prepare(world)?;
    world.start(WELL, &["--relay", &relay])?;
    let ticket = world.await_relayed_ticket(WELL, PATIENCE)?;
    world.block_udp(SICK)?;
    let flags = ["--relay", &relay, "--bootstrap", &ticket];
    world.start(SICK, &flags)?;
    judge(&world.doctor(SICK, &flags)?, Some("udp"))
}

pub(super) fn wrong_secret(world: &mut World) -> Result<Finding> {
    const BLUE: [&str; 4] = ["--topic", "office", "--topic-secret", "blue"];
    const RED: [&str; 4] = ["--topic", "office", "--topic-secret", "red"];
    let relay = prepare(world)?;
    world.start(WELL, &[&BLUE[..], &["--no-dht=false", "--relay", &relay]].concat())?;
    let peer = world.reference(WELL)?;
    let flags = [&RED[..], &["--no-dht=false", "--relay", &relay, "--bootstrap", &peer]].concat();
    world.start(SICK, &flags)?;
    judge(&world.doctor(SICK, &flags)?, Some("membership"))
}

pub(super) fn clock(world: &mut World) -> Result<Finding> {
    if faketime().is_none() {
        return Ok(Finding::skipped(NO_FAKETIME));
    }
    world.shift_clock(SICK, "+1h");
    examine_running(world, "clock")
}

pub(super) fn loose_key(world: &mut World) -> Result<Finding> {
    let flags = start_both(world)?;
    world.stop(&[SICK])?;
    world.loosen_key(SICK)?;
    judge(&world.doctor(SICK, &strs(&flags))?, Some("key"))
}

pub(super) fn second_instance(world: &mut World) -> Result<Finding> {
    start_both(world)?;
    // Somebody wants a node in another network too, and forgets that it needs a directory of its own.
    let flags = ["--topic", "another", "--relay", "disabled"];
    let said = world.start_in_vain(SICK, &flags)?;
    ensure!(said.contains("another id-node runs"), "a second node says: {said}");
    judge(&world.doctor(SICK, &flags)?, Some("instance"))
}

pub(super) fn dead_dht(world: &mut World) -> Result<Finding> {
    world.start_hostile_dht(Hostility::Silent, &Network::dht_servers())?;
    let relay = world.start_relay()?;
    let flags = start_through(world, &relay)?;
    judge(&world.doctor(SICK, &strs(&flags))?, Some("dht"))
}

pub(super) fn relay_down(world: &mut World) -> Result<Finding> {
    world.start_dht()?;
    let nobody = format!("http://{}:3340", addr(DHT_HOST));
    let flags = start_through(world, &nobody)?;
    judge(&world.doctor(SICK, &strs(&flags))?, Some("relay"))
}

pub(super) fn newer_peer(world: &mut World) -> Result<Finding> {
    let relay = prepare(world)?;
    let peer = world.start_newer_peer(WELL)?;
    let flags = ["--relay", &relay, "--bootstrap", &peer];
    world.start(SICK, &flags)?;
    judge(&world.doctor(SICK, &flags)?, Some("versions"))
}

pub(super) fn full_disk(world: &mut World) -> Result<Finding> {
    let relay = prepare(world)?;
    world.start(WELL, &["--relay", &relay])?;
    let peer = world.reference(WELL)?;
    world.fill_disk(SICK)?;
    judge(&world.doctor(SICK, &["--relay", &relay, "--bootstrap", &peer])?, Some("data_dir"))
}

/// A DHT and a relay, whose URL is returned.
fn prepare(world: &mut World) -> Result<String> {
    world.start_dht()?;
    world.start_relay()
}

/// Both nodes, with all that there can be. Returns the settings of the one that is to be looked at.
fn start_both(world: &mut World) -> Result<Vec<String>> {
    let relay = prepare(world)?;
    start_through(world, &relay)
}

fn start_through(world: &mut World, relay: &str) -> Result<Vec<String>> {
    world.start(WELL, &["--relay", relay])?;
    let flags =
        ["--relay".to_owned(), relay.to_owned(), "--bootstrap".to_owned(), world.reference(WELL)?];
    world.start(SICK, &strs(&flags))?;
    Ok(flags.to_vec())
}

/// The usual, but for what was done to the host before.
fn examine_running(world: &mut World, fault: &str) -> Result<Finding> {
    let flags = start_both(world)?;
    judge(&world.doctor(SICK, &strs(&flags))?, Some(fault))
}

fn strs(flags: &[String]) -> Vec<&str> {
    flags.iter().map(String::as_str).collect()
}

/// That fault, and no other.
fn judge(report: &Report, fault: Option<&str>) -> Result<Finding> {
    let Report { json, exit_code, took } = report;
    let steps = json["steps"].as_array().map_or(&[][..], Vec::as_slice);
    let of_verdict = |verdict: &str| -> Vec<&Value> {
        steps.iter().filter(|step| step["verdict"] == verdict).collect()
    };
    let faults: Vec<&str> =
        of_verdict("fault").iter().filter_map(|step| step["step"].as_str()).collect();
    let expected: Vec<&str> = fault.into_iter().collect();
    let expected_code = if fault.is_some() { 3 } else { 0 };
    let is_right = faults == expected && json["fault"] == Value::from(fault);
    if !is_right || *exit_code != Some(expected_code) || steps.is_empty() {
        let (faults, warnings) = (of_verdict("fault"), of_verdict("warning"));
        return Ok(Finding::never(format!(
            "{fault:?} was expected; exit code {exit_code:?}, faults {faults:#?}, warnings {warnings:#?}"
        )));
    }
    let cause = json["cause"].as_str().unwrap_or_default();
    Ok(Finding::took(*took).noting(cause))
}

//! Nodes whose DHT is of no help, or worse: they serve, and find each other by another way.

use std::{
    thread,
    time::{Duration, SystemTime},
};

use anyhow::Result;

use super::agreed_since;
use crate::lab::{
    network::Network,
    report::{Figure, Finding},
    world::{Hostility, World},
};

/// How long nodes may take to serve, in the median. Origin: the issue, for a DNS that is silent.
const SERVES_WITHIN: Duration = Duration::from_millis(300);

/// How long nodes are left to such a DHT after they agreed. Origin: a guess; they have asked it
/// several times by then.
const UNDER_FIRE: Duration = Duration::from_secs(10);

const HOSTS: [usize; 3] = [1, 2, 3];

pub(super) fn garbage(world: &mut World) -> Result<Finding> {
    by_bootstrap(world, Hostility::Garbage)
}

pub(super) fn silent(world: &mut World) -> Result<Finding> {
    by_bootstrap(world, Hostility::Silent)
}

pub(super) fn strangers(world: &mut World) -> Result<Finding> {
    by_bootstrap(world, Hostility::Strangers)
}

pub(super) fn garbage_mdns(world: &mut World) -> Result<Finding> {
    by_mdns(world, Hostility::Garbage)
}

pub(super) fn silent_mdns(world: &mut World) -> Result<Finding> {
    by_mdns(world, Hostility::Silent)
}

pub(super) fn strangers_mdns(world: &mut World) -> Result<Finding> {
    by_mdns(world, Hostility::Strangers)
}

/// The DHT is all that they have. One server of it is left to them.
pub(super) fn strangers_but_one(world: &mut World) -> Result<Finding> {
    world.mute_mdns()?;
    let servers = Network::dht_servers();
    let (honest, hostile) = servers.split_at(1);
    world.start_dht_at(honest)?;
    world.start_hostile_dht(Hostility::Strangers, hostile)?;
    let started_at = world.start_together(&HOSTS, &[])?;
    let finding = agreed_since(world, &HOSTS, started_at)?;
    Ok(finding.noting(serving(world, &HOSTS)?.1))
}

fn by_bootstrap(world: &mut World, hostility: Hostility) -> Result<Finding> {
    world.mute_mdns()?;
    world.start_hostile_dht(hostility, &Network::dht_servers())?;
    world.start(1, &[])?;
    let peer = world.reference(1)?;
    let started_at = world.start_together(&[2, 3], &["--bootstrap", &peer])?;
    judge(world, started_at)
}

fn by_mdns(world: &mut World, hostility: Hostility) -> Result<Finding> {
    world.start_hostile_dht(hostility, &Network::dht_servers())?;
    let started_at = world.start_together(&HOSTS, &[])?;
    judge(world, started_at)
}

/// They must agree, go on, and have served soon.
fn judge(world: &mut World, started_at: SystemTime) -> Result<Finding> {
    let finding = agreed_since(world, &HOSTS, started_at)?;
    if finding.figure == Figure::Never {
        return Ok(finding);
    }
    if let Err(gaps) = survive(world, &HOSTS)? {
        return Ok(Finding::never(format!("after {UNDER_FIRE:?} of such a DHT, {gaps}")));
    }
    let finding = finding.noting(world.describe_channels(1)?);
    let (median, note) = serving(world, &HOSTS)?;
    match median > SERVES_WITHIN {
        true => Ok(Finding::never(format!("{note}, in the median more than {SERVES_WITHIN:?}"))),
        false => Ok(finding.noting(note)),
    }
}

/// Whether nodes still serve and agree after a while.
fn survive(world: &mut World, hosts: &[usize]) -> Result<Result<SystemTime, String>> {
    thread::sleep(UNDER_FIRE);
    world.ensure_running(hosts)?;
    world.await_agreement(hosts, Duration::ZERO)
}

/// How long nodes took to serve: the median, and a line about it.
fn serving(world: &World, hosts: &[usize]) -> Result<(Duration, String)> {
    let mut took: Vec<Duration> =
        hosts.iter().map(|host| world.served_after(*host)).collect::<Result<_>>()?;
    took.sort();
    let millis: Vec<String> = took.iter().map(|took| took.as_millis().to_string()).collect();
    Ok((took[took.len() / 2], format!("they served after {} ms", millis.join(", "))))
}

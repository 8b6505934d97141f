//! Somebody overwrites the topic's places in the DHT twice a second. On the public network whoever
//! knows the topic finds them; of a private one they know the name only.

use std::{thread, time::Duration};

use anyhow::Result;

use super::{PATIENCE, agreed_since};
use crate::lab::{report::Finding, world::World};

/// How long nodes that know each other are left to it. Origin: longer than a place lasts, which is a
/// minute.
const UNDER_FIRE: Duration = Duration::from_secs(90);

const HOSTS: [usize; 3] = [1, 2, 3];
/// Where it runs.
const SQUATTER: usize = 4;

const PUBLIC: &[&str] = &[];
/// A private network doesn't use the DHT by itself.
const PRIVATE: &[&str] = &["--topic", "office", "--topic-secret", "blue", "--no-dht=false"];
/// What an outsider knows of it.
const NAME_OF_PRIVATE: &[&str] = &["--topic", "office"];

pub(super) fn public(world: &mut World) -> Result<Finding> {
    world.mute_mdns()?;
    meet(world, PUBLIC, Some(PUBLIC))
}

pub(super) fn public_with_mdns(world: &mut World) -> Result<Finding> {
    meet(world, PUBLIC, Some(PUBLIC))
}

pub(super) fn private_in_peace(world: &mut World) -> Result<Finding> {
    world.mute_mdns()?;
    meet(world, PRIVATE, None)
}

pub(super) fn private(world: &mut World) -> Result<Finding> {
    world.mute_mdns()?;
    meet(world, PRIVATE, Some(NAME_OF_PRIVATE))
}

fn meet(world: &mut World, flags: &[&str], squatter: Option<&[&str]>) -> Result<Finding> {
    world.start_dht()?;
    if let Some(knows) = squatter {
        world.start_squatter(SQUATTER, knows)?;
    }
    let started_at = world.start_together(&HOSTS, flags)?;
    agreed_since(world, &HOSTS, started_at)
}

pub(super) fn joined(world: &mut World) -> Result<Finding> {
    world.mute_mdns()?;
    world.start_dht()?;
    world.start_together(&HOSTS, PUBLIC)?;
    if let Err(gaps) = world.await_agreement(&HOSTS, PATIENCE)? {
        return Ok(Finding::never(format!("they never agreed: {gaps}")));
    }
    world.start_squatter(SQUATTER, PUBLIC)?;
    thread::sleep(UNDER_FIRE);
    world.ensure_running(&HOSTS)?;
    world.follow_logs()?;
    let n_missed: usize = HOSTS.iter().map(|host| 2 - world.held(*host, &HOSTS).len()).sum();
    Ok(Finding::count(n_missed).noting(world.describe_channels(1)?))
}

//! Nodes that find each other by the DHT alone.

use anyhow::Result;

use super::{PATIENCE, agreed_since, since};
use crate::lab::{report::Finding, world::World};

pub(super) fn dht_three(world: &mut World) -> Result<Finding> {
    by_dht(world, &[1, 2, 3], &[])
}

pub(super) fn dht_three_no_relay(world: &mut World) -> Result<Finding> {
    by_dht(world, &[1, 2, 3], &["--relay", "disabled"])
}

fn by_dht(world: &mut World, hosts: &[usize], flags: &[&str]) -> Result<Finding> {
    world.mute_mdns()?;
    world.start_dht()?;
    let started_at = world.start_together(hosts, flags)?;
    agreed_since(world, hosts, started_at)
}

pub(super) fn dht_late(world: &mut World) -> Result<Finding> {
    world.mute_mdns()?;
    world.start_dht()?;
    world.start_together(&[1, 2, 3], &[])?;
    if let Err(gaps) = world.await_agreement(&[1, 2, 3], PATIENCE)? {
        return Ok(Finding::never(format!("the first three never agreed: {gaps}")));
    }
    world.start(4, &[])?;
    let started_at = world.started_at(4)?;
    agreed_since(world, &[1, 2, 3, 4], started_at)
}

pub(super) fn dht_mixed(world: &mut World) -> Result<Finding> {
    world.mute_mdns()?;
    world.start_dht()?;
    world.start_stock_peer(4)?;
    let started_at = world.start_together(&[1, 2, 3], &[])?;
    let agreed = agreed_since(world, &[1, 2, 3], started_at)?;
    let Some(met_at) = world.await_stock_neighbour(PATIENCE)? else {
        return Ok(Finding::never(format!("nobody met the stock peer; {}", agreed.note)));
    };
    Ok(agreed
        .at_least(since(started_at, met_at))
        .noting("until the stock peer has a neighbour too"))
}

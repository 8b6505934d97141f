//! One way at a time to find somebody whom one was told of, or who is near.

use anyhow::Result;

use super::agreed_since;
use crate::lab::{network::Dns, report::Finding, world::World};

pub(super) fn bootstrap(world: &mut World) -> Result<Finding> {
    world.mute_mdns()?;
    world.start(1, &[])?;
    let peer = world.reference(1)?;
    join_by(world, &peer)
}

pub(super) fn ticket(world: &mut World) -> Result<Finding> {
    world.mute_mdns()?;
    world.start(1, &[])?;
    let peer = world.ticket(1)?;
    join_by(world, &peer)
}

fn join_by(world: &mut World, peer: &str) -> Result<Finding> {
    world.start(2, &["--bootstrap", peer])?;
    let started_at = world.started_at(2)?;
    agreed_since(world, &[1, 2], started_at)
}

pub(super) fn dns_txt(world: &mut World) -> Result<Finding> {
    join_by_txt(world, World::reference)
}

pub(super) fn dns_txt_ticket(world: &mut World) -> Result<Finding> {
    join_by_txt(world, World::ticket)
}

/// Publishes the first node, told of as `name_of` does, and starts another that knows but the name.
fn join_by_txt(world: &mut World, name_of: fn(&World, usize) -> Result<String>) -> Result<Finding> {
    const NAME: &str = "peers.lab.example";
    world.mute_mdns()?;
    world.start(1, &[])?;
    let peer = name_of(world, 1)?;
    world.start_dns(NAME, &peer)?;
    world.set_dns(2, Dns::Served)?;
    world.start(2, &["--bootstrap-dns", NAME])?;
    let started_at = world.started_at(2)?;
    agreed_since(world, &[1, 2], started_at)
}

pub(super) fn black_hole_dns(world: &mut World) -> Result<Finding> {
    world.set_dns(1, Dns::BlackHole)?;
    world.start(1, &[])?;
    Ok(Finding::took(world.served_after(1)?))
}

pub(super) fn mdns(world: &mut World) -> Result<Finding> {
    let started_at = world.start_together(&[1, 2, 3], &["--no-dht"])?;
    agreed_since(world, &[1, 2, 3], started_at)
}

//! Networks that are in the way: wires that lose, routers that translate.

use std::time::Duration;

use anyhow::Result;

use super::{PATIENCE, agreed_since};
use crate::lab::{report::Finding, strangers, world::World};

pub(super) fn loss(world: &mut World) -> Result<Finding> {
    let impairment = world.impair(30, Duration::from_millis(50))?;
    world.mute_mdns()?;
    let measured = world.measure_round_trip(2, 1)?;
    world.start(1, &[])?;
    let peer = world.reference(1)?;
    let others: Vec<usize> = (2..=world.n_hosts()).collect();
    let started_at = world.start_together(&others, &["--bootstrap", &peer])?;
    let hosts: Vec<usize> = (1..=world.n_hosts()).collect();
    Ok(agreed_since(world, &hosts, started_at)?.noting(impairment).noting(measured))
}

/// Two homes, and between them a relay. Neither's address is worth anything to the other.
pub(super) fn double_nat(world: &mut World) -> Result<Finding> {
    if !strangers::has_nft() {
        return Ok(Finding::skipped(strangers::NO_NFT));
    }
    for host in [1, 2] {
        world.move_home(host)?;
    }
    let relay = world.start_relay()?;
    let by_relay = ["--relay", relay.as_str()];
    world.start(1, &by_relay)?;
    let peer = world.await_relayed_ticket(1, PATIENCE)?;
    world.start(2, &[&by_relay[..], &["--bootstrap", &peer]].concat())?;
    let started_at = world.started_at(2)?;
    let agreed = agreed_since(world, &[1, 2], started_at)?;
    Ok(agreed.noting(world.describe_path(2, &peer, &relay)?))
}

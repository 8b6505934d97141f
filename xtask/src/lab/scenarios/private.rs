//! Private networks: who sees them, and whom they send packets to.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::{PATIENCE, agreed_since};
use crate::{
    lab::{
        network::{Dns, Network},
        report::Finding,
        strangers,
        world::World,
    },
    process::poll,
    swarm::REST,
};

pub(super) fn private(world: &mut World) -> Result<Finding> {
    let blue = ["--topic", "office", "--topic-secret", "blue"];
    let red = ["--topic", "office", "--topic-secret", "red"];
    world.start_dht()?;
    world.start(1, &blue)?;
    world.start(3, &red)?;
    // Told of a member of the other network too, which is more than an outsider should know.
    let peers = format!("{},{}", world.reference(1)?, world.reference(3)?);
    world.start(2, &[&blue[..], &["--bootstrap", &peers]].concat())?;
    world.start(4, &[&red[..], &["--bootstrap", &peers]].concat())?;
    for network in [[1, 2], [3, 4]] {
        if let Err(gaps) = world.await_agreement(&network, PATIENCE)? {
            return Ok(Finding::never(format!("a network of its own isn't found: {gaps}")));
        }
    }
    thread::sleep(Duration::from_secs(10));
    world.follow_logs()?;
    let foreign = [([1, 2], [3, 4]), ([3, 4], [1, 2])];
    let n_foreign: usize = foreign
        .iter()
        .flat_map(|(own, others)| own.map(|host| world.held(host, others).len()))
        .sum();
    let n_told = world.n_told_to_outsider(3, 1)?;
    let note = format!("in tables {n_foreign}, told to an outsider who knows the address {n_told}");
    Ok(Finding::count(n_foreign + n_told).noting(note))
}

pub(super) fn private_dht(world: &mut World) -> Result<Finding> {
    world.mute_mdns()?;
    world.start_dht()?;
    for host in [1, 2, 3] {
        world.set_dns(host, Dns::BlackHole)?;
    }
    let servers = Network::dht_servers()[..2].join(",");
    let started_at = world.start_together(&[1, 2, 3], &["--dht-bootstrap", &servers])?;
    agreed_since(world, &[1, 2, 3], started_at)
}

pub(super) fn no_third_party(world: &mut World) -> Result<Finding> {
    if !strangers::has_nft() {
        return Ok(Finding::skipped(strangers::NO_NFT));
    }
    world.start_dht()?;
    strangers::watch(world.network())?;
    let secret = ["--topic-secret", "blue"];
    world.start(1, &secret)?;
    let peer = world.reference(1)?;
    world.start_together(&[2, 3], &[&secret[..], &["--bootstrap", &peer]].concat())?;
    if let Err(gaps) = world.await_agreement(&[1, 2, 3], PATIENCE)? {
        return Ok(Finding::never(gaps));
    }
    thread::sleep(Duration::from_secs(20));
    let seen = strangers::seen()?;
    // A count of none is worth something only if the watch sees what is there.
    world.start(4, &[])?;
    let asked = poll(Instant::now() + PATIENCE, REST, || {
        Ok(Some(strangers::seen()?).filter(|now| now.len() > seen.len()))
    })?;
    let asked = asked.context("a node of the public network wasn't seen to ask anyone")?;
    let control = format!("control: a node of the public network asks {} at once", asked.len());
    Ok(Finding::count(seen.len()).noting(seen.join("\n")).noting(control))
}

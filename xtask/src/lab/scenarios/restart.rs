//! Networks whose every node goes at once, and comes back on what it left on its disk.

use std::{thread, time::Duration};

use anyhow::Result;

use super::{agreed_since, start_through_first};
use crate::lab::{report::Finding, world::World};

pub(super) fn restart_all(world: &mut World) -> Result<Finding> {
    let hosts = six(world)?;
    world.stop(&hosts)?;
    restarted(world, &hosts)
}

pub(super) fn crash_all(world: &mut World) -> Result<Finding> {
    let hosts = six(world)?;
    thread::sleep(Duration::from_secs(5));
    world.kill(&hosts);
    restarted(world, &hosts)
}

fn restarted(world: &mut World, hosts: &[usize]) -> Result<Finding> {
    let started_at = world.start_together(hosts, &[])?;
    agreed_since(world, hosts, started_at)
}

/// Six nodes that agree, with nothing but one of them to join through.
fn six(world: &mut World) -> Result<Vec<usize>> {
    world.mute_mdns()?;
    start_through_first(world, &[])
}

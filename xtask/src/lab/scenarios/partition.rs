//! Networks that are cut in two, and grow together again.

use std::{
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Result;

use super::{agreed_since, start_through_first};
use crate::lab::{report::Finding, world::World};

/// A way to cut six nodes in two.
struct Cut {
    /// Those on the far side.
    there: &'static [usize],
    /// Who is replaced while the cut lasts, and through whom the newcomer joins.
    newcomers: &'static [(usize, usize)],
}

const THREE_THREE: Cut = Cut { there: &[4, 5, 6], newcomers: &[(3, 1), (6, 4)] };
const ONE_FIVE: Cut = Cut { there: &[6], newcomers: &[(5, 1)] };

pub(super) fn three_three(world: &mut World) -> Result<Finding> {
    with_dht(world, &THREE_THREE)
}

pub(super) fn one_five(world: &mut World) -> Result<Finding> {
    with_dht(world, &ONE_FIVE)
}

pub(super) fn three_three_no_dht(world: &mut World) -> Result<Finding> {
    partition(world, &THREE_THREE, &["--no-dht"])
}

pub(super) fn one_five_no_dht(world: &mut World) -> Result<Finding> {
    partition(world, &ONE_FIVE, &["--no-dht"])
}

fn with_dht(world: &mut World, cut: &Cut) -> Result<Finding> {
    world.start_dht()?;
    partition(world, cut, &[])
}

/// Cuts the network, and replaces in each half one node by a newcomer that joins through another:
/// tables that still hold everyone from before the cut prove nothing, a newcomer's id does.
fn partition(world: &mut World, cut: &Cut, flags: &[&str]) -> Result<Finding> {
    const APART: Duration = Duration::from_secs(60);
    world.mute_mdns()?;
    let hosts = start_through_first(world, flags)?;
    world.cut(cut.there)?;
    let cut_at = Instant::now();
    for (newcomer, through) in cut.newcomers {
        world.forget(*newcomer)?;
        let peer = world.reference(*through)?;
        world.start(*newcomer, &[flags, &["--bootstrap", &peer]].concat())?;
    }
    thread::sleep(APART.saturating_sub(cut_at.elapsed()));
    let lost = who_lost_whom(world, &hosts, cut.there)?;
    world.heal(cut.there)?;
    let finding = agreed_since(world, &hosts, SystemTime::now())?;
    match lost.is_empty() {
        true => Ok(finding),
        false => Ok(Finding::never(format!("in its own half, {lost}; {}", finding.note))),
    }
}

/// Whom tables lack of their own half.
fn who_lost_whom(world: &mut World, hosts: &[usize], there: &[usize]) -> Result<String> {
    world.follow_logs()?;
    let (far, near): (Vec<usize>, Vec<usize>) = hosts.iter().partition(|h| there.contains(h));
    let gaps = [world.who_misses_whom(&near), world.who_misses_whom(&far)];
    Ok(gaps.into_iter().filter(|gap| !gap.is_empty()).collect::<Vec<_>>().join("; "))
}

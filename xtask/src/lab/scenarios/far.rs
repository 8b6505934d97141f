//! Crawls over long wires, where a crawl is as fast as it asks many at a time.

use std::time::Duration;

use anyhow::Result;

use crate::{
    bench::judged,
    lab::{report::Finding, world::World},
};

const N_PEERS: usize = 2000;
/// Peers that are asked one at a time, each with an endpoint of its own or not: each takes a fifth of a second.
const N_ONE_BY_ONE: usize = 40;
/// How late each host's packets come.
const DELAY: Duration = Duration::from_millis(25);
/// At which the crawl is measured. What is asked of it is asked of the first: the others, at two cores, are at the limit of
/// the handshakes. The last is the default.
const CONCURRENCIES: [u8; 3] = [16, 32, 64];
/// What part of its concurrency by the time of one query a crawl reaches.
const LEAST_SHARE: f64 = 0.9;
/// How many times faster it is than one that binds an endpoint for each query.
const LEAST_GAIN: f64 = 50.0;

/// The peers live on one host, and whoever crawls on another.
pub(super) fn crawl(world: &mut World) -> Result<Finding> {
    let impairment = world.impair(0, DELAY)?;
    let measured = world.measure_round_trip(2, 1)?;
    let peers = world.start_farm(1, N_PEERS)?;
    let one_by_one = &peers[..N_ONE_BY_ONE];
    let per_query = world.ask_farm(2, &["per-query", "1", "0"], one_by_one)?.rate();
    let one = world.ask_farm(2, &["crawl", "1", "0"], one_by_one)?.rate();
    if one > 1.0 / (2 * DELAY).as_secs_f64() {
        return Ok(Finding::skipped(format!("packets can't be delayed here: {impairment}")));
    }
    let mut lines = vec![
        impairment,
        measured,
        format!("one at a time, an endpoint for each query: {per_query:.1} a second"),
        format!("one at a time: {one:.1} a second"),
    ];
    let (mut n_missed, mut fastest) = (0, 0.0_f64);
    for concurrency in CONCURRENCIES {
        let rate = world.ask_farm(2, &["crawl", &concurrency.to_string()], &peers[..1])?.rate();
        let share = rate / (f64::from(concurrency) * one);
        let asked = concurrency == CONCURRENCIES[0];
        let holds = !asked || share >= LEAST_SHARE;
        let bound = if asked { format!(">= {LEAST_SHARE}") } else { String::new() };
        let what =
            format!("{concurrency} at a time, {rate:.0} a second / {concurrency} x one at a time");
        lines.push(judged(&what, share, &bound, holds));
        n_missed += usize::from(!holds);
        fastest = fastest.max(rate);
    }
    let gain = fastest / per_query;
    let holds = gain >= LEAST_GAIN;
    n_missed += usize::from(!holds);
    let bound = format!(">= {LEAST_GAIN}");
    lines.push(judged("the fastest / an endpoint for each query", gain, &bound, holds));
    Ok(Finding::count(n_missed).noting(lines.join("\n")))
}

//! `cargo xtask testnet`: many real nodes on this machine, and when all of them know each other.

use std::{
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    project::{Binaries, Project},
    swarm::{Node, Swarm},
    tables::{self, Proof},
    usage::Usage,
};

/// Starts many nodes on this machine and measures when all of them know each other.
///
/// The nodes are started one after another, each when the one before it serves, and each is told of
/// the first. When every table holds every other node, one more joins, and then one is stopped. It
/// is a failure if a table is wrong at a time limit; who misses whom is printed then.
#[derive(Debug, Args)]
pub(crate) struct Testnet {
    /// How many nodes
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(2..=999))]
    nodes: u16,
    /// How long they may take, from the last start, to know each other; so again for the joiner and
    /// for the leaver
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

impl Testnet {
    /// Builds the programs and measures them.
    pub(crate) fn run(&self, project: &Project) -> Result<()> {
        measure(&project.build_binaries()?, self.nodes, Duration::from_secs(self.seconds))
    }
}

/// Measures programs that are built already.
pub(crate) fn measure(binaries: &Binaries, n_nodes: u16, limit: Duration) -> Result<()> {
    let mut swarm = Swarm::new(&binaries.node)?;
    let measured = phases(&mut swarm, &binaries.cli, n_nodes, limit);
    if measured.is_err() {
        swarm.keep_files();
    }
    measured?;
    swarm.stop()
}

fn phases(swarm: &mut Swarm, cli: &Path, n_nodes: u16, limit: Duration) -> Result<()> {
    start_all(swarm, n_nodes)?;
    agree(swarm, cli, limit)?;
    join(swarm, cli, limit)?;
    leave(swarm, cli, limit)?;
    println!("\nTimes are from the nodes' own logs, which have microseconds and one clock.");
    println!("The queries are the proof that what the logs say is what a client is told.");
    Ok(())
}

fn start_all(swarm: &mut Swarm, n_nodes: u16) -> Result<()> {
    let started = Instant::now();
    for number in 1..=n_nodes {
        swarm.start(&format!("n{number:02}"))?;
    }
    println!("{n_nodes} nodes, started one after another within {}", secs(started.elapsed()));
    let served_after = swarm.nodes().iter().map(|node| node.served_after.as_secs_f64());
    println!("  served after  {} s from exec", spread(served_after));
    Ok(())
}

fn agree(swarm: &mut Swarm, cli: &Path, limit: Duration) -> Result<()> {
    let deadline = Instant::now() + limit;
    let agreed_at = tables::await_logs(swarm, deadline)?;
    // Before the proof, whose queries cost the nodes something too.
    let usages: Vec<Usage> = swarm.nodes().iter().filter_map(Node::usage).collect();
    let proof = tables::prove(swarm, cli, deadline)?;
    let agreed_at = agreed_at.context(LOGS_ARE_SILENT)?;

    let last = last(swarm);
    let agreed_after = secs(since(last.started_at, agreed_at));
    println!("  agreement     {agreed_after} after the last start, every table holds every other");
    println!("  last node     {}", joined(swarm, last)?);
    print_usage(&usages);
    print_proof(&proof);
    Ok(())
}

fn join(swarm: &mut Swarm, cli: &Path, limit: Duration) -> Result<()> {
    println!("one more joins");
    swarm.start("joiner")?;
    let deadline = Instant::now() + limit;
    let agreed_at = tables::await_logs(swarm, deadline)?;
    let proof = tables::prove(swarm, cli, deadline)?;
    let agreed_at = agreed_at.context(LOGS_ARE_SILENT)?;

    let joiner = last(swarm);
    println!("  joiner        {}", joined(swarm, joiner)?);
    println!("  agreement     {} after its start", secs(since(joiner.started_at, agreed_at)));
    print_proof(&proof);
    Ok(())
}

fn leave(swarm: &mut Swarm, cli: &Path, limit: Duration) -> Result<()> {
    // One from the middle: neither the one that all were told of, nor the one that came last.
    let index = swarm.nodes().len() / 2;
    println!("{} is stopped with SIGTERM", swarm.nodes()[index].name);
    let (told_at, told) = (SystemTime::now(), Instant::now());
    let gone = swarm.stop_one(index)?;
    let ended_after = told.elapsed();
    let deadline = told + limit;
    let forgotten_at = tables::await_forgotten(swarm, &gone.id, deadline)?;
    let proof = tables::prove(swarm, cli, deadline)?;
    let forgotten_at = forgotten_at.context(LOGS_ARE_SILENT)?;

    println!("  ended         {} after the signal", secs(ended_after));
    println!("  forgotten     {} after the signal, by all", secs(since(told_at, forgotten_at)));
    print_proof(&proof);
    Ok(())
}

const LOGS_ARE_SILENT: &str = "the tables are right, but the logs don't say since when";

/// What a node needed to hold all others.
fn joined(swarm: &Swarm, node: &Node) -> Result<String> {
    let holds_since = node.log.holds_since(&swarm.others(node)).context(LOGS_ARE_SILENT)?;
    let after_start = secs(since(node.started_at, holds_since));
    let after_neighbour = match node.log.first_neighbour_at() {
        Some(up_at) => secs(since(up_at, holds_since)),
        None => "-".to_owned(),
    };
    Ok(format!(
        "holds all {after_neighbour} after its first neighbour, {after_start} after its start"
    ))
}

fn last(swarm: &Swarm) -> &Node {
    &swarm.nodes()[swarm.nodes().len() - 1]
}

/// From `start` to `end`; zero if the end came first, as it may for two events of one instant.
fn since(start: SystemTime, end: SystemTime) -> Duration {
    end.duration_since(start).unwrap_or_default()
}

fn print_usage(usages: &[Usage]) {
    const KIB_PER_MIB: f64 = 1024.0;
    let rss = usages.iter().map(|usage| usage.rss_kib as f64 / KIB_PER_MIB);
    let cpu = usages.iter().map(|usage| usage.cpu.as_secs_f64());
    println!("  memory        {} MiB per node (RSS)", spread(rss));
    println!("  processor     {} s per node since its start", spread(cpu));
}

fn print_proof(proof: &Proof) {
    let each = proof.took / proof.n_queries.max(1);
    println!("  proof         {} queries by id-cli agree, {} each", proof.n_queries, secs(each));
}

fn secs(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

/// Least, median and most of some figures.
fn spread(figures: impl Iterator<Item = f64>) -> String {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let Some(max) = figures.last() else {
        return "-".to_owned();
    };
    let (min, median) = (figures[0], figures[figures.len() / 2]);
    format!("min {min:.2}, median {median:.2}, max {max:.2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_independent_of_the_order() {
        assert_eq!(spread([3.0, 1.0, 2.0].into_iter()), "min 1.00, median 2.00, max 3.00");
    }

    #[test]
    fn spread_of_nothing_is_unknown() {
        assert_eq!(spread(std::iter::empty()), "-");
    }
}

//! Do the nodes know each other? First by their logs, which are cheap to follow and exact about
//! when; then by asking each node through `id-cli`, which is what a user would believe.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::Path,
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Result, bail};

use crate::{
    process::poll,
    project::capture,
    swarm::{Node, REST, Swarm, forget_settings},
};

/// Rest between two rounds of asking: each question is a process, and the nodes need the processor.
const QUERY_REST: Duration = Duration::from_millis(250);

/// How many missing peers a report names for each node.
const NAMED_IN_REPORT: usize = 8;

/// What asking every node took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Proof {
    /// How many times a node was asked.
    pub(crate) n_queries: u32,
    /// How long all the asking took.
    pub(crate) took: Duration,
}

/// How one node's table differs from what it should be.
#[derive(Debug, PartialEq, Eq)]
struct Gap {
    node: String,
    /// Why the table couldn't be read, or what is wrong with it.
    fault: String,
}

/// Waits until every log says that its table holds every other node; returns since when.
pub(crate) fn await_logs(swarm: &mut Swarm, deadline: Instant) -> Result<Option<SystemTime>> {
    poll(deadline, REST, || {
        swarm.follow_logs()?;
        let since = |node: &Node| node.log.holds_since(&swarm.others(node));
        let since: Option<Vec<SystemTime>> = swarm.nodes().iter().map(since).collect();
        Ok(since.and_then(|since| since.into_iter().max()))
    })
}

/// Waits until every log says that its table lacks `gone`; returns since when.
pub(crate) fn await_forgotten(
    swarm: &mut Swarm,
    gone: &str,
    deadline: Instant,
) -> Result<Option<SystemTime>> {
    poll(deadline, REST, || {
        swarm.follow_logs()?;
        let since = |node: &Node| node.log.lacks_since(gone);
        let since: Option<Vec<SystemTime>> = swarm.nodes().iter().map(since).collect();
        Ok(since.and_then(|since| since.into_iter().max()))
    })
}

/// Asks every node until every table holds exactly the other nodes, or fails with a report of who
/// misses whom. A node that was right once isn't asked again until all others are; then all are.
pub(crate) fn prove(swarm: &Swarm, cli: &Path, deadline: Instant) -> Result<Proof> {
    let everyone: Vec<&Node> = swarm.nodes().iter().collect();
    let mut wrong = everyone.clone();
    let mut gaps = Vec::new();
    let mut proof = Proof::default();
    let agreed = poll(deadline, QUERY_REST, || {
        let asked_everyone = wrong.len() == everyone.len();
        let started = Instant::now();
        gaps = wrong.iter().filter_map(|node| gap(swarm, cli, node)).collect();
        proof.n_queries += u32::try_from(wrong.len())?;
        proof.took += started.elapsed();
        wrong = match gaps.is_empty() {
            true => everyone.clone(),
            false => wrong.iter().copied().filter(|node| is_in(&gaps, node)).collect(),
        };
        Ok((gaps.is_empty() && asked_everyone).then_some(()))
    })?;
    match agreed {
        Some(()) => Ok(proof),
        None => bail!("{}", report(&gaps, everyone.len())),
    }
}

fn is_in(gaps: &[Gap], node: &Node) -> bool {
    gaps.iter().any(|gap| gap.node == node.name)
}

fn gap(swarm: &Swarm, cli: &Path, node: &Node) -> Option<Gap> {
    let expected = swarm.others(node);
    let fault = match listed_by(cli, node) {
        Ok(listed) => fault(&expected, &listed, |id| swarm.name_of(id).to_owned())?,
        Err(error) => format!("can't be asked: {error:#}"),
    };
    Some(Gap { node: node.name.clone(), fault })
}

/// The peers that a node's answer lists, without itself.
fn listed_by(cli: &Path, node: &Node) -> Result<BTreeSet<String>> {
    let mut command = Command::new(cli);
    command.arg("peers").arg(node.reference());
    command.args(["--depth", "0", "--format", "tsv", "--no-relay", "--progress", "none"]);
    forget_settings(&mut command);
    let mut listed = node_ids(&capture(&mut command)?);
    listed.remove(&node.id);
    Ok(listed)
}

fn node_ids(tsv: &str) -> BTreeSet<String> {
    tsv.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned).collect()
}

fn fault(
    expected: &BTreeSet<String>,
    listed: &BTreeSet<String>,
    name_of: impl Fn(&str) -> String,
) -> Option<String> {
    let names = |ids: Vec<&String>| -> String {
        let named: Vec<String> = ids.iter().take(NAMED_IN_REPORT).map(|id| name_of(id)).collect();
        let rest = ids.len().saturating_sub(NAMED_IN_REPORT);
        named.join(", ") + &if rest > 0 { format!(" and {rest} more") } else { String::new() }
    };
    let missing: Vec<&String> = expected.difference(listed).collect();
    let extra: Vec<&String> = listed.difference(expected).collect();
    match (missing.len(), extra.len()) {
        (0, 0) => None,
        (0, _) => Some(format!("holds who is gone: {}", names(extra))),
        (n, 0) => Some(format!("misses {n} of {}: {}", expected.len(), names(missing))),
        (n, _) => Some(format!(
            "misses {n} of {}: {}; holds who is gone: {}",
            expected.len(),
            names(missing),
            names(extra)
        )),
    }
}

fn report(gaps: &[Gap], n_nodes: usize) -> String {
    let mut report = format!("{} of {n_nodes} tables are wrong at the time limit", gaps.len());
    for gap in gaps {
        let _ = write!(report, "\n  {} {}", gap.node, gap.fault);
    }
    if gaps.is_empty() {
        report = "every table is right, but only after the time limit".to_owned();
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(ToString::to_string).collect()
    }

    fn fault_of(expected: &[&str], listed: &[&str]) -> Option<String> {
        fault(&set(expected), &set(listed), str::to_uppercase)
    }

    #[test]
    fn node_ids_are_the_first_column() {
        assert_eq!(node_ids("aa\tname\t0\t1\nbb\t-\t0\t1\n"), set(&["aa", "bb"]));
        assert_eq!(node_ids(""), set(&[]));
    }

    #[test]
    fn equal_tables_have_no_fault() {
        assert_eq!(fault_of(&["a", "b"], &["b", "a"]), None);
    }

    #[test]
    fn missing_and_departed_peers_are_named() {
        assert_eq!(fault_of(&["a", "b"], &["a"]).unwrap(), "misses 1 of 2: B");
        assert_eq!(fault_of(&["a"], &["a", "x"]).unwrap(), "holds who is gone: X");
        assert_eq!(
            fault_of(&["a", "b"], &["x"]).unwrap(),
            "misses 2 of 2: A, B; holds who is gone: X"
        );
    }

    #[test]
    fn long_lists_are_cut_and_counted() {
        let all = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        assert_eq!(
            fault_of(&all, &[]).unwrap(),
            "misses 10 of 10: A, B, C, D, E, F, G, H and 2 more"
        );
    }

    #[test]
    fn report_names_each_wrong_table() {
        let gaps = [Gap { node: "n2".into(), fault: "misses 1 of 4: n3".into() }];
        assert_eq!(
            report(&gaps, 5),
            "1 of 5 tables are wrong at the time limit\n  n2 misses 1 of 4: n3"
        );
    }
}

//! A crawl that begins at a hostile node, watched from outside.

use std::{
    fs::File,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::Value;

use super::roles::Named;
use crate::{process::poll, swarm::Swarm, usage::Usage};

/// What the crawl is told: its deadline and its cap.
pub(super) const TIMEOUT: Duration = Duration::from_secs(20);
const MAX_PEERS: u64 = 1000;
/// What starting, stopping and printing may take besides. Origin: two busy cores.
const GRACE: Duration = Duration::from_secs(3);
/// When we stop to wait for a crawl that doesn't end.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most memory, in MiB. Origin: issue 4.
const MAX_RSS_MIB: u64 = 128;
/// How often its memory is looked at.
const REST: Duration = Duration::from_millis(5);

/// How a crawl went.
#[derive(Debug)]
pub(super) struct Crawl {
    pub(super) took: Duration,
    pub(super) peak_mib: u64,
    report: Option<Value>,
}

/// Crawls from `hostile` without a limit of depth.
pub(super) fn crawl(swarm: &Swarm, cli: &Path, hostile: &str) -> Result<Crawl> {
    let path = swarm.dir().join("crawl.json");
    let mut command = Command::new(cli);
    command.args(["peers", hostile, "--depth", "-1", "--json", "--no-relay"]);
    command.args(["--timeout", &TIMEOUT.as_secs().to_string()]);
    command.args(["--max-peers", &MAX_PEERS.to_string(), "--progress", "none"]);
    command.stdout(File::create(&path)?).stderr(File::create(swarm.dir().join("crawl.log"))?);
    let started = Instant::now();
    let mut process = swarm.spawn(&mut command)?;
    let mut peak_kib = 0;
    let ended = poll(started + PATIENCE, REST, || {
        peak_kib = Usage::of(process.id()).map_or(peak_kib, |usage| usage.peak_kib.max(peak_kib));
        process.ended()
    })?;
    let took = started.elapsed();
    let text = std::fs::read(&path).context("the crawl left no output")?;
    let report = ended.and_then(|_| serde_json::from_slice(&text).ok());
    Ok(Crawl { took, peak_mib: peak_kib / 1024, report })
}

impl Crawl {
    /// What is wrong with it.
    pub(super) fn faults(&self, hostile_id: &str, named: Named) -> Vec<String> {
        let mut faults = Vec::new();
        if self.took > TIMEOUT + GRACE {
            faults.push(format!("the crawl took {:.1} s", self.took.as_secs_f64()));
        }
        if self.peak_mib > MAX_RSS_MIB {
            faults.push(format!("the crawl took {} MiB", self.peak_mib));
        }
        let Some(report) = &self.report else {
            faults.push("the crawl left no report".to_owned());
            return faults;
        };
        let known = report.pointer("/summary/known").and_then(Value::as_u64);
        if known.is_none_or(|known| known > MAX_PEERS) {
            faults.push(format!("the crawl knows {known:?} peers"));
        }
        if let Some(fault) = unnamed(report, hostile_id, named) {
            faults.push(format!("the crawl doesn't name the liar: {fault}"));
        }
        faults
    }

    /// What a person wants to know of it.
    pub(super) fn line(&self, hostile_id: &str) -> String {
        let text = |pointer: &str| {
            let value = self.report.as_ref().and_then(|report| report.pointer(pointer));
            value.map_or("-".to_owned(), Value::to_string)
        };
        let seed = self.report.as_ref().and_then(|report| peer(report, hostile_id));
        let of_seed = |key: &str| {
            seed.and_then(|seed| seed.get(key)).map_or("-".to_owned(), Value::to_string)
        };
        format!(
            "{:.1} s, {} MiB, {} known, stopped by {}; the liar: {}, error {}, rejected {}, told {}",
            self.took.as_secs_f64(),
            self.peak_mib,
            text("/summary/known"),
            text("/crawl/stopped_by"),
            of_seed("status"),
            of_seed("error"),
            of_seed("rejected"),
            of_seed("told"),
        )
    }
}

fn peer<'a>(report: &'a Value, id: &str) -> Option<&'a Value> {
    let is_it = |peer: &&Value| peer.get("node_id").and_then(Value::as_str) == Some(id);
    report.get("peers")?.as_array()?.iter().find(is_it)
}

/// How the report fails to name the liar, if it does.
fn unnamed(report: &Value, id: &str, named: Named) -> Option<String> {
    let Some(liar) = peer(report, id) else {
        return Some("it isn't in the report".to_owned());
    };
    let has_failed = has_failed(liar);
    let is_named = match named {
        Named::Failed => has_failed,
        Named::Forger => {
            let forged = liar.pointer("/rejected/bad_signature").and_then(Value::as_u64);
            has_failed || forged.is_some_and(|n| n > 0)
        }
        Named::Stopped => report.pointer("/crawl/stopped_by").is_some_and(Value::is_string),
        Named::InventionsFailed => inventions_failed(report, id),
    };
    (!is_named).then(|| format!("{named:?} is expected"))
}

fn has_failed(peer: &Value) -> bool {
    let status = peer.get("status").and_then(Value::as_str);
    status == Some("failed") && peer.get("error").is_some_and(Value::is_string)
}

fn inventions_failed(report: &Value, id: &str) -> bool {
    let peers = report.get("peers").and_then(Value::as_array);
    let inventions: Vec<_> = peers
        .into_iter()
        .flatten()
        .filter(|peer| peer.get("node_id").and_then(Value::as_str) != Some(id))
        .collect();
    !inventions.is_empty() && inventions.into_iter().all(has_failed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn crawl_of(liar: &Value, others: &[Value]) -> Crawl {
        let peers: Vec<&Value> = std::iter::once(liar).chain(others).collect();
        let report = json!({
            "crawl": {"stopped_by": null},
            "summary": {"known": peers.len()},
            "peers": peers,
        });
        Crawl { took: Duration::from_secs(5), peak_mib: 30, report: Some(report) }
    }

    fn failed(id: &str) -> Value {
        json!({"node_id": id, "status": "failed", "error": "timeout"})
    }

    fn answered(id: &str) -> Value {
        json!({"node_id": id, "status": "answered", "error": null})
    }

    #[test]
    fn liar_that_failed_is_named() {
        assert!(crawl_of(&failed("l"), &[]).faults("l", Named::Failed).is_empty());
        assert_eq!(crawl_of(&answered("l"), &[]).faults("l", Named::Failed).len(), 1);
        assert_eq!(crawl_of(&failed("x"), &[]).faults("l", Named::Failed).len(), 1);
    }

    #[test]
    fn forger_is_named_by_counted_forgeries() {
        let mut forger = answered("l");
        forger["rejected"] = json!({"bad_signature": 3});
        assert!(crawl_of(&forger, &[]).faults("l", Named::Forger).is_empty());
        assert!(!crawl_of(&answered("l"), &[]).faults("l", Named::Forger).is_empty());
    }

    #[test]
    fn inventions_must_all_fail() {
        let faults = |others: &[Value]| {
            crawl_of(&answered("l"), others).faults("l", Named::InventionsFailed)
        };
        assert!(faults(&[failed("a"), failed("b")]).is_empty());
        assert!(!faults(&[failed("a"), answered("b")]).is_empty());
        assert!(!faults(&[]).is_empty());
    }

    #[test]
    fn deadline_memory_and_cap_are_bounds() {
        let well = crawl_of(&failed("l"), &[]);
        let late = Crawl { took: Duration::from_secs(24), ..crawl_of(&failed("l"), &[]) };
        let fat = Crawl { peak_mib: 129, ..crawl_of(&failed("l"), &[]) };
        let mute = Crawl { report: None, ..crawl_of(&failed("l"), &[]) };
        assert!(well.faults("l", Named::Failed).is_empty());
        for crawl in [late, fat, mute] {
            assert_eq!(crawl.faults("l", Named::Failed).len(), 1, "{crawl:?}");
        }
        let many: Vec<Value> = (0..1001).map(|n| failed(&n.to_string())).collect();
        assert_eq!(crawl_of(&failed("l"), &many).faults("l", Named::Failed).len(), 1);
    }
}

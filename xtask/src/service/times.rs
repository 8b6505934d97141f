//! How long a node takes to serve and to go.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::{Figures, Programs, instance::Instance, memory::median};
use crate::{
    process::{Signal, Watchdog, poll},
    swarm::Swarm,
};

/// How often each is measured. Origin: odd, and the worst of as many says something.
const N_RUNS: usize = 11;
/// How many peers a node says goodbye to.
const N_PEERS: usize = 30;
/// From the start to serving.
const MAX_START_MS: f64 = 150.0;
/// From SIGTERM to the end.
const MAX_STOP_MS: f64 = 1500.0;
/// From a second signal to the end: no more than a person takes for at once.
const MAX_SECOND_MS: f64 = 100.0;
/// How long thirty nodes that share a few cores may take until they have nothing more to tell each other.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);
/// For how long all of them are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// What they use together of a core when they have settled. Origin: about 0.05 in a minute of quiet.
const MAX_QUIET: f64 = 0.2;

const LOCAL: [&str; 5] = ["--bind", "127.0.0.1:0", "--no-dht", "--no-relay", "--no-mdns"];

/// Starts and stops, cut off and in a network.
pub(super) fn measure(programs: &Programs, figures: &mut Figures) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let watchdog = Watchdog::start(scratch.path())?;
    let first = starts(programs, &watchdog, scratch.path(), true, &[])?;
    judge(figures, "first start, all defaults, cut off", &first, MAX_START_MS);
    let again = starts(programs, &watchdog, scratch.path(), false, &[])?;
    judge(figures, "a later start, all defaults, cut off", &again, MAX_START_MS);
    in_a_network(programs, &watchdog, scratch.path(), figures)
}

/// The start and the end of a node among thirty others.
fn in_a_network(
    programs: &Programs,
    watchdog: &Watchdog,
    scratch: &Path,
    figures: &mut Figures,
) -> Result<()> {
    let mut swarm = Swarm::new(&programs.node)?;
    for number in 1..=N_PEERS {
        swarm.start(&format!("n{number:02}"))?;
    }
    let bootstrap = swarm.nodes()[0].reference();
    let args = [&LOCAL[..], &["--bootstrap", &bootstrap]].concat();
    let (mut starts, mut stops, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..N_RUNS {
        // All share the cores of this machine, which nodes elsewhere wouldn't.
        settle(&swarm)?;
        let dir = fresh(scratch, true)?;
        let args = [&args[..], &["--data-dir", dir.to_str().unwrap_or_default()]].concat();
        let mut node = Instance::start(watchdog, &programs.node, scratch, &args)?;
        starts.push(millis(node.ready()?));
        node.knows(N_PEERS)?;
        match number % 2 {
            0 => stops.push(millis(node.stop()?)),
            _ => seconds.push(millis(stop_twice(node)?)),
        }
    }
    judge(figures, "start in a network", &starts, MAX_START_MS);
    judge(figures, "SIGTERM to the end, with 30 peers", &stops, MAX_STOP_MS);
    judge(figures, "second signal to the end, with 30 peers", &seconds, MAX_SECOND_MS);
    swarm.stop()
}

/// Waits until the nodes have nothing to do but what they always do.
fn settle(swarm: &Swarm) -> Result<()> {
    let used = || swarm.nodes().iter().filter_map(|node| Some(node.usage()?.cpu)).sum::<Duration>();
    let mut before = None;
    let settled = poll(Instant::now() + SETTLE_LIMIT, LOOK, || {
        let now = used();
        let since = before.replace(now).map(|before| now.saturating_sub(before));
        let share = since.map(|since| since.div_duration_f64(LOOK));
        Ok(share.filter(|share| *share <= MAX_QUIET))
    })?;
    settled.map(drop).context("the network doesn't settle")
}

/// How long it takes from the second signal.
fn stop_twice(mut node: Instance) -> Result<Duration> {
    node.signal(Signal::SIGTERM)?;
    node.tells("STOPPING=1")?;
    let asked = Instant::now();
    node.signal(Signal::SIGINT)?;
    let status = node.ended()?;
    ensure!(status.success(), "it ended badly ({status})");
    Ok(asked.elapsed())
}

/// Starts of a node with these arguments, on a new data directory each time or on one.
fn starts(
    programs: &Programs,
    watchdog: &Watchdog,
    scratch: &Path,
    is_new: bool,
    args: &[&str],
) -> Result<Vec<f64>> {
    let mut starts = Vec::new();
    for _ in 0..N_RUNS {
        let dir = fresh(scratch, is_new)?;
        let args = [args, &["--data-dir", dir.to_str().unwrap_or_default()]].concat();
        let mut node = Instance::start(watchdog, &programs.node, scratch, &args)?;
        starts.push(millis(node.ready()?));
        node.stop()?;
    }
    Ok(starts)
}

fn fresh(scratch: &Path, is_new: bool) -> Result<std::path::PathBuf> {
    let dir = scratch.join("data");
    if is_new && dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    Ok(dir)
}

/// The worst counts; the median is told with it.
fn judge(figures: &mut Figures, what: &str, millis: &[f64], most: f64) {
    let worst = millis.iter().copied().fold(0.0, f64::max);
    let median = median(millis.to_vec());
    figures.at_most(&format!("{what}, ms (median {median:.0})"), worst, most);
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

//! What a node takes when nothing happens, next to a process that is nothing but the stack below it.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

use super::{Figures, Programs, instance::Instance};
use crate::{
    process::{Process, Watchdog},
    swarm::forget_settings,
    usage::Usage,
};

/// How many of each run at the same time; the median counts.
const N_EACH: usize = 3;
/// How long nothing happens. Origin: all have looked for names, peers and a DHT by then, and a node has
/// given back what it doesn't use, as it does every half minute.
const IDLE: Duration = Duration::from_secs(40);

/// What of the stack is used: a node's flags, and those of a stock peer that uses the same.
const USES: [(&str, &[&str], &[&str]); 2] =
    [("no third party", &["--no-relay", "--no-mdns"], &[]), ("all defaults", &[], &["--n0"])];

/// Idle nodes next to idle stock peers, at the same time.
pub(super) fn measure(programs: &Programs, figures: &mut Figures) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let watchdog = Watchdog::start(scratch.path())?;
    let mut pairs = Vec::new();
    for (at, (_, flags, stock_flags)) in USES.iter().enumerate() {
        for number in 0..N_EACH {
            let dir = scratch.path().join(format!("{at}-{number}"));
            fs::create_dir(&dir)?;
            let data = dir.join("data");
            let args = [flags, &["--data-dir", data.to_str().unwrap_or_default()][..]].concat();
            let mut node = Instance::start(&watchdog, &programs.node, &dir, &args)?;
            node.ready()?;
            pairs.push((at, node, stock_peer(programs, &watchdog, stock_flags)?));
        }
    }
    thread::sleep(IDLE);
    for (at, (what, ..)) in USES.iter().enumerate() {
        let of_it = pairs.iter().filter(|(of, ..)| *of == at);
        let rss = of_it.map(|(_, node, stock)| Ok((rss_mib(node.id())?, rss_mib(stock.id())?)));
        let (ours, stock): (Vec<_>, Vec<_>) = rss.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let (ours, stock) = (median(ours), median(stock));
        figures.figure(&format!("idle node, {what}, MiB resident"), format!("{ours:.1}"));
        figures.figure("iroh, iroh-gossip and tracker alone, MiB", format!("{stock:.1}"));
        figures.at_most("idle node / the stack alone", ours / stock, 1.15);
    }
    Ok(())
}

fn stock_peer(programs: &Programs, watchdog: &Watchdog, flags: &[&str]) -> Result<Process> {
    let mut command = Command::new(&programs.lab);
    command
        .arg("stock-peer")
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    forget_settings(&mut command);
    let mut process = watchdog.spawn(&mut command)?;
    let stdout = process.take_stdout().context("stdout isn't a pipe")?;
    let is_ready = |line: &String| line == "ready";
    BufReader::new(stdout)
        .lines()
        .map_while(Result::ok)
        .find(is_ready)
        .context("it isn't ready")?;
    Ok(process)
}

fn rss_mib(pid: u32) -> Result<f64> {
    let usage = Usage::of(pid).context("the process has no memory")?;
    Ok(usage.rss_kib as f64 / 1024.0)
}

pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

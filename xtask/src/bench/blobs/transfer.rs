//! One file between two processes.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::{PATIENCE, REST, Report, SIZE, Scene, Took, median, number, run};
use crate::process::{Watchdog, poll};

/// How often each way is measured, in turns; the median counts.
const N_RUNS: usize = 5;
/// Of what is fetched or sent a second time: what was under way when the process was killed.
const MOST_AGAIN_MIB: f64 = 16.0;
const MIB: f64 = (1 << 20) as f64;

/// How one run went.
struct Round {
    put: Took,
    get: Took,
    node_peak_kib: u64,
    /// Until the example has read the file, and until it is on the other side.
    offered: Duration,
    received: Duration,
    /// The latter with the file on disk on both sides, as with us.
    received_on_disk: Duration,
}

/// Into a node and out again, in turns with iroh-blobs' own example.
pub(super) fn speed(scene: &Scene<'_>, report: &mut Report) -> Result<()> {
    let rounds: Vec<_> = (0..N_RUNS).map(|_| round(scene)).collect::<Result<_>>()?;
    let of = |what: fn(&Round) -> Duration| median(rounds.iter().map(what).collect(), |it| *it);
    let (put, get) = (of(|it| it.put.time), of(|it| it.get.time));
    let (offered, received) = (of(|it| it.offered), of(|it| it.received));
    let on_disk = of(|it| it.received_on_disk);
    report
        .line("1 GiB from process to process                           seconds    MiB/s  peak MiB");
    let peak = |of: fn(&Round) -> u64| rounds.iter().map(of).max().unwrap_or_default();
    let (put_peak, get_peak) = (peak(|it| it.put.peak_kib), peak(|it| it.get.peak_kib));
    say(report, "id-cli put: read, hash, send", put, Some(put_peak));
    say(report, "id-cli get: fetch into a file", get, Some(get_peak));
    say(report, "the example reads and hashes", offered, None);
    say(report, "the example fetches into a file", received, None);
    say(report, "the same, on disk meanwhile", on_disk, None);
    let ratio = |theirs: Duration, ours: Duration| theirs.as_secs_f64() / ours.as_secs_f64();
    report.at_least("get / the example's", ratio(received, get), 0.95);
    report.at_least(
        "put / the example's reading and fetching",
        ratio(offered + received, put),
        0.95,
    );
    let all = ratio(offered + 2 * received, put + get);
    report.figure("put and get / the example's reading and two fetches", format!("{all:.2}"));
    report.figure("get / the example's on disk", format!("{:.2}", ratio(on_disk, get)));
    let node_peak = peak(|it| it.node_peak_kib);
    let most = put_peak.max(get_peak).max(node_peak) as f64 / 1024.0;
    report.figure("peak MiB of the node", node_peak / 1024);
    report.at_most("peak MiB of any", most, 100.0);
    Ok(())
}

fn say(report: &mut Report, what: &str, took: Duration, peak_kib: Option<u64>) {
    let secs = took.as_secs_f64();
    let rate = SIZE as f64 / MIB / secs;
    let peak = peak_kib.map(|kib| (kib / 1024).to_string()).unwrap_or_default();
    report.line(&format!("{what:<53} {secs:>9.2} {rate:>8.0} {peak:>9}"));
}

fn round(scene: &Scene<'_>) -> Result<Round> {
    let mut swarm = scene.swarm()?;
    swarm.start("n1")?;
    let (put, _) = run(&mut scene.mover(&swarm, "n1", &["put", "long:a"]))?;
    let (get, _) = run(&mut scene.mover(&swarm, "n1", &["get", "a:got"]))?;
    same_as_sent(scene, "got")?;
    let node = swarm.nodes()[0].usage().context("the node has no memory")?;
    swarm.stop()?;
    let (offered, received) = example(scene, [&[], &[]])?;
    let stores = [&["--store", "sent"][..], &["--store", "kept"]];
    let (_, received_on_disk) = example(scene, stores)?;
    stores.iter().try_for_each(|store| fs::remove_dir_all(scene.dir.join(store[1])))?;
    Ok(Round { put, get, node_peak_kib: node.peak_kib, offered, received, received_on_disk })
}

/// iroh-blobs' own example, both sides of it.
fn example(scene: &Scene<'_>, stores: [&[&str]; 2]) -> Result<(Duration, Duration)> {
    let watchdog = Watchdog::start(Path::new("/nonexistent"))?;
    let started = Instant::now();
    let mut sender = watchdog
        .spawn(scene.lab(&[&["stock-send", "long"], stores[0]].concat()).stdout(Stdio::piped()))?;
    let mut said = String::new();
    BufReader::new(sender.take_stdout().context("no stdout")?).read_line(&mut said)?;
    let offered = started.elapsed();
    let ticket: Vec<_> = said.split_whitespace().collect();
    let (received, _) =
        run(&mut scene.lab(&[&["stock-receive"], &ticket[..], &["received"], stores[1]].concat()))?;
    same_as_sent(scene, "received")?;
    Ok((offered, received.time))
}

/// The size, because each side has checked each byte against the hash.
fn same_as_sent(scene: &Scene<'_>, name: &str) -> Result<()> {
    let path = scene.dir.join(name);
    ensure!(fs::metadata(&path)?.len() == SIZE, "not all of the file came");
    Ok(fs::remove_file(path)?)
}

/// The same, killed half-way and done again.
pub(super) fn resumed(scene: &Scene<'_>, report: &mut Report) -> Result<()> {
    let mut swarm = scene.swarm()?;
    swarm.start("n1")?;
    let put = || scene.mover(&swarm, "n1", &["put", "long:a"]);
    let there = kill_half_way(put(), &swarm.dir().join("n1"))?;
    let sent = number(&run(&mut put())?.1, "sent_bytes")?;
    again(report, "put", there, sent);
    let get = || scene.mover(&swarm, "n1", &["get", "a:got"]);
    let there = kill_half_way(get(), scene.dir)?;
    let fetched = number(&run(&mut get())?.1, "fetched_bytes")?;
    again(report, "get", there, fetched);
    same_as_sent(scene, "got")?;
    swarm.stop()
}

fn again(report: &mut Report, what: &str, there: u64, moved: u64) {
    let mib = |bytes: u64| format!("{:.1}", bytes as f64 / MIB);
    report.figure(&format!("{what} killed: MiB there, of 1024"), mib(there));
    report.figure(&format!("{what} done again: MiB moved"), mib(moved));
    let twice = (there + moved).saturating_sub(SIZE);
    report.at_most("of them there before", twice as f64 / MIB, MOST_AGAIN_MIB);
}

/// Returns how much was on disk in `dir` by then, besides what was there before.
fn kill_half_way(mut command: Command, dir: &Path) -> Result<u64> {
    let before = size_of(dir);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let mut child = Killed(child);
    let deadline = Instant::now() + PATIENCE;
    let there = poll(deadline, REST, || {
        ensure!(child.0.try_wait()?.is_none(), "it ended before it was killed");
        let there = size_of(dir).saturating_sub(before);
        Ok((there >= SIZE / 2).then_some(there))
    })?;
    there.context("it doesn't come half-way")
}

/// Is killed when it is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Of all files in it, in bytes.
fn size_of(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(it) if it.is_dir() => size_of(&entry.path()),
        Ok(it) => it.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

//! Blobs and discovery, on the same nodes.

use std::{
    fs,
    process::{Child, Stdio},
    sync::mpsc::{self, TryRecvError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{REST, Report, Scene, median, run};
use crate::{process::poll, project::capture, swarm::Swarm, tables};

/// How many nodes know each other.
const N_NODES: usize = 10;
/// How far a crawl looks, and how far one who asks the first node alone.
const CRAWL: &str = "3";
const TABLE: &str = "0";
/// How long they may take to.
const LIMIT: Duration = Duration::from_secs(30);
/// In how much time a count must be seen.
const MOST_SECS: f64 = 2.0;
/// How often a crawl, and an announcement, is measured with and without blobs that move.
const N_CRAWLS: usize = 20;
const N_NEWS: usize = 7;
/// Rest between two announcements: a node may send one in six seconds, once it has sent three.
const NEWS_REST: Duration = Duration::from_millis(6500);
/// How much more either may take while blobs move.
const MOST_BESIDE: f64 = 1.1;

/// How soon a crawl shows how many blobs a node holds, and the table of another node, which gossip tells.
pub(super) fn counts(scene: &Scene<'_>, report: &mut Report) -> Result<()> {
    let swarm = joined(scene)?;
    let (mut crawled, mut told) = (Vec::new(), Vec::new());
    for node in 1..N_NODES {
        let name = name(node);
        let mut see = |held| {
            crawled.push(until_seen(scene, &swarm, CRAWL, node, held)?);
            anyhow::Ok(())
        };
        let files: Vec<_> =
            (0..node).map(|n| small(scene, &format!("{name}-{n}"))).collect::<Result<_>>()?;
        let files: Vec<_> = files.iter().map(String::as_str).collect();
        run(&mut scene.mover(&swarm, &name, &[&["put"], &files[..]].concat()))?;
        see(node)?;
        for _ in 0..2 {
            run(&mut scene.cli(&swarm, &name, &["rm", files[0]]))?;
            see(node - 1)?;
            run(&mut scene.mover(&swarm, &name, &["put", files[0]]))?;
            see(node)?;
        }
        told.push(until_seen(scene, &swarm, TABLE, node, node)?);
    }
    let all = crawl(scene, &swarm, CRAWL)?;
    let right = (0..N_NODES).all(|node| count(&all, &swarm, node) == Some(node as u64));
    ensure!(right, "a crawl shows other counts");
    swarm.stop()?;
    let seconds = |mut times: Vec<Duration>| {
        times.sort();
        (times[times.len() / 2].as_secs_f64(), times[times.len() - 1].as_secs_f64())
    };
    report.figure("counts that changed, on ten nodes", crawled.len());
    let (median, last) = seconds(crawled);
    report.figure("seconds until a crawl shows it, median", format!("{median:.2}"));
    report.at_most("the last of them", last, MOST_SECS);
    let (median, last) = seconds(told);
    report.figure("then until gossip tells the last of five, median", format!("{median:.2}"));
    report.figure("the last of them", format!("{last:.2}"));
    Ok(())
}

/// What a crawl and an announcement take while a node serves blobs as fast as it can.
pub(super) fn beside_discovery(scene: &Scene<'_>, report: &mut Report) -> Result<()> {
    let swarm = joined(scene)?;
    run(&mut scene.mover(&swarm, "n0", &["put", "long:a"]))?;
    let (mut alone, mut beside) = (Times::default(), Times::default());
    for half in 0..2 {
        alone.measure(scene, &swarm, 2 * half)?;
        let moving = Moving::start(scene, &swarm)?;
        beside.measure(scene, &swarm, 2 * half + 1)?;
        moving.stop()?;
    }
    swarm.stop()?;
    let millis = |time: Duration| 1000.0 * time.as_secs_f64();
    let mut compare = |what: &str, alone: Vec<Duration>, beside: Vec<Duration>| {
        let [alone, beside] = [alone, beside].map(|times| millis(median(times, |it| *it)));
        report.figure(&format!("{what}, milliseconds"), format!("{alone:.0}"));
        report.figure("the same while a node serves a gigabyte", format!("{beside:.0}"));
        report.at_most("with / without", beside / alone, MOST_BESIDE);
    };
    compare("a crawl of ten nodes", alone.crawls, beside.crawls);
    compare("a count that changed, in another's table", alone.news, beside.news);
    Ok(())
}

#[derive(Default)]
struct Times {
    crawls: Vec<Duration>,
    news: Vec<Duration>,
}

impl Times {
    /// `turn` is another one each time.
    fn measure(&mut self, scene: &Scene<'_>, swarm: &Swarm, turn: usize) -> Result<()> {
        for _ in 0..N_CRAWLS / 2 {
            let started = Instant::now();
            crawl(scene, swarm, CRAWL)?;
            self.crawls.push(started.elapsed());
        }
        for n in 0..N_NEWS.div_ceil(2) {
            thread::sleep(NEWS_REST);
            let file = small(scene, &format!("news-{turn}-{n}"))?;
            run(&mut scene.mover(swarm, "n3", &["put", &file]))?;
            let held = turn * N_NEWS.div_ceil(2) + n + 1;
            self.news.push(until_seen(scene, swarm, TABLE, 3, held)?);
        }
        Ok(())
    }
}

/// Fetches the long file from the first node, again and again.
struct Moving {
    until: mpsc::Sender<()>,
    thread: thread::JoinHandle<Result<()>>,
}

impl Moving {
    fn start(scene: &Scene<'_>, swarm: &Swarm) -> Result<Self> {
        let mut get = scene.mover(swarm, "n0", &["get", "--force", "a:moving"]);
        let (until, ended) = mpsc::channel();
        let mut start = move || get.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let mut child = start()?;
        let thread = thread::spawn(move || {
            while ended.try_recv() == Err(TryRecvError::Empty) {
                if let Some(status) = child.try_wait()? {
                    ensure!(status.success(), "blobs don't move ({status})");
                    child = start()?;
                }
                thread::sleep(REST);
            }
            end(child)
        });
        Ok(Self { until, thread })
    }

    /// It is an error if nothing moved.
    fn stop(self) -> Result<()> {
        drop(self.until);
        self.thread.join().map_err(|_| anyhow::anyhow!("the mover panicked"))?
    }
}

fn end(mut child: Child) -> Result<()> {
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn name(node: usize) -> String {
    format!("n{node}")
}

fn joined(scene: &Scene<'_>) -> Result<Swarm> {
    let mut swarm = scene.swarm()?;
    for node in 0..N_NODES {
        swarm.start(&name(node))?;
    }
    tables::await_logs(&mut swarm, Instant::now() + LIMIT)?
        .context("the nodes never knew each other")?;
    Ok(swarm)
}

/// A file with nothing but its own name in it.
fn small(scene: &Scene<'_>, name: &str) -> Result<String> {
    fs::write(scene.dir.join(name), name)?;
    Ok(name.to_owned())
}

/// From now until one who looks so far from the first node sees that this one holds so many blobs.
fn until_seen(
    scene: &Scene<'_>,
    swarm: &Swarm,
    depth: &str,
    node: usize,
    held: usize,
) -> Result<Duration> {
    let started = Instant::now();
    let seen = poll(started + LIMIT, REST, || {
        let seen = count(&crawl(scene, swarm, depth)?, swarm, node);
        Ok((seen == Some(held as u64)).then_some(()))
    })?;
    seen.with_context(|| format!("nobody sees that {} holds {held}", name(node)))?;
    Ok(started.elapsed())
}

/// What is found from the first node, so many hops away.
fn crawl(scene: &Scene<'_>, swarm: &Swarm, depth: &str) -> Result<Value> {
    let mut command = scene.cli(swarm, &name(0), &["peers", "--json", "--depth", depth]);
    Ok(serde_json::from_str(&capture(&mut command)?)?)
}

fn count(document: &Value, swarm: &Swarm, node: usize) -> Option<u64> {
    let id = &swarm.nodes()[node].id;
    let peer = document["peers"].as_array()?.iter().find(|peer| peer["node_id"] == **id)?;
    peer["blob_count"].as_u64()
}

//! `kill -9` at random moments, and whether the next start finds all as it should be.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::{Figures, Programs, instance::Instance, numbers, numbers::Numbers};
use crate::{
    process::{Signal, Watchdog, poll},
    project::Binaries,
    swarm::Swarm,
};

/// Nobody is contacted but who is named.
const LOCAL: [&str; 5] = ["--bind", "127.0.0.1:0", "--no-dht", "--no-relay", "--no-mdns"];
/// How long a node runs at most before it is killed while it runs. Origin: by then it has joined, and
/// announced itself.
const RUN: Duration = Duration::from_millis(500);
/// How long a save is waited for.
const SAVE: Duration = Duration::from_secs(2);
/// How many are killed by `cargo xtask test`: two at each moment.
const N_SHORT: u32 = 10;

/// When a node is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// On a directory that isn't there yet.
    FirstStart,
    Start,
    Run,
    /// While it writes down its peers.
    Save,
    Stop,
}

const MOMENTS: [(Moment, &str); 5] = [
    (Moment::FirstStart, "killed as it started for the first time"),
    (Moment::Start, "killed as it started"),
    (Moment::Run, "killed as it ran"),
    (Moment::Save, "killed as it wrote its peers down"),
    (Moment::Stop, "killed as it stopped"),
];

/// Many kills of one node.
#[derive(Debug)]
pub(super) struct Kills<'a> {
    pub(super) programs: &'a Programs,
    pub(super) n: u32,
    pub(super) numbers: Numbers,
}

/// A few, on loopback.
pub(crate) fn short(binaries: &Binaries) -> Result<()> {
    let programs =
        Programs { node: binaries.node.clone(), lab: binaries.node.with_file_name("id-lab") };
    let seed = numbers::seed();
    println!("the seed is {seed}");
    let numbers = Numbers::new(seed);
    Kills { programs: &programs, n: N_SHORT, numbers }.run(&mut Figures::default())
}

impl Kills<'_> {
    /// Fails at the first kill behind which something is wrong.
    pub(super) fn run(self, figures: &mut Figures) -> Result<()> {
        let mut scratch = tempfile::tempdir()?;
        let played = self.play(scratch.path(), figures);
        if played.is_err() {
            scratch.disable_cleanup(true);
            eprintln!("the node's files stay in {}", scratch.path().display());
        }
        played
    }

    fn play(self, scratch: &Path, figures: &mut Figures) -> Result<()> {
        let mut swarm = Swarm::new(&self.programs.node)?;
        let companion = swarm.start("companion")?.reference();
        let watchdog = Watchdog::start(Path::new("/nonexistent"))?;
        let mut victim = Victim::new(self.programs, &watchdog, scratch, self.numbers)?;
        victim.first(&companion)?;
        for n in 0..self.n {
            let (moment, what) = MOMENTS[n as usize % MOMENTS.len()];
            let survived = victim.kill(moment).and_then(|()| victim.rise());
            survived.with_context(|| format!("behind kill {n}, {what}"))?;
        }
        let in_turns = |at: usize| (self.n as usize + MOMENTS.len() - 1 - at) / MOMENTS.len();
        for (at, (_, what)) in MOMENTS.iter().enumerate() {
            figures.figure(what, in_turns(at));
        }
        figures.figure("of all, with a file half written", victim.n_torn);
        let slowest = victim.slowest.as_secs_f64() * 1000.0;
        figures.figure("slowest start behind a kill, ms", format!("{slowest:.0}"));
        figures.at_most("kills behind which something was wrong", 0.0, 0.0);
        swarm.stop()
    }
}

/// Who is killed, time and again.
#[derive(Debug)]
struct Victim<'a> {
    programs: &'a Programs,
    watchdog: &'a Watchdog,
    scratch: &'a Path,
    dir: PathBuf,
    deny: String,
    numbers: Numbers,
    running: Option<Instance>,
    identity: Vec<u8>,
    seq: u64,
    takes: Takes,
    slowest: Duration,
    n_torn: usize,
    n_saves: usize,
}

/// What a start and a stop take that nothing interrupts.
#[derive(Debug, Default)]
struct Takes {
    start: Duration,
    stop: Duration,
}

impl<'a> Victim<'a> {
    fn new(
        programs: &'a Programs,
        watchdog: &'a Watchdog,
        scratch: &'a Path,
        numbers: Numbers,
    ) -> Result<Self> {
        let deny = scratch.join("deny");
        fs::write(&deny, "")?;
        Ok(Self {
            programs,
            watchdog,
            scratch,
            dir: scratch.join("victim"),
            deny: deny.to_str().context("an odd directory")?.to_owned(),
            numbers,
            running: None,
            identity: Vec::new(),
            seq: 0,
            takes: Takes::default(),
            slowest: Duration::ZERO,
            n_torn: 0,
            n_saves: 0,
        })
    }

    /// Joins through `companion`, whom it remembers from then on, and finds out how long things take.
    fn first(&mut self, companion: &str) -> Result<()> {
        let mut node = self.start(&self.dir, &["--bootstrap", companion])?;
        self.takes.start = node.ready()?;
        node.knows(1)?;
        self.takes.stop = node.stop()?;
        self.identity = fs::read(self.dir.join("identity"))?;
        self.rise()
    }

    fn start(&self, dir: &Path, more: &[&str]) -> Result<Instance> {
        let dir = dir.to_str().context("an odd directory")?;
        // It reads the list again, and writes its peers down, whenever it is told to.
        let own = ["--data-dir", dir, "--deny-file", &self.deny];
        let args = [&LOCAL[..], &own, more].concat();
        Instance::start(self.watchdog, &self.programs.node, self.scratch, &args)
    }

    fn kill(&mut self, moment: Moment) -> Result<()> {
        let mut node = self.running.take().context("nobody to kill")?;
        match moment {
            Moment::FirstStart => {
                node.kill();
                return self.kill_newborn();
            }
            Moment::Start => {
                node.kill();
                node = self.start(&self.dir, &[])?;
                thread::sleep(self.numbers.before(self.takes.start));
            }
            Moment::Run => thread::sleep(self.numbers.before(RUN)),
            Moment::Save => self.await_save(&node)?,
            Moment::Stop => {
                node.signal(Signal::SIGTERM)?;
                thread::sleep(self.numbers.before(self.takes.stop));
            }
        }
        node.kill();
        self.n_torn += usize::from(half_written(&self.dir)?);
        Ok(())
    }

    /// Every other time as soon as a file is seen that isn't whole yet, else at random around it.
    fn await_save(&mut self, node: &Instance) -> Result<()> {
        self.n_saves += 1;
        node.signal(Signal::SIGHUP)?;
        if self.n_saves.is_multiple_of(2) {
            thread::sleep(self.numbers.before(Duration::from_millis(20)));
            return Ok(());
        }
        let deadline = Instant::now() + SAVE;
        while !half_written(&self.dir)? && Instant::now() < deadline {}
        Ok(())
    }

    /// Whoever had a key by then must have the same at the next start.
    fn kill_newborn(&mut self) -> Result<()> {
        let dir = self.scratch.join("newborn");
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        let node = self.start(&dir, &[])?;
        thread::sleep(self.numbers.before(self.takes.start));
        node.kill();
        let key = fs::read(dir.join("identity")).ok();
        self.n_torn += usize::from(dir.exists() && half_written(&dir)?);
        let mut again = self.start(&dir, &[])?;
        again.ready().context("the newborn")?;
        let now = fs::read(dir.join("identity"))?;
        ensure!(key.is_none_or(|key| key == now), "the newborn is somebody else");
        again.kill();
        Ok(())
    }

    /// Starts again, without being told whom to join through, and looks at all that there is.
    fn rise(&mut self) -> Result<()> {
        let mut node = self.start(&self.dir, &[])?;
        self.slowest = self.slowest.max(node.ready()?);
        node.knows(1).context("it doesn't remember whom it knew")?;
        ensure!(fs::read(self.dir.join("identity"))? == self.identity, "it is somebody else");
        let damaged = names(&self.dir)?.into_iter().find(|name| name.contains(".corrupt-"));
        ensure!(damaged.is_none(), "it has set {damaged:?} aside");
        let seq = fs::read_to_string(self.dir.join("seq"))?.trim().parse().context("seq")?;
        ensure!(seq >= self.seq, "its sequence numbers go back from {} to {seq}", self.seq);
        // It may be writing one itself.
        let swept = || Ok((!half_written(&self.dir)?).then_some(()));
        let swept = poll(Instant::now() + SAVE, Duration::from_millis(1), swept)?;
        ensure!(swept.is_some(), "a file that was never finished stays");
        self.seq = seq;
        self.running = Some(node);
        Ok(())
    }
}

/// Whether there is a file that isn't what it will be.
fn half_written(dir: &Path) -> Result<bool> {
    Ok(names(dir)?.iter().any(|name| name.ends_with(".unfinished")))
}

fn names(dir: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(dir)?.filter_map(Result::ok);
    Ok(entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

//! The roles, one file each.

pub(crate) mod connection_flooder;
pub(crate) mod dht_squatter;
pub(crate) mod forger;
pub(crate) mod future_dater;
pub(crate) mod infinite_graph;
pub(crate) mod liar;
pub(crate) mod mute_neighbour;
pub(crate) mod oversizer;
pub(crate) mod reflector;
pub(crate) mod replayer;
pub(crate) mod slow_loris;
pub(crate) mod sybil;
pub(crate) mod topic_guesser;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::{
    guard::Target,
    member::{Ears, again_and_again},
    persona::Persona,
    stage::Stage,
};

/// Something that a stranger may do.
pub(crate) trait Role {
    /// Its name on the command line.
    const NAME: &'static str;

    /// Does it until it is cancelled. What nodes do about it is no error.
    async fn play(self, stage: Arc<Stage>) -> Result<()>;
}

/// How often a [`Pace`] lets a few through, in ticks a second. Origin: timers have milliseconds.
const TICKS_PER_SEC: u32 = 50;

/// So many a second, in small lots.
#[derive(Debug)]
pub(crate) struct Pace {
    per_tick: u32,
    left: u32,
    ticks: Option<Interval>,
}

impl Pace {
    /// `per_sec` a second; without a pause if it is 0.
    pub(crate) fn new(per_sec: u32) -> Self {
        let mut ticks = interval(Duration::from_secs(1) / TICKS_PER_SEC.min(per_sec.max(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ticks = (per_sec > 0).then_some(ticks);
        Self { per_tick: per_sec.div_ceil(TICKS_PER_SEC).max(1), left: 0, ticks }
    }

    /// Waits for the next turn.
    pub(crate) async fn turn(&mut self) {
        match &mut self.ticks {
            None => tokio::task::yield_now().await,
            Some(ticks) if self.left == 0 => {
                ticks.tick().await;
                self.left = self.per_tick - 1;
            }
            Some(_) => self.left -= 1,
        }
    }
}

/// The first of the targets.
pub(crate) fn first(stage: &Stage) -> Result<&Target> {
    stage.targets.first().context("no target")
}

/// Target number `n`, counted round and round.
pub(crate) fn nth(stage: &Stage, n: u64) -> Result<&Target> {
    let n_targets = u64::try_from(stage.targets.len())?.max(1);
    stage.targets.get(usize::try_from(n % n_targets)?).context("no target")
}

/// Joins `target` as `persona`, again and again, and broadcasts whatever `next` comes up with.
pub(crate) async fn flood(
    persona: &Persona,
    target: &Target,
    ears: Ears,
    per_sec: u32,
    mut next: impl FnMut() -> Option<Vec<u8>>,
) {
    let mut pace = Pace::new(per_sec);
    again_and_again(persona, target, ears, async |member| {
        loop {
            pace.turn().await;
            if let Some(message) = next() {
                member.say(&message).await?;
                persona.stage.count("broadcasts", 1);
            }
        }
    })
    .await;
}

/// Says on stdout where the role serves, for whoever wants to ask it.
pub(crate) fn say_serving(persona: &Persona) {
    println!("serving: {}", persona.reference());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pace_is_kept_over_a_second() {
        for per_sec in [1, 49, 50, 1000] {
            let mut pace = Pace::new(per_sec);
            let started = tokio::time::Instant::now();
            for _ in 0..=per_sec {
                pace.turn().await;
            }
            let took = started.elapsed().as_secs_f64();
            assert!((0.9..1.1).contains(&took), "{per_sec} a second took {took} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_pace_is_no_wait() {
        let started = tokio::time::Instant::now();
        let mut pace = Pace::new(0);
        for _ in 0..1000 {
            pace.turn().await;
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}

//! A wire that is worse than the kernel's: frames come late, or not at all.
//!
//! For kernels without netem. A wire joins two TAP devices that it makes itself; one of them is then
//! moved to a host as its network card, the other is put on the bridge. As netem on the host's card
//! would, it harms what the host sends, and lets pass what the host is sent.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Args;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tappers::{Interface, Tap};

/// Most frames on their way. Origin: netem's default; whatever comes on top is lost.
const MAX_FRAMES: usize = 1000;
/// The longest frame. Origin: 64 KiB, more than any TAP without offloads hands out.
const MAX_FRAME: usize = 64 * 1024;

/// Wires of the same quality.
#[derive(Debug, Args)]
pub(crate) struct Wires {
    /// How late frames come that a host sends
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    delay_ms: u64,
    /// How many of a hundred frames that a host sends get lost
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    loss: u8,
    /// Decides which frames get lost; each wire has its own sequence
    #[arg(long)]
    seed: u64,
    /// The two devices to make: the one that hosts will have, and the one for the bridge
    #[arg(long, value_name = "HOST:BRIDGE", required = true, num_args = 1.., value_parser = parse_ends)]
    ends: Vec<(String, String)>,
}

fn parse_ends(text: &str) -> Result<(String, String), String> {
    let (host, bridge) = text.split_once(':').ok_or("two names, joined by a colon")?;
    Ok((host.to_owned(), bridge.to_owned()))
}

impl Wires {
    /// Makes the devices, says `ready`, and carries frames until it is killed.
    pub(crate) fn run(&self) -> Result<()> {
        let mut ends = Vec::new();
        for (host, bridge) in &self.ends {
            ends.push((device(host)?, device(bridge)?));
        }
        let delay = Duration::from_millis(self.delay_ms);
        let workers: Vec<_> = (self.seed..)
            .zip(ends)
            .flat_map(|(seed, (host, bridge))| {
                let loss = Loss::new(self.loss, seed);
                carry(host, bridge, delay, loss)
            })
            .collect();
        println!("ready");
        for worker in workers {
            let _ = worker.join();
        }
        Ok(())
    }
}

fn device(name: &str) -> Result<Arc<Tap>> {
    let named = Interface::new(name).with_context(|| format!("{name} is no name"))?;
    let tap = Tap::new_named(named).with_context(|| format!("can't make the device {name}"))?;
    Ok(Arc::new(tap))
}

/// Which frames get lost.
#[derive(Debug)]
struct Loss {
    percent: u8,
    random: StdRng,
}

impl Loss {
    fn new(percent: u8, seed: u64) -> Self {
        Self { percent, random: StdRng::seed_from_u64(seed) }
    }

    /// Whether the next frame gets lost.
    fn strikes(&mut self) -> bool {
        self.random.random_range(0..100) < self.percent
    }
}

/// A frame, and when it is to arrive.
type Late = (Instant, Vec<u8>);

/// Three threads: what the host sends is read by one and, when it is time, written by another.
fn carry(
    host: Arc<Tap>,
    bridge: Arc<Tap>,
    delay: Duration,
    loss: Loss,
) -> [thread::JoinHandle<()>; 3] {
    let (sender, late) = sync_channel(MAX_FRAMES);
    let (sending, receiving) = (Arc::clone(&host), Arc::clone(&bridge));
    [
        thread::spawn(move || delay_frames(&sending, &sender, delay, loss)),
        thread::spawn(move || deliver(&receiving, &late)),
        thread::spawn(move || pass_frames(&bridge, &host)),
    ]
}

fn delay_frames(from: &Tap, to: &SyncSender<Late>, delay: Duration, mut loss: Loss) {
    let mut buffer = vec![0; MAX_FRAME];
    while let Ok(len) = from.recv(&mut buffer) {
        if !loss.strikes() {
            // Full means lost, as in any queue of a network.
            let _ = to.try_send((Instant::now() + delay, buffer[..len].to_vec()));
        }
    }
}

fn deliver(to: &Tap, frames: &Receiver<Late>) {
    for (due, frame) in frames {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // A device that is down loses it.
        let _ = to.send(&frame);
    }
}

fn pass_frames(from: &Tap, to: &Tap) {
    let mut buffer = vec![0; MAX_FRAME];
    while let Ok(len) = from.recv(&mut buffer) {
        let _ = to.send(&buffer[..len]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(percent: u8, seed: u64) -> Vec<bool> {
        let mut loss = Loss::new(percent, seed);
        (0..10_000).map(|_| loss.strikes()).collect()
    }

    #[test]
    fn a_seed_decides_which_frames_get_lost() {
        assert_eq!(struck(30, 1), struck(30, 1));
        assert_ne!(struck(30, 1), struck(30, 2));
    }

    #[test]
    fn as_many_get_lost_as_was_asked_for() {
        let n_lost = struck(30, 1).iter().filter(|lost| **lost).count();
        assert!((2_800..=3_200).contains(&n_lost), "{n_lost}");
        assert!(!struck(0, 1).contains(&true));
        assert!(!struck(100, 1).contains(&false));
    }

    #[test]
    fn ends_are_two_names() {
        assert_eq!(parse_ends("far1:host1"), Ok(("far1".to_owned(), "host1".to_owned())));
        assert!(parse_ends("far1").is_err());
    }
}

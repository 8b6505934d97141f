//! Many searches on one board as bad as the DHT, in virtual time.
//!
//! The board is a number of servers. Each keeps the last value of a slot, answers late or never, and
//! loses some of what it is told. Whoever is led to somebody becomes its neighbour; gossip is perfect
//! among those whom neighbours connect.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use id_proto::{SignedAnnouncement, iroh_base::PublicKey};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::fixture::{UNIX_START, announcement, id, key, millis, network, secs, view};
use crate::{
    config::Role,
    membership::Now,
    rendezvous::{
        record::Records,
        search::{Effect, Event, Search},
    },
};

const N_SERVERS: usize = 12;
/// How many neighbours a node keeps. Origin: HyParView's active view.
const MAX_NEIGHBOURS: usize = 5;

/// What is under way to a node.
#[derive(Debug)]
enum Arrival {
    Event(Event),
    Neighbour(usize),
}

struct Node {
    search: Search,
    records: Records,
    announcement: SignedAnnouncement,
    neighbours: BTreeSet<usize>,
    born: Duration,
    /// Answers to an earlier look are dropped with it.
    n_looks: u64,
    n_leads: usize,
}

struct Simulation {
    rng: StdRng,
    /// The share of requests to servers that are lost.
    loss: f64,
    now: Duration,
    /// What each server holds, by minute.
    servers: Vec<BTreeMap<u64, Vec<u8>>>,
    nodes: Vec<Node>,
    under_way: BTreeMap<(Duration, u64), (usize, Option<u64>, Arrival)>,
    n_sent: u64,
    /// When every node was last told what it knows.
    shown_at: Duration,
}

impl Simulation {
    fn new(seed: u64, loss: f64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            loss,
            now: secs(0),
            servers: vec![BTreeMap::new(); N_SERVERS],
            nodes: Vec::new(),
            under_way: BTreeMap::new(),
            n_sent: 0,
            shown_at: secs(0),
        }
    }

    fn join(&mut self) -> usize {
        let node = self.nodes.len();
        let seed = u16::try_from(node).unwrap() + 1;
        let own = announcement(seed);
        let records = Records::new(&network(), &key(seed));
        let nobody = view(&own, &[], [], secs(0));
        let seed = self.rng.random();
        self.nodes.push(Node {
            search: Search::new(records.clone(), Role::Member, nobody, secs(0), seed),
            records,
            announcement: own,
            neighbours: BTreeSet::new(),
            born: self.now,
            n_looks: 0,
            n_leads: 0,
        });
        node
    }

    fn send(&mut self, to: usize, look: Option<u64>, delay: Duration, arrival: Arrival) {
        self.n_sent += 1;
        self.under_way.insert((self.now + delay, self.n_sent), (to, look, arrival));
    }

    fn delay(&mut self) -> Duration {
        millis(self.rng.random_range(5..400))
    }

    /// Lets happen what happens next, until `end`.
    fn run_until(&mut self, end: Duration) {
        loop {
            let arrival = self.under_way.first_key_value().map(|((at, _), _)| *at);
            let ticks = self.nodes.iter().map(|node| node.born + node.search.next_due());
            let (node, tick) = ticks.enumerate().min_by_key(|(_, at)| *at).unwrap();
            let next = arrival.unwrap_or(tick).min(tick).max(self.now);
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            if arrival.is_some_and(|at| at <= tick) {
                let (_, (to, look, arrival)) = self.under_way.pop_first().unwrap();
                self.arrive(to, look, arrival);
            } else {
                self.step(node, Event::Tick);
            }
        }
    }

    fn arrive(&mut self, to: usize, look: Option<u64>, arrival: Arrival) {
        match arrival {
            Arrival::Event(_) if look.is_some_and(|look| look != self.nodes[to].n_looks) => {}
            Arrival::Event(event) => self.step(to, event),
            Arrival::Neighbour(other) => self.link(to, other),
        }
    }

    fn link(&mut self, one: usize, other: usize) {
        for (node, neighbour) in [(one, other), (other, one)] {
            self.nodes[node].neighbours.insert(neighbour);
            if self.nodes[node].neighbours.len() > MAX_NEIGHBOURS {
                self.unlink_one(node, neighbour);
            }
        }
        for node in self.part_of(one) {
            self.show(node);
        }
    }

    /// A node with too many neighbours drops one that it reaches by others, too.
    fn unlink_one(&mut self, node: usize, keep: usize) {
        let candidates = self.nodes[node].neighbours.clone();
        for other in candidates.into_iter().filter(|other| *other != keep) {
            self.cut(node, other);
            if self.part_of(node).contains(&other) {
                return;
            }
            self.nodes[node].neighbours.insert(other);
            self.nodes[other].neighbours.insert(node);
        }
    }

    fn cut(&mut self, one: usize, other: usize) {
        self.nodes[one].neighbours.remove(&other);
        self.nodes[other].neighbours.remove(&one);
    }

    /// All that gossip connects with a node, itself included.
    fn part_of(&self, node: usize) -> BTreeSet<usize> {
        let (mut part, mut next) = (BTreeSet::from([node]), vec![node]);
        while let Some(node) = next.pop() {
            for &neighbour in &self.nodes[node].neighbours {
                if part.insert(neighbour) {
                    next.push(neighbour);
                }
            }
        }
        part
    }

    /// Tells a node's search what the node knows: all that gossip connects it with, heard just now.
    fn show(&mut self, node: usize) {
        let part = self.part_of(node);
        let others = part.iter().filter(|other| **other != node);
        let known = others.map(|other| self.nodes[*other].announcement.clone());
        let this = &self.nodes[node];
        let ids: Vec<_> = this.neighbours.iter().map(|it| self.public(*it)).collect();
        let view = view(&this.announcement, &ids, known, self.now - this.born);
        self.step(node, Event::View(view));
    }

    fn public(&self, node: usize) -> PublicKey {
        self.nodes[node].announcement.node_id
    }

    fn step(&mut self, node: usize, event: Event) {
        let unix = UNIX_START + self.now;
        let now = Now { mono: self.now - self.nodes[node].born, unix };
        for effect in self.nodes[node].search.handle(event, now) {
            self.perform(node, effect);
        }
    }

    fn perform(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Look { minute } => self.look(node, minute),
            Effect::StopLooking => self.nodes[node].n_looks += 1,
            Effect::Leave { minute, neighbours } => self.leave(node, minute, &neighbours),
            Effect::LeadTo(peer) => {
                self.nodes[node].n_leads += 1;
                let delay = self.delay();
                if let Some(peer) = (0..self.nodes.len()).find(|it| self.public(*it) == peer) {
                    self.send(node, None, delay, Arrival::Neighbour(peer));
                }
            }
            Effect::Report { .. } => {}
        }
    }

    fn look(&mut self, node: usize, minute: u64) {
        self.nodes[node].n_looks += 1;
        let look = Some(self.nodes[node].n_looks);
        for server in 0..N_SERVERS {
            for minute in [minute - 1, minute] {
                if self.rng.random_bool(self.loss) {
                    continue;
                }
                if let Some(value) = self.servers[server].get(&minute).cloned() {
                    let delay = self.delay();
                    self.send(node, look, delay, Arrival::Event(Event::Value { minute, value }));
                }
            }
        }
        self.send(node, look, millis(700), Arrival::Event(Event::LookEnded));
    }

    fn leave(&mut self, node: usize, minute: u64, neighbours: &[PublicKey]) {
        let records = &self.nodes[node].records;
        let value = records.seal(&records.slot(minute), neighbours).unwrap();
        for server in 0..N_SERVERS {
            if !self.rng.random_bool(self.loss) {
                self.servers[server].insert(minute, value.clone());
            }
        }
        self.send(node, None, millis(700), Arrival::Event(Event::Left(Ok(()))));
    }

    /// Runs until all are connected. Returns how long it took.
    #[track_caller]
    fn time_to_one_part(&mut self, at_most: Duration) -> Duration {
        let start = self.now;
        while self.part_of(0).len() < self.nodes.len() {
            assert!(self.now < start + at_most, "apart after {at_most:?}: {:?}", self.parts());
            self.run_until(self.now + millis(50));
            // Announcements keep tables fresh.
            if self.now >= self.shown_at + secs(10) {
                self.shown_at = self.now;
                (0..self.nodes.len()).for_each(|node| self.show(node));
            }
        }
        self.now - start
    }

    fn parts(&self) -> BTreeSet<BTreeSet<usize>> {
        (0..self.nodes.len()).map(|node| self.part_of(node)).collect()
    }
}

#[test]
fn nodes_that_start_together_all_find_somebody_within_a_few_looks() {
    for seed in 0..12 {
        for (n, loss) in [(2, 0.0), (3, 0.3), (12, 0.3)] {
            let mut simulation = Simulation::new(seed, loss);
            (0..n).for_each(|_| _ = simulation.join());
            let mut took = secs(0);
            while simulation.nodes.iter().any(|node| node.neighbours.is_empty()) {
                took += millis(100);
                simulation.run_until(took);
                assert!(took < secs(15), "{n} nodes, seed {seed}");
            }
            let most = simulation.nodes.iter().map(|node| node.n_looks).max().unwrap();
            assert!(most <= 8, "{most} looks of {n} nodes, seed {seed}, {took:?}");
            simulation.time_to_one_part(secs(240));
        }
    }
}

#[test]
fn a_late_joiner_finds_somebody_at_its_first_looks() {
    for seed in 20..30 {
        let mut simulation = Simulation::new(seed, 0.2);
        (0..6).for_each(|_| _ = simulation.join());
        simulation.time_to_one_part(secs(240));
        let later = simulation.now + secs(200);
        while simulation.now < later {
            simulation.run_until(simulation.now + secs(10));
            (0..simulation.nodes.len()).for_each(|node| simulation.show(node));
        }
        let joiner = simulation.join();
        let joined = simulation.now;
        while simulation.nodes[joiner].neighbours.is_empty() {
            simulation.run_until(simulation.now + millis(50));
            assert!(simulation.now < joined + secs(5), "seed {seed}");
        }
        assert!(simulation.nodes[joiner].n_looks <= 3);
    }
}

#[test]
fn two_bubbles_merge_within_a_few_looks_of_a_node_with_neighbours() {
    for seed in 40..50 {
        let mut simulation = Simulation::new(seed, 0.2);
        (0..8).for_each(|_| _ = simulation.join());
        for bubble in [[0, 1, 2, 3], [4, 5, 6, 7]] {
            for one in bubble {
                for other in bubble.into_iter().filter(|other| *other > one) {
                    simulation.link(one, other);
                }
            }
        }
        assert_eq!(simulation.parts().len(), 2);
        let took = simulation.time_to_one_part(secs(240));
        assert!(took <= secs(200), "seed {seed}: {took:?}");
    }
}

#[test]
fn whoever_is_connected_is_left_in_peace() {
    let mut simulation = Simulation::new(60, 0.2);
    (0..6).for_each(|_| _ = simulation.join());
    simulation.time_to_one_part(secs(240));
    let before: usize = simulation.nodes.iter().map(|node| node.n_leads).sum();
    let end = simulation.now + secs(1200);
    while simulation.now < end {
        simulation.run_until(simulation.now + secs(10));
        (0..simulation.nodes.len()).for_each(|node| simulation.show(node));
    }
    let after: usize = simulation.nodes.iter().map(|node| node.n_leads).sum();
    // A record of the first minute may name nobody.
    assert!(after - before <= 2 * 6, "{} leads", after - before);
    assert_eq!(simulation.parts().len(), 1);
    assert_eq!(simulation.public(0), id(1));
}

//! Many memberships, joined by a simulated network, in virtual time.
//!
//! The gossip is cruder than the real one: each message reaches each node to which neighbours lead
//! after a random delay, or is lost on the way to that node. Syncs and probes run over connections, which
//! repeat what is lost: they fail only if the other end is dead or out of reach. Every node's clock
//! starts with the node, and is wrong by up to two minutes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use id_client::FailKind;
use id_proto::{UnverifiedAnnouncement, iroh_base::PublicKey};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::fixture::{config, facts, millis, secret, secs};
use crate::membership::{
    Effect, Event, Membership, MembershipConfig, Now, Refusal, RemovalReason, SyncEnd, View,
};

const STALE: Duration = secs(120);
const SWEEP: Duration = secs(60);
const PROBE: Duration = secs(10);
/// How long a message, an answer or news of a neighbour may take.
const SLOWEST: Duration = millis(300);
/// How many neighbours a node looks for. Origin: HyParView's active view.
const N_NEIGHBOURS: usize = 5;

/// A node by its place in the order of births.
type Id = usize;

/// What is under way to a node.
#[derive(Debug, Clone)]
enum Arrival {
    Gossip {
        message: Arc<[u8]>,
        from: Id,
    },
    NeighbourUp(Id),
    NeighbourDown(Id),
    /// The table of a neighbour, or `None` if it couldn't be fetched.
    Table {
        of: Id,
        table: Option<Vec<Vec<u8>>>,
    },
    Probed {
        peer: Id,
        answer: Result<UnverifiedAnnouncement, FailKind>,
    },
    Tick,
}

struct Node {
    membership: Membership,
    born: Duration,
    clock_error: Duration,
    alive: bool,
    /// Nodes of different groups can't reach each other.
    group: usize,
    neighbours: BTreeSet<Id>,
    ticks_at: Duration,
    /// When it last heard each peer's announcement by gossip.
    heard: BTreeMap<PublicKey, Duration>,
    /// When and why it forgot peers.
    forgotten: Vec<(Duration, PublicKey, RemovalReason)>,
}

struct Simulation {
    rng: StdRng,
    configure: fn(&mut MembershipConfig),
    /// The share of gossip messages that are lost, for each receiver.
    loss: f64,
    now: Duration,
    under_way: BTreeMap<(Duration, u64), (Id, Arrival)>,
    n_sent: u64,
    n_probes: u64,
    nodes: Vec<Node>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            configure: |_| {},
            loss: 0.0,
            now: secs(0),
            under_way: BTreeMap::new(),
            n_sent: 0,
            n_probes: 0,
            nodes: Vec::new(),
        }
    }

    /// A network of `n` nodes that agree.
    fn settled(seed: u64, n: usize) -> Self {
        let mut simulation = Self::new(seed);
        for _ in 0..n {
            simulation.join();
            simulation.run_for(millis(500));
        }
        simulation.run_for(secs(5));
        simulation.assert_agreement();
        simulation
    }

    fn clock(&self, id: Id) -> Now {
        let node = &self.nodes[id];
        let unix = secs(1_800_000_000) + self.now + node.clock_error;
        Now { mono: self.now - node.born, unix }
    }

    fn key(&self, id: Id) -> PublicKey {
        self.nodes[id].membership.me
    }

    fn id(&self, key: &PublicKey) -> Id {
        self.nodes.iter().position(|node| node.membership.me == *key).expect("a node's key")
    }

    /// A node is born, and finds its first neighbours.
    fn join(&mut self) -> Id {
        self.join_group(0)
    }

    /// The same, in a part of a cut network.
    fn join_group(&mut self, group: usize) -> Id {
        let mut config = config();
        (self.configure)(&mut config);
        let id = self.nodes.len();
        let clock_error = millis(self.rng.random_range(0..120_000));
        let now = Now { mono: secs(0), unix: secs(1_800_000_000) + self.now + clock_error };
        let (membership, _) = Membership::new(secret(id as u16), config, facts(), 0, now);
        self.nodes.push(Node {
            membership,
            born: self.now,
            clock_error,
            alive: true,
            group,
            neighbours: BTreeSet::new(),
            ticks_at: Duration::MAX,
            heard: BTreeMap::new(),
            forgotten: Vec::new(),
        });
        self.look_for_neighbours(id);
        self.schedule_tick(id);
        id
    }

    fn reachable(&self, from: Id, to: Id) -> bool {
        let (from, to) = (&self.nodes[from], &self.nodes[to]);
        from.alive && to.alive && from.group == to.group
    }

    fn others(&self, id: Id) -> Vec<Id> {
        let others = (0..self.nodes.len()).filter(|other| *other != id);
        others.filter(|other| self.reachable(id, *other)).collect()
    }

    fn look_for_neighbours(&mut self, id: Id) {
        let mut candidates = self.others(id);
        candidates.retain(|other| !self.nodes[id].neighbours.contains(other));
        while self.nodes[id].neighbours.len() < N_NEIGHBOURS && !candidates.is_empty() {
            let other = candidates.swap_remove(self.rng.random_range(0..candidates.len()));
            self.link(id, other);
        }
    }

    /// Makes neighbours of two nodes, if they can reach each other.
    fn link(&mut self, id: Id, other: Id) {
        if self.reachable(id, other) && self.nodes[id].neighbours.insert(other) {
            self.nodes[other].neighbours.insert(id);
            self.send(id, Arrival::NeighbourUp(other));
            self.send(other, Arrival::NeighbourUp(id));
        }
    }

    /// Ends a cut, and lets nobody look for neighbours: those that they have will do, to gossip.
    fn heal(&mut self) {
        for node in &mut self.nodes {
            node.group = 0;
        }
    }

    /// Neighbours that can't reach each other notice, and look for others.
    fn drop_broken_links(&mut self) {
        for id in 0..self.nodes.len() {
            let mut broken = self.nodes[id].neighbours.clone();
            broken.retain(|other| !self.reachable(id, *other));
            for other in broken {
                self.nodes[id].neighbours.remove(&other);
                self.send(id, Arrival::NeighbourDown(other));
            }
        }
        for id in 0..self.nodes.len() {
            self.look_for_neighbours(id);
        }
    }

    fn kill(&mut self, id: Id) {
        self.nodes[id].alive = false;
        self.drop_broken_links();
    }

    fn leave(&mut self, id: Id) {
        self.step(id, Event::Leaving);
        self.kill(id);
    }

    /// Cuts the network into groups.
    fn partition(&mut self, group_of: impl Fn(Id) -> usize) {
        for id in 0..self.nodes.len() {
            self.nodes[id].group = group_of(id);
        }
        self.drop_broken_links();
    }

    fn send(&mut self, to: Id, arrival: Arrival) {
        let delay = millis(self.rng.random_range(5..SLOWEST.as_millis() as u64));
        self.send_at(to, self.now + delay, arrival);
    }

    fn send_at(&mut self, to: Id, at: Duration, arrival: Arrival) {
        self.n_sent += 1;
        self.under_way.insert((at, self.n_sent), (to, arrival));
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(entry) = self.under_way.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((at, _), (to, arrival)) = entry.remove_entry();
            self.now = at;
            if self.nodes[to].alive {
                self.arrive(to, arrival);
            }
        }
        self.now = end;
    }

    fn arrive(&mut self, to: Id, arrival: Arrival) {
        match arrival {
            Arrival::Gossip { message, from } => {
                let from = self.key(from);
                self.step(to, Event::Gossip { message: &message, from });
            }
            Arrival::NeighbourUp(peer) => self.step(to, Event::NeighbourUp(self.key(peer))),
            Arrival::NeighbourDown(peer) => self.step(to, Event::NeighbourDown(self.key(peer))),
            Arrival::Table { of, table } => {
                let by = self.key(of);
                let end = if table.is_some() { SyncEnd::Complete } else { SyncEnd::Failed };
                for item in table.into_iter().flatten() {
                    self.step(to, Event::Told { item: &item, by });
                }
                self.step(to, Event::Synced { peer: by, end });
            }
            Arrival::Probed { peer, answer } => {
                self.step(to, Event::Probed { peer: self.key(peer), answer });
            }
            Arrival::Tick if self.now < self.nodes[to].ticks_at => {}
            Arrival::Tick => {
                self.nodes[to].ticks_at = Duration::MAX;
                self.step(to, Event::Tick);
            }
        }
    }

    fn step(&mut self, id: Id, event: Event<'_>) {
        let now = self.clock(id);
        let by_gossip = matches!(event, Event::Gossip { .. });
        let effects = self.nodes[id].membership.handle(event, now);
        self.nodes[id].membership.check_invariants(now);
        for effect in effects {
            self.perform(id, effect, by_gossip);
        }
        self.schedule_tick(id);
    }

    fn schedule_tick(&mut self, id: Id) {
        let node = &mut self.nodes[id];
        let due = node.born + node.membership.next_deadline();
        if due < node.ticks_at {
            node.ticks_at = due;
            self.send_at(id, due.max(self.now), Arrival::Tick);
        }
    }

    fn perform(&mut self, id: Id, effect: Effect, by_gossip: bool) {
        match effect {
            Effect::Broadcast(bytes) => self.broadcast(id, bytes.into()),
            Effect::Probe(addr) => {
                self.n_probes += 1;
                let peer = self.id(&addr.id);
                if self.reachable(id, peer) {
                    let own = self.nodes[peer].membership.own.bytes().to_vec();
                    let answer = UnverifiedAnnouncement::decode(&own).ok();
                    self.send(
                        id,
                        Arrival::Probed { peer, answer: answer.ok_or(FailKind::Timeout) },
                    );
                } else {
                    let timeout = self.now + PROBE;
                    self.send_at(
                        id,
                        timeout,
                        Arrival::Probed { peer, answer: Err(FailKind::Timeout) },
                    );
                }
            }
            Effect::SyncFrom(key) => {
                let of = self.id(&key);
                let now = self.clock(of).mono;
                let encode = |view: View| view.to_wire(now).map(|entry| entry.encode()).collect();
                let table =
                    self.reachable(id, of).then(|| encode(self.nodes[of].membership.view()));
                self.send(id, Arrival::Table { of, table });
            }
            Effect::Join(key) => self.link(id, self.id(&key)),
            Effect::Learned { entry, .. } if by_gossip => {
                self.nodes[id].heard.insert(entry.node_id(), self.now);
            }
            Effect::Forgotten { peer, reason } => {
                let now = self.now;
                self.nodes[id].forgotten.push((now, peer, reason));
            }
            Effect::Learned { .. } | Effect::ReserveSeq(_) | Effect::Judged(_) => {}
        }
    }

    fn broadcast(&mut self, from: Id, bytes: Arc<[u8]>) {
        for to in self.part_of(from) {
            if !self.rng.random_bool(self.loss) {
                let neighbours: Vec<_> = self.nodes[to].neighbours.iter().copied().collect();
                // Whichever of the receiver's neighbours is first.
                let by = neighbours.get(self.rng.random_range(0..neighbours.len().max(1)));
                let from = by.copied().unwrap_or(from);
                self.send(to, Arrival::Gossip { message: bytes.clone(), from });
            }
        }
    }

    /// Whom gossip connects with a node, itself left out.
    fn part_of(&self, id: Id) -> BTreeSet<Id> {
        let (mut part, mut next) = (BTreeSet::from([id]), vec![id]);
        while let Some(node) = next.pop() {
            let reached = self.nodes[node].neighbours.iter().copied();
            let new: Vec<_> =
                reached.filter(|n| self.reachable(id, *n) && !part.contains(n)).collect();
            part.extend(&new);
            next.extend(new);
        }
        part.remove(&id);
        part
    }

    fn alive(&self) -> impl Iterator<Item = (Id, &Node)> {
        self.nodes.iter().enumerate().filter(|(_, node)| node.alive)
    }

    fn knows(&self, id: Id, peer: Id) -> bool {
        self.nodes[id].membership.table.contains(&self.key(peer))
    }

    /// Whether every live node's table holds every other live node, and nobody else.
    fn agrees(&self) -> bool {
        let alive: BTreeSet<_> = self.alive().map(|(_, node)| node.membership.me).collect();
        self.alive().all(|(_, node)| {
            let table = node.membership.table.iter().map(|entry| entry.node_id());
            table.chain([node.membership.me]).collect::<BTreeSet<_>>() == alive
        })
    }

    #[track_caller]
    fn assert_agreement(&self) {
        for (id, node) in self.alive() {
            let missing: Vec<_> = self
                .alive()
                .map(|(other, _)| other)
                .filter(|other| *other != id && !self.knows(id, *other))
                .collect();
            assert!(missing.is_empty(), "{id} lacks {missing:?}");
            let size = node.membership.table_size() + 1;
            assert_eq!(size, self.alive().count(), "{id} knows ghosts");
        }
    }

    /// Runs until all tables agree. Returns how long it took.
    #[track_caller]
    fn time_to_agreement(&mut self, at_most: Duration) -> Duration {
        let start = self.now;
        while !self.agrees() {
            if self.now >= start + at_most {
                self.assert_agreement();
            }
            self.run_for(millis(20));
        }
        self.now - start
    }

    fn count(&self, counter: impl Fn(&Node) -> u64) -> u64 {
        self.nodes.iter().map(counter).sum()
    }

    /// All that can be seen of the state, for comparison.
    fn digest(&mut self) -> String {
        let views = self.nodes.iter_mut().map(|node| format!("{:?}", node.membership.view()));
        views.collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn nodes_that_join_one_by_one_agree_within_two_seconds_of_the_last() {
    for seed in [1, 2] {
        let mut simulation = Simulation::new(seed);
        for _ in 0..25 {
            simulation.join();
            simulation.run_for(millis(100));
        }
        let took = simulation.time_to_agreement(secs(2));
        assert!(took <= secs(2), "{took:?}");
    }
}

#[test]
fn a_joiner_holds_a_settled_network_one_round_trip_after_its_first_neighbour() {
    let mut simulation = Simulation::settled(3, 20);
    simulation.run_for(secs(60));
    let joiner = simulation.join();
    simulation.run_for(SLOWEST * 2);
    assert_eq!(simulation.nodes[joiner].membership.table_size(), 20);
    simulation.run_for(SLOWEST);
    simulation.assert_agreement();
}

#[test]
fn a_killed_node_leaves_every_table_within_staleness_sweep_and_probe_and_never_before_staleness() {
    for seed in [4, 5] {
        let mut simulation = Simulation::settled(seed, 9);
        simulation.run_for(secs(100));
        let dead = simulation.key(7);
        simulation.kill(7);
        let killed_at = simulation.now;
        let bound = STALE + SWEEP + PROBE + SLOWEST;
        // Nodes that join meanwhile learn of it from tables that still hold it.
        for _ in 0..5 {
            simulation.run_for(bound / 5);
            simulation.join();
        }
        simulation.run_for(killed_at + bound - simulation.now);
        assert!((0..14).all(|id| id == 7 || !simulation.knows(id, 7)), "a ghost is left");
        for node in simulation.nodes.iter().take(9).filter(|node| node.membership.me != dead) {
            let [(at, peer, RemovalReason::ProbeFailed)] = node.forgotten[..] else {
                panic!("{:?}", node.forgotten);
            };
            let silent_for = at - node.heard[&dead];
            assert_eq!(peer, dead);
            assert!(silent_for > STALE && silent_for <= bound, "{silent_for:?}");
        }
        simulation.run_for(secs(10));
        simulation.assert_agreement();
    }
}

#[test]
fn a_leave_empties_every_table_within_a_second() {
    let mut simulation = Simulation::settled(6, 12);
    simulation.leave(3);
    simulation.run_for(secs(1));
    assert!((0..12).all(|id| id == 3 || !simulation.knows(id, 3)));
    simulation.run_for(secs(200));
    simulation.assert_agreement();
}

#[test]
fn no_live_node_is_removed_in_an_hour_with_a_third_of_the_gossip_lost() {
    let mut simulation = Simulation::settled(7, 5);
    simulation.loss = 0.3;
    simulation.run_for(secs(3600));
    simulation.assert_agreement();
    assert!(simulation.nodes.iter().all(|node| node.forgotten.is_empty()));
    let answered = simulation.count(|node| node.membership.stats.probes_answered);
    assert!(answered > 0, "or else the test tests nothing");
}

#[test]
fn an_isolated_node_keeps_its_table_while_a_part_that_lives_on_forgets_it() {
    let mut simulation = Simulation::settled(8, 8);
    // Five stay together, three are alone.
    simulation.partition(|id| id.saturating_sub(4));
    simulation.run_for(secs(1200));
    for id in 0..5 {
        assert_eq!(simulation.nodes[id].membership.table_size(), 4, "{id}");
    }
    for id in 5..8 {
        assert!(simulation.nodes[id].membership.is_isolated());
        assert_eq!(simulation.nodes[id].membership.table_size(), 7, "{id}");
    }
    simulation.partition(|_| 0);
    simulation.time_to_agreement(secs(5));
}

#[test]
fn two_parts_that_forgot_each_other_agree_again_soon_after_one_link() {
    let mut simulation = Simulation::settled(9, 12);
    simulation.partition(|id| id / 6);
    simulation.run_for(secs(300));
    assert!(simulation.nodes.iter().all(|node| node.membership.table_size() == 5));
    simulation.heal();
    simulation.link(0, 6);
    simulation.run_for(SLOWEST * 3);
    // The two ends of the link know everybody, from each other's tables.
    assert_eq!(simulation.nodes[0].membership.table_size(), 11);
    assert_eq!(simulation.nodes[6].membership.table_size(), 11);
    // The others hear everybody within an interval.
    simulation.time_to_agreement(secs(31));
}

/// How long the parts of a cut network need to agree after it is whole again, with nothing to bring
/// them together but what their nodes remember. A newcomer in each part shows that they do.
fn reunion(seed: u64, n: usize, group_of: impl Fn(Id) -> usize, cut: Duration) -> Duration {
    let mut simulation = Simulation::settled(seed, n);
    simulation.run_for(secs(30));
    simulation.partition(&group_of);
    simulation.run_for(cut / 2);
    for group in [group_of(0), group_of(n - 1)] {
        let newcomer = simulation.join_group(group);
        assert!(simulation.nodes[newcomer].membership.table_size() == 0);
    }
    simulation.run_for(cut / 2);
    simulation.heal();
    simulation.time_to_agreement(secs(120))
}

#[test]
fn two_halves_find_each_other_within_half_a_minute_after_a_cut() {
    for (n, cut) in [(6, secs(60)), (6, secs(600)), (20, secs(60)), (20, secs(600))] {
        let mut took: Vec<_> =
            (20..40).map(|seed| reunion(seed, n, |id| id * 2 / n, cut)).collect();
        took.sort();
        assert!(took[10] <= secs(30), "{n} nodes, {cut:?}: {took:?}");
        assert!(took[19] <= secs(60), "{n} nodes, {cut:?}: {took:?}");
    }
}

#[test]
fn two_of_twenty_find_the_others_after_a_cut() {
    let mut took: Vec<_> =
        (30..35).map(|seed| reunion(seed, 20, |id| id / 18, secs(120))).collect();
    took.sort();
    assert!(took[2] <= secs(30) && took[4] <= secs(60), "{took:?}");
}

#[test]
fn the_search_for_a_dead_node_costs_the_network_a_few_dials_a_minute() {
    for n in [6, 40] {
        let mut simulation = Simulation::settled(40, n);
        simulation.kill(n / 2);
        simulation.run_for(secs(300));
        let before = simulation.n_probes;
        simulation.run_for(secs(600));
        let per_minute = (simulation.n_probes - before) / 10;
        assert!(per_minute <= 8, "{per_minute} dials a minute in a network of {n}");
        // An hour after it was lost, nobody looks for it any more.
        simulation.run_for(secs(3600));
        let before = simulation.n_probes;
        simulation.run_for(secs(600));
        assert_eq!(simulation.n_probes, before);
    }
}

#[test]
fn a_network_that_outgrows_the_tables_stays_within_them() {
    let mut simulation = Simulation::new(10);
    simulation.configure = |config| config.max_entries = 8;
    for _ in 0..16 {
        simulation.join();
        simulation.run_for(millis(300));
    }
    simulation.run_for(secs(120));
    assert!(simulation.nodes.iter().all(|node| node.membership.table_size() == 8));
    let bad = simulation.count(|node| node.membership.stats.refused(Refusal::BadSignature));
    assert_eq!(bad, 0);
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let history = |seed| {
        let mut simulation = Simulation::new(seed);
        simulation.loss = 0.2;
        for _ in 0..6 {
            simulation.join();
            simulation.run_for(millis(300));
        }
        simulation.kill(2);
        simulation.run_for(secs(200));
        simulation.digest()
    };
    assert_eq!(history(11), history(11));
    assert_ne!(history(11), history(12));
}

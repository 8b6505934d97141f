//! Somebody with any number of keys and one of our five neighbours, against a table that is full.
//!
//! What is printed is what docs/security.md says.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io::Write,
    time::Duration,
};

use id_client::FailKind;
use id_proto::{
    GossipMessage, Network, PeerAnnouncement, PeerEntry, SignedAnnouncement, Source,
    UnverifiedAnnouncement,
    iroh_base::{PublicKey, SecretKey, TransportAddr},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::fixture::{facts, secret, secs};
use crate::membership::{
    Effect, Event, Membership, MembershipConfig, Now, RemovalReason, introducers::quota,
};

/// Neighbours; the last one is the attacker's.
const N_NEIGHBOURS: u16 = 5;
const FLOOD_PER_SEC: usize = 40;
const PROBE: Duration = secs(10);

struct Attack {
    rng: StdRng,
    node: Membership,
    now: Duration,
    honest: BTreeMap<PublicKey, SecretKey>,
    ids: Vec<PublicKey>,
    interval_secs: u32,
    n_keys: u64,
    /// When probes of those who aren't there fail.
    failing: VecDeque<(Duration, PublicKey)>,
    outcome: Outcome,
}

#[derive(Debug, Default)]
struct Outcome {
    n_said: usize,
    dials_to_honest: usize,
    dials_to_sybils: usize,
    most_sybils: usize,
    evicted_verified: usize,
    /// Of honest peers, for another reason than room.
    lost: usize,
    verified: BTreeSet<PublicKey>,
    n_sybils: usize,
}

impl Attack {
    /// A node that has joined an honest network as large as its table.
    fn new(max_entries: usize) -> Self {
        let mut config = MembershipConfig::new(&Network::public());
        config.max_entries = max_entries;
        // It has; through whom doesn't matter here.
        config.max_joining = max_entries;
        let interval_secs = (max_entries as u32).div_ceil(100).max(30);
        let now = Now { mono: secs(0), unix: secs(1_800_000_000) };
        let (node, _) = Membership::new(secret(0), config, facts(), 0, now);
        let mut attack = Self {
            rng: StdRng::seed_from_u64(7),
            node,
            now: secs(0),
            honest: BTreeMap::new(),
            ids: Vec::new(),
            interval_secs,
            n_keys: 0,
            failing: VecDeque::new(),
            outcome: Outcome::default(),
        };
        for n in 0..N_NEIGHBOURS {
            attack.handle(Event::NeighbourUp(neighbour(n)));
        }
        for _ in 0..max_entries {
            let peer = attack.new_honest();
            let announcement = attack.announce(&peer);
            attack.tell(neighbour(0), announcement);
        }
        assert_eq!(attack.node.table_size(), max_entries);
        attack.outcome.n_said = 0;
        attack
    }

    fn key(&mut self) -> SecretKey {
        self.n_keys += 1;
        let mut bytes = [3; 32];
        bytes[..8].copy_from_slice(&self.n_keys.to_le_bytes());
        SecretKey::from_bytes(&bytes)
    }

    fn new_honest(&mut self) -> PublicKey {
        let key = self.key();
        let id = key.public();
        self.honest.insert(id, key);
        self.ids.push(id);
        id
    }

    fn clock(&self) -> Now {
        Now { mono: self.now, unix: secs(1_800_000_000) + self.now }
    }

    fn sign(&self, key: &SecretKey, interval_secs: u32) -> SignedAnnouncement {
        let now = self.clock();
        let announcement = PeerAnnouncement {
            node_id: key.public(),
            name: None,
            blob_count: 0,
            timestamp_secs: now.unix.as_secs(),
            seq: now.unix.as_millis() as u64,
            network_tag: Network::public().tag(),
            interval_secs,
            addrs: vec![TransportAddr::Ip(([1, 1, 1, 1], 4433).into())],
            agent: "test".to_owned(),
        };
        SignedAnnouncement::sign(announcement, key).unwrap()
    }

    fn announce(&self, peer: &PublicKey) -> SignedAnnouncement {
        self.sign(&self.honest[peer], self.interval_secs)
    }

    fn tell(&mut self, by: PublicKey, announcement: SignedAnnouncement) {
        let age = Duration::ZERO;
        let entry = PeerEntry { announcement, age, source: Source::Gossip, verified_age: None };
        self.handle(Event::Told { item: &entry.encode(), by });
    }

    fn hear(&mut self, from: PublicKey, announcement: &SignedAnnouncement) {
        self.handle(Event::Gossip { message: &GossipMessage::announce(announcement), from });
    }

    fn handle(&mut self, event: Event<'_>) {
        let effects = self.node.handle(event, self.clock());
        let mut answered = Vec::new();
        for effect in effects {
            match effect {
                Effect::Probe(addr) if self.honest.contains_key(&addr.id) => {
                    self.outcome.dials_to_honest += 1;
                    answered.push(addr.id);
                }
                Effect::Probe(addr) => {
                    self.outcome.dials_to_sybils += 1;
                    self.failing.push_back((self.now + PROBE, addr.id));
                }
                Effect::Learned { entry, is_new: true } => {
                    let is_sybil = !self.honest.contains_key(&entry.node_id());
                    self.outcome.n_sybils += usize::from(is_sybil);
                }
                Effect::Forgotten { peer, reason } => self.forgotten(&peer, reason),
                _ => {}
            }
        }
        for peer in answered {
            let answer = UnverifiedAnnouncement::decode(self.announce(&peer).bytes()).ok();
            self.handle(Event::Probed { peer, answer: answer.ok_or(FailKind::Timeout) });
            self.outcome.verified.insert(peer);
        }
    }

    fn forgotten(&mut self, peer: &PublicKey, reason: RemovalReason) {
        let is_honest = self.honest.contains_key(peer);
        self.outcome.n_sybils -= usize::from(!is_honest);
        let is_eviction = reason == RemovalReason::Evicted;
        self.outcome.lost += usize::from(is_honest && !is_eviction);
        let was_verified = self.outcome.verified.contains(peer);
        self.outcome.evicted_verified += usize::from(is_eviction && was_verified);
    }

    /// Honest peers announce themselves at their intervals, through honest neighbours; one in five
    /// seconds is new. The attacker floods, by gossip and in answers to syncs.
    fn second(&mut self) {
        self.now += secs(1);
        while self.failing.front().is_some_and(|(at, _)| *at <= self.now) {
            let (_, peer) = self.failing.pop_front().unwrap();
            self.handle(Event::Probed { peer, answer: Err(FailKind::Timeout) });
        }
        let n_due = self.ids.len() / self.interval_secs as usize + 1;
        for _ in 0..n_due {
            let peer = self.ids[self.outcome.n_said % self.ids.len()];
            self.outcome.n_said += 1;
            let announcement = self.announce(&peer);
            let from = neighbour(self.rng.random_range(0..N_NEIGHBOURS - 1));
            self.hear(from, &announcement);
        }
        if self.now.as_secs().is_multiple_of(5) {
            let newcomer = self.new_honest();
            let announcement = self.announce(&newcomer);
            let from = neighbour(self.rng.random_range(0..N_NEIGHBOURS - 1));
            self.hear(from, &announcement);
        }
        for n in 0..FLOOD_PER_SEC {
            let key = self.key();
            // Stale after four seconds, so that they would be probed; or after four days.
            let sybil = self.sign(&key, if n % 2 == 0 { 1 } else { 86_400 });
            match n % 4 {
                0 => self.tell(attacker(), sybil),
                _ => self.hear(attacker(), &sybil),
            }
        }
        self.handle(Event::Tick);
        self.outcome.most_sybils = self.outcome.most_sybils.max(self.outcome.n_sybils);
    }

    fn run(mut self, seconds: u64, max_entries: usize) {
        for second in 0..seconds {
            self.second();
            if second % 60 == 0 {
                self.node.check_invariants(self.clock());
            }
        }
        let Outcome { dials_to_honest, dials_to_sybils, most_sybils, .. } = self.outcome;
        let dials = dials_to_honest + dials_to_sybils;
        let (share, quota) = (most_sybils as f64 / max_entries as f64, quota(max_entries));
        let dial_share = dials_to_sybils as f64 / dials as f64;
        let line = format!(
            "sybil, {max_entries} entries, {} keys in {seconds} s: at most {most_sybils} in the table \
             ({:.1} %; quota {quota}), {dials_to_sybils} of {dials} dials ({:.1} %), {} verified \
             peers evicted, {} honest ones lost otherwise",
            seconds as usize * FLOOD_PER_SEC,
            share * 100.0,
            dial_share * 100.0,
            self.outcome.evicted_verified,
            self.outcome.lost,
        );
        writeln!(std::io::stderr(), "{line}").unwrap();
        assert!(most_sybils <= quota as usize, "{line}");
        assert!(dial_share <= 0.1, "{line}");
        assert!(dials_to_sybils > 0 && most_sybils > 0, "or else the test tests nothing: {line}");
        assert_eq!(self.outcome.evicted_verified, 0, "{line}");
        assert_eq!(self.outcome.lost, 0, "{line}");
    }
}

fn neighbour(n: u16) -> PublicKey {
    secret(2000 + n).public()
}

fn attacker() -> PublicKey {
    neighbour(N_NEIGHBOURS - 1)
}

#[test]
fn one_neighbour_with_any_number_of_keys_gets_its_quota_of_a_small_table_that_is_full() {
    Attack::new(2048).run(600, 2048);
}

#[test]
fn one_neighbour_with_any_number_of_keys_gets_its_quota_of_a_default_table_that_is_full() {
    Attack::new(65_536).run(300, 65_536);
}

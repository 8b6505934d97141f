//! Peers that were found nearby, and when to join which of them. Time and chance are arguments.

use std::{collections::BTreeMap, time::Duration};

use id_proto::iroh_base::{EndpointAddr, PublicKey};

/// Most peers that are kept. Origin: one neighbour is enough, and 64 dials a minute are no burden if
/// all of them are somebody's inventions.
const MAX_FINDS: usize = 64;
/// Most joins that may be made at once, after a while without any. Origin: HyParView's passive view.
const MAX_JOINS: u32 = 30;
/// After what time one more join may be made. Origin: a dial lasts up to 30 s, so no more than twice
/// [`MAX_JOINS`] are under way.
const JOIN_EVERY: Duration = Duration::from_secs(1);
/// For how many joins one of a node with neighbours counts, which needs none. Origin: a guess; makes
/// three at once and six a minute.
const MERGE_COST: u32 = 10;
/// How long a lonely node waits before it tries the same peer again, the first time. Origin: a node
/// that is found a moment before it accepts connections.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest such wait. Origin: two announce intervals.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How long a node with neighbours lets gossip tell it of a peer before it dials, and how often it
/// looks again. Origin: a join and a sync take a second or two.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a node has neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Company {
    /// It has none, and nothing to lose by trying everyone.
    Lonely,
    /// It has some, and joins only those who seem to be cut off from them.
    Settled,
}

impl Company {
    fn cost(self) -> u32 {
        match self {
            Self::Lonely => 1,
            Self::Settled => MERGE_COST,
        }
    }
}

/// The peers that were found, bounded.
#[derive(Debug)]
pub(super) struct Finds {
    company: Company,
    peers: BTreeMap<PublicKey, Find>,
    budget: Budget,
}

#[derive(Debug)]
struct Find {
    addr: EndpointAddr,
    n_tries: u32,
    /// When to decide about it.
    due: Duration,
}

impl Finds {
    /// Nobody was found yet, and there is no neighbour.
    pub(super) fn new() -> Self {
        let budget = Budget { n_joins: MAX_JOINS, since: Duration::ZERO };
        Self { company: Company::Lonely, peers: BTreeMap::new(), budget }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    /// Notes that a peer was found, or has new addresses, which don't make it more urgent. `spread`
    /// within 0..1 keeps those that found the same peer at the same time out of step.
    pub(super) fn found(&mut self, addr: EndpointAddr, now: Duration, spread: f64) {
        if let Some(find) = self.peers.get_mut(&addr.id) {
            find.addr = addr;
            return;
        }
        let wait = match self.company {
            Company::Lonely => Duration::ZERO,
            Company::Settled => spread_out(PATIENCE, spread),
        };
        let id = addr.id;
        self.peers.insert(id, Find { addr, n_tries: 0, due: now + wait });
        if self.peers.len() > MAX_FINDS {
            self.give_up_another_than(id);
        }
    }

    /// Notes that a peer isn't there any more.
    pub(super) fn lost(&mut self, peer: &PublicKey) {
        self.peers.remove(peer);
    }

    /// Notes whether there are neighbours. When the last one goes, everybody is tried anew.
    pub(super) fn observe(&mut self, company: Company, now: Duration) {
        if company == Company::Lonely && self.company == Company::Settled {
            for find in self.peers.values_mut() {
                (find.n_tries, find.due) = (0, now);
            }
        }
        self.company = company;
    }

    /// When to ask again whom to join; `None` if nobody was found.
    pub(super) fn due(&self) -> Option<Duration> {
        self.peers.values().map(|find| find.due).min()
    }

    /// Whom to join now. Who is `known` is in reach already, if there are neighbours.
    pub(super) fn take_due(
        &mut self,
        now: Duration,
        known: impl Fn(&PublicKey) -> bool,
        mut spread: impl FnMut() -> f64,
    ) -> Vec<EndpointAddr> {
        let (company, budget) = (self.company, &mut self.budget);
        let due = self.peers.iter_mut().filter(|(_, find)| find.due <= now);
        let mut due: Vec<_> = due.collect();
        due.sort_by_key(|(_, find)| (find.n_tries, find.due));
        let mut joined = Vec::new();
        for (id, find) in due {
            let is_wanted = company == Company::Lonely || !known(id);
            if is_wanted && budget.spend(company.cost(), now) {
                find.n_tries += 1;
                joined.push(find.addr.clone());
            }
            find.due = now + spread_out(find.wait(company), spread());
        }
        joined
    }

    /// Whoever was tried in vain most often goes, else whoever is next: nobody knows who is real.
    fn give_up_another_than(&mut self, newest: PublicKey) {
        let others = self.peers.iter().filter(|(id, _)| **id != newest);
        let worst = others.max_by_key(|(_, find)| (find.n_tries, find.due)).map(|(id, _)| *id);
        worst.map(|id| self.peers.remove(&id));
    }
}

/// How many joins may be made. Whoever can invent one peer can invent thousands.
#[derive(Debug)]
struct Budget {
    n_joins: u32,
    /// Until when the joins are counted that became possible.
    since: Duration,
}

impl Budget {
    fn spend(&mut self, cost: u32, now: Duration) -> bool {
        let more = now.saturating_sub(self.since).as_secs() / JOIN_EVERY.as_secs();
        let more = u32::try_from(more).unwrap_or(MAX_JOINS);
        self.since += JOIN_EVERY * more;
        self.n_joins = self.n_joins.saturating_add(more).min(MAX_JOINS);
        let left = self.n_joins.checked_sub(cost);
        self.n_joins = left.unwrap_or(self.n_joins);
        left.is_some()
    }
}

impl Find {
    fn wait(&self, company: Company) -> Duration {
        match company {
            Company::Lonely => {
                let doubled = FIRST_WAIT * 2u32.saturating_pow(self.n_tries.saturating_sub(1));
                doubled.min(LONGEST_WAIT)
            }
            Company::Settled if self.n_tries == 0 => PATIENCE,
            Company::Settled => LONGEST_WAIT,
        }
    }
}

/// Half of `wait` to one and a half of it.
fn spread_out(wait: Duration, spread: f64) -> Duration {
    wait.mul_f64(0.5 + spread.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use id_proto::iroh_base::SecretKey;

    use super::*;

    const T: Duration = Duration::from_secs(1000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn peer(seed: u8) -> EndpointAddr {
        EndpointAddr::new(SecretKey::from_bytes(&[seed; 32]).public())
            .with_ip_addr(([192, 0, 2, seed], 1).into())
    }

    /// Quicker to make than a key pair; nearly half of all strings are keys.
    fn stranger(seed: u64) -> EndpointAddr {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let keys = (0..=255).filter_map(|last| {
            bytes[8] = last;
            PublicKey::from_bytes(&bytes).ok()
        });
        EndpointAddr::new(keys.into_iter().next().unwrap())
    }

    fn find(finds: &mut Finds, seeds: impl IntoIterator<Item = u8>, now: Duration) {
        seeds.into_iter().for_each(|seed| finds.found(peer(seed), now, 0.5));
    }

    fn taken(finds: &mut Finds, now: Duration) -> usize {
        finds.take_due(now, |_| false, || 0.5).len()
    }

    fn settled() -> Finds {
        let mut finds = Finds::new();
        finds.observe(Company::Settled, T);
        finds
    }

    #[test]
    fn lonely_node_joins_whom_it_finds_at_once() {
        let mut finds = Finds::new();
        assert_eq!(finds.due(), None);
        find(&mut finds, 1..=3, T);
        assert_eq!(finds.due(), Some(T));
        assert_eq!(finds.take_due(T, |_| true, || 0.5), [1, 2, 3].map(peer).to_vec().sorted());
        assert_eq!(taken(&mut finds, T), 0);
    }

    #[test]
    fn lonely_node_tries_again_ever_more_rarely() {
        let mut finds = Finds::new();
        find(&mut finds, [1], T);
        let mut waits = Vec::new();
        for _ in 0..9 {
            let now = finds.due().unwrap();
            assert_eq!(taken(&mut finds, now), 1);
            waits.push((finds.due().unwrap() - now).as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn node_with_neighbours_waits_for_gossip_and_then_joins_only_strangers() {
        let mut finds = settled();
        find(&mut finds, [1, 2], T);
        assert_eq!(finds.due(), Some(T + PATIENCE));
        let known = peer(1).id;
        let joined = finds.take_due(T + PATIENCE, |id| *id == known, || 0.5);
        assert_eq!(joined, [peer(2)]);
    }

    #[test]
    fn known_peer_that_vanishes_from_the_table_is_joined_later() {
        let mut finds = settled();
        find(&mut finds, [1], T);
        assert!(finds.take_due(T + PATIENCE, |_| true, || 0.5).is_empty());
        assert_eq!(taken(&mut finds, T + 2 * PATIENCE), 1);
    }

    #[test]
    fn nobody_joins_a_crowd_at_once() {
        let mut finds = Finds::new();
        find(&mut finds, 0..=59, T);
        assert_eq!(taken(&mut finds, T), 30);
        let mut finds = settled();
        find(&mut finds, 0..=59, T);
        assert_eq!(taken(&mut finds, T + HOUR), 3);
    }

    #[test]
    fn nobody_is_tried_twice_before_everybody_was_tried_once() {
        let mut finds = Finds::new();
        find(&mut finds, 0..=59, T);
        let mut tried = BTreeSet::new();
        while tried.len() < 60 {
            let now = finds.due().unwrap();
            let joined = finds.take_due(now, |_| false, || 0.5);
            assert!(joined.iter().all(|peer| tried.insert(peer.id)), "at {now:?}");
        }
    }

    #[test]
    fn last_neighbour_that_goes_makes_everybody_worth_a_try() {
        let mut finds = settled();
        find(&mut finds, [1, 2, 3], T);
        finds.take_due(T + PATIENCE, |_| true, || 0.5);
        finds.observe(Company::Lonely, T + PATIENCE);
        assert_eq!(taken(&mut finds, T + PATIENCE), 3);
    }

    #[test]
    fn flood_is_bounded_and_the_newest_is_kept() {
        let mut finds = Finds::new();
        for seed in 0..=255 {
            find(&mut finds, [seed], T);
            assert!(finds.peers.contains_key(&peer(seed).id));
        }
        assert_eq!(finds.len(), MAX_FINDS);
    }

    #[test]
    fn flood_costs_a_dial_a_second_at_most() {
        let (mut lonely, mut settled) = (Finds::new(), settled());
        let (mut n_dials, mut n_merges) = (0, 0);
        for second in 0..600 {
            let now = T + Duration::from_secs(second);
            for finds in [&mut lonely, &mut settled] {
                // Each second another thousand, whom nobody has heard of before.
                (0..1000).for_each(|n| finds.found(stranger(second * 1000 + n), now, 0.5));
            }
            n_dials += taken(&mut lonely, now);
            n_merges += taken(&mut settled, now);
        }
        assert!((600..=630).contains(&n_dials), "{n_dials}");
        assert!((30..=63).contains(&n_merges), "{n_merges}");
    }

    #[test]
    fn peer_that_changes_its_addresses_all_the_time_isnt_dialled_more_often() {
        let mut finds = Finds::new();
        find(&mut finds, [1], T);
        assert_eq!(taken(&mut finds, T), 1);
        let moved = peer(1).with_ip_addr(([192, 0, 2, 1], 2).into());
        finds.found(moved.clone(), T, 0.5);
        assert_eq!(taken(&mut finds, T), 0);
        assert_eq!(finds.take_due(T + FIRST_WAIT, |_| false, || 0.5), [moved]);
    }

    #[test]
    fn whoever_was_tried_in_vain_makes_room() {
        let mut finds = Finds::new();
        find(&mut finds, [0], T);
        assert_eq!(taken(&mut finds, T), 1);
        find(&mut finds, 1..=64, T);
        assert!(!finds.peers.contains_key(&peer(0).id));
        assert_eq!(finds.len(), MAX_FINDS);
    }

    #[test]
    fn whoever_is_lost_is_forgotten() {
        let mut finds = Finds::new();
        find(&mut finds, [1], T);
        finds.lost(&peer(1).id);
        assert_eq!((finds.len(), finds.due()), (0, None));
    }

    trait Sorted {
        fn sorted(self) -> Self;
    }

    impl Sorted for Vec<EndpointAddr> {
        fn sorted(mut self) -> Self {
            self.sort_by_key(|peer| peer.id);
            self
        }
    }
}

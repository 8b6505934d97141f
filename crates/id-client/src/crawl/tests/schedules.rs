//! The state machine under every order in which answers can come.

use std::time::Duration;

use futures::{FutureExt, StreamExt};
use id_proto::{Network, PeersPage, iroh_base::PublicKey};
use proptest::prelude::*;

use super::*;
use crate::{
    AskError, CheckedPage, CrawlEvent, CrawlState, FailKind, MAX_ATTEMPTS, MAX_ENTRIES, Reply,
    StopReason, Transport,
    memory::{Lie, random_edges},
};

/// A world, and the order in which things happen in it.
#[derive(Debug, Clone)]
struct Scenario {
    size: usize,
    edges: Edges,
    seeds: Vec<usize>,
    limits: Limits,
    /// Who fails before saying anything.
    mute: BTreeSet<usize>,
    /// Who is lost the first time after so many pages, and answers the next time.
    shaky: BTreeMap<usize, usize>,
    /// Who answers only when nobody else has anything to say.
    slow: BTreeSet<usize>,
    /// Picks what happens next, over and over.
    choices: Vec<u16>,
    /// After so many steps the crawl is stopped.
    stop_after: Option<usize>,
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let graph = (2_usize..16, 0_usize..4, any::<u64>());
    let depth = prop_oneof![(0_u32..4).prop_map(Depth::Hops), Just(Depth::Unlimited)];
    let limits =
        (depth, 1_usize..20, 1_usize..6).prop_map(|(max_depth, max_peers, concurrency)| {
            let (max_peers, concurrency) = (n(max_peers), n(concurrency));
            Limits { max_depth, max_peers, concurrency, ..Limits::default() }
        });
    let mute = proptest::collection::btree_set(0_usize..16, 0..4);
    let slow = proptest::collection::btree_set(0_usize..16, 0..4);
    let shaky = proptest::collection::btree_map(0_usize..16, 0_usize..4, 0..4);
    let seeds = proptest::collection::vec(0_usize..16, 1..4);
    let choices = proptest::collection::vec(any::<u16>(), 8..64);
    let stop_after = proptest::option::weighted(0.3, 0_usize..40);
    (graph, limits, (mute, shaky, slow), seeds, choices, stop_after).prop_map(
        |((size, degree, seed), limits, (mute, shaky, slow), seeds, choices, stop_after)| {
            Scenario {
                size,
                edges: random_edges(size, degree, seed),
                seeds: seeds.into_iter().map(|seed| seed % size).collect(),
                limits,
                mute,
                shaky,
                slow,
                choices,
                stop_after,
            }
        },
    )
}

/// Who is being asked, the pages that it still has, and how it ends.
type Asked = (PublicKey, VecDeque<Page>, Result<(), AskError>);

/// A page as it comes, or with what was worth checking when its peer was asked.
enum Page {
    AsItIs(PeersPage),
    Checked(CheckedPage),
}

/// When signatures are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    InTurn,
    Ahead,
}

/// A scenario that is being played.
struct Play<'a> {
    scenario: &'a Scenario,
    network: &'a MemoryNetwork,
    when: When,
    state: CrawlState,
    asking: Vec<Asked>,
    events: Vec<CrawlEvent>,
}

impl<'a> Play<'a> {
    fn new(scenario: &'a Scenario, network: &'a MemoryNetwork, when: When) -> Self {
        let seeds = scenario.seeds.iter().map(|i| network.addr(*i));
        let tag = Network::public().tag();
        let state = CrawlState::new(seeds, scenario.limits.clone(), tag, None);
        Self { scenario, network, when, state, asking: Vec::new(), events: Vec::new() }
    }

    fn run(mut self) -> (CrawlReport, Vec<CrawlEvent>) {
        let mut choices = self.scenario.choices.iter().cycle();
        for step in 0.. {
            if self.scenario.stop_after == Some(step) {
                self.events.extend(self.state.stop(StopReason::Timeout));
            }
            if self.state.is_done() {
                break;
            }
            self.step(usize::from(*choices.next().unwrap()));
            assert!(step < 10_000, "the crawl doesn't end");
        }
        (self.state.finish(Duration::ZERO), self.events)
    }

    /// Asks somebody else, or lets one of those who are asked go on.
    fn step(&mut self, choice: usize) {
        let ready = |(i, (peer, ..)): (usize, &Asked)| (!self.is_slow(*peer)).then_some(i);
        let ready: Vec<usize> = self.asking.iter().enumerate().filter_map(ready).collect();
        if let Some(i) = ready.get(choice % (ready.len() + 1)) {
            return self.answer(*i);
        }
        match self.state.poll() {
            Some(ask) => {
                let outcome = self.outcome(ask.peer.id, ask.attempt);
                let n_pages = self.n_pages(ask.peer.id, ask.attempt);
                let pages = self.pages(ask.peer.id).into_iter().take(n_pages);
                let pages = pages.map(|page| match self.when {
                    When::InTurn => Page::AsItIs(page),
                    When::Ahead => Page::Checked(self.state.look_at(page, now()).check()),
                });
                self.asking.push((ask.peer.id, pages.collect(), outcome));
            }
            None if self.asking.is_empty() => panic!("nobody to ask, but not done"),
            None => self.answer(ready.first().copied().unwrap_or(0)),
        }
    }

    fn answer(&mut self, i: usize) {
        let (from, pages, outcome) = &mut self.asking[i];
        let (from, page, outcome) = (*from, pages.pop_front(), outcome.clone());
        match page {
            Some(Page::AsItIs(page)) => self.events.extend(self.state.on_page(from, &page, now())),
            Some(Page::Checked(page)) => self.events.extend(self.state.on_checked_page(from, page)),
            None => self.events.extend(self.state.on_done(from, outcome)),
        }
        self.asking.retain(|(peer, ..)| self.state.is_asking(peer));
    }

    fn is_mute(&self, peer: PublicKey) -> bool {
        self.scenario.mute.contains(&self.network.index_of(&peer).unwrap())
    }

    fn is_slow(&self, peer: PublicKey) -> bool {
        self.scenario.slow.contains(&self.network.index_of(&peer).unwrap())
    }

    /// After how many pages it is lost, if it is.
    fn lost_after(&self, peer: PublicKey, attempt: u8) -> Option<usize> {
        let shaky = self.scenario.shaky.get(&self.network.index_of(&peer).unwrap());
        let lost_now = shaky.filter(|_| attempt == 1).copied();
        if self.is_mute(peer) { Some(0) } else { lost_now }
    }

    fn outcome(&self, peer: PublicKey, attempt: u8) -> Result<(), AskError> {
        let lost = self.lost_after(peer, attempt);
        lost.map_or(Ok(()), |_| Err(AskError::new(FailKind::Lost, "lost")))
    }

    fn n_pages(&self, peer: PublicKey, attempt: u8) -> usize {
        self.lost_after(peer, attempt).unwrap_or(usize::MAX)
    }

    fn pages(&self, peer: PublicKey) -> VecDeque<PeersPage> {
        let replies = self.network.list_peers(peer.into(), MAX_ENTRIES).collect::<Vec<_>>();
        let replies = replies.now_or_never().expect("honest peers answer at once").into_iter();
        let pages = replies.filter_map(|reply| match reply {
            Ok(Reply::Page(page)) => Some(page),
            _ => None,
        });
        pages.collect()
    }
}

fn now() -> u64 {
    crate::clock::unix_secs()
}

fn play(scenario: &Scenario) -> (MemoryNetwork, CrawlReport, Vec<CrawlEvent>) {
    let network = MemoryNetwork::new(scenario.size, scenario.edges.clone()).with_page_len(2);
    let (report, events) = Play::new(scenario, &network, When::InTurn).run();
    (network, report, events)
}

/// A report without what may differ between two networks made at different times.
fn outline(report: &CrawlReport) -> Vec<(PublicKey, u32, Vec<PublicKey>, PeerStatus)> {
    let peers = report.peers.iter();
    peers.map(|p| (p.node_id, p.depth, p.via.clone(), p.status.clone())).collect()
}

proptest! {
    #[test]
    fn counts_always_add_up(scenario in scenario()) {
        let (_, report, events) = play(&scenario);
        assert_adds_up(&report);
        let ends = events.iter().filter(|event| {
            matches!(event, CrawlEvent::Answered { .. } | CrawlEvent::Failed { .. })
        });
        prop_assert_eq!(ends.count(), report.summary().asked);
        let limits = events.iter().filter(|event| matches!(event, CrawlEvent::LimitHit(_)));
        // Too many seeds stop a crawl before its first event.
        prop_assert!(limits.count() <= usize::from(report.stopped_by.is_some()));
    }

    #[test]
    fn every_order_of_answers_gives_the_depths_of_breadth_first_search(scenario in scenario()) {
        let (network, report, _) = play(&scenario);
        if report.is_complete() {
            let answers = |i| !scenario.mute.contains(&i);
            let max_depth = scenario.limits.max_depth;
            let expected = reference_depths(&scenario.edges, &scenario.seeds, max_depth, answers);
            let found = depths(&network, &report);
            // Where depth decides nothing, nobody waits for who is put off.
            let may_differ = max_depth == Depth::Unlimited && !scenario.shaky.is_empty();
            prop_assert!(found.keys().eq(expected.keys()));
            prop_assert!(may_differ || found == expected, "{:?} {:?}", found, expected);
            let within = expected.iter().filter(|(_, depth)| max_depth.includes(**depth));
            prop_assert_eq!(asked(&network, &report), within.map(|(i, _)| *i).collect());
        }
    }

    #[test]
    fn the_cap_is_exact(scenario in scenario()) {
        let (_, report, _) = play(&scenario);
        let max_peers = scenario.limits.max_peers.get();
        if report.stopped_by == Some(StopReason::MaxPeers) {
            prop_assert_eq!(report.summary().known, max_peers);
        }
    }

    #[test]
    fn second_attempts_count_nothing_twice(scenario in scenario(), liar in 0_usize..16) {
        let steady = Scenario { shaky: BTreeMap::new(), stop_after: None, ..scenario.clone() };
        let shaky = Scenario { stop_after: None, ..scenario };
        let counts = |scenario: &Scenario| {
            let network = MemoryNetwork::new(scenario.size, scenario.edges.clone());
            let network = network.with_page_len(2);
            let network =
                Lie::ALL.iter().fold(network, |it, lie| it.with_lie(liar % scenario.size, *lie));
            let (report, _) = Play::new(scenario, &network, When::InTurn).run();
            let counts = report.peers.iter().map(|peer| {
                let told = peer.told.map(|told| told.n_peers);
                (peer.node_id, (told, peer.rejected.clone(), peer.status.clone()))
            });
            let attempts = report.peers.iter().all(|peer| {
                let is_asked = peer.status != PeerStatus::NotAsked;
                (peer.attempts > 0) == is_asked && peer.attempts <= MAX_ATTEMPTS
            });
            assert!(attempts, "who was asked has attempts, and nobody else");
            (report.is_complete(), counts.collect::<BTreeMap<_, _>>())
        };
        let ((complete, steady), (also_complete, shaky)) = (counts(&steady), counts(&shaky));
        // Who is left out of a full crawl depends on who comes first.
        if complete && also_complete {
            prop_assert_eq!(steady, shaky);
        }
    }

    #[test]
    fn the_same_inputs_give_the_same_report(scenario in scenario()) {
        let ((_, first, _), (_, second, _)) = (play(&scenario), play(&scenario));
        prop_assert_eq!(outline(&first), outline(&second));
        prop_assert_eq!(first.stopped_by, second.stopped_by);
    }

    #[test]
    fn to_check_signatures_ahead_changes_nothing(scenario in scenario(), liar in 0_usize..16) {
        let network = MemoryNetwork::new(scenario.size, scenario.edges.clone()).with_page_len(2);
        let network = Lie::ALL.iter().fold(network, |it, lie| it.with_lie(liar % scenario.size, *lie));
        let [in_turn, ahead] = [When::InTurn, When::Ahead].map(|when| {
            let (report, events) = Play::new(&scenario, &network, when).run();
            let rejected: Vec<_> = report.peers.iter().map(|peer| peer.rejected.clone()).collect();
            (outline(&report), rejected, format!("{events:?}"))
        });
        prop_assert_eq!(in_turn, ahead);
    }

    #[test]
    fn what_comes_from_somebody_who_is_not_asked_is_ignored(scenario in scenario()) {
        let network = MemoryNetwork::new(scenario.size, scenario.edges.clone());
        let mut play = Play::new(&scenario, &network, When::InTurn);
        let stranger = network.id(0);
        let pages = play.pages(stranger);
        prop_assert!(pages.iter().all(|page| play.state.on_page(stranger, page, now()).is_empty()));
        prop_assert!(play.state.on_done(stranger, Ok(())).is_empty());
        prop_assert_eq!(play.state.finish(Duration::ZERO).summary().asked, 0);
    }
}

//! What one liar can't do to those whom others name.

use std::time::Duration;

use super::*;
use crate::{Alone, CrawlEvent, MIN_ASKED_ALONE, StopReason, Told, memory::Behaviour};

/// Peer 0 is a liar and peer 1 honest. Numbers from 2 on are honest too, all known to 1; the last ones
/// are of the liar's making: silent, and known to nobody else.
struct World {
    network: MemoryNetwork,
    n_honest: usize,
}

impl World {
    fn new(n_honest: usize, n_made_up: usize) -> Self {
        let (first_honest, first_made_up) = (1, 1 + n_honest);
        let end = first_made_up + n_made_up;
        let lies = (first_made_up..end).map(|i| (0, i));
        let honest = (first_honest..first_made_up)
            .flat_map(|i| (first_honest..first_made_up).map(move |j| (i, j)));
        let network = MemoryNetwork::new(end, lies.chain(honest));
        let silent = |network: MemoryNetwork, i| network.with(i, Behaviour::Silent);
        Self { network: (first_made_up..end).fold(network, silent), n_honest }
    }

    async fn crawl(&self, limits: Limits) -> CrawlReport {
        let report = crawler(&self.network, &[0, 1], limits).start().run().await;
        assert_adds_up(&report);
        report
    }

    fn n_honest_answered(&self, report: &CrawlReport) -> usize {
        let answered = numbers(&self.network, report, |peer| peer.status == PeerStatus::Answered);
        answered.into_iter().filter(|i| (1..=self.n_honest).contains(i)).count()
    }
}

fn limits(max_peers: usize, concurrency: usize) -> Limits {
    Limits { max_peers: n(max_peers), concurrency: n(concurrency), ..unlimited() }
}

#[tokio::test(start_paused = true)]
async fn a_liar_beside_an_honest_seed_keeps_no_honest_peer_out_of_the_report() {
    let world = World::new(200, 3000);
    let report = world.crawl(limits(500, 64)).await;
    assert_eq!(world.n_honest_answered(&report), 200);
    assert_eq!(report.summary().known, 500);
    let capped = matches!(report.stopped_by, Some(StopReason::Timeout | StopReason::MaxPeers));
    assert!(capped, "{:?}", report.stopped_by);
}

/// The liar's thousand come first in the queue, and each takes ten seconds.
#[tokio::test(start_paused = true)]
async fn the_live_do_not_wait_for_the_dead() {
    for concurrency in [2, 8, 64] {
        let world = World::new(300, 600);
        let crawl = crawler(&world.network, &[0, 1], limits(1000, concurrency));
        let mut crawl = crawl.start();
        let started = tokio::time::Instant::now();
        let mut n_answered = 0;
        while n_answered < 1 + world.n_honest {
            let event = crawl.next().await.expect("the crawl goes on");
            n_answered += usize::from(matches!(event, CrawlEvent::Answered { .. }));
        }
        assert_eq!(started.elapsed(), Duration::ZERO, "{concurrency}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_peers_of_a_deeper_honest_one_displace_the_liars() {
    // 1 names 2, and only 2 names 3 to 52.
    let n_made_up = 400;
    let honest = (3..53).map(|i| (2, i)).chain([(1, 2)]);
    let network = MemoryNetwork::new(53 + n_made_up, honest.chain((53..453).map(|i| (0, i))));
    let network = (53..453).fold(network, |network, i| network.with(i, Behaviour::Silent));
    let report = crawler(&network, &[0, 1], limits(200, 64)).start().run().await;
    let known = known(&network, &report);
    assert!((0..53).all(|i| known.contains(&i)), "{known:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_displaced_is_said_and_is_in_no_report() {
    let world = World::new(20, 100);
    // One at a time: the liar is the first to be heard.
    let mut crawl = crawler(&world.network, &[0, 1], limits(50, 1)).start();
    let mut displaced = BTreeSet::new();
    while let Some(event) = crawl.next().await {
        if let CrawlEvent::Displaced { peer } = event {
            displaced.insert(peer);
        }
    }
    let report = crawl.finish().await;
    assert!(!displaced.is_empty());
    assert!(report.peers.iter().all(|peer| !displaced.contains(&peer.node_id)));
}

#[tokio::test(start_paused = true)]
async fn what_became_of_those_whom_one_peer_alone_named_is_counted() {
    let world = World::new(10, 40);
    let limits = Limits { timeout: Duration::from_secs(60), ..limits(1000, 64) };
    let report = world.crawl(limits).await;
    let told = |i| peer(&world.network, &report, i).told;
    let alone = Alone { known: 40, asked: 40, failed: 40 };
    assert_eq!(told(0), Some(Told { n_peers: 40, alone: Some(alone) }));
    assert!(alone.is_barren());
    // The other nine name each other, and seed 1 is nobody's word.
    let honest = Told { n_peers: 9, alone: Some(Alone::default()) };
    assert_eq!((told(1), told(2)), (Some(honest), Some(honest)));
    assert_eq!(told(11), None, "it said nothing");
}

#[tokio::test(start_paused = true)]
async fn who_was_cut_short_by_the_end_counts_as_neither_answered_nor_failed() {
    let world = World::new(1, 100);
    // After 5 s the first 64 are given up, and the others were dialled when those had not been reached soon.
    let report = world.crawl(Limits { timeout: Duration::from_millis(5020), ..unlimited() }).await;
    let alone = peer(&world.network, &report, 0).told.unwrap().alone;
    assert_eq!(alone, Some(Alone { known: 100, asked: 64, failed: 64 }));
}

#[test]
fn it_takes_many_who_were_asked_and_nearly_all_of_them() {
    let is_barren = |asked, failed| Alone { known: 1000, asked, failed }.is_barren();
    assert!(!is_barren(0, 0) && !is_barren(MIN_ASKED_ALONE - 1, MIN_ASKED_ALONE - 1));
    assert!(is_barren(MIN_ASKED_ALONE, MIN_ASKED_ALONE));
    assert!(!is_barren(16, 15) && is_barren(17, 16) && is_barren(160, 151) && !is_barren(160, 150));
}

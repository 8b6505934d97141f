//! What a crawl may cost.

use std::time::{Duration, Instant};

use super::*;
use crate::{
    CrawlEvent, FailKind, MAX_PARKED, StopReason,
    memory::{Behaviour, Lie},
};

fn max_peers(max: usize) -> Limits {
    Limits { max_peers: n(max), ..unlimited() }
}

fn seconds(timeout: u64, ask_timeout: u64) -> Limits {
    let (timeout, ask_timeout) = (Duration::from_secs(timeout), Duration::from_secs(ask_timeout));
    Limits { timeout, ask_timeout, ..unlimited() }
}

fn failed_by(peer: &CrawledPeer) -> Option<FailKind> {
    match peer.status {
        PeerStatus::Failed { kind, .. } => Some(kind),
        _ => None,
    }
}

#[tokio::test]
async fn max_peers_ten_gives_exactly_ten_and_says_so() {
    for network in [MemoryNetwork::star(50), MemoryNetwork::line(50), MemoryNetwork::ring(11)] {
        let report = crawl(&network, max_peers(10)).await;
        assert_eq!(report.summary().known, 10);
        assert_eq!(report.stopped_by, Some(StopReason::MaxPeers));
    }
}

#[tokio::test]
async fn a_network_of_just_the_allowed_size_is_complete() {
    for network in [MemoryNetwork::star(10), MemoryNetwork::line(10), MemoryNetwork::ring(10)] {
        let report = crawl(&network, max_peers(10)).await;
        assert_eq!(report.summary().answered, 10);
        assert!(report.is_complete());
    }
}

#[tokio::test]
async fn a_forged_peer_is_not_another_one() {
    let network = MemoryNetwork::star(10);
    let network = Lie::ALL.iter().fold(network, |network, lie| network.with_lie(0, *lie));
    let report = crawl(&network, max_peers(10)).await;
    assert!(report.is_complete(), "{:?}", report.stopped_by);
}

#[tokio::test]
async fn at_the_cap_those_who_are_known_are_asked_all_the_same() {
    let network = MemoryNetwork::star(50).with(1, Behaviour::Refuses);
    let report = crawler(&network, &[1, 2, 0], max_peers(10)).start().run().await;
    assert_adds_up(&report);
    assert_eq!(report.stopped_by, Some(StopReason::MaxPeers));
    let summary = report.summary();
    assert_eq!((summary.answered, summary.failed, summary.not_asked), (9, 1, 0));
}

#[tokio::test]
async fn with_more_seeds_than_allowed_nobody_is_asked() {
    let network = MemoryNetwork::line(5);
    let mut crawl = crawler(&network, &[0, 1, 2], max_peers(2)).start();
    let event = crawl.next().await;
    assert!(matches!(event, Some(CrawlEvent::LimitHit(StopReason::MaxPeers))), "{event:?}");
    let report = crawl.run().await;
    assert_eq!((report.summary().known, report.summary().asked), (2, 0));
}

#[tokio::test]
async fn the_limit_is_the_last_event() {
    let network = MemoryNetwork::star(50);
    let mut crawl = crawler(&network, &[0], max_peers(10)).start();
    let mut last = None;
    while let Some(event) = crawl.next().await {
        last = Some(event);
    }
    assert!(matches!(last, Some(CrawlEvent::LimitHit(StopReason::MaxPeers))), "{last:?}");
}

/// A star whose 200 outer peers never let themselves be reached.
fn silent_star() -> MemoryNetwork {
    (1..=200).fold(MemoryNetwork::star(201), |network, i| network.with(i, Behaviour::Silent))
}

#[tokio::test(start_paused = true)]
async fn two_hundred_silent_peers_do_not_outlast_the_crawls_timeout() {
    let network = silent_star();
    let report = crawl(&network, seconds(3, 10)).await;
    assert_eq!(report.duration.as_secs_f32().round(), 3.0);
    assert_eq!(report.stopped_by, Some(StopReason::Timeout));
    let summary = report.summary();
    assert_eq!((summary.known, summary.answered, summary.failed), (201, 1, 200));
    let failures: Vec<_> = report.peers.iter().filter_map(failed_by).collect();
    assert!(failures.iter().all(|kind| *kind == FailKind::Timeout));
    assert_eq!(network.n_being_asked(), 0);
}

#[tokio::test]
async fn two_hundred_silent_peers_end_on_a_real_clock_too() {
    let limits = Limits { concurrency: n(1000), ..seconds(3, 10) };
    let limits = Limits { timeout: Duration::from_millis(300), ..limits };
    let started = Instant::now();
    let report = crawl(&silent_star(), limits).await;
    let took = started.elapsed();
    assert!((300..600).contains(&took.as_millis()), "{took:?}");
    assert_eq!(report.summary().failed, 200);
}

/// Two fifths are gone: each is waited for, and the others don't wait for them.
#[tokio::test(start_paused = true)]
async fn those_who_can_not_be_reached_do_not_hold_up_the_others() {
    let network = MemoryNetwork::star(2000);
    let is_gone = |i: &usize| i % 5 < 2 && *i > 0;
    let gone = (0..2000).filter(is_gone);
    let network = gone.fold(network, |network, i| network.with(i, Behaviour::Silent));
    let limits = Limits { max_peers: n(2000), ..unlimited() };
    let mut crawl = crawler(&network, &[0], limits.clone()).start();
    let started = tokio::time::Instant::now();
    let (mut n_answered, mut last_answer) = (0, Duration::ZERO);
    while let Some(event) = crawl.next().await {
        if let CrawlEvent::Answered { .. } = event {
            (n_answered, last_answer) = (n_answered + 1, started.elapsed());
        }
    }
    let report = crawl.finish().await;
    assert_eq!((n_answered, report.summary().failed), (1201, 799));
    assert!(last_answer < Duration::from_secs(2), "{last_answer:?}");
    let most = last_answer + limits.connect_timeout + Duration::from_millis(10);
    assert!(report.duration <= most, "{:?}", report.duration);
}

/// A line with a silent peer beside each: no level waits for those of the levels before.
#[tokio::test(start_paused = true)]
async fn the_levels_behind_do_not_wait_for_those_who_can_not_be_reached() {
    let edges = (0..20).flat_map(|i| [(i, i + 1), (i, i + 100)]);
    let network = MemoryNetwork::new(121, edges);
    let network = (100..120).fold(network, |network, i| network.with(i, Behaviour::Silent));
    let mut crawl = crawler(&network, &[0], unlimited()).start();
    let (started, mut last_answer) = (tokio::time::Instant::now(), Duration::ZERO);
    while let Some(event) = crawl.next().await {
        if let CrawlEvent::Answered { .. } = event {
            last_answer = started.elapsed();
        }
    }
    let report = crawl.finish().await;
    assert_eq!((report.summary().answered, report.summary().failed), (21, 20));
    assert!(last_answer < Duration::from_secs(5), "{last_answer:?}");
    assert_eq!(peer(&network, &report, 20).depth, 20);
}

#[tokio::test(start_paused = true)]
async fn so_many_are_waited_for_besides_and_no_more() {
    let network = MemoryNetwork::star(3000);
    let network = (1..3000).fold(network, |network, i| network.with(i, Behaviour::Silent));
    let limits = Limits { max_peers: n(3000), concurrency: n(30), ..unlimited() };
    let mut crawl = crawler(&network, &[0], limits).start();
    let mut most = 0;
    while crawl.next().await.is_some() {
        most = most.max(network.n_being_asked());
    }
    assert_eq!(most, 30 + MAX_PARKED);
    assert_eq!(crawl.finish().await.summary().failed, 2999);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_fails_alone_when_its_own_time_is_up() {
    let network = MemoryNetwork::star(5).with(1, Behaviour::Silent).with(2, Behaviour::Mute);
    let report = crawl(&network, seconds(30, 2)).await;
    assert!(report.is_complete());
    assert_eq!((report.summary().answered, report.duration.as_secs()), (3, 2));
    let limits = Limits { connect_timeout: Duration::from_secs(1), ..seconds(30, 2) };
    assert_eq!(crawl(&network.clone(), limits).await.duration.as_secs(), 2, "of the mute one");
    assert_eq!(failed_by(peer(&network, &report, 1)), Some(FailKind::Timeout));
    assert!(peer(&network, &report, 1).route.is_none());
    assert!(peer(&network, &report, 2).route.is_some());
}

/// A hundred peers that give pages for ever: the crawl is never idle when its time is up.
#[tokio::test]
async fn a_flood_of_pages_does_not_outlast_the_crawls_timeout() {
    let network = MemoryNetwork::star(100);
    let network = (0..100).fold(network, |network, i| network.with(i, Behaviour::Endless));
    let limits = Limits { concurrency: n(1000), ..seconds(30, 30) };
    let limits = Limits { timeout: Duration::from_millis(300), ..limits };
    let started = Instant::now();
    let report = crawl(&network, limits).await;
    let took = started.elapsed();
    assert!((300..600).contains(&took.as_millis()), "{took:?}");
    assert_eq!(report.stopped_by, Some(StopReason::Timeout));
    assert_eq!(report.summary().known, 100);
}

#[tokio::test]
async fn whoever_repeats_itself_is_hung_up_on() {
    let network = MemoryNetwork::star(3).with(1, Behaviour::RepeatsItself);
    let report = crawl(&network, unlimited()).await;
    assert_eq!(failed_by(peer(&network, &report, 1)), Some(FailKind::Protocol));
    assert_eq!(report.summary().answered, 2);
}

#[tokio::test]
async fn a_flood_of_pages_does_not_outlast_its_own_time() {
    let network = MemoryNetwork::star(3).with(1, Behaviour::Endless);
    let limits = Limits { ask_timeout: Duration::from_millis(200), ..unlimited() };
    let report = crawl(&network, limits).await;
    assert!(report.is_complete());
    assert_eq!(failed_by(peer(&network, &report, 1)), Some(FailKind::Timeout));
    assert_eq!(report.summary().answered, 2);
}

#[tokio::test]
async fn thousands_who_are_being_asked_are_hung_up_on_at_once() {
    let network = MemoryNetwork::star(5000);
    let network = (1..5000).fold(network, |network, i| network.with(i, Behaviour::Silent));
    let limits = Limits { concurrency: n(5000), max_peers: n(5000), ..unlimited() };
    let mut crawl = crawler(&network, &[0], limits).start();
    while network.n_being_asked() < 4999 {
        crawl.next().await;
    }
    let started = Instant::now();
    let report = crawl.finish().await;
    assert!(started.elapsed() < Duration::from_millis(300), "{:?}", started.elapsed());
    assert!(report.summary().failed >= 4999);
}

#[tokio::test]
async fn a_timeout_of_for_ever_is_no_overflow() {
    let limits = Limits { timeout: Duration::MAX, ask_timeout: Duration::MAX, ..unlimited() };
    assert!(crawl(&MemoryNetwork::line(3), limits).await.is_complete());
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_nothing_asks_nobody() {
    let limits = Limits { timeout: Duration::ZERO, ..unlimited() };
    let report = crawl(&MemoryNetwork::line(3), limits).await;
    assert_eq!((report.summary().known, report.summary().asked), (1, 0));
    assert_eq!(report.stopped_by, Some(StopReason::Timeout));
}

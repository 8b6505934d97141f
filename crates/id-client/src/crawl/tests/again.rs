//! Who is asked again.

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::{
    CrawlEvent, FailKind, MAX_ATTEMPTS, MAX_PUT_OFF,
    memory::{self, Behaviour, Lie},
};

fn kind(peer: &CrawledPeer) -> Option<FailKind> {
    match peer.status {
        PeerStatus::Failed { kind, .. } => Some(kind),
        _ => None,
    }
}

/// How often each peer was asked.
fn times(network: &MemoryNetwork, i: usize) -> usize {
    network.asked().iter().filter(|id| **id == network.id(i)).count()
}

#[tokio::test(start_paused = true)]
async fn who_was_busy_or_lost_answers_the_second_time_and_all_is_found() {
    for shaky in [Behaviour::BusyOnce, Behaviour::HangsUpOnceAfter(0)] {
        let network = MemoryNetwork::line(5).with(2, shaky);
        let report = crawl(&network, unlimited()).await;
        assert_eq!(report.summary().answered, 5);
        let attempts: Vec<_> = (0..5).map(|i| peer(&network, &report, i).attempts).collect();
        assert_eq!(attempts, [1, 1, 2, 1, 1]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_fails_twice_has_failed_and_is_not_asked_a_third_time() {
    let network = MemoryNetwork::line(3).with(1, Behaviour::HangsUpAfter(0));
    let report = crawl(&network, unlimited()).await;
    let failed = peer(&network, &report, 1);
    assert_eq!((kind(failed), failed.attempts), (Some(FailKind::Lost), MAX_ATTEMPTS));
    assert_eq!(times(&network, 1), usize::from(MAX_ATTEMPTS));
    assert_eq!(report.summary().failed, 1);
}

#[tokio::test(start_paused = true)]
async fn failure_that_does_not_pass_is_not_tried_again() {
    let network = MemoryNetwork::star(5)
        .with(1, Behaviour::Refuses)
        .with(2, Behaviour::Silent)
        .with(3, Behaviour::Mute)
        .with(4, Behaviour::RepeatsItself);
    let report = crawl(&network, unlimited()).await;
    assert_eq!(report.summary().failed, 4);
    assert!((1..5).all(|i| times(&network, i) == 1));
    assert!(report.peers.iter().all(|peer| peer.attempts == 1));
}

#[tokio::test(start_paused = true)]
async fn who_is_asked_again_comes_after_everybody_else() {
    let network = MemoryNetwork::star(50).with_page_len(2);
    let network = (1..5).fold(network, |network, i| network.with(i, Behaviour::BusyOnce));
    let limits = Limits { concurrency: n(1), ..unlimited() };
    assert_eq!(crawl(&network, limits).await.summary().answered, 50);
    let asked = network.asked();
    assert_eq!(asked.len(), 54);
    let first: BTreeSet<_> = asked[..50].iter().collect();
    assert_eq!(first.len(), 50);
}

#[tokio::test(start_paused = true)]
async fn who_is_asked_again_is_left_alone_for_a_second_and_holds_up_nobody() {
    let network = MemoryNetwork::line(20).with(0, Behaviour::BusyOnce);
    let seeds = [0, 1];
    let mut crawl = crawler(&network, &seeds, Limits { concurrency: n(1), ..unlimited() }).start();
    let (started, mut ends) = (Instant::now(), Vec::new());
    while let Some(event) = crawl.next().await {
        if let CrawlEvent::Answered { peer, .. } = event {
            ends.push((network.index_of(&peer).unwrap(), started.elapsed()));
        }
    }
    let (last, others) = ends.split_last().unwrap();
    assert_eq!((last.0, last.1.as_secs(), others.len()), (0, 1, 19));
    assert!(others.iter().all(|(_, at)| at.is_zero()), "{others:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_first_attempt_gave_stays_and_counts_once() {
    let edges: Edges = (1..8).map(|i| (0, i)).chain([(1, 2)]).collect();
    let network = || {
        let network = MemoryNetwork::new(8, edges.clone()).with_page_len(2);
        [Lie::Forged, Lie::Expired].iter().fold(network, |it, lie| it.with_lie(0, *lie))
    };
    let limits = || Limits { max_edges: 100, ..unlimited() };
    let whole = crawl(&network(), limits()).await;
    for n_pages in 0..=5 {
        let network = network().with(0, Behaviour::HangsUpOnceAfter(n_pages));
        let mut crawl = crawler(&network, &[0], limits()).keep_answers(100).start();
        let mut told = Vec::new();
        while let Some(event) = crawl.next().await {
            match event {
                CrawlEvent::PutOff { peer, error } if peer == network.id(0) => {
                    assert_eq!(error.kind, FailKind::Lost);
                    told.push("put off");
                }
                CrawlEvent::AskedAgain { .. } => told.push("asked again"),
                CrawlEvent::Answered { peer, n_entries } if peer == network.id(0) => {
                    assert_eq!(n_entries, 8);
                    let answer = crawl.take_answer(&peer).unwrap();
                    let named: BTreeSet<_> = answer.named.iter().map(|named| named.peer).collect();
                    assert_eq!((named.len(), answer.named.len(), answer.n_left_out), (8, 8, 0));
                }
                _ => {}
            }
        }
        assert_eq!(told, ["put off", "asked again"]);
        let report = crawl.finish().await;
        assert_adds_up(&report);
        let (shaky, steady) = (peer(&network, &report, 0), peer(&network, &whole, 0));
        assert_eq!(shaky.told, steady.told, "{n_pages}");
        assert_eq!(shaky.rejected, steady.rejected, "{n_pages}");
        assert_eq!(report.graph.edges(), whole.graph.edges(), "{n_pages}");
        assert_eq!((shaky.attempts, &shaky.status), (2, &PeerStatus::Answered));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_names_somebody_twice_the_second_time_breaks_the_protocol() {
    let network = MemoryNetwork::line(3);
    let named_twice = memory::entry(network.announcement(1), id_proto::Source::Gossip).encode();
    let network = network.with_item(0, named_twice).with_page_len(1);
    let network = network.with(0, Behaviour::HangsUpOnceAfter(2));
    let report = crawl(&network, unlimited()).await;
    assert_eq!(kind(peer(&network, &report, 0)), Some(FailKind::Protocol));
    assert_eq!(report.summary().answered, 2, "whom it named are asked all the same");
}

#[tokio::test(start_paused = true)]
async fn end_of_the_crawl_comes_before_the_second_attempt() {
    let network = MemoryNetwork::star(5).with(1, Behaviour::BusyOnce).with(2, Behaviour::Silent);
    let limits = Limits { timeout: Duration::from_millis(900), ..unlimited() };
    let report = crawl(&network, limits).await;
    assert_eq!(report.duration.as_millis(), 900);
    assert_eq!((report.summary().answered, report.summary().failed), (3, 2));
    assert_eq!(times(&network, 1), 1);
}

#[tokio::test]
async fn who_is_put_off_when_the_crawl_is_interrupted_has_failed_as_it_did() {
    let network = MemoryNetwork::star(5).with(1, Behaviour::BusyOnce).with(2, Behaviour::Mute);
    let limits = Limits { concurrency: n(1), ..unlimited() };
    let mut crawl = crawler(&network, &[1, 2, 0], limits).start();
    while !matches!(crawl.next().await, Some(CrawlEvent::PutOff { .. })) {}
    let unfinished = crawl.peer(&network.id(1)).unwrap();
    assert_eq!((kind(&unfinished), unfinished.attempts), (Some(FailKind::Busy), 1));
    let report = crawl.finish().await;
    assert_adds_up(&report);
    assert_eq!(kind(peer(&network, &report, 1)), Some(FailKind::Busy));
}

/// Everybody who can be reached hangs up: so many are put off, and no more.
#[tokio::test(start_paused = true)]
async fn so_many_are_put_off_and_no_more() {
    let n_peers = MAX_PUT_OFF + 500;
    let network = MemoryNetwork::new(n_peers, []);
    let network = (0..n_peers).fold(network, |network, i| network.with(i, Behaviour::BusyOnce));
    let limits = Limits { max_peers: n(n_peers), concurrency: n(1), ..unlimited() };
    let seeds: Vec<_> = (0..n_peers).collect();
    let report = crawler(&network, &seeds, limits).start().run().await;
    let summary = report.summary();
    assert_eq!((summary.answered, summary.failed), (MAX_PUT_OFF, 500));
}

/// Two fifths are gone, and dials to them end in a time-out: they cost no second one.
#[tokio::test(start_paused = true)]
async fn those_who_are_gone_make_no_crawl_longer_by_a_second_attempt() {
    let network = MemoryNetwork::star(200).with(1, Behaviour::BusyOnce);
    let network = (2..82).fold(network, |network, i| network.with(i, Behaviour::Silent));
    let limits = unlimited();
    let report = crawl(&network, limits.clone()).await;
    assert_eq!((report.summary().answered, report.summary().failed), (120, 80));
    let most = limits.connect_timeout + Duration::from_millis(500);
    assert!(report.duration <= most, "{:?}", report.duration);
}

/// It was there, and is gone when it is asked again: the end of the crawl doesn't wait for it for long.
#[tokio::test(start_paused = true)]
async fn who_has_died_since_costs_two_seconds_and_not_a_whole_time_out() {
    let network = MemoryNetwork::star(5).with(1, Behaviour::DiesAfter(1));
    let report = crawl(&network, unlimited()).await;
    let dead = peer(&network, &report, 1);
    assert_eq!((kind(dead), dead.attempts), (Some(FailKind::Timeout), 2));
    assert_eq!(report.duration.as_millis() / 100, 30, "a second's rest, and two to reach it");
}

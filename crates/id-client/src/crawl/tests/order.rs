//! Whom a crawl asks, and when.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures::FutureExt;
use tokio::time::Instant as TokioInstant;

use super::*;
use crate::{
    CrawlEvent, StopReason,
    memory::{Behaviour, random_edges},
};

const DEPTHS: [Depth; 4] = [Depth::Hops(0), Depth::Hops(1), Depth::Hops(2), Depth::Unlimited];

fn graphs() -> Vec<(&'static str, usize, Edges)> {
    let star = (1..20).flat_map(|i| [(0, i), (i, 0)]).collect();
    vec![
        ("line", 12, (1..12).map(|i| (i - 1, i)).collect()),
        ("ring", 12, (0..12).map(|i| (i, (i + 1) % 12)).collect()),
        ("star", 20, star),
        ("random", 100, random_edges(100, 3, 1)),
        ("mesh", 15, (0..15).flat_map(|i| (0..15).map(move |j| (i, j))).collect()),
    ]
}

#[tokio::test]
async fn every_graph_gives_exactly_the_peers_within_the_depth() {
    for (name, size, edges) in graphs() {
        let network = MemoryNetwork::new(size, edges.clone());
        for max_depth in DEPTHS {
            let report = crawl(&network, depth(max_depth)).await;
            let expected = reference_depths(&edges, &[0], max_depth, |_| true);
            assert_eq!(depths(&network, &report), expected, "{name}, {max_depth:?}");
            let within = expected.iter().filter(|(_, depth)| max_depth.includes(**depth));
            let within: BTreeSet<_> = within.map(|(i, _)| *i).collect();
            assert_eq!(asked(&network, &report), within, "{name}, {max_depth:?}");
            assert!(report.is_complete());
        }
    }
}

#[tokio::test]
async fn depth_zero_asks_only_the_seeds() {
    let network = MemoryNetwork::line(5);
    let report = crawl(&network, depth(0.into())).await;
    assert_eq!(asked(&network, &report), BTreeSet::from([0]));
    assert_eq!(known(&network, &report), BTreeSet::from([0, 1]));
}

#[tokio::test]
async fn several_seeds_are_all_at_depth_zero() {
    let network = MemoryNetwork::line(10);
    let report = crawler(&network, &[5, 0], depth(1.into())).start().run().await;
    let expected = BTreeMap::from([(0, 0), (1, 1), (2, 2), (5, 0), (6, 1), (7, 2)]);
    assert_eq!(depths(&network, &report), expected);
}

#[tokio::test]
async fn nobody_is_asked_twice_however_often_named() {
    let network = MemoryNetwork::random(50, 20, 2);
    let report = crawler(&network, &[0, 0, 1, 0], unlimited()).start().run().await;
    assert_eq!(network.asked().len(), report.summary().asked);
    assert_eq!(network.asked().iter().collect::<BTreeSet<_>>().len(), network.asked().len());
}

#[tokio::test]
async fn without_seeds_there_is_nothing_to_find() {
    let report = crawler(&MemoryNetwork::line(3), &[], unlimited()).start().run().await;
    assert!(report.peers.is_empty() && report.is_complete());
}

#[tokio::test]
async fn the_crawler_itself_is_neither_asked_nor_listed() {
    let network = MemoryNetwork::ring(5);
    let crawler = crawler(&network, &[0, 3], unlimited()).own_id(network.id(3));
    let report = crawler.start().run().await;
    assert_eq!(known(&network, &report), BTreeSet::from([0, 1, 2]));
    assert!(!network.asked().contains(&network.id(3)));
}

#[tokio::test]
async fn via_says_who_named_a_peer_but_not_the_peer_itself() {
    let network = MemoryNetwork::star(3);
    let report = crawl(&network, unlimited()).await;
    assert_eq!(peer(&network, &report, 1).via, [network.id(0)]);
    let namers: BTreeSet<_> = peer(&network, &report, 0).via.iter().copied().collect();
    assert_eq!(namers, BTreeSet::from([network.id(1), network.id(2)]));
}

#[tokio::test]
async fn via_is_bounded() {
    let network = MemoryNetwork::star(30);
    let report = crawl(&network, unlimited()).await;
    assert_eq!(peer(&network, &report, 0).via.len(), crate::MAX_VIA);
}

#[tokio::test]
async fn a_seed_that_answers_describes_itself() {
    let network = MemoryNetwork::line(1);
    let report = crawl(&network, unlimited()).await;
    let seed = peer(&network, &report, 0);
    assert_eq!(seed.announcement.as_ref(), Some(network.announcement(0)));
    assert_eq!((seed.age, seed.via.len()), (Some(Duration::ZERO), 0));
    assert!(seed.route.is_some());
}

#[tokio::test]
async fn a_seed_that_fails_is_known_without_an_announcement() {
    let network = MemoryNetwork::line(2).with(0, Behaviour::Refuses);
    let report = crawl(&network, unlimited()).await;
    let seed = peer(&network, &report, 0);
    assert_eq!((&seed.announcement, seed.age, seed.route), (&None, None, None));
    assert_eq!(report.summary().failed, 1);
}

/// Both seeds are asked at once. The fast one leads to peer 3 by two hops, the slow one by one.
#[tokio::test(start_paused = true)]
async fn a_longer_way_found_first_gives_way_to_the_shorter() {
    let (slow, fast) = (0, 1);
    let edges = [(fast, 2), (2, 3), (slow, 3), (3, 4)];
    let network = MemoryNetwork::new(5, edges).with(slow, Behaviour::Slow(Duration::from_secs(1)));
    let expected = BTreeMap::from([(0, 0), (1, 0), (2, 1), (3, 1), (4, 2)]);
    for (max_depth, n_asked) in [(Depth::Hops(1), 4), (Depth::Hops(9), 5)] {
        let report = crawler(&network, &[slow, fast], depth(max_depth)).start().run().await;
        assert_eq!(depths(&network, &report), expected, "{max_depth:?}");
        assert_eq!(report.summary().answered, n_asked, "{max_depth:?}");
    }
    // Where depth decides nothing, nobody waits for the slow one, and what it makes nearer comes too late.
    let report = crawler(&network, &[slow, fast], unlimited()).start().run().await;
    assert_eq!(depths(&network, &report), BTreeMap::from([(0, 0), (1, 0), (2, 1), (3, 2), (4, 3)]));
    assert_eq!(report.summary().answered, 5);
}

#[tokio::test(start_paused = true)]
async fn a_silent_seed_does_not_delay_those_whom_the_others_name() {
    let network = MemoryNetwork::new(4, [(1, 2), (2, 3)]).with(0, Behaviour::Silent);
    let mut crawl = crawler(&network, &[0, 1], unlimited()).start();
    let started = TokioInstant::now();
    while !network.asked().contains(&network.id(2)) {
        crawl.next().await.expect("the crawl goes on");
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(crawl.run().await.summary().answered, 3);
}

#[tokio::test]
async fn no_more_are_asked_at_once_than_allowed() {
    let network = MemoryNetwork::star(50);
    let limits = Limits { concurrency: n(7), ..unlimited() };
    assert_eq!(crawl(&network, limits).await.summary().answered, 50);
    assert_eq!(network.max_asked_at_once(), 7);
}

#[tokio::test]
async fn events_tell_the_same_story_as_the_report() {
    let network = MemoryNetwork::random(40, 3, 5).with(7, Behaviour::Refuses);
    let mut crawl = crawler(&network, &[0], unlimited()).start();
    let (mut dialled, mut ended, mut found) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    while let Some(event) = crawl.next().await {
        match event {
            CrawlEvent::Dialing { peer, depth } => {
                assert!(dialled.insert(peer), "dialled twice");
                assert!(depth == 0 || found.contains(&peer), "dialled before it was found");
            }
            CrawlEvent::Found { entry, via, .. } => {
                assert!(found.insert(entry.announcement.node_id), "found twice");
                assert!(dialled.contains(&via) && !ended.contains(&via), "named by nobody");
            }
            CrawlEvent::Answered { peer, .. } | CrawlEvent::Failed { peer, .. } => {
                assert!(
                    dialled.contains(&peer) && ended.insert(peer),
                    "ended twice or never began"
                );
            }
            CrawlEvent::LimitHit(_) | CrawlEvent::Displaced { .. } => panic!("no limit was near"),
            CrawlEvent::Missed { .. } | CrawlEvent::Recalled { .. } => panic!("there is no past"),
            CrawlEvent::PutOff { .. } | CrawlEvent::AskedAgain { .. } => panic!("a refusal stays"),
        }
    }
    let report = crawl.finish().await;
    assert_eq!(report.summary().asked, ended.len());
    assert_eq!(report.summary().known, found.len());
    assert_eq!(dialled, ended);
}

#[tokio::test]
async fn next_loses_nothing_when_it_is_cancelled() {
    let network = MemoryNetwork::random(40, 3, 5);
    let whole = crawl(&network, unlimited()).await;

    let mut crawl = crawler(&network, &[0], unlimited()).start();
    loop {
        // Polled once and dropped, unless it was ready.
        match crawl.next().now_or_never() {
            Some(None) => break,
            Some(Some(_)) => {}
            None => tokio::task::yield_now().await,
        }
    }
    let report = crawl.finish().await;
    assert_eq!(depths(&network, &report), depths(&network, &whole));
    assert_eq!(report.summary(), whole.summary());
}

#[tokio::test]
async fn dropping_a_crawl_hangs_up_on_everybody() {
    let network = MemoryNetwork::star(20).with(5, Behaviour::Silent).with(6, Behaviour::Mute);
    let mut crawl = crawler(&network, &[0], unlimited()).start();
    while network.asked().len() < 20 {
        crawl.next().await;
    }
    assert!(network.n_being_asked() >= 2);
    drop(crawl);
    assert_eq!(network.n_being_asked(), 0);
}

#[tokio::test]
async fn finish_reports_at_once_what_there_is() {
    let network = MemoryNetwork::star(20).with(0, Behaviour::HangsUpAfter(1));
    let network = (1..20).fold(network, |network, i| network.with(i, Behaviour::Silent));
    let mut crawl = crawler(&network, &[0], unlimited()).start();
    while network.asked().len() < 20 {
        crawl.next().await;
    }
    let asked_at = Instant::now();
    let report = crawl.finish().await;
    assert!(asked_at.elapsed() < Duration::from_secs(1));
    assert_adds_up(&report);
    assert_eq!(report.stopped_by, Some(StopReason::Interrupted));
    assert_eq!((report.summary().known, report.summary().failed), (20, 20));
    assert_eq!(network.n_being_asked(), 0);
}

#[test]
fn crawls_can_be_spawned() {
    fn spawnable<T: Send + 'static>(_: T) {}
    let crawl = || crawler(&MemoryNetwork::line(1), &[0], unlimited()).start();
    spawnable(crawl());
    spawnable(crawl().run());
    spawnable(crawl().finish());
}

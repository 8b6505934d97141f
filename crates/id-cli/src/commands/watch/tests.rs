//! Rounds through networks in memory, at any time of ours.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use id_client::{
    Crawler, Depth, FailKind, Limits,
    id_proto::Network,
    memory::{Behaviour, MemoryNetwork},
};

use super::{
    rounds::Rounds,
    schedule::{MAX_NAMED, RETRY_AFTER},
    view::News,
};
use id_render::{Document, Header};

use crate::{commands::peers::rpc::reached, output::TOOL};

const EVERY: Duration = Duration::from_secs(30);

/// A watch from peer 0, and what the time is.
struct Watcher {
    rounds: Rounds,
    now: Duration,
    limits: Limits,
}

/// What a round came to.
struct Seen {
    news: Vec<String>,
    asked: BTreeSet<usize>,
}

impl Watcher {
    fn new(network: &MemoryNetwork) -> Self {
        let limits = Limits { max_depth: Depth::Unlimited, ..Limits::default() };
        Self { rounds: Rounds::new(EVERY, [network.id(0)]), now: Duration::ZERO, limits }
    }

    /// Looks at the network now, and goes on to when the next look is due.
    async fn round(&mut self, network: &MemoryNetwork) -> Seen {
        let n_before = network.asked().len();
        let past = self.rounds.begin(self.now);
        let crawler = Crawler::with_transport(network.clone()).seeds([network.addr(0)]);
        let crawler = crawler.limits(self.limits.clone()).past(past).keep_answers(MAX_NAMED);
        let mut crawl = crawler.start();
        while let Some(event) = crawl.next().await {
            self.rounds.on_event(&event, |peer| crawl.take_answer(peer));
        }
        let report = crawl.finish().await;
        let header = Header::new(TOOL, &Network::public(), SystemTime::UNIX_EPOCH);
        let document = Document::of_crawl(header, &report);
        let news = self.rounds.end(&report, &document, reached(&report));
        self.now = self.rounds.next();
        let asked = network.asked().split_off(n_before);
        Seen {
            news: news.iter().map(|news| short(network, news)).collect(),
            asked: asked.iter().map(|id| network.index_of(id).unwrap()).collect(),
        }
    }
}

fn short(network: &MemoryNetwork, news: &News) -> String {
    let number = |id: &str| network.index_of(&id.parse().unwrap()).unwrap();
    match news {
        News::Known(peer) => format!("={}", number(&peer.node_id)),
        News::Came(peer) => format!("+{}", number(&peer.node_id)),
        News::Went { peer, error } => {
            format!("-{} {}", number(&peer.node_id), error.unwrap_or("unnamed"))
        }
        News::Changed { peer, changes } => {
            let fields: Vec<_> = changes.iter().map(|change| change.field).collect();
            format!("~{} {}", number(&peer.node_id), fields.join(","))
        }
    }
}

fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    items.into_iter().collect()
}

#[tokio::test]
async fn still_network_is_no_news_after_the_first_round() {
    let network = MemoryNetwork::star(5);
    let mut watcher = Watcher::new(&network);
    let first = watcher.round(&network).await;
    assert_eq!(set(first.news), set(["=0", "=1", "=2", "=3", "=4"].map(str::to_owned)));
    for _ in 0..50 {
        assert_eq!(watcher.round(&network).await.news, [""; 0]);
    }
}

#[tokio::test]
async fn who_keeps_answering_is_asked_more_and_more_rarely_within_bounds() {
    let network = MemoryNetwork::star(3);
    let mut watcher = Watcher::new(&network);
    let mut asked_at = Vec::new();
    while watcher.now < Duration::from_secs(4 * 3600) {
        let now = watcher.now;
        let asked = watcher.round(&network).await.asked;
        assert!(asked.contains(&0), "who was named is asked in each round");
        if asked.contains(&1) {
            asked_at.push(now.as_secs());
        }
    }
    let pauses: Vec<u64> = asked_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.is_sorted(), "{pauses:?}");
    assert_eq!((pauses.first(), pauses.last()), (Some(&30), Some(&900)));
}

#[tokio::test]
async fn pause_may_be_as_long_as_time_itself() {
    let network = MemoryNetwork::star(3);
    let mut watcher = Watcher::new(&network);
    watcher.rounds = Rounds::new(Duration::MAX, [network.id(0)]);
    watcher.now = Duration::from_secs(1);
    watcher.round(&network).await;
    assert_eq!(watcher.now, Duration::MAX);
}

#[tokio::test]
async fn newcomer_is_seen_in_the_next_round_however_rarely_the_others_are_asked() {
    let network = MemoryNetwork::new(4, [(0, 1), (0, 2), (1, 0), (2, 0)]);
    let larger = MemoryNetwork::star(4);
    let mut watcher = Watcher::new(&network);
    for _ in 0..40 {
        watcher.round(&network).await;
    }
    assert_eq!(watcher.round(&larger).await.news, ["+3"]);
}

#[tokio::test]
async fn one_missed_answer_is_no_news_and_is_asked_again_sooner() {
    let network = MemoryNetwork::star(3);
    let deaf = network.clone().with(0, Behaviour::Honest).with(1, Behaviour::Refuses);
    let mut watcher = Watcher::new(&network);
    watcher.round(&network).await;
    let missed_at = watcher.now;
    assert_eq!(watcher.round(&deaf).await.news, [""; 0]);
    assert_eq!(watcher.now, missed_at + RETRY_AFTER);
    let again = watcher.round(&network).await;
    assert_eq!((again.news, again.asked), (vec![], set([1])), "nobody else is bothered");
    assert_eq!(watcher.now, missed_at + RETRY_AFTER + EVERY);
}

#[tokio::test]
async fn who_misses_two_answers_has_gone_and_comes_back_when_it_answers() {
    let network = MemoryNetwork::star(3);
    let deaf = network.clone().with(1, Behaviour::Refuses);
    let mut watcher = Watcher::new(&network);
    watcher.round(&network).await;
    assert_eq!(watcher.round(&deaf).await.news, [""; 0]);
    assert_eq!(watcher.round(&deaf).await.news, ["-1 refused"]);
    for _ in 0..3 {
        assert_eq!(watcher.round(&deaf).await.news, [""; 0], "it is still named");
    }
    assert_eq!(watcher.round(&network).await.news, ["+1"]);
    assert_eq!(watcher.round(&network).await.news, [""; 0]);
}

#[tokio::test]
async fn who_is_named_no_more_has_gone_although_others_are_not_asked_for_long() {
    // 1 and 2 know each other, so 2 is named by an answer of the past.
    let network = MemoryNetwork::new(3, [(0, 1), (0, 2), (1, 2), (2, 1), (1, 0), (2, 0)]);
    let left = MemoryNetwork::new(3, [(0, 1), (1, 0)]).with(2, Behaviour::Refuses);
    let mut watcher = Watcher::new(&network);
    for _ in 0..40 {
        watcher.round(&network).await;
    }
    let mut news = Vec::new();
    for _ in 0..4 {
        news.extend(watcher.round(&left).await.news);
    }
    assert_eq!(news, ["~2 depth", "-2 refused"]);
}

#[tokio::test]
async fn peer_that_never_answered_comes_as_failed_and_changes_when_it_answers() {
    let network = MemoryNetwork::star(3);
    let deaf = network.clone().with(1, Behaviour::Refuses);
    let mut watcher = Watcher::new(&network);
    assert_eq!(watcher.round(&deaf).await.news.len(), 3);
    assert_eq!(watcher.round(&deaf).await.news, [""; 0]);
    assert_eq!(watcher.round(&network).await.news, ["~1 status,error,path"]);
}

#[tokio::test]
async fn rounds_in_which_no_start_answers_say_nothing_of_anybody() {
    let network = MemoryNetwork::star(4);
    let deaf = network.clone().with(0, Behaviour::Refuses);
    let mut watcher = Watcher::new(&network);
    watcher.round(&network).await;
    for _ in 0..10 {
        assert_eq!(watcher.round(&deaf).await.news, [""; 0]);
    }
    assert_eq!(watcher.round(&network).await.news, [""; 0], "all are still there");
}

#[tokio::test(start_paused = true)]
async fn nobody_goes_in_a_round_that_was_cut_short() {
    let network = MemoryNetwork::star(4);
    let slow = network.clone().with(0, Behaviour::Honest).with(1, Behaviour::Silent);
    let mut watcher = Watcher::new(&network);
    watcher.round(&network).await;
    watcher.limits.timeout = Duration::from_secs(1);
    for _ in 0..5 {
        assert_eq!(watcher.round(&slow).await.news, [""; 0]);
    }
    watcher.limits.timeout = Duration::from_secs(60);
    let mut news = Vec::new();
    for _ in 0..3 {
        news.extend(watcher.round(&slow).await.news);
    }
    assert_eq!(news, [format!("-1 {}", FailKind::Timeout)]);
}

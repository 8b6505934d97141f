//! How processes end, and what others make of it.

use std::time::{Duration, Instant};

use crate::lab::{Asking, Running, asking, at, ephemeral, eventually, node_json};

/// When nodes that announce every second are stale.
const STALE: Duration = Duration::from_secs(4);

/// Five processes, each of whom knows each other.
async fn five(asking: &Asking, args: [&str; 5]) -> Vec<Running> {
    let mut nodes = vec![ephemeral().args(args).start().await];
    for _ in 1..5 {
        let node = ephemeral().args(args).args(["--bootstrap", nodes[0].ticket()]);
        nodes.push(node.start().await);
    }
    for node in &nodes {
        eventually("all are known", async || asking.table(node).await.len() == 4).await;
    }
    nodes
}

/// They announce every 30 s, so that nobody is stale in time.
#[tokio::test]
async fn a_terminated_node_is_in_nobodys_table_soon_after() {
    asking(async |asking| {
        let args = ["-v", "--log-format", "json", "--announce-interval", "30"];
        let mut nodes = five(asking, args).await;
        let leaver = nodes.pop().unwrap();
        let (id, started) = (leaver.id(), Instant::now());
        leaver.signal("TERM");
        for node in &nodes {
            eventually("it is gone", async || !asking.knows(node, id).await).await;
            assert_eq!(asking.table(node).await.len(), 3);
        }
        println!("in nobody's table {:?} after SIGTERM", started.elapsed());
        let mut leaver = leaver;
        leaver.ended().await.assert_code(0);
        println!("ended {:?} after SIGTERM", started.elapsed());

        for node in &nodes {
            let events = node.events();
            let of = |event: &str| {
                let fields = events.iter().map(|line| &line["fields"]);
                let fields = fields.filter(|fields| fields["event"] == event);
                fields.filter(|fields| fields["peer"] == id.to_string()).collect::<Vec<_>>()
            };
            assert_eq!(of("peer_added").len(), 1);
            let [removed] = of("peer_removed")[..] else { panic!("{events:#?}") };
            assert_eq!((&removed["reason"], &removed["table_size"]), (&"left".into(), &3.into()));
        }
    })
    .await;
}

#[tokio::test]
async fn a_killed_node_stays_until_it_is_stale_and_then_goes() {
    asking(async |asking| {
        let args = ["-v", "--log-format", "json", "--announce-interval", "1"];
        let mut nodes = five(asking, args).await;
        let killed = nodes.pop().unwrap();
        killed.signal("KILL");
        let (id, killed_at) = (killed.id(), Instant::now());
        futures::future::join_all(nodes.iter().map(async |node| {
            let mut heard = None;
            while let Some(entry) = asking.entry(node, id).await {
                // An answer takes its time, so this is not before it was heard.
                heard = Instant::now().checked_sub(entry.age);
                assert!(killed_at.elapsed() < crate::lab::PATIENCE, "it is gone");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            println!("gone {:?} after SIGKILL", killed_at.elapsed());
            let silent = heard.expect("it wasn't gone at once").elapsed();
            assert!(silent >= STALE, "gone {silent:?} after it was heard");
            assert_eq!(asking.table(node).await.len(), 3);
        }))
        .await;
    })
    .await;
}

/// As a laptop does when its lid is closed and opened again.
#[tokio::test]
async fn a_node_that_sleeps_goes_and_is_back_when_it_wakes() {
    asking(async |asking| {
        let args = ["-v", "--log-format", "json", "--announce-interval", "1"];
        let mut nodes = five(asking, args).await;
        let sleeper = nodes.pop().unwrap();
        sleeper.signal("STOP");
        for node in &nodes {
            eventually("it is gone", async || !asking.knows(node, sleeper.id()).await).await;
        }
        sleeper.signal("CONT");
        let awake = Instant::now();
        for node in &nodes {
            eventually("it is back", async || asking.knows(node, sleeper.id()).await).await;
            eventually("they are back", async || asking.knows(&sleeper, node.id()).await).await;
        }
        println!("everybody knows everybody {:?} after it woke up", awake.elapsed());
    })
    .await;
}

/// Two nodes that know each other, of whom one keeps still: whoever says goodbye to it waits.
async fn node_with_a_neighbour_that_hangs(asking: &Asking, node: crate::lab::IdNode) -> Two {
    let neighbour = ephemeral().start().await;
    let node = node.args(["--bootstrap", neighbour.ticket()]).start().await;
    for (one, other) in [(&node, &neighbour), (&neighbour, &node)] {
        eventually("they know each other", async || asking.knows(one, other.id()).await).await;
    }
    neighbour.signal("STOP");
    Two { node, _neighbour: neighbour }
}

struct Two {
    node: Running,
    _neighbour: Running,
}

#[tokio::test]
async fn a_neighbour_that_hangs_cannot_keep_a_node_from_stopping() {
    asking(async |asking| {
        let home = tempfile::tempdir().unwrap();
        let Two { node, _neighbour } =
            node_with_a_neighbour_that_hangs(asking, at(home.path())).await;
        let started = Instant::now();
        node.terminate().await.assert_code(0);
        println!("ended {:?} after SIGTERM", started.elapsed());
        assert_eq!(node_json(home.path()), None);
    })
    .await;
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    asking(async |asking| {
        let home = tempfile::tempdir().unwrap();
        let two = node_with_a_neighbour_that_hangs(asking, at(home.path())).await;
        let Two { mut node, _neighbour } = two;
        // Two signals of one kind may arrive as one.
        node.signal("TERM");
        let started = Instant::now();
        node.signal("INT");
        let ended = node.ended().await;
        println!("ended {:?} after the second signal", started.elapsed());
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        assert!(ended.assert_code(0).stderr.contains("told twice"), "{ended}");
        assert_eq!(node_json(home.path()), None);
    })
    .await;
}

#[tokio::test]
async fn a_good_end_is_silent() {
    asking(async |asking| {
        let first = ephemeral().start().await;
        let second = ephemeral().args(["--bootstrap", first.ticket()]).start().await;
        eventually("they meet", async || asking.knows(&first, second.id()).await).await;
        assert_eq!(second.terminate().await.assert_code(0).stderr, "");
        assert_eq!(first.terminate().await.assert_code(0).stderr, "");
    })
    .await;
}

/// Its neighbour isn't told, and keeps a connection for a while that leads nowhere.
#[tokio::test]
async fn a_node_that_is_killed_again_and_again_is_let_in_again_at_once() {
    asking(async |asking| {
        let (neighbour, home) = (ephemeral().start().await, tempfile::tempdir().unwrap());
        for _ in 0..8 {
            let node = at(home.path()).args(["--bootstrap", neighbour.ticket()]);
            let mut node = node.start().await;
            eventually("they meet", async || asking.knows(&node, neighbour.id()).await).await;
            node.signal("KILL");
            node.ended().await;
        }
        assert_eq!(asking.counter(&neighbour, "gossip_refused").await, 0);
        neighbour.terminate().await.assert_code(0);
    })
    .await;
}

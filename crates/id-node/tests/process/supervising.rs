//! What a service manager is told, by a datagram socket of our own.

use std::{fs, os::unix::process::ExitStatusExt, path::PathBuf};

use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt,
    net::{UnixDatagram, unix::pipe},
    time::timeout,
};

use crate::lab::{IdNode, PATIENCE, asking, ephemeral, eventually, id_node};

/// How often a node is to say that it is alive: half of it.
const WATCHDOG_USEC: &str = "1000000";

/// Stands in for systemd.
struct Manager {
    dir: TempDir,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        Self { dir, socket }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("notify")
    }

    fn of(&self, node: IdNode) -> IdNode {
        node.env("NOTIFY_SOCKET", self.path().to_str().unwrap())
    }

    /// What it is told next, line by line.
    async fn told(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let received = timeout(PATIENCE, self.socket.recv(&mut buffer)).await;
        let len = received.expect("it is told something").unwrap();
        std::str::from_utf8(&buffer[..len]).unwrap().lines().map(str::to_owned).collect()
    }

    /// Waits until it is told this.
    async fn told_of(&self, line: &str) {
        while !self.told().await.iter().any(|told| told == line) {}
    }

    /// How often it was told so and nobody has listened yet.
    fn n_waiting(&self, line: &str) -> usize {
        let (mut n, mut buffer) = (0, [0; 4096]);
        while let Ok(len) = self.socket.try_recv(&mut buffer) {
            let told = std::str::from_utf8(&buffer[..len]).unwrap();
            n += told.lines().filter(|told| *told == line).count();
        }
        n
    }
}

#[tokio::test]
async fn it_is_told_that_a_node_serves_how_it_does_and_that_it_stops() {
    let manager = Manager::new();
    let node = manager.of(ephemeral()).start().await;
    assert_eq!(manager.told().await, ["READY=1"]);
    assert_eq!(manager.told().await, ["STATUS=0 peers, no neighbour"]);
    asking(async |asking| drop(asking.whoami(node.addr()).await.unwrap())).await;
    let other = ephemeral().args(["--bootstrap", node.ticket()]).start().await;
    manager.told_of("STATUS=1 peer, 1 neighbour").await;
    other.terminate().await.assert_code(0);
    manager.told_of("STATUS=0 peers, no neighbour").await;
    assert_eq!(node.terminate().await.assert_code(0).stderr, "");
    manager.told_of("STOPPING=1").await;
}

#[tokio::test]
async fn it_is_told_when_settings_are_read_again_and_when_that_is_done() {
    let (manager, dir) = (Manager::new(), tempfile::tempdir().unwrap());
    let list = dir.path().join("deny");
    fs::write(&list, "").unwrap();
    let node = manager.of(ephemeral()).args(["--deny-file", list.to_str().unwrap()]);
    let node = node.start().await;
    manager.told_of("STATUS=0 peers, no neighbour").await;
    for content in ["# nobody", "nonsense"] {
        fs::write(&list, content).unwrap();
        node.signal("HUP");
        let told = manager.told().await;
        assert_eq!(told[0], "RELOADING=1");
        assert!(told[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse::<u64>().unwrap() > 0);
        assert_eq!(manager.told().await, ["READY=1"], "good or bad, it serves");
    }
    node.logged("reload_failed").await;
}

/// Its actor is stuck at a line of its log that nobody takes; all else goes on.
#[tokio::test]
async fn a_node_whose_actor_is_stuck_says_no_more_that_it_is_alive() {
    let (stuck, sound) = (Manager::new(), Manager::new());
    let (full, mut reader) = pipe::pipe().unwrap();
    full.writable().await.unwrap();
    while full.try_write(&[b'\n'; 4096]).is_ok() {}
    let stderr = full.into_blocking_fd().unwrap();
    let watched = |manager: &Manager| {
        let node = manager.of(ephemeral()).env("WATCHDOG_USEC", WATCHDOG_USEC);
        node.env("RUST_LOG", "off,id_node::actor=info").env("TOKIO_WORKER_THREADS", "4")
    };
    let node = watched(&stuck).stderr(stderr).start().await;
    stuck.told_of("WATCHDOG=1").await;
    stuck.told_of("WATCHDOG=1").await;

    // Of this neighbour it has something to log.
    let other = watched(&sound).args(["--bootstrap", node.ticket()]).start().await;
    eventually("it is silent", async || {
        stuck.n_waiting("WATCHDOG=1");
        for _ in 0..6 {
            sound.told_of("WATCHDOG=1").await;
        }
        stuck.n_waiting("WATCHDOG=1") == 0
    })
    .await;
    asking(async |asking| {
        assert!(asking.whoami(node.addr()).await.unwrap().about.is_some(), "the rest is well");
    })
    .await;

    let drained = tokio::spawn(async move { while reader.read(&mut [0; 4096]).await.is_ok() {} });
    stuck.told_of("WATCHDOG=1").await;
    drained.abort();
    drop((node, other));
}

#[tokio::test]
async fn a_manager_that_is_not_there_or_not_named_is_no_trouble() {
    let node = ephemeral().env("WATCHDOG_USEC", WATCHDOG_USEC).start().await;
    assert_eq!(node.terminate().await.assert_code(0).stderr, "");
    let node = ephemeral().env("NOTIFY_SOCKET", "/no/such/socket").start().await;
    node.logged("the service manager can't be told").await;
    node.terminate().await.assert_code(0);
}

/// As systemd does when a node is late.
#[tokio::test]
async fn nobody_is_told_that_a_node_serves_that_does_not() {
    let manager = Manager::new();
    let refused = manager.of(id_node()).args(["--data-dir", "/dev/null/nowhere", "--no-dht"]);
    let refused = refused.run().await;
    refused.assert_code(1);
    assert_eq!(refused.status.signal(), None);
    assert_eq!(manager.n_waiting("READY=1"), 0);
}

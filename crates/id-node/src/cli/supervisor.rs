//! What the service manager is told, by systemd's protocol (`sd_notify`), if there is one.

use std::{convert::Infallible, time::Duration};

use id_node::{Node, membership::View};
use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::warn;

/// Shortest time between two lines on how the node is doing. Origin: a guess; a person reads them.
const STATUS_GAP: Duration = Duration::from_secs(1);

/// The node serves: systemd starts whatever waits for it.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The node reads its settings again; it is [`ready`] when it has.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "there is no time to tell the service manager"),
    }
}

/// The node is on its way out.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("saying goodbye")]);
}

/// Tells how `node` is doing, and that it is alive, for as long as it is. Cancel safe.
pub(crate) async fn watch(node: &Node) -> Infallible {
    tokio::select! {
        never = tell_status(node) => never,
        never = tell_alive(node) => never,
    }
}

async fn tell_status(node: &Node) -> Infallible {
    let (mut views, mut last) = (node.watch(), String::new());
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return std::future::pending().await;
    }
    loop {
        let now = status(&views.borrow_and_update());
        if now != last {
            tell(&[NotifyState::Status(&now)]);
            last = now;
        }
        sleep(STATUS_GAP).await;
        if views.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Whether this task runs says little: who decides everything is the actor, and it is asked each time.
async fn tell_alive(node: &Node) -> Infallible {
    let Some(patience) = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero())
    else {
        return std::future::pending().await;
    };
    // Origin: sd_watchdog_enabled(3).
    let mut turns = interval(patience / 2);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        if node.turn().await {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

fn status(view: &View) -> String {
    let peers = counted(view.entries.len(), "peer");
    match view.neighbours.len() {
        0 if view.isolated => format!("{peers}, no neighbour"),
        0 => peers,
        n => format!("{peers}, {}", counted(n, "neighbour")),
    }
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A service manager that doesn't listen is no reason to stop.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "the service manager can't be told");
    }
}

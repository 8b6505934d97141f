//! SIGINT, SIGTERM and SIGHUP.

use anyhow::{Context, Result};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To stop.
    Stop,
    /// To read settings again.
    Reload,
}

/// The signals that ask a process for something.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    /// From now on, signals no longer end the process by themselves.
    #[cfg(unix)]
    pub(crate) fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).context("can't listen to signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one. One that asks to stop comes first. Cancel safe.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.hang_up.recv() => Asked::Reload,
        }
    }

    /// Waits for the next one that asks to stop. Cancel safe.
    #[cfg(unix)]
    pub(crate) async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Nothing to prepare: Ctrl-C is heard once somebody waits for it.
    #[cfg(not(unix))]
    pub(crate) fn listen() -> Result<Self> {
        Ok(Self {})
    }

    /// Waits for the next one. Cancel safe.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) -> Asked {
        self.stop().await;
        Asked::Stop
    }

    /// Waits for the next one. Cancel safe.
    #[cfg(not(unix))]
    pub(crate) async fn stop(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}

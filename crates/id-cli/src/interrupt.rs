//! Ctrl-C and SIGTERM: the first asks for what there is, the second ends the program at once.

use std::io;

use tokio::sync::watch;

use crate::exit::Exit;

/// Tells when the user has had enough. Once it is dropped, the next signal ends the program.
#[derive(Debug)]
pub(crate) struct Interrupt {
    asked: watch::Receiver<bool>,
}

impl Interrupt {
    /// Listens from now on. The listening task ends with the runtime.
    pub(crate) fn listen() -> io::Result<Self> {
        let mut signals = Signals::new()?;
        let (sender, asked) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                signals.next().await;
                // Before we tell: whoever is told may be done and gone at once.
                let is_over = sender.is_closed();
                let was_asked = sender.send_replace(true);
                if was_asked || is_over {
                    std::process::exit(Exit::Interrupted.code().into());
                }
            }
        });
        Ok(Self { asked })
    }

    /// Waits for the first signal. Cancel safe.
    pub(crate) async fn asked(&mut self) {
        if self.asked.wait_for(|asked| *asked).await.is_err() {
            // The task is gone, so no signal will ever come.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

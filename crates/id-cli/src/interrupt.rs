//! Ctrl-C and SIGTERM: the first asks a command for what there is, the second ends it at once; and with
//! it the program, unless that is a session, which goes on with the next line.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{sync::watch, task::AbortHandle};

use crate::exit::Exit;

/// Who is told of the first signal, if anybody listens.
type Listener = Arc<Mutex<Option<watch::Sender<bool>>>>;

/// Where signals go: to a command that listens, and once it has been told, to what ends it.
#[derive(Debug)]
pub(crate) struct Interrupts {
    listener: Listener,
    /// `None`: the program runs one command, and ends with it.
    session: Option<Session>,
}

#[derive(Debug)]
struct Session {
    /// Changes with each signal that ends a command.
    enough: watch::Sender<()>,
    task: AbortHandle,
}

/// Tells a command when the user has had enough. Once it is dropped, the next signal ends the command.
#[derive(Debug)]
pub(crate) struct Interrupt {
    asked: watch::Receiver<bool>,
}

impl Interrupts {
    /// For a program that runs one command: the second signal ends it. Until a command listens, the
    /// first does.
    pub(crate) fn of_program() -> Self {
        Self { listener: Listener::default(), session: None }
    }

    /// For a program that runs many commands: Ctrl-C never ends it. Listens from now on.
    pub(crate) fn of_session() -> io::Result<Self> {
        let (listener, (enough, _)) = (Listener::default(), watch::channel(()));
        let ends = enough.clone();
        let deliver =
            deliver(Signals::of_session()?, Arc::clone(&listener), move || ends.send_replace(()));
        let task = tokio::spawn(deliver).abort_handle();
        Ok(Self { listener, session: Some(Session { enough, task }) })
    }

    /// Lets a command listen, from now on. In a program that runs one command, the task that does so
    /// ends with the runtime.
    pub(crate) fn listen(&self) -> io::Result<Interrupt> {
        let (sender, asked) = watch::channel(false);
        *lock(&self.listener) = Some(sender);
        if self.session.is_none() {
            let end = || std::process::exit(Exit::Interrupted.code().into());
            tokio::spawn(deliver(Signals::of_program()?, Arc::clone(&self.listener), end));
        }
        Ok(Interrupt { asked })
    }

    /// Waits for the signal that ends the command that runs from now on. Cancel safe.
    pub(crate) async fn ended(&self) {
        if let Some(session) = &self.session {
            // We hold the sender, so there is always another one to come.
            let _ = session.enough.subscribe().changed().await;
        } else {
            std::future::pending().await
        }
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        if let Some(session) = &self.session {
            session.task.abort();
        }
    }
}

impl Interrupt {
    /// Waits for the first signal. Cancel safe.
    pub(crate) async fn asked(&mut self) {
        if self.asked.wait_for(|asked| *asked).await.is_err() {
            // The task is gone, so no signal will ever come.
            std::future::pending::<()>().await;
        }
    }
}

async fn deliver<T>(mut signals: Signals, listener: Listener, enough: impl Fn() -> T) {
    loop {
        signals.next().await;
        if !tell(&listener) {
            enough();
        }
    }
}

/// Whether somebody listens who hadn't been told yet.
fn tell(listener: &Listener) -> bool {
    match &*lock(listener) {
        // Before we tell: whoever is told may be done and gone at once.
        Some(sender) => !sender.is_closed() && !sender.send_replace(true),
        None => false,
    }
}

fn lock(listener: &Listener) -> std::sync::MutexGuard<'_, Option<watch::Sender<bool>>> {
    listener.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    /// `None`: SIGTERM does what it does by default.
    terminate: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn of_program() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let terminate = Some(signal(SignalKind::terminate())?);
        Ok(Self { terminate, ..Self::of_session()? })
    }

    /// Ctrl-C alone: whoever wants the whole session to end is obeyed at once.
    fn of_session() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: None })
    }

    async fn next(&mut self) {
        let terminate = async {
            match &mut self.terminate {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = terminate => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn of_program() -> io::Result<Self> {
        Ok(Self)
    }

    fn of_session() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn session() -> Interrupts {
        let (enough, _) = watch::channel(());
        let task = tokio::spawn(std::future::pending::<()>()).abort_handle();
        Interrupts { listener: Listener::default(), session: Some(Session { enough, task }) }
    }

    /// What the delivering task does upon a signal.
    fn signal(interrupts: &Interrupts) {
        if !tell(&interrupts.listener) {
            interrupts.session.as_ref().unwrap().enough.send_replace(());
        }
    }

    async fn comes(future: impl Future) -> bool {
        // It is there already or never comes; nothing else runs that could bring it.
        timeout(Duration::from_millis(10), future).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn first_signal_is_for_the_command_that_listens_and_the_second_ends_it() {
        let interrupts = session();
        let mut interrupt = interrupts.listen().unwrap();
        let mut ended = std::pin::pin!(interrupts.ended());
        assert!(!comes(&mut ended).await);
        signal(&interrupts);
        assert!(comes(interrupt.asked()).await);
        assert!(!comes(&mut ended).await);
        signal(&interrupts);
        assert!(comes(&mut ended).await);
    }

    #[tokio::test(start_paused = true)]
    async fn command_that_doesnt_listen_or_has_stopped_listening_is_ended_by_the_first() {
        let interrupts = session();
        let mut ended = std::pin::pin!(interrupts.ended());
        assert!(!comes(&mut ended).await);
        signal(&interrupts);
        assert!(comes(&mut ended).await);

        drop(interrupts.listen().unwrap());
        let mut ended = std::pin::pin!(interrupts.ended());
        assert!(!comes(&mut ended).await, "a signal of the past ends nothing");
        signal(&interrupts);
        assert!(comes(&mut ended).await);
    }
}

//! Signatures that are checked off the task that reads: page by page, on as many threads as there are cores.

use std::{
    collections::{BTreeSet, HashMap},
    future, panic,
    sync::Arc,
    thread,
};

use id_proto::PeersPage;
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::entry::{Gate, VerifiedEntry};

/// A page of an answer, and which of its entries are worth checking ahead of their turn.
#[derive(Debug)]
pub struct UncheckedPage {
    page: PeersPage,
    gate: Gate,
    news: BTreeSet<usize>,
}

/// A page of an answer, and those of its entries that were checked and found good. Any other is still to be
/// looked at.
#[derive(Debug)]
pub struct CheckedPage {
    pub(crate) page: PeersPage,
    pub(crate) now_unix_secs: u64,
    /// By their place in the page.
    pub(crate) good: HashMap<usize, VerifiedEntry>,
}

impl UncheckedPage {
    pub(crate) fn new(page: PeersPage, gate: Gate, news: BTreeSet<usize>) -> Self {
        Self { page, gate, news }
    }

    /// How many entries are to be checked.
    pub fn n_news(&self) -> usize {
        self.news.len()
    }

    /// Checks them. Takes up to 20 ms of one core.
    pub fn check(self) -> CheckedPage {
        let Self { page, gate, news } = self;
        let items = page.items().enumerate().filter(|(nth, _)| news.contains(nth));
        let checked = items.map(|(nth, item)| Some((nth, gate.check_all(item).ok()?)));
        let good = checked.flatten().collect();
        CheckedPage { page, now_unix_secs: gate.now_unix_secs, good }
    }
}

/// Where checks are made: on the blocking threads of the runtime, as many at a time as there are cores, whoever
/// asks for them. Who waits holds a page; who is dropped leaves at most one check behind, which ends by itself.
#[derive(Debug, Clone)]
pub(crate) struct Checker {
    free: Arc<Semaphore>,
    n_threads: usize,
}

impl Checker {
    pub(crate) fn new() -> Self {
        let n_threads = thread::available_parallelism().map_or(1, usize::from);
        Self { free: Arc::new(Semaphore::new(n_threads)), n_threads }
    }

    /// How many checks are made at a time.
    pub(crate) fn n_threads(&self) -> usize {
        self.n_threads
    }

    /// Makes a check when a thread is free.
    pub(crate) async fn run<T>(self, check: impl FnOnce() -> T + Send + 'static) -> T
    where
        T: Send + 'static,
    {
        let permit = self.free.acquire_owned().await.expect("nobody closes it");
        let checked = spawn_blocking(move || {
            let _permit = permit;
            check()
        });
        match checked.await.map_err(|error| error.try_into_panic()) {
            Ok(checked) => checked,
            Err(Ok(panicked)) => panic::resume_unwind(panicked),
            // The runtime is going, and whoever waits with it.
            Err(Err(_)) => future::pending().await,
        }
    }
}

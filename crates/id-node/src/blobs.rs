//! The blobs that a node holds, and their names.
//!
//! iroh-blobs stores them and moves them; names are its tags, so that a name keeps its blob. Which names
//! there are is known here in memory ([`holdings`], without any I/O), because iroh-blobs can't be asked for a
//! page of them. One task, the [`keeper`], opens the store and makes every change, one after the
//! other: first in memory, then on disk, and only then it is answered. Readers never wait for it.
//!
//! A node that never held a blob has no store on disk, and pays nothing for it.

mod holdings;
mod keeper;
mod passes;
mod provider;
mod shelf;

use std::{path::PathBuf, sync::Arc, time::Duration};

use id_proto::{BlobHash, BlobKey, BlobName, IfTaken, NameChange, NamedBlob};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

pub(crate) use holdings::{Change, Refusal};
use keeper::{Job, Keeper, Wish};
pub(crate) use passes::Passes;
pub(crate) use provider::Provider;
use shelf::{Arrival, Shelf};

use crate::clock::Clock;

/// Most changes that wait for the keeper; other callers wait for room. Origin: a guess; as many are
/// written at once.
const MAX_WAITING: usize = 64;
/// How long a name waits for its blob, which somebody is still sending. Origin: less than a client waits
/// for an answer.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(8);
/// How many names are read at once for an answer. Origin: a page takes about as many of usual length.
const AT_ONCE: usize = 512;
/// Most names that a search finds. Origin: a guess; nobody reads more, and a program lists them.
const MAX_FOUND: usize = 10_000;

/// Where a node keeps its blobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobStore {
    /// In memory: they are gone with the node.
    Memory,
    /// In this directory, which is made when there is something to keep. No other node may use it.
    Disk(PathBuf),
}

/// The blobs of a node. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Blobs {
    jobs: mpsc::Sender<Job>,
    stage: watch::Receiver<Stage>,
    count: watch::Receiver<u64>,
    clock: Clock,
}

/// What ends a store when it is dropped.
#[derive(Debug)]
pub(crate) struct Keeping(#[expect(dead_code, reason = "held for its drop")] AbortOnDropHandle<()>);

/// How far a store is.
#[derive(Debug, Clone)]
enum Stage {
    /// It is being opened.
    Opening,
    /// There is none yet.
    Empty,
    /// It is open.
    Open(Arc<Shelf>),
    /// It can't be opened, or was closed.
    Closed,
}

/// Why the store doesn't do what it is asked for. Nothing has changed, unless it is
/// [`StoreError::Failed`]: then it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreError {
    /// It may not be.
    Refused(Refusal),
    /// The blob isn't there.
    NoBlob,
    /// Too many blobs were sent and not named.
    TooMany,
    /// The disk failed, or the store isn't open.
    Failed,
}

impl Blobs {
    /// A store in `place`. It is opened at once if there is something in it, and else when there is
    /// something to put into it.
    pub(crate) fn open(place: BlobStore, clock: Clock) -> (Self, Keeping) {
        let (jobs, queue) = mpsc::channel(MAX_WAITING);
        let (stage_sender, stage) = watch::channel(Stage::Opening);
        let (count_sender, count) = watch::channel(0);
        let keeper = Keeper {
            place,
            jobs: queue,
            asker: jobs.downgrade(),
            stage: stage_sender,
            count: count_sender,
            clock,
            put_off: None,
        };
        let keeping = Keeping(AbortOnDropHandle::new(tokio::spawn(keeper.run())));
        (Self { jobs, stage, count, clock }, keeping)
    }

    /// How many blobs have a name, as it changes.
    pub(crate) fn count(&self) -> watch::Receiver<u64> {
        self.count.clone()
    }

    /// How many blobs and names there are, by the names of their counters.
    pub(crate) fn counters(&self) -> Vec<(String, u64)> {
        let n_names = match &*self.stage.borrow() {
            Stage::Open(shelf) => shelf.holdings().n_names(),
            _ => 0,
        };
        let counters = [("blobs", *self.count.borrow()), ("blob_names", n_names)];
        counters.map(|(name, count)| (name.to_owned(), count)).to_vec()
    }

    /// The blob that `key` calls.
    pub(crate) async fn get(&self, key: &BlobKey) -> Result<Option<NamedBlob>, StoreError> {
        Ok(self.shelf().await?.and_then(|shelf| shelf.holdings().get(key)))
    }

    /// Some names behind `after`, in order; none only if there is none.
    pub(crate) async fn list(
        &self,
        after: Option<&BlobName>,
    ) -> Result<Vec<NamedBlob>, StoreError> {
        let shelf = self.shelf().await?;
        Ok(shelf.map(|shelf| shelf.holdings().list(after, AT_ONCE)).unwrap_or_default())
    }

    /// At most `max` names with `query` in them, the best matches first.
    pub(crate) async fn find(
        &self,
        query: BlobName,
        max: usize,
    ) -> Result<Vec<NamedBlob>, StoreError> {
        let Some(shelf) = self.shelf().await? else {
            return Ok(Vec::new());
        };
        // It looks at every name, which takes milliseconds.
        let find = move || shelf.holdings().find(&query, max.min(MAX_FOUND));
        tokio::task::spawn_blocking(find).await.map_err(|_| StoreError::Failed)
    }

    /// Lets `name` lead to a blob that is there, or about to be. On disk when it returns. Cancel safe:
    /// it happens as a whole or not at all.
    pub(crate) async fn put(
        &self,
        name: BlobName,
        hash: BlobHash,
        if_taken: IfTaken,
    ) -> Result<NameChange, StoreError> {
        if let Some(shelf) = self.shelf().await? {
            // If it takes too long, it isn't there.
            let _ = timeout(ARRIVAL_TIMEOUT, shelf.arrival_of(&hash)).await;
        }
        self.wish(Wish::Put { name, hash, if_taken }).await
    }

    /// Changes a name that is there. On disk when it returns. Cancel safe, as [`Blobs::put`] is.
    pub(crate) async fn change(&self, change: Change) -> Result<NameChange, StoreError> {
        self.wish(Wish::Change(change)).await
    }

    async fn wish(&self, wish: Wish) -> Result<NameChange, StoreError> {
        let (answer, answered) = oneshot::channel();
        let asked = self.jobs.send(Job::Change(wish, answer)).await;
        asked.map_err(|_| StoreError::Failed)?;
        answered.await.unwrap_or(Err(StoreError::Failed))
    }

    /// The store, for reading; `None` if there is nothing in it.
    async fn shelf(&self) -> Result<Option<Arc<Shelf>>, StoreError> {
        let mut stage = self.stage.clone();
        let stage = stage.wait_for(|stage| !matches!(stage, Stage::Opening)).await;
        match stage.as_deref() {
            Ok(Stage::Open(shelf)) => Ok(Some(shelf.clone())),
            Ok(Stage::Empty) => Ok(None),
            _ => Err(StoreError::Failed),
        }
    }

    /// The store, for writing: made if there is none.
    async fn made(&self) -> Result<Arc<Shelf>, StoreError> {
        if let Some(shelf) = self.shelf().await? {
            return Ok(shelf);
        }
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job::Open(answer)).await.map_err(|_| StoreError::Failed)?;
        let _ = answered.await;
        self.shelf().await?.ok_or(StoreError::Failed)
    }

    /// Takes a blob in, or what is missing of it, for as long as the answer lives.
    async fn take_in(&self, hash: BlobHash) -> Result<Arrival, StoreError> {
        Shelf::take_in(self.made().await?, hash, self.clock).await
    }

    /// Closes the store, once what was asked for is done.
    pub(crate) async fn close(&self) {
        let (answer, answered) = oneshot::channel();
        if self.jobs.send(Job::Close(answer)).await.is_ok() {
            let _ = answered.await;
        }
    }
}

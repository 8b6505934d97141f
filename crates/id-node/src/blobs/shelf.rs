//! An open store: iroh-blobs' own, and what we know of it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use futures::{StreamExt, TryStreamExt, stream};
use id_proto::{BlobHash, BlobName, NamedBlob};
use iroh_blobs::{
    Hash, HashAndFormat,
    api::{Store, TempTag, blobs::BlobStatus, tags::TagInfo},
};
use tokio::sync::Notify;
use tracing::warn;

use super::{
    StoreError,
    holdings::{Edit, Holdings, NotNow},
};
use crate::clock::Clock;

/// How many blobs are looked at at once when a store is opened. Origin: a guess; the store answers one
/// after the other, without a pause.
const LOOKED_AT_ONCE: usize = 256;

/// An open store.
pub(super) struct Shelf {
    store: Store,
    holdings: RwLock<Holdings>,
    /// Keeps what was sent until it has a name: a sweep lists these after the moment from which on it
    /// spares what is written.
    held: Mutex<BTreeMap<BlobHash, TempTag>>,
    arrivals: Notify,
}

/// Somebody sends a blob, until this is dropped.
#[derive(Debug)]
pub(super) struct Arrival {
    shelf: Arc<Shelf>,
    hash: BlobHash,
    clock: Clock,
}

/// Why a store can't be used; said in the log, to nobody else.
pub(super) type Fault = Box<dyn std::error::Error + Send + Sync>;

impl Shelf {
    /// What is in `store`. A name that leads to a blob that isn't whole is forgotten: it was never
    /// answered, or somebody has meddled with the files.
    pub(super) async fn load(store: Store, clock: Clock) -> Result<Self, Fault> {
        let tags: Vec<TagInfo> = store.tags().list().await?.try_collect().await?;
        let blobs = store.blobs().clone();
        let look = |tag: TagInfo| {
            let blobs = blobs.clone();
            async move { blobs.status(tag.hash).await.map(|status| (tag, status)) }
        };
        let mut looked_at = stream::iter(tags).map(look).buffered(LOOKED_AT_ONCE);
        let (mut names, mut dangling) = (Vec::new(), Vec::new());
        while let Some((tag, status)) = looked_at.try_next().await? {
            match (name_of(&tag), status) {
                (Some(name), BlobStatus::Complete { size }) => {
                    names.push(NamedBlob { name, hash: BlobHash(tag.hash.into()), size });
                }
                _ => dangling.push(tag),
            }
        }
        drop(looked_at);
        for tag in dangling {
            warn!(name = %tag.name, blob = %tag.hash, "a name leads to nothing, forgetting it");
            store.tags().delete(&tag.name.0).await?;
        }
        let mut others = Vec::new();
        let mut listed = std::pin::pin!(store.blobs().list().stream().await?);
        while let Some(hash) = listed.try_next().await? {
            others.push(BlobHash(hash.into()));
        }
        let holdings = Holdings::load(names, others, clock.now().mono);
        Ok(Self {
            store,
            holdings: RwLock::new(holdings),
            held: Mutex::default(),
            arrivals: Notify::new(),
        })
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn holdings(&self) -> RwLockReadGuard<'_, Holdings> {
        self.holdings.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn holdings_mut(&self) -> RwLockWriteGuard<'_, Holdings> {
        self.holdings.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<BlobHash, TempTag>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The size of a blob, if all of it is there.
    pub(super) async fn size_of(&self, hash: &BlobHash) -> Result<Option<u64>, Fault> {
        Ok(match self.store.blobs().status(Hash::from(hash.0)).await? {
            BlobStatus::Complete { size } => Some(size),
            BlobStatus::Partial { .. } => None,
            BlobStatus::NotFound => {
                self.holdings_mut().gone(hash);
                None
            }
        })
    }

    /// Does to the store's names what was done in memory. On disk only after [`Shelf::sync`].
    pub(super) async fn write(&self, edit: &Edit) -> Result<(), Fault> {
        let tags = self.store.tags();
        match edit {
            Edit::Nothing => {}
            Edit::Set { name, hash } => tags.set(name.as_str(), raw(hash)).await?,
            Edit::Remove { name } => drop(tags.delete(name.as_str()).await?),
            Edit::Move { from, to } => tags.rename(from.as_str(), to.as_str()).await?,
        }
        Ok(())
    }

    /// Waits until all that was written is on disk.
    pub(super) async fn sync(&self) -> Result<(), Fault> {
        Ok(self.store.sync_db().await?)
    }

    /// What a sweep that is about to begin must keep; `None` if there is nothing to remove.
    pub(super) fn sweep(&self, clock: Clock) -> Option<Vec<BlobHash>> {
        let mut holdings = self.holdings_mut();
        let kept = holdings.sweep(clock.now().mono);
        self.held().retain(|hash, _| holdings.is_waiting(hash));
        kept
    }

    /// Begins to take a blob in.
    pub(super) async fn take_in(
        shelf: Arc<Self>,
        hash: BlobHash,
        clock: Clock,
    ) -> Result<Arrival, StoreError> {
        if shelf.holdings().is_condemned(&hash) {
            // If it is gone already, it may come again.
            shelf.size_of(&hash).await.map_err(|_| StoreError::Failed)?;
        }
        let tag = shelf.store.tags().temp_tag(raw(&hash)).await;
        let tag = tag.map_err(|_| StoreError::Failed)?;
        let taken = shelf.holdings_mut().arrives(hash, clock.now().mono);
        taken.map_err(|why| match why {
            NotNow::BeingRemoved => StoreError::Refused(super::Refusal::BeingRemoved),
            NotNow::TooMany => StoreError::TooMany,
        })?;
        shelf.held().insert(hash, tag);
        Ok(Arrival { shelf, hash, clock })
    }

    /// Waits until nobody sends the blob. Cancel safe.
    pub(super) async fn arrival_of(&self, hash: &BlobHash) {
        loop {
            let mut arrived = std::pin::pin!(self.arrivals.notified());
            arrived.as_mut().enable();
            if !self.holdings().is_arriving(hash) {
                return;
            }
            arrived.await;
        }
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").finish_non_exhaustive()
    }
}

impl Arrival {
    pub(super) fn store(&self) -> Store {
        self.shelf.store.clone()
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.shelf.holdings_mut().arrived(self.hash, self.clock.now().mono);
        self.shelf.arrivals.notify_waiters();
    }
}

fn raw(hash: &BlobHash) -> HashAndFormat {
    HashAndFormat::raw(Hash::from(hash.0))
}

fn name_of(tag: &TagInfo) -> Option<BlobName> {
    BlobName::new(std::str::from_utf8(&tag.name.0).ok()?).ok()
}

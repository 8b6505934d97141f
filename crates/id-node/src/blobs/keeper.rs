//! The one task that opens a store, changes names and closes it.

use std::{collections::HashSet, io, path::Path, sync::Arc, time::Duration};

use id_proto::{BlobHash, BlobName, IfTaken, NameChange};
use iroh_blobs::{
    Hash,
    api::Store,
    store::{
        GcConfig, ProtectCb, ProtectOutcome,
        fs::{FsStore, options::Options},
        mem::{self, MemStore},
    },
};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info};

use super::{
    BlobStore, Stage, StoreError,
    holdings::{Change, Made},
    shelf::{Fault, Shelf},
};
use crate::clock::Clock;

/// How often blobs without a name are removed. Origin: a guess; nobody waits for it.
const SWEEP_GAP: Duration = Duration::from_secs(60);
/// Most changes that are brought to disk together. Origin: as many as wait, and as come meanwhile.
const MAX_AT_ONCE: usize = 128;
/// The file that iroh-blobs' store begins with.
const DATABASE: &str = "blobs.db";

/// What the keeper is asked for.
#[derive(Debug)]
pub(super) enum Job {
    /// Open the store, if it isn't.
    Open(oneshot::Sender<()>),
    /// Change names.
    Change(Wish, Answer),
    /// A sweep is about to begin: what must it keep?
    Sweep(oneshot::Sender<Option<Vec<BlobHash>>>),
    /// Close the store.
    Close(oneshot::Sender<()>),
}

type Answer = oneshot::Sender<Result<NameChange, StoreError>>;

/// A change that is wished for.
#[derive(Debug)]
pub(super) enum Wish {
    /// Let `name` lead to a blob, if that is there.
    Put { name: BlobName, hash: BlobHash, if_taken: IfTaken },
    /// Anything else.
    Change(Change),
}

/// What a keeper works with.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) place: BlobStore,
    pub(super) jobs: mpsc::Receiver<Job>,
    /// How sweeps ask us. Weak, or we would never end.
    pub(super) asker: mpsc::WeakSender<Job>,
    pub(super) stage: watch::Sender<Stage>,
    pub(super) count: watch::Sender<u64>,
    pub(super) clock: Clock,
    /// A job that came while others were gathered.
    pub(super) put_off: Option<Job>,
}

/// An open store that is closed when this is dropped, though not at once.
#[derive(Debug)]
struct Opened(Arc<Shelf>);

impl Drop for Opened {
    /// It would keep its files locked, and its threads alive.
    fn drop(&mut self) {
        let store = self.0.store().clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { store.shutdown().await });
        }
    }
}

impl Keeper {
    pub(super) async fn run(mut self) {
        let mut opened = match self.is_something_there() {
            true => self.open().await,
            false => None,
        };
        if opened.is_none() && matches!(*self.stage.borrow(), Stage::Opening) {
            self.stage.send_replace(Stage::Empty);
        }
        while let Some(job) = self.next().await {
            match job {
                Job::Open(done) => {
                    self.make_open(&mut opened).await;
                    let _ = done.send(());
                }
                Job::Change(wish, answer) => {
                    self.make_open(&mut opened).await;
                    let waiting = self.waiting((wish, answer));
                    match &opened {
                        Some(Opened(shelf)) => self.change_all(shelf, waiting).await,
                        None => waiting.into_iter().for_each(|(_, answer)| {
                            let _ = answer.send(Err(StoreError::Failed));
                        }),
                    }
                }
                Job::Sweep(answer) => {
                    let kept = opened.as_ref().and_then(|Opened(shelf)| shelf.sweep(self.clock));
                    let _ = answer.send(kept);
                }
                Job::Close(done) => {
                    self.stage.send_replace(Stage::Closed);
                    if let Some(Opened(shelf)) = &opened
                        && let Err(error) = shelf.store().shutdown().await
                    {
                        error!(%error, "the store of blobs doesn't close");
                    }
                    let _ = done.send(());
                    return;
                }
            }
        }
    }

    async fn next(&mut self) -> Option<Job> {
        match self.put_off.take() {
            Some(job) => Some(job),
            None => self.jobs.recv().await,
        }
    }

    fn is_something_there(&self) -> bool {
        matches!(&self.place, BlobStore::Disk(dir) if dir.join(DATABASE).exists())
    }

    async fn make_open(&self, opened: &mut Option<Opened>) {
        if opened.is_none() {
            *opened = self.open().await;
        }
    }

    /// Opens the store, and shows it to readers.
    async fn open(&self) -> Option<Opened> {
        match self.try_open().await {
            Ok(shelf) => {
                self.count.send_replace(shelf.holdings().n_blobs());
                self.stage.send_replace(Stage::Open(shelf.clone()));
                Some(Opened(shelf))
            }
            Err(error) => {
                error!(error, "the store of blobs can't be opened");
                self.stage.send_replace(Stage::Closed);
                None
            }
        }
    }

    async fn try_open(&self) -> Result<Arc<Shelf>, String> {
        let store = match &self.place {
            BlobStore::Memory => {
                let options = mem::Options { gc_config: Some(self.sweeps()) };
                Store::from(MemStore::new_with_opts(options))
            }
            BlobStore::Disk(dir) => {
                make_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
                let options = Options { gc: Some(self.sweeps()), ..Options::new(dir) };
                let store = FsStore::load_with_opts(dir.join(DATABASE), options).await;
                Store::from(store.map_err(|error| format!("{}: {error:#}", dir.display()))?)
            }
        };
        let closing = store.clone();
        match Shelf::load(store, self.clock).await {
            Ok(shelf) => {
                let (n_blobs, n_names) = (shelf.holdings().n_blobs(), shelf.holdings().n_names());
                info!(event = "blobs_open", n_blobs, n_names, "the store of blobs is open");
                Ok(Arc::new(shelf))
            }
            Err(error) => {
                let _ = closing.shutdown().await;
                Err(error.to_string())
            }
        }
    }

    /// Has iroh-blobs ask us before each sweep. In memory, it asks for ever, also when the store is
    /// closed: its task then only sleeps.
    fn sweeps(&self) -> GcConfig {
        let asker = self.asker.clone();
        let ask: ProtectCb = Arc::new(move |kept: &mut HashSet<Hash>| {
            let asker = asker.clone();
            Box::pin(async move {
                let Some(jobs) = asker.upgrade() else { return ProtectOutcome::Abort };
                let (answer, answered) = oneshot::channel();
                if jobs.send(Job::Sweep(answer)).await.is_err() {
                    return ProtectOutcome::Abort;
                }
                drop(jobs);
                match answered.await {
                    Ok(Some(to_keep)) => {
                        kept.extend(to_keep.into_iter().map(|hash| Hash::from(hash.0)));
                        ProtectOutcome::Continue
                    }
                    _ => ProtectOutcome::Abort,
                }
            })
        });
        GcConfig { interval: SWEEP_GAP, add_protected: Some(ask) }
    }

    /// All changes that wait, the first one first: they are brought to disk together.
    fn waiting(&mut self, first: (Wish, Answer)) -> Vec<(Wish, Answer)> {
        let mut waiting = vec![first];
        while waiting.len() < MAX_AT_ONCE {
            match self.jobs.try_recv() {
                Ok(Job::Change(wish, answer)) => waiting.push((wish, answer)),
                Ok(other) => {
                    self.put_off = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        waiting
    }

    async fn change_all(&self, shelf: &Shelf, wishes: Vec<(Wish, Answer)>) {
        let mut changed = Vec::new();
        for (wish, answer) in wishes {
            match change(shelf, wish).await {
                Ok(made) => changed.push((made, answer)),
                Err(error) => drop(answer.send(Err(error))),
            }
        }
        let synced = shelf.sync().await.map_err(failed);
        self.count.send_if_modified(|count| {
            let now = shelf.holdings().n_blobs();
            std::mem::replace(count, now) != now
        });
        for (made, answer) in changed {
            let _ = answer.send(synced.map(|()| made.answer));
        }
    }
}

/// Makes a change in memory and in the store, but not yet on disk.
async fn change(shelf: &Shelf, wish: Wish) -> Result<Made, StoreError> {
    let change = match wish {
        Wish::Put { name, hash, if_taken } => {
            let size = shelf.size_of(&hash).await.map_err(failed)?;
            let size = size.ok_or(StoreError::NoBlob)?;
            Change::Put { name, hash, size, if_taken }
        }
        Wish::Change(change) => change,
    };
    let made = shelf.holdings_mut().change(change).map_err(StoreError::Refused)?;
    if let Err(fault) = shelf.write(&made.edit).await {
        shelf.holdings_mut().take_back(made);
        return Err(failed(fault));
    }
    Ok(made)
}

fn failed(fault: Fault) -> StoreError {
    error!(error = %fault, "the store of blobs failed");
    StoreError::Failed
}

/// As nobody but us may read the data directory, nobody but us may read this.
fn make_dir(dir: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(dir)
}

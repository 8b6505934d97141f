//! From a file into a node.

use std::{path::Path, pin::pin};

use anyhow::{Context, Result};
use futures::StreamExt;
use id_client::{id_proto::BlobHash, iroh::endpoint::Connection};
use iroh_blobs::{
    BlobFormat, Hash,
    api::{
        Store, TempTag,
        blobs::{AddPathOptions, AddProgressItem, ImportMode},
        remote::PushProgressItem,
    },
    protocol::{ChunkRanges, ChunkRangesExt, ChunkRangesSeq, ObserveRequest, PushRequest},
    store::fs::FsStore,
};
use tempfile::TempDir;
use tokio::fs;

use super::{Meter, Peer, here};

/// A file that is to be sent: it stays where it is, and what is stored is the tree of its hashes.
#[derive(Debug)]
pub(crate) struct Outgoing {
    store: FsStore,
    tag: TempTag,
    size: u64,
    _scratch: TempDir,
}

impl Outgoing {
    /// Reads the file.
    pub(crate) async fn read(path: &Path, meter: &mut Meter) -> Result<Self> {
        let path = fs::canonicalize(path).await.context("can't find the file")?;
        let size = fs::metadata(&path).await.context("can't look at the file")?.len();
        let scratch = tempfile::tempdir().context("can't make a directory")?;
        let store = FsStore::load(scratch.path()).await;
        let store = store.map_err(|error| here("can't open a store", format!("{error:#}")))?;
        let tag = hashed(&store, &path, meter).await?;
        Ok(Self { store, tag, size, _scratch: scratch })
    }

    pub(crate) fn hash(&self) -> BlobHash {
        BlobHash(*self.tag.hash().as_bytes())
    }

    /// Sends what the node doesn't have of it, and returns once the node has all of it: how many bytes
    /// were sent.
    pub(crate) async fn send(&self, peer: &Peer, meter: &mut Meter) -> Result<u64> {
        send(&self.store, peer, self.tag.hash(), self.size, meter).await
    }
}

async fn hashed(store: &Store, path: &Path, meter: &mut Meter) -> Result<TempTag> {
    let options = AddPathOptions {
        path: path.to_owned(),
        format: BlobFormat::Raw,
        mode: ImportMode::TryReference,
    };
    let mut progress = pin!(store.blobs().add_path_with_opts(options).stream().await);
    while let Some(item) = progress.next().await {
        match item {
            AddProgressItem::OutboardProgress(n_bytes) => meter.hashed(n_bytes),
            AddProgressItem::Done(tag) => return Ok(tag),
            AddProgressItem::Error(error) => return Err(here("can't read the file", error)),
            _ => {}
        }
    }
    Err(here("can't read the file", "the store ended"))
}

async fn send(store: &Store, peer: &Peer, hash: Hash, size: u64, meter: &mut Meter) -> Result<u64> {
    if size == 0 {
        // Everybody holds nothing.
        return Ok(0);
    }
    let connection = peer.connect().await?;
    let missing = all(size) - there(store, peer, &connection, hash, size).await?;
    let n_missing = bytes(&missing, size);
    meter.begin_at(size - n_missing);
    if missing.is_empty() {
        return Ok(0);
    }
    let request = PushRequest::new(hash, ChunkRangesSeq::from_ranges([missing]));
    let mut progress = pin!(store.remote().execute_push(connection.clone(), request).stream());
    while let Some(item) = peer.patiently(progress.next()).await? {
        match item {
            PushProgressItem::Progress(n_bytes) => meter.at(size - n_missing + n_bytes),
            PushProgressItem::Done(_) => break,
            PushProgressItem::Error(error) => {
                return Err(peer.failed("didn't take all of it", &format!("{error:#}")).into());
            }
        }
    }
    arrived(store, peer, &connection, hash, size).await?;
    Ok(n_missing)
}

fn all(size: u64) -> ChunkRanges {
    ChunkRanges::bytes(0..size)
}

/// What the node has of it.
async fn there(
    store: &Store,
    peer: &Peer,
    connection: &Connection,
    hash: Hash,
    size: u64,
) -> Result<ChunkRanges> {
    let request = ObserveRequest::new(hash);
    let mut observed = pin!(store.remote().observe(connection.clone(), request));
    match peer.patiently(observed.next()).await? {
        Some(Ok(bitfield)) => Ok(bitfield.ranges & all(size)),
        Some(Err(error)) => Err(peer.failed("doesn't say what it has", &error).into()),
        None => Err(peer.failed("doesn't say what it has", &"no answer").into()),
    }
}

/// Waits until the node has all of it: what was sent may still be on its way.
async fn arrived(
    store: &Store,
    peer: &Peer,
    connection: &Connection,
    hash: Hash,
    size: u64,
) -> Result<()> {
    let request = ObserveRequest::new(hash);
    let mut observed = pin!(store.remote().observe(connection.clone(), request));
    let mut there = ChunkRanges::empty();
    while !all(size).is_subset(&there) {
        match peer.patiently(observed.next()).await? {
            Some(Ok(bitfield)) => there |= bitfield.ranges,
            Some(Err(error)) => {
                return Err(peer.failed("doesn't have all of it", &error).into());
            }
            None => return Err(peer.failed("doesn't have all of it", &"no word").into()),
        }
    }
    Ok(())
}

/// How many bytes are in the chunks, which are 1 KiB but for the last.
fn bytes(chunks: &ChunkRanges, size: u64) -> u64 {
    let ends = chunks.boundaries().chunks(2).map(|pair| {
        let start = pair[0].to_bytes().min(size);
        let end = pair.get(1).map_or(size, |end| end.to_bytes().min(size));
        end - start
    });
    ends.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_chunks_end_with_the_file() {
        assert_eq!(bytes(&all(2500), 2500), 2500);
        assert_eq!(bytes(&ChunkRanges::all(), 2500), 2500);
        assert_eq!(bytes(&(all(2500) - ChunkRanges::bytes(0..1024)), 2500), 1476);
        assert_eq!(bytes(&ChunkRanges::empty(), 2500), 0);
    }
}

//! From a node into a file.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    pin::pin,
};

use anyhow::{Context, Result};
use futures::StreamExt;
use id_client::id_proto::BlobHash;
use iroh_blobs::{
    Hash,
    api::{
        Store,
        blobs::{ExportMode, ExportOptions},
        remote::GetProgressItem,
    },
    store::fs::FsStore,
};

use super::{Meter, Peer, here};

/// Fetches a blob into the file `target`, which comes into being whole or not at all. Returns how many of
/// its bytes had to be fetched: what an earlier attempt has fetched is in a directory beside `target`, and
/// that goes once all is there.
pub(crate) async fn fetch(
    peer: &Peer,
    hash: BlobHash,
    target: &Path,
    meter: &mut Meter,
) -> Result<u64> {
    let parts = parts(target, hash)?;
    let store = FsStore::load(&parts).await;
    let store = store.map_err(|error| here("can't keep what comes", format!("{error:#}")))?;
    let fetched = fetch_into(&store, peer, hash.0.into(), meter).await;
    let fetched = match fetched {
        Ok(n_fetched) => export(&store, hash.0.into(), target).await.map(|()| n_fetched),
        Err(error) => Err(error),
    };
    // Writes down what has come, for the next attempt.
    let closed = store.shutdown().await;
    let n_fetched = fetched?;
    closed.map_err(|error| here("can't close the store", error))?;
    fs::remove_dir_all(&parts).with_context(|| format!("can't remove {}", parts.display()))?;
    Ok(n_fetched)
}

/// Where the parts of a file are until it is whole.
fn parts(target: &Path, hash: BlobHash) -> Result<PathBuf> {
    let name = target.file_name().context("a directory is no file")?;
    let hash = hash.to_string();
    let mut parts = OsString::from(".");
    parts.push(name);
    parts.push(format!(".part-{}", &hash[..16]));
    Ok(target.with_file_name(parts))
}

async fn fetch_into(store: &Store, peer: &Peer, hash: Hash, meter: &mut Meter) -> Result<u64> {
    let local = store.remote().local(hash).await;
    let local = local.map_err(|error| here("can't look at what is there", error))?;
    let n_there = local.local_bytes();
    meter.begin_at(n_there);
    if local.is_complete() {
        return Ok(0);
    }
    let connection = peer.connect().await?;
    let mut progress = pin!(store.remote().execute_get(connection, local.missing()).stream());
    let mut n_fetched = 0;
    loop {
        match peer.patiently(progress.next()).await? {
            Some(GetProgressItem::Progress(n_bytes)) => {
                n_fetched = n_bytes;
                meter.at(n_there + n_bytes);
            }
            Some(GetProgressItem::Done(stats)) => return Ok(stats.payload_bytes_read),
            Some(GetProgressItem::Error(error)) => {
                return Err(peer.failed("didn't send all of it", &format!("{error:#}")).into());
            }
            None => return Ok(n_fetched),
        }
    }
}

/// Moves the file to its place, if that is on the same disk.
async fn export(store: &Store, hash: Hash, target: &Path) -> Result<()> {
    let target = std::path::absolute(target).context("an odd place")?;
    let options = ExportOptions { hash, mode: ExportMode::TryReference, target };
    let exported = store.blobs().export_with_opts(options).finish().await;
    exported.map(drop).map_err(|error| here("can't write the file", format!("{error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_beside_the_file_and_of_one_blob() {
        let hash: BlobHash = "ab".repeat(32).parse().unwrap();
        let beside = |target: &str| parts(Path::new(target), hash).unwrap();
        assert_eq!(beside("a.pdf"), Path::new(".a.pdf.part-abababababababab"));
        assert_eq!(beside("/tmp/a"), Path::new("/tmp/.a.part-abababababababab"));
        assert!(parts(Path::new("/"), hash).is_err());
    }
}

//! From a node to whoever reads our stdout.

use std::io::Write;

use anyhow::Result;
use bao_tree::io::BaoContentItem;
use futures::StreamExt;
use id_client::id_proto::BlobHash;
use iroh_blobs::{
    Hash,
    get::request::{GetBlobItem, get_blob},
};

use super::{Meter, Peer};

/// Writes a blob to `out` as it comes. Each part is checked before it is written, so that what was written
/// is the blob, or its beginning if this ends in an error. Returns how many bytes that were.
pub(crate) async fn stream(
    peer: &Peer,
    hash: BlobHash,
    out: &mut impl Write,
    meter: &mut Meter,
) -> Result<u64> {
    let connection = peer.connect().await?;
    let mut items = get_blob(connection, Hash::from(hash.0));
    let mut n_bytes = 0;
    while let Some(item) = peer.patiently(items.next()).await? {
        match item {
            GetBlobItem::Item(BaoContentItem::Leaf(leaf)) => {
                out.write_all(&leaf.data)?;
                n_bytes += leaf.data.len() as u64;
                meter.at(n_bytes);
            }
            GetBlobItem::Item(BaoContentItem::Parent(_)) => {}
            GetBlobItem::Done(_) => break,
            GetBlobItem::Error(error) => {
                return Err(peer.failed("didn't send all of it", &format!("{error:#}")).into());
            }
        }
    }
    out.flush()?;
    Ok(n_bytes)
}

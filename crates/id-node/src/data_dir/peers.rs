//! The peers of the last run: signed originals behind a checksum.

use std::{io, path::Path};

use id_proto::{SignedAnnouncement, UnverifiedAnnouncement, limits::MAX_SIGNED_LEN};
use serde::{Deserialize, Serialize};

use super::files;

/// Most peers that are remembered. Origin: far more than are dialled; half a megabyte.
const MAX_PEERS: usize = 1024;
const MAX_LEN: u64 = (MAX_PEERS * (MAX_SIGNED_LEN + 2) + 64) as u64;
const CHECKSUM_LEN: usize = 32;

/// `checksum (BLAKE3 of the rest) ‖ postcard of this`. Append-only.
#[derive(Serialize, Deserialize)]
enum PeersFile {
    V1(Vec<Vec<u8>>),
}

pub(super) fn save(path: &Path, announcements: &[SignedAnnouncement]) -> io::Result<()> {
    let originals = announcements.iter().take(MAX_PEERS).map(|a| a.bytes().to_vec()).collect();
    let body = postcard::to_stdvec(&PeersFile::V1(originals)).map_err(io::Error::other)?;
    let mut bytes = blake3::hash(&body).as_bytes().to_vec();
    bytes.extend_from_slice(&body);
    files::write_atomic(path, &bytes)
}

pub(super) fn load(path: &Path) -> Vec<SignedAnnouncement> {
    let read = files::read_bounded(path, MAX_LEN).and_then(|bytes| match bytes {
        None => Ok(Vec::new()),
        Some(bytes) => decode(&bytes)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "checksum or content")),
    });
    read.unwrap_or_else(|error| {
        files::set_aside(path, &error.to_string());
        Vec::new()
    })
}

fn decode(bytes: &[u8]) -> Option<Vec<SignedAnnouncement>> {
    let (checksum, body) = bytes.split_at_checked(CHECKSUM_LEN)?;
    if blake3::hash(body) != *<&[u8; CHECKSUM_LEN]>::try_from(checksum).ok()? {
        return None;
    }
    let PeersFile::V1(originals) = postcard::from_bytes(body).ok()?;
    let verified = originals
        .iter()
        .filter_map(|original| UnverifiedAnnouncement::decode(original).ok()?.verify().ok());
    Some(verified.collect())
}

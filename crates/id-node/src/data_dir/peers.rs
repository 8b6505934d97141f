//! The peers of the last run: signed originals behind a checksum.

use std::{io, path::Path};

use id_proto::{SignedAnnouncement, UnverifiedAnnouncement, limits::MAX_SIGNED_LEN};
use serde::Serialize;

use super::files;

/// Most peers that are remembered. Origin: far more than are dialled; half a megabyte.
pub(crate) const MAX_PEERS: usize = 1024;
const MAX_LEN: u64 = (MAX_PEERS * (MAX_SIGNED_LEN + 2) + 64) as u64;
const CHECKSUM_LEN: usize = 32;

/// `checksum (BLAKE3 of the rest) ‖ postcard of this`. Append-only.
#[derive(Serialize)]
enum PeersFile<'a> {
    V1(Vec<&'a [u8]>),
}

pub(super) fn save(path: &Path, announcements: &[SignedAnnouncement]) -> io::Result<()> {
    files::write_atomic(path, &encode(announcements))
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

pub(crate) fn encode(announcements: &[SignedAnnouncement]) -> Vec<u8> {
    let originals = announcements.iter().take(MAX_PEERS).map(|a| a.bytes()).collect();
    let body = postcard::to_stdvec(&PeersFile::V1(originals)).expect("bytes encode into memory");
    [blake3::hash(&body).as_bytes(), body.as_slice()].concat()
}

/// The peers that a file remembers, but for those that nobody signed. `None` if it is damaged.
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<SignedAnnouncement>> {
    let (checksum, body) = bytes.split_at_checked(CHECKSUM_LEN)?;
    if blake3::hash(body) != *<&[u8; CHECKSUM_LEN]>::try_from(checksum).ok()? {
        return None;
    }
    let verified = originals(body)?
        .into_iter()
        .filter_map(|original| UnverifiedAnnouncement::decode(original).ok()?.verify().ok());
    Some(verified.collect())
}

/// Reads the items one by one: serde would make room for as many as the file says that there are.
fn originals(body: &[u8]) -> Option<Vec<&[u8]>> {
    let (version, rest) = postcard::take_from_bytes::<u32>(body).ok()?;
    let (n_originals, mut rest) = postcard::take_from_bytes::<u64>(rest).ok()?;
    if version != 0 || n_originals > MAX_PEERS as u64 {
        return None;
    }
    let mut originals = Vec::new();
    for _ in 0..n_originals {
        let (original, behind) = postcard::take_from_bytes::<&[u8]>(rest).ok()?;
        originals.push(original);
        rest = behind;
    }
    rest.is_empty().then_some(originals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(body: &[u8]) -> Vec<u8> {
        [blake3::hash(body).as_bytes(), body].concat()
    }

    #[test]
    fn a_file_is_a_version_a_count_and_originals_with_their_lengths() {
        assert_eq!(originals(&[0, 2, 1, 7, 0]), Some(vec![&[7][..], &[]]));
        assert_eq!(encode(&[]), file(&[0, 0]));
    }

    #[test]
    fn a_count_that_the_file_does_not_hold_makes_no_room() {
        // 2^42 of them, and 1024, of which none follows.
        for body in [&[0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1][..], &[0, 0x80, 8]] {
            assert_eq!(decode(&file(body)), None);
        }
    }

    #[test]
    fn bytes_behind_the_last_peer_damage_the_file() {
        assert_eq!(decode(&file(&[0, 0])), Some(Vec::new()));
        assert_eq!(decode(&file(&[0, 0, 0])), None);
        assert_eq!(decode(&file(&[1, 0])), None, "of a later version");
    }
}

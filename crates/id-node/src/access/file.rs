//! Lists as operators write them.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
    path::Path,
};

use id_proto::iroh_base::PublicKey;

use super::{MAX_LIST_LEN, MAX_LISTED};

/// Most characters of a wrong id that an error quotes. Origin: an id is 64 long.
const MAX_QUOTED: usize = 80;

/// Why something is no list of nodes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// A line of a file holds something else than a node id.
    #[error("line {line}: {found:?} is no node id")]
    BadLine {
        /// Which, from 1.
        line: usize,
        /// What it holds, cut if it is long.
        found: String,
    },
    /// A line of a file isn't UTF-8.
    #[error("line {line}: not UTF-8")]
    NotText {
        /// Which, from 1.
        line: usize,
    },
    /// An item of a comma-separated list is no node id.
    #[error("{found:?} is no node id")]
    BadItem {
        /// What it is, cut if it is long.
        found: String,
    },
    /// More than [`MAX_LISTED`] nodes.
    #[error("more than {MAX_LISTED} nodes")]
    TooMany,
    /// A file that is longer than [`MAX_LIST_LEN`].
    #[error("longer than {MAX_LIST_LEN} bytes")]
    TooLong,
    /// The file can't be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a file of node ids, as [`parse_list`] does.
///
/// # Errors
///
/// If it can't be read, or is no list. The error doesn't name the file.
pub fn read_list(path: &Path) -> Result<BTreeSet<PublicKey>, ListError> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_LIST_LEN + 1).read_to_end(&mut bytes)?;
    parse_list(&bytes)
}

/// Reads node ids, one a line. `#` begins a comment, also behind an id; empty lines count for
/// nothing, and so does naming a node twice.
///
/// # Errors
///
/// If there is something else, or too much of it; the first such line is named.
pub fn parse_list(bytes: &[u8]) -> Result<BTreeSet<PublicKey>, ListError> {
    if bytes.len() as u64 > MAX_LIST_LEN {
        return Err(ListError::TooLong);
    }
    let mut ids = BTreeSet::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = std::str::from_utf8(line);
        let line = line.map_err(|_| ListError::NotText { line: number + 1 })?;
        let item = line.split('#').next().unwrap_or_default().trim();
        if item.is_empty() {
            continue;
        }
        let id = item.parse();
        let id = id.map_err(|_| ListError::BadLine { line: number + 1, found: quoted(item) })?;
        insert(&mut ids, id)?;
    }
    Ok(ids)
}

/// Reads a comma-separated list of node ids.
///
/// # Errors
///
/// If there is something else, or too much of it.
pub fn parse_ids(list: &str) -> Result<BTreeSet<PublicKey>, ListError> {
    let mut ids = BTreeSet::new();
    for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let id = item.parse().map_err(|_| ListError::BadItem { found: quoted(item) })?;
        insert(&mut ids, id)?;
    }
    Ok(ids)
}

fn insert(ids: &mut BTreeSet<PublicKey>, id: PublicKey) -> Result<(), ListError> {
    ids.insert(id);
    if ids.len() > MAX_LISTED { Err(ListError::TooMany) } else { Ok(()) }
}

fn quoted(item: &str) -> String {
    item.chars().take(MAX_QUOTED).collect()
}

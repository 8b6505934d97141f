//! Blobs and their names: what a node's store is asked for, and what it answers.
//!
//! A blob is bytes, called by their BLAKE3 hash. A name leads to one blob, a blob has any number of
//! names, and a blob without a name is kept by nobody.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    error::{DecodeError, ParseBlobError},
    items::Items,
    limits::{MAX_BLOB_ENTRY_LEN, MAX_BLOB_NAME_LEN, MAX_RESPONSE_LEN},
    query::PAGE_OVERHEAD,
    wire,
};

/// The BLAKE3 hash of a blob. Written as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobHash(pub [u8; 32]);

impl fmt::Display for BlobHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobHash({self})")
    }
}

impl FromStr for BlobHash {
    type Err = ParseBlobError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut hash = [0; 32];
        if text.len() != 2 * hash.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ParseBlobError::NoHash);
        }
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = digits.iter().filter_map(|digit| char::from(*digit).to_digit(16));
            *byte = digits.fold(0, |byte, digit| byte << 4 | digit as u8);
        }
        Ok(Self(hash))
    }
}

/// The name of a blob: 1 to [`MAX_BLOB_NAME_LEN`] bytes of UTF-8 without control characters.
///
/// Names are compared byte by byte. They may still hold what turns the reading direction: clean them
/// before you print them. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobName(Arc<str>);

impl BlobName {
    /// `text` as a name, if it is one.
    pub fn new(text: &str) -> Result<Self, ParseBlobError> {
        match text.len() {
            0 => Err(ParseBlobError::NameEmpty),
            1..=MAX_BLOB_NAME_LEN if text.contains(char::is_control) => {
                Err(ParseBlobError::NameControl)
            }
            1..=MAX_BLOB_NAME_LEN => Ok(Self(text.into())),
            len => Err(ParseBlobError::NameTooLong { len }),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn decode(text: &str, field: &'static str) -> Result<Self, DecodeError> {
        Self::new(text).map_err(|_| DecodeError::OutOfBounds { field })
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl FromStr for BlobName {
    type Err = ParseBlobError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl std::borrow::Borrow<str> for BlobName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// What a blob is asked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobKey {
    /// The blob that this name leads to.
    Name(BlobName),
    /// The blob with this hash, if any name leads to it.
    Hash(BlobHash),
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Hash(hash) => hash.fmt(f),
        }
    }
}

/// What to do if a name leads to another blob already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfTaken {
    /// Leave everything as it is: [`crate::ErrorCode::NameTaken`].
    Refuse,
    /// Let it lead to the new one. The answer says what it led to before.
    Replace,
}

impl IfTaken {
    pub(crate) fn replaces(self) -> bool {
        self == Self::Replace
    }

    pub(crate) fn of_wire(replace: bool) -> Self {
        if replace { Self::Replace } else { Self::Refuse }
    }
}

/// How well a name matches what is looked for; the best first. Upper and lower case differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// The name is the query.
    Exact,
    /// The name begins with the query.
    Prefix,
    /// The query is somewhere in the name.
    Contains,
}

impl Match {
    /// How well `name` matches `query`, if it does.
    pub fn of(query: &str, name: &str) -> Option<Self> {
        match name.find(query)? {
            0 if name.len() == query.len() => Some(Self::Exact),
            0 => Some(Self::Prefix),
            _ => Some(Self::Contains),
        }
    }
}

/// A blob and a name that leads to it: the answer to `Get`, and an item of the pages that answer
/// `List` and `Find`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedBlob {
    /// The name.
    pub name: BlobName,
    /// The blob's hash.
    pub hash: BlobHash,
    /// The blob's length, in bytes. The responder's word, until the blob itself was fetched.
    pub size: u64,
}

impl NamedBlob {
    /// Encodes the item.
    pub fn encode(&self) -> ByteBuf {
        ByteBuf::from(wire::encode(&wire::NamedBlob::V1(wire::NamedBlobV1 {
            name: self.name.as_str(),
            hash: self.hash.0,
            size: self.size,
        })))
    }

    /// Decodes at most [`MAX_BLOB_ENTRY_LEN`] bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire::NamedBlob::V1(v1) = wire::decode(bytes, MAX_BLOB_ENTRY_LEN, 1)?;
        let name = BlobName::decode(v1.name, "name")?;
        Ok(Self { name, hash: BlobHash(v1.hash), size: v1.size })
    }
}

/// One page of names: items behind each other, each with its length in front.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobsPage {
    items: Items,
    /// Whether another page follows. A stream that ends after `true` was cut off.
    pub more: bool,
}

impl BlobsPage {
    /// Appends an encoded [`NamedBlob`] if it still fits into [`MAX_RESPONSE_LEN`]. Returns whether
    /// it did.
    #[must_use]
    pub fn push(&mut self, item: &[u8]) -> bool {
        self.items.push(item, MAX_RESPONSE_LEN - PAGE_OVERHEAD)
    }

    /// The items, undecoded. Ends after the first error, which is a length that lies.
    pub fn items(&self) -> impl Iterator<Item = Result<&[u8], DecodeError>> {
        self.items.iter()
    }
}

/// What became of a name: the answer to `Put`, `Delete`, `Rename` and `Copy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameChange {
    /// The blob that the name leads to now; after `Delete`, the one that it led to.
    pub hash: BlobHash,
    /// That blob's length, in bytes.
    pub size: u64,
    /// How many names lead to that blob now. One that none leads to is not kept.
    pub n_names: u64,
    /// The other blob that the name led to before, if it did.
    pub replaced: Option<BlobHash>,
}

impl NameChange {
    /// Encodes the change for [`crate::MetaResponse::Changed`].
    pub fn encode(&self) -> ByteBuf {
        ByteBuf::from(wire::encode(&wire::NameChange::V1(wire::NameChangeV1 {
            hash: self.hash.0,
            size: self.size,
            n_names: self.n_names,
            replaced: self.replaced.map(|hash| hash.0),
        })))
    }

    /// Decodes a change.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire::NameChange::V1(v1) = wire::decode(bytes, MAX_BLOB_ENTRY_LEN, 1)?;
        Ok(Self {
            hash: BlobHash(v1.hash),
            size: v1.size,
            n_names: v1.n_names,
            replaced: v1.replaced.map(BlobHash),
        })
    }
}

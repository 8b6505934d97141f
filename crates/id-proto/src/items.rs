//! A list of items of any version: each behind its length, so that a reader steps over what it
//! doesn't know.

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};

use crate::{error::DecodeError, wire};

/// Items behind each other, each with its length in front.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Items(ByteBuf);

impl Items {
    /// Appends an item if all of them are at most `max` bytes then, lengths included. Returns whether
    /// it did.
    pub(crate) fn push(&mut self, item: &[u8], max: usize) -> bool {
        let prefix = wire::encode(&(item.len() as u64));
        let fits = self.0.len() + prefix.len() + item.len() <= max;
        if fits {
            self.0.extend_from_slice(&prefix);
            self.0.extend_from_slice(item);
        }
        fits
    }

    /// The items, undecoded. Ends after the first error, which is a length that lies.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Result<&[u8], DecodeError>> {
        let mut rest: &[u8] = &self.0;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let item = postcard::take_from_bytes::<&Bytes>(rest);
            rest = item.as_ref().map_or(&[], |(_, rest)| rest);
            Some(item.map(|(item, _)| &**item).map_err(DecodeError::Malformed))
        })
    }
}

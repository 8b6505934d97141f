//! What came of announcements that were handed to a node.

use serde_bytes::ByteBuf;

use crate::{error::DecodeError, explain::Word, limits::MAX_RESPONSE_LEN, query::check_len, wire};

/// What a node made of the announcements that it was handed: the answer to `Discover`.
///
/// Each of them is counted exactly once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiscoverReport {
    /// Of peers that the table lacked, and holds now.
    pub n_new: u64,
    /// Of peers that the table held, and newer than what it held of them.
    pub n_newer: u64,
    /// Of peers that the table holds, and no newer than what it holds of them.
    pub n_known: u64,
    /// Those that weren't believed, by the name under which the node counts the reason.
    pub refused: Vec<(Word, u64)>,
}

impl DiscoverReport {
    /// How many announcements it is about; `None` if that is no number of 64 bits.
    pub fn total(&self) -> Option<u64> {
        let counts = [self.n_new, self.n_newer, self.n_known].into_iter();
        let counts = counts.chain(self.refused.iter().map(|(_, n)| *n));
        counts.into_iter().try_fold(0, u64::checked_add)
    }

    /// Encodes the report for [`crate::MetaResponse::Discovered`].
    pub fn encode(&self) -> ByteBuf {
        ByteBuf::from(wire::encode(&wire::DiscoverReport::V1(wire::DiscoverReportV1 {
            n_new: self.n_new,
            n_newer: self.n_newer,
            n_known: self.n_known,
            refused: self.refused.iter().map(|(reason, n)| (reason.as_str(), *n)).collect(),
        })))
    }

    /// Decodes a report.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire::DiscoverReport::V1(v1) = wire::decode(bytes, MAX_RESPONSE_LEN, 1)?;
        check_len(&v1.refused, "refused")?;
        let refused = v1.refused.into_iter();
        let refused = refused.map(|(reason, n)| Ok((Word::decode(reason, "refused")?, n)));
        Ok(Self {
            n_new: v1.n_new,
            n_newer: v1.n_newer,
            n_known: v1.n_known,
            refused: refused.collect::<Result<_, _>>()?,
        })
    }
}

//! Which entries of an answer are believed: one gate for every answer, cheapest check first.

use id_proto::{
    DecodeError, NetworkTag, PeerAnnouncement, PeerEntry, SignedAnnouncement,
    UnverifiedAnnouncement,
    limits::{MAX_CLOCK_SKEW, stale_after},
};

use crate::crawl::RejectReason;

/// An entry that passed every check but the signature's.
pub(crate) type UnverifiedEntry = PeerEntry<UnverifiedAnnouncement>;
/// An entry that passed every check.
pub(crate) type VerifiedEntry = PeerEntry<SignedAnnouncement>;

/// What entries are measured against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gate {
    pub(crate) network_tag: NetworkTag,
    /// The wall clock, in unix seconds.
    pub(crate) now_unix_secs: u64,
}

impl Gate {
    /// Decodes an item of a page, and checks everything but the signature.
    pub(crate) fn admit(
        &self,
        item: Result<&[u8], DecodeError>,
    ) -> Result<UnverifiedEntry, RejectReason> {
        let entry = item.and_then(UnverifiedEntry::decode).map_err(|error| match error {
            DecodeError::UnknownVersion { .. } => RejectReason::UnknownVersion,
            _ => RejectReason::Malformed,
        })?;
        self.check(entry.announcement.claimed())?;
        Ok(entry)
    }

    fn check(&self, announcement: &PeerAnnouncement) -> Result<(), RejectReason> {
        let skew = MAX_CLOCK_SKEW.as_secs();
        let made = announcement.timestamp_secs;
        let stale = stale_after(announcement.interval_secs).as_secs();
        if announcement.network_tag != self.network_tag {
            return Err(RejectReason::OtherNetwork);
        }
        if made > self.now_unix_secs.saturating_add(skew) {
            return Err(RejectReason::FutureDated);
        }
        if made.saturating_add(stale).saturating_add(skew) < self.now_unix_secs {
            return Err(RejectReason::Expired);
        }
        Ok(())
    }
}

/// Checks the signature: the expensive part.
pub(crate) fn verify(entry: UnverifiedEntry) -> Result<VerifiedEntry, RejectReason> {
    entry.verify().map_err(|_| RejectReason::BadSignature)
}

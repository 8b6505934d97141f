//! Which entries of an answer are believed: one gate for every answer, cheapest check first.

use std::time::Duration;

use id_proto::{
    DecodeError, NetworkTag, PeerAnnouncement, PeerEntry, SealedEntry, SignedAnnouncement,
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
        item.and_then(SealedEntry::decode).map_err(unreadable).and_then(|entry| self.open(entry))
    }

    /// The same, and the signature.
    pub(crate) fn check_all(
        &self,
        item: Result<&[u8], DecodeError>,
    ) -> Result<VerifiedEntry, RejectReason> {
        self.admit(item).and_then(verify)
    }

    /// Like [`Gate::admit`], of an item that is partly decoded already.
    pub(crate) fn open(&self, entry: SealedEntry<'_>) -> Result<UnverifiedEntry, RejectReason> {
        let entry = entry.open().map_err(unreadable)?;
        self.check(entry.announcement.claimed())?;
        Ok(entry)
    }

    /// Checks what doesn't depend on who says it.
    pub(crate) fn check(&self, announcement: &PeerAnnouncement) -> Result<(), RejectReason> {
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

pub(crate) fn unreadable(error: DecodeError) -> RejectReason {
    match error {
        DecodeError::UnknownVersion { .. } => RejectReason::UnknownVersion,
        _ => RejectReason::Malformed,
    }
}

/// Checks the signature: the expensive part.
fn verify(entry: UnverifiedEntry) -> Result<VerifiedEntry, RejectReason> {
    entry.verify().map_err(|_| RejectReason::BadSignature)
}

/// An entry that passed every check but the signature's, which may have been made ahead of its turn.
#[derive(Debug)]
pub(crate) enum Candidate {
    Unchecked(UnverifiedEntry),
    Checked(VerifiedEntry),
}

impl Candidate {
    /// What it says, by its author or not.
    pub(crate) fn claimed(&self) -> &PeerAnnouncement {
        match self {
            Self::Unchecked(entry) => entry.announcement.claimed(),
            Self::Checked(entry) => entry.announcement.statement(),
        }
    }

    /// What the responder says of it.
    pub(crate) fn claims(&self) -> Claims {
        match self {
            Self::Unchecked(PeerEntry { age, verified_age, .. })
            | Self::Checked(PeerEntry { age, verified_age, .. }) => {
                Claims { age: *age, verified_age: *verified_age }
            }
        }
    }

    /// The announcement's signature and body.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Unchecked(entry) => entry.announcement.bytes(),
            Self::Checked(entry) => entry.announcement.bytes(),
        }
    }

    /// Checks the signature, if that isn't done yet.
    pub(crate) fn verify(self) -> Result<VerifiedEntry, RejectReason> {
        match self {
            Self::Unchecked(entry) => verify(entry),
            Self::Checked(entry) => Ok(entry),
        }
    }
}

/// What the responder says of an entry, unproven.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claims {
    pub(crate) age: Duration,
    pub(crate) verified_age: Option<Duration>,
}

impl From<SealedEntry<'_>> for Claims {
    fn from(entry: SealedEntry<'_>) -> Self {
        Self { age: entry.age, verified_age: entry.verified_age }
    }
}

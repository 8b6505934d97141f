//! What is believed: the checks before the signature, cheapest first.

use std::time::Duration;

use id_proto::{DecodeError, NetworkTag, Statement, iroh_base::PublicKey, limits};

use super::{departed::Departed, event::Now, table::Table};
use crate::access::AccessList;
use crate::bucket::Rate;

/// What is accepted of one author: one announcement in this time on average… Origin: protocol.md.
const AUTHOR_GAP: Duration = Duration::from_secs(5);
/// … and as many at once. Origin: protocol.md.
const AUTHOR_BURST: u32 = 3;

/// How often an author who announces every `interval_secs` may do so. Who says that it announces
/// more often than every five seconds, as a node in a test does, may; and a little earlier, because
/// nodes jitter by an eighth.
pub(super) fn author_rate(interval_secs: u32) -> Rate {
    let interval = Duration::from_secs(interval_secs.into());
    Rate { burst: AUTHOR_BURST, gap: AUTHOR_GAP.min(interval * 7 / 8) }
}

/// Why a statement is not believed. Counted by reason; nothing else happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Longer than the limit.
    TooLong,
    /// No message, or a field out of its bounds.
    Malformed,
    /// Of a later version.
    UnknownVersion,
    /// For another network.
    OtherNetwork,
    /// Its timestamp is more than [`limits::MAX_CLOCK_SKEW`] ahead of our clock.
    FutureDated,
    /// Its timestamp is older than a live peer's can be, or whoever told it hasn't heard its author
    /// for so long that it would be stale at once.
    Expired,
    /// It says of us what only we can say.
    OwnId,
    /// Our operator's lists don't admit its author, or whoever brought it.
    Denied,
    /// Not newer than what we hold. Also the ordinary case of hearing the same twice.
    NotNewer,
    /// Not newer than the author's leave, or than what it said before it vanished.
    Departed,
    /// Not signed by its author.
    BadSignature,
    /// The table is full of peers that are more certain.
    TableFull,
    /// Its author has announced itself too often.
    AuthorBudget,
    /// Of a peer that the table lacks, by an introducer that has brought too many.
    IntroducerBudget,
    /// Its signature wasn't checked, because whoever delivered it has delivered too many bad ones.
    SignatureBudget,
}

impl Refusal {
    /// Every reason.
    pub const ALL: &[Self] = &[
        Self::TooLong,
        Self::Malformed,
        Self::UnknownVersion,
        Self::OtherNetwork,
        Self::FutureDated,
        Self::Expired,
        Self::OwnId,
        Self::Denied,
        Self::NotNewer,
        Self::Departed,
        Self::BadSignature,
        Self::TableFull,
        Self::AuthorBudget,
        Self::IntroducerBudget,
        Self::SignatureBudget,
    ];

    /// The counter's name in `status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "refused_too_long",
            Self::Malformed => "refused_malformed",
            Self::UnknownVersion => "refused_unknown_version",
            Self::OtherNetwork => "refused_other_network",
            Self::FutureDated => "refused_future_dated",
            Self::Expired => "refused_expired",
            Self::OwnId => "refused_own_id",
            Self::Denied => "refused_denied",
            Self::NotNewer => "refused_not_newer",
            Self::Departed => "refused_departed",
            Self::BadSignature => "refused_bad_signature",
            Self::TableFull => "refused_table_full",
            Self::AuthorBudget => "refused_author_budget",
            Self::IntroducerBudget => "refused_introducer_budget",
            Self::SignatureBudget => "refused_signature_budget",
        }
    }
}

impl From<&DecodeError> for Refusal {
    fn from(error: &DecodeError) -> Self {
        match error {
            DecodeError::TooLong { .. } => Self::TooLong,
            DecodeError::UnknownVersion { .. } => Self::UnknownVersion,
            _ => Self::Malformed,
        }
    }
}

/// What the checks compare a statement with.
pub(super) struct Gate<'a> {
    pub(super) me: &'a PublicKey,
    pub(super) network_tag: NetworkTag,
    pub(super) table: &'a Table,
    pub(super) departed: &'a Departed,
    pub(super) access: &'a AccessList,
}

impl Gate<'_> {
    /// Everything that can be checked without the signature, of a statement that was heard `age`
    /// ago.
    pub(super) fn check<T: Statement>(
        &self,
        claimed: &T,
        age: Duration,
        now: Now,
    ) -> Result<(), Refusal> {
        let author = claimed.author();
        if claimed.network_tag() != self.network_tag {
            return Err(Refusal::OtherNetwork);
        }
        if author == *self.me {
            return Err(Refusal::OwnId);
        }
        if !self.access.admits(&author) {
            return Err(Refusal::Denied);
        }
        check_time(claimed, now)?;
        // Who tells of a peer that it would have to probe itself tells of a ghost, likely. Taking
        // it in would keep the ghost in one table after another for as long as nodes join.
        if age > claimed.lifetime() {
            return Err(Refusal::Expired);
        }
        let held = self.table.get(&author).map(|entry| entry.announcement.seq);
        if held.is_some_and(|seq| claimed.seq() <= seq) {
            return Err(Refusal::NotNewer);
        }
        if self.departed.seq(&author).is_some_and(|seq| claimed.seq() <= seq) {
            return Err(Refusal::Departed);
        }
        Ok(())
    }
}

fn check_time<T: Statement>(claimed: &T, now: Now) -> Result<(), Refusal> {
    let latest = now.unix.as_secs().saturating_add(limits::MAX_CLOCK_SKEW.as_secs());
    if claimed.timestamp_secs() > latest {
        return Err(Refusal::FutureDated);
    }
    if valid_for(claimed, now).is_zero() {
        return Err(Refusal::Expired);
    }
    Ok(())
}

/// How long the statement isn't refused for its age. A clock may be behind by as much as it may be ahead.
pub(super) fn valid_for<T: Statement>(claimed: &T, now: Now) -> Duration {
    let last = Duration::from_secs(claimed.timestamp_secs())
        .saturating_add(claimed.lifetime())
        .saturating_add(limits::MAX_CLOCK_SKEW);
    // To the second, as timestamps are.
    let end = last.saturating_add(Duration::from_secs(1));
    end.saturating_sub(Duration::from_secs(now.unix.as_secs()))
}

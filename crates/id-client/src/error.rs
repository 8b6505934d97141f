//! Why a peer gave no answer.

use std::fmt;

use id_proto::{DecodeError, ErrorCode, ErrorResponse, limits::MAX_ERROR_LEN};

/// What kind of failure it was: the documented list of `error` in `id-cli`'s output.
///
/// Ordered from what happens before a connection to what happens on one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FailKind {
    /// No address of the peer is known, and no lookup found one.
    NoAddress,
    /// Every address that the peer announces is one that may not be dialled because a stranger says
    /// so, see [`crate::AddressPolicy`]; it was not dialled.
    ForbiddenAddress,
    /// No answer in time: to the dial, to the request, or to the whole crawl.
    Timeout,
    /// The peer refused the connection: it doesn't speak this protocol, or is shutting down.
    Refused,
    /// Somebody answered at that address, but not the peer that was asked for.
    Handshake,
    /// The connection was lost before the answer was complete.
    Lost,
    /// The peer broke the protocol: it answered with bytes that are no answer, with too many forged
    /// entries, named somebody twice in one answer, or gave an empty page with more to follow.
    Protocol,
    /// A part of the peer's answer, or our request, was longer than allowed, or the peer named more
    /// than it was asked for.
    TooLarge,
    /// The peer doesn't know the request.
    Unsupported,
    /// The peer's network is private, and we are no member of it.
    NotMember,
    /// The peer does this for its operators only, and we are none.
    NotOperator,
    /// The peer lets only some change its names, and we are none of them.
    NotWriter,
    /// The peer has no such name, or no such blob with a name.
    NotFound,
    /// The name leads to another blob, which wasn't to be replaced.
    NameTaken,
    /// The peer doesn't hold the blob that a name was to lead to.
    NoBlob,
    /// The peer has no room for more names or blobs.
    Full,
    /// The peer had too much to do.
    Busy,
    /// The peer reported a failure of its own.
    Internal,
}

impl FailKind {
    /// Every kind, in order.
    pub const ALL: &[Self] = &[
        Self::NoAddress,
        Self::ForbiddenAddress,
        Self::Timeout,
        Self::Refused,
        Self::Handshake,
        Self::Lost,
        Self::Protocol,
        Self::TooLarge,
        Self::Unsupported,
        Self::NotMember,
        Self::NotOperator,
        Self::NotWriter,
        Self::NotFound,
        Self::NameTaken,
        Self::NoBlob,
        Self::Full,
        Self::Busy,
        Self::Internal,
    ];

    /// Whether it may pass by itself, and soon: the peer had too much to do, or a connection was lost.
    ///
    /// A time-out isn't: within it QUIC has sent its packets again already, and to wait once more for all
    /// who are gone would make a crawl as much longer.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Busy | Self::Lost)
    }

    /// The stable lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoAddress => "no_address",
            Self::ForbiddenAddress => "forbidden_address",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Handshake => "handshake",
            Self::Lost => "lost",
            Self::Protocol => "protocol",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
            Self::NotMember => "not_member",
            Self::NotOperator => "not_operator",
            Self::NotWriter => "not_writer",
            Self::NotFound => "not_found",
            Self::NameTaken => "name_taken",
            Self::NoBlob => "no_blob",
            Self::Full => "full",
            Self::Busy => "busy",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for FailKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A peer could not be asked, or didn't answer well. Nothing else is affected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct AskError {
    /// What a program decides by.
    pub kind: FailKind,
    /// What a person reads. May hold text of the peer's: hostile in a terminal.
    pub message: String,
}

impl AskError {
    /// An error of `kind`, with what is known of it.
    pub fn new(kind: FailKind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string() }
    }
}

impl From<ErrorResponse> for AskError {
    fn from(response: ErrorResponse) -> Self {
        let kind = match response.code() {
            ErrorCode::Unsupported => FailKind::Unsupported,
            ErrorCode::NotMember => FailKind::NotMember,
            ErrorCode::NotOperator => FailKind::NotOperator,
            ErrorCode::NotWriter => FailKind::NotWriter,
            ErrorCode::NotFound => FailKind::NotFound,
            ErrorCode::NameTaken => FailKind::NameTaken,
            ErrorCode::NoBlob => FailKind::NoBlob,
            ErrorCode::Full => FailKind::Full,
            ErrorCode::TooLarge => FailKind::TooLarge,
            ErrorCode::Busy => FailKind::Busy,
            ErrorCode::Malformed => FailKind::Protocol,
            _ => FailKind::Internal,
        };
        let mut message = response.message;
        // The sender ought to have cut it. A report keeps one for each peer.
        message.truncate(message.floor_char_boundary(MAX_ERROR_LEN));
        message.shrink_to_fit();
        Self { kind, message }
    }
}

impl From<DecodeError> for AskError {
    fn from(error: DecodeError) -> Self {
        let kind = match error {
            DecodeError::TooLong { .. } => FailKind::TooLarge,
            DecodeError::UnknownVersion { .. } => FailKind::Unsupported,
            _ => FailKind::Protocol,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_message_is_cut_and_nothing_of_the_rest_is_kept() {
        let message = format!("x{}", "ä".repeat(10_000));
        let error = AskError::from(ErrorResponse { code: 6, message });
        assert_eq!(error.message.len(), MAX_ERROR_LEN - 1, "a character isn't cut");
        assert!(error.message.capacity() < 2 * MAX_ERROR_LEN);
    }
}

//! What can be wrong with bytes, names and tickets.

/// Why bytes are not a statement, a message or an item of this protocol.
///
/// Nothing is kept of bytes that fail to decode. Whose fault it is: the sender's, except for
/// [`DecodeError::UnknownVersion`], which says that the sender is newer than we are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Longer than the limit; nothing was decoded.
    #[error("{len} bytes, the limit is {max}")]
    TooLong {
        /// The length that was received or claimed.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// A version or variant that this release doesn't know.
    #[error("unknown version or variant {number}")]
    UnknownVersion {
        /// The number that the sender used.
        number: u32,
    },
    /// Not an encoding of the expected type.
    #[error("malformed: {0}")]
    Malformed(postcard::Error),
    /// A valid encoding, followed by bytes that belong to nothing.
    #[error("{len} trailing bytes")]
    TrailingBytes {
        /// How many bytes were left.
        len: usize,
    },
    /// A number takes more bytes than it needs, where only the shortest encoding is one.
    #[error("a number is padded")]
    Padded,
    /// A field is out of its bounds.
    #[error("{field} is out of bounds")]
    OutOfBounds {
        /// The field's name.
        field: &'static str,
    },
}

/// The signature doesn't belong to the author and the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not the author's")]
pub struct BadSignature;

/// Why a statement of our own can't be signed. The caller's fault; nothing was produced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// A field is out of its bounds.
    #[error("{field} is out of bounds")]
    OutOfBounds {
        /// The field's name.
        field: &'static str,
    },
    /// The encoded statement would pass [`crate::limits::MAX_SIGNED_LEN`].
    #[error("the statement takes {len} bytes, the limit is {max}")]
    TooLong {
        /// The encoded length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The statement names another author than the key that was to sign it.
    #[error("the statement's author is not the signing key's")]
    NotTheAuthor,
}

/// Why a topic or a secret makes no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// An empty topic or secret is almost always a shell variable that wasn't set.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// Longer than [`crate::limits::MAX_TOPIC_LEN`].
    #[error("the {0} is longer than {max} bytes", max = crate::limits::MAX_TOPIC_LEN)]
    TooLong(&'static str),
}

/// Why a string names no peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParsePeerError {
    /// Neither a node id, nor `id@ip:port`, nor a ticket.
    #[error("`{0}` is no node id (64 hex digits), no `id@ip:port` and no ticket")]
    NotAPeer(String),
    /// The part before `@` is no node id.
    #[error("`{0}` is no node id: 64 hex digits are expected")]
    BadNodeId(String),
    /// The part after `@` is no socket address.
    #[error("`{0}` is no address: `ip:port` is expected, `[ip]:port` for IPv6")]
    BadAddr(String),
    /// A ticket's prefix, but not a ticket's bytes.
    #[error("the ticket is damaged: {0}")]
    BadTicket(String),
}

/// Why a string is no name of a blob, or no hash of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseBlobError {
    /// An empty name.
    #[error("the name is empty")]
    NameEmpty,
    /// Longer than [`crate::limits::MAX_BLOB_NAME_LEN`].
    #[error("the name has {len} bytes, the limit is {max}", max = crate::limits::MAX_BLOB_NAME_LEN)]
    NameTooLong {
        /// Its length.
        len: usize,
    },
    /// A control character, such as a line break.
    #[error("the name has a control character")]
    NameControl,
    /// Not 64 hex digits.
    #[error("no hash: 64 hex digits are expected")]
    NoHash,
}

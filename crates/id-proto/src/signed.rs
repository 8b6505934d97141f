//! A statement and its author's signature, as the exact bytes that were signed.
//!
//! `signed = signature (64 bytes) ‖ body`, and the signature is over `domain ‖ body`. The bytes
//! received are kept and passed on; nothing is ever encoded anew, because an encoding that means
//! the same needn't be the same bytes.

use std::{fmt, sync::Arc, time::Duration};

use ed25519_dalek::VerifyingKey;
use iroh_base::{PublicKey, SecretKey, Signature};

use crate::{
    error::{BadSignature, DecodeError, SignError},
    limits::MAX_SIGNED_LEN,
    network::NetworkTag,
};

/// What a node says of itself and signs: an announcement or a leave.
pub trait Statement: sealed::DecodeWithKey + Sized {
    /// Goes before the body when it is signed, so that one kind can't be passed off as another.
    const DOMAIN: &'static [u8];

    /// The key that must have signed.
    fn author(&self) -> PublicKey;

    /// The statement's place among all that its author ever said: unix milliseconds, growing.
    fn seq(&self) -> u64;

    /// The network it is meant for.
    fn network_tag(&self) -> NetworkTag;

    /// When it was made by its author's clock, in unix seconds.
    fn timestamp_secs(&self) -> u64;

    /// How long after its timestamp it may still be news.
    fn lifetime(&self) -> Duration;

    /// The bytes to sign.
    fn encode_body(&self) -> Result<Vec<u8>, SignError>;

    /// The statement in `body`, with every field in its bounds.
    fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
        Self::decode_with_key(body).map(|(statement, _)| statement)
    }
}

pub(crate) mod sealed {
    use ed25519_dalek::VerifyingKey;

    use crate::error::DecodeError;

    pub trait DecodeWithKey: Sized {
        /// The statement, and its author's key as the point that it is.
        fn decode_with_key(body: &[u8]) -> Result<(Self, VerifyingKey), DecodeError>;
    }
}

pub(crate) const SIGNATURE_LEN: usize = Signature::LENGTH;

/// A statement that decodes and is in bounds, but may be anybody's: the signature is not checked.
///
/// It exists so that cheap checks can come before the expensive one.
#[derive(Clone)]
pub struct Unverified<T> {
    bytes: Arc<[u8]>,
    statement: T,
    /// The author's key. A [`PublicKey`] is checked to be a point and then only keeps the bytes; to
    /// compute the point again is a tenth of what a verification takes. Boxed, being larger than all
    /// the rest.
    key: Box<VerifyingKey>,
}

/// A statement that its author signed, with the original bytes.
#[derive(Clone)]
pub struct Signed<T> {
    bytes: Arc<[u8]>,
    statement: T,
}

impl<T: Statement> Unverified<T> {
    /// Decodes at most [`MAX_SIGNED_LEN`] bytes, without checking the signature.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_SIGNED_LEN {
            return Err(DecodeError::TooLong { len: bytes.len(), max: MAX_SIGNED_LEN });
        }
        let body = bytes
            .get(SIGNATURE_LEN..)
            .ok_or(DecodeError::Malformed(postcard::Error::DeserializeUnexpectedEnd))?;
        let (statement, key) = T::decode_with_key(body)?;
        Ok(Self { bytes: bytes.into(), statement, key: Box::new(key) })
    }

    /// Checks the signature by the strict rule (docs/protocol.md, Keys), as [`PublicKey::verify`]
    /// does: S is reduced, neither the key nor R is of small order, and the equation holds exactly.
    pub fn verify(self) -> Result<Signed<T>, BadSignature> {
        let (signature, body) = self.bytes.split_at(SIGNATURE_LEN);
        let signature: &[u8; SIGNATURE_LEN] =
            signature.try_into().expect("decode checked the length");
        self.key
            .verify_strict(&signed_message::<T>(body), &ed25519_dalek::Signature::from(signature))
            .map_err(|_| BadSignature)?;
        Ok(Signed { bytes: self.bytes, statement: self.statement })
    }

    /// The bytes as they came: signature and body.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it claims to say.
    pub fn claimed(&self) -> &T {
        &self.statement
    }
}

impl<T: Statement> Signed<T> {
    /// Signs `statement` with its author's key.
    pub fn sign(statement: T, key: &SecretKey) -> Result<Self, SignError> {
        if statement.author() != key.public() {
            return Err(SignError::NotTheAuthor);
        }
        let body = statement.encode_body()?;
        let len = SIGNATURE_LEN + body.len();
        if len > MAX_SIGNED_LEN {
            return Err(SignError::TooLong { len, max: MAX_SIGNED_LEN });
        }
        let mut bytes = key.sign(&signed_message::<T>(&body)).to_bytes().to_vec();
        bytes.extend_from_slice(&body);
        Ok(Self { bytes: bytes.into(), statement })
    }

    /// The signed original: signature and body.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the author said.
    pub fn statement(&self) -> &T {
        &self.statement
    }
}

impl<T> std::ops::Deref for Signed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.statement
    }
}

impl<T> PartialEq for Signed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<T> Eq for Signed<T> {}

impl<T: fmt::Debug> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signed").field(&self.statement).finish()
    }
}

impl<T: fmt::Debug> fmt::Debug for Unverified<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unverified").field(&self.statement).finish()
    }
}

fn signed_message<T: Statement>(body: &[u8]) -> Vec<u8> {
    [T::DOMAIN, body].concat()
}

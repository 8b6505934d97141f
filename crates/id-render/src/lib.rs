//! What is known of the peers of a network, as one [`Document`], and its renderings: siblings that say
//! the same of the same peers in the same order.
//!
//! [`model`] is the document, and at the same time the JSON, field by field; [`json`], [`jsonl`], [`tsv`],
//! [`dot`], [`graphml`] and [`svg`] write it, each with one function `render`. What peers say of themselves is
//! hostile where it is shown: [`sanitize`] and [`xml`] make it harmless, and [`text`] says how values look to
//! people.
//!
//! This crate prints nothing, and opens nothing: it writes into an [`std::io::Write`] of the caller's. It reads
//! no clock: when a document was made is said by whoever makes it.
#![forbid(unsafe_code)]

pub mod json;
pub mod jsonl;
pub mod model;

pub mod dot;
pub mod graphml;
pub mod svg;
pub mod tsv;

pub mod sanitize;
pub mod text;
pub mod xml;

mod agreement;
mod handed;

#[cfg(any(test, feature = "test-util"))]
pub mod samples;

pub use agreement::{Agreement, Check, View};
pub use handed::{Handed, HandedOver};
pub use model::{Document, Header, Peer, Status, Tool};

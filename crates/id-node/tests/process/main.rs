//! Whole processes: what an operator sees of `id-node`.

#![cfg(unix)]

mod advising;
#[cfg(feature = "blobs")]
mod holding;
mod lab;
mod operating;
mod packaging;
mod reloading;
mod serving;
mod settings;
mod showing;
mod starting;
mod stopping;
mod supervising;

//! Whole processes: what an operator sees of `id-node`.

#![cfg(unix)]

mod lab;
mod operating;
mod reloading;
mod settings;
mod starting;
mod stopping;

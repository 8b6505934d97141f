//! Hosts whose clock is another one. A namespace of its own shifts no wall clock, so libfaketime does it,
//! in each program there.

use std::{path::PathBuf, process::Command};

use super::Network;

/// Where Debian's package leaves the library, by architecture.
const PLACES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// Why no clock can be shifted where [`library`] finds nothing.
pub(crate) const NO_FAKETIME: &str = "libfaketime is missing (package libfaketime)";

/// The library that shifts a clock, if it is installed.
pub(crate) fn library() -> Option<PathBuf> {
    PLACES.iter().map(PathBuf::from).find(|place| place.exists())
}

impl Network {
    /// Shifts the wall clock of programs that are started on `host` from now on: `+1h`, `-10m`.
    pub(crate) fn shift_clock(&mut self, host: usize, offset: &str) {
        self.clocks.insert(host, offset.to_owned());
    }
}

pub(super) fn shift(command: &mut Command, offset: &str) {
    let Some(library) = library() else { return };
    command.env("LD_PRELOAD", library).env("FAKETIME", offset);
    // Durations stay what they are.
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
}

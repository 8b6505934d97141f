//! What to try next, after an error that doesn't say so itself.

use std::io::{self, ErrorKind};

use anyhow::{Error, anyhow};
use id_node::data_dir::DataDirError;

/// The same error, on one line with what to try.
pub(crate) fn add(error: Error) -> Error {
    match after(&error) {
        Some(advice) => anyhow!("{error:#}; {advice}"),
        None => error,
    }
}

fn after(error: &Error) -> Option<&'static str> {
    if let Some(DataDirError::Io { .. }) = error.downcast_ref() {
        return Some(
            "give a --data-dir that this user can write to, or --ephemeral to keep nothing",
        );
    }
    error.chain().find_map(of_system)
}

fn of_system(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    match error.downcast_ref::<io::Error>()?.kind() {
        ErrorKind::AddrInUse => Some(
            "another program has that port: give --bind another one, or 0 for any that is free",
        ),
        ErrorKind::AddrNotAvailable => Some(
            "this machine has no such address: --bind takes one of its own, or 0.0.0.0 for all",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn whoever_cant_bind_or_write_is_told_what_to_try() {
        let failed = |kind| Err::<(), _>(io::Error::from(kind)).context("can't bind").unwrap_err();
        assert!(after(&failed(ErrorKind::AddrInUse)).unwrap().contains("another program"));
        assert!(after(&failed(ErrorKind::AddrNotAvailable)).unwrap().contains("no such address"));
        assert_eq!(after(&failed(ErrorKind::OutOfMemory)), None);
        let why = io::Error::from(ErrorKind::PermissionDenied);
        let dir: Error = DataDirError::Io { path: "/var".into(), why }.into();
        assert!(after(&dir).unwrap().contains("--data-dir"));
        let in_use: Error = DataDirError::InUse("/var".into()).into();
        assert_eq!(after(&in_use), None, "it says so itself");
    }
}

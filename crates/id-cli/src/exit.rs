//! How the program ends: every exit code, and what an error means for it.

use std::{fmt, io, process::ExitCode};

use anyhow::Error;

/// The exit codes. Scripts rely on them; docs/scripts.md lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for was done. An empty result is a result.
    Ok,
    /// Something failed that is none of the below.
    Failure,
    /// `diff` compared, and there is a difference; as diff(1) says it.
    Different,
    /// The arguments, the environment or what they refer to make no sense.
    Usage,
    /// It worked, but a condition of the caller's doesn't hold: `--min-peers`, `--check`.
    Unmet,
    /// It ended before it was done; what there was is printed.
    StoppedEarly,
    /// Nobody could be asked.
    NoSource,
    /// Ctrl-C or SIGTERM; what there was is printed.
    Interrupted,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure | Self::Different => 1,
            Self::Usage => 2,
            Self::Unmet => 3,
            Self::StoppedEarly => 4,
            Self::NoSource => 5,
            Self::Interrupted => 130,
        }
    }

    /// What `error` means.
    pub(crate) fn of(error: &Error) -> Self {
        match error.downcast_ref::<Stop>() {
            _ if is_closed_pipe(error) => Self::Ok,
            Some(stop) => stop.exit,
            None => Self::Failure,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Whether whoever read our output has had enough: `| head -1`. That is no failure of ours.
///
/// Only errors of stdout are passed on as they are; all others have a context or a type of ours.
pub(crate) fn is_closed_pipe(error: &Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// An end that was foreseen: one line of what is wrong, perhaps one of what to try next.
#[derive(Debug)]
pub(crate) struct Stop {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What is wrong.
    pub(crate) message: String,
    /// What to try next.
    pub(crate) hint: Option<String>,
}

impl Stop {
    /// The caller's mistake.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Usage, message: message.to_string(), hint: None }
    }

    /// Nobody could be asked.
    pub(crate) fn no_source(message: impl fmt::Display) -> Self {
        Self { exit: Exit::NoSource, message: message.to_string(), hint: None }
    }

    /// Adds what to try next.
    pub(crate) fn with_hint(self, hint: impl fmt::Display) -> Self {
        Self { hint: Some(hint.to_string()), ..self }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Stop {}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn codes_are_those_that_scripts_rely_on() {
        use Exit::*;
        let all = [Ok, Failure, Different, Usage, Unmet, StoppedEarly, NoSource, Interrupted];
        assert_eq!(all.map(Exit::code), [0, 1, 1, 2, 3, 4, 5, 130]);
    }

    #[test]
    fn foreseen_end_has_its_own_code_and_any_other_error_is_a_failure() {
        assert_eq!(Exit::of(&Stop::usage("x").into()), Exit::Usage);
        assert_eq!(Exit::of(&Stop::no_source("x").with_hint("y").into()), Exit::NoSource);
        assert_eq!(Exit::of(&anyhow::anyhow!("x")), Exit::Failure);
        let wrapped = Err::<(), _>(Stop::usage("x")).context("while reading").unwrap_err();
        assert_eq!(Exit::of(&wrapped), Exit::Usage);
    }

    #[test]
    fn reader_that_has_had_enough_is_no_failure() {
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(Exit::of(&closed.into()), Exit::Ok);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(Exit::of(&full.into()), Exit::Failure);
    }
}

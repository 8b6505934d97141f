//! The real binary, run away from the settings of whoever runs the tests.

use std::{
    path::Path,
    process::{Command, Output},
};

/// `id-cli` with `args`, with a home and a data directory in `home`.
pub(crate) fn id_cli<S: AsRef<str>>(home: &Path, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_id-cli"));
    command.args(args.into_iter().map(|arg| arg.as_ref().to_owned()));
    isolate(&mut command, home);
    command
}

/// Takes every setting out of the environment of `command`.
pub(crate) fn isolate(command: &mut Command, home: &Path) {
    let is_ours = |name: &str| name.starts_with("ID_") || name == "RUST_LOG";
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_ours) {
            command.env_remove(name);
        }
    }
    command.env_remove("STATE_DIRECTORY").env_remove("CREDENTIALS_DIRECTORY");
    command.env("HOME", home).env("XDG_DATA_HOME", home.join("share"));
    // The local network is nobody's business who tests.
    command.env("ID_CLI_NO_MDNS", "true");
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `command` to its end.
pub(crate) fn run(mut command: Command) -> Ended {
    ended(command.output().unwrap())
}

pub(crate) fn ended(output: Output) -> Ended {
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

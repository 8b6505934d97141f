//! Namespaces around a run of this program: nothing leaves them, and the kernel clears them away.
//!
//! The first process inside watches a pipe whose other end we hold. If we vanish, however, the pipe
//! closes, it ends, and with the first process of a process namespace the kernel ends all others.

use std::{
    fs,
    process::{Child, Command, ExitStatus, Stdio},
};

use anyhow::{Context, Result};

use crate::project::{capture, succeeds};

/// User, network, mount and process namespaces. The user namespace makes us root in there, whoever
/// we are out here.
const FLAGS: [&str; 8] = [
    "--user",
    "--map-root-user",
    "--net",
    "--mount",
    "--mount-proc",
    "--pid",
    "--fork",
    "--kill-child",
];

/// Runs what it is told with its standard input as a lifeline, and calls `clear`, which the set-up
/// before it defines. A shell, because the first process of a namespace must collect orphans, and
/// ignores signals that it doesn't handle.
const GUARD: &str = r#"
trap 'clear; exit 143' HUP INT TERM
exec 3<&0
(cat <&3 >/dev/null; kill -s TERM 1) &
"$@" </dev/null 3<&- &
wait $!
status=$?
clear
exit $status
"#;

/// Settings of kernels, and the value with which each forbids user namespaces: everybody's, Debian's
/// and Ubuntu's.
const SETTINGS: [(&str, &str); 3] = [
    ("user.max_user_namespaces", "0"),
    ("kernel.unprivileged_userns_clone", "0"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1"),
];

/// A program that is needed, how to ask whether it is there, and which package brings it.
pub(crate) type Needed = (&'static str, &'static str, &'static str);

/// The one that each of them needs.
pub(crate) const UNSHARE: Needed = ("unshare", "--version", "util-linux");

/// Why there can't be namespaces with these programs in which `probe`, a line of a shell, succeeds.
pub(crate) fn obstacle(programs: &[Needed], probe: &str) -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("network namespaces are Linux'".to_owned());
    }
    for (program, question, package) in programs {
        if !succeeds(Command::new(program).arg(question)) {
            return Some(format!("`{program}` is missing (package {package})"));
        }
    }
    let error = capture(Command::new("unshare").args(FLAGS).args(["sh", "-c", probe])).err()?;
    let because = forbidding_setting().map(|setting| format!(" ({setting})")).unwrap_or_default();
    Some(format!("the system grants no namespaces{because}: {error:#}"))
}

/// The setting that forbids users their namespaces, if it is one that we know.
fn forbidding_setting() -> Option<String> {
    let has_value = |(name, value): &(&str, &str)| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        fs::read_to_string(path).is_ok_and(|text| text.trim() == *value)
    };
    let (name, value) = SETTINGS.into_iter().find(has_value)?;
    Some(format!("sysctl {name} is {value}"))
}

/// A command that runs its arguments in namespaces of their own. Before it does, it runs `set_up`, lines
/// of a shell: they take their own arguments off the front by `shift`, and define `clear`.
pub(crate) fn command(set_up: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(FLAGS).args(["sh", "-c", &format!("{set_up}{GUARD}"), "guard"]);
    command.stdin(Stdio::piped());
    command
}

/// Starts such a command. All in there ends when the standard input of the child is closed.
pub(crate) fn start(command: &mut Command) -> Result<Child> {
    command.spawn().context("can't run unshare")
}

/// Runs such a command, whose output is ours, until it ends.
pub(crate) fn run(command: &mut Command) -> Result<ExitStatus> {
    let mut child = start(command)?;
    // `wait` would close it.
    let _lifeline = child.stdin.take();
    Ok(child.wait()?)
}

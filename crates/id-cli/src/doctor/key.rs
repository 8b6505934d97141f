//! Is there a key that only the node can read?

use super::{
    Finding, Step,
    facts::{Facts, Key},
};

const STEP: Step = Step::Key;

pub(super) fn judge(facts: &Facts) -> Finding {
    match &facts.key {
        Key::Unused => Finding::skipped(STEP, "a new one at each start (--ephemeral)"),
        Key::Missing => Finding::ok(STEP, "will be made at the first start"),
        Key::Good(id) => Finding::ok(STEP, format!("that of node {id}")),
        Key::Loose { path, mode } => Finding::fault(
            STEP,
            format!(
                "{} may be read by others (mode {mode:04o}), so the node doesn't start",
                path.display()
            ),
            format!("run `chmod 600 {}`, and consider the key known", path.display()),
        ),
        Key::Bad(error) => Finding::fault(
            STEP,
            error.clone(),
            "restore it from a backup, or move it away to become another node",
        ),
        Key::Foreign => Finding::skipped(STEP, "it is another user's: run this as the node's user"),
    }
}

//! Can the node keep what it must remember?

use super::{
    Finding, Step,
    facts::{DataDir, Facts},
};

const STEP: Step = Step::DataDir;

pub(super) fn judge(facts: &Facts) -> Finding {
    match &facts.data_dir {
        DataDir::Unused => Finding::skipped(STEP, "nothing is kept on disk (--ephemeral)"),
        DataDir::Missing(path) => {
            Finding::ok(STEP, format!("{} will be made at the first start", path.display()))
        }
        DataDir::Usable(path) => Finding::ok(STEP, format!("{} can be written to", path.display())),
        DataDir::Full(path, error) => Finding::fault(
            STEP,
            format!("there is no room in {}: {error}", path.display()),
            "make room on that file system, or give another --data-dir",
        ),
        DataDir::Unusable(path, error) => Finding::fault(
            STEP,
            format!("{} can't be written to: {error}", path.display()),
            "let the node's user own the directory, or give another --data-dir",
        ),
        DataDir::Foreign(path) => Finding::skipped(
            STEP,
            format!("{} is another user's: run this as the node's user", path.display()),
        ),
    }
}

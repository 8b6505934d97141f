//! Whom does this configuration contact besides peers?

use super::{Finding, Step, facts::Facts};

const STEP: Step = Step::ThirdParties;

pub(super) fn judge(facts: &Facts) -> Finding {
    match &facts.config.third_parties[..] {
        [] => Finding::ok(STEP, "none"),
        some => Finding::ok(STEP, some.join("; ")),
    }
}

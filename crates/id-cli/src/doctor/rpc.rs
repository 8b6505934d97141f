//! Does this machine's node answer?

use super::{
    Finding, Step,
    facts::{Facts, Own},
};

const STEP: Step = Step::Rpc;

pub(super) fn judge(facts: &Facts) -> Finding {
    match &facts.own {
        Own::NotRunning => Finding::skipped(STEP, "no node runs on this machine"),
        Own::OtherNetwork => {
            Finding::skipped(STEP, "the node that runs here is in another network")
        }
        Own::Answers(status) => Finding::ok(
            STEP,
            format!(
                "node {} answers; it runs for {} s and knows {} peers",
                status.node_id.fmt_short(),
                status.uptime_secs,
                status.table_size
            ),
        ),
        Own::Fails { kind, message } => Finding::fault(
            STEP,
            format!("the node runs, and doesn't answer: {kind} ({message})"),
            "look into its log; if it hangs, restart it and report the log",
        ),
    }
}

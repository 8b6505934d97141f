//! Is the data directory this configuration's alone?

use super::{
    Finding, Step,
    facts::{Facts, Instance},
};

const STEP: Step = Step::Instance;

pub(super) fn judge(facts: &Facts) -> Finding {
    let own = &facts.config;
    match &facts.instance {
        Instance::None => Finding::ok(STEP, "no node runs on the data directory"),
        Instance::Node { pid, tag, .. } if *tag == own.tag => {
            Finding::ok(STEP, format!("one node runs on the data directory (process {pid})"))
        }
        Instance::Node { pid, topic, tag } => Finding::fault(
            STEP,
            format!(
                "process {pid} runs on this data directory already, in another network ({tag}, topic \
                 `{topic}`) than these settings make ({}, topic `{}`)",
                own.tag, own.topic
            ),
            "give the second node a --data-dir of its own; or, if that one is meant, its --topic and \
             --topic-secret-file here",
        ),
        Instance::Unknown(path) => Finding::fault(
            STEP,
            format!("somebody else holds {}", path.display()),
            "a second node is starting, stopping or stuck: look for it with `fuser` on that file, or \
             give this one a --data-dir of its own",
        ),
    }
}

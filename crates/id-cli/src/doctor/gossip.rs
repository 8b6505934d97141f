//! Has the node neighbours in its topic?

use super::{
    Finding, Step,
    facts::{Facts, Heard, Own},
};

const STEP: Step = Step::Gossip;
const ADVICE: &str = "is another node of this network running? Name one by --bootstrap";

pub(super) fn judge(facts: &Facts) -> Finding {
    if !facts.config.gossip {
        return Finding::skipped(STEP, "not joined (--no-gossip)");
    }
    match (&facts.own, facts.heard) {
        (Own::Answers(own), _) if own.n_neighbours == 0 => {
            Finding::warning(STEP, format!("the node has no neighbour ({})", channels(own)), ADVICE)
        }
        (Own::Answers(own), _) => Finding::ok(
            STEP,
            format!("{} neighbours, {} peers in its table", own.n_neighbours, own.table_size),
        ),
        (_, Some(Heard { n_neighbours: 0, .. })) => {
            Finding::warning(STEP, "nobody was met in the topic", ADVICE)
        }
        (_, Some(heard)) => Finding::ok(
            STEP,
            format!(
                "listened: {} neighbours, {} peers heard of",
                heard.n_neighbours, heard.n_peers
            ),
        ),
        (_, None) => Finding::skipped(STEP, "nobody could be asked"),
    }
}

fn channels(own: &super::facts::OwnStatus) -> String {
    let said = own.channels.iter().filter(|(name, _)| *name != "access");
    said.map(|(name, what)| format!("{name}: {what}")).collect::<Vec<_>>().join("; ")
}

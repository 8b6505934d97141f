//! Do the peers answer that this node is told of?

use super::{
    Finding, Step,
    facts::{Facts, Failure, Peer, Why},
};

const STEP: Step = Step::Peers;

pub(super) fn judge(facts: &Facts) -> Finding {
    let told: Vec<&Peer> = facts.peers.iter().filter(|peer| peer.why != Why::Found).collect();
    let silent: Vec<(&Peer, &Failure)> =
        told.iter().filter_map(|peer| Some((*peer, peer.outcome.as_ref().err()?))).collect();
    let n_answered = facts.answers().count();
    let wants_named = silent.iter().any(|(peer, _)| peer.why == Why::Named);
    match (told.len(), silent.len()) {
        (0, _) if facts.peers.is_empty() => {
            Finding::skipped(STEP, "no peer is named, by --bootstrap or here, and none was found")
        }
        (0, _) => {
            Finding::ok(STEP, format!("{n_answered} of {} found ones answer", facts.peers.len()))
        }
        (_, 0) => Finding::ok(STEP, format!("{n_answered} of {} answer", facts.peers.len())),
        (n_told, n_silent) if n_told == n_silent || wants_named => Finding::fault(
            STEP,
            format!("{n_silent} of {n_told} named peers don't answer: {}", listed(&silent)),
            "do they run, are id and address right, does a firewall there drop UDP?",
        ),
        (n_told, n_silent) => Finding::warning(
            STEP,
            format!("{n_silent} of {n_told} named peers don't answer: {}", listed(&silent)),
            "take those out of --bootstrap that are gone for good",
        ),
    }
}

fn listed(silent: &[(&Peer, &Failure)]) -> String {
    let one = |(peer, failure): &(&Peer, &Failure)| {
        format!("{} {} ({})", peer.short_id(), failure.kind, failure.message)
    };
    silent.iter().take(3).map(one).collect::<Vec<_>>().join(", ")
}

//! Are the peers in the network that topic and secret make?

use super::{
    Finding, Step,
    facts::{Facts, Peer, Standing, Why},
};

const STEP: Step = Step::Membership;

pub(super) fn judge(facts: &Facts) -> Finding {
    let own = &facts.config;
    let answers: Vec<(&Peer, &Standing)> =
        facts.answers().map(|(peer, answer)| (peer, &answer.standing)).collect();
    let outside: Vec<&(&Peer, &Standing)> =
        answers.iter().filter(|(_, standing)| **standing != Standing::Member).collect();
    let is_told = |(peer, _): &&&(&Peer, &Standing)| peer.why != Why::Found;
    match (answers.len(), outside.first()) {
        (0, _) => Finding::skipped(STEP, "no peer answered"),
        (n, None) => Finding::ok(STEP, format!("{n} peers are in network {}", own.tag)),
        (n, Some(_)) if outside.len() < n && !outside.iter().any(|it| is_told(&it)) => {
            Finding::ok(STEP, format!("{} peers are in network {}", n - outside.len(), own.tag))
        }
        (_, Some((peer, standing))) => Finding::fault(
            STEP,
            format!(
                "{} answers, and {} than {} (topic `{}`)",
                peer.short_id(),
                describe(standing),
                own.tag,
                own.topic
            ),
            "topic or secret is another one there: compare `network` in `id-cli status` on both, and \
             the contents of the secret's files",
        ),
    }
}

fn describe(standing: &Standing) -> String {
    match standing {
        Standing::Elsewhere(tag) => format!("is in another network, {tag},"),
        Standing::Member | Standing::Stranger => {
            "is in a private network of another topic or secret".to_owned()
        }
    }
}

//! Do packets get out, and answers in?

use id_client::PathKind;

use super::{
    Finding, Step,
    facts::{Facts, Peer},
};

const STEP: Step = Step::Udp;

/// Somebody outside who was asked by UDP.
struct Asked {
    who: &'static str,
    has_answered: bool,
}

pub(super) fn judge(facts: &Facts) -> Finding {
    let asked = asked(facts);
    let names = |answered: bool| -> String {
        let of = asked.iter().filter(|it| it.has_answered == answered).map(|it| it.who);
        of.collect::<Vec<_>>().join(" and ")
    };
    match (has_answer(facts), asked.len()) {
        (_, 0) => Finding::skipped(STEP, "nobody outside this machine was asked by UDP"),
        (true, _) => Finding::ok(STEP, format!("{} answered by UDP", names(true))),
        (false, 1) => Finding::warning(
            STEP,
            format!("{} didn't answer by UDP, and nobody else was asked", names(false)),
            "name a NODE that is known to run, to tell whether it is they or UDP",
        ),
        (false, _) => Finding::fault(
            STEP,
            format!(
                "UDP doesn't get through: neither {} answered",
                names(false).replace(" and ", " nor ")
            ),
            "let UDP out of this machine and its answers in, here (`nft list ruleset`) and on the way \
             (router, provider, container); without it peers are reached by relays only, and the DHT \
             not at all",
        ),
    }
}

/// Whether anybody outside answered.
pub(super) fn has_answer(facts: &Facts) -> bool {
    asked(facts).iter().any(|it| it.has_answered)
}

/// Multicast isn't among it: it comes in where nothing gets out.
fn asked(facts: &Facts) -> Vec<Asked> {
    let mut asked = Vec::new();
    if let Some(outside) = facts.outside.as_ref() {
        let has_answered = outside.udp_v4 || outside.udp_v6;
        asked.push(Asked { who: "relays", has_answered });
    }
    if let Some(dht) = facts.dht.as_ref().filter(|dht| dht.n_bootstrap > 0) {
        asked.push(Asked { who: "the DHT", has_answered: dht.has_answered });
    }
    let dialled: Vec<_> = facts
        .peers
        .iter()
        .filter(|peer| !peer.is_here)
        .filter_map(Peer::was_asked_by_udp)
        .collect();
    if !dialled.is_empty() {
        asked.push(Asked { who: "peers", has_answered: dialled.contains(&true) });
    }
    asked
}

impl Peer {
    /// Whether it answered by UDP; `None` if that can't be said, as when it wasn't dialled.
    fn was_asked_by_udp(&self) -> Option<bool> {
        use id_client::FailKind::{ForbiddenAddress, NoAddress, Timeout};
        match &self.outcome {
            Ok(answer) => Some(answer.path == PathKind::Direct),
            Err(failure) => match failure.kind {
                NoAddress | ForbiddenAddress => None,
                Timeout => Some(false),
                // Somebody answered, if not as was hoped.
                _ => Some(true),
            },
        }
    }
}

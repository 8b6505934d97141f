//! Is there a relay to be reached through?

use super::{
    Finding, Step,
    facts::{Facts, Relay, RelayState},
};

const STEP: Step = Step::Relay;

pub(super) fn judge(facts: &Facts) -> Finding {
    let relays = &facts.relays;
    let home = relays.iter().find(|relay| relay.state == RelayState::Connected);
    match (home, failures(relays)) {
        (None, failed) if failed.is_empty() => Finding::skipped(STEP, "no relay is configured"),
        (Some(home), failed) if failed.is_empty() => {
            Finding::ok(STEP, format!("connected to {}", home.url))
        }
        (Some(home), failed) => Finding::warning(
            STEP,
            format!("connected to {}, but not to {}", home.url, failed.join(", ")),
            "take out what is gone for good",
        ),
        (None, failed) => Finding::fault(
            STEP,
            format!("no relay can be reached: {}", failed.join(", ")),
            "is the URL right, does the relay run, does a firewall or proxy let TCP to it through? \
             Peers that can't be dialled directly aren't reached without one",
        ),
    }
}

fn failures(relays: &[Relay]) -> Vec<String> {
    let failed = relays.iter().filter_map(|relay| match &relay.state {
        RelayState::Failed(error) => Some(format!("{} ({error})", relay.url)),
        RelayState::Connected | RelayState::Spare => None,
    });
    failed.collect()
}

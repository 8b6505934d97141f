//! What is between this machine and the internet?

use super::{
    Finding, Step,
    facts::{Facts, Outside},
};

const STEP: Step = Step::Nat;

pub(super) fn judge(facts: &Facts) -> Finding {
    let Some(outside) = &facts.outside else {
        return Finding::skipped(STEP, "no relay in use tells how this machine looks from outside");
    };
    if outside.captive_portal {
        return Finding::fault(
            STEP,
            "a captive portal answers in place of the internet",
            "log in to the network by a browser",
        );
    }
    let addrs = listed(outside);
    match outside.mapping_varies {
        Some(true) => Finding::warning(
            STEP,
            format!("the router takes another port for each destination; from outside: {addrs}"),
            "peers behind such a router too are reached through a relay only; forward a UDP port and \
             give --bind, or keep a relay",
        ),
        Some(false) => Finding::ok(
            STEP,
            format!("peers can be reached directly through the router; from outside: {addrs}"),
        ),
        None if outside.addrs.is_empty() => {
            Finding::skipped(STEP, "no relay could tell how this machine looks from outside")
        }
        None => Finding::ok(STEP, format!("from outside: {addrs}")),
    }
}

fn listed(outside: &Outside) -> String {
    let addrs: Vec<String> = outside.addrs.iter().map(ToString::to_string).collect();
    if addrs.is_empty() { "unknown".to_owned() } else { addrs.join(", ") }
}

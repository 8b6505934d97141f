//! Do the names resolve that this configuration needs?

use super::{
    Finding, Step,
    facts::{Facts, Name},
};

const STEP: Step = Step::Dns;

pub(super) fn judge(facts: &Facts) -> Finding {
    let (good, bad): (Vec<&Name>, Vec<&Name>) =
        facts.names.iter().partition(|name| name.resolved.is_ok());
    match (&good[..], &bad[..]) {
        ([], []) => Finding::skipped(STEP, "this configuration needs no names"),
        (good, []) => Finding::ok(STEP, format!("all {} names resolve", good.len())),
        ([], bad) => Finding::fault(
            STEP,
            format!("none of {} names resolves: {}", bad.len(), listed(bad)),
            "look at /etc/resolv.conf and at the server it names: `getent hosts example.org` must work",
        ),
        (_, bad) => Finding::warning(
            STEP,
            format!("{} of {} names don't resolve: {}", bad.len(), facts.names.len(), listed(bad)),
            "are the names right, and does the resolver know them?",
        ),
    }
}

/// The first few.
fn listed(names: &[&Name]) -> String {
    let one = |name: &&Name| {
        let error = name.resolved.as_ref().err().map_or("", String::as_str);
        format!("{} for {} ({error})", name.name, name.purpose)
    };
    let few: Vec<String> = names.iter().take(2).map(one).collect();
    let more = names.len().saturating_sub(2);
    let rest = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{}{rest}", few.join(", "))
}

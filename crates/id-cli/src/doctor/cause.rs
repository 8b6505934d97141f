//! Which of the faults is it, most likely?

use super::{Facts, Finding, Step, Verdict};

/// What keeps a node from running comes first, then what keeps packets from travelling, then what keeps
/// nodes from believing each other, then single ways to find them.
const ORDER: &[Step] = &[
    Step::DataDir,
    Step::Key,
    Step::Instance,
    Step::Rpc,
    Step::Ip,
    Step::Dns,
    Step::Udp,
    Step::Nat,
    Step::Clock,
    Step::Versions,
    Step::Membership,
    Step::Peers,
    Step::Relay,
    Step::Dht,
    Step::Mdns,
    Step::Gossip,
    Step::ThirdParties,
];

/// The fault that comes first among the causes.
pub(super) fn first_fault(findings: &[Finding]) -> Option<&Finding> {
    first(findings, Verdict::Fault)
}

/// One sentence.
pub(super) fn sentence(findings: &[Finding], facts: &Facts) -> String {
    if let Some(fault) = first_fault(findings) {
        return format!("Most likely the cause is {}: {}.", fault.step.as_str(), fault.seen);
    }
    let (n_peers, config) = (facts.n_peers(), &facts.config);
    let but = first(findings, Verdict::Warning)
        .filter(|warning| n_peers > 0 || warning.step != Step::Gossip)
        .map(|warning| format!("; but {}: {}", warning.step.as_str(), warning.seen))
        .unwrap_or_default();
    match n_peers {
        0 => format!(
            "No fault was found, and nobody else in network {} (topic `{}`): are others running, with \
             the same topic and secret{but}?",
            config.tag, config.topic
        ),
        1 => format!("No fault was found: 1 peer is known{but}."),
        n => format!("No fault was found: {n} peers are known{but}."),
    }
}

fn first(findings: &[Finding], verdict: Verdict) -> Option<&Finding> {
    let find = |step: &Step| findings.iter().find(|it| it.step == *step && it.verdict == verdict);
    ORDER.iter().find_map(find)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_can_be_a_cause() {
        assert!(Step::ALL.iter().all(|step| ORDER.contains(step)));
        assert_eq!(ORDER.len(), Step::ALL.len());
    }
}

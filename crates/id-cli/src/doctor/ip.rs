//! Is there a network at all?

use super::{
    Finding, Step,
    facts::{Facts, WaysOut},
    udp,
};

const STEP: Step = Step::Ip;

pub(super) fn judge(facts: &Facts) -> Finding {
    if facts.config.is_local {
        return Finding::skipped(STEP, "the node is to listen to this machine only (--bind)");
    }
    match facts.ways_out {
        WaysOut { v4: Some(v4), v6: Some(v6) } => {
            Finding::ok(STEP, format!("IPv4 by {v4}, IPv6 by {v6}"))
        }
        WaysOut { v4: Some(v4), v6: None } => Finding::ok(STEP, format!("IPv4 by {v4}, no IPv6")),
        WaysOut { v4: None, v6: Some(v6) } => Finding::warning(
            STEP,
            format!("IPv6 by {v6}, no IPv4"),
            "peers and DHT nodes without IPv6 can only be reached through a relay",
        ),
        WaysOut { v4: None, v6: None } if reaches_somebody(facts) => Finding::warning(
            STEP,
            "there is no default route, neither by IPv4 nor by IPv6: only the local network is reached",
            "nothing, if that is meant: members on the local network need no more",
        ),
        WaysOut { v4: None, v6: None } => Finding::fault(
            STEP,
            "there is no way out, neither by IPv4 nor by IPv6",
            "connect this machine to a network: `ip route` must show a default route, or without the internet one \
             for multicast (`ip route add 224.0.0.0/4 dev INTERFACE`)",
        ),
    }
}

/// Whether there are others although no route leads to the internet.
fn reaches_somebody(facts: &Facts) -> bool {
    let by_multicast = facts.mdns.as_ref().is_some_and(|mdns| mdns.way_out.is_some());
    by_multicast || udp::has_answer(facts)
}

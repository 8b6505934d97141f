//! Is there a network at all?

use super::{
    Finding, Step,
    facts::{Facts, WaysOut},
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
        WaysOut { v4: None, v6: None } => Finding::fault(
            STEP,
            "there is no way out, neither by IPv4 nor by IPv6",
            "connect this machine to a network: `ip route` must show a default route",
        ),
    }
}

//! Can members be found on the local network?

use super::{Finding, Step, facts::Facts};

const STEP: Step = Step::Mdns;

pub(super) fn judge(facts: &Facts) -> Finding {
    let Some(mdns) = &facts.mdns else {
        return Finding::skipped(STEP, "not used");
    };
    match (&mdns.bound, mdns.way_out, mdns.n_found) {
        (Err(error), ..) => Finding::warning(
            STEP,
            format!("no socket can be bound for it: {error}"),
            "another program may hold port 5353 for itself; --no-mdns says that it isn't wanted",
        ),
        (Ok(()), None, _) => Finding::warning(
            STEP,
            "there is no way out for multicast",
            "connect this machine to a local network; where there is no default route, multicast needs one of its own \
             (`ip route add 224.0.0.0/4 dev INTERFACE`); --no-mdns says that it isn't wanted",
        ),
        (Ok(()), Some(ip), 0) => Finding::ok(STEP, format!("nobody answers by {ip}")),
        (Ok(()), Some(ip), n) => Finding::ok(STEP, format!("{n} members answer by {ip}")),
    }
}

//! Can records be left in the DHT, and read?

use super::{Finding, Step, facts::Facts};

const STEP: Step = Step::Dht;

pub(super) fn judge(facts: &Facts) -> Finding {
    let Some(dht) = &facts.dht else {
        return Finding::skipped(STEP, "not used");
    };
    if dht.n_bootstrap == 0 {
        return Finding::fault(
            STEP,
            "no node through which to enter it has an address",
            "look at the names (see dns), or at --dht-bootstrap",
        );
    }
    if !dht.has_answered {
        return Finding::fault(
            STEP,
            format!("the DHT doesn't answer: {} nodes to enter it were asked", dht.n_bootstrap),
            "peers must come by another way meanwhile: --bootstrap, mDNS, --bootstrap-dns. If it stays \
             so, does a firewall drop UDP to port 6881?",
        );
    }
    match (&dht.written, dht.read_back) {
        (Err(error), _) => Finding::fault(
            STEP,
            format!("the DHT answers, but keeps nothing: {error}"),
            "others can't find this node by it; name it by --bootstrap there",
        ),
        (Ok(()), false) => Finding::warning(
            STEP,
            "what was written wasn't found again",
            "try again in a minute: DHT nodes come and go",
        ),
        (Ok(()), true) => Finding::ok(
            STEP,
            format!("a test record was written and read back; {}", records(facts, &dht.authors)),
        ),
    }
}

/// Whose records are there. This node's own may be missing: others may have left enough, or have
/// overwritten it.
fn records(facts: &Facts, authors: &[id_client::id_proto::iroh_base::PublicKey]) -> String {
    let own = facts.own_status().is_some_and(|own| authors.contains(&own.node_id));
    match (authors.len(), own) {
        (0, _) => "no record of this network is there".to_owned(),
        (1, true) => "this node's own record is there".to_owned(),
        (n, true) => format!("{n} records of this network are there, this node's among them"),
        (n, false) => format!("{n} records of this network are there, all of others"),
    }
}

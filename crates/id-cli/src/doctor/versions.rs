//! Does this release speak what the others speak?

use id_client::{FailKind, id_proto::version::ProtocolVersion};

use super::{
    Finding, Step,
    facts::{Facts, Peer, Why},
};

const STEP: Step = Step::Versions;
const UPGRADE: &str =
    "upgrade this node (CHANGELOG.md says what has changed on the wire), or downgrade theirs";

pub(super) fn judge(facts: &Facts) -> Finding {
    let foreign: Vec<String> = facts.peers.iter().filter_map(in_other_versions).collect();
    let is_told = |peer: &Peer| peer.why != Why::Found && in_other_versions(peer).is_some();
    let n_heard = facts.answers().count() + foreign.len();
    let newer = facts.answers().find_map(|(peer, answer)| {
        let newest = answer.versions.iter().max().filter(|newest| **newest > ours().max)?;
        Some(format!(
            "{} speaks version {newest} too, this release up to {}",
            peer.short_id(),
            ours().max
        ))
    });
    match (foreign.is_empty(), newer) {
        (false, _) if facts.peers.iter().any(is_told) || foreign.len() == n_heard => {
            Finding::fault(
                STEP,
                format!("{}; this release speaks {}", foreign.join(", "), ours().text),
                UPGRADE,
            )
        }
        (false, _) => Finding::warning(STEP, foreign.join(", "), UPGRADE),
        (true, Some(newer)) => Finding::warning(STEP, newer, "a newer release is out"),
        (true, None) if own_differs(facts) => Finding::warning(
            STEP,
            "this machine's node is of another release than this program",
            "restart the node after an upgrade",
        ),
        (true, None) if n_heard == 0 => Finding::skipped(STEP, "no peer answered"),
        (true, None) => Finding::ok(STEP, format!("all speak version {}", ours().text)),
    }
}

/// What a peer speaks that we don't, if that is all it speaks.
fn in_other_versions(peer: &Peer) -> Option<String> {
    let id = peer.short_id();
    match &peer.outcome {
        Err(failure) if failure.kind == FailKind::Unsupported => {
            Some(format!("{id} answers in a later version of the protocol ({})", failure.message))
        }
        Ok(answer) if !answer.versions.iter().any(|version| ours().all.contains(version)) => {
            let theirs: Vec<String> = answer.versions.iter().map(u16::to_string).collect();
            Some(format!("{id} speaks only version {} of the protocol", theirs.join(", ")))
        }
        _ => None,
    }
}

fn own_differs(facts: &Facts) -> bool {
    facts.own_status().is_some_and(|own| own.versions != ours().all)
}

struct Ours {
    all: Vec<u16>,
    max: u16,
    text: String,
}

fn ours() -> Ours {
    let all: Vec<u16> = ProtocolVersion::ALL.iter().map(|version| version.number()).collect();
    let max = all.iter().copied().max().unwrap_or_default();
    let text = all.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    Ours { all, max, text }
}

//! What a search amounts to: the exit code, and what is said on stderr besides the data.

use super::{Outcome, Reached};
use crate::{
    commands::hint,
    exit::Exit,
    output::{
        Format,
        model::{Crawl, Document, SourceKind, Status, Summary},
        short_duration, short_id,
    },
    settings::PeersSettings,
    talk,
};

/// Says what is to be said, and decides how the command ended.
pub(super) fn pronounce(outcome: &Outcome, settings: &PeersSettings) -> Exit {
    let Outcome { document, reached } = outcome;
    if settings.format == Format::Table && settings.progress.is_chatty() {
        talk::note(&counts(document));
    }
    let exit = decide(document, *reached, settings.min_peers);
    let warnings = [stopped(&document.crawl), disbelieved(&document.summary)];
    warnings.into_iter().flatten().for_each(|warning| talk::warning(&warning));
    match exit {
        Exit::NoSource => complain(document),
        Exit::Unmet => talk::failure(&format!(
            "{} peers known, --min-peers {}",
            document.summary.known, settings.min_peers
        )),
        _ => {}
    }
    exit
}

/// What the user did comes first, then what makes the rest meaningless, then what was asked for.
fn decide(document: &Document, reached: Reached, min_peers: usize) -> Exit {
    match document.crawl.stopped_by {
        Some("interrupted") => Exit::Interrupted,
        _ if reached == Reached::Nobody => Exit::NoSource,
        _ if document.summary.known < min_peers => Exit::Unmet,
        Some(_) => Exit::StoppedEarly,
        None => Exit::Ok,
    }
}

fn counts(document: &Document) -> String {
    let Summary { known, answered, failed, not_asked, .. } = document.summary;
    let time = document.crawl.duration_ms as f64 / 1e3;
    match document.crawl.source {
        SourceKind::Rpc => format!(
            "{known} known: {answered} answered, {failed} failed, {not_asked} not asked ({time:.1} s)"
        ),
        SourceKind::Gossip => format!("{known} known by their announcements ({time:.1} s)"),
    }
}

fn stopped(crawl: &Crawl) -> Option<String> {
    let limits = &crawl.limits;
    Some(match crawl.stopped_by? {
        "max_peers" => format!("stopped: there are more than --max-peers {}", limits.max_peers),
        "timeout" => format!("stopped after --timeout {}: there may be more", limits.timeout_secs),
        "interrupted" => "interrupted: there may be more".to_owned(),
        other => format!("stopped early ({other}): there may be more"),
    })
}

/// Entries that are late, new or foreign are everyday; these are somebody's fault.
fn disbelieved(summary: &Summary) -> Option<String> {
    let faults = ["bad_signature", "malformed", "future_dated"];
    let faults = faults
        .iter()
        .filter_map(|reason| summary.rejected.get(reason).map(|n| format!("{n} {reason}")));
    let faults: Vec<String> = faults.collect();
    (!faults.is_empty()).then(|| format!("not believed, and not listed: {}", faults.join(", ")))
}

fn complain(document: &Document) {
    match document.peers.iter().find(|peer| peer.status == Status::Failed) {
        Some(peer) => {
            let (error, why) = (peer.error.unwrap_or("?"), peer.error_message.as_deref());
            let id = short_id(&peer.node_id);
            talk::failure(&format!(
                "no node could be asked; {id}: {error} ({})",
                why.unwrap_or("?")
            ));
            hint(error).into_iter().for_each(talk::hint);
        }
        None => {
            let time = short_duration(document.crawl.duration_ms / 1000);
            talk::failure(&format!("nobody announced itself within {time}"));
            talk::hint("start `id-node`, name a NODE or a --bootstrap peer, or listen longer");
        }
    }
}

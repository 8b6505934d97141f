//! What a search amounts to: the exit code, and what is said on stderr besides the data.

use id_client::StopReason;

use super::{Outcome, Reached};
use crate::{
    commands::hint,
    exit::Exit,
    output::{Format, short_duration, short_id},
    settings::PeersSettings,
    talk,
};
use id_render::{
    Agreement, Check, Document, Peer, Status,
    model::{Alone, LimitsInfo, SourceKind, Summary},
};

/// Says what is to be said, and decides how the command ended.
pub(super) fn pronounce(outcome: &Outcome, settings: &PeersSettings) -> Exit {
    let document = &outcome.document;
    if settings.format == Format::Table && settings.progress.is_chatty() {
        talk::note(&counts(document));
        views(document).iter().for_each(|said| talk::note(said));
    }
    let exit = decide(outcome, settings.min_peers);
    if let Some(stop) = &outcome.not_handed {
        talk::failure(&stop.message);
        stop.hint.iter().for_each(|hint| talk::hint(hint));
    }
    // Who reached nobody needn't be told that it took all the time there was.
    let stopped = outcome.stopped_by.filter(|_| exit != Exit::NoSource);
    let stopped = stopped.map(|reason| early_end(reason, &document.crawl.limits));
    let warnings =
        stopped.into_iter().chain(disbelieved(&document.summary)).chain(barren(document));
    let warnings = warnings.chain(left_out(document));
    warnings.for_each(|warning| talk::warning(&warning));
    match exit {
        Exit::NoSource => complain(document),
        Exit::Unmet => {
            unmet(document, settings.min_peers).iter().for_each(|unmet| talk::failure(unmet));
        }
        _ => {}
    }
    exit
}

/// What the user did comes first, then what makes the rest meaningless, then what was asked for.
fn decide(outcome: &Outcome, min_peers: usize) -> Exit {
    match outcome.stopped_by {
        Some(StopReason::Interrupted) => Exit::Interrupted,
        _ if outcome.reached == Reached::Nobody => Exit::NoSource,
        _ if outcome.not_handed.is_some() => Exit::Failure,
        _ if !unmet(&outcome.document, min_peers).is_empty() => Exit::Unmet,
        Some(_) => Exit::StoppedEarly,
        None => Exit::Ok,
    }
}

/// The conditions of the caller's that don't hold.
fn unmet(document: &Document, min_peers: usize) -> Vec<String> {
    let known = document.summary.known;
    let too_few =
        (known < min_peers).then(|| format!("{known} peers known, --min-peers {min_peers}"));
    let disagreed = match &document.check {
        Check::Known(agreement) if agreement.split => Some(split(agreement)),
        Check::Unknown => {
            Some("views can't be compared: there are more peers or edges than are kept".to_owned())
        }
        Check::Known(_) | Check::NotWanted => None,
    };
    too_few.into_iter().chain(disagreed).collect()
}

fn split(agreement: &Agreement) -> String {
    let parts = match &agreement.islands[..] {
        [_] => &agreement.strong_islands,
        several => several,
    };
    let sizes: Vec<String> = parts.iter().take(MAX_NAMED).map(ToString::to_string).collect();
    let more = if parts.len() > MAX_NAMED { ", …" } else { "" };
    match agreement.islands.len() {
        1 => format!(
            "the network is split: parts of {}{more} don't know each other both ways",
            sizes.join(", ")
        ),
        _ => format!(
            "the network is split: parts of {}{more} know nothing of each other",
            sizes.join(", ")
        ),
    }
}

/// How far those who answered agree.
fn views(document: &Document) -> Option<String> {
    let Check::Known(agreement) = &document.check else { return None };
    let poorest = agreement.views.iter().max_by(|a, b| a.missing.cmp(&b.missing))?;
    let poorest = match poorest.missing {
        0 => "all know each other".to_owned(),
        _ => format!(
            "{} lacks most, {:.1} % of the others",
            short_id(&poorest.node_id),
            poorest.missing_share * 100.0
        ),
    };
    let n_one_way = agreement.one_way_edges;
    Some(format!("{} views: {poorest}; {n_one_way} one-way edges", agreement.views.len()))
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

fn early_end(reason: StopReason, limits: &LimitsInfo) -> String {
    match reason {
        StopReason::MaxPeers => {
            format!("stopped: there are more than --max-peers {}", limits.max_peers)
        }
        StopReason::Timeout => {
            format!("stopped after --timeout {}: there may be more", limits.timeout_secs)
        }
        StopReason::Interrupted => "interrupted: there may be more".to_owned(),
        other => format!("stopped early ({}): there may be more", other.as_str()),
    }
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

fn left_out(document: &Document) -> Option<String> {
    let n = document.n_edges_left_out();
    (n > 0).then(|| format!("{n} edges more than could be kept are left out"))
}

/// Most peers that are warned of by name. Origin: what one reads.
const MAX_NAMED: usize = 5;

/// Peers that named others of whom nearly all failed, and whom nobody else named, the most first.
///
/// It says what was seen, and no more: an honest node whose network died looks the same.
fn barren(document: &Document) -> Vec<String> {
    let alone = |peer: &Peer| Some((short_id(&peer.node_id).to_owned(), peer.told?.alone?));
    let mut barren: Vec<_> =
        document.peers.iter().filter_map(alone).filter(|(_, alone)| alone.is_barren).collect();
    barren.sort_by_key(|(_, alone)| std::cmp::Reverse(alone.failed));
    let said = |(id, Alone { known, asked, failed, .. }): &(String, Alone)| {
        format!(
            "{id} named {known} peers that nobody else named; {failed} of the {asked} that were \
             asked failed"
        )
    };
    let rest = barren.len().saturating_sub(MAX_NAMED);
    let rest = (rest > 0).then(|| format!("so did {rest} more: see `told` in the JSON output"));
    barren.iter().take(MAX_NAMED).map(said).chain(rest).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exit::Stop, output::samples};

    fn outcome(stopped_by: Option<StopReason>, reached: Reached) -> Outcome {
        let document = samples::complete();
        Outcome { document, stopped_by, reached, found: Vec::new(), not_handed: None }
    }

    #[test]
    fn exit_code_is_decided_in_this_order() {
        use Reached::{Nobody, Somebody};
        use StopReason::{Interrupted, MaxPeers, Timeout};
        let too_many = samples::complete().summary.known + 1;
        let cases = [
            (None, Somebody, 0, Exit::Ok),
            (None, Somebody, too_many - 1, Exit::Ok),
            (Some(MaxPeers), Somebody, 0, Exit::StoppedEarly),
            (Some(Timeout), Somebody, 0, Exit::StoppedEarly),
            (Some(Timeout), Somebody, too_many, Exit::Unmet),
            (None, Somebody, too_many, Exit::Unmet),
            (Some(Timeout), Nobody, too_many, Exit::NoSource),
            (None, Nobody, 0, Exit::NoSource),
            (Some(Interrupted), Nobody, too_many, Exit::Interrupted),
        ];
        for (stopped_by, reached, min_peers, exit) in cases {
            let outcome = outcome(stopped_by, reached);
            assert_eq!(decide(&outcome, min_peers), exit, "{stopped_by:?} {reached:?} {min_peers}");
        }
    }

    #[test]
    fn what_could_not_be_handed_over_is_a_failure_unless_nothing_was_found_at_all() {
        use Reached::{Nobody, Somebody};
        let exit = |stopped_by, reached, min_peers| {
            let not_handed = Some(Stop::no_source("no node runs"));
            decide(&Outcome { not_handed, ..outcome(stopped_by, reached) }, min_peers)
        };
        assert_eq!(exit(None, Somebody, 0), Exit::Failure);
        assert_eq!(exit(Some(StopReason::Timeout), Somebody, 1000), Exit::Failure);
        assert_eq!(exit(None, Nobody, 0), Exit::NoSource);
        assert_eq!(exit(Some(StopReason::Interrupted), Somebody, 0), Exit::Interrupted);
    }

    #[test]
    fn split_network_is_a_condition_unmet_and_so_is_one_of_which_it_cant_be_said() {
        let verdict = |check| {
            let document = samples::checked(check);
            let outcome = Outcome { document, ..outcome(None, Reached::Somebody) };
            (decide(&outcome, 0), unmet(&outcome.document, 0).join("; "))
        };
        let whole = Agreement { split: false, ..samples::split() };
        assert_eq!(verdict(Check::Known(whole)), (Exit::Ok, String::new()));
        let one_way = Agreement { islands: vec![5], ..samples::split() };
        let says = |exit, says: &str| (exit, says.to_owned());
        assert_eq!(
            verdict(Check::Known(samples::split())),
            says(Exit::Unmet, "the network is split: parts of 3, 2 know nothing of each other")
        );
        assert_eq!(
            verdict(Check::Known(one_way)),
            says(
                Exit::Unmet,
                "the network is split: parts of 3, 2 don't know each other both ways"
            )
        );
        assert_eq!(verdict(Check::Unknown).0, Exit::Unmet);
    }

    #[test]
    fn poorest_view_is_named() {
        let said = views(&samples::checked(Check::Known(samples::split()))).unwrap();
        let poorest = &samples::id(4)[..10];
        let expected =
            format!("5 views: {poorest} lacks most, 75.0 % of the others; 0 one-way edges");
        assert_eq!(said, expected);
    }

    #[test]
    fn only_what_is_somebodys_fault_is_warned_of() {
        let warning = disbelieved(&samples::partial().summary);
        assert_eq!(warning.unwrap(), "not believed, and not listed: 3 bad_signature");
        assert_eq!(disbelieved(&samples::complete().summary), None);
    }

    #[test]
    fn who_alone_named_many_that_failed_is_named() {
        let said = barren(&samples::partial());
        let expected = "8139770ea8 named 17 peers that nobody else named; 16 of the 16 that were \
                        asked failed";
        assert_eq!(said, [expected]);
        assert!(barren(&samples::complete()).is_empty());
    }

    #[test]
    fn of_many_who_named_such_only_the_first_are_named() {
        let mut document = samples::partial();
        let barren_peer = document.peers[0].clone();
        document.peers.extend(std::iter::repeat_n(barren_peer, 9));
        let said = barren(&document);
        assert_eq!(said.len(), MAX_NAMED + 1);
        assert_eq!(said[MAX_NAMED], "so did 5 more: see `told` in the JSON output");
    }

    #[test]
    fn counts_are_said_in_the_words_of_the_output() {
        let said = counts(&samples::partial());
        assert_eq!(said, "4 known: 2 answered, 1 failed, 1 not asked (0.8 s)");
    }
}

//! Handing what was found to a node.

use std::{fmt, pin::pin};

use anyhow::{Context, Result};
use futures::StreamExt;
use id_client::{
    AskError, Client, FailKind,
    id_proto::{Network, SignedAnnouncement},
};
use tokio::time::sleep;

use super::Outcome;
use crate::{
    commands::hint,
    exit::{Exit, Stop},
    host::Host,
    interrupt::Interrupt,
    settings::{Handover, PeersSettings, Receiver},
    talk,
};
use id_render::{Handed, HandedOver};

/// Hands over what `outcome` holds, and notes in it what came of that. A failure is noted, too: what was
/// found is printed in any case.
pub(super) async fn perform(
    handover: &Handover,
    settings: &PeersSettings,
    host: &Host,
    outcome: &mut Outcome,
    interrupt: &mut Interrupt,
) {
    let found = std::mem::take(&mut outcome.found);
    let mut handed = Handed::default();
    let ended = match &handover.to {
        Ok(to) => {
            let found: Vec<_> = found.into_iter().filter(|it| it.node_id != to.node.id).collect();
            let n_found = found.len() as u64;
            let handing = hand(to, &settings.network, host, found, &mut handed);
            let ended = tokio::select! {
                // What was interrupted before isn't begun.
                biased;
                () = interrupt.asked() => Err(failed("interrupted")),
                () = sleep(settings.limits.timeout) => Err(failed("it takes longer than --timeout")),
                ended = handing => ended,
            };
            ended.map_err(|stop| about(stop, &handover.whose, handed.handed, n_found))
        }
        Err(stop) => Err(about(copy(stop), &handover.whose, 0, found.len() as u64)),
    };
    if settings.progress.is_chatty() && (ended.is_ok() || handed.handed > 0) {
        talk::note(&said(&handed, &handover.whose));
    }
    let none = ended.is_err() && handed.handed == 0;
    outcome.document.discover = if none { HandedOver::Nothing } else { HandedOver::Done(handed) };
    outcome.not_handed = ended.err();
}

/// Hands over all of `found`; `handed` tells how far it is.
async fn hand(
    to: &Receiver,
    network: &Network,
    host: &Host,
    found: Vec<SignedAnnouncement>,
    handed: &mut Handed,
) -> Result<(), Stop> {
    if found.is_empty() {
        return Ok(());
    }
    let endpoint = host.endpoint(to.relay.clone(), Some(to.key.clone())).await;
    let endpoint = endpoint.context("can't hand anything over");
    let client = Client::new(endpoint.map_err(|error| failed(format!("{error:#}")))?);
    let asked: Result<(), AskError> = async {
        let session = client.with_network(network.clone()).connect(to.node.clone()).await?;
        let mut reports = pin!(session.discover(found));
        while let Some(report) = reports.next().await {
            handed.add(&report?);
        }
        Ok(())
    }
    .await;
    asked.map_err(|error| refused(&error, to))
}

fn refused(error: &AskError, to: &Receiver) -> Stop {
    let stop = failed(format!("{} ({})", error.kind, error.message));
    match error.kind {
        FailKind::NotOperator => stop.with_hint(format!(
            "its operator names by --operator who may; this key's id is {}",
            to.key.public()
        )),
        kind => match hint(kind.as_str()) {
            Some(hint) => stop.with_hint(hint),
            None => stop,
        },
    }
}

fn failed(message: impl fmt::Display) -> Stop {
    Stop { exit: Exit::Failure, message: message.to_string(), hint: None }
}

fn copy(stop: &Stop) -> Stop {
    Stop { exit: Exit::Failure, message: stop.message.clone(), hint: stop.hint.clone() }
}

/// The same with what wasn't done.
fn about(stop: Stop, whose: &str, n_handed: u64, n_found: u64) -> Stop {
    let message = match n_handed {
        0 => format!("nothing was handed to {whose}: {}", stop.message),
        n => format!("only {n} of {n_found} were handed to {whose}: {}", stop.message),
    };
    Stop { message, ..stop }
}

/// What came of it, for people.
fn said(handed: &Handed, whose: &str) -> String {
    let Handed { handed, new, known, refused } = handed;
    let n_refused: u64 = refused.values().sum();
    let reasons: Vec<_> = refused.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
    let reasons = match &reasons[..] {
        [] => String::new(),
        some => format!(" ({})", some.join(", ")),
    };
    format!("handed {handed} to {whose}: {new} new, {known} known, {n_refused} refused{reasons}")
}

#[cfg(test)]
mod tests {
    use id_client::id_proto::{DiscoverReport, Word};

    use super::*;

    #[test]
    fn what_came_of_it_is_said_in_one_line() {
        let mut handed = Handed::default();
        assert_eq!(said(&handed, "x"), "handed 0 to x: 0 new, 0 known, 0 refused");
        let word = |reason| Word::new(reason).unwrap();
        let report = DiscoverReport {
            n_new: 12,
            n_newer: 20,
            n_known: 7,
            refused: vec![(word("refused_expired"), 2), (word("strange"), 1)],
        };
        handed.add(&report);
        handed.add(&DiscoverReport {
            n_new: 1,
            refused: vec![(word("strange"), 1)],
            ..DiscoverReport::default()
        });
        assert_eq!(
            said(&handed, "this machine's node"),
            "handed 44 to this machine's node: 13 new, 27 known, 4 refused (expired 2, strange 2)"
        );
    }

    #[test]
    fn what_was_not_handed_over_is_said_with_how_far_it_was() {
        let stop = about(failed("lost"), "x", 0, 41);
        assert_eq!(stop.to_string(), "nothing was handed to x: lost");
        let stop = about(failed("lost").with_hint("look"), "x", 20, 41);
        assert_eq!(stop.to_string(), "only 20 of 41 were handed to x: lost");
        assert_eq!((stop.exit, stop.hint.as_deref()), (Exit::Failure, Some("look")));
    }
}

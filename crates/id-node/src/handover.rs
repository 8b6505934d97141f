//! How an operator's peers come from the service to the actor, and what came of them back.

use std::collections::BTreeMap;

use id_proto::{DiscoverReport, DiscoverRequest, Word, iroh_base::PublicKey};
use tokio::sync::{mpsc, oneshot};

use crate::membership::{Refusal, Verdict};

/// Most handovers that wait for the actor; other callers wait for room. Origin: each takes it a
/// millisecond, for twenty signatures.
const MAX_WAITING: usize = 4;

/// Announcements that an operator hands over.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) by: PublicKey,
    pub(crate) request: DiscoverRequest,
    pub(crate) report: oneshot::Sender<DiscoverReport>,
}

/// The way to the actor. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Handover(mpsc::Sender<Handed>);

pub(crate) fn channel() -> (Handover, mpsc::Receiver<Handed>) {
    let (sender, queue) = mpsc::channel(MAX_WAITING);
    (Handover(sender), queue)
}

impl Handover {
    /// What came of it; `None` if the node stops before it is through. Cancel safe: it is taken in, or
    /// it isn't.
    pub(crate) async fn hand(
        &self,
        by: PublicKey,
        request: DiscoverRequest,
    ) -> Option<DiscoverReport> {
        let (report, answer) = oneshot::channel();
        self.0.send(Handed { by, request, report }).await.ok()?;
        answer.await.ok()
    }
}

/// What came of what was handed over so far.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    report: DiscoverReport,
    refused: BTreeMap<Refusal, u64>,
}

impl Verdicts {
    pub(crate) fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::New => self.report.n_new += 1,
            Verdict::Newer => self.report.n_newer += 1,
            Verdict::Refused(Refusal::NotNewer) => self.report.n_known += 1,
            Verdict::Refused(reason) => *self.refused.entry(reason).or_default() += 1,
        }
    }

    pub(crate) fn report(self) -> DiscoverReport {
        let word =
            |reason: Refusal| Word::new(reason.as_str()).expect("a counter's name is a word");
        let refused = self.refused.into_iter().map(|(reason, n)| (word(reason), n));
        DiscoverReport { refused: refused.collect(), ..self.report }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_counted_once_and_what_is_known_is_not_among_the_refused() {
        let mut verdicts = Verdicts::default();
        let believed = [Verdict::New, Verdict::New, Verdict::Newer];
        let refused = Refusal::ALL.iter().map(|reason| Verdict::Refused(*reason));
        let all: Vec<_> = believed.into_iter().chain(refused).collect();
        all.iter().for_each(|verdict| verdicts.count(*verdict));
        let report = verdicts.report();
        assert_eq!(report.total(), Some(all.len() as u64));
        assert_eq!((report.n_new, report.n_newer, report.n_known), (2, 1, 1));
        assert_eq!(report.refused.len(), Refusal::ALL.len() - 1, "each has a name of its own");
    }
}

//! Rounds: crawls and the time in, whom to ask next and what is new out. No I/O, no clock.

use std::time::Duration;

use id_client::{
    Answer, CrawlEvent, CrawlReport, Past, StopReason, id_proto::iroh_base::PublicKey,
};

use super::{
    schedule::{Failures, Schedule},
    view::{Extent, News, View},
};
use id_render::Document;

use crate::commands::peers::Reached;

/// Everything that is remembered from one round to the next. Moments are times since the start.
#[derive(Debug)]
pub(super) struct Rounds {
    schedule: Schedule,
    view: View,
    tally: Tally,
}

/// What happened in a round so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    began: Duration,
    failed: Vec<PublicKey>,
    pub(super) n_asked: usize,
    /// How many weren't asked, or failed, and count as they answered before.
    pub(super) n_recalled: usize,
}

impl Rounds {
    pub(super) fn new(every: Duration, seeds: impl IntoIterator<Item = PublicKey>) -> Self {
        Self {
            schedule: Schedule::new(every, seeds),
            view: View::default(),
            tally: Tally::default(),
        }
    }

    /// What the round that begins now stands on.
    pub(super) fn begin(&mut self, now: Duration) -> Past {
        self.tally = Tally { began: now, ..Tally::default() };
        self.schedule.past(now)
    }

    /// Takes in what happens in a round; `answer` gets what a peer answered.
    pub(super) fn on_event(
        &mut self,
        event: &CrawlEvent,
        answer: impl FnOnce(&PublicKey) -> Option<Answer>,
    ) {
        let Tally { began, failed, n_asked, n_recalled } = &mut self.tally;
        match event {
            CrawlEvent::Dialing { .. } => *n_asked += 1,
            CrawlEvent::Recalled { .. } => *n_recalled += 1,
            CrawlEvent::Failed { peer, .. } => failed.push(*peer),
            CrawlEvent::Missed { peer, .. } => self.schedule.on_missed(peer, *began),
            CrawlEvent::Answered { peer, .. } => {
                answer(peer).into_iter().for_each(|it| self.schedule.on_answered(it, *began));
            }
            _ => {}
        }
    }

    /// The round has ended. One that reached nobody says nothing, and is no news.
    pub(super) fn end(
        &mut self,
        report: &CrawlReport,
        document: &Document,
        reached: Reached,
    ) -> Vec<News> {
        let is_cut_short = report.stopped_by == Some(StopReason::Timeout);
        let (failures, extent) = match (reached, is_cut_short) {
            (Reached::Nobody, _) => (Failures::SayNothing, None),
            (Reached::Somebody, true) => (Failures::SayNothing, Some(Extent::CutShort)),
            (Reached::Somebody, false) => (Failures::Count, Some(Extent::Whole)),
        };
        let Tally { began, failed, .. } = &self.tally;
        self.schedule.on_round(report, failed, failures, *began);
        extent.map(|extent| self.view.on_round(document, extent)).unwrap_or_default()
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// When the next round begins.
    pub(super) fn next(&self) -> Duration {
        self.schedule.next_round(self.tally.began)
    }
}

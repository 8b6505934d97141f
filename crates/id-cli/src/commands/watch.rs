//! `watch`: who comes, goes and changes.
//!
//! [`rounds`] decides, without any I/O: what a round stands on, whom it asks, and what is news.

mod rounds;
mod schedule;
#[cfg(test)]
mod tests;
mod view;

use std::time::SystemTime;

use anyhow::Result;
use id_client::{CrawlReport, Crawler, PeerStatus, StopReason, iroh::Endpoint};
use tokio::time::{Instant, sleep};

pub(crate) use self::view::News;
use self::{
    rounds::{Rounds, Tally},
    schedule::MAX_NAMED,
};
use super::{
    not_reached,
    peers::{Reached, rpc::reached},
};
use crate::{
    cli::WatchArgs,
    exit::{Exit, Stop},
    host::Host,
    interrupt::Interrupt,
    output::{
        TOOL,
        watch::{Printer, Round},
    },
    settings::WatchSettings,
    talk,
};
use id_render::{Document, Header, model::Summary};

pub(crate) async fn run(args: &WatchArgs, host: &Host) -> Result<Exit> {
    let settings = WatchSettings::new(args)?;
    let interrupt = host.interrupts.listen()?;
    let endpoint = host.endpoint(settings.relay.clone(), settings.key.clone()).await?;
    let header = Header::new(TOOL, &settings.network, SystemTime::now());
    let seeds = settings.seeds.iter().map(|seed| seed.id);
    let watch = Watch {
        printer: Printer::start(settings.json, &header)?,
        rounds: Rounds::new(settings.every, seeds),
        settings: &settings,
        endpoint,
        interrupt,
        started: Instant::now(),
        doubts: None,
    };
    watch.run(&header).await
}

/// What watching works with.
struct Watch<'a> {
    settings: &'a WatchSettings,
    endpoint: Endpoint,
    interrupt: Interrupt,
    printer: Printer,
    rounds: Rounds,
    started: Instant,
    /// What was warned of last, so that it isn't said in each round.
    doubts: Option<String>,
}

impl Watch<'_> {
    async fn run(mut self, header: &Header) -> Result<Exit> {
        for number in 1.. {
            let Some(report) = self.crawl().await else { return Ok(Exit::Interrupted) };
            let reached = reached(&report);
            if number == 1 && reached == Reached::Nobody {
                return Err(nobody(&report));
            }
            self.tell(header, number, &report, reached)?;
            if self.settings.times.is_some_and(|times| times.get() <= number) {
                return Ok(ended(&report, reached));
            }
            // Unlike a moment, a time may be as long as it likes.
            let pause = self.rounds.next().saturating_sub(self.started.elapsed());
            tokio::select! {
                () = sleep(pause) => {}
                () = self.interrupt.asked() => return Ok(Exit::Interrupted),
            }
        }
        unreachable!("nobody lives to see the last round")
    }

    /// `None` if the user has had enough.
    async fn crawl(&mut self) -> Option<CrawlReport> {
        let mut crawl = Crawler::builder(self.endpoint.clone())
            .seeds(self.settings.seeds.iter().cloned())
            .limits(self.settings.limits.clone())
            .network(self.settings.network.clone())
            .past(self.rounds.begin(self.started.elapsed()))
            .keep_answers(MAX_NAMED)
            .start();
        loop {
            tokio::select! {
                event = crawl.next() => match event {
                    Some(event) => self.rounds.on_event(&event, |peer| crawl.take_answer(peer)),
                    None => return Some(crawl.finish().await),
                },
                () = self.interrupt.asked() => return None,
            }
        }
    }

    /// Takes in a round, and prints what is new.
    fn tell(
        &mut self,
        header: &Header,
        number: u64,
        report: &CrawlReport,
        reached: Reached,
    ) -> Result<()> {
        self.warn(report, reached);
        let document = Document::of_crawl(header.clone(), report);
        let news = self.rounds.end(report, &document, reached);
        let Tally { n_asked, n_recalled, .. } = *self.rounds.tally();
        let round = Round {
            number,
            reached: reached == Reached::Somebody,
            asked: n_asked,
            recalled: n_recalled,
            crawl: &document.crawl,
            summary: &document.summary,
        };
        if number == 1 && !self.settings.json {
            let Summary { known, answered, .. } = document.summary;
            talk::note(&format!("{known} known, {answered} answered; what changes is printed"));
        }
        Ok(self.printer.round(&news, &round, SystemTime::now())?)
    }

    /// Says what makes the round mean less than it seems to, unless the last one had the same fault.
    fn warn(&mut self, report: &CrawlReport, reached: Reached) {
        let doubts = match report.stopped_by {
            _ if reached == Reached::Nobody => {
                Some("no node to start from answers: what changes isn't seen".to_owned())
            }
            Some(StopReason::MaxPeers) => {
                let max = self.settings.limits.max_peers;
                Some(format!("there are more than --max-peers {max}: some come and go unseen"))
            }
            Some(_) => {
                let secs = self.settings.limits.timeout.as_secs_f64();
                Some(format!("the round took longer than --timeout {secs}: nobody has gone in it"))
            }
            None => None,
        };
        if doubts != self.doubts {
            doubts.iter().for_each(|doubt| talk::warning(doubt));
        }
        self.doubts = doubts;
    }
}

/// How the last of a given number of rounds ended.
fn ended(report: &CrawlReport, reached: Reached) -> Exit {
    match report.stopped_by {
        _ if reached == Reached::Nobody => Exit::NoSource,
        Some(_) => Exit::StoppedEarly,
        None => Exit::Ok,
    }
}

fn nobody(report: &CrawlReport) -> anyhow::Error {
    let failure = report.peers.iter().find_map(|peer| match &peer.status {
        PeerStatus::Failed { kind, message } => Some((peer.node_id, *kind, message)),
        _ => None,
    });
    match failure {
        Some((id, kind, message)) => not_reached(&id.to_string(), kind, message).into(),
        None => Stop::usage("the ticket names no peer").into(),
    }
}

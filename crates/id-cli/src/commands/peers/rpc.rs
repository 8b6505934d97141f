//! Asking nodes, and those whom they name, and so on.

use std::{io, sync::Arc};

use anyhow::Result;
use id_client::{
    Crawl, CrawlEvent, CrawlReport, Crawler, Endpoints, PeerStatus,
    id_proto::{SignedAnnouncement, iroh_base::EndpointAddr},
};
use id_node::endpoint::{self, EndpointOptions};
use id_render::{Check, Document, Header};
use tokio::time::timeout;

use super::{Outcome, Reached, Search, resume::MAX_NAMED};
use crate::{host::CLOSE_TIMEOUT, settings::PeersSettings};

impl Search<'_> {
    /// Crawls from `seeds` until it is done, a limit is met or the user has had enough.
    pub(super) async fn crawl(
        &mut self,
        header: Header,
        seeds: &[EndpointAddr],
    ) -> Result<Outcome> {
        let endpoints = self.endpoints();
        let mut crawler = Crawler::in_turns(endpoints.clone())
            .seeds(seeds.iter().cloned())
            .limits(self.settings.limits.clone())
            .network(self.settings.network.clone());
        let (mut journal, past) = self.resumed.take().unzip();
        if let Some(past) = past {
            crawler = crawler.past(past).keep_answers(MAX_NAMED);
        }
        let mut crawl = crawler.start();
        loop {
            tokio::select! {
                event = crawl.next() => match event {
                    Some(event) => {
                        self.on_event(&crawl, &event)?;
                        journal.iter_mut().try_for_each(|it| it.on_event(&mut crawl, &event))?;
                    }
                    None => break,
                },
                () = self.interrupt.asked() => break,
                () = self.progress.tick() => {}
            }
        }
        let report = crawl.finish().await;
        // A peer that doesn't hear of it will notice by itself.
        let _ = timeout(CLOSE_TIMEOUT, endpoints.close()).await;
        let mut document = Document::of_crawl(header, &report);
        journal.map(|journal| journal.finish(&document)).transpose()?;
        if self.settings.check {
            document.check = Check::of(&report);
        }
        if !self.settings.shows_edges {
            document.graph = None;
        }
        let (stopped_by, reached) = (report.stopped_by, reached(&report));
        let found = self.settings.handover.as_ref().map(|_| announcements(report));
        let found = found.unwrap_or_default();
        Ok(Outcome { document, stopped_by, reached, found, not_handed: None })
    }

    /// The endpoint, and more where it has asked its share of a large network.
    fn endpoints(&self) -> Arc<Endpoints> {
        let PeersSettings { relay, key, .. } = self.settings;
        let options = EndpointOptions {
            relay: relay.clone(),
            secret_key: key.clone(),
            ..EndpointOptions::default()
        };
        let bind = move || endpoint::bind(options.clone());
        Arc::new(Endpoints::new(self.endpoint.clone(), bind))
    }

    /// Shows how far the crawl is, and prints a peer whose fate is known.
    fn on_event(&mut self, crawl: &Crawl, event: &CrawlEvent) -> io::Result<()> {
        self.progress.on_event(event);
        let (CrawlEvent::Answered { peer, .. }
        | CrawlEvent::Failed { peer, .. }
        | CrawlEvent::Recalled { peer, .. }) = event
        else {
            return Ok(());
        };
        match crawl.peer(peer) {
            Some(peer) => self.progress.aside(|| self.printer.peer(&peer)),
            None => Ok(()),
        }
    }
}

/// What those who are known say of themselves: first those who answered, last those who failed, for a
/// node takes in only so many at once.
fn announcements(report: CrawlReport) -> Vec<SignedAnnouncement> {
    let mut peers = report.peers;
    peers.sort_by_key(|peer| match peer.status {
        PeerStatus::Answered => 0,
        PeerStatus::NotAsked => 1,
        PeerStatus::Failed { .. } => 2,
    });
    peers.into_iter().filter_map(|peer| peer.announcement).collect()
}

/// Somebody was there unless all that came of it is failed seeds.
pub(in crate::commands) fn reached(report: &CrawlReport) -> Reached {
    let is_failed_seed =
        |status: &PeerStatus, depth| depth == 0 && matches!(status, PeerStatus::Failed { .. });
    match report.peers.iter().all(|peer| is_failed_seed(&peer.status, peer.depth)) {
        true => Reached::Nobody,
        false => Reached::Somebody,
    }
}

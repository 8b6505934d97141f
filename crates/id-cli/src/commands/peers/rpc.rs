//! Asking nodes, and those whom they name, and so on.

use id_client::{CrawlReport, Crawler, PeerStatus, id_proto::iroh_base::EndpointAddr};

use super::{Outcome, Reached, Search};
use crate::output::model::{Document, Header};

impl Search<'_> {
    /// Crawls from `seeds` until it is done, a limit is met or the user has had enough.
    pub(super) async fn crawl(&mut self, header: Header, seeds: &[EndpointAddr]) -> Outcome {
        let mut crawl = Crawler::builder(self.endpoint.clone())
            .seeds(seeds.iter().cloned())
            .limits(self.settings.limits.clone())
            .network(self.settings.network.clone())
            .start();
        loop {
            tokio::select! {
                event = crawl.next() => match event {
                    Some(event) => self.progress.on_event(&event),
                    None => break,
                },
                () = self.interrupt.asked() => break,
                () = self.progress.tick() => {}
            }
        }
        let report = crawl.finish().await;
        Outcome {
            document: Document::of_crawl(header, &report),
            stopped_by: report.stopped_by,
            reached: reached(&report),
        }
    }
}

/// Somebody was there unless all that came of it is failed seeds.
fn reached(report: &CrawlReport) -> Reached {
    let is_failed_seed =
        |status: &PeerStatus, depth| depth == 0 && matches!(status, PeerStatus::Failed { .. });
    match report.peers.iter().all(|peer| is_failed_seed(&peer.status, peer.depth)) {
        true => Reached::Nobody,
        false => Reached::Somebody,
    }
}

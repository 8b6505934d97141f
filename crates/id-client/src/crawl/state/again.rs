//! Who failed perhaps only for now, and is asked again.

use id_proto::iroh_base::PublicKey;

use crate::{
    crawl::{
        event::CrawlEvent,
        known::Progress,
        limits::{Depth, MAX_ATTEMPTS, MAX_PUT_OFF},
        state::{CrawlState, Cut},
    },
    error::AskError,
};

impl CrawlState {
    /// Whether `peer`, which is being asked and failed so, is asked again.
    pub(super) fn may_ask_again(&self, peer: &PublicKey, error: &AskError) -> bool {
        let asked = self.peers.get(peer).filter(|peer| peer.is_asking());
        let may_pass = error.kind.is_transient() && self.put_off.len() < MAX_PUT_OFF;
        may_pass && asked.is_some_and(|peer| peer.attempts < MAX_ATTEMPTS)
    }

    /// Has `id` wait until there is nobody else to ask. In a crawl of unlimited depth the levels behind it
    /// don't wait with it.
    pub(super) fn put_off(&mut self, id: PublicKey, error: AskError) -> Option<CrawlEvent> {
        let mut asking = self.hang_up(id)?;
        // Where depth decides who is asked, it has to be right.
        if self.limits.max_depth == Depth::Unlimited {
            self.frontier.overtake(asking.turn);
        }
        asking.failure = Some(error.clone());
        let peer = self.peers.get_mut(&id).expect("who was asked is known");
        if !asking.is_reached {
            peer.not_reached(error.kind);
        }
        peer.progress = Progress::PutOff(asking);
        self.put_off.push_back(id);
        Some(CrawlEvent::PutOff { peer: id, error })
    }

    /// Whoever has waited longest will be asked again.
    pub(super) fn begin_again(&mut self) -> Option<PublicKey> {
        let id = self.put_off.pop_front()?;
        let peer = self.peers.get_mut(&id).expect("who is put off is known");
        let progress = std::mem::replace(&mut peer.progress, Progress::Known(None));
        let Progress::PutOff(mut asking) = progress else { unreachable!("it was put off") };
        asking.is_reached = false;
        let told = std::mem::take(&mut asking.told);
        asking.named_before.extend(&told.named);
        peer.progress = Progress::Asking(asking);
        Some(id)
    }

    /// Nobody will be asked again: who is put off has failed, and that isn't the doing of the crawl's end.
    pub(super) fn give_up(&mut self) -> Vec<CrawlEvent> {
        std::mem::take(&mut self.put_off).into_iter().map(|id| self.fail(id)).collect()
    }

    fn fail(&mut self, id: PublicKey) -> CrawlEvent {
        let peer = self.peers.get_mut(&id).expect("who is put off is known");
        let progress = std::mem::replace(&mut peer.progress, Progress::Known(None));
        let Progress::PutOff(mut asking) = progress else { unreachable!("it was put off") };
        let error = asking.failure.take().expect("it was put off because it failed");
        self.conclude(id, *asking, Err(error), Cut::No)
    }
}

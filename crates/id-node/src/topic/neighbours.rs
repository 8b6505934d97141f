//! Who is a neighbour, and what there is to be sent to them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use id_proto::iroh_base::PublicKey;
use iroh_gossip::api::Event;

use super::watchdog::Owed;

/// The neighbours by gossip's own word. As many as gossip keeps, so it is bounded by that.
#[derive(Debug, Default)]
pub(super) struct Neighbours(Mutex<BTreeMap<PublicKey, Neighbour>>);

#[derive(Debug)]
struct Neighbour {
    since: Instant,
    owed: Owed,
}

impl Neighbours {
    pub(super) fn note(&self, event: &Event) {
        match event {
            Event::NeighborUp(peer) => {
                let neighbour = Neighbour { since: Instant::now(), owed: Owed::Nothing };
                self.lock().insert(*peer, neighbour);
            }
            Event::NeighborDown(peer) => {
                self.lock().remove(peer);
            }
            Event::Received(_) | Event::Lagged => {}
        }
    }

    /// Notes that everybody is about to be sent something. Said afterwards, it would be too late:
    /// what is sent already would be waited for.
    pub(super) fn say(&self) {
        self.lock().values_mut().for_each(|neighbour| neighbour.owed = Owed::Something);
    }

    /// Who is to be sent something since the last time.
    pub(super) fn take_owed(&self) -> BTreeMap<PublicKey, Owed> {
        let mut neighbours = self.lock();
        let take =
            |neighbour: &mut Neighbour| std::mem::replace(&mut neighbour.owed, Owed::Nothing);
        neighbours.iter_mut().map(|(peer, neighbour)| (*peer, take(neighbour))).collect()
    }

    /// Those who have been neighbours for at least `age`.
    pub(super) fn older_than(&self, age: Duration) -> Vec<PublicKey> {
        let neighbours = self.lock();
        let old = neighbours.iter().filter(|(_, neighbour)| neighbour.since.elapsed() >= age);
        old.map(|(peer, _)| *peer).collect()
    }

    pub(super) fn are_none(&self) -> bool {
        self.lock().is_empty()
    }

    /// Forgets them all, and says who they were.
    pub(super) fn take(&self) -> Vec<PublicKey> {
        std::mem::take(&mut *self.lock()).into_keys().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PublicKey, Neighbour>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

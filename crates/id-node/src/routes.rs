//! How peers are reached: over the connections of gossip that are open, and by the last probe or sync that was
//! answered. For people to read; nothing is decided by it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use id_client::Route;
use id_proto::iroh_base::PublicKey;
use iroh::endpoint::{Connection, WeakConnectionHandle};

/// Most peers of whom a dial is remembered; beyond, somebody's is forgotten. Origin: the default table.
const MAX_DIALLED: usize = 65_536;

/// How peers are reached. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Routes(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// As many as gossip has connections, and those that were closed since the last one was opened.
    open: BTreeMap<PublicKey, WeakConnectionHandle>,
    dialled: BTreeMap<PublicKey, Route>,
}

impl Routes {
    /// Notes a connection that gossip holds.
    pub(crate) fn opened(&self, connection: &Connection) {
        let mut known = self.lock();
        known.open.retain(|_, connection| connection.upgrade().is_some());
        known.open.insert(connection.remote_id(), connection.weak_handle());
    }

    /// Notes how a dial of ours ended; `None` if nobody answered.
    pub(crate) fn dialled(&self, peer: PublicKey, route: Option<Route>) {
        let mut known = self.lock();
        known.dialled.remove(&peer);
        if let Some(route) = route {
            if known.dialled.len() >= MAX_DIALLED {
                known.dialled.pop_first();
            }
            known.dialled.insert(peer, route);
        }
    }

    /// How each peer is reached, as far as it is known: an open connection knows better than a dial of old.
    pub(crate) fn all(&self) -> BTreeMap<PublicKey, Route> {
        let known = self.lock();
        let mut routes = known.dialled.clone();
        let open = known
            .open
            .iter()
            .filter_map(|(peer, connection)| Some((*peer, Route::of(&connection.upgrade()?)?)));
        routes.extend(open);
        routes
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

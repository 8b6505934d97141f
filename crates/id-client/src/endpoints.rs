//! Endpoints that a crawl asks through, one after the other.

use std::{fmt, mem, num::NonZeroU32, sync::Arc, time::Duration};

use futures::{StreamExt, TryFutureExt, future::BoxFuture, stream::BoxStream};
use id_proto::Network;
use iroh::{Endpoint, EndpointAddr, endpoint::BindError};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
};
use tracing::debug;

use crate::{
    client::Client,
    error::AskError,
    transport::{Reply, Transport},
};

/// How many peers are asked through one endpoint.
///
/// Origin: measured. iroh 1.4 keeps a task of each peer that it has dialled for a minute, and wakes none without
/// looking through a list of all: the five thousandth costs half as much again as the first, the five hundredth a
/// twentieth. To bind an endpoint costs as much as to ask one peer.
pub const MAX_DIALLED: NonZeroU32 = NonZeroU32::new(512).unwrap();

/// How many endpoints may be about to close. Origin: a guess; a question takes ten seconds at most, in which two cores
/// fill ten.
const MAX_RETIRED: usize = 16;

/// Endpoints that take turns: through each, [`MAX_DIALLED`] peers are asked, so that the last peer of a large
/// network costs what the first does.
///
/// The first is the caller's, who closes it. The others are bound by the caller's function when their turn comes, and
/// closed here when the last answer through them has ended; [`Endpoints::close`] closes what is left.
pub struct Endpoints {
    first: Endpoint,
    bind: Box<Bind>,
    max_dialled: u32,
    current: Mutex<Current>,
}

/// Binds an endpoint.
type Bind = dyn Fn() -> BoxFuture<'static, Result<Endpoint, BindError>> + Send + Sync;

struct Current {
    turn: Turn,
    /// Those whose turn is over: each ends when nobody needs it any more.
    retired: JoinSet<()>,
}

/// An endpoint, and who asks through it.
struct Turn {
    endpoint: Endpoint,
    owner: Owner,
    n_dialled: u32,
    /// Each question has a clone, …
    user: mpsc::Sender<()>,
    /// … so that nothing comes of this once all have ended.
    users: mpsc::Receiver<()>,
}

/// Who closes an endpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Caller,
    Ourselves,
}

/// An endpoint that isn't closed as long as this is held.
struct Lease {
    endpoint: Endpoint,
    _user: mpsc::Sender<()>,
}

impl Endpoints {
    /// `first`, and then what `bind` gives. If it fails, the endpoint that is in use goes on.
    pub fn new<F, B>(first: Endpoint, bind: F) -> Self
    where
        F: Fn() -> B + Send + Sync + 'static,
        B: Future<Output = Result<Endpoint, BindError>> + Send + 'static,
    {
        let turn = Turn::new(first.clone(), Owner::Caller);
        let bind = Box::new(move || -> BoxFuture<'static, _> { Box::pin(bind()) });
        let current = Mutex::new(Current { turn, retired: JoinSet::new() });
        Self { first, bind, max_dialled: MAX_DIALLED.get(), current }
    }

    /// Asks so many peers through each instead of [`MAX_DIALLED`].
    pub fn with_max_dialled(self, max_dialled: NonZeroU32) -> Self {
        Self { max_dialled: max_dialled.get(), ..self }
    }

    /// The caller's endpoint.
    pub fn first(&self) -> &Endpoint {
        &self.first
    }

    /// Closes all endpoints that were bound here, when the answers through them have ended.
    ///
    /// iroh waits up to 3 s for peers to hear of it. Dropping the call closes them at once, and iroh complains in its log.
    pub async fn close(&self) {
        let mut current = self.current.lock().await;
        current.replace(Turn::new(self.first.clone(), Owner::Caller));
        while current.retired.join_next().await.is_some() {}
    }

    async fn lease(&self) -> Lease {
        let mut current = self.current.lock().await;
        if current.turn.n_dialled >= self.max_dialled {
            self.next_turn(&mut current).await;
        }
        current.turn.lease()
    }

    async fn next_turn(&self, current: &mut Current) {
        while current.retired.try_join_next().is_some() {}
        // Asked again after as many, whatever comes of it.
        current.turn.n_dialled = 0;
        if current.retired.len() >= MAX_RETIRED {
            return;
        }
        match (self.bind)().await {
            Ok(endpoint) => current.replace(Turn::new(endpoint, Owner::Ourselves)),
            Err(error) => debug!(%error, "no fresh endpoint: this one goes on"),
        }
    }
}

impl Current {
    fn replace(&mut self, next: Turn) {
        let last = mem::replace(&mut self.turn, next);
        if last.owner == Owner::Ourselves {
            self.retired.spawn(last.close());
        }
    }
}

impl Turn {
    fn new(endpoint: Endpoint, owner: Owner) -> Self {
        let (user, users) = mpsc::channel(1);
        Self { endpoint, owner, n_dialled: 0, user, users }
    }

    fn lease(&mut self) -> Lease {
        self.n_dialled += 1;
        Lease { endpoint: self.endpoint.clone(), _user: self.user.clone() }
    }

    async fn close(self) {
        let Self { endpoint, user, mut users, .. } = self;
        drop(user);
        users.recv().await;
        endpoint.close().await;
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints").field("first", &self.first.id()).finish_non_exhaustive()
    }
}

/// Asks each peer through the endpoint whose turn it is.
pub(crate) struct InTurns {
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) network: Network,
    pub(crate) timeout: Duration,
}

impl Transport for InTurns {
    fn list_peers(
        &self,
        peer: EndpointAddr,
        max_entries: u32,
    ) -> BoxStream<'static, Result<Reply, AskError>> {
        let endpoints = self.endpoints.clone();
        let (network, timeout) = (self.network.clone(), self.timeout);
        let replies = async move {
            let lease = endpoints.lease().await;
            let client = Client::new(lease.endpoint.clone());
            let client = client.with_network(network).with_timeout(timeout);
            let replies = Transport::list_peers(&client, peer, max_entries);
            Ok(replies.inspect(move |_| _ = &lease))
        };
        replies.try_flatten_stream().boxed()
    }
}

//! Serves blobs by iroh-blobs' protocol, behind a gate of our own: that protocol would serve everybody, as
//! many as come, and take in what it is sent.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use id_proto::{BlobHash, iroh_base::PublicKey};
use iroh::{
    endpoint::{Accepting, Connection, RecvStream, SendStream, VarInt},
    protocol::{AcceptError, ProtocolHandler},
};
use iroh_blobs::{
    api::Store,
    protocol::{ERR_INTERNAL, ERR_LIMIT, ERR_PERMISSION, PushRequest, Request},
    provider::{
        StreamPair,
        events::{EventMask, EventSender, RequestMode},
        handle_get, handle_get_many, handle_observe, handle_push,
    },
    store::mem::MemStore,
};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::timeout,
};
use tracing::debug;

use super::{Blobs, Passes, StoreError};
use crate::{
    access::Access,
    service::{
        busy::{Busy, BusyCounts},
        callers::{Callers, Limits, host_of},
        handshakes::Handshakes,
    },
};

/// Most callers' connections. Origin: a guess; each may hold half a mebibyte that it doesn't read.
const MAX_CONNECTIONS: usize = 128;
/// Most of them of one caller. Origin: a guess; one is enough.
const MAX_PER_CALLER: usize = 4;
/// Most of them of one host. Origin: a guess.
const MAX_PER_HOST: usize = 64;
/// Most requests of one connection that are under way. Origin: a guess; more aren't faster.
const MAX_REQUESTS: usize = 8;
/// How long a caller may take to send a request. Origin: a few round trips by satellite.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be idle. Origin: that of `id/meta/1`.
const IDLE: Duration = Duration::from_secs(60);
/// With what a connection is closed that isn't wanted, or needed no more. Origin: protocol.md.
const DONE: u32 = 0;
/// With what a connection is closed that is one too many. Origin: protocol.md.
const BUSY: u32 = 5;
/// What a caller is told who may not be here. It needn't know why.
const NOT_ADMITTED: &[u8] = b"not admitted";
/// What a caller is told who hasn't proved to be a member. Origin: protocol.md.
const NOT_A_MEMBER: &[u8] = b"not a member: ask something by id/meta/1 first";

/// The protocol handler of iroh-blobs' ALPN.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    blobs: Blobs,
    access: Access,
    passes: Passes,
    callers: Callers,
    handshakes: Handshakes,
    busy: BusyCounts,
    /// What is read from while there is no store.
    nothing: Arc<OnceLock<MemStore>>,
}

impl Provider {
    pub(crate) fn new(blobs: Blobs, access: Access, passes: Passes, busy: BusyCounts) -> Self {
        let limits = Limits {
            max_connections: MAX_CONNECTIONS,
            max_per_caller: MAX_PER_CALLER,
            max_per_host: MAX_PER_HOST,
            ..Limits::default()
        };
        let callers = Callers::new(limits);
        let (handshakes, nothing) = (Handshakes::default(), Arc::default());
        Self { blobs, access, passes, callers, handshakes, busy, nothing }
    }
}

impl ProtocolHandler for Provider {
    async fn on_accepting(&self, accepting: Accepting) -> Result<Connection, AcceptError> {
        self.handshakes.finish(accepting, &self.busy).await
    }

    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        let caller = connection.remote_id();
        if !self.access.admits(&caller) {
            self.access.count_refused();
            connection.close(DONE.into(), NOT_ADMITTED);
            return Ok(());
        }
        if !self.passes.admits(&caller, Instant::now()) {
            connection.close(DONE.into(), NOT_A_MEMBER);
            return Ok(());
        }
        let Some(_visit) = self.callers.enter(caller, host_of(&connection)) else {
            self.busy.count(Busy::Connection);
            connection.close(BUSY.into(), b"busy");
            return Ok(());
        };
        tokio::select! {
            () = self.serve(&connection) => {}
            () = self.access.revoked(caller) => connection.close(DONE.into(), NOT_ADMITTED),
        }
        Ok(())
    }
}

impl Provider {
    /// Serves a connection until its caller closes it or has asked nothing for a while. What is under
    /// way when it is closed is dropped with it.
    async fn serve(&self, connection: &Connection) {
        let caller = connection.remote_id();
        let free = Arc::new(Semaphore::new(MAX_REQUESTS));
        let mut requests = JoinSet::new();
        while let Ok(slot) = free.clone().acquire_owned().await {
            let stream = timeout(IDLE, connection.accept_bi()).await;
            while requests.try_join_next().is_some() {}
            let (send, recv) = match stream {
                Ok(Ok(stream)) => stream,
                Err(_) if !requests.is_empty() => continue,
                Err(_) => return connection.close(DONE.into(), b"idle"),
                Ok(Err(_)) => return,
            };
            let (provider, id) = (self.clone(), connection.stable_id() as u64);
            requests.spawn(async move {
                provider.answer(caller, id, send, recv).await;
                drop(slot);
            });
        }
    }

    async fn answer(&self, caller: PublicKey, id: u64, send: SendStream, mut recv: RecvStream) {
        let request = timeout(REQUEST_TIMEOUT, Request::read_async(&mut recv)).await;
        let Ok(Ok((request, _len))) = request else {
            return refuse(send, recv, ERR_LIMIT);
        };
        if let Request::Push(request) = request {
            return self.take_in(caller, id, request, send, recv).await;
        }
        let Ok(store) = self.store_for(&caller).await else {
            return refuse(send, recv, ERR_INTERNAL);
        };
        let pair = StreamPair::new(id, recv, send, EventSender::DEFAULT);
        let served = match request {
            Request::Get(request) => handle_get(pair, store, request).await,
            Request::GetMany(request) => handle_get_many(pair, store, request).await,
            Request::Observe(request) => handle_observe(pair, store, request).await,
            _ => Ok(()),
        };
        if let Err(error) = served {
            debug!(%error, caller = %caller.fmt_short(), "a blob wasn't served");
        }
    }

    /// What `caller` may read from. Whoever may write waits here for what they have begun to send, and so
    /// there must be a store; nobody else makes one by asking.
    async fn store_for(&self, caller: &PublicKey) -> Result<Store, StoreError> {
        if self.access.is_writer(caller) {
            return Ok(self.blobs.made().await?.store().clone());
        }
        Ok(match self.blobs.shelf().await? {
            Some(shelf) => shelf.store().clone(),
            None => Store::from(self.nothing.get_or_init(MemStore::new).clone()),
        })
    }

    /// Takes a blob in, from somebody who may send some. Nothing but this blob: of those that a list of
    /// blobs would bring along nobody would know.
    async fn take_in(
        &self,
        caller: PublicKey,
        id: u64,
        request: PushRequest,
        send: SendStream,
        recv: RecvStream,
    ) {
        if !self.access.is_writer(&caller) {
            return refuse(send, recv, ERR_PERMISSION);
        }
        if !request.ranges.is_blob() {
            return refuse(send, recv, ERR_PERMISSION);
        }
        let hash = BlobHash(*request.hash.as_bytes());
        let arrival = match self.blobs.take_in(hash).await {
            Ok(arrival) => arrival,
            Err(StoreError::Failed) => return refuse(send, recv, ERR_INTERNAL),
            Err(_) => return refuse(send, recv, ERR_LIMIT),
        };
        let pair = StreamPair::new(id, recv, send, taking_in());
        if let Err(error) = handle_push(pair, arrival.store(), request).await {
            debug!(%error, caller = %caller.fmt_short(), "a blob wasn't taken in");
        }
    }
}

/// What iroh-blobs asks before it takes something in: nobody, because we have decided.
fn taking_in() -> EventSender {
    let mask = EventMask { push: RequestMode::None, ..EventMask::DEFAULT };
    EventSender::new(mpsc::channel(1).0, mask)
}

fn refuse(mut send: SendStream, mut recv: RecvStream, code: VarInt) {
    // An error says that the stream is over already.
    let _ = send.reset(code);
    let _ = recv.stop(code);
}

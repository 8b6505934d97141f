//! Connections, and what each of them may hold.

use std::{pin::pin, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Most connections at the same time; others wait to be taken. Origin: a browser opens 6, and there are some
/// people, a scraper and a probe.
const MAX_CONNECTIONS: usize = 64;
/// Longest head of a request, in bytes. Origin: the least that hyper can be given is 8 KiB, and browsers send 1.
const MAX_HEAD_LEN: usize = 16 * 1024;
/// Most headers of a request. Origin: browsers send 20.
const MAX_HEADERS: usize = 64;
/// How long a head may take, and how long nothing may be asked. Origin: a scraper that comes every 15 s may as
/// well connect anew.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection lives; what is under way then is finished. Origin: a guess; a client that reads
/// nothing holds what it asked for.
const MAX_AGE: Duration = Duration::from_secs(60);
/// How long what is under way may take when a connection has come of age. Origin: 5 MB at 1 Mbit/s.
const FINISH_TIMEOUT: Duration = Duration::from_secs(40);
/// The same when the node stops. Origin: a stop takes 1.5 s at most.
const STOP_TIMEOUT: Duration = Duration::from_millis(300);
/// How long nobody is taken when the system can't, as if there were no more files to open. Origin: a guess.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until it is told to stop.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = open.join_next() => {}
            accepted = listener.accept(), if open.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    open.spawn(serve_one(stream, router.clone(), stop.clone()));
                }
                Err(error) => {
                    warn!(%error, "can't take an HTTP connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let all = async { while open.join_next().await.is_some() {} };
    // Those that are still open are closed with the set.
    let _ = timeout(STOP_TIMEOUT, all).await;
}

async fn serve_one(stream: TcpStream, router: Router, stop: CancellationToken) {
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(builder().serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        served = &mut connection => {
            return served.unwrap_or_else(|error| debug!(%error, "an HTTP connection failed"));
        }
        () = stop.cancelled() => {}
        () = sleep(MAX_AGE) => {}
    }
    connection.as_mut().graceful_shutdown();
    if timeout(FINISH_TIMEOUT, connection).await.is_err() {
        debug!("an HTTP client took too long to read its answer");
    }
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_LEN);
    builder
}

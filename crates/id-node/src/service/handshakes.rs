//! Handshakes under way: bounded, and the oldest gives way to the newest.
//!
//! A caller that begins a handshake and goes away costs us a connection's worth of memory until we give
//! up. Whoever is honest is through within a few round trips, so under a flood of such callers it is
//! they who give way, and nobody is refused.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use iroh::{
    endpoint::{Accepting, Connection},
    protocol::AcceptError,
};
use tokio::{sync::oneshot, time::timeout};

use super::busy::{Busy, BusyCounts};

/// How long a caller may take for the handshake. Origin: a few round trips by satellite.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Most handshakes under way. Origin: a guess; 256 in a second leave each a second, and are about
/// 6 MiB.
const MAX_HANDSHAKES: usize = 256;

/// The handshakes of a service. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Handshakes {
    /// The oldest first. A sender that is dropped tells its handshake to give way; one whose handshake
    /// is over is closed.
    under_way: Arc<Mutex<VecDeque<oneshot::Sender<()>>>>,
}

/// A handshake under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Handshake(oneshot::Receiver<()>);

impl Handshakes {
    pub(crate) fn begin(&self) -> Handshake {
        let (sender, receiver) = oneshot::channel();
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.push_back(sender);
        if under_way.len() > MAX_HANDSHAKES {
            under_way.retain(|sender| !sender.is_closed());
        }
        if under_way.len() > MAX_HANDSHAKES {
            under_way.pop_front();
        }
        Handshake(receiver)
    }

    /// Finishes a handshake, unless it takes too long or has to give way.
    pub(crate) async fn finish(
        &self,
        accepting: Accepting,
        busy: &BusyCounts,
    ) -> Result<Connection, AcceptError> {
        let mut handshake = self.begin();
        let too_long = || AcceptError::from_err(io::Error::from(io::ErrorKind::TimedOut));
        tokio::select! {
            biased;
            done = timeout(HANDSHAKE_TIMEOUT, accepting) => Ok(done.map_err(|_| too_long())??),
            () = handshake.must_give_way() => {
                busy.count(Busy::Handshake);
                Err(too_long())
            }
        }
    }
}

impl Handshake {
    /// Waits until it has to give way.
    pub(crate) async fn must_give_way(&mut self) {
        // Nothing is ever sent.
        let _ = (&mut self.0).await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn gives_way(handshake: &mut Handshake) -> bool {
        handshake.must_give_way().now_or_never().is_some()
    }

    #[test]
    fn the_oldest_gives_way_when_there_are_too_many() {
        let handshakes = Handshakes::default();
        let mut under_way: Vec<_> = (0..MAX_HANDSHAKES).map(|_| handshakes.begin()).collect();
        assert!(under_way.iter_mut().all(|it| !gives_way(it)));
        let mut newest = handshakes.begin();
        assert!(gives_way(&mut under_way[0]));
        assert!(!gives_way(&mut under_way[1]) && !gives_way(&mut newest));
    }

    #[test]
    fn those_that_are_over_count_no_more() {
        let handshakes = Handshakes::default();
        let mut first = handshakes.begin();
        (0..10 * MAX_HANDSHAKES).for_each(|_| drop(handshakes.begin()));
        assert!(!gives_way(&mut first));
        assert!(handshakes.under_way.lock().unwrap().len() <= MAX_HANDSHAKES);
    }
}

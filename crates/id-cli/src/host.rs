//! What a command is given by whoever runs it: the program, once, or a session, line by line.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use id_client::{
    id_proto::{Network, iroh_base::SecretKey},
    iroh::Endpoint,
};
use id_node::endpoint::{self, EndpointOptions, Relay};
use tokio::time::timeout;

use id_render::Document;

use crate::interrupt::Interrupts;

/// How long closing an endpoint may take. Origin: those who were asked are told at once that we go;
/// the rest is waiting for those who no longer listen, and `--timeout` is to be kept.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_millis(100);

/// Most endpoints that are kept for later lines. Origin: lines differ in their relays and in the key as
/// which they ask; nobody goes back and forth between more.
const MAX_KEPT: usize = 4;

/// What commands work with. Whoever makes one closes it.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) interrupts: Interrupts,
    /// Told what `peers` found.
    learn: Option<Learn>,
    /// In the order in which they were bound.
    bound: Mutex<Vec<Bound>>,
}

/// What takes in what `peers` found, and in which network.
struct Learn(Box<Learner>);

type Learner = dyn Fn(&Network, &Document) + Send + Sync;

impl std::fmt::Debug for Learn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Learn")
    }
}

#[derive(Debug)]
struct Bound {
    endpoint: Endpoint,
    /// What it is made of, if another command may have it too.
    kept: Option<(Relay, Option<SecretKey>)>,
}

impl Host {
    /// For one command.
    pub(crate) fn once() -> Self {
        Self { interrupts: Interrupts::of_program(), learn: None, bound: Mutex::default() }
    }

    /// For many. `learn` is told what `peers` finds.
    pub(crate) fn session(
        learn: impl Fn(&Network, &Document) + Send + Sync + 'static,
    ) -> Result<Self> {
        let interrupts = Interrupts::of_session().context("can't listen to signals")?;
        let learn = Some(Learn(Box::new(learn)));
        Ok(Self { interrupts, learn, bound: Mutex::default() })
    }

    /// Takes note of what `peers` found in `network`.
    pub(crate) fn learn(&self, network: &Network, found: &Document) {
        if let Some(Learn(learn)) = &self.learn {
            learn(network, found);
        }
    }

    /// An endpoint to ask from, with a key of its own if none is given; the one that an earlier command
    /// had, if there is one like it. Not to be closed by whoever is lent it.
    pub(crate) async fn endpoint(&self, relay: Relay, key: Option<SecretKey>) -> Result<Endpoint> {
        let is_like = |bound: &&Bound| match &bound.kept {
            Some((its_relay, its_key)) => {
                *its_relay == relay && bytes(its_key.as_ref()) == bytes(key.as_ref())
            }
            None => false,
        };
        let kept = self.bound().iter().find(is_like).map(|bound| bound.endpoint.clone());
        match kept {
            Some(endpoint) => Ok(endpoint),
            None => self.bind(relay.clone(), key.clone(), Some((relay, key))).await,
        }
    }

    /// An endpoint that nobody else gets: for whoever listens as well.
    pub(crate) async fn own_endpoint(
        &self,
        relay: Relay,
        key: Option<SecretKey>,
    ) -> Result<Endpoint> {
        self.bind(relay, key, None).await
    }

    async fn bind(
        &self,
        relay: Relay,
        secret_key: Option<SecretKey>,
        kept: Option<(Relay, Option<SecretKey>)>,
    ) -> Result<Endpoint> {
        let options = EndpointOptions { relay, secret_key, ..EndpointOptions::default() };
        let endpoint = endpoint::bind(options).await.context("can't open a socket")?;
        self.bound().push(Bound { endpoint: endpoint.clone(), kept });
        Ok(endpoint)
    }

    /// Closes, between two commands, what the next one won't have: also what a command that was ended left.
    pub(crate) async fn tidy(&self) {
        let mut kept = 0;
        let unwanted: Vec<Bound> = {
            let mut bound = self.bound();
            let is_wanted = |bound: &Bound| {
                kept += usize::from(bound.kept.is_some());
                bound.kept.is_some() && kept <= MAX_KEPT
            };
            // The newest are kept.
            bound.reverse();
            let (mut wanted, unwanted) = bound.drain(..).partition::<Vec<_>, _>(is_wanted);
            wanted.reverse();
            *bound = wanted;
            unwanted
        };
        close(unwanted).await;
    }

    /// Closes all endpoints.
    pub(crate) async fn close(&self) {
        let bound = std::mem::take(&mut *self.bound());
        close(bound).await;
    }

    fn bound(&self) -> MutexGuard<'_, Vec<Bound>> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes(key: Option<&SecretKey>) -> Option<[u8; 32]> {
    key.map(SecretKey::to_bytes)
}

/// A peer that doesn't hear of it will notice by itself.
async fn close(bound: Vec<Bound>) {
    let all = bound.iter().map(|bound| bound.endpoint.close());
    let _ = timeout(CLOSE_TIMEOUT, futures::future::join_all(all)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn endpoint_is_bound_once_for_commands_that_want_the_same() {
        let host = Host::once();
        let [a, again] = [host.endpoint(Relay::Disabled, None).await.unwrap(), {
            host.tidy().await;
            host.endpoint(Relay::Disabled, None).await.unwrap()
        }];
        assert_eq!(a.id(), again.id());
        let key = SecretKey::from_bytes(&[7; 32]);
        let other = host.endpoint(Relay::Disabled, Some(key.clone())).await.unwrap();
        assert_eq!(other.id(), key.public());
        host.close().await;
        assert!(a.is_closed() && other.is_closed());
    }

    #[tokio::test]
    async fn endpoint_of_one_command_alone_is_closed_behind_it() {
        let host = Host::once();
        let own = host.own_endpoint(Relay::Disabled, None).await.unwrap();
        let shared = host.endpoint(Relay::Disabled, None).await.unwrap();
        assert_ne!(own.id(), shared.id());
        host.tidy().await;
        assert!(own.is_closed() && !shared.is_closed());
        host.close().await;
    }

    #[tokio::test]
    async fn only_the_newest_endpoints_are_kept() {
        let host = Host::once();
        let mut bound = Vec::new();
        for n in 0..=MAX_KEPT {
            let key = SecretKey::from_bytes(&[n as u8 + 1; 32]);
            bound.push(host.endpoint(Relay::Disabled, Some(key)).await.unwrap());
        }
        host.tidy().await;
        let closed: Vec<_> = bound.iter().map(Endpoint::is_closed).collect();
        assert_eq!(closed, [true, false, false, false, false]);
        host.close().await;
    }
}

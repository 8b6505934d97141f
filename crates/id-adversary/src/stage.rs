//! Where a role is played: whom it is about, for how long, and what it did.

use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::Args;
use futures::future::join_all;
use id_proto::{DEFAULT_SECRET, DEFAULT_TOPIC, Network};
use iroh::{Endpoint, SecretKey};
use serde_json::json;
use tokio::time::timeout;

use crate::{
    guard::{LocalIp, Target, Targets},
    keys::Keys,
    persona::{Hearing, Persona},
    roles::Role,
};

/// Longest play, in seconds. Origin: whoever forgets it finds it gone after a coffee.
const MAX_SECS: u64 = 600;
/// How long endpoints may take to close. Origin: iroh waits 3 s for peers to acknowledge.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What every role is told.
#[derive(Debug, Args)]
pub(crate) struct StageArgs {
    /// The nodes that it is about: loopback, private or link-local addresses only
    #[arg(long, value_name = "ID@IP:PORT,…", required = true)]
    target: Vec<Targets>,

    /// The network's topic
    #[arg(long, value_name = "NAME", default_value = DEFAULT_TOPIC)]
    topic: String,

    /// The network's secret
    #[arg(long, value_name = "SECRET", default_value = DEFAULT_SECRET)]
    topic_secret: String,

    /// How long, in seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=MAX_SECS))]
    secs: u64,

    /// Which identities: the same ones for the same number
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Where to dial from and listen at: a loopback, private or link-local address
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    bind: LocalIp,
}

/// What a role has to play with.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) targets: Vec<Target>,
    pub(crate) network: Network,
    pub(crate) keys: Keys,
    bind: LocalIp,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    notes: Mutex<BTreeMap<&'static str, String>>,
    endpoints: Mutex<Vec<Endpoint>>,
}

impl Stage {
    fn new(args: &StageArgs) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            targets: args.target.iter().flat_map(|targets| targets.0.iter().cloned()).collect(),
            network: Network::derive(&args.topic, &args.topic_secret)?,
            keys: Keys::new(args.seed),
            bind: args.bind,
            counts: Mutex::default(),
            notes: Mutex::default(),
            endpoints: Mutex::default(),
        }))
    }

    /// Counts `n` more of something.
    pub(crate) fn count(&self, what: &'static str, n: u64) {
        *locked(&self.counts).entry(what).or_default() += n;
    }

    /// Counts a success or a failure.
    pub(crate) fn tally<T, E>(
        &self,
        outcome: &Result<T, E>,
        good: &'static str,
        bad: &'static str,
    ) {
        self.count(if outcome.is_ok() { good } else { bad }, 1);
    }

    /// Remembers the newest of something that isn't a number.
    pub(crate) fn note(&self, what: &'static str, text: impl ToString) {
        locked(&self.notes).insert(what, text.to_string());
    }

    /// Somebody with key `n` of `family`, at an address of its own.
    pub(crate) async fn persona(
        self: &Arc<Self>,
        family: &str,
        n: u64,
        hearing: Hearing,
    ) -> Result<Persona> {
        self.persona_of(self.keys.key(family, n), hearing).await
    }

    async fn persona_of(self: &Arc<Self>, key: SecretKey, hearing: Hearing) -> Result<Persona> {
        let persona = Persona::bind(self.clone(), key, self.bind, hearing).await?;
        locked(&self.endpoints).push(persona.endpoint().clone());
        Ok(persona)
    }

    async fn close(&self) {
        let endpoints = std::mem::take(&mut *locked(&self.endpoints));
        let closing = join_all(endpoints.iter().map(Endpoint::close));
        let _ = timeout(CLOSE_TIMEOUT, closing).await;
    }
}

/// Plays `role` for as long as it was asked for, and prints what it did.
pub(crate) async fn perform<R: Role>(args: StageArgs, role: R) -> ExitCode {
    let started = Instant::now();
    let outcome = match Stage::new(&args) {
        Ok(stage) => {
            let played = timeout(Duration::from_secs(args.secs), role.play(stage.clone())).await;
            stage.close().await;
            played.unwrap_or(Ok(())).map(|()| stage.clone()).map_err(|e| (Some(stage), e))
        }
        Err(error) => Err((None, error)),
    };
    let (stage, error) = match outcome {
        Ok(stage) => (Some(stage), None),
        Err((stage, error)) => (stage, Some(format!("{error:#}"))),
    };
    let counts = stage.as_ref().map(|stage| locked(&stage.counts).clone()).unwrap_or_default();
    let notes = stage.as_ref().map(|stage| locked(&stage.notes).clone()).unwrap_or_default();
    let summary = json!({
        "role": R::NAME,
        "secs": started.elapsed().as_secs_f64(),
        "seed": args.seed,
        "counts": counts,
        "notes": notes,
        "error": error,
    });
    println!("{summary}");
    if error.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A panic elsewhere leaves counts as they are.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

//! Who may ask for blobs in a private network. iroh-blobs' protocol has no place for a proof of
//! membership, so whoever has proved theirs by a question lately is let in.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use id_proto::{Network, iroh_base::PublicKey};

/// How long a proof is remembered. Origin: a guess; time enough to ask what there is and then for it.
const VALID: Duration = Duration::from_secs(10 * 60);
/// Most proofs that are remembered. Origin: a guess; four times the callers that are served at once.
const MAX_PASSES: usize = 4096;

/// The members who have shown themselves lately. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Passes(Option<Arc<Mutex<BTreeMap<PublicKey, Instant>>>>);

impl Passes {
    /// In a network that isn't private everybody has a pass.
    pub(crate) fn new(network: &Network) -> Self {
        Self(network.is_private().then(Arc::default))
    }

    /// `caller` has proved to be a member.
    pub(crate) fn give(&self, caller: PublicKey, now: Instant) {
        if let Some(mut given) = self.given() {
            if given.len() >= MAX_PASSES && !given.contains_key(&caller) {
                forget_oldest(&mut given, now);
            }
            given.insert(caller, now);
        }
    }

    /// Whether `caller` is known to be a member.
    pub(super) fn admits(&self, caller: &PublicKey, now: Instant) -> bool {
        let is_valid = |given: &Instant| now.duration_since(*given) < VALID;
        self.given().is_none_or(|given| given.get(caller).is_some_and(is_valid))
    }

    fn given(&self) -> Option<MutexGuard<'_, BTreeMap<PublicKey, Instant>>> {
        let given = self.0.as_ref()?;
        Some(given.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Forgets those that aren't valid any more, or else the oldest.
fn forget_oldest(given: &mut BTreeMap<PublicKey, Instant>, now: Instant) {
    given.retain(|_, given| now.duration_since(*given) < VALID);
    if given.len() >= MAX_PASSES
        && let Some(oldest) = given.iter().min_by_key(|(_, given)| **given).map(|(id, _)| *id)
    {
        given.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use id_proto::iroh_base::SecretKey;

    use super::*;

    fn caller(n: u32) -> PublicKey {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&n.to_le_bytes());
        SecretKey::from_bytes(&seed).public()
    }

    fn private() -> Passes {
        Passes::new(&Network::derive("orchard", "apples").unwrap())
    }

    #[test]
    fn in_a_public_network_everybody_has_a_pass() {
        assert!(Passes::new(&Network::public()).admits(&caller(1), Instant::now()));
    }

    #[test]
    fn in_a_private_one_a_proof_is_good_for_ten_minutes() {
        let (passes, now) = (private(), Instant::now());
        assert!(!passes.admits(&caller(1), now));
        passes.give(caller(1), now);
        assert!(passes.admits(&caller(1), now + VALID - Duration::from_secs(1)));
        assert!(!passes.admits(&caller(1), now + VALID));
        assert!(!passes.admits(&caller(2), now));
    }

    #[test]
    fn so_many_passes_are_remembered_and_the_oldest_gives_way() {
        let (passes, now) = (private(), Instant::now());
        for n in 0..MAX_PASSES as u32 {
            passes.give(caller(n), now + Duration::from_millis(n.into()));
        }
        let later = now + Duration::from_secs(10);
        passes.give(caller(5), later);
        assert!(passes.admits(&caller(0), later), "it takes no more room");
        passes.give(caller(MAX_PASSES as u32), later);
        assert!(!passes.admits(&caller(0), later));
        assert!(passes.admits(&caller(1), later));
    }
}

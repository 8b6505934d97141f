//! Identities: as many as one likes, the same ones for the same seed.

use iroh::SecretKey;

const CONTEXT: &str = "id-adversary 2026-11-21 key";

/// All keys of one seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keys {
    seed: u64,
}

impl Keys {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Key number `n` of a family.
    pub(crate) fn key(self, family: &str, n: u64) -> SecretKey {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(&n.to_le_bytes());
        hasher.update(family.as_bytes());
        SecretKey::from_bytes(hasher.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_depend_on_seed_family_and_number_and_on_nothing_else() {
        let id = |seed, family: &str, n| Keys::new(seed).key(family, n).public();
        assert_eq!(id(1, "a", 2), id(1, "a", 2));
        let others = [id(2, "a", 2), id(1, "b", 2), id(1, "a", 3)];
        assert!(!others.contains(&id(1, "a", 2)));
    }
}

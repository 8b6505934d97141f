//! Values in the slot of a DHT: anybody may leave any, and whoever knows the secret any record.

use std::sync::LazyLock;

use id_node::untrusted::{DhtSlot, MAX_NEIGHBOURS};
use id_proto::{
    Network,
    iroh_base::{PublicKey, SecretKey},
};

use crate::Outcome::{self, Refused, Understood};

static KEY: LazyLock<SecretKey> = LazyLock::new(|| SecretKey::from_bytes(&[7; 32]));
static SLOT: LazyLock<DhtSlot> =
    LazyLock::new(|| DhtSlot::new(&Network::public(), &KEY, 30_000_000));

/// The first byte says who leaves the rest, and as what.
pub(crate) fn record(bytes: &[u8]) -> Outcome {
    let Some((kind, rest)) = bytes.split_first() else {
        return Refused;
    };
    match kind {
        0 => opened(rest),
        1 => SLOT.seal_bytes(rest).map_or(Refused, |value| opened(&value)),
        2 => SLOT.seal_content(rest).map_or(Refused, |value| opened(&value)),
        at => sealed(*at, rest),
    }
}

fn opened(value: &[u8]) -> Outcome {
    match SLOT.open(value) {
        Some((_, neighbours)) => {
            assert!(neighbours.len() <= MAX_NEIGHBOURS);
            Understood
        }
        None => Refused,
    }
}

/// A record with these neighbours reads as what it is; with one byte altered it doesn't.
fn sealed(at: u8, neighbours: &[u8]) -> Outcome {
    let ids = neighbours.chunks_exact(32).map(|id| id.try_into().expect("32 bytes"));
    let ids: Vec<_> = ids.filter_map(|id| PublicKey::from_bytes(id).ok()).collect();
    let mut value = SLOT.seal(&ids).expect("a record can be made");
    let (author, read) = SLOT.open(&value).expect("what we leave can be read");
    assert_eq!(author, KEY.public());
    assert!(read.iter().eq(ids.iter().filter(|id| *id.as_bytes() != [0; 32]).take(read.len())));
    let at = usize::from(at) % value.len();
    value[at] ^= 1;
    assert_eq!(SLOT.open(&value), None, "byte {at} is altered");
    Outcome::understood_if(!read.is_empty())
}

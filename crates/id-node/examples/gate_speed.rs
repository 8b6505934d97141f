//! How many announcements a second one core takes through the whole gate, compared with nothing but
//! their signatures. `cargo xtask bench verify` builds it, runs it and prints what it found.
//!
//! Announcement by announcement the ways take turns, so that whatever else the machine does meanwhile
//! is spread over all of them; the median round counts.

use std::{
    hint::black_box,
    iter::once,
    time::{Duration, Instant},
};

use curve25519_dalek::{
    EdwardsPoint, Scalar,
    constants::ED25519_BASEPOINT_POINT,
    edwards::CompressedEdwardsY,
    traits::{IsIdentity, VartimeMultiscalarMul},
};
use ed25519_dalek::{Signature, VerifyingKey};
use id_node::membership::{Event, Membership, MembershipConfig, Now, OwnFacts};
use id_proto::{
    GossipMessage, Network, PeerAnnouncement, SignedAnnouncement, Statement,
    iroh_base::{PublicKey, SecretKey, TransportAddr},
};
use sha2::{Digest, Sha512};

/// Peers, each with two announcements. Few enough for one neighbour's part of the table.
const N_PEERS: u32 = 500;
/// Odd, so that there is a median.
const N_ROUNDS: usize = 11;
/// Signatures in a batch. Origin: what curve25519-dalek's multiplication gains little beyond.
const BATCH: usize = 64;
/// How long after the first announcement of a peer its second comes.
const INTERVAL: Duration = Duration::from_secs(30);
const START: Duration = Duration::from_secs(1_800_000_000);

/// What every peer says at one time, ready to be delivered and to be verified alone.
struct Sayings {
    nth: u32,
    messages: Vec<Vec<u8>>,
    bare: Vec<Bare>,
}

/// A key, a signature and what is signed.
struct Bare {
    key: [u8; 32],
    signature: [u8; 64],
    message: Vec<u8>,
}

fn main() {
    let (first, second) = (Sayings::new(0), Sayings::new(1));
    let from = secret(u32::MAX).public();
    let mut rounds = Vec::new();
    for _ in 0..N_ROUNDS {
        let mut node = node(from);
        let newcomers = first.through_gate(&mut node, from);
        let news = second.through_gate(&mut node, from);
        let batch = second.in_batches();
        let n_believed = node.view().stats.believed;
        assert_eq!(n_believed, 2 * u64::from(N_PEERS), "something was refused");
        rounds.push([newcomers, news, batch]);
    }
    let rate = |time: Duration| f64::from(N_PEERS) / time.as_secs_f64();
    let rates = |way: usize| median(rounds.iter().map(|round| rate(round[way].this)));
    let ratio = |way: usize| median(rounds.iter().map(|round| round[way].ratio()));
    let report = serde_json::json!({
        "announcements": N_PEERS,
        "message_bytes": second.messages[0].len(),
        "rounds": N_ROUNDS,
        "per_second": {
            "newcomers": rates(0),
            "news": rates(1),
            "batch": rates(2),
            "strict": median(rounds.iter().flatten().map(|turns| rate(turns.strict))),
        },
        "ratio": { "newcomers": ratio(0), "news": ratio(1), "batch": ratio(2) },
    });
    println!("{report}");
}

/// What one way took, and what strict verification of the same announcements took in between.
#[derive(Debug, Clone, Copy, Default)]
struct Turns {
    this: Duration,
    strict: Duration,
}

impl Turns {
    /// One turn each. Who is first finds the caches cold, so both are, in turns.
    fn take(&mut self, nth: usize, this: impl FnOnce(), strict: impl FnOnce()) {
        if nth.is_multiple_of(2) {
            self.this += timed(this);
            self.strict += timed(strict);
        } else {
            self.strict += timed(strict);
            self.this += timed(this);
        }
    }

    fn ratio(&self) -> f64 {
        self.strict.as_secs_f64() / self.this.as_secs_f64()
    }
}

impl Sayings {
    fn new(nth: u32) -> Self {
        let signed: Vec<_> = (0..N_PEERS).map(|peer| announcement(peer, nth)).collect();
        Self {
            nth,
            messages: signed.iter().map(GossipMessage::announce).collect(),
            bare: signed.iter().map(Bare::new).collect(),
        }
    }

    /// Bytes, decoding, every check, the signature, the table, and what it wants done.
    fn through_gate(&self, node: &mut Membership, from: PublicKey) -> Turns {
        let mut turns = Turns::default();
        for (nth, (message, bare)) in self.messages.iter().zip(&self.bare).enumerate() {
            let deliver = || {
                let event = Event::Gossip { message, from };
                drop(black_box(node.handle(event, at(self.nth, nth as u32))));
            };
            turns.take(nth, deliver, || bare.verify());
        }
        turns
    }

    fn in_batches(&self) -> Turns {
        let mut turns = Turns::default();
        for (nth, batch) in self.bare.chunks(BATCH).enumerate() {
            turns.take(nth, || verify_batch(batch), || batch.iter().for_each(Bare::verify));
        }
        turns
    }
}

impl Bare {
    fn new(announcement: &SignedAnnouncement) -> Self {
        let (signature, body) = announcement.bytes().split_at(64);
        Self {
            key: *announcement.node_id.as_bytes(),
            signature: signature.try_into().expect("64 bytes"),
            message: [PeerAnnouncement::DOMAIN, body].concat(),
        }
    }

    fn verify(&self) {
        let key = VerifyingKey::from_bytes(&self.key).expect("a point");
        let is_good = key.verify_strict(&self.message, &Signature::from_bytes(&self.signature));
        is_good.expect("signed by its author");
    }

    fn k(&self) -> Scalar {
        let hash = Sha512::new().chain_update(&self.signature[..32]).chain_update(self.key);
        Scalar::from_bytes_mod_order_wide(&hash.chain_update(&self.message).finalize().into())
    }

    fn s(&self) -> Scalar {
        let bytes = self.signature[32..].try_into().expect("32 bytes");
        Option::from(Scalar::from_canonical_bytes(bytes)).expect("reduced")
    }
}

/// What ed25519-dalek's `verify_batch` computes, whose feature would have everything above it
/// compiled anew: that the sum of what all signatures miss by, each times a number that their makers
/// couldn't foresee, is nothing. Here to know what it would save; docs/protocol.md says why it
/// decides nowhere.
fn verify_batch(batch: &[Bare]) {
    let seed = batch.iter().fold(Sha512::new(), |hash, bare| hash.chain_update(bare.signature));
    let seed = seed.finalize();
    let zs: Vec<_> = (0..batch.len() as u64).map(|nth| coefficient(&seed, nth)).collect();
    let b = -batch.iter().zip(&zs).map(|(bare, z)| bare.s() * z).sum::<Scalar>();
    let ks = batch.iter().zip(&zs).map(|(bare, z)| bare.k() * z);
    let rs = batch.iter().map(|bare| CompressedEdwardsY::from_slice(&bare.signature[..32]));
    let keys = batch.iter().map(|bare| CompressedEdwardsY(bare.key));
    let points = rs.map(|r| r.expect("32 bytes")).chain(keys).map(|bytes| bytes.decompress());
    let sum = EdwardsPoint::optional_multiscalar_mul(
        once(b).chain(zs.iter().copied()).chain(ks),
        once(Some(ED25519_BASEPOINT_POINT)).chain(points),
    );
    assert!(sum.is_some_and(|sum| sum.is_identity()), "every signature is good");
}

fn coefficient(seed: &[u8], nth: u64) -> Scalar {
    let hash = Sha512::new().chain_update(seed).chain_update(nth.to_le_bytes()).finalize();
    Scalar::from(u128::from_le_bytes(hash[..16].try_into().expect("16 bytes")))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn secret(n: u32) -> SecretKey {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    SecretKey::from_bytes(&bytes)
}

/// When a peer announces itself for the `nth` time; peers do so one after the other.
fn at(nth: u32, peer: u32) -> Now {
    let mono = INTERVAL * nth + INTERVAL / N_PEERS * peer;
    Now { mono, unix: START + mono }
}

/// What a peer says the `nth` time: a name, a relay and two addresses.
fn announcement(peer: u32, nth: u32) -> SignedAnnouncement {
    let (key, unix) = (secret(peer + 1), at(nth, peer).unix);
    let relay = "https://relay.example.org./".parse().expect("a URL");
    let ip = |addr: &str| TransportAddr::Ip(addr.parse().expect("an address"));
    let announcement = PeerAnnouncement {
        node_id: key.public(),
        name: Some(format!("kestrel-{peer}")),
        blob_count: 300,
        timestamp_secs: unix.as_secs(),
        seq: unix.as_millis() as u64,
        network_tag: Network::public().tag(),
        interval_secs: INTERVAL.as_secs() as u32,
        addrs: vec![TransportAddr::Relay(relay), ip("1.1.1.1:4433"), ip("[2606:4700::1]:4433")],
        agent: "id-node/0.1.0".to_owned(),
    };
    SignedAnnouncement::sign(announcement, &key).expect("in bounds")
}

/// A node with one neighbour. It dials nobody, so that there is nothing to measure but the gate.
fn node(neighbour: PublicKey) -> Membership {
    let config = MembershipConfig { verify_gap: None, ..MembershipConfig::new(&Network::public()) };
    let facts = OwnFacts { name: None, blob_count: 0, addrs: Vec::new() };
    let (mut node, _) = Membership::new(secret(0), config, facts, 0, at(0, 0));
    node.handle(Event::NeighbourUp(neighbour), at(0, 0));
    node
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

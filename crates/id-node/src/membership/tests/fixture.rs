//! One node under test, its clock, and peers that say what they are told to say.

use std::time::Duration;

use id_client::FailKind;
use id_proto::{
    GossipMessage, Leave, Network, PeerAnnouncement, PeerEntry, SignedAnnouncement, SignedLeave,
    Source, Statement, UnverifiedAnnouncement,
    iroh_base::{PublicKey, SecretKey},
};

use crate::membership::{
    Effect, Entry, Event, Membership, MembershipConfig, Now, OwnFacts, Refusal, RemovalReason,
    SyncEnd,
};

/// Unix time at the zero of the node's own clock.
const UNIX_START: Duration = Duration::from_secs(1_800_000_000);

pub(super) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The defaults, but that nobody is dialled only to verify it: what a test sees is what it caused.
pub(super) fn config() -> MembershipConfig {
    MembershipConfig { verify_gap: None, ..MembershipConfig::new(&Network::public()) }
}

pub(super) fn facts() -> OwnFacts {
    OwnFacts { name: Some("me".to_owned()), blob_count: 0, addrs: Vec::new() }
}

pub(super) fn secret(seed: u16) -> SecretKey {
    let mut bytes = [7; 32];
    bytes[..2].copy_from_slice(&seed.to_le_bytes());
    SecretKey::from_bytes(&bytes)
}

/// A peer: its key, and how it announces.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) key: SecretKey,
    pub(super) interval_secs: u32,
    pub(super) network: Network,
    pub(super) seq: u64,
}

impl Peer {
    /// Each seed another peer; 0 is the node under test.
    pub(super) fn new(seed: u16) -> Self {
        assert_ne!(seed, 0);
        Self { key: secret(seed), interval_secs: 30, network: Network::public(), seq: 100 }
    }

    pub(super) fn id(&self) -> PublicKey {
        self.key.public()
    }

    /// What it says next, unsigned.
    pub(super) fn draft(&mut self, now: Now) -> PeerAnnouncement {
        self.seq += 1;
        PeerAnnouncement {
            node_id: self.id(),
            name: None,
            blob_count: 0,
            timestamp_secs: now.unix.as_secs(),
            seq: self.seq,
            network_tag: self.network.tag(),
            interval_secs: self.interval_secs,
            addrs: Vec::new(),
            agent: "test".to_owned(),
        }
    }

    pub(super) fn sign(&self, draft: PeerAnnouncement) -> SignedAnnouncement {
        SignedAnnouncement::sign(draft, &self.key).unwrap()
    }

    pub(super) fn announce(&mut self, now: Now) -> SignedAnnouncement {
        let draft = self.draft(now);
        self.sign(draft)
    }

    pub(super) fn leave(&mut self, now: Now) -> SignedLeave {
        self.seq += 1;
        let leave = Leave {
            node_id: self.id(),
            timestamp_secs: now.unix.as_secs(),
            seq: self.seq,
            network_tag: self.network.tag(),
        };
        SignedLeave::sign(leave, &self.key).unwrap()
    }
}

/// The same statement under a signature by somebody else than its author.
pub(super) fn forge<T: Statement>(signed: &[u8]) -> Vec<u8> {
    let body = &signed[64..];
    let signature = secret(9999).sign(&[T::DOMAIN, body].concat());
    [&signature.to_bytes(), body].concat()
}

/// A gossip message of any variant around any bytes.
pub(super) fn gossip_message(variant: u8, signed: &[u8]) -> Vec<u8> {
    let len = u16::try_from(signed.len()).unwrap();
    // The length is a varint: seven bits in each byte, the lowest first.
    let prefix = match len {
        0..128 => vec![variant, len as u8],
        128.. => vec![variant, len as u8 | 0x80, (len >> 7) as u8],
    };
    [&prefix, signed].concat()
}

pub(super) fn unverified(signed: &SignedAnnouncement) -> UnverifiedAnnouncement {
    UnverifiedAnnouncement::decode(signed.bytes()).unwrap()
}

/// The node under test and its clock. Checks the invariants after every event.
pub(super) struct World {
    pub(super) node: Membership,
    pub(super) now: Now,
    /// The effects of the start.
    pub(super) first: Vec<Effect>,
}

impl World {
    /// A node with the default configuration and no neighbour, which has just started.
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(configure: impl FnOnce(&mut MembershipConfig)) -> Self {
        let mut config = config();
        configure(&mut config);
        let now = Now { mono: Duration::ZERO, unix: UNIX_START };
        let (node, first) = Membership::new(secret(0), config, facts(), 0, now);
        Self { node, now, first }
    }

    /// A node with one neighbour, whose start is over: it has announced itself and synced.
    pub(super) fn settled() -> Self {
        Self::settled_with(|_| {})
    }

    pub(super) fn settled_with(configure: impl FnOnce(&mut MembershipConfig)) -> Self {
        let mut world = Self::with(configure);
        let neighbour = world.neighbour();
        world.tick();
        world.handle(Event::NeighbourUp(neighbour));
        world.handle(Event::Synced { peer: neighbour, end: SyncEnd::Complete });
        world
    }

    /// The neighbour of a settled node; not in its table.
    pub(super) fn neighbour(&self) -> PublicKey {
        secret(1000).public()
    }

    /// Moves the clock, with nothing happening.
    pub(super) fn advance(&mut self, by: Duration) {
        self.now.mono += by;
        self.now.unix += by;
    }

    pub(super) fn handle(&mut self, event: Event<'_>) -> Vec<Effect> {
        let effects = self.node.handle(event, self.now);
        self.node.check_invariants(self.now);
        effects
    }

    pub(super) fn tick(&mut self) -> Vec<Effect> {
        self.handle(Event::Tick)
    }

    /// Lets time pass until `mono`, with a tick at every deadline. Returns what was done, and when.
    pub(super) fn run_until(&mut self, mono: Duration) -> Vec<(Duration, Effect)> {
        let mut done = Vec::new();
        while self.node.next_deadline() <= mono {
            let wait = self.node.next_deadline().saturating_sub(self.now.mono);
            self.advance(wait);
            done.extend(self.tick().into_iter().map(|effect| (self.now.mono, effect)));
        }
        self.advance(mono.saturating_sub(self.now.mono));
        done
    }

    pub(super) fn run_for(&mut self, time: Duration) -> Vec<(Duration, Effect)> {
        self.run_until(self.now.mono + time)
    }

    /// The neighbour delivers a gossip message.
    pub(super) fn gossip(&mut self, message: &[u8]) -> Vec<Effect> {
        let from = self.neighbour();
        self.handle(Event::Gossip { message, from })
    }

    /// A neighbour of the caller's choice delivers an announcement.
    pub(super) fn hear_from(
        &mut self,
        from: PublicKey,
        announcement: &SignedAnnouncement,
    ) -> Vec<Effect> {
        self.handle(Event::Gossip { message: &GossipMessage::announce(announcement), from })
    }

    pub(super) fn hear(&mut self, announcement: &SignedAnnouncement) -> Vec<Effect> {
        self.gossip(&GossipMessage::announce(announcement))
    }

    pub(super) fn hear_leave(&mut self, leave: &SignedLeave) -> Vec<Effect> {
        self.gossip(&GossipMessage::leave(leave))
    }

    /// The neighbour tells of an announcement that it heard `age` ago.
    pub(super) fn told(&mut self, announcement: &SignedAnnouncement, age: Duration) -> Vec<Effect> {
        let announcement = announcement.clone();
        let entry = PeerEntry { announcement, age, source: Source::Gossip, verified_age: None };
        let by = self.neighbour();
        self.handle(Event::Told { item: &entry.encode(), by })
    }

    /// The peer announces itself now, and is heard.
    pub(super) fn meet(&mut self, peer: &mut Peer) -> SignedAnnouncement {
        let announcement = peer.announce(self.now);
        self.hear(&announcement);
        assert!(self.has(peer));
        announcement
    }

    pub(super) fn probe_fails(&mut self, peer: &Peer) -> Vec<Effect> {
        self.handle(Event::Probed { peer: peer.id(), answer: Err(FailKind::Timeout) })
    }

    pub(super) fn probe_answers(
        &mut self,
        peer: &Peer,
        answer: &SignedAnnouncement,
    ) -> Vec<Effect> {
        self.handle(Event::Probed { peer: peer.id(), answer: Ok(unverified(answer)) })
    }

    pub(super) fn has(&self, peer: &Peer) -> bool {
        self.node.table.contains(&peer.id())
    }

    pub(super) fn entry(&self, peer: &Peer) -> &Entry {
        self.node.table.get(&peer.id()).expect("the peer is in the table")
    }

    pub(super) fn refused(&self, reason: Refusal) -> u64 {
        self.node.stats.refused(reason)
    }

    pub(super) fn n_refused(&self) -> u64 {
        Refusal::ALL.iter().map(|reason| self.refused(*reason)).sum()
    }
}

pub(super) fn probed(effects: &[Effect]) -> Vec<PublicKey> {
    let probe = |effect: &Effect| match effect {
        Effect::Probe(addr) => Some(addr.id),
        _ => None,
    };
    effects.iter().filter_map(probe).collect()
}

pub(super) fn asked_for_table(effects: &[Effect]) -> Vec<PublicKey> {
    let sync = |effect: &Effect| match effect {
        Effect::SyncFrom(peer) => Some(*peer),
        _ => None,
    };
    effects.iter().filter_map(sync).collect()
}

pub(super) fn forgotten(effects: &[Effect]) -> Vec<(PublicKey, RemovalReason)> {
    let forgotten = |effect: &Effect| match effect {
        Effect::Forgotten { peer, reason } => Some((*peer, *reason)),
        _ => None,
    };
    effects.iter().filter_map(forgotten).collect()
}

/// The announcements among what is broadcast.
pub(super) fn announced(effects: &[Effect]) -> Vec<PeerAnnouncement> {
    let announcement = |effect: &Effect| match effect {
        Effect::Broadcast(bytes) => match GossipMessage::decode(bytes).unwrap() {
            GossipMessage::Announce(announcement) => Some(announcement.claimed().clone()),
            _ => None,
        },
        _ => None,
    };
    effects.iter().filter_map(announcement).collect()
}

pub(super) fn effects_of(done: Vec<(Duration, Effect)>) -> Vec<Effect> {
    done.into_iter().map(|(_, effect)| effect).collect()
}

//! Whatever happens in whatever order: what must always hold, holds.

use std::{collections::BTreeSet, sync::Arc};

use id_client::FailKind;
use id_proto::{
    GossipMessage, SignedAnnouncement,
    iroh_base::{EndpointAddr, TransportAddr},
};
use proptest::prelude::*;

use super::fixture::{Peer, World, facts, forgotten, millis, unverified};
use crate::{
    access::AccessList,
    membership::{Effect, Event, OwnFacts, RemovalReason, SyncEnd},
};

const N_PEERS: usize = 8;

#[derive(Debug, Clone)]
enum Action {
    Wait { millis: u64 },
    WaitForDeadline,
    Announce { peer: usize, by: usize },
    Replay { which: usize },
    Leave(usize),
    Told { peer: usize, age_millis: u64 },
    NeighbourUp(usize),
    NeighbourDown(usize),
    Synced { peer: usize, end: SyncEnd },
    ProbeAnswered { peer: usize, with_news: bool },
    ProbeFailed(usize),
    Lagged,
    OwnChanged { blob_count: u64 },
    AccessChanged(Access),
    Noise(Vec<u8>),
    ClockStep { seconds: i32 },
}

fn action() -> impl Strategy<Value = Action> {
    let peer = 0..N_PEERS;
    let age = prop_oneof![0_u64..130_000, Just(u64::MAX)];
    prop_oneof![
        2 => (0_u64..90_000).prop_map(|millis| Action::Wait { millis }),
        4 => Just(Action::WaitForDeadline),
        4 => (peer.clone(), peer.clone()).prop_map(|(peer, by)| Action::Announce { peer, by }),
        1 => any::<usize>().prop_map(|which| Action::Replay { which }),
        1 => peer.clone().prop_map(Action::Leave),
        2 => (peer.clone(), age).prop_map(|(peer, age_millis)| Action::Told { peer, age_millis }),
        2 => peer.clone().prop_map(Action::NeighbourUp),
        1 => peer.clone().prop_map(Action::NeighbourDown),
        2 => (peer.clone(), sync_end()).prop_map(|(peer, end)| Action::Synced { peer, end }),
        2 => (peer.clone(), any::<bool>())
            .prop_map(|(peer, with_news)| Action::ProbeAnswered { peer, with_news }),
        1 => peer.prop_map(Action::ProbeFailed),
        1 => Just(Action::Lagged),
        1 => (0_u64..3).prop_map(|blob_count| Action::OwnChanged { blob_count }),
        1 => access().prop_map(Action::AccessChanged),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Action::Noise),
        1 => (-400_i32..400).prop_map(|seconds| Action::ClockStep { seconds }),
    ]
}

/// Who is denied, who is allowed if there is a list, and whether the neighbour is on it.
type Access = (BTreeSet<usize>, Option<(BTreeSet<usize>, bool)>);

fn access() -> impl Strategy<Value = Access> {
    let some = || prop::collection::btree_set(0..N_PEERS, 0..N_PEERS);
    (some(), prop::option::of((some(), any::<bool>())))
}

fn sync_end() -> impl Strategy<Value = SyncEnd> {
    prop_oneof![Just(SyncEnd::Complete), Just(SyncEnd::Failed), Just(SyncEnd::NoSource)]
}

/// A node with little room, and peers that do as the actions say.
struct Play {
    world: World,
    peers: Vec<Peer>,
    said: Vec<SignedAnnouncement>,
}

impl Play {
    fn new() -> Self {
        let world = World::with(|config| {
            config.max_entries = 5;
            config.max_probes = 2;
            config.verify_gap = Some(millis(700));
            config.configured.insert(Peer::new(2).id());
        });
        let peers = (1..=N_PEERS as u16).map(Peer::new).collect();
        Self { world, peers, said: Vec::new() }
    }

    fn announce(&mut self, peer: usize) -> SignedAnnouncement {
        let mut draft = self.peers[peer].draft(self.world.now);
        draft.addrs.push(TransportAddr::Ip(([1, 1, 1, 1], 1).into()));
        let announcement = self.peers[peer].sign(draft);
        self.said.push(announcement.clone());
        announcement
    }

    /// The world checks the invariants after each event; among them, that nothing stays due.
    fn act(&mut self, action: &Action) -> Vec<Effect> {
        match action {
            Action::Wait { millis: n } => self.world.advance(millis(*n)),
            Action::WaitForDeadline => {
                let wait = self.world.node.next_deadline().saturating_sub(self.world.now.mono);
                self.world.advance(wait);
            }
            Action::ClockStep { seconds } => {
                let unix = self.world.now.unix.as_secs().saturating_add_signed((*seconds).into());
                self.world.now.unix = super::fixture::secs(unix);
            }
            Action::Announce { peer, by } => {
                let announcement = self.announce(*peer);
                return self.world.hear_from(self.peers[*by].id(), &announcement);
            }
            Action::Replay { which } if !self.said.is_empty() => {
                let old = self.said[which % self.said.len()].clone();
                return self.world.hear(&old);
            }
            Action::Replay { .. } => {}
            Action::Leave(peer) => {
                let leave = self.peers[*peer].leave(self.world.now);
                return self.world.hear_leave(&leave);
            }
            Action::Told { peer, age_millis } => {
                let announcement = self.announce(*peer);
                return self.world.told(&announcement, millis(*age_millis));
            }
            Action::ProbeAnswered { peer, with_news } => {
                let last = self.said.iter().rev().find(|it| it.node_id == self.peers[*peer].id());
                let answer = match last.filter(|_| !with_news) {
                    Some(last) => last.clone(),
                    None => self.announce(*peer),
                };
                let (peer, answer) = (self.peers[*peer].id(), Ok(unverified(&answer)));
                return self.world.handle(Event::Probed { peer, answer });
            }
            _ => {}
        }
        let id = |peer: &usize| self.peers[*peer].id();
        let event = match action {
            Action::NeighbourUp(peer) => Event::NeighbourUp(id(peer)),
            Action::NeighbourDown(peer) => Event::NeighbourDown(id(peer)),
            Action::Synced { peer, end } => Event::Synced { peer: id(peer), end: *end },
            Action::ProbeFailed(peer) => {
                Event::Probed { peer: id(peer), answer: Err(FailKind::Timeout) }
            }
            Action::Lagged => Event::Lagged,
            Action::OwnChanged { blob_count } => {
                Event::OwnChanged(OwnFacts { blob_count: *blob_count, ..facts() })
            }
            Action::AccessChanged((deny, allow)) => {
                let allow = allow.as_ref().map(|(allow, with_neighbour)| {
                    let neighbour = with_neighbour.then(|| self.world.neighbour());
                    allow.iter().map(id).chain(neighbour).collect()
                });
                let deny = deny.iter().map(id).collect();
                let list = AccessList { deny, allow, ..AccessList::default() };
                Event::AccessChanged(Arc::new(list))
            }
            Action::Noise(bytes) => Event::Gossip { message: bytes, from: self.world.neighbour() },
            _ => Event::Tick,
        };
        self.world.handle(event)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn the_same_events_give_the_same_effects(
        actions in prop::collection::vec(action(), 1..80),
    ) {
        let (mut one, mut other) = (Play::new(), Play::new());
        for action in &actions {
            let (a, b) = (one.act(action), other.act(action));
            prop_assert_eq!(format!("{a:?}"), format!("{b:?}"));
        }
    }

    #[test]
    fn every_tick_moves_the_deadline_and_effects_account_for_the_table(
        actions in prop::collection::vec(action(), 1..200),
    ) {
        let mut play = Play::new();
        let mut present = BTreeSet::new();
        for action in &actions {
            let verified: BTreeSet<_> = play.world.node.table.iter()
                .filter(|entry| entry.verified.is_some())
                .map(|entry| entry.node_id())
                .collect();
            let before = play.world.node.next_deadline();
            let effects = play.act(action);
            if matches!(action, Action::WaitForDeadline) {
                prop_assert!(play.world.node.next_deadline() > before);
            }
            for effect in &effects {
                match effect {
                    Effect::Learned { entry, is_new } => {
                        prop_assert_eq!(present.insert(entry.node_id()), *is_new);
                    }
                    Effect::Forgotten { peer, reason } => {
                        prop_assert!(present.remove(peer), "{:?} was not there", reason);
                    }
                    Effect::Probe(EndpointAddr { id: peer, .. })
                    | Effect::SyncFrom(peer)
                    | Effect::Join(peer) => {
                        prop_assert!(play.world.node.access.admits(peer), "dialled though denied");
                    }
                    Effect::Broadcast(bytes) => {
                        let is_announcement =
                            matches!(GossipMessage::decode(bytes), Ok(GossipMessage::Announce(_)));
                        prop_assert!(is_announcement);
                    }
                    _ => {}
                }
            }
            for (peer, reason) in forgotten(&effects) {
                let is_eviction = reason == RemovalReason::Evicted;
                prop_assert!(!is_eviction || !verified.contains(&peer));
                prop_assert!(!is_eviction || !play.world.node.table.is_protected(&peer));
            }
            let table: BTreeSet<_> =
                play.world.node.table.iter().map(|entry| entry.node_id()).collect();
            prop_assert_eq!(&table, &present);
        }
    }
}

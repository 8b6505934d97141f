//! A search under test, its clock, and records by peers that leave what they are told to.

use std::{sync::Arc, time::Duration};

use id_proto::{
    Network, PeerAnnouncement, SignedAnnouncement, Source,
    iroh_base::{PublicKey, SecretKey},
};

use crate::{
    config::Role,
    membership::{Entry, Moment, Now, Stats, View, explain::Knowledge},
    rendezvous::{
        record::Records,
        search::{Effect, Event, Search, Tone},
    },
};

/// Unix time at the zero of the clock: the begin of a minute.
pub(super) const UNIX_START: Duration = Duration::from_secs(30_000_000 * 60);
/// The minute that begins then.
pub(super) const MINUTE: u64 = 30_000_000;

pub(super) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(super) fn key(seed: u16) -> SecretKey {
    let mut bytes = [9; 32];
    bytes[..2].copy_from_slice(&seed.to_le_bytes());
    SecretKey::from_bytes(&bytes)
}

pub(super) fn id(seed: u16) -> PublicKey {
    key(seed).public()
}

pub(super) fn ids(seeds: impl IntoIterator<Item = u16>) -> Vec<PublicKey> {
    seeds.into_iter().map(id).collect()
}

pub(super) fn network() -> Network {
    Network::derive("orchard", "blue").unwrap()
}

pub(super) fn announcement(seed: u16) -> SignedAnnouncement {
    let announcement = PeerAnnouncement {
        node_id: id(seed),
        name: None,
        blob_count: 0,
        timestamp_secs: UNIX_START.as_secs(),
        seq: 1,
        network_tag: network().tag(),
        interval_secs: 30,
        addrs: Vec::new(),
        agent: "test".to_owned(),
    };
    SignedAnnouncement::sign(announcement, &key(seed)).unwrap()
}

/// A view with these neighbours, and these announcements in the table, all last heard at `heard`.
pub(super) fn view(
    own: &SignedAnnouncement,
    neighbours: &[PublicKey],
    known: impl IntoIterator<Item = SignedAnnouncement>,
    heard: Duration,
) -> Arc<View> {
    let heard = Moment::before(heard, Duration::ZERO);
    let from = own.node_id;
    let entry = |announcement| Arc::new(Entry::new(announcement, Source::Gossip, from, heard));
    let mut entries: Vec<_> = known.into_iter().map(entry).collect();
    entries.sort_by_key(|entry| entry.node_id());
    let mut neighbours = neighbours.to_vec();
    neighbours.sort();
    let isolated = neighbours.is_empty();
    let view = View {
        own: own.clone(),
        n_unverified: entries.len(),
        entries,
        neighbours,
        isolated,
        introducers: Vec::new(),
        stats: Stats::default(),
        knowledge: Knowledge::default(),
    };
    view.into()
}

/// A value as `seed` leaves it in the slot of `minute`.
pub(super) fn value(seed: u16, minute: u64, neighbours: &[PublicKey]) -> Vec<u8> {
    let records = Records::new(&network(), &key(seed));
    records.seal(&records.slot(minute), neighbours).unwrap()
}

/// The search of the node with the seed 0.
pub(super) struct World {
    pub(super) search: Search,
    pub(super) mono: Duration,
}

impl World {
    /// A member that has just started, and knows nobody.
    pub(super) fn new() -> Self {
        Self::with(Role::Member, &[], &[])
    }

    /// A node with these neighbours, and these in its table, just heard.
    pub(super) fn with(role: Role, neighbours: &[u16], known: &[u16]) -> Self {
        let view = Self::view(neighbours, known, secs(0));
        let records = Records::new(&network(), &key(0));
        let mut search = Search::new(records, role, view.clone(), secs(0), 1);
        let unix = UNIX_START;
        if !neighbours.is_empty() {
            assert_eq!(search.handle(Event::View(view), Now { mono: secs(0), unix }).len(), 1);
            // What it did at its start is of no interest.
            search.handle(Event::LookEnded, Now { mono: secs(0), unix });
            search.handle(Event::Left(Ok(())), Now { mono: secs(0), unix });
        }
        Self { search, mono: secs(0) }
    }

    fn view(neighbours: &[u16], known: &[u16], heard: Duration) -> Arc<View> {
        let known = known.iter().copied().map(announcement);
        view(&announcement(0), &ids(neighbours.iter().copied()), known, heard)
    }

    /// The table and the neighbours become these, heard now.
    pub(super) fn knows(&mut self, neighbours: &[u16], known: &[u16]) -> Vec<Effect> {
        let view = Self::view(neighbours, known, self.mono);
        self.handle(Event::View(view))
    }

    pub(super) fn now(&self) -> Now {
        Now { mono: self.mono, unix: UNIX_START + self.mono }
    }

    pub(super) fn minute(&self) -> u64 {
        MINUTE + self.mono.as_secs() / 60
    }

    pub(super) fn handle(&mut self, event: Event) -> Vec<Effect> {
        let now = self.now();
        let effects = self.search.handle(event, now);
        assert!(self.search.next_due() > self.mono, "what is due was not done");
        effects
    }

    pub(super) fn tick(&mut self) -> Vec<Effect> {
        self.handle(Event::Tick)
    }

    /// Waits for what is due next, and returns what is then done.
    pub(super) fn next(&mut self) -> Vec<Effect> {
        self.mono = self.mono.max(self.search.next_due());
        self.tick()
    }

    /// Waits until the next look has begun, and returns what was done at its begin.
    pub(super) fn next_look(&mut self) -> Vec<Effect> {
        loop {
            let effects = self.next();
            if effects.iter().any(|effect| matches!(effect, Effect::Look { .. })) {
                return effects;
            }
        }
    }

    /// `seed` has left a record in this minute, and the board returns it.
    pub(super) fn finds(&mut self, seed: u16, neighbours: &[u16]) -> Vec<PublicKey> {
        let value = value(seed, self.minute(), &ids(neighbours.iter().copied()));
        self.finds_value(value)
    }

    pub(super) fn finds_value(&mut self, value: Vec<u8>) -> Vec<PublicKey> {
        let minute = self.minute();
        led_to(&self.handle(Event::Value { minute, value }))
    }

    /// The look finds records of these, and ends.
    pub(super) fn ends_with(&mut self, seeds: impl IntoIterator<Item = u16>) -> Vec<Effect> {
        for seed in seeds {
            self.finds(seed, &[]);
        }
        self.handle(Event::LookEnded)
    }
}

pub(super) fn led_to(effects: &[Effect]) -> Vec<PublicKey> {
    let led = |effect: &Effect| match effect {
        Effect::LeadTo(peer) => Some(*peer),
        _ => None,
    };
    effects.iter().filter_map(led).collect()
}

pub(super) fn leaves(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Leave { .. }))
}

pub(super) fn reports(effects: &[Effect]) -> Vec<(&str, Tone)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Report { state, tone } => Some((state.as_str(), *tone)),
            _ => None,
        })
        .collect()
}

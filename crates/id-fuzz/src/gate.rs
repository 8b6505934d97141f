//! The gate as a whole: a membership among a few peers who sign, lie, forge and mumble.
//!
//! The input is a script: [`Script`] reads from it what happens next. After every step the invariants
//! are checked that hold whatever strangers do.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use id_client::FailKind;
use id_node::AccessList;
use id_node::membership::{
    Effect, Event, Membership, MembershipConfig, Now, OwnFacts, Refusal, RemovalReason, SyncEnd,
    Verdict,
};
use id_proto::{
    GossipMessage, Leave, Network, NetworkTag, PeerAnnouncement, PeerEntry, SignedAnnouncement,
    SignedLeave, Source, UnverifiedAnnouncement,
    iroh_base::{EndpointAddr, PublicKey, SecretKey, TransportAddr},
    limits::MAX_GOSSIP_LEN,
};

use crate::Outcome;

/// Unix time at the zero of the node's own clock.
const UNIX_START: Duration = Duration::from_secs(1_800_000_000);
/// Fewer than there are peers, so that the table overflows.
const MAX_ENTRIES: usize = 6;
/// Most steps of a script. Origin: more take long and show nothing that fewer don't.
const MAX_STEPS: usize = 64;
/// Most effects of one step. Origin: for each entry a few, and for the node itself.
const MAX_EFFECTS: usize = 4 * (MAX_ENTRIES + 4);

/// The node's own key, and behind it those of the peers.
static KEYS: LazyLock<Vec<SecretKey>> =
    LazyLock::new(|| (0..10).map(|seed| SecretKey::from_bytes(&[seed + 1; 32])).collect());

/// Who of them may hand peers over.
const OPERATOR: usize = 1;

pub(crate) fn gate(bytes: &[u8]) -> Outcome {
    let mut script = Script(bytes);
    let mut world = World::new();
    for _ in 0..MAX_STEPS {
        if script.0.is_empty() {
            break;
        }
        step(&mut world, &mut script);
    }
    world.check_table();
    Outcome::understood_if(world.n_learned > 0)
}

fn step(world: &mut World, script: &mut Script<'_>) {
    match script.byte() % 15 {
        0 => world.gossip(script.bytes(), script.peer()),
        1 => world.told(script.bytes(), script.peer()),
        2..=4 => {
            let message = GossipMessage::announce(&script.announcement(world.now));
            world.gossip(&message, script.peer());
        }
        5 => {
            let entry = script.entry(world.now).encode();
            world.told(&entry, script.peer());
        }
        6 => {
            let peer = script.peer();
            let answer = script.announcement(world.now);
            let answer = UnverifiedAnnouncement::decode(answer.bytes()).expect("it was signed");
            world.handle(Event::Probed { peer, answer: Ok(answer) });
        }
        7 => {
            let message = GossipMessage::leave(&script.leave(world.now));
            world.gossip(&message, script.peer());
        }
        8 => {
            let mut message = GossipMessage::announce(&script.announcement(world.now));
            let at = usize::from(script.word()) % message.len();
            message[at] ^= 1 << (script.byte() % 8);
            world.gossip(&message, script.peer());
        }
        9 => world.pass(Duration::from_millis(u64::from(script.word()) * 16)),
        10 => world.shift_wall_clock(script.signed_word()),
        11 => {
            let peer = script.peer();
            let came = script.byte().is_multiple_of(2);
            let event = if came { Event::NeighbourUp(peer) } else { Event::NeighbourDown(peer) };
            world.handle(event);
        }
        12 => {
            let ends = [SyncEnd::Complete, SyncEnd::Failed, SyncEnd::NoSource];
            let end = ends[usize::from(script.byte()) % ends.len()];
            world.handle(Event::Synced { peer: script.peer(), end });
        }
        13 => {
            world.handle(Event::Probed { peer: script.peer(), answer: Err(FailKind::Timeout) });
        }
        _ => world.handed(script),
    }
}

/// What happens, read from bytes. Where there are none left, zeros.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or_default()
    }

    fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    fn signed_word(&mut self) -> i16 {
        self.word().cast_signed()
    }

    fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        self.0.split_off(..len).unwrap_or_default()
    }

    /// Somebody who signs: one of the peers, or the node itself in an earlier life.
    fn author(&mut self) -> &'static SecretKey {
        &KEYS[usize::from(self.byte()) % KEYS.len()]
    }

    /// One of the peers at the other end of a connection, which nobody has with themselves.
    fn peer(&mut self) -> PublicKey {
        KEYS[1 + usize::from(self.byte()) % (KEYS.len() - 1)].public()
    }

    /// A number of seconds that is near `now`, but may be too far from it either way.
    fn near(&mut self, now: Duration) -> u64 {
        now.as_secs().saturating_add_signed(i64::from(self.signed_word()) / 16)
    }

    fn tag(&mut self) -> NetworkTag {
        match self.byte() {
            255 => NetworkTag([9; 16]),
            _ => Network::public().tag(),
        }
    }

    fn announcement(&mut self, now: Now) -> SignedAnnouncement {
        let key = self.author();
        let intervals = [1, 2, 5, 30, 300, 86_400];
        let announcement = PeerAnnouncement {
            node_id: key.public(),
            name: None,
            blob_count: 0,
            timestamp_secs: self.near(now.unix),
            seq: self.near(now.unix) * 1000,
            network_tag: self.tag(),
            interval_secs: intervals[usize::from(self.byte()) % intervals.len()],
            addrs: self.addrs(),
            agent: String::new(),
        };
        SignedAnnouncement::sign(announcement, key).expect("it is in bounds")
    }

    /// Some addresses that a stranger's word may lead to, and some that it may not.
    fn addrs(&mut self) -> Vec<TransportAddr> {
        let all =
            ["127.0.0.1:1", "192.168.1.1:1", "8.8.8.8:1", "[::1]:1", "[2600::1]:1", "10.0.0.1:0"];
        let chosen = self.byte();
        let is_chosen = |at: usize| chosen & (1 << at) != 0;
        let chosen = all.iter().enumerate().filter(|(at, _)| is_chosen(*at));
        chosen.map(|(_, addr)| TransportAddr::Ip(addr.parse().expect("an address"))).collect()
    }

    fn entry(&mut self, now: Now) -> PeerEntry<SignedAnnouncement> {
        PeerEntry {
            announcement: self.announcement(now),
            age: Duration::from_secs(u64::from(self.word())),
            source: Source::Gossip,
            verified_age: None,
        }
    }

    fn leave(&mut self, now: Now) -> SignedLeave {
        let key = self.author();
        let leave = Leave {
            node_id: key.public(),
            timestamp_secs: self.near(now.unix),
            seq: self.near(now.unix) * 1000,
            network_tag: self.tag(),
        };
        SignedLeave::sign(leave, key).expect("it is in bounds")
    }
}

/// The node, and what was seen of it so far.
struct World {
    node: Membership,
    me: PublicKey,
    now: Now,
    /// The sequence number that each peer in the table was learned with.
    held: BTreeMap<PublicKey, u64>,
    own_seq: u64,
    reserved: u64,
    n_learned: usize,
    /// What came of what was handed over last.
    judged: Option<Verdict>,
}

impl World {
    fn new() -> Self {
        let now = Now { mono: Duration::from_secs(1000), unix: UNIX_START };
        let operators = [KEYS[OPERATOR].public()].into();
        let config = MembershipConfig {
            max_entries: MAX_ENTRIES,
            access: AccessList { operators, ..AccessList::default() },
            ..MembershipConfig::new(&Network::public())
        };
        let facts = OwnFacts { name: None, blob_count: 0, addrs: Vec::new() };
        let (node, effects) = Membership::new(KEYS[0].clone(), config, facts, 0, now);
        let mut world = Self {
            node,
            me: KEYS[0].public(),
            now,
            held: BTreeMap::new(),
            own_seq: 0,
            reserved: 0,
            n_learned: 0,
            judged: None,
        };
        effects.iter().for_each(|effect| world.check_effect(effect));
        world
    }

    fn gossip(&mut self, message: &[u8], from: PublicKey) {
        let is_leave = matches!(GossipMessage::decode(message), Ok(GossipMessage::Leave(_)));
        let n_counted = self.handle(Event::Gossip { message, from });
        assert!(n_counted == 1 || is_leave && n_counted == 0, "{n_counted} counted");
    }

    /// The operator hands over what somebody signed, or anything else.
    fn handed(&mut self, script: &mut Script<'_>) {
        let by = script.peer();
        let signed = match script.byte() {
            0 => script.bytes().to_vec(),
            _ => script.announcement(self.now).bytes().to_vec(),
        };
        assert_eq!(self.handle(Event::Handed { signed: &signed, by }), 1);
        let verdict = self.judged.take().expect("it was judged");
        let is_operator = by == KEYS[OPERATOR].public();
        assert!(is_operator || verdict == Verdict::Refused(Refusal::Denied), "{verdict:?}");
    }

    fn told(&mut self, item: &[u8], by: PublicKey) {
        assert_eq!(self.handle(Event::Told { item, by }), 1);
    }

    /// Time passes, and the node is woken when it wants to be, as often as there is patience for.
    fn pass(&mut self, time: Duration) {
        self.now = Now { mono: self.now.mono + time, unix: self.now.unix + time };
        self.handle(Event::Tick);
        assert!(self.node.next_deadline() > self.now.mono, "it would be woken again at once");
    }

    fn shift_wall_clock(&mut self, secs: i16) {
        let secs_now = self.now.unix.as_secs().saturating_add_signed(secs.into());
        self.now.unix = Duration::from_secs(secs_now);
    }

    /// Lets it happen, and says how many statements were counted, as believed or refused.
    fn handle(&mut self, event: Event<'_>) -> u64 {
        let before = self.n_counted();
        let effects = self.node.handle(event, self.now);
        assert!(effects.len() <= MAX_EFFECTS, "{} effects", effects.len());
        effects.iter().for_each(|effect| self.check_effect(effect));
        assert!(self.node.table_size() <= MAX_ENTRIES);
        assert_eq!(self.node.table_size(), self.held.len());
        self.n_counted() - before
    }

    fn n_counted(&mut self) -> u64 {
        let stats = self.node.view().stats;
        stats.believed + Refusal::ALL.iter().map(|reason| stats.refused(*reason)).sum::<u64>()
    }

    fn check_effect(&mut self, effect: &Effect) {
        match effect {
            Effect::Broadcast(message) => self.check_broadcast(message),
            Effect::Probe(addr) => self.check_dial(addr),
            Effect::SyncFrom(peer) | Effect::Join(peer) => assert_ne!(*peer, self.me),
            Effect::Learned { entry, is_new } => {
                self.n_learned += 1;
                let said = &entry.announcement;
                assert_ne!(said.node_id, self.me);
                assert_eq!(said.network_tag, Network::public().tag());
                let before = self.held.insert(said.node_id, said.seq);
                assert_eq!(before.is_none(), *is_new);
                assert!(before.is_none_or(|before| before < said.seq), "an older one is learned");
            }
            Effect::Forgotten { peer, reason } => {
                // Who was evicted made room for somebody else, who is learned behind it.
                assert!(self.held.remove(peer).is_some(), "{reason:?} of nobody");
                assert!(*reason != RemovalReason::Evicted || self.held.len() < MAX_ENTRIES);
            }
            Effect::Judged(verdict) => {
                assert_eq!(self.judged.replace(*verdict), None, "it is judged once");
            }
            Effect::ReserveSeq(seq) => {
                assert!(*seq > self.reserved);
                self.reserved = *seq;
            }
        }
    }

    /// What we say of ourselves is new, and reserved; of others we pass on what they signed.
    fn check_broadcast(&mut self, message: &[u8]) {
        assert!(message.len() <= MAX_GOSSIP_LEN);
        let Ok(GossipMessage::Announce(said)) = GossipMessage::decode(message) else {
            panic!("something else than an announcement is said")
        };
        let said = said.verify().expect("its author has signed it");
        if said.node_id == self.me {
            assert!(said.seq > self.own_seq && said.seq <= self.reserved);
            self.own_seq = said.seq;
        }
    }

    /// Nobody's word leads to our own machine or site.
    fn check_dial(&self, addr: &EndpointAddr) {
        assert_ne!(addr.id, self.me);
        let allowed = ["8.8.8.8:1", "[2600::1]:1"];
        assert!(
            addr.ip_addrs().all(|addr| allowed.contains(&addr.to_string().as_str())),
            "{addr:?}"
        );
    }

    /// Everybody in the table has signed for it, once.
    fn check_table(&mut self) {
        let view = self.node.view();
        assert_eq!(view.entries.len(), self.held.len());
        assert!(view.n_unverified <= view.entries.len());
        for entry in &view.entries {
            let signed = &entry.announcement;
            assert_eq!(self.held.get(&signed.node_id), Some(&signed.seq));
            let read = UnverifiedAnnouncement::decode(signed.bytes()).expect("it was decoded");
            assert!(read.verify().is_ok(), "nobody signed for {}", signed.node_id);
        }
    }
}

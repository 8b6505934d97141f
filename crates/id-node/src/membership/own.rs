//! What we say of ourselves: how often, and what fits.

use std::time::Duration;

use id_proto::{
    GossipMessage, Leave, PeerAnnouncement, SignedAnnouncement, SignedLeave, Statement,
    iroh_base::{SecretKey, Signature, TransportAddr},
    limits,
};

use super::{
    Membership, MembershipConfig,
    event::{Effect, Now},
    schedule::Audience,
};

/// How many peers that we haven't verified are taken at their word when the interval is chosen,
/// besides [`TRUST_FACTOR`] for each that we have. Origin: as many never lengthen it (30 s at 100/s).
const TRUSTED_CLAIMS: usize = 1024;
/// Origin: a guess; whoever verifies a quarter of a network doesn't misjudge its size much.
const TRUST_FACTOR: usize = 4;

/// What a node says of itself that may change while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFacts {
    /// What its operator calls it, at most [`limits::MAX_NAME_LEN`] bytes; a longer one is a panic.
    pub name: Option<String>,
    /// How many blobs it holds.
    pub blob_count: u64,
    /// Where it can be dialled, in order of usefulness; what doesn't fit is left out.
    pub addrs: Vec<TransportAddr>,
}

impl Membership {
    pub(super) fn on_own_changed(&mut self, facts: OwnFacts, now: Now) {
        if self.facts != facts {
            self.facts = facts;
            self.schedule.on_change(now);
        }
    }

    pub(super) fn announce(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let interval = self.interval();
        let audience = if self.is_isolated() { Audience::Nobody } else { Audience::Network };
        let seq = self.seq.next(now, effects);
        self.own = sign(&self.key, &self.config, &self.facts, interval, seq, now);
        self.schedule.announced(now, interval, audience, self.me, seq);
        self.stats.announced += 1;
        self.changed = true;
        effects.push(Effect::Broadcast(GossipMessage::announce(&self.own)));
    }

    /// Says it to those who ask, and to nobody else. What others accept of one author in a while is for
    /// gossip, which carries it to everybody.
    pub(super) fn renew(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let seq = self.seq.next(now, effects);
        self.own = sign(&self.key, &self.config, &self.facts, self.interval(), seq, now);
        self.schedule.renewed();
        self.changed = true;
    }

    /// Grows with the table, so that what everyone receives stays under a budget. Peers that are only
    /// said to be there count up to a bound: or else whoever makes up thousands silences a network.
    fn interval(&self) -> Duration {
        let n_verified = self.table.len() - self.table.n_unverified();
        let credible = TRUST_FACTOR * n_verified + TRUSTED_CLAIMS;
        let n_peers = self.table.len().min(credible) as u64;
        let by_budget = n_peers.div_ceil(self.config.max_received_per_sec.get());
        within_limits(self.config.announce_interval.max(Duration::from_secs(by_budget)))
    }

    pub(super) fn leave(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let leave = Leave {
            node_id: self.me,
            timestamp_secs: now.unix.as_secs(),
            seq: self.seq.next(now, effects),
            network_tag: self.config.network_tag,
        };
        let signed = SignedLeave::sign(leave, &self.key).expect("a leave is always in bounds");
        self.leaving = true;
        effects.push(Effect::Broadcast(GossipMessage::leave(&signed)));
    }
}

/// The interval that may be announced and is nearest to the one that is wanted.
pub(super) fn within_limits(interval: Duration) -> Duration {
    let (min, max) = limits::INTERVAL_SECS.into_inner();
    interval.clamp(Duration::from_secs(min.into()), Duration::from_secs(max.into()))
}

/// Signs what is to be said. An address that doesn't fit any more, or that the protocol has no words
/// for, is left out.
pub(super) fn sign(
    key: &SecretKey,
    config: &MembershipConfig,
    facts: &OwnFacts,
    interval: Duration,
    seq: u64,
    now: Now,
) -> SignedAnnouncement {
    // Rounded up: nobody shall expect us before we come.
    let interval_secs = interval.as_secs() + u64::from(interval.subsec_nanos() > 0);
    let mut announcement = PeerAnnouncement {
        node_id: key.public(),
        name: facts.name.clone(),
        blob_count: facts.blob_count,
        timestamp_secs: now.unix.as_secs(),
        seq,
        network_tag: config.network_tag,
        interval_secs: interval_secs as u32,
        addrs: Vec::new(),
        agent: config.agent.clone(),
    };
    for addr in &facts.addrs {
        announcement.addrs.push(addr.clone());
        if !fits(&announcement) {
            announcement.addrs.pop();
        }
    }
    SignedAnnouncement::sign(announcement, key).expect("name and agent were checked before")
}

fn fits(announcement: &PeerAnnouncement) -> bool {
    let body = announcement.encode_body();
    body.is_ok_and(|body| Signature::LENGTH + body.len() <= limits::MAX_SIGNED_LEN)
}

//! The knobs of a membership, each with its origin.

use std::{collections::BTreeSet, num::NonZeroU64, time::Duration};

use id_client::AddressPolicy;
use id_proto::{Network, NetworkTag, iroh_base::PublicKey, limits};

use crate::access::AccessList;

/// Longest time between two looks for stale peers. Origin: protocol.md; a look at 65,536 entries
/// takes a millisecond.
const MAX_SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// What a membership is told once.
#[derive(Debug, Clone)]
pub struct MembershipConfig {
    /// Announcements for other networks are refused.
    pub network_tag: NetworkTag,
    /// Whether there is a gossip topic to be isolated from.
    pub gossip: bool,
    /// Shortest time between two announcements of ours that nothing caused. Default: 30 s.
    pub announce_interval: Duration,
    /// How many announcements per second we ask the network to send us. Default: 100.
    ///
    /// Origin: 100 verifications take 0.4 % of a core; at 300 bytes, 30 kB/s.
    pub max_received_per_sec: NonZeroU64,
    /// Most entries of the table. Default: 65,536. Origin: about 72 MiB; 1.1 kB each were measured.
    pub max_entries: usize,
    /// Most peers that nobody verified and that one peer may bring while we have just joined and the
    /// table has room. Default: 8,192.
    ///
    /// Origin: about 9 MiB, which a liar next to a joiner costs it; more than most networks have, and
    /// of larger ones the other neighbours bring their parts.
    pub max_joining: usize,
    /// Most probes at the same time. Default: 64. Origin: a guess; each is a QUIC handshake.
    pub max_probes: usize,
    /// Shortest time between two dials that only find out whether a peer that we were told of is
    /// there; none to dial nobody for that. Default: 1 s.
    ///
    /// Origin: a guess; a dial costs both ends half a millisecond, and a network of a thousand is
    /// verified in a quarter of an hour.
    pub verify_gap: Option<Duration>,
    /// Which announced addresses may be dialled at first. Default: as if we were nowhere.
    pub address_policy: AddressPolicy,
    /// Peers that an operator has named; they are never evicted. Default: none.
    pub configured: BTreeSet<PublicKey>,
    /// Whom to have to do with at first. Default: everybody.
    pub access: AccessList,
    /// Shortest time between two syncs. Default: 1 s. Origin: what a node answers to one caller; of
    /// 40 nodes that start within 4 s, the last ones need two syncs to know all.
    pub sync_gap: Duration,
    /// What announcements say of our program.
    pub agent: String,
}

impl MembershipConfig {
    /// The defaults, for `network`.
    pub fn new(network: &Network) -> Self {
        Self {
            network_tag: network.tag(),
            gossip: true,
            announce_interval: Duration::from_secs(30),
            max_received_per_sec: NonZeroU64::new(100).expect("not zero"),
            max_entries: 65_536,
            max_joining: 8192,
            max_probes: 64,
            verify_gap: Some(Duration::from_secs(1)),
            address_policy: AddressPolicy::new(network),
            configured: BTreeSet::new(),
            access: AccessList::default(),
            sync_gap: Duration::from_secs(1),
            agent: concat!("id-node/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// How often stale peers are looked for: after half the staleness of a peer like us, and every
    /// 60 s at least, because other peers may announce more often than we do.
    pub fn sweep_interval(&self) -> Duration {
        let half = self.announce_interval * (limits::STALE_INTERVALS / 2);
        half.clamp(Duration::from_secs(1), MAX_SWEEP_INTERVAL)
    }

    /// Checks what ends up in announcements.
    ///
    /// # Errors
    ///
    /// The name of the field that is out of its bounds.
    pub fn check(&self) -> Result<(), &'static str> {
        let interval = u32::try_from(self.announce_interval.as_secs()).unwrap_or(u32::MAX);
        match self {
            _ if !limits::INTERVAL_SECS.contains(&interval) => Err("announce_interval"),
            config if config.agent.len() > limits::MAX_AGENT_LEN => Err("agent"),
            config if config.max_entries == 0 => Err("max_entries"),
            config if config.max_probes == 0 => Err("max_probes"),
            config if config.verify_gap.is_some_and(|gap| gap.is_zero()) => Err("verify_gap"),
            _ => Ok(()),
        }
    }
}

//! What the probes have seen. Text may be a peer's: hostile in a terminal.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use id_client::{FailKind, PathKind, id_proto::iroh_base::PublicKey};
use id_node::checkup::{DhtCheck, MdnsCheck};

/// Everything.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) config: Config,
    pub(crate) data_dir: DataDir,
    pub(crate) key: Key,
    pub(crate) instance: Instance,
    /// What this machine's node answers.
    pub(crate) own: Own,
    pub(crate) ways_out: WaysOut,
    /// Every name that the configuration needs.
    pub(crate) names: Vec<Name>,
    /// `None`: no relay tells how we look from outside.
    pub(crate) outside: Option<Outside>,
    /// Empty: no relay is configured.
    pub(crate) relays: Vec<Relay>,
    /// `None`: not used.
    pub(crate) dht: Option<DhtCheck>,
    /// `None`: not used.
    pub(crate) mdns: Option<MdnsCheck>,
    pub(crate) peers: Vec<Peer>,
    /// What was heard in the topic, where no node could be asked for it.
    pub(crate) heard: Option<Heard>,
}

/// What of the settings matters here. No secret is among it.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) topic: String,
    pub(crate) tag: String,
    pub(crate) is_private: bool,
    pub(crate) gossip: bool,
    /// Whether the node listens to this machine only.
    pub(crate) is_local: bool,
    /// Whom this configuration contacts besides peers.
    pub(crate) third_parties: Vec<String>,
}

/// The data directory.
#[derive(Debug)]
pub(crate) enum DataDir {
    /// Nothing is kept on disk.
    Unused,
    /// It will be made at the first start.
    Missing(PathBuf),
    /// It can be written to.
    Usable(PathBuf),
    /// There is no room.
    Full(PathBuf, String),
    /// Another error.
    Unusable(PathBuf, String),
    /// It is another user's, and we may not look into it.
    Foreign(PathBuf),
}

/// The node's key.
#[derive(Debug)]
pub(crate) enum Key {
    /// A new one at each start.
    Unused,
    /// It will be made at the first start.
    Missing,
    Good(PublicKey),
    /// Others can read it.
    Loose {
        path: PathBuf,
        mode: u32,
    },
    /// It is no key, or can't be read.
    Bad(String),
    /// It is another user's.
    Foreign,
}

/// Who runs on the data directory.
#[derive(Debug)]
pub(crate) enum Instance {
    /// Nobody.
    None,
    /// A node, which says in which network it is.
    Node { pid: u32, topic: String, tag: String },
    /// Somebody holds the lock and doesn't say who it is.
    Unknown(PathBuf),
}

/// What this machine's node says of itself.
#[derive(Debug)]
pub(crate) enum Own {
    /// None runs.
    NotRunning,
    /// The one that runs is in another network.
    OtherNetwork,
    Fails {
        kind: FailKind,
        message: String,
    },
    Answers(Box<OwnStatus>),
}

/// How it is doing.
#[derive(Debug)]
pub(crate) struct OwnStatus {
    pub(crate) node_id: PublicKey,
    pub(crate) versions: Vec<u16>,
    pub(crate) uptime_secs: u64,
    pub(crate) table_size: u64,
    pub(crate) n_neighbours: usize,
    pub(crate) channels: BTreeMap<String, String>,
    pub(crate) counters: BTreeMap<String, u64>,
}

/// By which of this machine's addresses packets would leave it.
#[derive(Debug, Default)]
pub(crate) struct WaysOut {
    pub(crate) v4: Option<IpAddr>,
    pub(crate) v6: Option<IpAddr>,
}

/// A name that must resolve.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) name: String,
    /// What for.
    pub(crate) purpose: &'static str,
    pub(crate) resolved: Result<(), String>,
}

/// How this machine looks from outside, as relays say.
#[derive(Debug)]
pub(crate) struct Outside {
    pub(crate) udp_v4: bool,
    pub(crate) udp_v6: bool,
    pub(crate) addrs: Vec<SocketAddr>,
    /// Whether the router takes another port for each destination.
    pub(crate) mapping_varies: Option<bool>,
    pub(crate) captive_portal: bool,
}

/// A configured relay.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) url: String,
    pub(crate) state: RelayState,
}

/// What came of connecting to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RelayState {
    Connected,
    /// It is spare: another one is the home.
    Spare,
    Failed(String),
}

/// A peer that was asked who it is.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) node_id: PublicKey,
    pub(crate) why: Why,
    /// Whether it is on this machine, so that reaching it says nothing of the network.
    pub(crate) is_here: bool,
    pub(crate) outcome: Result<Answer, Failure>,
}

/// Why it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It was named on the command line.
    Named,
    /// The node joins through it.
    Bootstrap,
    /// It was found.
    Found,
}

/// What a peer answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) versions: Vec<u16>,
    pub(crate) standing: Standing,
    pub(crate) path: PathKind,
    /// Our clock when it answered, in unix seconds.
    pub(crate) asked_at: u64,
    /// When its newest announcement was made, by its clock, and for how long it is the newest.
    pub(crate) announced: Option<Announced>,
}

/// A peer's newest announcement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Announced {
    pub(crate) timestamp_secs: u64,
    pub(crate) interval_secs: u32,
}

/// What we are to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    Member,
    /// Its network is private, and we didn't prove to be in it.
    Stranger,
    /// It is in the network of this tag.
    Elsewhere(String),
}

/// Why a peer didn't answer.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailKind,
    pub(crate) message: String,
}

/// What an observer heard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) n_peers: usize,
    pub(crate) n_neighbours: usize,
}

impl Peer {
    /// How people see it.
    pub(crate) fn short_id(&self) -> String {
        self.node_id.fmt_short().to_string()
    }
}

impl Facts {
    /// Who answered.
    pub(super) fn answers(&self) -> impl Iterator<Item = (&Peer, &Answer)> {
        self.peers.iter().filter_map(|peer| Some((peer, peer.outcome.as_ref().ok()?)))
    }

    /// How many peers this node has, or would have.
    pub(super) fn n_peers(&self) -> u64 {
        match (&self.own, &self.heard) {
            (Own::Answers(own), _) => own.table_size,
            (_, Some(heard)) => heard.n_peers as u64,
            _ => 0,
        }
    }

    pub(super) fn own_status(&self) -> Option<&OwnStatus> {
        match &self.own {
            Own::Answers(status) => Some(status),
            Own::NotRunning | Own::OtherNetwork | Own::Fails { .. } => None,
        }
    }
}

//! What a node is told when it is spawned.

use std::{
    fs::File,
    io::{self, Read},
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
};

use id_client::AddressPolicy;
use id_proto::{
    Network, PeerAnnouncement,
    iroh_base::{EndpointAddr, TransportAddr},
    limits::{self, MAX_ADDRS},
};

#[cfg(feature = "blobs")]
use crate::blobs::BlobStore;
use crate::{data_dir::DataDir, membership::MembershipConfig};

/// Most names that are asked for in the DNS. Origin: a guess; a network has one, or one per site.
pub const MAX_DNS_NAMES: usize = 8;

/// The configuration of a [`crate::Node`].
#[derive(Debug)]
pub struct NodeConfig {
    /// The network to join.
    pub network: Network,
    /// What others shall call it; checked by [`check_name`].
    pub name: Option<String>,
    /// Whether it is a member or only watches.
    pub role: Role,
    /// Peers to join through. Others may be found besides.
    pub bootstrap: Vec<EndpointAddr>,
    /// Whether to join the gossip topic. Without it, a node knows nobody, but can be asked.
    pub gossip: bool,
    /// The mainline DHT in which to meet others by records; none if there is none.
    pub dht: Option<DhtBootstrap>,
    /// Whether to look for others on the local network by multicast DNS, and, as a member, to be
    /// found there.
    pub mdns: bool,
    /// Names whose TXT records name peers; see [`parse_dns_names`]. They are asked for by the
    /// endpoint's resolver, which may ask public ones where the system's fail.
    pub bootstrap_dns: Vec<String>,
    /// Which of its addresses a node announces.
    pub announce_addrs: AnnounceAddrs,
    /// The knobs of the table and its schedule.
    pub membership: MembershipConfig,
    /// Where to keep what shall survive a restart; nowhere if there is none.
    pub data_dir: Option<Arc<DataDir>>,
    /// Where to keep blobs; a node without such a place holds none.
    #[cfg(feature = "blobs")]
    pub blobs: Option<BlobStore>,
}

impl NodeConfig {
    /// A member of `network` that keeps nothing on disk, holds no blobs, and uses gossip, but neither DHT nor DNS.
    pub fn new(network: Network) -> Self {
        Self {
            name: None,
            role: Role::Member,
            bootstrap: Vec::new(),
            gossip: true,
            dht: None,
            mdns: false,
            bootstrap_dns: Vec::new(),
            announce_addrs: AnnounceAddrs::Auto,
            membership: MembershipConfig::new(&network),
            data_dir: None,
            #[cfg(feature = "blobs")]
            blobs: None,
            network,
        }
    }

    /// One who watches `network` in silence: announces nothing, serves nothing.
    pub fn observer(network: Network) -> Self {
        Self { role: Role::Observer, ..Self::new(network) }
    }

    /// Which announced addresses may be dialled: peers may be where the configured ones are.
    pub(crate) fn address_policy(&self) -> AddressPolicy {
        address_policy(&self.network, &self.bootstrap)
    }
}

/// Which announced addresses may be dialled by a member of `network` that is to join through `bootstrap`.
pub(crate) fn address_policy(network: &Network, bootstrap: &[EndpointAddr]) -> AddressPolicy {
    bootstrap.iter().fold(AddressPolicy::new(network), AddressPolicy::open)
}

/// Whether a node is a member of its network or only watches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Announces itself and answers queries.
    Member,
    /// Says nothing and answers nothing.
    Observer,
}

/// Through which nodes a DHT is entered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DhtBootstrap {
    /// The public ones of the BitTorrent network.
    #[default]
    Public,
    /// Those of a private DHT, `host:port` each.
    Private(Vec<String>),
}

/// Which of its addresses a node announces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AnnounceAddrs {
    /// Relays and addresses that anyone can dial; in a private network, or without a relay, those
    /// of the local network too. Loopback only if it listens nowhere else.
    #[default]
    Auto,
    /// Whatever it has.
    All,
    /// Relays only.
    Relay,
    /// None: who wants to dial it must look it up.
    None,
}

impl std::str::FromStr for AnnounceAddrs {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "auto" => Ok(Self::Auto),
            "all" => Ok(Self::All),
            "relay" => Ok(Self::Relay),
            "none" => Ok(Self::None),
            other => Err(format!("`{other}`: auto, all, relay or none is expected")),
        }
    }
}

impl std::fmt::Display for AnnounceAddrs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::All => "all",
            Self::Relay => "relay",
            Self::None => "none",
        })
    }
}

impl AnnounceAddrs {
    /// Those of `addr` to announce, the most useful first, at most [`MAX_ADDRS`].
    pub(crate) fn select(self, addr: &EndpointAddr, private: bool) -> Vec<TransportAddr> {
        let has_relay = addr.relay_urls().next().is_some();
        let all_loopback = addr.ip_addrs().all(|addr| addr.ip().is_loopback());
        let wanted = |addr: &&TransportAddr| match (self, addr) {
            (Self::None, _) => false,
            (Self::All, _) | (_, TransportAddr::Relay(_)) => true,
            (Self::Relay, _) => false,
            (Self::Auto, TransportAddr::Ip(addr)) => match reach(addr.ip()) {
                Reach::Global => true,
                Reach::Local => private || !has_relay,
                Reach::Loopback => all_loopback,
            },
            (Self::Auto, _) => false,
        };
        let sendable = |addr: &&TransportAddr| PeerAnnouncement::can_hold(addr);
        let mut selected: Vec<_> =
            addr.addrs.iter().filter(wanted).filter(sendable).cloned().collect();
        selected.sort_by_key(usefulness);
        selected.truncate(MAX_ADDRS);
        selected
    }

    /// Those of `addr` to tell the local network: its own addresses there, whatever the network of
    /// nodes; others only if there are none, or if all are wanted. At most [`MAX_ADDRS`].
    ///
    /// Never a relay: who is told to be reached by relays only isn't found on the local network.
    pub(crate) fn select_local(self, addr: &EndpointAddr) -> Vec<SocketAddr> {
        let is_dialable = |addr: &&SocketAddr| {
            reach(addr.ip()) != Reach::Loopback && !is_scoped(addr.ip()) && addr.port() != 0
        };
        let mut addrs: Vec<_> = addr.ip_addrs().filter(is_dialable).copied().collect();
        addrs.sort_by_key(|addr| std::cmp::Reverse(reach(addr.ip())));
        let nearest = addrs.first().map(|addr| reach(addr.ip()));
        match self {
            Self::None | Self::Relay => addrs.clear(),
            Self::Auto => addrs.retain(|addr| Some(reach(addr.ip())) == nearest),
            Self::All => {}
        }
        addrs.truncate(MAX_ADDRS);
        addrs
    }
}

/// Whether an address means something only together with an interface.
fn is_scoped(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Global,
    Local,
    Loopback,
}

fn reach(ip: IpAddr) -> Reach {
    match ip {
        _ if ip.is_loopback() || ip.is_unspecified() => Reach::Loopback,
        IpAddr::V4(v4) if v4.is_private() || v4.is_link_local() => Reach::Local,
        IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => Reach::Local,
        _ => Reach::Global,
    }
}

fn usefulness(addr: &TransportAddr) -> (u8, Reach) {
    match addr {
        TransportAddr::Relay(_) => (0, Reach::Global),
        TransportAddr::Ip(addr) => (1, reach(addr.ip())),
        _ => (2, Reach::Loopback),
    }
}

/// Checks a name that an operator gives: short enough, and harmless in a terminal.
///
/// # Errors
///
/// One line that says what is wrong.
pub fn check_name(name: &str) -> Result<(), String> {
    let max = id_proto::limits::MAX_NAME_LEN;
    match name {
        "" => Err("a name has at least one character".to_owned()),
        long if long.len() > max => Err(format!("{} bytes, a name has at most {max}", long.len())),
        odd if odd.chars().any(char::is_control) => {
            Err("a name has no control characters".to_owned())
        }
        _ => Ok(()),
    }
}

/// Reads a comma-separated list of names to ask the DNS for: at most [`MAX_DNS_NAMES`].
///
/// # Errors
///
/// One line that says what is wrong.
pub fn parse_dns_names(list: &str) -> Result<Vec<String>, String> {
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    let names: Vec<_> = names.map(str::to_owned).collect();
    if let Some(wrong) = names.iter().find(|name| !is_dns_name(name)) {
        return Err(format!("`{wrong}` is no name in the DNS"));
    }
    match names.len() {
        0 => Err("at least one name is expected".to_owned()),
        1..=MAX_DNS_NAMES => Ok(names),
        n => Err(format!("{n} names are too many: at most {MAX_DNS_NAMES}")),
    }
}

/// Whether a name can be asked for: labels of letters, digits, `-` and `_`, with a dot at the end or
/// without.
fn is_dns_name(name: &str) -> bool {
    // Origin of the lengths: RFC 1035.
    let is_label = |label: &str| {
        let of_label = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(of_label)
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Reads a topic's secret from a file: its text without the line end that editors add.
///
/// # Errors
///
/// If the file can't be read or isn't UTF-8. One that is longer than a secret may be is read as far
/// as makes it too long, for [`Network::derive`] to refuse.
pub fn read_secret(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One line end more than a secret may have, and one byte that makes it too long.
    let max = limits::MAX_TOPIC_LEN as u64 + 3;
    File::open(file)?.take(max).read_to_string(&mut text)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(addrs: &[&str]) -> EndpointAddr {
        let id = id_proto::iroh_base::SecretKey::from_bytes(&[1; 32]).public();
        addrs.iter().fold(EndpointAddr::new(id), |addr, text| match text.parse() {
            Ok(ip) => addr.with_ip_addr(ip),
            Err(_) => addr.with_relay_url(text.parse().expect("a relay URL")),
        })
    }

    fn selected(policy: AnnounceAddrs, addrs: &[&str], private: bool) -> Vec<String> {
        let selected = policy.select(&addr(addrs), private);
        selected
            .iter()
            .map(|addr| match addr {
                TransportAddr::Ip(ip) => ip.to_string(),
                TransportAddr::Relay(url) => url.to_string(),
                other => format!("{other:?}"),
            })
            .collect()
    }

    const RELAY: &str = "https://relay.example/";
    const ALL: &[&str] = &["127.0.0.1:1", "192.168.0.2:1", "8.8.8.8:1", RELAY];

    #[test]
    fn auto_announces_the_local_network_only_where_it_helps() {
        let auto = AnnounceAddrs::Auto;
        assert_eq!(selected(auto, ALL, false), [RELAY, "8.8.8.8:1"]);
        assert_eq!(selected(auto, ALL, true), [RELAY, "8.8.8.8:1", "192.168.0.2:1"]);
        assert_eq!(selected(auto, &ALL[..3], false), ["8.8.8.8:1", "192.168.0.2:1"]);
    }

    #[test]
    fn auto_announces_loopback_only_when_there_is_nothing_else() {
        assert_eq!(selected(AnnounceAddrs::Auto, &["127.0.0.1:1"], false), ["127.0.0.1:1"]);
        assert_eq!(
            selected(AnnounceAddrs::Auto, &["127.0.0.1:1", "10.0.0.1:1"], true),
            ["10.0.0.1:1"]
        );
    }

    #[test]
    fn policies_are_read_as_they_are_written() {
        use AnnounceAddrs::{All, Auto, None, Relay};
        for policy in [Auto, All, Relay, None] {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
    }

    #[test]
    fn all_relay_and_none_mean_what_they_say() {
        assert_eq!(selected(AnnounceAddrs::All, ALL, false).len(), 4);
        assert_eq!(selected(AnnounceAddrs::Relay, ALL, true), [RELAY]);
        assert!(selected(AnnounceAddrs::None, ALL, true).is_empty());
    }

    fn told_locally(policy: AnnounceAddrs, addrs: &[&str]) -> Vec<String> {
        policy.select_local(&addr(addrs)).iter().map(SocketAddr::to_string).collect()
    }

    #[test]
    fn local_network_is_told_what_it_can_dial_and_nothing_else() {
        let auto = AnnounceAddrs::Auto;
        assert_eq!(told_locally(auto, ALL), ["192.168.0.2:1"]);
        assert_eq!(told_locally(auto, &["127.0.0.1:1", "8.8.8.8:1", RELAY]), ["8.8.8.8:1"]);
        assert!(told_locally(auto, &["127.0.0.1:1", "[fe80::1]:1"]).is_empty());
        assert_eq!(told_locally(AnnounceAddrs::All, ALL), ["192.168.0.2:1", "8.8.8.8:1"]);
        let many: Vec<String> = (1..100).map(|port| format!("10.0.0.1:{port}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(told_locally(auto, &many).len(), MAX_ADDRS);
    }

    #[test]
    fn who_announces_no_address_or_relays_only_is_silent_on_the_local_network() {
        assert!(told_locally(AnnounceAddrs::None, ALL).is_empty());
        assert!(told_locally(AnnounceAddrs::Relay, ALL).is_empty());
    }

    #[test]
    fn dns_names_are_names_and_few() {
        let two = parse_dns_names("peers.example.org, _id.example.org.,").unwrap();
        assert_eq!(two, ["peers.example.org", "_id.example.org."]);
        let long = format!("{}.org", "x".repeat(64));
        for wrong in ["", ",", "a b", "a..b", ".", "käse.org", "http://a.org", "a@b", &long] {
            assert!(parse_dns_names(wrong).is_err(), "{wrong:?}");
        }
        assert!(parse_dns_names(&["a"; MAX_DNS_NAMES + 1].join(",")).is_err());
    }

    #[test]
    fn names_are_short_and_harmless() {
        assert!(check_name("käse-1").is_ok());
        for wrong in ["", "a\nb", "\u{1b}[31m", &"x".repeat(65)] {
            assert!(check_name(wrong).is_err(), "{wrong:?}");
        }
    }
}

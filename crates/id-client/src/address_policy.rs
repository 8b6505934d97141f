//! Which addresses that strangers announce may be dialled.
//!
//! An announcement's addresses are claims of its author, and whoever dials them sends packets to
//! wherever the author says. Without a policy a crawler scans somebody's local network, and a node
//! knocks at services of its own machine, because a stranger said so.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use id_proto::{
    Network,
    iroh_base::{EndpointAddr, RelayUrl, TransportAddr},
};

/// Which announced addresses may be dialled: everybody's on the internet, and of the addresses that
/// mean something else in every place only those of places where we are ourselves.
///
/// | address | dialled |
/// |---|---|
/// | of the internet | always |
/// | loopback | if the place is open |
/// | link-local, IPv4 | if the place is open |
/// | private: 10/8, 172.16/12, 192.168/16 | on a private network; else if the place is open: the same /16 |
/// | shared (100.64/10) | on a private network; else if the place is open |
/// | unique local (fc00::/7) | on a private network; else if the place is open: the same /48 |
/// | unspecified, multicast, broadcast, reserved, documentation, IPv6 link-local, port 0 | never |
///
/// An IPv6 address that holds an IPv4 one (mapped, 6to4, NAT64) is as good as what it holds. A relay
/// is dialled if its URL has a name, or an IP address that could be dialled. (A name may resolve to
/// anything; it isn't resolved here.)
///
/// [`AddressPolicy::open`] opens the places of an address: those of our own endpoint, and those that
/// an operator has named. A place that has a relay too opens nothing: who can be reached through a
/// relay is on the internet, and needs nobody's local network.
///
/// Addresses that an operator gave, in a ticket for example, are not announced by strangers; they
/// are dialled without asking here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressPolicy {
    trust: Trust,
    open: BTreeSet<Place>,
    /// Relays that we use ourselves, or that an operator has named.
    relays: BTreeSet<RelayUrl>,
}

/// Whom the announced addresses come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// From whoever knows the topic.
    Strangers,
    /// From those who share a secret with us.
    Members,
    /// From nobody who would lie, as in a test.
    Anyone,
}

/// A set of addresses that mean something else for everyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// This machine.
    Loopback,
    /// This cable, by addresses that hosts gave themselves.
    LinkLocal,
    /// A site's own addresses, by their first 16 bits. Origin: the subnets of one site, of docker or
    /// of a lab usually share them; 65,536 addresses are no interesting scan of who is there already.
    Site([u8; 2]),
    /// What providers and overlay networks share; these spread their members over all of it.
    Shared,
    /// A site's unique local addresses, by their first 48 bits. Origin: RFC 4193, global id.
    UniqueLocal([u8; 6]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Internet,
    Within(Place),
    Nowhere,
}

impl AddressPolicy {
    /// The policy for what members of `network` announce; every place is closed.
    pub fn new(network: &Network) -> Self {
        Self::of(if network.is_private() { Trust::Members } else { Trust::Strangers })
    }

    /// Dials whatever is announced.
    pub fn anything() -> Self {
        Self::of(Trust::Anyone)
    }

    /// What a crawl dials: the places of `own`, its endpoint, and of the `seeds` are open, but for this
    /// machine's own.
    pub fn of_crawl(network: &Network, own: &EndpointAddr, seeds: &[EndpointAddr]) -> Self {
        let elsewhere = seeds.iter().map(without_loopback);
        elsewhere.fold(Self::new(network).open(own), |policy, seed| policy.open(&seed))
    }

    fn of(trust: Trust) -> Self {
        Self { trust, open: BTreeSet::new(), relays: BTreeSet::new() }
    }

    /// Opens the places and relays of `addr`, which is our own or was given by an operator.
    pub fn open(mut self, addr: &EndpointAddr) -> Self {
        self.relays.extend(addr.relay_urls().cloned());
        if addr.relay_urls().next().is_none() {
            self.open.extend(addr.ip_addrs().filter_map(|socket| match reach(socket.ip()) {
                Reach::Within(place) => Some(place),
                Reach::Internet | Reach::Nowhere => None,
            }));
        }
        self
    }

    /// Whether `addr` may be dialled because a peer announces it.
    pub fn allows(&self, addr: &TransportAddr) -> bool {
        match addr {
            _ if self.trust == Trust::Anyone => true,
            TransportAddr::Ip(socket) => socket.port() != 0 && self.allows_ip(socket.ip()),
            TransportAddr::Relay(url) => self.relays.contains(url) || self.allows_host(url),
            _ => false,
        }
    }

    /// What may be dialled of `addr`.
    pub fn select(&self, addr: EndpointAddr) -> EndpointAddr {
        let allowed = addr.addrs.into_iter().filter(|addr| self.allows(addr));
        EndpointAddr::from_parts(addr.id, allowed)
    }

    fn allows_ip(&self, ip: IpAddr) -> bool {
        match reach(ip) {
            Reach::Internet => true,
            Reach::Nowhere => false,
            Reach::Within(Place::Site(_) | Place::Shared | Place::UniqueLocal(_))
                if self.trust == Trust::Members =>
            {
                true
            }
            Reach::Within(place) => self.open.contains(&place),
        }
    }

    fn allows_host(&self, url: &RelayUrl) -> bool {
        let Some(host) = url.host_str() else {
            return false;
        };
        let host = host.trim_end_matches('.');
        match host.trim_start_matches('[').trim_end_matches(']').parse() {
            Ok(ip) => self.allows_ip(ip),
            Err(_) if host == "localhost" || host.ends_with(".localhost") => {
                self.open.contains(&Place::Loopback)
            }
            Err(_) => true,
        }
    }
}

fn reach(ip: IpAddr) -> Reach {
    match ip {
        IpAddr::V4(ip) => reach_v4(ip),
        IpAddr::V6(ip) => embedded(ip).map_or_else(|| reach_v6(ip), reach_v4),
    }
}

/// By the IANA registry of special-purpose addresses.
fn reach_v4(ip: Ipv4Addr) -> Reach {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        (127, ..) => Reach::Within(Place::Loopback),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Reach::Within(Place::Site([a, b])),
        (100, 64..=127, _) => Reach::Within(Place::Shared),
        (169, 254, _) => Reach::Within(Place::LinkLocal),
        // Protocol assignments, documentation, benchmarks.
        (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113) | (198, 18 | 19, _) => Reach::Nowhere,
        // "This network"; multicast, reserved, broadcast.
        (0 | 224.., ..) => Reach::Nowhere,
        _ => Reach::Internet,
    }
}

fn reach_v6(ip: Ipv6Addr) -> Reach {
    let [a, b, c, d, e, f, ..] = ip.octets();
    match ip.segments() {
        _ if ip.is_loopback() => Reach::Within(Place::Loopback),
        [0xfc00..=0xfdff, ..] => Reach::Within(Place::UniqueLocal([a, b, c, d, e, f])),
        // Documentation; Teredo and other protocol assignments.
        [0x2001, 0xdb8, ..] | [0x2001, 0..=0x1ff, ..] | [0x3fff, 0..=0xfff, ..] => Reach::Nowhere,
        [0x2000..=0x3fff, ..] => Reach::Internet,
        // Unspecified, link-local (which needs a zone that no announcement has), site-local,
        // multicast, discard-only, and what isn't assigned.
        _ => Reach::Nowhere,
    }
}

/// The IPv4 address that packets to `ip` go to in the end.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match (a, b, c, d, e, f) {
        // Mapped, translated (SIIT), NAT64.
        (0, 0, 0, 0, 0, 0xffff) | (0, 0, 0, 0, 0xffff, 0) | (0x64, 0xff9b, 0, 0, 0, 0) => {
            Some(v4(g, h))
        }
        // 6to4.
        (0x2002, ..) => Some(v4(b, c)),
        _ => None,
    }
}

/// A node on this machine is asked through loopback, wherever else it is; where its peers may be, it
/// says itself.
fn without_loopback(seed: &EndpointAddr) -> EndpointAddr {
    let is_loopback = |addr: &TransportAddr| match addr {
        TransportAddr::Ip(socket) => socket.ip().is_loopback(),
        _ => false,
    };
    let addrs = seed.addrs.iter().filter(|addr| !is_loopback(addr));
    EndpointAddr::from_parts(seed.id, addrs.cloned())
}

#[cfg(test)]
mod tests;

//! What this program may talk to: loopback, private and link-local addresses, and nothing else.
//!
//! The check can't be gone round: roles dial [`Target`]s, bind at [`LocalIp`]s and make up
//! [`Victim`]s, none of which can be made of an address that doesn't pass; and each endpoint refuses
//! what isn't local once more, right before it dials ([`OnlyLocal`]).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use id_proto::PeerRef;
use iroh::{
    EndpointAddr, PublicKey, TransportAddr,
    endpoint::{BeforeConnectOutcome, EndpointHooks},
};

/// Whether `ip` is on this machine or in a network that isn't the internet.
pub(crate) fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Whether `ip` is set aside for documentation (RFC 5737, RFC 3849): nobody is there.
fn is_nobodys(ip: IpAddr) -> bool {
    const V6: [u16; 2] = [0x2001, 0xdb8];
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.is_documentation(),
        IpAddr::V6(v6) => v6.segments()[..2] == V6,
    }
}

/// Who may be attacked: a node with local addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target(EndpointAddr);

impl Target {
    /// Its id.
    pub(crate) fn id(&self) -> PublicKey {
        self.0.id
    }

    /// Where to dial it.
    pub(crate) fn addr(&self) -> EndpointAddr {
        self.0.clone()
    }
}

impl TryFrom<EndpointAddr> for Target {
    type Error = String;

    fn try_from(addr: EndpointAddr) -> Result<Self, Self::Error> {
        if addr.is_empty() {
            return Err(format!("{} has no address", addr.id));
        }
        match addr.addrs.iter().find(|addr| !is_local_transport(addr)) {
            Some(other) => Err(format!("{other:?} isn't local: this is a test tool")),
            None => Ok(Self(addr)),
        }
    }
}

/// Targets, separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Targets(pub(crate) Vec<Target>);

impl FromStr for Targets {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let peers = PeerRef::parse_list(s).map_err(|error| error.to_string())?;
        let addrs = peers.iter().flat_map(PeerRef::addrs).cloned();
        addrs.map(Target::try_from).collect::<Result<_, _>>().map(Self)
    }
}

/// An address of this machine to listen at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocalIp(IpAddr);

impl LocalIp {
    /// With a port that the system chooses.
    pub(crate) fn any_port(self) -> SocketAddr {
        SocketAddr::new(self.0, 0)
    }
}

impl FromStr for LocalIp {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let ip: IpAddr = s.parse().map_err(|_| format!("`{s}` is no IP address"))?;
        if is_local(ip) { Ok(Self(ip)) } else { Err(format!("{ip} isn't local")) }
    }
}

impl fmt::Display for LocalIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An address that isn't a target and gets into announcements: local, or one where nobody is.
///
/// Nodes that believe it send packets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Victim(SocketAddr);

/// What kind of address a victim has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Loopback,
    LinkLocal,
    Private,
    Elsewhere,
}

impl Victim {
    /// The address.
    pub(crate) fn addr(self) -> SocketAddr {
        self.0
    }

    /// What kind it is of.
    pub(crate) fn kind(self) -> Kind {
        match self.0.ip().to_canonical() {
            ip if ip.is_loopback() => Kind::Loopback,
            IpAddr::V4(v4) => kind_of_v4(v4),
            IpAddr::V6(v6) => kind_of_v6(v6),
        }
    }
}

fn kind_of_v4(ip: Ipv4Addr) -> Kind {
    match ip {
        _ if ip.is_link_local() => Kind::LinkLocal,
        _ if ip.is_private() => Kind::Private,
        _ => Kind::Elsewhere,
    }
}

fn kind_of_v6(ip: Ipv6Addr) -> Kind {
    match ip {
        _ if ip.is_unicast_link_local() => Kind::LinkLocal,
        _ if ip.is_unique_local() => Kind::Private,
        _ => Kind::Elsewhere,
    }
}

impl FromStr for Victim {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let addr: SocketAddr = s.parse().map_err(|_| format!("`{s}` is no ip:port"))?;
        if is_local(addr.ip()) || is_nobodys(addr.ip()) {
            Ok(Self(addr))
        } else {
            Err(format!("{addr} is neither local nor set aside for documentation"))
        }
    }
}

/// Refuses every dial that isn't local, whoever asks for it.
#[derive(Debug)]
pub(crate) struct OnlyLocal;

impl EndpointHooks for OnlyLocal {
    async fn before_connect(&self, remote: &EndpointAddr, _: &[u8]) -> BeforeConnectOutcome {
        match !remote.is_empty() && remote.addrs.iter().all(is_local_transport) {
            true => BeforeConnectOutcome::Accept,
            false => BeforeConnectOutcome::Reject,
        }
    }
}

fn is_local_transport(addr: &TransportAddr) -> bool {
    matches!(addr, TransportAddr::Ip(addr) if is_local(addr.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

    #[test]
    fn loopback_private_and_link_local_addresses_are_local() {
        for ip in [
            "127.0.0.1",
            "127.255.1.2",
            "10.77.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.0.1",
            "::1",
            "fd77::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_local(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn nothing_else_is_local() {
        for ip in [
            "0.0.0.0",
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.2.1",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::ffff:8.8.8.8",
            "2606:4700::1111",
            "2001:db8::1",
            "ff02::1",
        ] {
            assert!(!is_local(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn targets_need_an_address_and_only_local_ones() {
        assert_eq!(format!("{ID}@127.0.0.1:1").parse::<Targets>().unwrap().0.len(), 1);
        assert_eq!(format!("{ID}@127.0.0.1:1,[::1]:2").parse::<Targets>().unwrap().0.len(), 1);
        for wrong in
            [ID.to_owned(), format!("{ID}@9.9.9.9:1"), format!("{ID}@127.0.0.1:1,9.9.9.9:1")]
        {
            assert!(wrong.parse::<Targets>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn relays_are_no_targets() {
        let relayed = EndpointAddr::new(ID.parse().unwrap())
            .with_relay_url("https://relay.example".parse().unwrap());
        assert!(Target::try_from(relayed).is_err());
    }

    #[tokio::test]
    async fn endpoints_refuse_to_dial_what_is_not_local() {
        let id: PublicKey = ID.parse().unwrap();
        let at = |addr: &str| EndpointAddr::new(id).with_ip_addr(addr.parse().unwrap());
        let outcome = async |addr| OnlyLocal.before_connect(&addr, b"x").await;
        assert!(matches!(outcome(at("127.0.0.1:1")).await, BeforeConnectOutcome::Accept));
        assert!(matches!(outcome(at("8.8.8.8:1")).await, BeforeConnectOutcome::Reject));
        assert!(matches!(outcome(id.into()).await, BeforeConnectOutcome::Reject));
        let both = at("127.0.0.1:1").with_ip_addr("8.8.8.8:1".parse().unwrap());
        assert!(matches!(outcome(both).await, BeforeConnectOutcome::Reject));
    }

    #[test]
    fn victims_are_local_or_nobody() {
        let kinds = [
            ("127.0.0.2:9", Kind::Loopback),
            ("[::1]:9", Kind::Loopback),
            ("169.254.7.7:9", Kind::LinkLocal),
            ("10.99.0.1:9", Kind::Private),
            ("192.0.2.1:9", Kind::Elsewhere),
            ("[2001:db8::1]:9", Kind::Elsewhere),
        ];
        for (addr, kind) in kinds {
            assert_eq!(addr.parse::<Victim>().unwrap().kind(), kind, "{addr}");
        }
        for wrong in ["8.8.8.8:9", "[2606:4700::1111]:9", "0.0.0.0:9", "127.0.0.1"] {
            assert!(wrong.parse::<Victim>().is_err(), "{wrong}");
        }
    }
}

//! How people name a peer: a node id, `id@ip:port[,ip:port]`, or a ticket.

use std::{fmt, net::SocketAddr, str::FromStr};

use iroh_base::{EndpointAddr, PublicKey};
use iroh_tickets::{ParseError, Ticket as _};
use serde_bytes::ByteBuf;

use crate::{
    announcement::decode_key,
    error::{DecodeError, NetworkError, ParsePeerError},
    limits::{MAX_TICKET_LEN, MAX_TICKET_PEERS},
    network::{DEFAULT_SECRET, DEFAULT_TOPIC, Network, NetworkTag},
    wire,
};

/// A peer as a person names it on a command line or in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerRef {
    /// A node id, with no address or several.
    Addr(EndpointAddr),
    /// A ticket, which may name several peers.
    Ticket(Ticket),
}

impl PeerRef {
    /// The peers that are meant.
    pub fn addrs(&self) -> &[EndpointAddr] {
        match self {
            Self::Addr(addr) => std::slice::from_ref(addr),
            Self::Ticket(ticket) => &ticket.peers,
        }
    }

    /// Parses a comma-separated list. Because `id@a,b` has commas too, an item that is an address
    /// belongs to the id before it.
    pub fn parse_list(list: &str) -> Result<Vec<Self>, ParsePeerError> {
        let mut peers: Vec<Self> = Vec::new();
        for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            match (item.parse::<SocketAddr>(), peers.last_mut()) {
                (Ok(addr), Some(Self::Addr(last))) => *last = last.clone().with_ip_addr(addr),
                _ => peers.push(item.parse()?),
            }
        }
        Ok(peers)
    }
}

impl FromStr for PeerRef {
    type Err = ParsePeerError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if s.starts_with(Ticket::KIND) {
            return s.parse().map(Self::Ticket);
        }
        let Some((id, addrs)) = s.split_once('@') else {
            let id = s.parse::<PublicKey>();
            let id = id.map_err(|_| ParsePeerError::NotAPeer(s.to_owned()))?;
            return Ok(Self::Addr(id.into()));
        };
        let id: PublicKey = id.parse().map_err(|_| ParsePeerError::BadNodeId(id.to_owned()))?;
        let parse = |addr: &str| {
            addr.parse::<SocketAddr>().map_err(|_| ParsePeerError::BadAddr(addr.to_owned()))
        };
        let addrs = addrs.split(',').map(parse).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::Addr(addrs.into_iter().fold(EndpointAddr::new(id), EndpointAddr::with_ip_addr)))
    }
}

/// What one hands to somebody who shall find the network: peers with their addresses.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The network that the peers are in.
    pub network_tag: NetworkTag,
    /// Whom to dial, at most [`MAX_TICKET_PEERS`].
    pub peers: Vec<EndpointAddr>,
    /// Topic and secret, if the ticket lets its holder in by itself. Makes the ticket a secret.
    pub invitation: Option<Invitation>,
}

/// The two strings that a network derives from. As good as membership: keep it secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The topic's name.
    pub topic: String,
    /// The topic's secret.
    pub secret: String,
}

impl Invitation {
    /// What somebody means who names a topic, a secret and peers: what is named, else what the first
    /// ticket that invites says, else the public network.
    pub fn choose<'a>(
        topic: Option<&str>,
        secret: Option<&str>,
        peers: impl IntoIterator<Item = &'a PeerRef>,
    ) -> Self {
        let invites = |peer: &'a PeerRef| match peer {
            PeerRef::Ticket(ticket) => ticket.invitation.clone(),
            PeerRef::Addr(_) => None,
        };
        let invited = peers.into_iter().find_map(invites);
        match (topic, secret, invited) {
            (None, None, Some(invitation)) => invitation,
            (topic, secret, _) => Self {
                topic: topic.unwrap_or(DEFAULT_TOPIC).to_owned(),
                secret: secret.unwrap_or(DEFAULT_SECRET).to_owned(),
            },
        }
    }

    /// The network that it leads into.
    pub fn network(&self) -> Result<Network, NetworkError> {
        Network::derive(&self.topic, &self.secret)
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("network_tag", &self.network_tag)
            .field("peers", &self.peers)
            .field("invites", &self.invitation.is_some())
            .finish()
    }
}

impl Ticket {
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire::Ticket::V1(v1) = wire::decode(bytes, MAX_TICKET_LEN, 1)?;
        if v1.peers.len() > MAX_TICKET_PEERS {
            return Err(DecodeError::OutOfBounds { field: "peers" });
        }
        let invitation = v1.invitation.map(|(topic, secret)| Invitation {
            topic: topic.to_owned(),
            secret: secret.to_owned(),
        });
        Ok(Self {
            network_tag: NetworkTag(v1.network_tag),
            peers: v1.peers.iter().map(decode_peer).collect::<Result<_, _>>()?,
            invitation,
        })
    }
}

fn decode_peer(peer: &wire::TicketPeer) -> Result<EndpointAddr, DecodeError> {
    let id = decode_key(&peer.node_id, "node_id")?;
    let addrs = peer.addrs.iter().filter_map(|addr| wire::decode_addr(addr).transpose());
    Ok(EndpointAddr::from_parts(id, addrs.collect::<Result<Vec<_>, _>>()?))
}

fn encode_peer(peer: &EndpointAddr) -> wire::TicketPeer {
    wire::TicketPeer {
        node_id: *peer.id.as_bytes(),
        addrs: peer.addrs.iter().filter_map(wire::encode_addr).map(ByteBuf::from).collect(),
    }
}

impl iroh_tickets::Ticket for Ticket {
    const KIND: &'static str = "idticket";

    fn encode_bytes(&self) -> Vec<u8> {
        let invitation = self.invitation.as_ref();
        wire::encode(&wire::Ticket::V1(wire::TicketV1 {
            network_tag: self.network_tag.0,
            peers: self.peers.iter().map(encode_peer).collect(),
            invitation: invitation.map(|i| (i.topic.as_str(), i.secret.as_str())),
        }))
    }

    fn decode_bytes(bytes: &[u8]) -> Result<Self, ParseError> {
        Self::decode(bytes).map_err(|error| {
            ParseError::verification_failed(match error {
                DecodeError::TooLong { .. } => "too long",
                DecodeError::UnknownVersion { .. } => "made by a newer release",
                DecodeError::TrailingBytes { .. } => "trailing bytes",
                DecodeError::OutOfBounds { field } => field,
                DecodeError::Malformed(_) | DecodeError::Padded => "malformed",
            })
        })
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.encode_string())
    }
}

impl FromStr for Ticket {
    type Err = ParsePeerError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        // Base32 is 8 characters for 5 bytes; the cap comes before the decoder allocates.
        if s.len() > Self::KIND.len() + MAX_TICKET_LEN.div_ceil(5) * 8 {
            return Err(ParsePeerError::BadTicket("too long".to_owned()));
        }
        Self::decode_string(s).map_err(|error| ParsePeerError::BadTicket(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(invitation: Option<(&str, &str)>) -> PeerRef {
        let invitation = invitation.map(|(topic, secret)| Invitation {
            topic: topic.to_owned(),
            secret: secret.to_owned(),
        });
        let network_tag = Network::public().tag();
        PeerRef::Ticket(Ticket { network_tag, peers: Vec::new(), invitation })
    }

    fn chosen(topic: Option<&str>, secret: Option<&str>, peers: &[PeerRef]) -> (String, String) {
        let Invitation { topic, secret } = Invitation::choose(topic, secret, peers);
        (topic, secret)
    }

    #[test]
    fn a_ticket_invites_only_who_names_neither_topic_nor_secret() {
        let peers = [ticket(None), ticket(Some(("office", "hunter2")))];
        let pair = |topic: &str, secret: &str| (topic.to_owned(), secret.to_owned());
        assert_eq!(chosen(None, None, &peers), pair("office", "hunter2"));
        assert_eq!(chosen(Some("t"), None, &peers), pair("t", DEFAULT_SECRET));
        assert_eq!(chosen(None, Some("s"), &peers), pair(DEFAULT_TOPIC, "s"));
        assert_eq!(chosen(None, None, &peers[..1]), pair(DEFAULT_TOPIC, DEFAULT_SECRET));
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", ticket(Some(("office", "hunter2"))));
        assert!(!shown.contains("hunter2"), "{shown}");
        let invitation = Invitation { topic: "t".to_owned(), secret: "hunter2".to_owned() };
        assert!(!format!("{invitation:?}").contains("hunter2"));
    }
}

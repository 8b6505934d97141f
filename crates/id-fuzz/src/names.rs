//! How people name peers: arguments, tickets, records in the DNS.

use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use id_node::untrusted;
use id_proto::{
    Network, PeerAnnouncement, PeerRef, Ticket,
    iroh_base::{EndpointAddr, TransportAddr},
    limits::{MAX_ADDRS, MAX_TICKET_LEN, MAX_TICKET_PEERS},
};

use crate::Outcome::{self, Refused, Understood};

pub(crate) fn ticket(bytes: &[u8]) -> Outcome {
    // Text that may be a ticket, and the ticket that these bytes would be.
    let as_text = std::str::from_utf8(bytes).is_ok_and(ticket_text);
    let as_bytes = ticket_text(&as_ticket(bytes));
    Outcome::understood_if(as_text || as_bytes)
}

/// The text of the ticket that these bytes would be.
pub(crate) fn as_ticket(bytes: &[u8]) -> String {
    format!("idticket{}", BASE32_NOPAD.encode(bytes).to_lowercase())
}

fn ticket_text(text: &str) -> bool {
    let Ok(ticket) = Ticket::from_str(text) else {
        return false;
    };
    check_ticket(&ticket);
    assert_eq!(text.parse::<PeerRef>(), Ok(PeerRef::Ticket(ticket)));
    assert!(format!("{text}!").parse::<Ticket>().is_err());
    true
}

fn check_ticket(ticket: &Ticket) {
    assert!(ticket.peers.len() <= MAX_TICKET_PEERS);
    let written = ticket.to_string();
    let Ok(again) = written.parse::<Ticket>() else {
        // A URL may be longer as our parser writes it than as it came, and so may be the whole.
        assert!(written.len() > MAX_TICKET_LEN, "a short ticket that we write can't be read");
        return;
    };
    assert_eq!(again, Ticket { peers: sendable(&ticket.peers), ..ticket.clone() });
    assert_eq!(again.to_string(), written);
}

fn sendable(peers: &[EndpointAddr]) -> Vec<EndpointAddr> {
    let sendable = |peer: &EndpointAddr| {
        let addrs = peer.addrs.iter().filter(|addr| PeerAnnouncement::can_hold(addr));
        EndpointAddr::from_parts(peer.id, addrs.cloned())
    };
    peers.iter().map(sendable).collect()
}

pub(crate) fn peer_argument(bytes: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Refused;
    };
    let one = text.parse::<PeerRef>();
    let list = PeerRef::parse_list(text);
    if let Ok(one) = &one {
        assert!(!one.addrs().is_empty() || matches!(one, PeerRef::Ticket(_)));
        check_named(one);
        // What is good alone is good in a list, and means the same there.
        assert_eq!(list.as_deref(), Ok(std::slice::from_ref(one)));
    }
    match &list {
        Ok(peers) => peers.iter().for_each(check_named),
        // An error names what is wrong, for a person to read.
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    Outcome::understood_if(list.is_ok_and(|peers| !peers.is_empty()))
}

fn check_named(peer: &PeerRef) {
    match peer {
        PeerRef::Ticket(ticket) => check_ticket(ticket),
        PeerRef::Addr(addr) => assert_eq!(written(addr).parse(), Ok(peer.clone())),
    }
}

fn written(peer: &EndpointAddr) -> String {
    let addrs: Vec<_> = peer.ip_addrs().map(ToString::to_string).collect();
    let at = if addrs.is_empty() { "" } else { "@" };
    format!("{}{at}{}", peer.id, addrs.join(","))
}

pub(crate) fn dns_record(bytes: &[u8]) -> Outcome {
    let peers = untrusted::dns_record(bytes, &Network::public());
    for peer in &peers {
        assert!(peer.addrs.len() <= MAX_ADDRS);
        assert!(peer.addrs.iter().all(can_be_dialled), "{peer:?}");
    }
    match peers.len() {
        0 => Refused,
        _ => Understood,
    }
}

fn can_be_dialled(addr: &TransportAddr) -> bool {
    match addr {
        TransportAddr::Ip(addr) => addr.port() != 0 && !addr.ip().is_unspecified(),
        _ => true,
    }
}

//! What a value says of itself: what was put in comes out again, at the edges of the limits too, and
//! secrets don't.

use std::time::Duration;

use id_proto::{
    GossipMessage, Invitation, Leave, Network, NetworkError, ParsePeerError, PeerAnnouncement,
    PeerRef, SignError, SignedAnnouncement, SignedLeave, Statement, Ticket, UnverifiedAnnouncement,
    Word,
    iroh_base::{EndpointAddr, SecretKey, TransportAddr},
    limits::{
        LEAVE_LIFETIME, MAX_AGENT_LEN, MAX_NAME_LEN, MAX_SIGNED_LEN, MAX_TICKET_LEN, MAX_TOPIC_LEN,
    },
};

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32])
}

fn announcement() -> PeerAnnouncement {
    PeerAnnouncement {
        node_id: secret(1).public(),
        name: None,
        blob_count: 7,
        timestamp_secs: 1_763_632_800,
        seq: 1_763_632_800_123,
        network_tag: Network::public().tag(),
        interval_secs: 30,
        addrs: vec![TransportAddr::Ip(([192, 0, 2, 1], 4433).into())],
        agent: "a".to_owned(),
    }
}

fn leave() -> Leave {
    Leave {
        node_id: secret(1).public(),
        timestamp_secs: 1_763_632_860,
        seq: 1_763_632_860_000,
        network_tag: Network::derive("t", "s").unwrap().tag(),
    }
}

// ---- Statements ----

/// Of any statement, what gates judge it by.
fn said<T: Statement>(statement: &T) -> (u64, u64, Duration) {
    (statement.seq(), statement.timestamp_secs(), statement.lifetime())
}

#[test]
fn statements_say_their_number_time_and_lifetime() {
    let of_announcement = (1_763_632_800_123, 1_763_632_800, Duration::from_secs(120));
    assert_eq!(said(&announcement()), of_announcement);
    assert_eq!(said(&leave()), (1_763_632_860_000, 1_763_632_860, LEAVE_LIFETIME));
    assert_eq!(leave().network_tag(), leave().network_tag);
    assert_eq!(announcement().author(), secret(1).public());
}

#[test]
fn an_unverified_statement_keeps_the_bytes_that_it_was_read_from() {
    let signed = SignedAnnouncement::sign(announcement(), &secret(1)).unwrap();
    let unverified = UnverifiedAnnouncement::decode(signed.bytes()).unwrap();
    assert_eq!(unverified.bytes(), signed.bytes());
    assert_eq!(unverified.verify().unwrap().bytes(), signed.bytes());
}

#[test]
fn signed_statements_are_equal_if_their_bytes_are() {
    let sign = |announcement| SignedAnnouncement::sign(announcement, &secret(1)).unwrap();
    let later = PeerAnnouncement { seq: 1_763_632_800_124, ..announcement() };
    assert!(sign(announcement()) == sign(announcement()));
    assert!(sign(announcement()) != sign(later));
}

/// An announcement that is longer than most, and by a byte for each of `n`.
fn long(n: usize) -> PeerAnnouncement {
    let relay = |n| format!("https://relay.example/{}", "p".repeat(n)).parse().unwrap();
    PeerAnnouncement {
        name: Some("n".repeat(MAX_NAME_LEN)),
        agent: "a".repeat(MAX_AGENT_LEN),
        addrs: [60, 60, n].map(relay).map(TransportAddr::Relay).into(),
        ..announcement()
    }
}

#[test]
fn what_is_signed_may_be_as_long_as_the_limit_and_no_longer() {
    let signed = |n| SignedAnnouncement::sign(long(n), &secret(1));
    let longest = (0..100).rev().find_map(|n| signed(n).ok().map(|it| (n, it)));
    let (n, longest) = longest.expect("a short one fits");
    assert_eq!(longest.bytes().len(), MAX_SIGNED_LEN);
    assert!(UnverifiedAnnouncement::decode(longest.bytes()).unwrap().verify().is_ok());
    let refused = signed(n + 1).unwrap_err();
    let expected = SignError::TooLong { len: MAX_SIGNED_LEN + 1, max: MAX_SIGNED_LEN };
    assert_eq!(refused, expected);
}

#[test]
fn an_announcement_can_hold_what_it_can_be_read_back_with() {
    let ip = TransportAddr::Ip(([192, 0, 2, 1], 4433).into());
    let too_long = format!("https://r.example/{}", "p".repeat(4096));
    let relay = TransportAddr::Relay(too_long.parse().unwrap());
    assert!(PeerAnnouncement::can_hold(&ip));
    assert!(!PeerAnnouncement::can_hold(&relay));
}

/// What hears only this must take the message for the same that its decoder does.
#[test]
fn a_gossip_message_says_whose_statement_it_claims_to_be() {
    let announced = SignedAnnouncement::sign(announcement(), &secret(1)).unwrap();
    let left = SignedLeave::sign(leave(), &secret(1)).unwrap();
    let author = Some(*secret(1).public().as_bytes());
    for message in [GossipMessage::announce(&announced), GossipMessage::leave(&left)] {
        assert_eq!(GossipMessage::claimed_author(&message), author);
        assert_eq!(GossipMessage::claimed_author(&message[..90]), None);
    }
    assert_eq!(GossipMessage::claimed_author(b""), None);
    assert_eq!(GossipMessage::claimed_author(&[2; 200]), None, "of no kind that we know");
}

// ---- Networks ----

#[test]
fn a_network_knows_its_topics_name_and_shows_no_key() {
    let network = Network::derive("orchard", "hunter2").unwrap();
    assert_eq!(network.topic(), "orchard");
    let shown = format!("{network:?}");
    assert!(shown.contains("orchard") && shown.contains(&network.tag().to_string()), "{shown}");
    assert!(!shown.contains("gossip_topic") && !shown.contains("member_key"), "{shown}");
    assert_eq!(format!("{:?}", network.tag()), format!("NetworkTag({})", network.tag()));
}

#[test]
fn a_topics_name_may_be_as_long_as_the_limit_and_no_longer() {
    let name = |len| "t".repeat(len);
    assert!(Network::derive(&name(MAX_TOPIC_LEN), "s").is_ok());
    let refused = Network::derive(&name(MAX_TOPIC_LEN + 1), "s").unwrap_err();
    assert!(matches!(refused, NetworkError::TooLong("topic")), "{refused:?}");
}

// ---- Peers and tickets ----

#[test]
fn a_list_of_peers_names_all_of_them_with_their_addresses() {
    let (a, b) = (secret(1).public(), secret(2).public());
    let list = format!(" {a}@192.0.2.1:1,192.0.2.2:2 ,, {b}");
    let peers = PeerRef::parse_list(&list).unwrap();
    let first = EndpointAddr::new(a)
        .with_ip_addr("192.0.2.1:1".parse().unwrap())
        .with_ip_addr("192.0.2.2:2".parse().unwrap());
    let named: Vec<EndpointAddr> = peers.iter().flat_map(PeerRef::addrs).cloned().collect();
    assert_eq!(named, [first, b.into()]);
    assert_eq!(PeerRef::parse_list("").unwrap(), []);
}

#[test]
fn an_address_that_no_id_is_before_is_no_peer() {
    let refused = PeerRef::parse_list("192.0.2.1:1").unwrap_err();
    assert!(matches!(refused, ParsePeerError::NotAPeer(_)), "{refused:?}");
}

fn invitation() -> Ticket {
    let invitation = Invitation { topic: "orchard".to_owned(), secret: "hunter2".to_owned() };
    Ticket {
        network_tag: invitation.network().unwrap().tag(),
        peers: vec![secret(1).public().into()],
        invitation: Some(invitation),
    }
}

#[test]
fn a_ticket_shows_whom_it_names_and_not_its_secret() {
    let shown = format!("{:?}", invitation());
    assert!(shown.contains(&invitation().network_tag.to_string()), "{shown}");
    assert!(shown.contains("invites: true") && !shown.contains("hunter2"), "{shown}");
    let shown = format!("{:?}", invitation().invitation.unwrap());
    assert!(shown.contains("orchard") && !shown.contains("hunter2"), "{shown}");
    let peer = PeerRef::Ticket(invitation());
    assert_eq!(peer.addrs(), invitation().peers);
}

/// What is wrong with a string of `len` characters behind a ticket's kind.
fn wrong_with(len: usize) -> String {
    let ticket = format!("idticket{}", "a".repeat(len)).parse::<Ticket>();
    ticket.expect_err("it is made up").to_string()
}

#[test]
fn a_ticket_is_too_long_before_it_is_read_exactly_beyond_the_limit() {
    let longest = MAX_TICKET_LEN.div_ceil(5) * 8;
    assert_eq!(wrong_with(longest + 1), "the ticket is damaged: too long");
    assert_ne!(wrong_with(longest), "the ticket is damaged: too long");
}

#[test]
fn a_word_is_shown_as_it_is() {
    assert_eq!(Word::new("not_member").unwrap().to_string(), "not_member");
}

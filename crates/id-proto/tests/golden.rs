//! Pins the bytes of version 1, in both directions: the code writes exactly these bytes, and reads
//! them as these values.
#![cfg(feature = "service")]

#[expect(dead_code, reason = "titles and meanings are for the document")]
mod vectors;

use std::{collections::BTreeSet, time::Duration};

use id_proto::{
    About, AuthorBudget, BlobHash, BlobKey, BlobName, BlobsPage, CopyRequest, DeleteRequest,
    Departed, DiscoverReport, DiscoverRequest, ErrorCode, ExplainRequest, Explanation, FindRequest,
    GetRequest, GossipMessage, IfTaken, Introducer, IntroducersReport, IntroducersRequest,
    Invitation, LastDial, LastRefusal, Leave, ListPeersRequest, ListRequest, Lost, MetaRequest,
    MetaResponse, NameChange, NamedBlob, Network, NextDial, PeerAnnouncement, PeerEntry, PeersPage,
    PutRequest, RenameRequest, Signed, SignedAnnouncement, SignedLeave, Source, StatusReport,
    StatusRequest, Ticket, UnverifiedAnnouncement, UnverifiedLeave, WhoamiRequest, WhoamiResponse,
    Word,
    iroh_base::{EndpointAddr, PublicKey, SecretKey, TransportAddr},
    version::{META_ALPN, REGISTRY},
};
use iroh_tickets::Ticket as _;
use irpc::util::WriteVarintExt;
use vectors::{NetworkVector, Part, Vector, unhex};

/// A vector with what writes it and what checks that it reads as what was written.
struct Case {
    vector: &'static Vector,
    write: fn() -> Vec<u8>,
    check_read: fn(&[u8]),
}

const CASES: &[Case] = &[
    Case {
        vector: &vectors::ANNOUNCEMENT,
        write: || announcement().bytes().to_vec(),
        check_read: |bytes| {
            let read = UnverifiedAnnouncement::decode(bytes).unwrap().verify().unwrap();
            assert_eq!(*read, *announcement());
            assert_eq!(read.bytes(), bytes);
        },
    },
    Case {
        vector: &vectors::BARE_ANNOUNCEMENT,
        write: || bare_announcement().bytes().to_vec(),
        check_read: |bytes| {
            let read = UnverifiedAnnouncement::decode(bytes).unwrap().verify().unwrap();
            assert_eq!(*read, *bare_announcement());
        },
    },
    Case {
        vector: &vectors::LEAVE,
        write: || leave().bytes().to_vec(),
        check_read: |bytes| {
            let read = UnverifiedLeave::decode(bytes).unwrap().verify().unwrap();
            assert_eq!(*read, *leave());
        },
    },
    Case {
        vector: &vectors::GOSSIP_ANNOUNCE,
        write: || GossipMessage::announce(&announcement()),
        check_read: |bytes| match GossipMessage::decode(bytes).unwrap() {
            GossipMessage::Announce(read) => assert_eq!(read.verify().unwrap(), announcement()),
            other => panic!("{other:?}"),
        },
    },
    Case {
        vector: &vectors::GOSSIP_LEAVE,
        write: || GossipMessage::leave(&leave()),
        check_read: |bytes| match GossipMessage::decode(bytes).unwrap() {
            GossipMessage::Leave(read) => assert_eq!(read.verify().unwrap(), leave()),
            other => panic!("{other:?}"),
        },
    },
    Case {
        vector: &vectors::REQUEST_WHOAMI,
        write: || request_whoami().encode(),
        check_read: |bytes| assert_eq!(MetaRequest::decode(bytes), Ok(request_whoami())),
    },
    Case {
        vector: &vectors::REQUEST_LIST_PEERS,
        write: || request_list_peers().encode(),
        check_read: |bytes| assert_eq!(MetaRequest::decode(bytes), Ok(request_list_peers())),
    },
    Case {
        vector: &vectors::REQUEST_STATUS,
        write: || request_status().encode(),
        check_read: |bytes| assert_eq!(MetaRequest::decode(bytes), Ok(request_status())),
    },
    Case {
        vector: &vectors::REQUEST_INTRODUCERS,
        write: || request_introducers().encode(),
        check_read: |bytes| assert_eq!(MetaRequest::decode(bytes), Ok(request_introducers())),
    },
    Case {
        vector: &vectors::REQUEST_EXPLAIN,
        write: || request_explain().encode(),
        check_read: |bytes| {
            assert_eq!(MetaRequest::decode(bytes), Ok(request_explain()));
            let MetaRequest::Explain(request) = request_explain() else { unreachable!() };
            assert_eq!(request.node_id(), Ok(key(3)));
        },
    },
    Case {
        vector: &vectors::REQUEST_DISCOVER,
        write: || request_discover().encode(),
        check_read: |bytes| {
            assert_eq!(MetaRequest::decode(bytes), Ok(request_discover()));
            let MetaRequest::Discover(request) = request_discover() else { unreachable!() };
            let items = request.items().collect::<Result<Vec<_>, _>>().unwrap();
            assert_eq!(items, [announcement().bytes(), bare_announcement().bytes()]);
        },
    },
    Case {
        vector: &vectors::REQUEST_PUT,
        write: || request_put().encode(),
        check_read: |bytes| {
            assert_eq!(MetaRequest::decode(bytes), Ok(request_put()));
            let MetaRequest::Put(request) = request_put() else { unreachable!() };
            assert_eq!((request.name(), request.hash()), (Ok(name("notes/today")), empty_hash()));
            assert_eq!(request.if_taken(), IfTaken::Replace);
        },
    },
    Case {
        vector: &vectors::REQUEST_GET,
        write: || request_get().encode(),
        check_read: |bytes| {
            assert_eq!(MetaRequest::decode(bytes), Ok(request_get()));
            let MetaRequest::Get(request) = request_get() else { unreachable!() };
            assert_eq!(request.key(), Ok(BlobKey::Name(name("notes/today"))));
        },
    },
    Case {
        vector: &vectors::REQUEST_GET_HASH,
        write: || request_get_hash().encode(),
        check_read: |bytes| {
            assert_eq!(MetaRequest::decode(bytes), Ok(request_get_hash()));
            let MetaRequest::Get(request) = request_get_hash() else { unreachable!() };
            assert_eq!(request.key(), Ok(BlobKey::Hash(empty_hash())));
        },
    },
    Case {
        vector: &vectors::REQUEST_LIST,
        write: || request_list().encode(),
        check_read: |bytes| {
            assert_eq!(MetaRequest::decode(bytes), Ok(request_list()));
            let MetaRequest::List(request) = request_list() else { unreachable!() };
            assert_eq!(request.after(), Ok(Some(name("notes"))));
        },
    },
    Case {
        vector: &vectors::REQUEST_DELETE,
        write: || request_delete().encode(),
        check_read: |bytes| {
            assert_eq!(MetaRequest::decode(bytes), Ok(request_delete()));
            let MetaRequest::Delete(request) = request_delete() else { unreachable!() };
            assert_eq!(request.name(), Ok(name("notes/today")));
        },
    },
    Case {
        vector: &vectors::REQUEST_RENAME,
        write: || request_rename().encode(),
        check_read: |bytes| {
            assert_eq!(MetaRequest::decode(bytes), Ok(request_rename()));
            let MetaRequest::Rename(request) = request_rename() else { unreachable!() };
            let names = (request.from().unwrap(), request.to().unwrap());
            assert_eq!(names, (name("notes/today"), name("notes/älter")));
            assert_eq!(request.if_taken(), IfTaken::Refuse);
        },
    },
    Case {
        vector: &vectors::REQUEST_COPY,
        write: || request_copy().encode(),
        check_read: |bytes| {
            assert_eq!(MetaRequest::decode(bytes), Ok(request_copy()));
            let MetaRequest::Copy(request) = request_copy() else { unreachable!() };
            assert_eq!(request.from().unwrap(), name("notes/today"));
            assert_eq!(request.to().unwrap(), name("b"));
        },
    },
    Case {
        vector: &vectors::REQUEST_FIND,
        write: || request_find().encode(),
        check_read: |bytes| {
            assert_eq!(MetaRequest::decode(bytes), Ok(request_find()));
            let MetaRequest::Find(request) = request_find() else { unreachable!() };
            assert_eq!(request.query(), Ok(name("today")));
        },
    },
    Case {
        vector: &vectors::RESPONSE_ERROR,
        write: || response_error().encode(),
        check_read: |bytes| assert_eq!(MetaResponse::decode(bytes), Ok(response_error())),
    },
    Case {
        vector: &vectors::RESPONSE_WHOAMI,
        write: || response_whoami(Some(about())).encode(),
        check_read: |bytes| {
            assert_eq!(MetaResponse::decode(bytes), Ok(response_whoami(Some(about()))));
        },
    },
    Case {
        vector: &vectors::RESPONSE_WHOAMI_STRANGER,
        write: || response_whoami(None).encode(),
        check_read: |bytes| assert_eq!(MetaResponse::decode(bytes), Ok(response_whoami(None))),
    },
    Case {
        vector: &vectors::ABOUT,
        write: || about().encode().into_vec(),
        check_read: |bytes| {
            let read = About::decode(bytes).unwrap();
            // `Debug` shows every field but the signature.
            assert_eq!(
                format!("{read:?}").replace("Unverified(", "Signed("),
                format!("{:?}", about())
            );
            assert_eq!(read.announcement.verify().unwrap(), bare_announcement());
        },
    },
    Case {
        vector: &vectors::RESPONSE_PEERS,
        write: || response_peers().encode(),
        check_read: |bytes| {
            assert_eq!(MetaResponse::decode(bytes), Ok(response_peers()));
            let MetaResponse::Peers(page) = response_peers() else { unreachable!() };
            let items = page.items().collect::<Result<Vec<_>, _>>().unwrap();
            assert_eq!(items, [vectors::ENTRY_OWN.bytes(), vectors::ENTRY_GOSSIP.bytes()]);
        },
    },
    Case {
        vector: &vectors::RESPONSE_PEERS_EMPTY,
        write: || MetaResponse::Peers(PeersPage::default()).encode(),
        check_read: |bytes| {
            let empty = MetaResponse::Peers(PeersPage::default());
            assert_eq!(MetaResponse::decode(bytes), Ok(empty));
        },
    },
    Case {
        vector: &vectors::ENTRY_OWN,
        write: || entry_own().encode(),
        check_read: |bytes| check_entry(bytes, &entry_own()),
    },
    Case {
        vector: &vectors::ENTRY_GOSSIP,
        write: || entry_gossip().encode(),
        check_read: |bytes| check_entry(bytes, &entry_gossip()),
    },
    Case {
        vector: &vectors::ENTRY_TOLD,
        write: || entry_told().encode(),
        check_read: |bytes| check_entry(bytes, &entry_told()),
    },
    Case {
        vector: &vectors::RESPONSE_STATUS,
        write: || MetaResponse::Status(status().encode()).encode(),
        check_read: |bytes| {
            assert_eq!(MetaResponse::decode(bytes), Ok(MetaResponse::Status(status().encode())));
        },
    },
    Case {
        vector: &vectors::STATUS,
        write: || status().encode().into_vec(),
        check_read: |bytes| assert_eq!(StatusReport::decode(bytes), Ok(status())),
    },
    Case {
        vector: &vectors::RESPONSE_INTRODUCERS,
        write: || MetaResponse::Introducers(introducers().encode()).encode(),
        check_read: |bytes| {
            let response = MetaResponse::Introducers(introducers().encode());
            assert_eq!(MetaResponse::decode(bytes), Ok(response));
        },
    },
    Case {
        vector: &vectors::INTRODUCERS,
        write: || introducers().encode().into_vec(),
        check_read: |bytes| assert_eq!(IntroducersReport::decode(bytes), Ok(introducers())),
    },
    Case {
        // It is written and read as a part of others only.
        vector: &vectors::INTRODUCER,
        write: || introducers().encode().split_off(6),
        check_read: |bytes| {
            let report = [&[0, 0, 0, 1, bytes.len() as u8], bytes].concat();
            let read = IntroducersReport::decode(&report).unwrap();
            assert_eq!(read.introducers, [introducer()]);
        },
    },
    Case {
        vector: &vectors::RESPONSE_EXPLANATION,
        write: || MetaResponse::Explanation(explanation_gone().encode()).encode(),
        check_read: |bytes| {
            let response = MetaResponse::Explanation(explanation_gone().encode());
            assert_eq!(MetaResponse::decode(bytes), Ok(response));
        },
    },
    Case {
        vector: &vectors::EXPLANATION,
        write: || explanation().encode().into_vec(),
        check_read: |bytes| check_explanation(bytes, &explanation()),
    },
    Case {
        vector: &vectors::EXPLANATION_GONE,
        write: || explanation_gone().encode().into_vec(),
        check_read: |bytes| check_explanation(bytes, &explanation_gone()),
    },
    Case {
        vector: &vectors::RESPONSE_DISCOVERED,
        write: || MetaResponse::Discovered(discover_report().encode()).encode(),
        check_read: |bytes| {
            let response = MetaResponse::Discovered(discover_report().encode());
            assert_eq!(MetaResponse::decode(bytes), Ok(response));
        },
    },
    Case {
        vector: &vectors::DISCOVER_REPORT,
        write: || discover_report().encode().into_vec(),
        check_read: |bytes| {
            assert_eq!(DiscoverReport::decode(bytes), Ok(discover_report()));
            assert_eq!(discover_report().total(), Some(341));
        },
    },
    Case {
        vector: &vectors::RESPONSE_BLOBS,
        write: || response_blobs().encode(),
        check_read: |bytes| {
            assert_eq!(MetaResponse::decode(bytes), Ok(response_blobs()));
            let MetaResponse::Blobs(page) = response_blobs() else { unreachable!() };
            let items = page.items().collect::<Result<Vec<_>, _>>().unwrap();
            assert_eq!(items, [vectors::NAMED_BLOB.bytes(), vectors::NAMED_BLOB_LARGE.bytes()]);
        },
    },
    Case {
        vector: &vectors::NAMED_BLOB,
        write: || named_blob().encode().into_vec(),
        check_read: |bytes| assert_eq!(NamedBlob::decode(bytes), Ok(named_blob())),
    },
    Case {
        vector: &vectors::NAMED_BLOB_LARGE,
        write: || named_blob_large().encode().into_vec(),
        check_read: |bytes| assert_eq!(NamedBlob::decode(bytes), Ok(named_blob_large())),
    },
    Case {
        vector: &vectors::RESPONSE_BLOB,
        write: || MetaResponse::Blob(named_blob().encode()).encode(),
        check_read: |bytes| {
            let response = MetaResponse::Blob(named_blob().encode());
            assert_eq!(MetaResponse::decode(bytes), Ok(response));
        },
    },
    Case {
        vector: &vectors::RESPONSE_CHANGED,
        write: || MetaResponse::Changed(name_change().encode()).encode(),
        check_read: |bytes| {
            let response = MetaResponse::Changed(name_change().encode());
            assert_eq!(MetaResponse::decode(bytes), Ok(response));
        },
    },
    Case {
        vector: &vectors::NAME_CHANGE,
        write: || name_change().encode().into_vec(),
        check_read: |bytes| assert_eq!(NameChange::decode(bytes), Ok(name_change())),
    },
    Case {
        vector: &vectors::NAME_CHANGE_REPLACED,
        write: || name_change_replaced().encode().into_vec(),
        check_read: |bytes| assert_eq!(NameChange::decode(bytes), Ok(name_change_replaced())),
    },
    Case {
        vector: &vectors::FRAMED_REQUEST,
        write: || framed(&[request_list_peers()]),
        check_read: |bytes| assert_eq!(unframed(bytes), [request_list_peers().encode()]),
    },
    Case {
        vector: &vectors::FRAMED_RESPONSES,
        write: || framed(&[response_peers(), MetaResponse::Peers(PeersPage::default())]),
        check_read: |bytes| {
            let empty = MetaResponse::Peers(PeersPage::default());
            assert_eq!(unframed(bytes), [response_peers().encode(), empty.encode()]);
        },
    },
    Case {
        vector: &vectors::TICKET,
        write: || ticket().encode_bytes(),
        check_read: |bytes| assert_eq!(Ticket::decode_bytes(bytes).unwrap(), ticket()),
    },
    Case {
        vector: &vectors::TICKET_INVITATION,
        write: || invitation().encode_bytes(),
        check_read: |bytes| assert_eq!(Ticket::decode_bytes(bytes).unwrap(), invitation()),
    },
];

#[test]
fn the_code_writes_exactly_these_bytes() {
    for case in CASES {
        let written = data_encoding::HEXLOWER.encode(&(case.write)());
        let golden = data_encoding::HEXLOWER.encode(&case.vector.bytes());
        assert_eq!(written, golden, "{}", case.vector.name);
    }
}

#[test]
fn these_bytes_read_as_the_values_they_were_written_from() {
    for case in CASES {
        (case.check_read)(&case.vector.bytes());
    }
}

#[test]
fn every_vector_has_a_case() {
    let cases = CASES.iter().map(|case| case.vector.name).collect::<Vec<_>>();
    let vectors = vectors::ALL.iter().map(|vector| vector.name).collect::<Vec<_>>();
    assert_eq!(cases, vectors);
}

#[test]
fn every_variant_of_the_registry_has_a_golden_case() {
    let registered = REGISTRY.iter().flat_map(|wire_enum| {
        let numbered = wire_enum.variants.iter().zip(0u32..);
        numbered.map(|(variant, number)| (wire_enum.name, *variant, varint(number)))
    });
    let parts = CASES.iter().flat_map(|case| case.vector.parts);
    let pinned = parts.filter_map(|part| match part {
        Part::Variant(hex, wire_enum, variant) => Some((*wire_enum, *variant, unhex(hex))),
        Part::Field(..) | Part::Whole(_) => None,
    });
    assert_eq!(registered.collect::<BTreeSet<_>>(), pinned.collect::<BTreeSet<_>>());
}

#[test]
fn tickets_are_written_and_read_as_these_strings() {
    for (ticket, string) in
        [(ticket(), vectors::TICKET_STRING), (invitation(), vectors::TICKET_INVITATION_STRING)]
    {
        assert_eq!(ticket.to_string(), string);
        assert_eq!(string.parse(), Ok(ticket));
    }
}

#[test]
fn error_codes_have_these_numbers() {
    let codes = [
        (ErrorCode::Unsupported, 1),
        (ErrorCode::Malformed, 2),
        (ErrorCode::TooLarge, 3),
        (ErrorCode::NotMember, 4),
        (ErrorCode::Busy, 5),
        (ErrorCode::Internal, 6),
        (ErrorCode::NotOperator, 7),
        (ErrorCode::NotWriter, 8),
        (ErrorCode::NotFound, 9),
        (ErrorCode::NameTaken, 10),
        (ErrorCode::NoBlob, 11),
        (ErrorCode::Full, 12),
        (ErrorCode::Other(13), 13),
        (ErrorCode::Other(u16::MAX), u16::MAX),
    ];
    for (code, number) in codes {
        assert_eq!(code.number(), number);
        assert_eq!(ErrorCode::from(number), code);
    }
}

#[test]
fn topic_and_secret_derive_to_these_values() {
    for golden in vectors::NETWORKS {
        let network = Network::derive(golden.topic, golden.secret).unwrap();
        assert_eq!(network.gossip_topic().to_vec(), unhex(golden.gossip_topic));
        assert_eq!(network.rendezvous_secret().to_vec(), unhex(golden.rendezvous_secret));
        assert_eq!(network.tag().0.to_vec(), unhex(golden.network_tag));
        assert_eq!(network.tag().to_string(), golden.network_tag);
        assert_eq!(network.prove(&key(1), &key(2)).to_vec(), unhex(golden.proof));
        assert_eq!(proof_by_hand(golden).to_vec(), unhex(golden.proof));
    }
}

#[test]
fn the_public_network_is_the_one_of_the_default_names() {
    assert_eq!(Network::public().tag().to_string(), vectors::PUBLIC_NETWORK.network_tag);
    assert!(!Network::public().is_private());
    assert!(private_network().is_private());
}

/// The member key is no part of the API; that the proof comes out of it shows that it is right.
fn proof_by_hand(golden: &NetworkVector) -> [u8; 32] {
    let member_key = unhex(golden.member_key).try_into().unwrap();
    let input = [key(1).as_bytes(), key(2).as_bytes(), META_ALPN].concat();
    *blake3::keyed_hash(&member_key, &input).as_bytes()
}

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32])
}

fn key(seed: u8) -> PublicKey {
    secret(seed).public()
}

fn private_network() -> Network {
    let golden = &vectors::PRIVATE_NETWORK;
    Network::derive(golden.topic, golden.secret).unwrap()
}

fn ip(addr: &str) -> TransportAddr {
    TransportAddr::Ip(addr.parse().unwrap())
}

fn relay() -> TransportAddr {
    TransportAddr::Relay("https://relay.example.org/".parse().unwrap())
}

fn announcement() -> SignedAnnouncement {
    let announcement = PeerAnnouncement {
        node_id: key(1),
        name: Some("kestrel".to_owned()),
        blob_count: 300,
        timestamp_secs: 1_763_632_800,
        seq: 1_763_632_800_123,
        network_tag: Network::public().tag(),
        interval_secs: 30,
        addrs: vec![relay(), ip("192.0.2.1:4433"), ip("[2001:db8::1]:4433")],
        agent: "id-node/0.1.0".to_owned(),
    };
    Signed::sign(announcement, &secret(1)).unwrap()
}

fn bare_announcement() -> SignedAnnouncement {
    let announcement = PeerAnnouncement {
        node_id: key(2),
        name: None,
        blob_count: 0,
        timestamp_secs: 1_763_632_805,
        seq: 1_763_632_805_000,
        network_tag: Network::public().tag(),
        interval_secs: 86_400,
        addrs: Vec::new(),
        agent: String::new(),
    };
    Signed::sign(announcement, &secret(2)).unwrap()
}

fn leave() -> SignedLeave {
    let leave = Leave {
        node_id: key(1),
        timestamp_secs: 1_763_632_860,
        seq: 1_763_632_860_000,
        network_tag: Network::public().tag(),
    };
    Signed::sign(leave, &secret(1)).unwrap()
}

fn proof() -> [u8; 32] {
    private_network().prove(&key(1), &key(2))
}

fn request_whoami() -> MetaRequest {
    MetaRequest::Whoami(WhoamiRequest { proof: None })
}

fn request_list_peers() -> MetaRequest {
    MetaRequest::ListPeers(ListPeersRequest { proof: Some(proof()), max_entries: 1000 })
}

fn request_status() -> MetaRequest {
    MetaRequest::Status(StatusRequest { proof: Some(proof()) })
}

fn request_introducers() -> MetaRequest {
    MetaRequest::Introducers(IntroducersRequest { proof: None })
}

fn request_explain() -> MetaRequest {
    MetaRequest::Explain(ExplainRequest::new(Some(proof()), &key(3)))
}

fn request_discover() -> MetaRequest {
    let mut request = DiscoverRequest::new(Some(proof()));
    assert!(request.push(&announcement()) && request.push(&bare_announcement()));
    MetaRequest::Discover(request)
}

fn response_error() -> MetaResponse {
    MetaResponse::error(ErrorCode::Unsupported, "unknown request 7")
}

fn response_whoami(about: Option<About<SignedAnnouncement>>) -> MetaResponse {
    let about = about.map(|about| about.encode());
    MetaResponse::Whoami(WhoamiResponse { protocol_versions: vec![1], about })
}

fn response_peers() -> MetaResponse {
    let mut page = PeersPage::default();
    page.more = true;
    assert!(page.push(&entry_own().encode()) && page.push(&entry_gossip().encode()));
    MetaResponse::Peers(page)
}

fn about() -> About<SignedAnnouncement> {
    About {
        node_id: key(2),
        agent: "id-node/0.1.0".to_owned(),
        network_tag: Network::public().tag(),
        features: vec!["gossip".to_owned(), "dht".to_owned()],
        table_size: 41,
        announcement: bare_announcement(),
    }
}

fn entry_own() -> PeerEntry<SignedAnnouncement> {
    PeerEntry {
        announcement: bare_announcement(),
        age: Duration::ZERO,
        source: Source::Own,
        verified_age: None,
    }
}

fn entry_gossip() -> PeerEntry<SignedAnnouncement> {
    PeerEntry {
        announcement: announcement(),
        age: Duration::from_millis(1500),
        source: Source::Gossip,
        verified_age: Some(Duration::from_secs(60)),
    }
}

fn entry_told() -> PeerEntry<SignedAnnouncement> {
    PeerEntry {
        announcement: announcement(),
        age: Duration::from_secs(90),
        source: Source::Told(key(3)),
        verified_age: None,
    }
}

/// `Debug` shows every field of an entry but the signature, and that is checked by `verify`.
fn check_entry(bytes: &[u8], expected: &PeerEntry<SignedAnnouncement>) {
    let read = PeerEntry::decode(bytes).unwrap().verify().unwrap();
    assert_eq!(format!("{read:?}"), format!("{expected:?}"));
}

fn status() -> StatusReport {
    StatusReport {
        uptime_secs: 3600,
        table_size: 41,
        neighbours: vec![key(3)],
        isolated: false,
        channels: vec![("dht".to_owned(), "off".to_owned())],
        counters: vec![("believed".to_owned(), 500)],
    }
}

fn introducer() -> Introducer {
    Introducer {
        node_id: key(3),
        is_neighbour: true,
        n_entries: 300,
        n_unverified: 41,
        quota: 4096,
        room: 4055,
        squeeze: 64,
        dials: 16,
    }
}

fn introducers() -> IntroducersReport {
    IntroducersReport { table_size: 341, n_introducers: 2, introducers: vec![introducer()] }
}

fn explanation() -> Explanation<SignedAnnouncement> {
    Explanation {
        node_id: key(1),
        is_listed: true,
        entry: Some(entry_gossip()),
        is_neighbour: true,
        is_configured: false,
        introducer: Some(introducer()),
        author_budget: Some(AuthorBudget { left: 2, next_in: Duration::ZERO }),
        last_dial: Some(LastDial { age: Duration::from_secs(60), end: word("answered") }),
        next_dial: Some(NextDial { after: Duration::from_millis(118_500), why: word("silent") }),
        last_refusal: Some(LastRefusal {
            age: Duration::from_secs(5),
            reason: word("refused_not_newer"),
            by: Some(key(3)),
        }),
        departed: None,
        lost: None,
    }
}

fn explanation_gone() -> Explanation<SignedAnnouncement> {
    Explanation {
        node_id: key(2),
        is_listed: false,
        entry: None,
        is_neighbour: false,
        is_configured: true,
        introducer: None,
        author_budget: Some(AuthorBudget { left: 0, next_in: Duration::from_secs(4) }),
        last_dial: None,
        next_dial: None,
        last_refusal: Some(LastRefusal {
            age: Duration::from_millis(900),
            reason: word("refused_departed"),
            by: None,
        }),
        departed: Some(Departed {
            age: Duration::from_secs(10),
            reason: word("left"),
            seq: 1_763_632_805_000,
            forgotten_in: Duration::from_secs(710),
        }),
        lost: Some(Lost { age: Duration::from_secs(12), given_up_in: Duration::from_secs(3588) }),
    }
}

/// `Debug` shows every field of an explanation but the signature, and that is checked by `verify`.
fn check_explanation(bytes: &[u8], expected: &Explanation<SignedAnnouncement>) {
    let read = Explanation::decode(bytes).unwrap().verify().unwrap();
    assert_eq!(format!("{read:?}"), format!("{expected:?}"));
}

fn discover_report() -> DiscoverReport {
    DiscoverReport {
        n_new: 12,
        n_newer: 300,
        n_known: 27,
        refused: vec![(word("refused_expired"), 2)],
    }
}

fn name(text: &str) -> BlobName {
    text.parse().unwrap()
}

fn empty_hash() -> BlobHash {
    BlobHash(*blake3::hash(b"").as_bytes())
}

fn request_put() -> MetaRequest {
    let (name, hash) = (name("notes/today"), empty_hash());
    MetaRequest::Put(PutRequest::new(Some(proof()), &name, hash, IfTaken::Replace))
}

fn request_get() -> MetaRequest {
    MetaRequest::Get(GetRequest::new(None, &BlobKey::Name(name("notes/today"))))
}

fn request_get_hash() -> MetaRequest {
    MetaRequest::Get(GetRequest::new(None, &BlobKey::Hash(empty_hash())))
}

fn request_list() -> MetaRequest {
    MetaRequest::List(ListRequest::new(Some(proof()), Some(&name("notes")), 1000))
}

fn request_delete() -> MetaRequest {
    MetaRequest::Delete(DeleteRequest::new(None, &name("notes/today")))
}

fn request_rename() -> MetaRequest {
    let (from, to) = (name("notes/today"), name("notes/älter"));
    MetaRequest::Rename(RenameRequest::new(None, &from, &to, IfTaken::Refuse))
}

fn request_copy() -> MetaRequest {
    let (from, to) = (name("notes/today"), name("b"));
    MetaRequest::Copy(CopyRequest::new(None, &from, &to, IfTaken::Replace))
}

fn request_find() -> MetaRequest {
    MetaRequest::Find(FindRequest::new(None, &name("today"), 20))
}

fn named_blob() -> NamedBlob {
    NamedBlob { name: name("notes/today"), hash: empty_hash(), size: 0 }
}

fn named_blob_large() -> NamedBlob {
    NamedBlob { name: name("notes/älter"), hash: BlobHash([7; 32]), size: 1 << 30 }
}

fn response_blobs() -> MetaResponse {
    let mut page = BlobsPage::default();
    page.more = true;
    assert!(page.push(&named_blob().encode()) && page.push(&named_blob_large().encode()));
    MetaResponse::Blobs(page)
}

fn name_change() -> NameChange {
    NameChange { hash: empty_hash(), size: 0, n_names: 1, replaced: None }
}

fn name_change_replaced() -> NameChange {
    let replaced = Some(empty_hash());
    NameChange { hash: BlobHash([7; 32]), size: 1 << 30, n_names: 300, replaced }
}

fn word(text: &str) -> Word {
    Word::new(text).unwrap()
}

fn ticket() -> Ticket {
    let first = EndpointAddr::from_parts(key(1), [relay(), ip("192.0.2.1:4433")]);
    Ticket {
        network_tag: Network::public().tag(),
        peers: vec![first, EndpointAddr::new(key(2))],
        invitation: None,
    }
}

fn invitation() -> Ticket {
    let golden = &vectors::PRIVATE_NETWORK;
    Ticket {
        network_tag: private_network().tag(),
        peers: vec![EndpointAddr::from_parts(key(1), [ip("192.0.2.1:4433")])],
        invitation: Some(Invitation {
            topic: golden.topic.to_owned(),
            secret: golden.secret.to_owned(),
        }),
    }
}

/// What irpc writes to a stream: each message behind its length.
fn framed<T: serde::Serialize>(messages: &[T]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        bytes.write_length_prefixed(message).unwrap();
    }
    bytes
}

fn unframed(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let (message, rest) = postcard::take_from_bytes::<&serde_bytes::Bytes>(bytes).unwrap();
        messages.push(message.to_vec());
        bytes = rest;
    }
    messages
}

fn varint(number: u32) -> Vec<u8> {
    postcard::to_stdvec(&number).unwrap()
}

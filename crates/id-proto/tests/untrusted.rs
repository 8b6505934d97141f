//! What strangers may send: no bytes bring a decoder down, and nothing is accepted that its author
//! didn't sign.
#![cfg(feature = "service")]

#[expect(dead_code, reason = "titles, meanings and networks are for the document")]
mod vectors;

use id_proto::{
    About, AuthorBudget, BlobHash, BlobKey, BlobName, BlobsPage, DecodeError, Departed,
    DiscoverReport, DiscoverRequest, ErrorCode, Explanation, GetRequest, GossipMessage, IfTaken,
    Introducer, IntroducersReport, LastDial, LastRefusal, Leave, ListRequest, Lost, Match,
    MetaRequest, MetaResponse, NameChange, NamedBlob, Network, NextDial, ParseBlobError,
    PeerAnnouncement, PeerEntry, PeerRef, PeersPage, PutRequest, RenameRequest, SignError, Signed,
    SignedAnnouncement, Statement, StatusReport, Ticket, Unverified, UnverifiedAnnouncement,
    UnverifiedLeave, Word,
    iroh_base::{EndpointAddr, PublicKey, SecretKey, TransportAddr},
    limits::{
        INTERVAL_SECS, MAX_ADDR_LEN, MAX_ADDRS, MAX_AGENT_LEN, MAX_BLOB_ENTRY_LEN,
        MAX_BLOB_NAME_LEN, MAX_ENTRY_LEN, MAX_ERROR_LEN, MAX_EXPLANATION_LEN, MAX_GOSSIP_LEN,
        MAX_INTRODUCERS, MAX_LIST_LEN, MAX_NAME_LEN, MAX_REQUEST_LEN, MAX_RESPONSE_LEN,
        MAX_SIGNED_LEN, MAX_TICKET_LEN, MAX_TICKET_PEERS, MAX_WORD_LEN, stale_after,
    },
    version::REGISTRY,
};
use iroh_tickets::Ticket as _;
use proptest::{collection::vec, prelude::*, sample::Index};
use serde::Serialize;
use serde_bytes::ByteBuf;
use vectors::{SMALL_ORDER, Vector, unhex};

type Decode = fn(&[u8]) -> Result<(), DecodeError>;

/// A decoder of bytes, its limit, the enum that it decodes, and vectors that it accepts.
struct Decoder {
    decode: Decode,
    limit: usize,
    /// Where the variant's number is.
    variant_at: usize,
    /// What the registry calls it.
    wire_enum: &'static str,
    accepts: &'static [&'static Vector],
}

const DECODERS: &[Decoder] = &[
    Decoder {
        decode: |bytes| UnverifiedAnnouncement::decode(bytes).map(drop),
        limit: MAX_SIGNED_LEN,
        variant_at: 64,
        wire_enum: "AnnouncementBody",
        accepts: &[&vectors::ANNOUNCEMENT, &vectors::BARE_ANNOUNCEMENT],
    },
    Decoder {
        decode: |bytes| UnverifiedLeave::decode(bytes).map(drop),
        limit: MAX_SIGNED_LEN,
        variant_at: 64,
        wire_enum: "LeaveBody",
        accepts: &[&vectors::LEAVE],
    },
    Decoder {
        decode: |bytes| GossipMessage::decode(bytes).map(drop),
        limit: MAX_GOSSIP_LEN,
        variant_at: 0,
        wire_enum: "GossipMessage",
        accepts: &[&vectors::GOSSIP_ANNOUNCE, &vectors::GOSSIP_LEAVE],
    },
    Decoder {
        decode: |bytes| MetaRequest::decode(bytes).map(drop),
        limit: MAX_REQUEST_LEN,
        variant_at: 0,
        wire_enum: "MetaRequest",
        accepts: &[
            &vectors::REQUEST_WHOAMI,
            &vectors::REQUEST_LIST_PEERS,
            &vectors::REQUEST_STATUS,
            &vectors::REQUEST_INTRODUCERS,
            &vectors::REQUEST_EXPLAIN,
            &vectors::REQUEST_DISCOVER,
            &vectors::REQUEST_PUT,
            &vectors::REQUEST_GET,
            &vectors::REQUEST_GET_HASH,
            &vectors::REQUEST_LIST,
            &vectors::REQUEST_DELETE,
            &vectors::REQUEST_RENAME,
            &vectors::REQUEST_COPY,
            &vectors::REQUEST_FIND,
        ],
    },
    Decoder {
        decode: |bytes| MetaResponse::decode(bytes).map(drop),
        limit: MAX_RESPONSE_LEN,
        variant_at: 0,
        wire_enum: "MetaResponse",
        accepts: &[
            &vectors::RESPONSE_ERROR,
            &vectors::RESPONSE_WHOAMI,
            &vectors::RESPONSE_WHOAMI_STRANGER,
            &vectors::RESPONSE_PEERS,
            &vectors::RESPONSE_PEERS_EMPTY,
            &vectors::RESPONSE_STATUS,
            &vectors::RESPONSE_INTRODUCERS,
            &vectors::RESPONSE_EXPLANATION,
            &vectors::RESPONSE_DISCOVERED,
            &vectors::RESPONSE_BLOBS,
            &vectors::RESPONSE_BLOB,
            &vectors::RESPONSE_CHANGED,
        ],
    },
    Decoder {
        decode: |bytes| About::decode(bytes).map(drop),
        limit: MAX_RESPONSE_LEN,
        variant_at: 0,
        wire_enum: "About",
        accepts: &[&vectors::ABOUT],
    },
    Decoder {
        decode: |bytes| PeerEntry::decode(bytes).map(drop),
        limit: MAX_ENTRY_LEN,
        variant_at: 0,
        wire_enum: "PeerEntry",
        accepts: &[&vectors::ENTRY_OWN, &vectors::ENTRY_GOSSIP, &vectors::ENTRY_TOLD],
    },
    Decoder {
        decode: |bytes| StatusReport::decode(bytes).map(drop),
        limit: MAX_RESPONSE_LEN,
        variant_at: 0,
        wire_enum: "StatusReport",
        accepts: &[&vectors::STATUS],
    },
    Decoder {
        decode: |bytes| IntroducersReport::decode(bytes).map(drop),
        limit: MAX_RESPONSE_LEN,
        variant_at: 0,
        wire_enum: "IntroducersReport",
        accepts: &[&vectors::INTRODUCERS],
    },
    Decoder {
        decode: |bytes| Explanation::decode(bytes).map(drop),
        limit: MAX_EXPLANATION_LEN,
        variant_at: 0,
        wire_enum: "Explanation",
        accepts: &[&vectors::EXPLANATION, &vectors::EXPLANATION_GONE],
    },
    Decoder {
        decode: |bytes| DiscoverReport::decode(bytes).map(drop),
        limit: MAX_RESPONSE_LEN,
        variant_at: 0,
        wire_enum: "DiscoverReport",
        accepts: &[&vectors::DISCOVER_REPORT],
    },
    Decoder {
        decode: |bytes| NamedBlob::decode(bytes).map(drop),
        limit: MAX_BLOB_ENTRY_LEN,
        variant_at: 0,
        wire_enum: "NamedBlob",
        accepts: &[&vectors::NAMED_BLOB, &vectors::NAMED_BLOB_LARGE],
    },
    Decoder {
        decode: |bytes| NameChange::decode(bytes).map(drop),
        limit: MAX_BLOB_ENTRY_LEN,
        variant_at: 0,
        wire_enum: "NameChange",
        accepts: &[&vectors::NAME_CHANGE, &vectors::NAME_CHANGE_REPLACED],
    },
];

// ---- Any bytes at all ----

proptest! {
    #[test]
    fn no_decoder_panics(bytes in prop_oneof![noise(), damaged()]) {
        for decoder in DECODERS {
            let _ = (decoder.decode)(&bytes);
        }
        let _ = Ticket::decode_bytes(&bytes);
        if let Ok(MetaResponse::Peers(page)) = MetaResponse::decode(&bytes) {
            // A page holds no more items than bytes, whatever its lengths claim.
            prop_assert!(page.items().count() <= bytes.len());
            page.items().flatten().for_each(|item| drop(PeerEntry::decode(item)));
        }
        if let Ok(MetaResponse::Blobs(page)) = MetaResponse::decode(&bytes) {
            prop_assert!(page.items().count() <= bytes.len());
            page.items().flatten().for_each(|item| drop(NamedBlob::decode(item)));
        }
        if let Ok(MetaRequest::Discover(request)) = MetaRequest::decode(&bytes) {
            prop_assert!(request.items().count() <= bytes.len());
        }
    }

    #[test]
    fn no_text_brings_a_parser_down(text in text()) {
        let _ = text.parse::<PeerRef>();
        let _ = text.parse::<Ticket>();
        let _ = PeerRef::parse_list(&text);
    }

    /// Damage either shows, or didn't touch what was signed.
    #[test]
    fn what_verifies_is_what_was_signed(bytes in damaged()) {
        let verified = UnverifiedAnnouncement::decode(&bytes).ok().and_then(|a| a.verify().ok());
        if let Some(verified) = verified {
            let signed = [vectors::ANNOUNCEMENT.bytes(), vectors::BARE_ANNOUNCEMENT.bytes()];
            prop_assert!(signed.contains(&bytes));
            prop_assert_eq!(verified.bytes(), bytes);
        }
    }

    #[test]
    fn what_is_signed_reads_back_and_verifies(announcement in announcements(), seed in 1u8..9) {
        let announcement = PeerAnnouncement { node_id: key(seed), ..announcement };
        match Signed::sign(announcement.clone(), &secret(seed)) {
            Ok(signed) => {
                let read = UnverifiedAnnouncement::decode(signed.bytes()).unwrap();
                prop_assert_eq!(read.claimed(), &announcement);
                prop_assert_eq!(read.verify().unwrap(), signed);
            }
            Err(SignError::TooLong { len, max }) => prop_assert!(len > max),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn a_page_takes_what_fits_and_nothing_more(lens in vec(0..2 * MAX_ENTRY_LEN, 1..400)) {
        let mut page = PeersPage::default();
        for len in lens {
            let before = page_len(&page);
            let took = page.push(&vec![0; len]);
            let grown = before + if len < 128 { 1 } else { 2 } + len;
            prop_assert!(page_len(&page) <= MAX_RESPONSE_LEN);
            // The length of the items grows by up to two bytes on the way from empty to full.
            prop_assert!(took || grown + 2 > MAX_RESPONSE_LEN);
        }
    }
}

fn noise() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..700)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,200}", "idticket[a-z2-7]{0,200}", "[0-9a-f@:,.]{0,150}"]
}

/// A vector with bytes overwritten, cut off or put in.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let vector = proptest::sample::select(vectors::ALL).prop_map(Vector::bytes);
    let edits = vec((any::<Index>(), any::<u8>(), 0..4u8), 0..4);
    (vector, edits).prop_map(|(mut bytes, edits)| {
        for (at, byte, edit) in edits {
            let at = at.index(bytes.len() + 1);
            match edit {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, byte),
                _ => bytes[at..].iter_mut().take(1).for_each(|old| *old = byte),
            }
        }
        bytes
    })
}

/// Announcements whose fields are in bounds; not all of them fit into a signed statement.
fn announcements() -> impl Strategy<Value = PeerAnnouncement> {
    let name = proptest::option::of("\\PC{0,16}");
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), INTERVAL_SECS);
    let addrs = vec(addrs(), 0..=MAX_ADDRS);
    let rest = (any::<[u8; 16]>(), addrs, "[ -~]{0,32}");
    (name, numbers, rest).prop_map(|(name, numbers, (tag, addrs, agent))| PeerAnnouncement {
        node_id: key(1),
        name,
        blob_count: numbers.0,
        timestamp_secs: numbers.1,
        seq: numbers.2,
        network_tag: id_proto::NetworkTag(tag),
        interval_secs: numbers.3,
        addrs,
        agent,
    })
}

fn addrs() -> impl Strategy<Value = TransportAddr> {
    let v4 = any::<([u8; 4], u16)>().prop_map(|addr| TransportAddr::Ip(addr.into()));
    let v6 = any::<([u8; 16], u16)>().prop_map(|addr| TransportAddr::Ip(addr.into()));
    let relay = "https://[a-z]{1,60}\\.example/".prop_map(|url| relay(&url));
    prop_oneof![v4, v6, relay]
}

// ---- Damage ----

#[test]
fn every_decoder_accepts_its_vectors() {
    for (decoder, bytes) in accepted() {
        assert_eq!((decoder.decode)(&bytes), Ok(()));
    }
}

#[test]
fn no_single_flipped_bit_verifies() {
    for at in 0..vectors::ANNOUNCEMENT.bytes().len() * 8 {
        let bytes = with_flipped_bit(vectors::ANNOUNCEMENT.bytes(), at);
        let verified = UnverifiedAnnouncement::decode(&bytes).ok().and_then(|a| a.verify().ok());
        assert!(verified.is_none(), "bit {at}");
    }
    for at in 0..vectors::LEAVE.bytes().len() * 8 {
        let bytes = with_flipped_bit(vectors::LEAVE.bytes(), at);
        let verified = UnverifiedLeave::decode(&bytes).ok().and_then(|leave| leave.verify().ok());
        assert!(verified.is_none(), "bit {at}");
    }
}

#[test]
fn whatever_is_cut_short_is_refused() {
    for (decoder, bytes) in accepted() {
        for len in 0..bytes.len() {
            assert!((decoder.decode)(&bytes[..len]).is_err(), "{len} bytes of {bytes:02x?}");
        }
    }
}

#[test]
fn whatever_has_a_byte_too_many_is_refused() {
    for (decoder, mut bytes) in accepted() {
        bytes.push(0);
        assert_eq!((decoder.decode)(&bytes), Err(DecodeError::TrailingBytes { len: 1 }));
    }
}

#[test]
fn what_is_too_long_is_refused_before_it_is_decoded() {
    for decoder in DECODERS {
        // An unknown variant: only a decoder that looked at the bytes would say so.
        let bytes = vec![0x7f; decoder.limit + 1];
        let refused = Err(DecodeError::TooLong { len: decoder.limit + 1, max: decoder.limit });
        assert_eq!((decoder.decode)(&bytes), refused);
    }
    let ticket = Ticket::decode_bytes(&vec![0x7f; MAX_TICKET_LEN + 1]).unwrap_err();
    assert!(ticket.to_string().contains("too long"), "{ticket}");
    let ticket = format!("idticket{}", "a".repeat(1 << 20)).parse::<Ticket>().unwrap_err();
    assert!(ticket.to_string().contains("too long"), "{ticket}");
}

#[test]
fn what_is_as_long_as_the_limit_is_decoded() {
    for decoder in DECODERS {
        let decoded = (decoder.decode)(&vec![0x7f; decoder.limit]);
        let is_too_long = matches!(decoded, Err(DecodeError::TooLong { .. }));
        assert!(decoded.is_err() && !is_too_long, "{}: {decoded:?}", decoder.wire_enum);
    }
}

#[test]
fn a_count_that_lies_is_refused() {
    let mut bytes = vectors::BARE_ANNOUNCEMENT.bytes();
    let [.., addrs, _agent] = bytes.as_mut_slice() else { unreachable!() };
    assert_eq!(*addrs, 0);
    bytes.truncate(bytes.len() - 2);
    bytes.extend([0xff; 9]);
    bytes.push(1);
    let refused = UnverifiedAnnouncement::decode(&bytes).unwrap_err();
    assert!(matches!(refused, DecodeError::Malformed(_)), "{refused:?}");
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let mut bytes = vectors::RESPONSE_ERROR.bytes();
    *bytes.last_mut().unwrap() = 0xff;
    let refused = MetaResponse::decode(&bytes).unwrap_err();
    assert!(matches!(refused, DecodeError::Malformed(_)), "{refused:?}");
}

fn accepted() -> impl Iterator<Item = (&'static Decoder, Vec<u8>)> {
    let vectors = |decoder: &'static Decoder| decoder.accepts.iter().map(move |v| (decoder, v));
    DECODERS.iter().flat_map(vectors).map(|(decoder, vector)| (decoder, vector.bytes()))
}

fn with_flipped_bit(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    bytes[at / 8] ^= 1 << (at % 8);
    bytes
}

// ---- Versions ----

#[test]
fn an_unknown_version_is_named() {
    for (decoder, bytes) in accepted() {
        for number in [n_registered(decoder), 300, u32::MAX] {
            let bytes = with_variant(decoder, &bytes, &postcard::to_stdvec(&number).unwrap());
            let refused = Err(DecodeError::UnknownVersion { number });
            assert_eq!((decoder.decode)(&bytes), refused);
        }
    }
}

#[test]
fn a_version_beyond_32_bits_is_malformed() {
    for (decoder, bytes) in accepted() {
        let number = postcard::to_stdvec(&(u64::from(u32::MAX) + 1)).unwrap();
        let refused = (decoder.decode)(&with_variant(decoder, &bytes, &number)).unwrap_err();
        assert!(matches!(refused, DecodeError::Malformed(_)), "{refused:?}");
    }
}

#[test]
fn a_ticket_of_a_later_release_says_so() {
    let mut bytes = vectors::TICKET.bytes();
    bytes[0] = 1;
    let refused = Ticket::decode_bytes(&bytes).unwrap_err();
    assert!(refused.to_string().contains("newer release"), "{refused}");
}

#[test]
fn an_address_of_an_unknown_kind_is_skipped_alone_and_the_original_still_verifies() {
    let known = unhex("01c0000201d122");
    let future = unhex("03deadbeef");
    let body = Body { addrs: vec![known.clone().into(), future.into(), known.into()], ..body() };
    let bytes = signed(&body);
    let read = UnverifiedAnnouncement::decode(&bytes).unwrap().verify().unwrap();
    assert_eq!(read.addrs, [ip("192.0.2.1:4433"), ip("192.0.2.1:4433")]);
    assert_eq!(read.bytes(), bytes);
}

#[test]
fn a_relay_whose_url_does_not_parse_is_skipped_alone() {
    let bad = postcard::to_stdvec(&(0u8, "not a url")).unwrap();
    let body = Body { addrs: vec![bad.into(), unhex("01c0000201d122").into()], ..body() };
    let read = UnverifiedAnnouncement::decode(&signed(&body)).unwrap();
    assert_eq!(read.claimed().addrs, [ip("192.0.2.1:4433")]);
}

#[test]
fn a_damaged_address_of_a_known_kind_refuses_the_statement() {
    for (addr, refused) in [
        (unhex("01c0000201d12200"), DecodeError::TrailingBytes { len: 1 }),
        (vec![3; MAX_ADDR_LEN + 1], DecodeError::TooLong { len: 129, max: MAX_ADDR_LEN }),
    ] {
        let bytes = signed(&Body { addrs: vec![addr.into()], ..body() });
        assert_eq!(UnverifiedAnnouncement::decode(&bytes).unwrap_err(), refused);
    }
    for addr in ["", "01c00002", "00ff"] {
        let bytes = signed(&Body { addrs: vec![unhex(addr).into()], ..body() });
        let refused = UnverifiedAnnouncement::decode(&bytes).unwrap_err();
        assert!(matches!(refused, DecodeError::Malformed(_)), "{addr}: {refused:?}");
    }
}

#[test]
fn an_entry_of_an_unknown_version_is_skipped_alone() {
    let page =
        page(&[&vectors::ENTRY_OWN.bytes(), &unhex("01deadbeef"), &vectors::ENTRY_TOLD.bytes()]);
    let entries = page.items().map(|item| PeerEntry::decode(item.unwrap()).map(drop));
    let expected = [Ok(()), Err(DecodeError::UnknownVersion { number: 1 }), Ok(())];
    assert_eq!(entries.collect::<Vec<_>>(), expected);
}

#[test]
fn an_entry_with_an_announcement_of_an_unknown_version_says_so() {
    let mut bytes = vectors::ENTRY_OWN.bytes();
    let announcement_at =
        bytes.windows(64).position(|w| w == &vectors::BARE_ANNOUNCEMENT.bytes()[..64]);
    bytes[announcement_at.unwrap() + 64] = 1;
    let refused = PeerEntry::decode(&bytes).unwrap_err();
    assert_eq!(refused, DecodeError::UnknownVersion { number: 1 });
}

fn n_registered(decoder: &Decoder) -> u32 {
    let registered = REGISTRY.iter().find(|wire_enum| wire_enum.name == decoder.wire_enum);
    registered.unwrap().variants.len() as u32
}

fn with_variant(decoder: &Decoder, bytes: &[u8], number: &[u8]) -> Vec<u8> {
    let (before, after) = bytes.split_at(decoder.variant_at);
    [before, number, &after[1..]].concat()
}

// ---- Signatures ----

#[test]
fn non_canonical_varints_decode_but_the_signature_covers_the_bytes_received() {
    let canonical = postcard::to_stdvec(&body()).unwrap();
    let stretched = stretch_name_len(&canonical);
    let signed = sign(PeerAnnouncement::DOMAIN, &stretched);
    let read = UnverifiedAnnouncement::decode(&signed).unwrap().verify().unwrap();
    assert_eq!(read.bytes(), signed);

    // The same meaning under the signature of the other encoding.
    let swapped = [&signed[..64], &canonical].concat();
    let read = UnverifiedAnnouncement::decode(&swapped).unwrap();
    assert!(read.verify().is_err());
}

/// A statement that is signed once is one message, whatever it would mean in another encoding.
#[test]
fn a_gossip_message_has_one_encoding() {
    for vector in [&vectors::GOSSIP_ANNOUNCE, &vectors::GOSSIP_LEAVE] {
        let message = vector.bytes();
        let n_len = if message[1] < 0x80 { 1 } else { 2 };
        let (variant, len) = (u64::from(message[0]), (message.len() - 1 - n_len) as u64);
        let mut n_padded = 0;
        for (of_variant, of_len) in (1..=5).flat_map(|v| (n_len..=10).map(move |l| (v, l))) {
            let around = [varint_of(variant, of_variant), varint_of(len, of_len)].concat();
            let encoded = [&around, &message[1 + n_len..]].concat();
            if encoded == message {
                assert!(GossipMessage::decode(&encoded).is_ok());
            } else {
                assert_eq!(GossipMessage::decode(&encoded).unwrap_err(), DecodeError::Padded);
                n_padded += 1;
            }
        }
        assert_eq!(n_padded, 5 * (11 - n_len) - 1);
    }
}

/// Refused for its outside, whatever is inside: the cheapest check comes first.
#[test]
fn a_padded_gossip_message_is_refused_before_its_statement_is_looked_at() {
    let padded = [&[0x80, 0x00, 3][..], &[1, 2, 3]].concat();
    assert_eq!(GossipMessage::decode(&padded).unwrap_err(), DecodeError::Padded);
}

/// `value` as a varint of exactly `n_bytes`.
fn varint_of(value: u64, n_bytes: usize) -> Vec<u8> {
    let byte = |at: usize| {
        let more = if at + 1 < n_bytes { 0x80 } else { 0 };
        (value >> (7 * at)) as u8 & 0x7f | more
    };
    (0..n_bytes).map(byte).collect()
}

#[test]
fn a_leave_cannot_be_passed_off_as_an_announcement_nor_an_announcement_as_a_leave() {
    let announcement = postcard::to_stdvec(&body()).unwrap();
    assert!(verifies::<PeerAnnouncement>(&sign(PeerAnnouncement::DOMAIN, &announcement)));
    assert!(!verifies::<PeerAnnouncement>(&sign(Leave::DOMAIN, &announcement)));
    assert!(!verifies::<PeerAnnouncement>(&sign(b"", &announcement)));

    let leave = &vectors::LEAVE.bytes()[64..];
    assert!(verifies::<Leave>(&sign(Leave::DOMAIN, leave)));
    assert!(!verifies::<Leave>(&sign(PeerAnnouncement::DOMAIN, leave)));
    assert!(!verifies::<Leave>(&sign(b"", leave)));

    assert!(UnverifiedLeave::decode(&vectors::ANNOUNCEMENT.bytes()).is_err());
    assert!(UnverifiedAnnouncement::decode(&vectors::LEAVE.bytes()).is_err());
}

#[test]
fn one_cannot_sign_for_another() {
    let body = Body { node_id: *key(2).as_bytes(), ..body() };
    assert!(!verifies::<PeerAnnouncement>(&signed(&body)));
    let statement = UnverifiedAnnouncement::decode(&signed(&body)).unwrap().claimed().clone();
    assert_eq!(Signed::sign(statement, &secret(1)), Err(SignError::NotTheAuthor));
}

/// With the first of them as key, a lenient verifier takes these signatures for any body.
#[test]
fn keys_and_nonces_of_small_order_are_refused() {
    let base_point = "5866666666666666666666666666666666666666666666666666666666666666";
    let one = "0100000000000000000000000000000000000000000000000000000000000000";
    let zero = "0000000000000000000000000000000000000000000000000000000000000000";
    for key in SMALL_ORDER {
        let body = Body { node_id: unhex(key).try_into().unwrap(), ..body() };
        let body = postcard::to_stdvec(&body).unwrap();
        for (nonce, scalar) in [(base_point, one), (SMALL_ORDER[0], zero)] {
            let bytes = [unhex(nonce), unhex(scalar), body.clone()].concat();
            assert!(!verifies::<PeerAnnouncement>(&bytes), "{key}");
        }
    }
}

#[test]
fn a_scalar_that_is_not_reduced_is_refused() {
    let mut bytes = vectors::ANNOUNCEMENT.bytes();
    assert!(verifies::<PeerAnnouncement>(&bytes));
    add_group_order(&mut bytes[32..64]);
    assert!(!verifies::<PeerAnnouncement>(&bytes));
}

/// Adds the order of the base point: the same scalar to whoever doesn't check its range.
fn add_group_order(scalar: &mut [u8]) {
    let order = unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut carry = 0;
    for (byte, add) in scalar.iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
}

fn verifies<T: Statement>(bytes: &[u8]) -> bool {
    Unverified::<T>::decode(bytes).unwrap().verify().is_ok()
}

/// Encodes the length of the name in two bytes where one would do.
fn stretch_name_len(body: &[u8]) -> Vec<u8> {
    let name_len_at = 1 + 32 + 1;
    let (before, after) = body.split_at(name_len_at);
    [before, &[after[0] | 0x80, 0], &after[1..]].concat()
}

// ---- Bounds ----

#[test]
fn fields_out_of_bounds_are_named() {
    let too_many = vec![unhex("01c0000201d122").into(); MAX_ADDRS + 1];
    for (field, body) in [
        ("node_id", Body { node_id: no_point(), ..body() }),
        ("name", Body { name: Some("x".repeat(MAX_NAME_LEN + 1)), ..body() }),
        ("interval_secs", Body { interval_secs: 0, ..body() }),
        ("interval_secs", Body { interval_secs: 86_401, ..body() }),
        ("addrs", Body { addrs: too_many, ..body() }),
        ("agent", Body { agent: "x".repeat(MAX_AGENT_LEN + 1), ..body() }),
    ] {
        let refused = UnverifiedAnnouncement::decode(&signed(&body)).unwrap_err();
        assert_eq!(refused, DecodeError::OutOfBounds { field });
    }
}

#[test]
fn unknown_addresses_count_towards_their_limit() {
    let addrs = vec![unhex("03").into(); MAX_ADDRS + 1];
    let refused = UnverifiedAnnouncement::decode(&signed(&Body { addrs, ..body() })).unwrap_err();
    assert_eq!(refused, DecodeError::OutOfBounds { field: "addrs" });
}

#[test]
fn keys_that_are_no_points_are_named_by_their_field() {
    let told = replace(&vectors::ENTRY_TOLD.bytes(), key(3).as_bytes(), &no_point());
    let refused = PeerEntry::decode(&told).unwrap_err();
    assert_eq!(refused, DecodeError::OutOfBounds { field: "source" });
    let status = replace(&vectors::STATUS.bytes(), key(3).as_bytes(), &no_point());
    let refused = StatusReport::decode(&status).unwrap_err();
    assert_eq!(refused, DecodeError::OutOfBounds { field: "neighbours" });
}

#[test]
fn keys_of_an_explanation_that_are_no_points_are_named_by_their_field() {
    let gone = vectors::EXPLANATION_GONE.bytes();
    let refused = Explanation::decode(&replace(&gone, key(2).as_bytes(), &no_point()));
    assert_eq!(refused.unwrap_err(), DecodeError::OutOfBounds { field: "node_id" });
    // The first time key 3 stands there as the introducer, the second time as who was refused.
    let listed = replace(&vectors::EXPLANATION.bytes(), key(3).as_bytes(), &no_point());
    let refused = Explanation::decode(&listed).unwrap_err();
    assert_eq!(refused, DecodeError::OutOfBounds { field: "introducer" });
    let listed = replace(&listed, &no_point(), key(1).as_bytes());
    let refused = Explanation::decode(&replace(&listed, key(3).as_bytes(), &no_point()));
    assert_eq!(refused.unwrap_err(), DecodeError::OutOfBounds { field: "last_refusal" });
    let report = replace(&vectors::INTRODUCERS.bytes(), key(3).as_bytes(), &no_point());
    let refused = IntroducersReport::decode(&report).unwrap_err();
    assert_eq!(refused, DecodeError::OutOfBounds { field: "introducer" });
    let request = replace(&vectors::REQUEST_EXPLAIN.bytes(), key(3).as_bytes(), &no_point());
    let MetaRequest::Explain(request) = MetaRequest::decode(&request).unwrap() else {
        unreachable!()
    };
    assert_eq!(request.node_id(), Err(DecodeError::OutOfBounds { field: "node_id" }));
}

#[test]
fn an_explanation_holds_nobody_elses_announcement() {
    let swapped = replace(&vectors::EXPLANATION.bytes(), key(1).as_bytes(), key(2).as_bytes());
    let refused = Explanation::decode(&swapped).unwrap_err();
    assert_eq!(refused, DecodeError::OutOfBounds { field: "entry" });
}

#[test]
fn a_forged_announcement_in_an_explanation_does_not_verify() {
    let name_at = b"kestrel";
    let forged = replace(&vectors::EXPLANATION.bytes(), name_at, b"Kestrel");
    assert!(Explanation::decode(&forged).unwrap().verify().is_err());
}

#[test]
fn a_word_is_short_and_plain() {
    for word in ["a", "left", "refused_not_newer", "rfc3339", &"x".repeat(MAX_WORD_LEN)] {
        assert_eq!(Word::new(word).unwrap().as_str(), word);
    }
    for text in ["", "Left", "two words", "left\n", "\x1b[2J", "größe", &"x".repeat(33)] {
        assert_eq!(Word::new(text), None, "{text:?}");
    }
    for (word, field) in
        [("answered", "last_dial"), ("silent", "next_dial"), ("refused_not_newer", "last_refusal")]
    {
        assert_hostile_word_is_refused(&vectors::EXPLANATION, word, field);
    }
    assert_hostile_word_is_refused(&vectors::EXPLANATION_GONE, "left", "departed");
}

fn assert_hostile_word_is_refused(vector: &Vector, word: &str, field: &'static str) {
    let hostile = [b"\x1b[", &word.as_bytes()[2..]].concat();
    let hostile = replace(&vector.bytes(), word.as_bytes(), &hostile);
    let refused = Explanation::decode(&hostile).unwrap_err();
    assert_eq!(refused, DecodeError::OutOfBounds { field });
}

#[test]
fn a_report_has_so_many_introducers_and_one_of_a_later_version_is_skipped_alone() {
    let report = IntroducersReport {
        introducers: vec![widest_introducer(); MAX_INTRODUCERS + 1],
        ..IntroducersReport::default()
    };
    let read = IntroducersReport::decode(&report.encode()).unwrap();
    assert_eq!(read.introducers.len(), MAX_INTRODUCERS);

    let item = vectors::INTRODUCER.bytes();
    let report = |items: &[&[u8]]| {
        let items = items.iter().map(|item| serde_bytes::Bytes::new(item)).collect::<Vec<_>>();
        postcard::to_stdvec(&(0u8, 341u64, 2u64, items)).unwrap()
    };
    let refused = IntroducersReport::decode(&report(&[&*item; MAX_INTRODUCERS + 1])).unwrap_err();
    assert_eq!(refused, DecodeError::OutOfBounds { field: "introducers" });
    let future = [1, 0xde, 0xad];
    let read = IntroducersReport::decode(&report(&[&item, &future, &item])).unwrap();
    assert_eq!(read.introducers.len(), 2);
    let damaged = IntroducersReport::decode(&report(&[&item[..42]])).unwrap_err();
    assert!(matches!(damaged, DecodeError::Malformed(_)), "{damaged:?}");
}

#[test]
fn an_introducer_of_a_later_version_leaves_the_rest_of_an_explanation_readable() {
    let introducer = vectors::INTRODUCER.bytes();
    let future = [&[1], &introducer[1..]].concat();
    let bytes = replace(&vectors::EXPLANATION.bytes(), &introducer, &future);
    let read = Explanation::decode(&bytes).unwrap();
    assert_eq!(read.introducer, None);
    assert!(read.is_listed && read.last_refusal.is_some());
}

#[test]
fn we_sign_nothing_that_others_would_refuse() {
    let too_long = relay(&format!("https://{}.example/", "x".repeat(MAX_ADDR_LEN)));
    for (field, announcement) in [
        ("name", PeerAnnouncement { name: Some("x".repeat(65)), ..announcement() }),
        ("agent", PeerAnnouncement { agent: "x".repeat(33), ..announcement() }),
        ("interval_secs", PeerAnnouncement { interval_secs: 0, ..announcement() }),
        ("addrs", PeerAnnouncement { addrs: vec![ip("192.0.2.1:1"); 9], ..announcement() }),
        ("addrs", PeerAnnouncement { addrs: vec![too_long], ..announcement() }),
    ] {
        let refused = Signed::sign(announcement, &secret(1)).unwrap_err();
        assert_eq!(refused, SignError::OutOfBounds { field });
    }
}

#[test]
fn everything_but_the_addresses_takes_246_bytes_at_worst() {
    assert_eq!(widest(Vec::new()).unwrap().bytes().len(), 246);
}

#[test]
fn eight_ipv6_addresses_always_fit() {
    let addrs = vec![ip("[2001:db8::ffff]:65535"); MAX_ADDRS];
    assert!(widest(addrs).unwrap().bytes().len() <= MAX_SIGNED_LEN);
}

#[test]
fn a_statement_that_is_too_long_is_not_signed() {
    let addrs = vec![relay(&format!("https://{}.example/", "x".repeat(100))); 3];
    let refused = widest(addrs).unwrap_err();
    assert!(matches!(refused, SignError::TooLong { max: MAX_SIGNED_LEN, .. }), "{refused:?}");
}

#[test]
fn the_longest_entry_of_version_1_leaves_room() {
    let addrs = vec![ip("[2001:db8::ffff]:65535"); MAX_ADDRS];
    let mut entry = PeerEntry {
        announcement: widest(addrs).unwrap(),
        age: std::time::Duration::MAX,
        source: id_proto::Source::Told(key(2)),
        verified_age: Some(std::time::Duration::MAX),
    };
    let own = entry.encode().len() - entry.announcement.bytes().len();
    assert_eq!(own, 57);
    assert!(MAX_SIGNED_LEN + own <= MAX_ENTRY_LEN);
    entry = PeerEntry::decode(&entry.encode()).unwrap().verify().unwrap();
    assert_eq!(entry.age, std::time::Duration::from_millis(u64::MAX));
}

#[test]
fn the_longest_explanation_of_version_1_leaves_room() {
    let forever = std::time::Duration::MAX;
    let word = || Word::new(&"x".repeat(MAX_WORD_LEN)).unwrap();
    let addrs = vec![ip("[2001:db8::ffff]:65535"); MAX_ADDRS];
    let entry = PeerEntry {
        announcement: widest(addrs).unwrap(),
        age: forever,
        source: id_proto::Source::Told(key(2)),
        verified_age: Some(forever),
    };
    let own = entry.encode().len();
    let explanation = Explanation {
        node_id: key(1),
        is_listed: true,
        entry: Some(entry),
        is_neighbour: true,
        is_configured: true,
        introducer: Some(widest_introducer()),
        author_budget: Some(AuthorBudget { left: u32::MAX, next_in: forever }),
        last_dial: Some(LastDial { age: forever, end: word() }),
        next_dial: Some(NextDial { after: forever, why: word() }),
        last_refusal: Some(LastRefusal { age: forever, reason: word(), by: Some(key(3)) }),
        departed: Some(Departed {
            age: forever,
            reason: word(),
            seq: u64::MAX,
            forgotten_in: forever,
        }),
        lost: Some(Lost { age: forever, given_up_in: forever }),
    };
    let bytes = explanation.encode();
    let longest = bytes.len() - own + MAX_ENTRY_LEN;
    assert_eq!(longest, 962);
    assert!(2 * longest <= MAX_EXPLANATION_LEN);
    assert!(Explanation::decode(&bytes).unwrap().verify().is_ok());
}

fn widest_introducer() -> Introducer {
    Introducer {
        node_id: key(3),
        is_neighbour: true,
        n_entries: u64::MAX,
        n_unverified: u64::MAX,
        quota: u64::MAX,
        room: u32::MAX,
        squeeze: u32::MAX,
        dials: u32::MAX,
    }
}

#[test]
fn a_page_fills_up_to_the_limit_exactly() {
    let mut page = PeersPage::default();
    let item = vec![0; 1000];
    while page.push(&item) {}
    let left = MAX_RESPONSE_LEN - page_len(&page);
    assert!((130..1002).contains(&left), "the last item shall have a length of two bytes");
    assert!(!page.push(&item[..left - 1]));
    assert!(page.push(&item[..left - 2]));
    assert_eq!(page_len(&page), MAX_RESPONSE_LEN);
    assert!(!page.push(&[]));

    let full = MetaResponse::Peers(page).encode();
    assert!(MetaResponse::decode(&full).is_ok());
}

#[test]
fn a_page_whose_lengths_lie_ends_with_one_error() {
    let items = [&[2, 0xaa, 0xbb, 9][..], &[0xcc]].concat();
    let page = [&[2, items.len() as u8][..], &items, &[0]].concat();
    let MetaResponse::Peers(page) = MetaResponse::decode(&page).unwrap() else { unreachable!() };
    let items = page.items().collect::<Vec<_>>();
    assert_eq!(items[0], Ok(&[0xaa, 0xbb][..]));
    assert!(matches!(items[1..], [Err(DecodeError::Malformed(_))]), "{items:?}");
}

/// The lengths of announcements vary by what they say, so that a request is filled to its last byte.
#[test]
fn a_request_to_discover_fills_up_to_the_limit_exactly() {
    let len = |request: &DiscoverRequest| MetaRequest::Discover(request.clone()).encode().len();
    let named = |n: usize| {
        let announcement = PeerAnnouncement { name: Some("x".repeat(n)), ..announcement() };
        Signed::sign(announcement, &secret(1)).unwrap()
    };
    let mut request = DiscoverRequest::new(Some([7; 32]));
    while request.push(&named(0)) {}
    let (n_full, left) = (request.items().count(), MAX_REQUEST_LEN - len(&request));
    let short = named(0).bytes().len() + 2;
    assert!(n_full >= 20 && left < short, "{n_full} and {left} bytes left");
    let spare = (left + short).min(short + MAX_NAME_LEN) - short;
    let mut request = DiscoverRequest::new(Some([7; 32]));
    let mut to_spread = left;
    for _ in 0..n_full {
        let n = to_spread.min(spare);
        to_spread -= n;
        assert!(request.push(&named(n)));
    }
    assert_eq!(len(&request), MAX_REQUEST_LEN);
    assert!(!request.push(&named(0)));
    let full = MetaRequest::Discover(request).encode();
    assert!(MetaRequest::decode(&full).is_ok());
}

#[test]
fn a_request_to_discover_has_room_for_any_announcement() {
    let longest = widest(vec![ip("[2001:db8::ffff]:65535"); MAX_ADDRS]).unwrap();
    let mut request = DiscoverRequest::new(Some([7; 32]));
    assert!(request.push(&longest));
    assert!(request.items().eq([Ok(longest.bytes())]));
}

#[test]
fn a_request_to_discover_whose_lengths_lie_ends_with_one_error() {
    let items = [&[2, 0xaa, 0xbb, 9][..], &[0xcc]].concat();
    let bytes = [&[5, 0, items.len() as u8][..], &items].concat();
    let MetaRequest::Discover(read) = MetaRequest::decode(&bytes).unwrap() else { unreachable!() };
    let items = read.items().collect::<Vec<_>>();
    assert_eq!(items[0], Ok(&[0xaa, 0xbb][..]));
    assert!(matches!(items[1..], [Err(DecodeError::Malformed(_))]), "{items:?}");
}

#[test]
fn a_report_has_so_many_reasons_each_a_plain_word() {
    let reason = || (Word::new("refused_expired").unwrap(), 1);
    let report = |n| DiscoverReport { refused: vec![reason(); n], ..DiscoverReport::default() };
    let longest = report(MAX_LIST_LEN);
    assert_eq!(DiscoverReport::decode(&longest.encode()), Ok(longest));
    let refused = Err(DecodeError::OutOfBounds { field: "refused" });
    assert_eq!(DiscoverReport::decode(&report(MAX_LIST_LEN + 1).encode()), refused);
    let hostile =
        replace(&vectors::DISCOVER_REPORT.bytes(), b"refused_expired", b"\x1b[2J_12345_expired");
    assert!(DiscoverReport::decode(&hostile).is_err());
    let hostile =
        replace(&vectors::DISCOVER_REPORT.bytes(), b"refused_expired", b"refused expired");
    assert_eq!(DiscoverReport::decode(&hostile), refused);
}

#[test]
fn counts_that_make_no_number_have_no_sum() {
    let report = DiscoverReport { n_new: u64::MAX, n_known: 1, ..DiscoverReport::default() };
    assert_eq!(report.total(), None);
    assert_eq!(DiscoverReport::default().total(), Some(0));
}

fn blob_name(text: &str) -> BlobName {
    text.parse().unwrap()
}

#[test]
fn a_name_of_a_blob_is_1_to_255_bytes_without_control_characters() {
    let longest = "ä".repeat(MAX_BLOB_NAME_LEN / 2) + "x";
    for text in ["x", " ", "a/b", "\u{202e}", longest.as_str()] {
        assert_eq!(BlobName::new(text).unwrap().as_str(), text);
    }
    assert_eq!(BlobName::new(""), Err(ParseBlobError::NameEmpty));
    let too_long = longest + "x";
    assert_eq!(BlobName::new(&too_long), Err(ParseBlobError::NameTooLong { len: 256 }));
    for text in ["\n", "a\0b", "\x1b[2J", "\u{7f}", "\u{85}"] {
        assert_eq!(BlobName::new(text), Err(ParseBlobError::NameControl), "{text:?}");
    }
}

#[test]
fn a_request_with_what_is_no_name_decodes_and_says_so_when_the_name_is_looked_at() {
    let refused = |field| Err(DecodeError::OutOfBounds { field });
    let put = replace(&vectors::REQUEST_PUT.bytes(), b"notes/today", b"notes\ntoday");
    let MetaRequest::Put(put) = MetaRequest::decode(&put).unwrap() else { unreachable!() };
    assert_eq!(put.name(), refused("name"));
    let get = replace(&vectors::REQUEST_GET.bytes(), b"notes/today", b"notes\x7ftoday");
    let MetaRequest::Get(get) = MetaRequest::decode(&get).unwrap() else { unreachable!() };
    assert_eq!(get.key(), Err(DecodeError::OutOfBounds { field: "name" }));
    let list = replace(&vectors::REQUEST_LIST.bytes(), b"notes", b"n\rtes");
    let MetaRequest::List(list) = MetaRequest::decode(&list).unwrap() else { unreachable!() };
    assert_eq!(list.after(), Err(DecodeError::OutOfBounds { field: "after" }));
    let rename = replace(&vectors::REQUEST_RENAME.bytes(), b"notes/today", b"notes\0today");
    let MetaRequest::Rename(rename) = MetaRequest::decode(&rename).unwrap() else { unreachable!() };
    assert_eq!(rename.from(), refused("from"));
    assert_eq!(rename.to(), Ok(blob_name("notes/älter")));
    let find = replace(&vectors::REQUEST_FIND.bytes(), b"today", b"t\tday");
    let MetaRequest::Find(find) = MetaRequest::decode(&find).unwrap() else { unreachable!() };
    assert_eq!(find.query(), refused("query"));
    let item = replace(&vectors::NAMED_BLOB.bytes(), b"notes/today", b"notes\ntoday");
    assert_eq!(NamedBlob::decode(&item), Err(DecodeError::OutOfBounds { field: "name" }));
}

#[test]
fn the_longest_requests_about_names_and_their_items_are_within_the_limits() {
    let name = blob_name(&"x".repeat(MAX_BLOB_NAME_LEN));
    let proof = Some([7; 32]);
    let requests = [
        MetaRequest::Put(PutRequest::new(proof, &name, BlobHash([7; 32]), IfTaken::Replace)),
        MetaRequest::Get(GetRequest::new(proof, &BlobKey::Name(name.clone()))),
        MetaRequest::List(ListRequest::new(proof, Some(&name), u32::MAX)),
        MetaRequest::Rename(RenameRequest::new(proof, &name, &name, IfTaken::Replace)),
    ];
    for request in requests {
        assert!(request.encode().len() <= 600, "{request:?}");
        assert_eq!(MetaRequest::decode(&request.encode()), Ok(request));
    }
    let item = NamedBlob { name, hash: BlobHash([7; 32]), size: u64::MAX };
    assert_eq!(item.encode().len(), 300);
    assert_eq!(NamedBlob::decode(&item.encode()), Ok(item));
}

#[test]
fn a_page_of_names_fills_up_to_the_limit_and_no_further() {
    let item = NamedBlob { name: blob_name("x"), hash: BlobHash([7; 32]), size: 0 }.encode();
    let mut page = BlobsPage::default();
    page.more = true;
    while page.push(&item) {}
    let left = MAX_RESPONSE_LEN - MetaResponse::Blobs(page.clone()).encode().len();
    assert!(left < item.len() + 1, "{left} bytes are left");
    assert!(MetaResponse::decode(&MetaResponse::Blobs(page).encode()).is_ok());
}

#[test]
fn a_hash_of_a_blob_is_64_hex_digits_in_either_case() {
    let hash = BlobHash(std::array::from_fn(|n| 7 * n as u8));
    assert_eq!(hash.to_string().parse(), Ok(hash));
    assert_eq!(hash.to_string().to_uppercase().parse(), Ok(hash));
    let hex = hash.to_string();
    for text in ["", &hex[1..], &format!("{hex}0"), &format!("+{}", &hex[1..]), &"ä".repeat(32)] {
        assert_eq!(text.parse::<BlobHash>(), Err(ParseBlobError::NoHash), "{text}");
    }
}

#[test]
fn a_match_is_exact_or_a_prefix_or_somewhere_and_the_better_ones_come_first() {
    assert_eq!(Match::of("today", "today"), Some(Match::Exact));
    assert_eq!(Match::of("today", "today.txt"), Some(Match::Prefix));
    assert_eq!(Match::of("today", "notes/today"), Some(Match::Contains));
    assert_eq!(Match::of("aa", "aaa"), Some(Match::Prefix));
    assert_eq!(Match::of("Today", "today"), None);
    assert!(Match::Exact < Match::Prefix && Match::Prefix < Match::Contains);
}

#[test]
fn an_error_message_is_cut_between_characters() {
    let MetaResponse::Error(error) = MetaResponse::error(ErrorCode::Busy, "ä".repeat(200)) else {
        unreachable!()
    };
    assert_eq!(error.message.len(), MAX_ERROR_LEN);
    let MetaResponse::Error(error) =
        MetaResponse::error(ErrorCode::Busy, format!("x{}", "ä".repeat(200)))
    else {
        unreachable!()
    };
    assert_eq!(error.message.len(), MAX_ERROR_LEN - 1);
}

#[test]
fn a_list_in_a_status_with_too_many_items_is_refused() {
    let report = |n_counters: usize, n_neighbours: usize| StatusReport {
        uptime_secs: 0,
        table_size: 0,
        neighbours: vec![SecretKey::from_bytes(&[1; 32]).public(); n_neighbours],
        isolated: false,
        channels: Vec::new(),
        counters: vec![(String::new(), 0); n_counters],
    };
    let decoded = |report: StatusReport| StatusReport::decode(&report.encode()).map(drop);
    assert_eq!(decoded(report(MAX_LIST_LEN, MAX_LIST_LEN)), Ok(()));
    let too_many = |field| Err(DecodeError::OutOfBounds { field });
    assert_eq!(decoded(report(MAX_LIST_LEN + 1, 0)), too_many("counters"));
    assert_eq!(decoded(report(0, MAX_LIST_LEN + 1)), too_many("neighbours"));
}

#[test]
fn a_ticket_with_too_many_peers_is_refused() {
    let ticket = |n: usize| Ticket {
        network_tag: Network::public().tag(),
        peers: vec![EndpointAddr::new(key(1)); n],
        invitation: None,
    };
    let full = ticket(MAX_TICKET_PEERS);
    assert_eq!(full.to_string().parse(), Ok(full));
    let refused = ticket(MAX_TICKET_PEERS + 1).to_string().parse::<Ticket>().unwrap_err();
    assert!(refused.to_string().contains("peers"), "{refused}");
}

#[test]
fn the_longest_interval_overflows_nothing() {
    assert_eq!(stale_after(u32::MAX).as_secs(), 4 * u64::from(u32::MAX));
}

// ---- Makers ----

/// A body of version 1 that our encoder would refuse to write, behind its variant.
#[derive(Serialize)]
struct Body {
    version: u8,
    node_id: [u8; 32],
    name: Option<String>,
    blob_count: u64,
    timestamp_secs: u64,
    seq: u64,
    network_tag: [u8; 16],
    interval_secs: u32,
    addrs: Vec<ByteBuf>,
    agent: String,
}

fn body() -> Body {
    Body {
        version: 0,
        node_id: *key(1).as_bytes(),
        name: Some("kestrel".to_owned()),
        blob_count: 7,
        timestamp_secs: 1_763_632_800,
        seq: 1_763_632_800_000,
        network_tag: Network::public().tag().0,
        interval_secs: 30,
        addrs: Vec::new(),
        agent: "test".to_owned(),
    }
}

fn announcement() -> PeerAnnouncement {
    UnverifiedAnnouncement::decode(&signed(&body())).unwrap().claimed().clone()
}

/// Every field but the addresses at its longest.
fn widest(addrs: Vec<TransportAddr>) -> Result<SignedAnnouncement, SignError> {
    let announcement = PeerAnnouncement {
        name: Some("x".repeat(MAX_NAME_LEN)),
        blob_count: u64::MAX,
        timestamp_secs: u64::MAX,
        seq: u64::MAX,
        interval_secs: *INTERVAL_SECS.end(),
        addrs,
        agent: "x".repeat(MAX_AGENT_LEN),
        ..announcement()
    };
    Signed::sign(announcement, &secret(1))
}

fn signed(body: &Body) -> Vec<u8> {
    sign(PeerAnnouncement::DOMAIN, &postcard::to_stdvec(body).unwrap())
}

/// Signs anything with key 1.
fn sign(domain: &[u8], body: &[u8]) -> Vec<u8> {
    let signature = secret(1).sign(&[domain, body].concat());
    [&signature.to_bytes()[..], body].concat()
}

fn page(items: &[&[u8]]) -> PeersPage {
    let mut page = PeersPage::default();
    items.iter().for_each(|item| assert!(page.push(item)));
    page
}

fn page_len(page: &PeersPage) -> usize {
    MetaResponse::Peers(page.clone()).encode().len()
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32])
}

fn key(seed: u8) -> PublicKey {
    secret(seed).public()
}

/// 32 bytes that are no point of the curve.
fn no_point() -> [u8; 32] {
    (0..=255).map(|byte| [byte; 32]).find(|key| PublicKey::from_bytes(key).is_err()).unwrap()
}

fn ip(addr: &str) -> TransportAddr {
    TransportAddr::Ip(addr.parse().unwrap())
}

fn relay(url: &str) -> TransportAddr {
    TransportAddr::Relay(url.parse().unwrap())
}

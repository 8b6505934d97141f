//! What nodes say to each other.

use std::sync::LazyLock;

use id_proto::{
    About, BlobKey, BlobName, DecodeError, DiscoverReport, DiscoverRequest, ErrorCode, Explanation,
    GossipMessage, IntroducersReport, Leave, MetaRequest, MetaResponse, NameChange, NamedBlob,
    PeerAnnouncement, PeerEntry, Signed, Statement, StatusReport, Unverified,
    UnverifiedAnnouncement, UnverifiedLeave,
    iroh_base::{SecretKey, TransportAddr},
    limits::{
        INTERVAL_SECS, MAX_ADDRS, MAX_AGENT_LEN, MAX_BLOB_ENTRY_LEN, MAX_BLOB_NAME_LEN,
        MAX_ENTRY_LEN, MAX_EXPLANATION_LEN, MAX_GOSSIP_LEN, MAX_INTRODUCERS, MAX_LIST_LEN,
        MAX_NAME_LEN, MAX_REQUEST_LEN, MAX_RESPONSE_LEN, MAX_SIGNED_LEN,
    },
};

use crate::{
    Outcome::{self, Refused, Understood},
    check::{is_fixed_point, is_strict},
};

static KEY: LazyLock<SecretKey> = LazyLock::new(|| SecretKey::from_bytes(&[42; 32]));

pub(crate) fn gossip_message(bytes: &[u8]) -> Outcome {
    let Ok(message) = GossipMessage::decode(bytes) else {
        return Refused;
    };
    assert!(bytes.len() <= MAX_GOSSIP_LEN);
    is_strict(bytes, GossipMessage::decode);
    let claimed_author = GossipMessage::claimed_author(bytes);
    match message {
        GossipMessage::Announce(announcement) => {
            assert_eq!(claimed_author, Some(*announcement.claimed().author().as_bytes()));
            check_announcement(&announcement);
            let Ok(signed) = announcement.verify() else { return Refused };
            let written = GossipMessage::announce(&signed);
            let Ok(GossipMessage::Announce(again)) = GossipMessage::decode(&written) else {
                panic!("an announcement reads as something else")
            };
            assert_eq!(again.bytes(), signed.bytes());
        }
        GossipMessage::Leave(leave) => {
            assert_eq!(claimed_author, Some(*leave.claimed().author().as_bytes()));
            assert!(leave.bytes().len() <= MAX_SIGNED_LEN);
            let Ok(signed) = leave.verify() else { return Refused };
            let written = GossipMessage::leave(&signed);
            let Ok(GossipMessage::Leave(again)) = GossipMessage::decode(&written) else {
                panic!("a leave reads as something else")
            };
            assert_eq!(again.bytes(), signed.bytes());
        }
        _ => {}
    }
    Understood
}

pub(crate) fn announcement(bytes: &[u8]) -> Outcome {
    let Ok(announcement) = UnverifiedAnnouncement::decode(bytes) else {
        return Refused;
    };
    is_strict(bytes, UnverifiedAnnouncement::decode);
    check_announcement(&announcement);
    let ours = PeerAnnouncement { node_id: KEY.public(), ..announcement.claimed().clone() };
    // A URL may be longer as our parser writes it than as it came.
    if ours.addrs.iter().all(PeerAnnouncement::can_hold) {
        check_signing(ours);
    }
    let is_signed = verifies(announcement, bytes);
    Outcome::understood_if(is_signed)
}

pub(crate) fn leave(bytes: &[u8]) -> Outcome {
    let Ok(leave) = UnverifiedLeave::decode(bytes) else {
        return Refused;
    };
    is_strict(bytes, UnverifiedLeave::decode);
    assert!(bytes.len() <= MAX_SIGNED_LEN);
    check_signing(Leave { node_id: KEY.public(), ..leave.claimed().clone() });
    Outcome::understood_if(verifies(leave, bytes))
}

/// Whatever can be read can be said by somebody: signed, it reads and verifies as what was signed.
fn check_signing<T: Statement + Clone + PartialEq + std::fmt::Debug>(statement: T) {
    let Ok(signed) = Signed::sign(statement.clone(), &KEY) else {
        let len = statement.encode_body().expect("what can be read can be written").len();
        assert!(len + 64 > MAX_SIGNED_LEN, "only what is too long can't be signed");
        return;
    };
    let read = Unverified::<T>::decode(signed.bytes()).expect("what we sign can be read");
    assert_eq!(*read.claimed(), statement);
    let read = read.verify().expect("what we sign verifies");
    assert_eq!(read, signed);
    let body = read.statement().encode_body().expect("what can be read can be written");
    assert_eq!(&read.bytes()[64..], body);
}

/// Whether the signature is its author's. Then it is so again, and over nothing but these bytes.
fn verifies<T: Statement>(unverified: Unverified<T>, bytes: &[u8]) -> bool {
    let Ok(signed) = unverified.verify() else {
        return false;
    };
    assert_eq!(signed.bytes(), bytes);
    assert!(Unverified::<T>::decode(signed.bytes()).is_ok_and(|again| again.verify().is_ok()));
    let mut altered = bytes.to_vec();
    altered[0] ^= 1;
    assert!(!Unverified::<T>::decode(&altered).is_ok_and(|altered| altered.verify().is_ok()));
    true
}

fn check_announcement(unverified: &UnverifiedAnnouncement) {
    assert!(unverified.bytes().len() <= MAX_SIGNED_LEN);
    let announcement = unverified.claimed();
    assert!(announcement.name.as_ref().is_none_or(|name| name.len() <= MAX_NAME_LEN));
    assert!(announcement.agent.len() <= MAX_AGENT_LEN);
    assert!(announcement.addrs.len() <= MAX_ADDRS);
    assert!(INTERVAL_SECS.contains(&announcement.interval_secs));
    let is_known =
        |addr: &TransportAddr| matches!(addr, TransportAddr::Relay(_) | TransportAddr::Ip(_));
    assert!(announcement.addrs.iter().all(is_known));
}

pub(crate) fn request(bytes: &[u8]) -> Outcome {
    let Ok(request) = MetaRequest::decode(bytes) else {
        return Refused;
    };
    assert!(bytes.len() <= MAX_REQUEST_LEN);
    is_strict(bytes, MetaRequest::decode);
    is_fixed_point(&request, MetaRequest::encode, MetaRequest::decode);
    match &request {
        MetaRequest::Discover(request) => handed(request),
        _ => names(&request).into_iter().flatten().for_each(|name| is_name(&name)),
    }
    Understood
}

/// The names in a request, as far as they are any.
fn names(request: &MetaRequest) -> Vec<Option<BlobName>> {
    match request {
        MetaRequest::Put(request) => vec![request.name().ok()],
        MetaRequest::Get(request) => match request.key() {
            Ok(BlobKey::Name(name)) => vec![Some(name)],
            _ => Vec::new(),
        },
        MetaRequest::List(request) => vec![request.after().ok().flatten()],
        MetaRequest::Delete(request) => vec![request.name().ok()],
        MetaRequest::Rename(request) => vec![request.from().ok(), request.to().ok()],
        MetaRequest::Copy(request) => vec![request.from().ok(), request.to().ok()],
        MetaRequest::Find(request) => vec![request.query().ok()],
        _ => Vec::new(),
    }
}

fn is_name(name: &BlobName) {
    assert!((1..=MAX_BLOB_NAME_LEN).contains(&name.as_str().len()));
    assert!(!name.as_str().contains(char::is_control));
}

fn named_blob(bytes: &[u8]) {
    if let Ok(blob) = NamedBlob::decode(bytes) {
        assert!(bytes.len() <= MAX_BLOB_ENTRY_LEN);
        is_name(&blob.name);
        is_strict(bytes, NamedBlob::decode);
        is_fixed_point(&blob, |blob| blob.encode().into_vec(), NamedBlob::decode);
    }
}

fn name_change(bytes: &[u8]) {
    if let Ok(change) = NameChange::decode(bytes) {
        assert!(bytes.len() <= MAX_BLOB_ENTRY_LEN);
        is_strict(bytes, NameChange::decode);
        is_fixed_point(&change, |change| change.encode().into_vec(), NameChange::decode);
    }
}

/// What can be read of the items can be written again, and reads as the same.
fn handed(request: &DiscoverRequest) {
    let read =
        request.items().flatten().filter_map(|item| UnverifiedAnnouncement::decode(item).ok());
    let signed: Vec<_> = read.filter_map(|announcement| announcement.verify().ok()).collect();
    let mut again = DiscoverRequest::new(request.proof);
    assert!(signed.iter().all(|announcement| again.push(announcement)));
    assert!(again.items().eq(signed.iter().map(|announcement| Ok(announcement.bytes()))));
}

pub(crate) fn response(bytes: &[u8]) -> Outcome {
    let Ok(response) = MetaResponse::decode(bytes) else {
        return Refused;
    };
    assert!(bytes.len() <= MAX_RESPONSE_LEN);
    is_strict(bytes, MetaResponse::decode);
    is_fixed_point(&response, MetaResponse::encode, MetaResponse::decode);
    match response {
        MetaResponse::Error(error) => {
            assert_eq!(error.code().number(), error.code);
            // Of the codes that we know, each has one number.
            let is_named = !matches!(error.code(), ErrorCode::Other(_));
            assert_eq!(is_named, (1..=12).contains(&error.code));
        }
        MetaResponse::Whoami(whoami) => {
            if let Some(item) = &whoami.about {
                about(item);
            }
        }
        MetaResponse::Peers(page) => {
            let mut len = 0;
            for item in page.items().flatten() {
                len += item.len();
                peer_entry(item);
            }
            assert!(len <= MAX_RESPONSE_LEN);
        }
        MetaResponse::Status(report) => {
            status_report(&report);
        }
        MetaResponse::Introducers(report) => {
            introducers_report(&report);
        }
        MetaResponse::Explanation(bytes) => {
            explanation(&bytes);
        }
        MetaResponse::Discovered(report) => {
            discover_report(&report);
        }
        MetaResponse::Blobs(page) => page.items().flatten().for_each(named_blob),
        MetaResponse::Blob(item) => named_blob(&item),
        MetaResponse::Changed(item) => name_change(&item),
    }
    Understood
}

pub(crate) fn about(bytes: &[u8]) -> Outcome {
    let Ok(about) = About::<UnverifiedAnnouncement>::decode(bytes) else {
        return Refused;
    };
    is_strict(bytes, About::<UnverifiedAnnouncement>::decode);
    assert!(about.features.len() <= MAX_LIST_LEN);
    check_announcement(&about.announcement);
    let Ok(announcement) = about.announcement.verify() else {
        return Refused;
    };
    let about = About {
        announcement,
        node_id: about.node_id,
        agent: about.agent,
        network_tag: about.network_tag,
        features: about.features,
        table_size: about.table_size,
    };
    let written = about.encode();
    let again = About::<UnverifiedAnnouncement>::decode(&written).expect("what we write is read");
    assert_eq!(again.announcement.bytes(), about.announcement.bytes());
    assert_eq!((again.node_id, again.agent), (about.node_id, about.agent));
    assert_eq!((again.network_tag, again.features), (about.network_tag, about.features));
    assert_eq!(again.table_size, about.table_size);
    Understood
}

pub(crate) fn peer_entry(bytes: &[u8]) -> Outcome {
    let decode = |bytes: &[u8]| -> Result<_, DecodeError> {
        PeerEntry::<UnverifiedAnnouncement>::decode(bytes)
    };
    let Ok(entry) = decode(bytes) else {
        return Refused;
    };
    assert!(bytes.len() <= MAX_ENTRY_LEN);
    is_strict(bytes, decode);
    check_announcement(&entry.announcement);
    let Ok(entry) = entry.verify() else {
        return Refused;
    };
    let written = entry.encode();
    assert!(written.len() <= MAX_ENTRY_LEN);
    let again = decode(&written).expect("what we write is read");
    assert_eq!(again.announcement.bytes(), entry.announcement.bytes());
    assert_eq!((again.age, again.source), (entry.age, entry.source));
    assert_eq!(again.verified_age, entry.verified_age);
    Understood
}

pub(crate) fn status_report(bytes: &[u8]) -> Outcome {
    let Ok(report) = StatusReport::decode(bytes) else {
        return Refused;
    };
    assert!(bytes.len() <= MAX_RESPONSE_LEN);
    is_strict(bytes, StatusReport::decode);
    let lens = [report.neighbours.len(), report.channels.len(), report.counters.len()];
    assert!(lens.iter().all(|len| *len <= MAX_LIST_LEN), "{lens:?}");
    let encode = |report: &StatusReport| report.encode().into_vec();
    is_fixed_point(&report, encode, StatusReport::decode);
    Understood
}

pub(crate) fn introducers_report(bytes: &[u8]) -> Outcome {
    let Ok(report) = IntroducersReport::decode(bytes) else {
        return Refused;
    };
    assert!(bytes.len() <= MAX_RESPONSE_LEN);
    is_strict(bytes, IntroducersReport::decode);
    assert!(report.introducers.len() <= MAX_INTRODUCERS);
    let encode = |report: &IntroducersReport| report.encode().into_vec();
    is_fixed_point(&report, encode, IntroducersReport::decode);
    Understood
}

pub(crate) fn discover_report(bytes: &[u8]) -> Outcome {
    let Ok(report) = DiscoverReport::decode(bytes) else {
        return Refused;
    };
    assert!(bytes.len() <= MAX_RESPONSE_LEN);
    is_strict(bytes, DiscoverReport::decode);
    assert!(report.refused.len() <= MAX_LIST_LEN);
    let encode = |report: &DiscoverReport| report.encode().into_vec();
    is_fixed_point(&report, encode, DiscoverReport::decode);
    Understood
}

pub(crate) fn explanation(bytes: &[u8]) -> Outcome {
    let decode = |bytes: &[u8]| -> Result<_, DecodeError> {
        Explanation::<UnverifiedAnnouncement>::decode(bytes)
    };
    let Ok(explanation) = decode(bytes) else {
        return Refused;
    };
    assert!(bytes.len() <= MAX_EXPLANATION_LEN);
    is_strict(bytes, decode);
    if let Some(entry) = &explanation.entry {
        check_announcement(&entry.announcement);
        assert_eq!(entry.announcement.claimed().node_id, explanation.node_id);
    }
    let Ok(explanation) = explanation.verify() else {
        return Refused;
    };
    let written = explanation.encode();
    assert!(written.len() <= MAX_EXPLANATION_LEN);
    let again = decode(&written).expect("what we write is read");
    let again = again.verify().expect("what verified verifies again");
    assert_eq!(again.encode(), written);
    // All but the entry, which can't be compared and is a target of its own.
    let (again, explanation) =
        (Explanation { entry: None, ..again }, Explanation { entry: None, ..explanation });
    assert_eq!(format!("{again:?}"), format!("{explanation:?}"));
    Understood
}

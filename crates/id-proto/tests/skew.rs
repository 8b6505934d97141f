//! Two releases talk: frozen copies of the wire types of versions 1 to 4, and an imagined next
//! version.
//!
//! **New reads old is promised for everything**: what a version ever wrote keeps its meaning, and
//! every later release reads it. The frozen types below are never edited.
//!
//! **Old reads new is promised only so far**: what version 1 doesn't know is refused by its number,
//! and alone (one gossip message, one request, one entry of a page, one address), while what is
//! around it is read. It is never taken for something else.
//!
//! So an old client is answered by a new server as ever, and a new client that asks an old server
//! something new gets `Unsupported`, and can go on with what is old.
#![cfg(feature = "service")]

#[expect(dead_code, reason = "titles, meanings and networks are for the document")]
mod vectors;

use std::fmt::Debug;

use id_proto::{
    About, DecodeError, DiscoverReport, ErrorCode, Explanation, GossipMessage, IntroducersReport,
    Leave, MetaRequest, MetaResponse, NameChange, NamedBlob, PeerAnnouncement, PeerEntry,
    PeersPage, Statement, StatusReport, Ticket, UnverifiedAnnouncement, UnverifiedLeave,
    WhoamiResponse, iroh_base::SecretKey,
};
use iroh_tickets::Ticket as _;
use serde::{Serialize, de::DeserializeOwned};
use serde_bytes::{ByteBuf, Bytes};
use vectors::Vector;

/// Version 1, as it was released. Never edited.
mod v1 {
    use serde::{Deserialize, Serialize};
    use serde_bytes::ByteBuf;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Gossip {
        Announce(ByteBuf),
        Leave(ByteBuf),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum AnnouncementBody {
        V1(Announcement),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum LeaveBody {
        V1(Leave),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Addr {
        Relay(String),
        V4([u8; 4], u16),
        V6([u8; 16], u16),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Request {
        Whoami(Whoami),
        ListPeers(ListPeers),
        Status(Status),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Response {
        Error(Error),
        Whoami(Iam),
        Peers(Page),
        Status(ByteBuf),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum About {
        V1(AboutV1),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Entry {
        V1(EntryV1),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Source {
        Own,
        Gossip,
        Told([u8; 32]),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Report {
        V1(ReportV1),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Ticket {
        V1(TicketV1),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Announcement {
        pub(crate) node_id: [u8; 32],
        pub(crate) name: Option<String>,
        pub(crate) blob_count: u64,
        pub(crate) timestamp_secs: u64,
        pub(crate) seq: u64,
        pub(crate) network_tag: [u8; 16],
        pub(crate) interval_secs: u32,
        pub(crate) addrs: Vec<ByteBuf>,
        pub(crate) agent: String,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Leave {
        node_id: [u8; 32],
        timestamp_secs: u64,
        seq: u64,
        network_tag: [u8; 16],
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Whoami {
        proof: Option<[u8; 32]>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct ListPeers {
        proof: Option<[u8; 32]>,
        max_entries: u32,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Status {
        proof: Option<[u8; 32]>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Error {
        code: u16,
        message: String,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Iam {
        protocol_versions: Vec<u16>,
        about: Option<ByteBuf>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Page {
        pub(crate) items: ByteBuf,
        pub(crate) more: bool,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct AboutV1 {
        node_id: [u8; 32],
        agent: String,
        network_tag: [u8; 16],
        features: Vec<String>,
        table_size: u64,
        announcement: ByteBuf,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct EntryV1 {
        signed: ByteBuf,
        age_ms: u64,
        source: Source,
        verified_age_ms: Option<u64>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct ReportV1 {
        uptime_secs: u64,
        table_size: u64,
        neighbours: Vec<ByteBuf>,
        isolated: bool,
        channels: Vec<(String, String)>,
        counters: Vec<(String, u64)>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct TicketV1 {
        network_tag: [u8; 16],
        peers: Vec<TicketPeer>,
        invitation: Option<(String, String)>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct TicketPeer {
        node_id: [u8; 32],
        addrs: Vec<ByteBuf>,
    }
}

/// What version 2 adds, as it was released. Never edited.
mod v2 {
    use serde::{Deserialize, Serialize};
    use serde_bytes::ByteBuf;

    use super::v1::{Error, Iam, ListPeers, Page, Status, Whoami};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Request {
        Whoami(Whoami),
        ListPeers(ListPeers),
        Status(Status),
        Introducers(Introducers),
        Explain(Explain),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Response {
        Error(Error),
        Whoami(Iam),
        Peers(Page),
        Status(ByteBuf),
        Introducers(ByteBuf),
        Explanation(ByteBuf),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum IntroducersReport {
        V1(IntroducersReportV1),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Introducer {
        V1(IntroducerV1),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Explanation {
        V1(ExplanationV1),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Introducers {
        proof: Option<[u8; 32]>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Explain {
        proof: Option<[u8; 32]>,
        node_id: [u8; 32],
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct IntroducersReportV1 {
        table_size: u64,
        n_introducers: u64,
        introducers: Vec<ByteBuf>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct IntroducerV1 {
        node_id: [u8; 32],
        neighbour: bool,
        n_entries: u64,
        n_unverified: u64,
        quota: u64,
        room: u32,
        squeeze: u32,
        dials: u32,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct ExplanationV1 {
        node_id: [u8; 32],
        listed: bool,
        entry: Option<ByteBuf>,
        neighbour: bool,
        configured: bool,
        introducer: Option<ByteBuf>,
        author_budget: Option<(u32, u64)>,
        last_dial: Option<(u64, String)>,
        next_dial: Option<(u64, String)>,
        last_refusal: Option<(u64, String, Option<[u8; 32]>)>,
        departed: Option<(u64, String, u64, u64)>,
        lost: Option<(u64, u64)>,
    }
}

/// What version 3 adds, as it was released. Never edited.
mod v3 {
    use serde::{Deserialize, Serialize};
    use serde_bytes::ByteBuf;

    use super::{
        v1::{Error, Iam, ListPeers, Page, Status, Whoami},
        v2::{Explain, Introducers},
    };

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Request {
        Whoami(Whoami),
        ListPeers(ListPeers),
        Status(Status),
        Introducers(Introducers),
        Explain(Explain),
        Discover(Discover),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Response {
        Error(Error),
        Whoami(Iam),
        Peers(Page),
        Status(ByteBuf),
        Introducers(ByteBuf),
        Explanation(ByteBuf),
        Discovered(ByteBuf),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum DiscoverReport {
        V1(DiscoverReportV1),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Discover {
        proof: Option<[u8; 32]>,
        items: ByteBuf,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct DiscoverReportV1 {
        n_new: u64,
        n_newer: u64,
        n_known: u64,
        refused: Vec<(String, u64)>,
    }
}

/// What version 4 adds, as it was released. Never edited.
mod v4 {
    use serde::{Deserialize, Serialize};
    use serde_bytes::ByteBuf;

    use super::{
        v1::{Error, Iam, ListPeers, Page, Status, Whoami},
        v2::{Explain, Introducers},
        v3::Discover,
    };

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Request {
        Whoami(Whoami),
        ListPeers(ListPeers),
        Status(Status),
        Introducers(Introducers),
        Explain(Explain),
        Discover(Discover),
        Put(Put),
        Get(Get),
        List(List),
        Delete(Delete),
        Rename(FromTo),
        Copy(FromTo),
        Find(Find),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Response {
        Error(Error),
        Whoami(Iam),
        Peers(Page),
        Status(ByteBuf),
        Introducers(ByteBuf),
        Explanation(ByteBuf),
        Discovered(ByteBuf),
        Blobs(Page),
        Blob(ByteBuf),
        Changed(ByteBuf),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Key {
        Name(String),
        Hash([u8; 32]),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum NamedBlob {
        V1(NamedBlobV1),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum NameChange {
        V1(NameChangeV1),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Put {
        proof: Option<[u8; 32]>,
        name: String,
        hash: [u8; 32],
        replace: bool,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Get {
        proof: Option<[u8; 32]>,
        key: Key,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct List {
        proof: Option<[u8; 32]>,
        after: Option<String>,
        max_entries: u32,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Delete {
        proof: Option<[u8; 32]>,
        name: String,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct FromTo {
        proof: Option<[u8; 32]>,
        from: String,
        to: String,
        replace: bool,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Find {
        proof: Option<[u8; 32]>,
        query: String,
        max_entries: u32,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct NamedBlobV1 {
        name: String,
        hash: [u8; 32],
        size: u64,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct NameChangeV1 {
        hash: [u8; 32],
        size: u64,
        n_names: u64,
        replaced: Option<[u8; 32]>,
    }
}

/// What a next version may look like: every enum has one more variant, behind the known ones.
mod next {
    use serde::{Deserialize, Serialize};
    use serde_bytes::ByteBuf;

    use super::{
        v1::{
            AboutV1, Announcement, EntryV1, Error, Iam, Leave, ListPeers, Page, ReportV1, Status,
            TicketV1, Whoami,
        },
        v2::{Explain, ExplanationV1, IntroducerV1, Introducers, IntroducersReportV1},
        v3::{Discover, DiscoverReportV1},
        v4::{Delete, Find, FromTo, Get, List, NameChangeV1, NamedBlobV1, Put},
    };

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Gossip {
        Announce(ByteBuf),
        Leave(ByteBuf),
        Suspect([u8; 32]),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum AnnouncementBody {
        V1(Announcement),
        V2(Announcement, u64),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum LeaveBody {
        V1(Leave),
        V2(Leave, String),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Addr {
        Relay(String),
        V4([u8; 4], u16),
        V6([u8; 16], u16),
        Onion(String),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Request {
        Whoami(Whoami),
        ListPeers(ListPeers),
        Status(Status),
        Introducers(Introducers),
        Explain(Explain),
        Discover(Discover),
        Put(Put),
        Get(Get),
        List(List),
        Delete(Delete),
        Rename(FromTo),
        Copy(FromTo),
        Find(Find),
        Forget(u8),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Response {
        Error(Error),
        Whoami(Iam),
        Peers(Page),
        Status(ByteBuf),
        Introducers(ByteBuf),
        Explanation(ByteBuf),
        Discovered(ByteBuf),
        Blobs(Page),
        Blob(ByteBuf),
        Changed(ByteBuf),
        Forgotten(u8),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum IntroducersReport {
        V1(IntroducersReportV1),
        V2(IntroducersReportV1, u64),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Introducer {
        V1(IntroducerV1),
        V2(IntroducerV1, u64),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Explanation {
        V1(ExplanationV1),
        V2(ExplanationV1, u64),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum DiscoverReport {
        V1(DiscoverReportV1),
        V2(DiscoverReportV1, u64),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum NamedBlob {
        V1(NamedBlobV1),
        V2(NamedBlobV1, u64),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum NameChange {
        V1(NameChangeV1),
        V2(NameChangeV1, u64),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum About {
        V1(AboutV1),
        V2(AboutV1, bool),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Entry {
        V1(EntryV1),
        V2(EntryV1, u32),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Source {
        Own,
        Gossip,
        Told([u8; 32]),
        Mdns(u8),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Report {
        V1(ReportV1),
        V2(ReportV1, u64),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) enum Ticket {
        V1(TicketV1),
        V2(TicketV1, String),
    }

    /// What must not be done: one more field in a version that is out.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct LongerLeave {
        pub(crate) version: u8,
        pub(crate) leave: Leave,
        pub(crate) reason: u8,
    }
}

const SIGNATURE_LEN: usize = 64;

// ---- New reads old: promised for everything ----

#[test]
fn the_frozen_types_are_what_this_release_writes() {
    reads_and_writes_back::<v1::Gossip>(&[&vectors::GOSSIP_ANNOUNCE, &vectors::GOSSIP_LEAVE]);
    reads_and_writes_back::<v1::Request>(REQUESTS);
    reads_and_writes_back::<v1::Response>(RESPONSES);
    reads_and_writes_back::<v1::About>(&[&vectors::ABOUT]);
    reads_and_writes_back::<v1::Entry>(ENTRIES);
    reads_and_writes_back::<v1::Report>(&[&vectors::STATUS]);
    reads_and_writes_back::<v1::Ticket>(&[&vectors::TICKET, &vectors::TICKET_INVITATION]);
    for announcement in [&vectors::ANNOUNCEMENT, &vectors::BARE_ANNOUNCEMENT] {
        reread::<v1::AnnouncementBody>(&body(announcement));
    }
    reread::<v1::LeaveBody>(&body(&vectors::LEAVE));
    addrs().iter().for_each(|addr| reread::<v1::Addr>(addr));
    SOURCES.iter().for_each(|source| reread::<v1::Source>(source));

    reads_and_writes_back::<v2::Request>(REQUESTS);
    reads_and_writes_back::<v2::Request>(REQUESTS_2);
    reads_and_writes_back::<v2::Response>(RESPONSES);
    reads_and_writes_back::<v2::Response>(RESPONSES_2);
    reads_and_writes_back::<v2::IntroducersReport>(&[&vectors::INTRODUCERS]);
    reads_and_writes_back::<v2::Introducer>(&[&vectors::INTRODUCER]);
    reads_and_writes_back::<v2::Explanation>(EXPLANATIONS);

    for requests in [REQUESTS, REQUESTS_2, REQUESTS_3] {
        reads_and_writes_back::<v3::Request>(requests);
    }
    for responses in [RESPONSES, RESPONSES_2, RESPONSES_3] {
        reads_and_writes_back::<v3::Response>(responses);
    }
    reads_and_writes_back::<v3::DiscoverReport>(&[&vectors::DISCOVER_REPORT]);

    for requests in [REQUESTS, REQUESTS_2, REQUESTS_3, REQUESTS_4] {
        reads_and_writes_back::<v4::Request>(requests);
    }
    for responses in [RESPONSES, RESPONSES_2, RESPONSES_3, RESPONSES_4] {
        reads_and_writes_back::<v4::Response>(responses);
    }
    reads_and_writes_back::<v4::NamedBlob>(NAMED_BLOBS);
    reads_and_writes_back::<v4::NameChange>(NAME_CHANGES);
}

#[test]
fn the_next_version_reads_everything_of_versions_1_to_4() {
    reads_and_writes_back::<next::Gossip>(&[&vectors::GOSSIP_ANNOUNCE, &vectors::GOSSIP_LEAVE]);
    reads_and_writes_back::<next::Request>(REQUESTS);
    reads_and_writes_back::<next::Response>(RESPONSES);
    reads_and_writes_back::<next::About>(&[&vectors::ABOUT]);
    reads_and_writes_back::<next::Entry>(ENTRIES);
    reads_and_writes_back::<next::Report>(&[&vectors::STATUS]);
    reads_and_writes_back::<next::Ticket>(&[&vectors::TICKET, &vectors::TICKET_INVITATION]);
    for announcement in [&vectors::ANNOUNCEMENT, &vectors::BARE_ANNOUNCEMENT] {
        reread::<next::AnnouncementBody>(&body(announcement));
    }
    reread::<next::LeaveBody>(&body(&vectors::LEAVE));
    addrs().iter().for_each(|addr| reread::<next::Addr>(addr));
    SOURCES.iter().for_each(|source| reread::<next::Source>(source));

    reads_and_writes_back::<next::Request>(REQUESTS_2);
    reads_and_writes_back::<next::Response>(RESPONSES_2);
    reads_and_writes_back::<next::IntroducersReport>(&[&vectors::INTRODUCERS]);
    reads_and_writes_back::<next::Introducer>(&[&vectors::INTRODUCER]);
    reads_and_writes_back::<next::Explanation>(EXPLANATIONS);

    reads_and_writes_back::<next::Request>(REQUESTS_3);
    reads_and_writes_back::<next::Response>(RESPONSES_3);
    reads_and_writes_back::<next::DiscoverReport>(&[&vectors::DISCOVER_REPORT]);

    reads_and_writes_back::<next::Request>(REQUESTS_4);
    reads_and_writes_back::<next::Response>(RESPONSES_4);
    reads_and_writes_back::<next::NamedBlob>(NAMED_BLOBS);
    reads_and_writes_back::<next::NameChange>(NAME_CHANGES);
}

const REQUESTS: &[&Vector] =
    &[&vectors::REQUEST_WHOAMI, &vectors::REQUEST_LIST_PEERS, &vectors::REQUEST_STATUS];
const RESPONSES: &[&Vector] = &[
    &vectors::RESPONSE_ERROR,
    &vectors::RESPONSE_WHOAMI,
    &vectors::RESPONSE_WHOAMI_STRANGER,
    &vectors::RESPONSE_PEERS,
    &vectors::RESPONSE_PEERS_EMPTY,
    &vectors::RESPONSE_STATUS,
];
const REQUESTS_2: &[&Vector] = &[&vectors::REQUEST_INTRODUCERS, &vectors::REQUEST_EXPLAIN];
const RESPONSES_2: &[&Vector] = &[&vectors::RESPONSE_INTRODUCERS, &vectors::RESPONSE_EXPLANATION];
const REQUESTS_3: &[&Vector] = &[&vectors::REQUEST_DISCOVER];
const RESPONSES_3: &[&Vector] = &[&vectors::RESPONSE_DISCOVERED];
const REQUESTS_4: &[&Vector] = &[
    &vectors::REQUEST_PUT,
    &vectors::REQUEST_GET,
    &vectors::REQUEST_GET_HASH,
    &vectors::REQUEST_LIST,
    &vectors::REQUEST_DELETE,
    &vectors::REQUEST_RENAME,
    &vectors::REQUEST_COPY,
    &vectors::REQUEST_FIND,
];
const RESPONSES_4: &[&Vector] =
    &[&vectors::RESPONSE_BLOBS, &vectors::RESPONSE_BLOB, &vectors::RESPONSE_CHANGED];
const NAMED_BLOBS: &[&Vector] = &[&vectors::NAMED_BLOB, &vectors::NAMED_BLOB_LARGE];
const NAME_CHANGES: &[&Vector] = &[&vectors::NAME_CHANGE, &vectors::NAME_CHANGE_REPLACED];
const EXPLANATIONS: &[&Vector] = &[&vectors::EXPLANATION, &vectors::EXPLANATION_GONE];
const ENTRIES: &[&Vector] = &[&vectors::ENTRY_OWN, &vectors::ENTRY_GOSSIP, &vectors::ENTRY_TOLD];
const SOURCES: &[&[u8]] = &[&[0], &[1], &[2; 33]];

/// The addresses in the announcement that has one of each kind.
fn addrs() -> [Vec<u8>; 3] {
    let relay = encode(&v1::Addr::Relay("https://relay.example.org/".to_owned()));
    [relay, encode(&v1::Addr::V4([192, 0, 2, 1], 4433)), encode(&v1::Addr::V6([7; 16], 4433))]
}

fn reads_and_writes_back<T: Serialize + DeserializeOwned + Debug>(vectors: &[&Vector]) {
    vectors.iter().for_each(|vector| reread::<T>(&vector.bytes()));
}

/// With the same field types in the same order, the same bytes mean the same values.
fn reread<T: Serialize + DeserializeOwned + Debug>(bytes: &[u8]) {
    let value: T = decode(bytes);
    assert_eq!(encode(&value), bytes, "{value:?}");
}

// ---- Old reads new: unknown things are refused by number, and alone ----

#[test]
fn a_future_statement_is_refused_by_its_number_not_misread() {
    let v1::AnnouncementBody::V1(announcement) = decode(&body(&vectors::ANNOUNCEMENT));
    let future = next::AnnouncementBody::V2(announcement, 9);
    let future = sign(PeerAnnouncement::DOMAIN, &encode(&future));
    assert_unknown(UnverifiedAnnouncement::decode(&future), 1);
    assert_unknown(GossipMessage::decode(&encode(&v1::Gossip::Announce(future))), 1);

    let v1::LeaveBody::V1(leave) = decode(&body(&vectors::LEAVE));
    let future = sign(Leave::DOMAIN, &encode(&next::LeaveBody::V2(leave, "moving".to_owned())));
    assert_unknown(UnverifiedLeave::decode(&future), 1);
    assert_unknown(GossipMessage::decode(&encode(&v1::Gossip::Leave(future))), 1);
}

#[test]
fn a_future_gossip_message_is_refused_by_its_number_not_misread() {
    assert_unknown(GossipMessage::decode(&encode(&next::Gossip::Suspect([1; 32]))), 2);
}

/// The server answers `Unsupported` to what it can name so.
#[test]
fn a_future_request_is_refused_by_its_number_not_misread() {
    assert_unknown(MetaRequest::decode(&encode(&next::Request::Forget(1))), 13);
}

/// What a version decodes by: it refuses a number that it doesn't know before anything else, and
/// answers `Unsupported`.
#[test]
fn a_version_knows_the_requests_of_the_next_one_by_number_only() {
    let later = REQUESTS_2.iter().chain(REQUESTS_3).chain(REQUESTS_4);
    for (vector, number) in later.zip([3, 4, 5, 6, 7, 7, 8, 9, 10, 11, 12]) {
        let (read, _) = postcard::take_from_bytes::<u32>(&vector.bytes()).unwrap();
        assert_eq!(read, number);
        assert!(postcard::from_bytes::<v1::Request>(&vector.bytes()).is_err());
    }
    assert!(postcard::from_bytes::<v2::Request>(&vectors::REQUEST_DISCOVER.bytes()).is_err());
    for vector in REQUESTS_4 {
        assert!(postcard::from_bytes::<v3::Request>(&vector.bytes()).is_err(), "{}", vector.name);
    }
}

/// An old client asks a new node: it gets what it always got.
#[test]
fn version_1_reads_the_answers_to_its_requests_as_ever() {
    reads_and_writes_back::<v1::Response>(RESPONSES);
    reads_and_writes_back::<v1::Report>(&[&vectors::STATUS]);
    let report = StatusReport::decode(&vectors::STATUS.bytes()).unwrap();
    let v1::Response::Status(answer) = decode(&MetaResponse::Status(report.encode()).encode())
    else {
        unreachable!()
    };
    assert_eq!(decode::<v1::Report>(&answer), decode(&vectors::STATUS.bytes()));
}

#[test]
fn a_future_response_is_refused_by_its_number_not_misread() {
    assert_unknown(MetaResponse::decode(&encode(&next::Response::Forgotten(1))), 10);
}

#[test]
fn a_future_item_is_refused_by_its_number_not_misread() {
    let v1::About::V1(about) = decode(&vectors::ABOUT.bytes());
    assert_unknown(About::decode(&encode(&next::About::V2(about, true))), 1);
    let v1::Report::V1(report) = decode(&vectors::STATUS.bytes());
    assert_unknown(StatusReport::decode(&encode(&next::Report::V2(report, 1))), 1);
    let v2::IntroducersReport::V1(report) = decode(&vectors::INTRODUCERS.bytes());
    let future = next::IntroducersReport::V2(report, 1);
    assert_unknown(IntroducersReport::decode(&encode(&future)), 1);
    let v2::Explanation::V1(explanation) = decode(&vectors::EXPLANATION.bytes());
    assert_unknown(Explanation::decode(&encode(&next::Explanation::V2(explanation, 1))), 1);
    let v3::DiscoverReport::V1(report) = decode(&vectors::DISCOVER_REPORT.bytes());
    assert_unknown(DiscoverReport::decode(&encode(&next::DiscoverReport::V2(report, 1))), 1);
    let v4::NameChange::V1(change) = decode(&vectors::NAME_CHANGE.bytes());
    assert_unknown(NameChange::decode(&encode(&next::NameChange::V2(change, 1))), 1);
}

#[test]
fn a_future_name_of_a_blob_is_skipped_alone_not_misread() {
    let v4::NamedBlob::V1(named) = decode(&vectors::NAMED_BLOB.bytes());
    let future = encode(&next::NamedBlob::V2(named, 7));
    let items = [&future, &vectors::NAMED_BLOB_LARGE.bytes()];
    let items = items.map(|item| encode(&Bytes::new(item))).concat();
    let page = v1::Page { items: ByteBuf::from(items), more: false };
    let MetaResponse::Blobs(page) =
        MetaResponse::decode(&encode(&v4::Response::Blobs(page))).unwrap()
    else {
        unreachable!()
    };
    let mut blobs = page.items().map(|item| NamedBlob::decode(item.unwrap()));
    assert_unknown(blobs.next().unwrap(), 1);
    assert_eq!(blobs.next().unwrap().unwrap().size, 1 << 30);
    assert!(blobs.next().is_none());
}

/// The response around an item that isn't known is read all the same.
#[test]
fn a_future_about_leaves_the_rest_of_whoami_readable() {
    let v1::About::V1(about) = decode(&vectors::ABOUT.bytes());
    let about = Some(ByteBuf::from(encode(&next::About::V2(about, true))));
    let bytes =
        MetaResponse::Whoami(WhoamiResponse { protocol_versions: vec![1, 2], about }).encode();
    let MetaResponse::Whoami(read) = MetaResponse::decode(&bytes).unwrap() else { unreachable!() };
    assert_eq!(read.protocol_versions, [1, 2]);
    assert_unknown(About::decode(&read.about.unwrap()), 1);
}

#[test]
fn a_future_entry_is_skipped_alone_not_misread() {
    let v1::Entry::V1(entry) = decode(&vectors::ENTRY_TOLD.bytes());
    let future = encode(&next::Entry::V2(entry, 7));
    let page = served(&[&vectors::ENTRY_OWN.bytes(), &future, &vectors::ENTRY_GOSSIP.bytes()]);
    let mut entries = page.items().map(|item| PeerEntry::decode(item.unwrap()));
    assert!(entries.next().unwrap().unwrap().verify().is_ok());
    assert_unknown(entries.next().unwrap(), 1);
    assert!(entries.next().unwrap().unwrap().verify().is_ok());
    assert!(entries.next().is_none());
}

/// Nothing of an entry can be read around a source that isn't known. So a new source comes with a
/// new version of the entry; should a release forget that, the damage stays in the entry.
#[test]
fn a_future_source_refuses_its_entry_alone() {
    let mut entry = vectors::ENTRY_OWN.bytes();
    let source_at = entry.len() - 2;
    entry.splice(source_at..=source_at, encode(&next::Source::Mdns(1)));
    let page = served(&[&entry, &vectors::ENTRY_GOSSIP.bytes()]);
    let entries = page.items().map(|item| PeerEntry::decode(item.unwrap()).is_ok());
    assert_eq!(entries.collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_future_address_is_skipped_alone_and_its_statement_verifies() {
    let onion = encode(&next::Addr::Onion("abcdef.onion".to_owned()));
    let addrs = addrs().into_iter().chain([onion]).map(ByteBuf::from).collect::<Vec<_>>();
    let v1::AnnouncementBody::V1(announcement) = decode(&body(&vectors::BARE_ANNOUNCEMENT));
    let announcement = v1::Announcement { addrs, ..announcement };
    let bytes = sign(PeerAnnouncement::DOMAIN, &encode(&v1::AnnouncementBody::V1(announcement)));
    let read = UnverifiedAnnouncement::decode(&bytes).unwrap().verify().unwrap();
    assert_eq!(read.addrs.len(), 3);
    assert_eq!(read.bytes(), bytes.as_slice());
}

#[test]
fn a_future_ticket_is_refused_as_newer_not_misread() {
    let v1::Ticket::V1(ticket) = decode(&vectors::TICKET.bytes());
    let refused = Ticket::decode_bytes(&encode(&next::Ticket::V2(ticket, "note".to_owned())));
    assert!(refused.unwrap_err().to_string().contains("newer release"));
}

#[test]
fn a_future_error_code_is_kept_as_its_number() {
    let MetaResponse::Error(error) = MetaResponse::error(ErrorCode::Other(99), "later") else {
        unreachable!()
    };
    let read = MetaResponse::decode(&MetaResponse::Error(error).encode()).unwrap();
    let MetaResponse::Error(error) = read else { unreachable!() };
    assert_eq!(error.code(), ErrorCode::Other(99));
}

/// Why a version is never given one more field: version 1 refuses it without knowing why, and the
/// next version can't read what version 1 wrote.
#[test]
fn a_field_appended_to_a_version_that_is_out_breaks_both_ways() {
    let v1::LeaveBody::V1(leave) = decode(&body(&vectors::LEAVE));
    let longer = encode(&next::LongerLeave { version: 0, leave, reason: 1 });
    let refused = UnverifiedLeave::decode(&sign(Leave::DOMAIN, &longer)).unwrap_err();
    assert_eq!(refused, DecodeError::TrailingBytes { len: 1 });
    assert!(postcard::from_bytes::<next::LongerLeave>(&body(&vectors::LEAVE)).is_err());
}

fn assert_unknown<T: Debug>(result: Result<T, DecodeError>, number: u32) {
    assert_eq!(result.unwrap_err(), DecodeError::UnknownVersion { number });
}

/// A page as a client reads it.
fn served(items: &[&[u8]]) -> PeersPage {
    let items = items.iter().map(|item| encode(&Bytes::new(item))).collect::<Vec<_>>().concat();
    let page = v1::Page { items: ByteBuf::from(items), more: false };
    let bytes = encode(&v1::Response::Peers(page));
    let MetaResponse::Peers(page) = MetaResponse::decode(&bytes).unwrap() else { unreachable!() };
    page
}

fn body(signed: &Vector) -> Vec<u8> {
    signed.bytes().split_off(SIGNATURE_LEN)
}

fn sign(domain: &[u8], body: &[u8]) -> ByteBuf {
    // The bare announcement is by key 2.
    let signature = SecretKey::from_bytes(&[2; 32]).sign(&[domain, body].concat());
    ByteBuf::from([&signature.to_bytes()[..], body].concat())
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).unwrap()
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> T {
    let (value, rest) = postcard::take_from_bytes(bytes).unwrap();
    assert!(rest.is_empty());
    value
}

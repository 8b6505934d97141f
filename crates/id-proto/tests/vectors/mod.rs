//! The bytes of version 1, field by field: what `docs/protocol.md` shows and the code must write.
//!
//! They were computed by a program in another language, without this crate. A string here is never
//! edited: bytes that change are another version, with a vector of its own.

use Part::{Field, Variant, Whole};
use data_encoding::HEXLOWER;

/// One example of a wire type.
#[derive(Debug)]
pub(crate) struct Vector {
    /// What other vectors and the document call it.
    pub(crate) name: &'static str,
    /// What it is an example of.
    pub(crate) title: &'static str,
    /// Its bytes, in order.
    pub(crate) parts: &'static [Part],
}

/// Consecutive bytes of a vector.
#[derive(Debug)]
pub(crate) enum Part {
    /// The number of a variant: hex, enum, variant.
    Variant(&'static str, &'static str, &'static str),
    /// A field: hex and meaning.
    Field(&'static str, &'static str),
    /// All the bytes of another vector.
    Whole(&'static Vector),
}

impl Vector {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.parts.iter().flat_map(Part::bytes).collect()
    }
}

impl Part {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Variant(hex, _, _) | Field(hex, _) => unhex(hex),
            Whole(vector) => vector.bytes(),
        }
    }
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).expect("vectors are lower-case hex")
}

/// What a topic and a secret derive to. `proof` is by public key 1 for public key 2.
pub(crate) struct NetworkVector {
    pub(crate) title: &'static str,
    pub(crate) topic: &'static str,
    pub(crate) secret: &'static str,
    pub(crate) gossip_topic: &'static str,
    pub(crate) member_key: &'static str,
    pub(crate) rendezvous_secret: &'static str,
    pub(crate) network_tag: &'static str,
    pub(crate) proof: &'static str,
}

/// The y coordinates of the points of small order, in all their encodings.
pub(crate) const SMALL_ORDER: [&str; 7] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// Every vector, in the order of the document.
pub(crate) static ALL: &[&Vector] = &[
    &ANNOUNCEMENT,
    &BARE_ANNOUNCEMENT,
    &LEAVE,
    &GOSSIP_ANNOUNCE,
    &GOSSIP_LEAVE,
    &REQUEST_WHOAMI,
    &REQUEST_LIST_PEERS,
    &REQUEST_STATUS,
    &REQUEST_INTRODUCERS,
    &REQUEST_EXPLAIN,
    &REQUEST_DISCOVER,
    &REQUEST_PUT,
    &REQUEST_GET,
    &REQUEST_GET_HASH,
    &REQUEST_LIST,
    &REQUEST_DELETE,
    &REQUEST_RENAME,
    &REQUEST_COPY,
    &REQUEST_FIND,
    &RESPONSE_ERROR,
    &RESPONSE_WHOAMI,
    &RESPONSE_WHOAMI_STRANGER,
    &ABOUT,
    &RESPONSE_PEERS,
    &RESPONSE_PEERS_EMPTY,
    &ENTRY_OWN,
    &ENTRY_GOSSIP,
    &ENTRY_TOLD,
    &RESPONSE_STATUS,
    &STATUS,
    &RESPONSE_INTRODUCERS,
    &INTRODUCERS,
    &INTRODUCER,
    &RESPONSE_EXPLANATION,
    &EXPLANATION,
    &EXPLANATION_GONE,
    &RESPONSE_DISCOVERED,
    &DISCOVER_REPORT,
    &RESPONSE_BLOBS,
    &NAMED_BLOB,
    &NAMED_BLOB_LARGE,
    &RESPONSE_BLOB,
    &RESPONSE_CHANGED,
    &NAME_CHANGE,
    &NAME_CHANGE_REPLACED,
    &FRAMED_REQUEST,
    &FRAMED_RESPONSES,
    &TICKET,
    &TICKET_INVITATION,
];

/// The example networks.
pub(crate) static NETWORKS: &[&NetworkVector] = &[&PUBLIC_NETWORK, &PRIVATE_NETWORK];

pub(crate) static PUBLIC_NETWORK: NetworkVector = NetworkVector {
    title: "the public network",
    topic: "id-peer-discovery-v1",
    secret: "id-public-discovery-v1",
    gossip_topic: "ca82b820220813b5b3a8d409e4b71de1536eee4cfa9c807f5e43b5863050dab2",
    member_key: "f1709ef580c0ad654780a1e099e6d86e113892faa74c67cd6bfbe20de7c1f51b",
    rendezvous_secret: "9dbd194ad758569438e5a7d64ff61c1f62584e49b1baa8efebcfa71ad284d8d8",
    network_tag: "ea9de46506b721073c821d427a4b25e3",
    proof: "897fd2f209375719571bf3b4dfa437028848b5fec834c720f0e8683751db5344",
};

pub(crate) static PRIVATE_NETWORK: NetworkVector = NetworkVector {
    title: "the private network",
    topic: "orchard",
    secret: "correct horse battery staple",
    gossip_topic: "22e7799200e6fa71ec0ff35c57b9add9dd42004666f9cd3a278206ce29937486",
    member_key: "862ce9f90f225a96595b52e7a49ef455e7389b4e416d3cbc44e19cdd06bfd557",
    rendezvous_secret: "cdf4345d6542c55a2826b37fef9ecb63ab477963aa74005fda21c084be57f04a",
    network_tag: "fb03e5b51f0a14551c24cd8abb498255",
    proof: "5503a7677e88e364dd1ca6857c05300316117802bf9984f22027a8236caefa33",
};

/// The string of `ticket`.
pub(crate) const TICKET_STRING: &str = "\
    idticketadvj3zdfa23scbz4qioue6slexrqfcui4poxicprsx6vfwznhs5f24wkm4e36hmucin7g5ei\
    ag2a6324aioaagtior2ha4z2f4xxezlmmf4s4zlymfwxa3dffzxxezzpa4a4aaacahisfajzo4hkq7ix\
    l5lkgvdgyngh5tglrwfjdnhog6rf35qploh4tm4uaaaa";

/// The string of `ticket-invitation`.
pub(crate) const TICKET_INVITATION_STRING: &str = "\
    idticketad5qhznvd4fbivi4etgyvo2jqjkqdcui4poxicprsx6vfwznhs5f24wkm4e36hmucin7g5ei\
    ag2a6324aedqdqaaaia5ciqba5xxey3imfzgihddn5zhezldoqqgq33sonssaytbor2gk4tzebzxiylq\
    nrsq";

pub(crate) static ANNOUNCEMENT: Vector = Vector {
    name: "announcement",
    title: "A signed announcement with a name and all three kinds of address",
    parts: &[
        Field("8ee4d54e5bed1432a9b49d567377385d476e3cb3953b061a7a1c2fed2fe42d6b", "signature: R"),
        Field("e962411a9cea0553f1b9b0ae4e588954f543ed37f33badca9f2f72dc6e31de03", "signature: S"),
        Variant("00", "AnnouncementBody", "V1"),
        Field(
            "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
            "node_id: public key 1",
        ),
        Field("01", "name: some"),
        Field("07", "name: 7 bytes follow"),
        Field("6b65737472656c", "name: \"kestrel\""),
        Field("ac02", "blob_count: 300"),
        Field("a0cdfbc806", "timestamp_secs: 1763632800"),
        Field("fbc2d385aa33", "seq: 1763632800123"),
        Field("ea9de46506b721073c821d427a4b25e3", "network_tag: the public network"),
        Field("1e", "interval_secs: 30"),
        Field("03", "addrs: 3 items"),
        Field("1c", "addrs[0]: 28 bytes follow"),
        Variant("00", "Addr", "Relay"),
        Field("1a", "url: 26 bytes follow"),
        Field(
            "68747470733a2f2f72656c61792e6578616d706c652e6f72672f",
            "url: \"https://relay.example.org/\"",
        ),
        Field("07", "addrs[1]: 7 bytes follow"),
        Variant("01", "Addr", "V4"),
        Field("c0000201", "ip: 192.0.2.1"),
        Field("d122", "port: 4433"),
        Field("13", "addrs[2]: 19 bytes follow"),
        Variant("02", "Addr", "V6"),
        Field("20010db8000000000000000000000001", "ip: 2001:db8::1"),
        Field("d122", "port: 4433"),
        Field("0d", "agent: 13 bytes follow"),
        Field("69642d6e6f64652f302e312e30", "agent: \"id-node/0.1.0\""),
    ],
};

pub(crate) static BARE_ANNOUNCEMENT: Vector = Vector {
    name: "announcement-bare",
    title: "A signed announcement without a name and without an address",
    parts: &[
        Field("8a3dfdd0ca75713167292739ce141bbf4a0402142ca9937cc10f10c0b9a573a8", "signature: R"),
        Field("30b44392173168435acabc27af0c91465b7d729164a7de7544db2a6f6d35530d", "signature: S"),
        Variant("00", "AnnouncementBody", "V1"),
        Field(
            "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394",
            "node_id: public key 2",
        ),
        Field("00", "name: none"),
        Field("00", "blob_count: 0"),
        Field("a5cdfbc806", "timestamp_secs: 1763632805"),
        Field("88e9d385aa33", "seq: 1763632805000"),
        Field("ea9de46506b721073c821d427a4b25e3", "network_tag: the public network"),
        Field("80a305", "interval_secs: 86400"),
        Field("00", "addrs: 0 items"),
        Field("00", "agent: 0 bytes follow"),
    ],
};

pub(crate) static LEAVE: Vector = Vector {
    name: "leave",
    title: "A signed leave",
    parts: &[
        Field("edc10db84b918416cf7cf382bdae6723ef7d268e8945fd195c272076a87083af", "signature: R"),
        Field("be51d26deb46eab48efe98fb9a8381b917f2d0c9fb020ad3181edd60c83fa808", "signature: S"),
        Variant("00", "LeaveBody", "V1"),
        Field(
            "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
            "node_id: public key 1",
        ),
        Field("dccdfbc806", "timestamp_secs: 1763632860"),
        Field("e096d785aa33", "seq: 1763632860000"),
        Field("ea9de46506b721073c821d427a4b25e3", "network_tag: the public network"),
    ],
};

pub(crate) static GOSSIP_ANNOUNCE: Vector = Vector {
    name: "gossip-announce",
    title: "A gossip message that announces",
    parts: &[
        Variant("00", "GossipMessage", "Announce"),
        Field("d001", "208 bytes follow"),
        Whole(&ANNOUNCEMENT),
    ],
};

pub(crate) static GOSSIP_LEAVE: Vector = Vector {
    name: "gossip-leave",
    title: "A gossip message that says goodbye",
    parts: &[
        Variant("01", "GossipMessage", "Leave"),
        Field("7c", "124 bytes follow"),
        Whole(&LEAVE),
    ],
};

pub(crate) static REQUEST_WHOAMI: Vector = Vector {
    name: "request-whoami",
    title: "`Whoami` without a proof",
    parts: &[Variant("00", "MetaRequest", "Whoami"), Field("00", "proof: none")],
};

pub(crate) static REQUEST_LIST_PEERS: Vector = Vector {
    name: "request-list-peers",
    title: "`ListPeers` with the proof that key 1 is a member, made for key 2",
    parts: &[
        Variant("01", "MetaRequest", "ListPeers"),
        Field("01", "proof: some"),
        Field(
            "5503a7677e88e364dd1ca6857c05300316117802bf9984f22027a8236caefa33",
            "proof: by key 1 for key 2 in the private network",
        ),
        Field("e807", "max_entries: 1000"),
    ],
};

pub(crate) static REQUEST_STATUS: Vector = Vector {
    name: "request-status",
    title: "`Status` with a proof",
    parts: &[
        Variant("02", "MetaRequest", "Status"),
        Field("01", "proof: some"),
        Field(
            "5503a7677e88e364dd1ca6857c05300316117802bf9984f22027a8236caefa33",
            "proof: by key 1 for key 2 in the private network",
        ),
    ],
};

pub(crate) static ENTRY_OWN: Vector = Vector {
    name: "entry-own",
    title: "An entry for the responder itself",
    parts: &[
        Variant("00", "PeerEntry", "V1"),
        Field("8301", "131 bytes follow"),
        Whole(&BARE_ANNOUNCEMENT),
        Field("00", "age_ms: 0"),
        Variant("00", "Source", "Own"),
        Field("00", "verified_age_ms: none"),
    ],
};

pub(crate) static ENTRY_GOSSIP: Vector = Vector {
    name: "entry-gossip",
    title: "An entry heard through gossip, and verified by a dial",
    parts: &[
        Variant("00", "PeerEntry", "V1"),
        Field("d001", "208 bytes follow"),
        Whole(&ANNOUNCEMENT),
        Field("dc0b", "age_ms: 1500"),
        Variant("01", "Source", "Gossip"),
        Field("01", "verified_age_ms: some"),
        Field("e0d403", "verified_age_ms: 60000"),
    ],
};

pub(crate) static ENTRY_TOLD: Vector = Vector {
    name: "entry-told",
    title: "An entry that key 3 told the responder",
    parts: &[
        Variant("00", "PeerEntry", "V1"),
        Field("d001", "208 bytes follow"),
        Whole(&ANNOUNCEMENT),
        Field("90bf05", "age_ms: 90000"),
        Variant("02", "Source", "Told"),
        Field(
            "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1",
            "by: public key 3",
        ),
        Field("00", "verified_age_ms: none"),
    ],
};

pub(crate) static ABOUT: Vector = Vector {
    name: "about",
    title: "What key 2 says of itself to members",
    parts: &[
        Variant("00", "About", "V1"),
        Field(
            "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394",
            "node_id: public key 2",
        ),
        Field("0d", "agent: 13 bytes follow"),
        Field("69642d6e6f64652f302e312e30", "agent: \"id-node/0.1.0\""),
        Field("ea9de46506b721073c821d427a4b25e3", "network_tag: the public network"),
        Field("02", "features: 2 items"),
        Field("06", "features[0]: 6 bytes follow"),
        Field("676f73736970", "features[0]: \"gossip\""),
        Field("03", "features[1]: 3 bytes follow"),
        Field("646874", "features[1]: \"dht\""),
        Field("29", "table_size: 41"),
        Field("8301", "131 bytes follow"),
        Whole(&BARE_ANNOUNCEMENT),
    ],
};

pub(crate) static STATUS: Vector = Vector {
    name: "status",
    title: "How a node is doing",
    parts: &[
        Variant("00", "StatusReport", "V1"),
        Field("901c", "uptime_secs: 3600"),
        Field("29", "table_size: 41"),
        Field("01", "neighbours: 1 item"),
        Field("20", "neighbours[0]: 32 bytes follow"),
        Field(
            "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1",
            "neighbours[0]: public key 3",
        ),
        Field("00", "isolated: false"),
        Field("01", "channels: 1 pair"),
        Field("03", "channels[0].channel: 3 bytes follow"),
        Field("646874", "channels[0].channel: \"dht\""),
        Field("03", "channels[0].what: 3 bytes follow"),
        Field("6f6666", "channels[0].what: \"off\""),
        Field("01", "counters: 1 pair"),
        Field("08", "counters[0].name: 8 bytes follow"),
        Field("62656c6965766564", "counters[0].name: \"believed\""),
        Field("f403", "counters[0].count: 500"),
    ],
};

pub(crate) static RESPONSE_ERROR: Vector = Vector {
    name: "response-error",
    title: "The answer to a request that the server does not know",
    parts: &[
        Variant("00", "MetaResponse", "Error"),
        Field("01", "code: 1, Unsupported"),
        Field("11", "message: 17 bytes follow"),
        Field("756e6b6e6f776e20726571756573742037", "message: \"unknown request 7\""),
    ],
};

pub(crate) static RESPONSE_WHOAMI: Vector = Vector {
    name: "response-whoami",
    title: "The answer to `Whoami` from a member",
    parts: &[
        Variant("01", "MetaResponse", "Whoami"),
        Field("01", "protocol_versions: 1 item"),
        Field("01", "protocol_versions[0]: 1"),
        Field("01", "about: some"),
        Field("d101", "209 bytes follow"),
        Whole(&ABOUT),
    ],
};

pub(crate) static RESPONSE_WHOAMI_STRANGER: Vector = Vector {
    name: "response-whoami-stranger",
    title: "The answer to `Whoami` from a stranger on a private network",
    parts: &[
        Variant("01", "MetaResponse", "Whoami"),
        Field("01", "protocol_versions: 1 item"),
        Field("01", "protocol_versions[0]: 1"),
        Field("00", "about: none"),
    ],
};

pub(crate) static RESPONSE_PEERS: Vector = Vector {
    name: "response-peers",
    title: "A page of two entries, after which another follows",
    parts: &[
        Variant("02", "MetaResponse", "Peers"),
        Field("e702", "items: 359 bytes follow"),
        Field("8901", "137 bytes follow"),
        Whole(&ENTRY_OWN),
        Field("da01", "218 bytes follow"),
        Whole(&ENTRY_GOSSIP),
        Field("01", "more: true"),
    ],
};

pub(crate) static RESPONSE_PEERS_EMPTY: Vector = Vector {
    name: "response-peers-empty",
    title: "A last page without entries",
    parts: &[
        Variant("02", "MetaResponse", "Peers"),
        Field("00", "items: 0 bytes follow"),
        Field("00", "more: false"),
    ],
};

pub(crate) static RESPONSE_STATUS: Vector = Vector {
    name: "response-status",
    title: "The answer to `Status`",
    parts: &[
        Variant("03", "MetaResponse", "Status"),
        Field("3c", "60 bytes follow"),
        Whole(&STATUS),
    ],
};

pub(crate) static REQUEST_INTRODUCERS: Vector = Vector {
    name: "request-introducers",
    title: "`Introducers` without a proof",
    parts: &[Variant("03", "MetaRequest", "Introducers"), Field("00", "proof: none")],
};

pub(crate) static REQUEST_EXPLAIN: Vector = Vector {
    name: "request-explain",
    title: "`Explain` about public key 3, with a proof",
    parts: &[
        Variant("04", "MetaRequest", "Explain"),
        Field("01", "proof: some"),
        Field(
            "5503a7677e88e364dd1ca6857c05300316117802bf9984f22027a8236caefa33",
            "proof: by key 1 for key 2 in the private network",
        ),
        Field(
            "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1",
            "node_id: public key 3",
        ),
    ],
};

pub(crate) static INTRODUCER: Vector = Vector {
    name: "introducer",
    title: "An introducer that brought 300 peers",
    parts: &[
        Variant("00", "Introducer", "V1"),
        Field(
            "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1",
            "node_id: public key 3",
        ),
        Field("01", "neighbour: true"),
        Field("ac02", "n_entries: 300"),
        Field("29", "n_unverified: 41"),
        Field("8020", "quota: 4096"),
        Field("d71f", "room: 4055"),
        Field("40", "squeeze: 64"),
        Field("10", "dials: 16"),
    ],
};

pub(crate) static INTRODUCERS: Vector = Vector {
    name: "introducers",
    title: "Who brought the peers of a table",
    parts: &[
        Variant("00", "IntroducersReport", "V1"),
        Field("d502", "table_size: 341"),
        Field("02", "n_introducers: 2"),
        Field("01", "introducers: 1 item"),
        Field("2b", "43 bytes follow"),
        Whole(&INTRODUCER),
    ],
};

pub(crate) static RESPONSE_INTRODUCERS: Vector = Vector {
    name: "response-introducers",
    title: "The answer to `Introducers`",
    parts: &[
        Variant("04", "MetaResponse", "Introducers"),
        Field("31", "49 bytes follow"),
        Whole(&INTRODUCERS),
    ],
};

pub(crate) static EXPLANATION: Vector = Vector {
    name: "explanation",
    title: "What is known of a peer that is in the table",
    parts: &[
        Variant("00", "Explanation", "V1"),
        Field(
            "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
            "node_id: public key 1",
        ),
        Field("01", "listed: true"),
        Field("01", "entry: some"),
        Field("da01", "218 bytes follow"),
        Whole(&ENTRY_GOSSIP),
        Field("01", "neighbour: true"),
        Field("00", "configured: false"),
        Field("01", "introducer: some"),
        Field("2b", "43 bytes follow"),
        Whole(&INTRODUCER),
        Field("01", "author_budget: some"),
        Field("02", "left: 2"),
        Field("00", "next_ms: 0"),
        Field("01", "last_dial: some"),
        Field("e0d403", "age_ms: 60000"),
        Field("08", "end: 8 bytes follow"),
        Field("616e737765726564", "end: \"answered\""),
        Field("01", "next_dial: some"),
        Field("e49d07", "in_ms: 118500"),
        Field("06", "why: 6 bytes follow"),
        Field("73696c656e74", "why: \"silent\""),
        Field("01", "last_refusal: some"),
        Field("8827", "age_ms: 5000"),
        Field("11", "reason: 17 bytes follow"),
        Field("726566757365645f6e6f745f6e65776572", "reason: \"refused_not_newer\""),
        Field("01", "by: some"),
        Field(
            "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1",
            "by: public key 3",
        ),
        Field("00", "departed: none"),
        Field("00", "lost: none"),
    ],
};

pub(crate) static EXPLANATION_GONE: Vector = Vector {
    name: "explanation-gone",
    title: "What is known of a peer that has gone",
    parts: &[
        Variant("00", "Explanation", "V1"),
        Field(
            "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394",
            "node_id: public key 2",
        ),
        Field("00", "listed: false"),
        Field("00", "entry: none"),
        Field("00", "neighbour: false"),
        Field("01", "configured: true"),
        Field("00", "introducer: none"),
        Field("01", "author_budget: some"),
        Field("00", "left: 0"),
        Field("a01f", "next_ms: 4000"),
        Field("00", "last_dial: none"),
        Field("00", "next_dial: none"),
        Field("01", "last_refusal: some"),
        Field("8407", "age_ms: 900"),
        Field("10", "reason: 16 bytes follow"),
        Field("726566757365645f6465706172746564", "reason: \"refused_departed\""),
        Field("00", "by: none"),
        Field("01", "departed: some"),
        Field("904e", "age_ms: 10000"),
        Field("04", "reason: 4 bytes follow"),
        Field("6c656674", "reason: \"left\""),
        Field("88e9d385aa33", "seq: 1763632805000"),
        Field("f0aa2b", "forgotten_in_ms: 710000"),
        Field("01", "lost: some"),
        Field("e05d", "age_ms: 12000"),
        Field("a0ffda01", "given_up_in_ms: 3588000"),
    ],
};

pub(crate) static RESPONSE_EXPLANATION: Vector = Vector {
    name: "response-explanation",
    title: "The answer to `Explain`",
    parts: &[
        Variant("05", "MetaResponse", "Explanation"),
        Field("59", "89 bytes follow"),
        Whole(&EXPLANATION_GONE),
    ],
};

pub(crate) static REQUEST_DISCOVER: Vector = Vector {
    name: "request-discover",
    title: "`Discover` with two announcements, and a proof",
    parts: &[
        Variant("05", "MetaRequest", "Discover"),
        Field("01", "proof: some"),
        Field(
            "5503a7677e88e364dd1ca6857c05300316117802bf9984f22027a8236caefa33",
            "proof: by key 1 for key 2 in the private network",
        ),
        Field("d702", "items: 343 bytes follow"),
        Field("d001", "208 bytes follow"),
        Whole(&ANNOUNCEMENT),
        Field("8301", "131 bytes follow"),
        Whole(&BARE_ANNOUNCEMENT),
    ],
};

pub(crate) static DISCOVER_REPORT: Vector = Vector {
    name: "discover-report",
    title: "What came of 341 announcements",
    parts: &[
        Variant("00", "DiscoverReport", "V1"),
        Field("0c", "n_new: 12"),
        Field("ac02", "n_newer: 300"),
        Field("1b", "n_known: 27"),
        Field("01", "refused: 1 pair"),
        Field("0f", "refused[0].reason: 15 bytes follow"),
        Field("726566757365645f65787069726564", "refused[0].reason: \"refused_expired\""),
        Field("02", "refused[0].count: 2"),
    ],
};

pub(crate) static RESPONSE_DISCOVERED: Vector = Vector {
    name: "response-discovered",
    title: "The answer to `Discover`",
    parts: &[
        Variant("06", "MetaResponse", "Discovered"),
        Field("17", "23 bytes follow"),
        Whole(&DISCOVER_REPORT),
    ],
};

pub(crate) static REQUEST_PUT: Vector = Vector {
    name: "request-put",
    title: "`Put` of a name that is to replace what is there, and a proof",
    parts: &[
        Variant("06", "MetaRequest", "Put"),
        Field("01", "proof: some"),
        Field(
            "5503a7677e88e364dd1ca6857c05300316117802bf9984f22027a8236caefa33",
            "proof: by key 1 for key 2 in the private network",
        ),
        Field("0b", "name: 11 bytes follow"),
        Field("6e6f7465732f746f646179", "name: \"notes/today\""),
        Field(
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
            "hash: of no bytes",
        ),
        Field("01", "replace: true"),
    ],
};

pub(crate) static REQUEST_GET: Vector = Vector {
    name: "request-get",
    title: "`Get` by a name",
    parts: &[
        Variant("07", "MetaRequest", "Get"),
        Field("00", "proof: none"),
        Variant("00", "BlobKey", "Name"),
        Field("0b", "key: 11 bytes follow"),
        Field("6e6f7465732f746f646179", "key: \"notes/today\""),
    ],
};

pub(crate) static REQUEST_GET_HASH: Vector = Vector {
    name: "request-get-hash",
    title: "`Get` by a hash",
    parts: &[
        Variant("07", "MetaRequest", "Get"),
        Field("00", "proof: none"),
        Variant("01", "BlobKey", "Hash"),
        Field(
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
            "key: hash of no bytes",
        ),
    ],
};

pub(crate) static REQUEST_LIST: Vector = Vector {
    name: "request-list",
    title: "`List` of at most 1000 names behind one, with a proof",
    parts: &[
        Variant("08", "MetaRequest", "List"),
        Field("01", "proof: some"),
        Field(
            "5503a7677e88e364dd1ca6857c05300316117802bf9984f22027a8236caefa33",
            "proof: by key 1 for key 2 in the private network",
        ),
        Field("01", "after: some"),
        Field("05", "after: 5 bytes follow"),
        Field("6e6f746573", "after: \"notes\""),
        Field("e807", "max_entries: 1000"),
    ],
};

pub(crate) static REQUEST_DELETE: Vector = Vector {
    name: "request-delete",
    title: "`Delete`",
    parts: &[
        Variant("09", "MetaRequest", "Delete"),
        Field("00", "proof: none"),
        Field("0b", "name: 11 bytes follow"),
        Field("6e6f7465732f746f646179", "name: \"notes/today\""),
    ],
};

pub(crate) static REQUEST_RENAME: Vector = Vector {
    name: "request-rename",
    title: "`Rename` that is to replace nothing",
    parts: &[
        Variant("0a", "MetaRequest", "Rename"),
        Field("00", "proof: none"),
        Field("0b", "from: 11 bytes follow"),
        Field("6e6f7465732f746f646179", "from: \"notes/today\""),
        Field("0c", "to: 12 bytes follow"),
        Field("6e6f7465732fc3a46c746572", "to: \"notes/älter\""),
        Field("00", "replace: false"),
    ],
};

pub(crate) static REQUEST_COPY: Vector = Vector {
    name: "request-copy",
    title: "`Copy` that may replace what is there",
    parts: &[
        Variant("0b", "MetaRequest", "Copy"),
        Field("00", "proof: none"),
        Field("0b", "from: 11 bytes follow"),
        Field("6e6f7465732f746f646179", "from: \"notes/today\""),
        Field("01", "to: 1 bytes follow"),
        Field("62", "to: \"b\""),
        Field("01", "replace: true"),
    ],
};

pub(crate) static REQUEST_FIND: Vector = Vector {
    name: "request-find",
    title: "`Find` of at most 20 names",
    parts: &[
        Variant("0c", "MetaRequest", "Find"),
        Field("00", "proof: none"),
        Field("05", "query: 5 bytes follow"),
        Field("746f646179", "query: \"today\""),
        Field("14", "max_entries: 20"),
    ],
};

pub(crate) static RESPONSE_BLOBS: Vector = Vector {
    name: "response-blobs",
    title: "A page of two names, with more to follow",
    parts: &[
        Variant("07", "MetaResponse", "Blobs"),
        Field("63", "items: 99 bytes follow"),
        Field("2e", "46 bytes follow"),
        Whole(&NAMED_BLOB),
        Field("33", "51 bytes follow"),
        Whole(&NAMED_BLOB_LARGE),
        Field("01", "more: true"),
    ],
};

pub(crate) static NAMED_BLOB: Vector = Vector {
    name: "named-blob",
    title: "A name and its blob",
    parts: &[
        Variant("00", "NamedBlob", "V1"),
        Field("0b", "name: 11 bytes follow"),
        Field("6e6f7465732f746f646179", "name: \"notes/today\""),
        Field(
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
            "hash: of no bytes",
        ),
        Field("00", "size: 0"),
    ],
};

pub(crate) static NAMED_BLOB_LARGE: Vector = Vector {
    name: "named-blob-large",
    title: "Another one, of a gibibyte",
    parts: &[
        Variant("00", "NamedBlob", "V1"),
        Field("0c", "name: 12 bytes follow"),
        Field("6e6f7465732fc3a46c746572", "name: \"notes/älter\""),
        Field("0707070707070707070707070707070707070707070707070707070707070707", "hash"),
        Field("8080808004", "size: 1,073,741,824"),
    ],
};

pub(crate) static RESPONSE_BLOB: Vector = Vector {
    name: "response-blob",
    title: "The answer to `Get`",
    parts: &[
        Variant("08", "MetaResponse", "Blob"),
        Field("2e", "46 bytes follow"),
        Whole(&NAMED_BLOB),
    ],
};

pub(crate) static RESPONSE_CHANGED: Vector = Vector {
    name: "response-changed",
    title: "The answer to `Put`, `Delete`, `Rename` and `Copy`",
    parts: &[
        Variant("09", "MetaResponse", "Changed"),
        Field("24", "36 bytes follow"),
        Whole(&NAME_CHANGE),
    ],
};

pub(crate) static NAME_CHANGE: Vector = Vector {
    name: "name-change",
    title: "What became of a name that led nowhere",
    parts: &[
        Variant("00", "NameChange", "V1"),
        Field(
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
            "hash: of no bytes",
        ),
        Field("00", "size: 0"),
        Field("01", "n_names: 1"),
        Field("00", "replaced: none"),
    ],
};

pub(crate) static NAME_CHANGE_REPLACED: Vector = Vector {
    name: "name-change-replaced",
    title: "What became of one that led elsewhere",
    parts: &[
        Variant("00", "NameChange", "V1"),
        Field("0707070707070707070707070707070707070707070707070707070707070707", "hash"),
        Field("8080808004", "size: 1,073,741,824"),
        Field("ac02", "n_names: 300"),
        Field("01", "replaced: some"),
        Field(
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
            "replaced: hash of no bytes",
        ),
    ],
};

pub(crate) static TICKET: Vector = Vector {
    name: "ticket",
    title: "A ticket that names two peers",
    parts: &[
        Variant("00", "Ticket", "V1"),
        Field("ea9de46506b721073c821d427a4b25e3", "network_tag: the public network"),
        Field("02", "peers: 2 items"),
        Field(
            "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
            "peers[0].node_id: public key 1",
        ),
        Field("02", "peers[0].addrs: 2 items"),
        Field("1c", "28 bytes follow"),
        Variant("00", "Addr", "Relay"),
        Field("1a", "url: 26 bytes follow"),
        Field(
            "68747470733a2f2f72656c61792e6578616d706c652e6f72672f",
            "url: \"https://relay.example.org/\"",
        ),
        Field("07", "7 bytes follow"),
        Variant("01", "Addr", "V4"),
        Field("c0000201", "ip: 192.0.2.1"),
        Field("d122", "port: 4433"),
        Field(
            "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394",
            "peers[1].node_id: public key 2",
        ),
        Field("00", "peers[1].addrs: 0 items"),
        Field("00", "invitation: none"),
    ],
};

pub(crate) static TICKET_INVITATION: Vector = Vector {
    name: "ticket-invitation",
    title: "A ticket that lets its holder into a private network",
    parts: &[
        Variant("00", "Ticket", "V1"),
        Field("fb03e5b51f0a14551c24cd8abb498255", "network_tag: the private network"),
        Field("01", "peers: 1 item"),
        Field(
            "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
            "peers[0].node_id: public key 1",
        ),
        Field("01", "peers[0].addrs: 1 item"),
        Field("07", "7 bytes follow"),
        Variant("01", "Addr", "V4"),
        Field("c0000201", "ip: 192.0.2.1"),
        Field("d122", "port: 4433"),
        Field("01", "invitation: some"),
        Field("07", "topic: 7 bytes follow"),
        Field("6f726368617264", "topic: \"orchard\""),
        Field("1c", "secret: 28 bytes follow"),
        Field(
            "636f727265637420686f727365206261747465727920737461706c65",
            "secret: \"correct horse battery staple\"",
        ),
    ],
};

pub(crate) static FRAMED_REQUEST: Vector = Vector {
    name: "framed-request",
    title: "All the bytes that a client sends on a stream that asks `ListPeers`",
    parts: &[Field("24", "36 bytes follow"), Whole(&REQUEST_LIST_PEERS)],
};

pub(crate) static FRAMED_RESPONSES: Vector = Vector {
    name: "framed-responses",
    title: "All the bytes that a server sends on that stream, in two pages",
    parts: &[
        Field("eb02", "363 bytes follow"),
        Whole(&RESPONSE_PEERS),
        Field("03", "3 bytes follow"),
        Whole(&RESPONSE_PEERS_EMPTY),
    ],
};

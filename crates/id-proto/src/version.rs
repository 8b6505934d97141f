//! Protocol versions and the registry of every number on the wire.
//!
//! A number once used is never used again. What is removed stays in the list, with the release
//! that removed it.

/// The ALPN of the RPC.
pub const META_ALPN: &[u8] = b"id/meta/1";

/// The versions of the RPC protocol; the variants' docs are its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ProtocolVersion {
    /// 0.1.0: `Whoami`, `ListPeers`, `Status`.
    V1 = 1,
    /// 0.1.0: `Introducers`, `Explain`.
    V2 = 2,
    /// 0.1.0: `Discover`.
    V3 = 3,
    /// 0.1.0: `Put`, `Get`, `List`, `Delete`, `Rename`, `Copy`, `Find`.
    V4 = 4,
}

impl ProtocolVersion {
    /// Every version that this release speaks, oldest first.
    pub const ALL: &[Self] = &[Self::V1, Self::V2, Self::V3, Self::V4];

    /// The number in `Whoami`'s answer.
    pub fn number(self) -> u16 {
        self as u16
    }
}

/// A wire enum and its variants by number: the index is the number.
#[derive(Debug, Clone, Copy)]
pub struct WireEnum {
    /// What the enum is called in docs/protocol.md.
    pub name: &'static str,
    /// The variants, in the order of their numbers.
    pub variants: &'static [&'static str],
}

/// Every wire enum of this release. docs/protocol.md shows the same list; a test compares them.
pub const REGISTRY: &[WireEnum] = &[
    WireEnum { name: "GossipMessage", variants: &["Announce", "Leave"] },
    WireEnum { name: "AnnouncementBody", variants: &["V1"] },
    WireEnum { name: "LeaveBody", variants: &["V1"] },
    WireEnum { name: "Addr", variants: &["Relay", "V4", "V6"] },
    WireEnum {
        name: "MetaRequest",
        variants: &[
            "Whoami",
            "ListPeers",
            "Status",
            "Introducers",
            "Explain",
            "Discover",
            "Put",
            "Get",
            "List",
            "Delete",
            "Rename",
            "Copy",
            "Find",
        ],
    },
    WireEnum {
        name: "MetaResponse",
        variants: &[
            "Error",
            "Whoami",
            "Peers",
            "Status",
            "Introducers",
            "Explanation",
            "Discovered",
            "Blobs",
            "Blob",
            "Changed",
        ],
    },
    WireEnum { name: "About", variants: &["V1"] },
    WireEnum { name: "PeerEntry", variants: &["V1"] },
    WireEnum { name: "Source", variants: &["Own", "Gossip", "Told"] },
    WireEnum { name: "StatusReport", variants: &["V1"] },
    WireEnum { name: "IntroducersReport", variants: &["V1"] },
    WireEnum { name: "Introducer", variants: &["V1"] },
    WireEnum { name: "Explanation", variants: &["V1"] },
    WireEnum { name: "DiscoverReport", variants: &["V1"] },
    WireEnum { name: "BlobKey", variants: &["Name", "Hash"] },
    WireEnum { name: "NamedBlob", variants: &["V1"] },
    WireEnum { name: "NameChange", variants: &["V1"] },
    WireEnum { name: "Ticket", variants: &["V1"] },
];

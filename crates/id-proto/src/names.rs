//! The requests that are about the names of blobs. Names come undecoded, and are checked when they are
//! looked at.

use serde::{Deserialize, Serialize};

use crate::{
    blob::{BlobHash, BlobKey, BlobName, IfTaken},
    error::DecodeError,
    network::MembershipProof,
};

/// Asks a node to let a name lead to a blob that it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutRequest {
    /// Proof of membership; needed on a private network.
    pub proof: Option<MembershipProof>,
    name: String,
    hash: [u8; 32],
    replace: bool,
}

impl PutRequest {
    /// Asks that `name` lead to the blob with this hash.
    pub fn new(
        proof: Option<MembershipProof>,
        name: &BlobName,
        hash: BlobHash,
        if_taken: IfTaken,
    ) -> Self {
        let name = name.as_str().to_owned();
        Self { proof, name, hash: hash.0, replace: if_taken.replaces() }
    }

    /// The name. An error if it is none: the bytes came undecoded.
    pub fn name(&self) -> Result<BlobName, DecodeError> {
        BlobName::decode(&self.name, "name")
    }

    /// The blob that the name is to lead to.
    pub fn hash(&self) -> BlobHash {
        BlobHash(self.hash)
    }

    /// What to do if the name leads to another blob.
    pub fn if_taken(&self) -> IfTaken {
        IfTaken::of_wire(self.replace)
    }
}

/// Asks for one blob's name, hash and size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetRequest {
    /// Proof of membership; needed on a private network.
    pub proof: Option<MembershipProof>,
    key: Key,
}

/// [`BlobKey`] as it is on the wire. A new kind needs a new request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Key {
    Name(String),
    Hash([u8; 32]),
}

impl GetRequest {
    /// Asks for the blob that `key` calls.
    pub fn new(proof: Option<MembershipProof>, key: &BlobKey) -> Self {
        let key = match key {
            BlobKey::Name(name) => Key::Name(name.as_str().to_owned()),
            BlobKey::Hash(hash) => Key::Hash(hash.0),
        };
        Self { proof, key }
    }

    /// What the blob is called by. An error if it is no name: the bytes came undecoded.
    pub fn key(&self) -> Result<BlobKey, DecodeError> {
        match &self.key {
            Key::Name(name) => BlobName::decode(name, "name").map(BlobKey::Name),
            Key::Hash(hash) => Ok(BlobKey::Hash(BlobHash(*hash))),
        }
    }
}

/// Asks for the names that a node has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRequest {
    /// Proof of membership; needed on a private network.
    pub proof: Option<MembershipProof>,
    after: Option<String>,
    /// How many entries the caller wants at most.
    pub max_entries: u32,
}

impl ListRequest {
    /// Asks for at most `max_entries` names, from the first one behind `after`.
    pub fn new(proof: Option<MembershipProof>, after: Option<&BlobName>, max_entries: u32) -> Self {
        Self { proof, after: after.map(|name| name.as_str().to_owned()), max_entries }
    }

    /// The name behind which the list begins. An error if it is none: the bytes came undecoded.
    pub fn after(&self) -> Result<Option<BlobName>, DecodeError> {
        self.after.as_deref().map(|name| BlobName::decode(name, "after")).transpose()
    }
}

/// Asks a node to forget a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteRequest {
    /// Proof of membership; needed on a private network.
    pub proof: Option<MembershipProof>,
    name: String,
}

impl DeleteRequest {
    /// Asks that `name` be forgotten.
    pub fn new(proof: Option<MembershipProof>, name: &BlobName) -> Self {
        Self { proof, name: name.as_str().to_owned() }
    }

    /// The name. An error if it is none: the bytes came undecoded.
    pub fn name(&self) -> Result<BlobName, DecodeError> {
        BlobName::decode(&self.name, "name")
    }
}

/// Asks that a name lead to where another one leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FromTo {
    from: String,
    to: String,
    replace: bool,
}

impl FromTo {
    fn new(from: &BlobName, to: &BlobName, if_taken: IfTaken) -> Self {
        let (from, to) = (from.as_str().to_owned(), to.as_str().to_owned());
        Self { from, to, replace: if_taken.replaces() }
    }
}

/// What a rename and a copy have in common.
macro_rules! from_to {
    ($(#[$doc:meta])* $request:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $request {
            /// Proof of membership; needed on a private network.
            pub proof: Option<MembershipProof>,
            names: FromTo,
        }

        impl $request {
            /// Asks that `to` lead to the blob that `from` leads to.
            pub fn new(
                proof: Option<MembershipProof>,
                from: &BlobName,
                to: &BlobName,
                if_taken: IfTaken,
            ) -> Self {
                Self { proof, names: FromTo::new(from, to, if_taken) }
            }

            /// The name that leads to the blob. An error if it is none: the bytes came undecoded.
            pub fn from(&self) -> Result<BlobName, DecodeError> {
                BlobName::decode(&self.names.from, "from")
            }

            /// The name that is to lead there. An error if it is none: the bytes came undecoded.
            pub fn to(&self) -> Result<BlobName, DecodeError> {
                BlobName::decode(&self.names.to, "to")
            }

            /// What to do if that name leads to another blob.
            pub fn if_taken(&self) -> IfTaken {
                IfTaken::of_wire(self.names.replace)
            }
        }
    };
}

from_to! {
    /// Asks a node to give a blob another name instead of this one.
    RenameRequest
}

from_to! {
    /// Asks a node to give a blob another name besides this one.
    CopyRequest
}

/// Asks for the names that have a text in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindRequest {
    /// Proof of membership; needed on a private network.
    pub proof: Option<MembershipProof>,
    query: String,
    /// How many entries the caller wants at most.
    pub max_entries: u32,
}

impl FindRequest {
    /// Asks for at most `max_entries` names with `query` in them. It is held to what names are held
    /// to, because no name could have anything else in it.
    pub fn new(proof: Option<MembershipProof>, query: &BlobName, max_entries: u32) -> Self {
        Self { proof, query: query.as_str().to_owned(), max_entries }
    }

    /// What is looked for. An error if no name can have it in it: the bytes came undecoded.
    pub fn query(&self) -> Result<BlobName, DecodeError> {
        BlobName::decode(&self.query, "query")
    }
}

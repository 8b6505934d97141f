//! `node.json`: where the running instance can be reached, for programs on the same machine.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use id_proto::iroh_base::{EndpointAddr, PublicKey, TransportAddr};
use serde::{Deserialize, Serialize};

use super::files;

/// Longest file that is read. Origin: ten times the largest that is written.
const MAX_LEN: u64 = 16 * 1024;

/// What `node.json` says. Unknown fields are ignored, so that later releases can add some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeFile {
    /// The node's id.
    #[serde(with = "as_text")]
    pub node_id: PublicKey,
    /// Where it can be dialled from this machine.
    pub addrs: Vec<SocketAddr>,
    /// Its process.
    pub pid: u32,
    /// The topic's name; the secret is never written.
    pub topic: String,
    /// The network's tag, in hex.
    pub network_tag: String,
    /// Where it serves HTTP, as this machine reaches it. Earlier releases didn't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<SocketAddr>,
}

/// Why `node.json` says nothing. The file is left as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeFileError {
    /// It is not what a node writes.
    #[error("{path} is damaged: {why}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The file system refused.
    #[error("{path}: {why}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
}

impl RuntimeFile {
    pub(super) const NAME: &str = "node.json";

    /// Reads the file in `data_dir`. `None` if there is none: no node runs there.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, RuntimeFileError> {
        let path = data_dir.join(Self::NAME);
        let corrupt = |why: String| RuntimeFileError::Corrupt { path: path.clone(), why };
        match files::read_bounded(&path, MAX_LEN) {
            Ok(None) => Ok(None),
            Ok(Some(bytes)) => Self::parse(&bytes).map(Some).map_err(corrupt),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(corrupt(error.to_string()))
            }
            Err(why) => Err(RuntimeFileError::Io { path: path.clone(), why }),
        }
    }

    /// Reads the file's content, of at most 16 KiB.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for people.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() as u64 > MAX_LEN {
            return Err("larger than it can be".to_owned());
        }
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// What an endpoint on this machine can dial.
    pub fn endpoint_addr(&self) -> EndpointAddr {
        EndpointAddr::from_parts(self.node_id, self.addrs.iter().copied().map(TransportAddr::Ip))
    }

    /// The file's content.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).expect("plain fields encode");
        json.push(b'\n');
        json
    }
}

mod as_text {
    use id_proto::iroh_base::PublicKey;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(id: &PublicKey, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PublicKey, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

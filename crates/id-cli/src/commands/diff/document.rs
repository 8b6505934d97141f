//! A document that `peers --json` wrote, perhaps somebody else's, as far as it is compared.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::Deserialize;

use id_render::model;

use crate::exit::Stop;

/// Largest file that is read. Origin: twice what a million edges take.
pub(crate) const MAX_FILE_LEN: u64 = 320 << 20;

/// The part of `docs/peers.schema.json` that matters here. What is unknown is ignored.
#[derive(Debug, Deserialize)]
pub(crate) struct Document {
    format_version: String,
    pub(crate) generated_at: String,
    pub(crate) network: Network,
    pub(crate) crawl: Crawl,
    #[serde(deserialize_with = "by_id")]
    pub(crate) peers: BTreeMap<String, Peer>,
    pub(crate) edges: Option<Vec<(String, String)>>,
    #[serde(default)]
    pub(crate) edges_left_out: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Network {
    pub(crate) tag: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Crawl {
    pub(crate) source: String,
    pub(crate) depth: Option<i64>,
    pub(crate) complete: bool,
}

/// A peer, without what is different each time that one looks: times, who was first to name it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Peer {
    pub(crate) node_id: String,
    pub(crate) name: Option<String>,
    pub(crate) status: String,
    pub(crate) error: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) depth: Option<u32>,
    pub(crate) agent: Option<String>,
    pub(crate) blob_count: Option<u64>,
    pub(crate) addrs: Option<Vec<String>>,
}

impl From<&model::Peer> for Peer {
    fn from(peer: &model::Peer) -> Self {
        Self {
            node_id: peer.node_id.clone(),
            name: peer.name.clone(),
            status: peer.status.as_str().to_owned(),
            error: peer.error.map(str::to_owned),
            path: peer.path.map(str::to_owned),
            depth: peer.depth,
            agent: peer.agent.clone(),
            blob_count: peer.blob_count,
            addrs: peer.addrs.clone(),
        }
    }
}

/// Reads a file, or says what is wrong with it.
pub(super) fn read(path: &Path) -> Result<Document, Stop> {
    let said = |what: String| Stop::usage(format!("{}: {what}", path.display()));
    let bytes = read_capped(path, MAX_FILE_LEN).map_err(|error| said(error.to_string()))?;
    parse(&bytes).map_err(|what| {
        said(what).with_hint("two documents that `id-cli peers --json` wrote are compared")
    })
}

/// Reads no more than `max`, whatever the file says of its length.
fn read_capped(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let too_long = || io::Error::other(format!("it is longer than {} MiB", max >> 20));
    let file = File::open(path)?;
    if file.metadata()?.len() > max {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max { Err(too_long()) } else { Ok(bytes) }
}

fn parse(bytes: &[u8]) -> Result<Document, String> {
    let Version { format_version } =
        serde_json::from_slice(bytes).map_err(|error| format!("no such document: {error}"))?;
    if format_version.split('.').next() != Some("1") {
        return Err(format!("its format_version is {format_version}, and 1.x is understood"));
    }
    let document: Document =
        serde_json::from_slice(bytes).map_err(|error| format!("no such document: {error}"))?;
    debug_assert_eq!(document.format_version, format_version);
    Ok(document)
}

/// What is looked at first: of another version nothing else needs to be readable.
#[derive(Deserialize)]
struct Version {
    format_version: String,
}

fn by_id<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Peer>, D::Error> {
    use serde::de::Error;
    let peers = Vec::<Peer>::deserialize(deserializer)?;
    let mut by_id = BTreeMap::new();
    for peer in peers {
        if peer.node_id.len() != 64 || !peer.node_id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(D::Error::custom("a peer's node_id is none"));
        }
        if let Some(twice) = by_id.insert(peer.node_id.clone(), peer) {
            return Err(D::Error::custom(format_args!("{} is there twice", twice.node_id)));
        }
    }
    Ok(by_id)
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::output::{Format, samples};

    pub(crate) fn document(value: &Value) -> Result<Document, String> {
        parse(value.to_string().as_bytes())
    }

    pub(crate) fn sample() -> Value {
        let written = samples::rendered(Format::Json, &samples::partial_with_edges());
        serde_json::from_str(&written).unwrap()
    }

    #[test]
    fn what_peers_writes_is_read() {
        for (name, sample) in samples::all() {
            let written = samples::rendered(Format::Json, &sample);
            let document = parse(written.as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(document.peers.len(), sample.peers.len(), "{name}");
            assert_eq!(document.edges.is_some(), sample.graph.is_some(), "{name}");
            let unwritten = sample.peers.iter().map(|peer| (peer.node_id.clone(), peer.into()));
            assert_eq!(document.peers, unwritten.collect(), "{name}");
        }
    }

    #[test]
    fn later_minor_version_is_read_and_another_major_one_is_not() {
        let mut sample = sample();
        sample["format_version"] = "1.7".into();
        sample["peers"][0]["new_field"] = json!([{}]);
        assert!(document(&sample).is_ok());
        let later = json!({"format_version": "2.0"});
        assert_eq!(
            document(&later).unwrap_err(),
            "its format_version is 2.0, and 1.x is understood"
        );
    }

    #[cfg(unix)]
    #[test]
    fn file_without_an_end_is_read_no_further_than_allowed() {
        let error = read_capped(Path::new("/dev/zero"), 3 << 20).unwrap_err();
        assert_eq!(error.to_string(), "it is longer than 3 MiB");
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let mut twice = sample();
        twice["peers"][1] = twice["peers"][0].clone();
        let mut no_id = sample();
        no_id["peers"][0]["node_id"] = "../../etc".into();
        for wrong in [twice, no_id, json!({}), json!([]), json!({"format_version": "1.0"})] {
            assert!(document(&wrong).unwrap_err().starts_with("no such document"), "{wrong}");
        }
        let lines = samples::rendered(Format::Jsonl, &samples::partial());
        assert!(parse(lines.as_bytes()).is_err());
        assert!(parse(&[b'['; 1_000_000]).is_err());
    }
}

//! Which node keeps the blobs that are meant, as whom to ask it, and where blobs come from and go.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use id_client::id_proto::{BlobHash, BlobKey, BlobName, IfTaken, PeerRef, iroh_base::SecretKey};
use id_node::{data_dir::read_key, endpoint::Relay};

use super::{AskSettings, network, relay};
use crate::{
    cli::{From, GetArgs, KeeperArgs, PutArgs},
    exit::{Exit, Stop},
    source::LocalNode,
};

/// What a node is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To say or send something.
    Read,
    /// To keep or forget something.
    Write,
}

impl AskSettings {
    /// For a node that keeps blobs.
    pub(crate) fn keeper(
        node: Option<&PeerRef>,
        args: &KeeperArgs,
        purpose: Purpose,
    ) -> Result<Self> {
        let network = network(&args.network, node.into_iter())?;
        let key = args.key.as_deref().map(given_key).transpose()?;
        let timeout = args.timeout;
        if let Some(node) = node {
            let relay = relay(&args.network, &network)?;
            return Ok(Self { nodes: node.addrs().to_vec(), key, relay, network, timeout });
        }
        let local = LocalNode::find(args.network.data_dir.as_deref())?;
        let nodes = vec![local.required(&network)?];
        let key = match (key, purpose) {
            (Some(key), _) => Some(key),
            (None, Purpose::Write) => Some(operators(&local)?),
            (None, Purpose::Read) => local.key(),
        };
        // It is on this machine.
        Ok(Self { nodes, key, relay: Relay::Disabled, network, timeout })
    }
}

fn given_key(path: &Path) -> Result<SecretKey> {
    let read = read_key(path).context("--key")?;
    Ok(read.ok_or_else(|| Stop::usage(format!("--key: there is no {}", path.display())))?)
}

fn operators(local: &LocalNode) -> Result<SecretKey, Stop> {
    let failed = |message: String| Stop { exit: Exit::Failure, message, hint: None };
    match local.operator_key() {
        Ok(Some(key)) => Ok(key),
        Ok(None) => Err(failed("this machine's node has no operator-key".to_owned())
            .with_hint("it runs an earlier release: start it again with this one")),
        Err(error) => Err(failed(error.to_string())
            .with_hint("whoever runs the node can change what it keeps; others need a --key")),
    }
}

/// A file to put, and what to call it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ToPut {
    pub(crate) path: PathBuf,
    pub(crate) name: BlobName,
}

/// Settings of `put`.
#[derive(Debug)]
pub(crate) struct PutSettings {
    pub(crate) files: Vec<ToPut>,
    pub(crate) if_taken: IfTaken,
    pub(crate) ask: AskSettings,
}

impl PutSettings {
    pub(crate) fn new(args: &PutArgs) -> Result<Self> {
        let files = args.files.iter().map(|file| to_put(file, Path::exists));
        Ok(Self {
            files: files.collect::<Result<_, _>>()?,
            if_taken: if_taken(args.force),
            ask: AskSettings::keeper(args.to.as_ref(), &args.ask, Purpose::Write)?,
        })
    }
}

/// What `--force` means.
pub(crate) fn if_taken(force: bool) -> IfTaken {
    if force { IfTaken::Replace } else { IfTaken::Refuse }
}

/// A file's own name may have a colon in it.
fn to_put(text: &OsStr, is_there: impl Fn(&Path) -> bool) -> Result<ToPut, Stop> {
    let whole = Path::new(text);
    let parts = text.to_str().and_then(|text| text.rsplit_once(':'));
    match parts.filter(|(path, name)| !path.is_empty() && !name.is_empty()) {
        Some((path, name)) if !is_there(whole) => {
            let no_name = |error| Stop::usage(format!("`{name}` is no name: {error}"));
            Ok(ToPut { path: path.into(), name: BlobName::new(name).map_err(no_name)? })
        }
        _ => Ok(ToPut { path: whole.to_owned(), name: own_name(whole)? }),
    }
}

fn own_name(path: &Path) -> Result<BlobName, Stop> {
    let name = path.file_name().and_then(OsStr::to_str);
    let name = name.and_then(|name| BlobName::new(name).ok());
    let unnamed = || Stop::usage(format!("{} can't be a blob's name", path.display()));
    name.ok_or_else(|| unnamed().with_hint("give it one: FILE:NAME"))
}

/// Where a blob goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Stdout,
    File(PathBuf),
}

/// Who may have a blob.
#[derive(Debug)]
pub(crate) enum Sources {
    /// This node.
    Keeper(AskSettings),
    /// Whoever this node knows; and the node itself.
    Any(AskSettings),
}

impl Sources {
    pub(crate) fn new(from: Option<&From>, args: &KeeperArgs) -> Result<Self> {
        match from {
            Some(From::Any) => {
                let mut ask = AskSettings::keeper(None, args, Purpose::Read)?;
                // Whom it knows needn't be on this machine.
                ask.relay = relay(&args.network, &ask.network)?;
                Ok(Self::Any(ask))
            }
            Some(From::Node(node)) => {
                AskSettings::keeper(Some(node), args, Purpose::Read).map(Self::Keeper)
            }
            None => AskSettings::keeper(None, args, Purpose::Read).map(Self::Keeper),
        }
    }
}

/// Settings of `get`.
#[derive(Debug)]
pub(crate) struct GetSettings {
    pub(crate) key: BlobKey,
    pub(crate) target: Target,
    pub(crate) sources: Sources,
}

impl GetSettings {
    pub(crate) fn new(args: &GetArgs) -> Result<Self> {
        let (key, target) = to_get(&args.blob, Path::is_dir)?;
        if let Target::File(path) = &target
            && path.exists()
            && !args.force
        {
            return Err(Stop::usage(format!("{} is there already", path.display()))
                .with_hint("--force writes over it; `NAME:PATH` writes elsewhere")
                .into());
        }
        Ok(Self { key, target, sources: Sources::new(args.from.as_ref(), &args.ask)? })
    }
}

/// A hash, or else a name.
pub(crate) fn blob_key(text: &str) -> Result<BlobKey, Stop> {
    if let Ok(hash) = text.parse::<BlobHash>() {
        return Ok(BlobKey::Hash(hash));
    }
    let no_name = |error| Stop::usage(format!("`{text}` is no name: {error}"));
    BlobName::new(text).map(BlobKey::Name).map_err(no_name)
}

fn to_get(text: &str, is_dir: impl Fn(&Path) -> bool) -> Result<(BlobKey, Target), Stop> {
    let (blob, path) = text.rsplit_once(':').unwrap_or((text, ""));
    let key = blob_key(blob)?;
    let target = match path {
        "-" => Target::Stdout,
        "" => Target::File(file_name(&key)?.into()),
        path if is_dir(Path::new(path)) => Target::File(Path::new(path).join(file_name(&key)?)),
        path => Target::File(path.into()),
    };
    Ok((key, target))
}

/// What the caller calls the blob, never what a node does.
fn file_name(key: &BlobKey) -> Result<String, Stop> {
    let name = key.to_string();
    match name.rsplit('/').next() {
        None | Some("" | "." | "..") => Err(Stop::usage(format!("`{name}` is no file's name"))
            .with_hint("say where to write it: NAME:PATH")),
        Some(last) => Ok(last.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(text: &str, there: &[&str]) -> Result<(String, String), Stop> {
        let is_there = |path: &Path| there.iter().any(|it| Path::new(it) == path);
        let put = to_put(OsStr::new(text), is_there)?;
        Ok((put.path.display().to_string(), put.name.to_string()))
    }

    fn pair(a: &str, b: &str) -> (String, String) {
        (a.to_owned(), b.to_owned())
    }

    #[test]
    fn file_is_called_as_it_is_or_as_it_is_said() {
        assert_eq!(put("dir/a.pdf", &[]).unwrap(), pair("dir/a.pdf", "a.pdf"));
        assert_eq!(put("dir/a.pdf:b/c", &[]).unwrap(), pair("dir/a.pdf", "b/c"));
        assert_eq!(put("a:b", &["a:b"]).unwrap(), pair("a:b", "a:b"), "a file with a colon");
        assert_eq!(put("a:b:c", &["a:b"]).unwrap(), pair("a:b", "c"));
        assert!(put("..", &[]).unwrap_err().hint.is_some());
        assert!(put("a:b\u{7}", &[]).is_err());
    }

    #[test]
    fn blob_goes_where_it_is_said_or_into_a_file_of_its_name() {
        let get = |text: &str| to_get(text, |path| path == Path::new("/tmp"));
        let file = |path: &str| Target::File(path.into());
        assert_eq!(get("a.pdf").unwrap().1, file("a.pdf"));
        assert_eq!(get("2026/a.pdf").unwrap().1, file("a.pdf"));
        assert_eq!(get("a.pdf:-").unwrap().1, Target::Stdout);
        assert_eq!(get("a.pdf:/tmp").unwrap().1, file("/tmp/a.pdf"));
        assert_eq!(get("a.pdf:b").unwrap().1, file("b"));
        let (key, target) = get("a:b:").unwrap();
        assert_eq!((key.to_string(), target), ("a:b".to_owned(), file("a:b")));
        for odd in ["a/..", ".", "a/", "", ":x"] {
            assert!(get(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn sixty_four_hex_digits_are_a_hash() {
        let hash = "ab".repeat(32);
        assert!(matches!(blob_key(&hash), Ok(BlobKey::Hash(_))));
        assert!(matches!(blob_key(&hash[1..]), Ok(BlobKey::Name(_))));
        assert_eq!(to_get(&hash, |_| false).unwrap().1, Target::File(hash.into()));
    }
}

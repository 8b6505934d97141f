//! `get` and `cat`: what a node keeps, into a file or to stdout.

use std::{
    io::stdout,
    path::{Path, absolute},
};

use anyhow::Result;
use id_client::id_proto::{BlobKey, NamedBlob};

use super::{Keeper, from_any, print};
use crate::{
    cli::{CatArgs, GetArgs},
    exit::Exit,
    host::Host,
    output::blobs::Fetched,
    progress::ProgressMode,
    settings::{GetSettings, Sources, Target, blob_key},
    transfer::{Meter, Peer, fetch, stream},
};

pub(crate) async fn run(args: GetArgs, host: &Host) -> Result<Exit> {
    let settings = GetSettings::new(&args)?;
    let (blob, peer) = located(&settings.key, &settings.sources, host).await?;
    match &settings.target {
        Target::Stdout => to_stdout(&blob, &peer, args.progress).await?,
        Target::File(path) => {
            let fetched = to_file(&blob, &peer, path, args.progress).await?;
            print(args.json, &[fetched], None)?;
        }
    }
    Ok(Exit::Ok)
}

pub(crate) async fn cat(args: CatArgs, host: &Host) -> Result<Exit> {
    let sources = Sources::new(args.from.as_ref(), &args.ask)?;
    let (blob, peer) = located(&blob_key(&args.blob)?, &sources, host).await?;
    to_stdout(&blob, &peer, ProgressMode::None).await?;
    Ok(Exit::Ok)
}

/// What the key calls, and who has it.
async fn located(key: &BlobKey, sources: &Sources, host: &Host) -> Result<(NamedBlob, Peer)> {
    match sources {
        Sources::Keeper(ask) => {
            let keeper = Keeper::reach(ask, host).await?;
            let found = keeper.session.get_name(key).await;
            let blob = found.map_err(|error| keeper.refused(&key.to_string(), &error))?;
            Ok((blob, keeper.peer))
        }
        Sources::Any(ask) => from_any::locate(key, ask, host).await,
    }
}

async fn to_stdout(blob: &NamedBlob, peer: &Peer, progress: ProgressMode) -> Result<()> {
    let mut meter = Meter::new(progress, blob.name.as_str(), blob.size);
    stream(peer, blob.hash, &mut stdout().lock(), &mut meter).await.map(drop)
}

async fn to_file(
    blob: &NamedBlob,
    peer: &Peer,
    path: &Path,
    progress: ProgressMode,
) -> Result<Fetched> {
    let mut meter = Meter::new(progress, blob.name.as_str(), blob.size);
    let fetched_bytes = fetch(peer, blob.hash, path, &mut meter).await?;
    // What the node said of the size was its word; the file is proven.
    let size = std::fs::metadata(path)?.len();
    Ok(Fetched {
        name: blob.name.to_string(),
        hash: blob.hash.to_string(),
        size,
        path: absolute(path)?.display().to_string(),
        node_id: peer.addr.id.to_string(),
        fetched_bytes,
    })
}

//! `put`: sends files to a node, and has it give them names.

use std::path::Path;

use anyhow::{Context, Result};
use id_client::{FailKind, id_proto::IfTaken};

use super::{Keeper, print};
use crate::{
    cli::PutArgs,
    exit::Exit,
    host::Host,
    output::blobs::Changed,
    progress::ProgressMode,
    settings::{PutSettings, ToPut},
    transfer::{Meter, Outgoing},
};

/// Puts one file after the other, up to the first that can't be put.
pub(crate) async fn run(args: PutArgs, host: &Host) -> Result<Exit> {
    let settings = PutSettings::new(&args)?;
    settings.files.iter().try_for_each(|file| readable(&file.path))?;
    let keeper = Keeper::reach(&settings.ask, host).await?;
    let mut done = Vec::new();
    let mut failed = None;
    for file in &settings.files {
        match put(&keeper, file, settings.if_taken, args.progress).await {
            Ok(change) => done.push(change),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    print(args.json, &done, failed.as_ref())?;
    failed.map_or(Ok(Exit::Ok), Err)
}

/// Nothing is put if something can't be: what is typed wrong is said before anything is sent.
fn readable(path: &Path) -> Result<()> {
    let file = std::fs::File::open(path).and_then(|file| file.metadata());
    let file = file.with_context(|| format!("can't read {}", path.display()))?;
    anyhow::ensure!(file.is_file(), "{} is no file", path.display());
    Ok(())
}

/// Whether the node lets us, and has it already, is asked before anything is sent.
async fn put(
    keeper: &Keeper,
    file: &ToPut,
    if_taken: IfTaken,
    progress: ProgressMode,
) -> Result<Changed> {
    let not_put = || format!("can't put {}", file.path.display());
    let size = std::fs::metadata(&file.path).map_or(0, |file| file.len());
    let mut meter = Meter::new(progress, file.name.as_str(), size);
    let outgoing = Outgoing::read(&file.path, &mut meter).await.with_context(not_put)?;
    let name = || keeper.session.put_name(&file.name, outgoing.hash(), if_taken);
    let (named, n_sent) = match name().await {
        Err(error) if error.kind == FailKind::NoBlob => {
            let n_sent = outgoing.send(&keeper.peer, &mut meter).await.with_context(not_put)?;
            (name().await, n_sent)
        }
        named => (named, 0),
    };
    let change = named.map_err(|error| keeper.refused(file.name.as_str(), &error))?;
    Ok(Changed::new(&file.name, &change, Some(n_sent)))
}

//! `rm`, `mv` and `cp`: names change, blobs stay where they are.

use anyhow::Result;
use id_client::{AskError, id_proto::NameChange};

use super::{Keeper, print};
use crate::{
    cli::{AtArgs, CpArgs, FromTo, MvArgs, RmArgs},
    exit::Exit,
    host::Host,
    output::blobs::Changed,
    settings::{AskSettings, Purpose, if_taken},
};

/// Removes one name after the other, up to the first that can't be removed.
pub(crate) async fn rm(args: RmArgs, host: &Host) -> Result<Exit> {
    let keeper = writable(&args.at, host).await?;
    let mut removed = Vec::new();
    let mut failed = None;
    for name in &args.names {
        match keeper.session.delete_name(name).await {
            Ok(change) => removed.push(Changed::new(name, &change, None)),
            Err(error) => {
                failed = Some(keeper.refused(name.as_str(), &error).into());
                break;
            }
        }
    }
    print(args.at.json, &removed, failed.as_ref())?;
    failed.map_or(Ok(Exit::Ok), Err)
}

pub(crate) async fn mv(args: MvArgs, host: &Host) -> Result<Exit> {
    let names = args.names;
    let keeper = writable(&names.at, host).await?;
    let asked = keeper.session.rename_name(&names.name, &names.new, if_taken(names.force)).await;
    changed(&keeper, &names, asked)
}

pub(crate) async fn cp(args: CpArgs, host: &Host) -> Result<Exit> {
    let names = args.names;
    let keeper = writable(&names.at, host).await?;
    let asked = keeper.session.copy_name(&names.name, &names.new, if_taken(names.force)).await;
    changed(&keeper, &names, asked)
}

async fn writable(at: &AtArgs, host: &Host) -> Result<Keeper> {
    let ask = AskSettings::keeper(at.at.as_ref(), &at.ask, Purpose::Write)?;
    Keeper::reach(&ask, host).await
}

fn changed(keeper: &Keeper, names: &FromTo, asked: Result<NameChange, AskError>) -> Result<Exit> {
    let about = || format!("{} to {}", names.name, names.new);
    let change = asked.map_err(|error| keeper.refused(&about(), &error))?;
    print(names.at.json, &[Changed::new(&names.new, &change, None)], None)?;
    Ok(Exit::Ok)
}

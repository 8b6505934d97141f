//! `ls`: the names of what a node keeps.

use anyhow::Result;

use super::Keeper;
use crate::{
    cli::LsArgs,
    exit::Exit,
    host::Host,
    settings::{AskSettings, Purpose},
};

pub(crate) async fn run(args: LsArgs, host: &Host) -> Result<Exit> {
    let ask = AskSettings::keeper(args.at.at.as_ref(), &args.at.ask, Purpose::Read)?;
    let keeper = Keeper::reach(&ask, host).await?;
    let names = keeper.session.list_names(args.after.as_ref(), args.limit);
    keeper.list(names, args.at.json).await
}

//! `find`: the names with a text in them.

use anyhow::Result;

use super::Keeper;
use crate::{
    cli::FindArgs,
    exit::Exit,
    host::Host,
    settings::{AskSettings, Purpose},
};

pub(crate) async fn run(args: FindArgs, host: &Host) -> Result<Exit> {
    let ask = AskSettings::keeper(args.at.at.as_ref(), &args.at.ask, Purpose::Read)?;
    let keeper = Keeper::reach(&ask, host).await?;
    let names = keeper.session.find_names(&args.query, args.limit);
    keeper.list(names, args.at.json).await
}

//! What of the settings may change while a node runs, and how it is read again.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result, ensure};
use id_node::{
    AccessList, Node, ReloadEnd,
    access::{parse_ids, read_list},
    data_dir::{DataDir, DataDirError},
};
use id_proto::iroh_base::PublicKey;
use tracing::{error, info, warn};

use super::{
    Settings,
    args::{Args, Options},
};

/// The settings that a running node takes over.
#[derive(Debug)]
pub struct Live {
    pub(super) access: AccessList,
}

impl Live {
    pub(super) fn new(options: &Options) -> Result<Self> {
        Ok(Self { access: access(options)? })
    }

    /// The lists, and the keys of this node's own operator, who may read its data directory: the one as
    /// which `id-cli` hands peers over, and with an allow list the one as which it asks, for else it
    /// couldn't.
    pub fn access(&self, dir: Option<&DataDir>) -> Result<AccessList, DataDirError> {
        let mut access = self.access.clone();
        let Some(dir) = dir else {
            return Ok(access);
        };
        let operator = dir.make_operator_key()?.public();
        access.operators.insert(operator);
        access.own.insert(operator);
        match access.allow {
            Some(_) => drop(access.own.insert(dir.make_cli_key()?.public())),
            None => dir.remove_cli_key()?,
        }
        Ok(access)
    }

    fn read(args: &Args) -> Result<Self> {
        Self::new(&args.options()?)
    }
}

/// Reads again what may change, and has `node` take it over; what is wrong changes nothing. Cancel
/// safe.
pub async fn reload(node: &Node, settings: &Settings, dir: Option<&DataDir>) {
    if !has_files(settings) {
        return info!("SIGHUP: there is no configuration file and no list to read again");
    }
    let args = settings.args.clone();
    // A file may be on a disk that is slow to answer, or a pipe; the node goes on meanwhile.
    let read = tokio::task::spawn_blocking(move || Live::read(&args)).await;
    let read = read.map_err(anyhow::Error::from).flatten();
    match read.and_then(|live| Ok(live.access(dir)?)) {
        Ok(access) => apply(node, settings, access).await,
        Err(error) => {
            node.note_reload(ReloadEnd::Failed);
            let error = format!("{error:#}");
            error!(event = "reload_failed", error, "SIGHUP: nothing is changed");
        }
    }
}

/// Whether a later look may find something else. A configuration file may come to name a list.
fn has_files(settings: &Settings) -> bool {
    let Args { config, options, .. } = &settings.args;
    config.is_some() || options.deny_file.is_some() || options.allow_file.is_some()
}

async fn apply(node: &Node, settings: &Settings, access: AccessList) {
    for peer in settings.bootstrap.iter().filter(|peer| !access.admits(&peer.id)) {
        warn!(peer = %peer.id, "a --bootstrap peer isn't admitted any more; the next start will refuse it");
    }
    let (denied, allowed) = (access.deny.len(), access.allow.as_ref().map(BTreeSet::len));
    let (before, whom) = (node.view().entries.len(), access.to_string());
    node.set_access(access).await;
    let removed = before.saturating_sub(node.view().entries.len());
    node.note_reload(ReloadEnd::Applied);
    info!(event = "reloaded", denied, allowed, removed, "SIGHUP: has to do with {whom}");
}

fn access(options: &Options) -> Result<AccessList> {
    let deny = [
        options.deny.as_deref().map(|ids| listed("--deny", ids)),
        options.deny_file.as_deref().map(|file| in_file("--deny-file", file)),
    ];
    let allow = [
        options.allow.as_deref().map(|ids| listed("--allow", ids)),
        options.allow_file.as_deref().map(|file| in_file("--allow-file", file)),
    ];
    if let Some(Ok(allow)) = &allow[0] {
        // It may as well mean everybody, and is easily meant so.
        ensure!(!allow.is_empty(), "--allow: at least one node id is expected");
    }
    let operators = options.operator.as_deref().map(|ids| listed("--operator", ids)).transpose()?;
    Ok(AccessList {
        deny: union(deny)?.unwrap_or_default(),
        allow: union(allow)?,
        operators: operators.unwrap_or_default(),
        own: BTreeSet::new(),
    })
}

fn listed(flag: &str, ids: &str) -> Result<BTreeSet<PublicKey>> {
    parse_ids(ids).with_context(|| flag.to_owned())
}

fn in_file(flag: &str, file: &Path) -> Result<BTreeSet<PublicKey>> {
    read_list(file).with_context(|| format!("{flag} {}", file.display()))
}

/// All of them; `None` if there is no list at all.
fn union(lists: [Option<Result<BTreeSet<PublicKey>>>; 2]) -> Result<Option<BTreeSet<PublicKey>>> {
    let lists: Vec<_> = lists.into_iter().flatten().collect::<Result<_>>()?;
    Ok(lists.into_iter().reduce(|mut all, more| {
        all.extend(more);
        all
    }))
}

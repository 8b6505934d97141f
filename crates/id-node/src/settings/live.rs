//! What of the settings may change while a node runs.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result, anyhow, ensure};
use id_proto::{
    Network,
    iroh_base::{EndpointAddr, PublicKey},
};

use crate::{
    AccessList,
    access::{parse_ids, read_list},
    config::check_name,
    config_file::LogLevel,
    data_dir::{DataDir, DataDirError},
};

use super::{
    args::Options,
    in_force::{check_tickets, parse_bootstrap},
};

/// The keys of what is made of it.
pub const KEYS: [&str; 9] = [
    "name",
    "bootstrap",
    "deny",
    "deny-file",
    "allow",
    "allow-file",
    "operator",
    "allow-write",
    "log-level",
];

/// The settings that a running node takes over.
#[derive(Debug, Clone)]
pub struct Live {
    pub access: AccessList,
    pub name: Option<String>,
    pub bootstrap: Vec<EndpointAddr>,
    pub log_level: LogLevel,
}

impl Live {
    pub fn new(options: &Options, network: &Network) -> Result<Self> {
        let bootstrap = parse_bootstrap(options.bootstrap.as_deref())?;
        check_tickets(&bootstrap, network)?;
        Ok(Self {
            access: access(options)?,
            name: name(options.name.clone())?,
            bootstrap: bootstrap.iter().flat_map(|peer| peer.addrs()).cloned().collect(),
            log_level: options.log_level.unwrap_or_default(),
        })
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
}

fn name(name: Option<String>) -> Result<Option<String>> {
    name.as_deref().map_or(Ok(()), check_name).map_err(|why| anyhow!("--name: {why}"))?;
    Ok(name)
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
    let writers = options.allow_write.as_deref().map(|ids| listed("--allow-write", ids));
    let writers = writers.transpose()?;
    Ok(AccessList {
        deny: union(deny)?.unwrap_or_default(),
        allow: union(allow)?,
        operators: operators.unwrap_or_default(),
        writers: writers.unwrap_or_default(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_change_is_among_the_options() {
        let options = Options::default().values();
        assert!(KEYS.iter().all(|key| options.contains_key(*key)));
    }
}

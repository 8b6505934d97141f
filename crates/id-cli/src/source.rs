//! Whom to ask: the nodes that were named, this machine's own, or the topic.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use anyhow::Result;
use id_client::id_proto::{
    Network, NetworkTag,
    iroh_base::{EndpointAddr, SecretKey},
};
use id_node::data_dir::{DataDirError, RuntimeFile, cli_key, default_data_dir, operator_key};

use crate::exit::Stop;

/// Where peers come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Ask these nodes.
    Rpc(Vec<EndpointAddr>),
    /// Listen in the topic, joined through these nodes, or found in the DHT if there are none.
    Gossip(Vec<EndpointAddr>),
}

/// Which of the two the caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// To ask if there is somebody to ask, else to listen.
    Either,
    /// To ask.
    Rpc,
    /// To listen.
    Gossip,
}

/// The node that runs on this machine, if one does.
#[derive(Debug)]
pub(crate) struct LocalNode {
    data_dir: Option<PathBuf>,
    runtime: Option<RuntimeFile>,
}

impl LocalNode {
    /// Looks into `data_dir`, or where a node's data is by default.
    pub(crate) fn find(data_dir: Option<&Path>) -> Result<Self> {
        let data_dir = data_dir.map(Path::to_owned).or_else(default_data_dir);
        let runtime = data_dir.as_deref().map(RuntimeFile::read).transpose()?.flatten();
        let is_alive =
            |dir: &Path, runtime: &RuntimeFile| is_visible(runtime.pid) || is_locked(dir);
        let runtime = match (&data_dir, runtime) {
            (Some(dir), Some(runtime)) => Some(runtime).filter(|runtime| is_alive(dir, runtime)),
            _ => None,
        };
        Ok(Self { data_dir, runtime })
    }

    /// Its address, if it runs and is in `network`.
    ///
    /// # Errors
    ///
    /// If it runs in another network: then asking it would only look like finding nobody.
    pub(crate) fn in_network(&self, network: &Network) -> Result<Option<EndpointAddr>> {
        let Some(runtime) = &self.runtime else {
            return Ok(None);
        };
        if runtime.network_tag != network.tag().to_string() {
            let whose = format!("this machine's node (topic `{}`)", runtime.topic);
            return Err(other_network(&whose, &runtime.network_tag, network).into());
        }
        Ok(Some(runtime.endpoint_addr()))
    }

    /// Its address, if it runs, in whichever network.
    pub(crate) fn addr(&self) -> Option<EndpointAddr> {
        self.runtime.as_ref().map(RuntimeFile::endpoint_addr)
    }

    /// Its address, which must be there.
    pub(crate) fn required(&self, network: &Network) -> Result<EndpointAddr> {
        self.in_network(network)?.ok_or_else(|| self.missing().into())
    }

    /// The key as which it answers us, if it answers only some and we may read its data directory.
    pub(crate) fn key(&self) -> Option<SecretKey> {
        self.data_dir.as_deref().filter(|_| self.runtime.is_some()).and_then(cli_key)
    }

    /// The key that shows its operator. `None` if it is of a release that makes none.
    ///
    /// # Errors
    ///
    /// If we may not read its data directory, or others may.
    pub(crate) fn operator_key(&self) -> Result<Option<SecretKey>, DataDirError> {
        self.data_dir.as_deref().map_or(Ok(None), operator_key)
    }

    /// Whether it runs.
    pub(crate) fn runs(&self) -> bool {
        self.runtime.is_some()
    }

    pub(crate) fn missing(&self) -> Stop {
        let message = match &self.data_dir {
            Some(dir) => format!("no node runs on this machine (looked into {})", dir.display()),
            None => "no node runs on this machine".to_owned(),
        };
        Stop::no_source(message)
            .with_hint("start `id-node`, name a NODE, or give the --data-dir of a node that runs")
    }
}

impl Source {
    /// Decides. `node` and `more` are the peers that were named as the one to start from, and others.
    pub(crate) fn choose(
        wanted: Wanted,
        node: Option<&[EndpointAddr]>,
        more: Vec<EndpointAddr>,
        local: impl FnOnce() -> Result<LocalNode>,
        network: &Network,
    ) -> Result<Self> {
        let with_more = |first: &[EndpointAddr]| [first, &more].concat();
        match (wanted, node) {
            (Wanted::Gossip, Some(node)) => return Ok(Self::Gossip(with_more(node))),
            (_, Some([])) if more.is_empty() => {
                return Err(Stop::usage("the ticket names no peer").into());
            }
            (_, Some(node)) => return Ok(Self::Rpc(with_more(node))),
            _ => {}
        }
        let local = local()?;
        match (wanted, local.in_network(network)?) {
            (Wanted::Gossip, addr) => Ok(Self::Gossip(with_more(addr.as_slice()))),
            (_, Some(addr)) => Ok(Self::Rpc(with_more(&[addr]))),
            (Wanted::Rpc, None) if more.is_empty() => Err(local.missing().into()),
            (Wanted::Rpc, None) => Ok(Self::Rpc(more)),
            (Wanted::Either, None) => Ok(Self::Gossip(more)),
        }
    }
}

/// What to say when `whose` network isn't the one that the arguments make.
pub(crate) fn other_network(whose: &str, tag: &str, network: &Network) -> Stop {
    let (topic, own_tag): (_, NetworkTag) = (network.topic(), network.tag());
    Stop::usage(format!("{whose} is in network {tag}, not in {own_tag} (topic `{topic}`)"))
        .with_hint("give the --topic and --topic-secret-file of that network")
}

/// Whether the process is seen to run. Only Linux tells; others may be hidden or in a container.
fn is_visible(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

/// Whether an instance holds the directory's lock. A node that was killed leaves its `node.json`.
fn is_locked(data_dir: &Path) -> bool {
    let Ok(lock) = File::open(data_dir.join("lock")) else {
        return false;
    };
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use id_client::id_proto::iroh_base::SecretKey;

    use super::*;
    use crate::exit::Exit;

    fn addr(seed: u8) -> EndpointAddr {
        SecretKey::from_bytes(&[seed; 32]).public().into()
    }

    /// This machine with a node of the public network, whose address is the first.
    fn running() -> Result<LocalNode> {
        let runtime = RuntimeFile {
            node_id: addr(1).id,
            addrs: Vec::new(),
            pid: 1,
            topic: "a\x1b[2Jb".to_owned(),
            network_tag: Network::public().tag().to_string(),
            http: None,
        };
        Ok(LocalNode { data_dir: None, runtime: Some(runtime) })
    }

    fn idle() -> Result<LocalNode> {
        Ok(LocalNode { data_dir: None, runtime: None })
    }

    fn unasked() -> Result<LocalNode> {
        panic!("who names a node doesn't mean this machine's")
    }

    fn choose(
        wanted: Wanted,
        node: Option<u8>,
        more: &[u8],
        local: fn() -> Result<LocalNode>,
    ) -> Result<Source> {
        let node = node.map(|seed| vec![addr(seed)]);
        let more = more.iter().copied().map(addr).collect();
        Source::choose(wanted, node.as_deref(), more, local, &Network::public())
    }

    #[test]
    fn node_that_is_named_is_asked_unless_listening_is_wanted() {
        use Wanted::{Either, Gossip, Rpc};
        let both = vec![addr(2), addr(3)];
        assert_eq!(choose(Either, Some(2), &[3], unasked).unwrap(), Source::Rpc(both.clone()));
        assert_eq!(choose(Rpc, Some(2), &[3], unasked).unwrap(), Source::Rpc(both.clone()));
        assert_eq!(choose(Gossip, Some(2), &[3], unasked).unwrap(), Source::Gossip(both));
    }

    #[test]
    fn without_a_name_this_machines_node_is_meant() {
        use Wanted::{Either, Gossip, Rpc};
        let both = vec![addr(1), addr(3)];
        assert_eq!(choose(Either, None, &[3], running).unwrap(), Source::Rpc(both.clone()));
        assert_eq!(choose(Rpc, None, &[3], running).unwrap(), Source::Rpc(both.clone()));
        assert_eq!(choose(Gossip, None, &[3], running).unwrap(), Source::Gossip(both));
    }

    #[test]
    fn where_no_node_runs_the_topic_is_listened_to_unless_asking_is_wanted() {
        use Wanted::{Either, Gossip, Rpc};
        assert_eq!(choose(Either, None, &[], idle).unwrap(), Source::Gossip(vec![]));
        assert_eq!(choose(Gossip, None, &[3], idle).unwrap(), Source::Gossip(vec![addr(3)]));
        assert_eq!(choose(Rpc, None, &[3], idle).unwrap(), Source::Rpc(vec![addr(3)]));
        assert_eq!(Exit::of(&choose(Rpc, None, &[], idle).unwrap_err()), Exit::NoSource);
    }

    #[test]
    fn local_node_of_another_network_is_a_mistake_to_be_told() {
        let other = Network::derive("office", "secret").unwrap();
        let error = running().unwrap().in_network(&other).unwrap_err();
        assert_eq!(Exit::of(&error), Exit::Usage);
        assert!(error.to_string().contains(&other.tag().to_string()), "{error}");
    }
}

//! Whom what is found is handed to, and as whom.

use std::path::Path;

use anyhow::{Context, Result};
use id_client::id_proto::{
    Network, PeerRef,
    iroh_base::{EndpointAddr, SecretKey},
};
use id_node::{data_dir::read_key, endpoint::Relay};

use super::relay;
use crate::{
    cli::PeersArgs,
    exit::{Exit, Stop},
    output::short_id,
    source::{LocalNode, other_network},
};

/// Where what is found goes.
#[derive(Debug)]
pub(crate) struct Handover {
    /// Whose node it is, for people.
    pub(crate) whose: String,
    /// The node; or why there is none to hand anything to. What is found is printed all the same.
    pub(crate) to: Result<Receiver, Stop>,
}

/// A node that is handed what is found.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) node: EndpointAddr,
    /// As whom to hand over.
    pub(crate) key: SecretKey,
    pub(crate) relay: Relay,
}

/// What the arguments say.
///
/// # Errors
///
/// If they make no sense.
pub(super) fn handover(args: &PeersArgs, network: &Network) -> Result<Option<Handover>> {
    match (&args.discover_to, &args.operator_key) {
        (Some(node), Some(key)) => {
            let relay = relay(&args.network, network)?;
            to_node(node, key, relay, network).map(Some)
        }
        _ if args.discover => to_local(args.network.data_dir.as_deref(), network).map(Some),
        _ => Ok(None),
    }
}

fn to_local(data_dir: Option<&Path>, network: &Network) -> Result<Handover> {
    let local = LocalNode::find(data_dir)?;
    let to = match local.in_network(network)? {
        // It is on this machine.
        Some(node) => local_key(&local).map(|key| Receiver { node, key, relay: Relay::Disabled }),
        None => Err(local.missing()),
    };
    Ok(Handover { whose: "this machine's node".to_owned(), to })
}

fn local_key(local: &LocalNode) -> Result<SecretKey, Stop> {
    let failed = |message: String| Stop { exit: Exit::Failure, message, hint: None };
    match local.operator_key() {
        Ok(Some(key)) => Ok(key),
        Ok(None) => Err(failed("this machine's node has no operator-key".to_owned())
            .with_hint("it runs an earlier release: start it again with this one")),
        Err(error) => {
            Err(failed(error.to_string()).with_hint("whoever runs the node can hand peers to it"))
        }
    }
}

fn to_node(node: &PeerRef, key: &Path, relay: Relay, network: &Network) -> Result<Handover> {
    if let PeerRef::Ticket(ticket) = node
        && ticket.network_tag != network.tag()
    {
        let tag = ticket.network_tag.to_string();
        return Err(other_network("the ticket of --discover-to", &tag, network).into());
    }
    let [node] = node.addrs() else {
        return Err(Stop::usage("--discover-to: the ticket must name one peer").into());
    };
    let read = read_key(key).context("--operator-key")?;
    let key =
        read.ok_or_else(|| Stop::usage(format!("--operator-key: there is no {}", key.display())))?;
    let whose = short_id(&node.id.to_string()).to_owned();
    Ok(Handover { whose, to: Ok(Receiver { node: node.clone(), key, relay }) })
}

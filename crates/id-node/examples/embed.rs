//! A program that embeds a node: `cargo run -p id-node --example embed -- [TICKET]…`
//!
//! It says whom it meets, until Ctrl-C.

use std::collections::BTreeSet;

use id_node::{
    Node, NodeConfig,
    endpoint::{EndpointOptions, bind},
    id_client::id_proto::{Network, PeerRef},
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let network = Network::derive("embed-example", "on this machine alone")?;
    let peers = PeerRef::parse_list(&std::env::args().skip(1).collect::<Vec<_>>().join(","))?;
    let bootstrap = peers.iter().flat_map(|peer| peer.addrs().to_vec()).collect();
    let loopback = Some("127.0.0.1:0".parse()?);
    let endpoint = bind(EndpointOptions { bind: loopback, ..Default::default() }).await?;

    let name = Some("embedded".to_owned());
    let config = NodeConfig { name, bootstrap, ..NodeConfig::new(network) };
    let node = Node::spawn(endpoint, config).await?;
    println!("this is {}", node.id());
    println!("run this again with: {}", node.ticket());

    tokio::select! {
        () = greet(&node) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    node.shutdown().await;
    Ok(())
}

/// Says who is there for the first time.
async fn greet(node: &Node) {
    let (mut views, mut met) = (node.watch(), BTreeSet::new());
    views.mark_changed();
    while views.changed().await.is_ok() {
        for peer in &views.borrow_and_update().entries {
            if met.insert(peer.node_id()) {
                println!("met {} {:?}", peer.node_id(), peer.announcement.name);
            }
        }
    }
}

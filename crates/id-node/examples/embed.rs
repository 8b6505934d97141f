//! A program that embeds a node: `cargo run -p id-node --example embed -- [TICKET]…`

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
    println!("run this again with: {}", node.ticket());

    let mut views = node.watch();
    tokio::select! {
        _ = views.wait_for(|view| !view.entries.is_empty()) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    for entry in node.entries() {
        println!("{} {:?}", entry.announcement.node_id, entry.announcement.name);
    }
    node.shutdown().await;
    Ok(())
}

//! `ping`: whether a node is there, how it is reached, and how long that takes.

use std::io::{Write, stdout};

use anyhow::Result;
use id_client::{Client, Pong};

use crate::{
    cli::PingArgs, commands::ask_first, exit::Exit, host::Host, output::short_id,
    settings::AskSettings,
};

pub(crate) async fn run(args: PingArgs, host: &Host) -> Result<Exit> {
    let settings = AskSettings::try_from(&args)?;
    let endpoint = host.endpoint(settings.relay.clone(), settings.key.clone()).await?;
    let client =
        Client::new(endpoint).with_network(settings.network.clone()).with_timeout(settings.timeout);
    for _ in 0..args.count.get() {
        // `ask` has to know whom it asked, for the answer may be from any of a ticket's nodes.
        let ping = |node: id_client::iroh::EndpointAddr| {
            let id = node.id.to_string();
            let pong = client.ping(node);
            async move { pong.await.map(|pong| (id, pong)) }
        };
        let (node_id, pong) = ask_first(&settings.nodes, ping).await?;
        writeln!(stdout(), "{}", line(&node_id, &pong))?;
    }
    Ok(Exit::Ok)
}

fn line(node_id: &str, pong: &Pong) -> String {
    let millis = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
    format!(
        "{} answered in {:.1} ms, {} path, RTT {:.1} ms",
        short_id(node_id),
        millis(pong.elapsed),
        pong.route.path.as_str(),
        millis(pong.route.rtt),
    )
}

//! `ticket`: what to hand to somebody who shall find a node's network.

use std::io::{Write, stdout};

use anyhow::Result;
use id_client::{
    Client, FailKind, Whoami,
    id_proto::{Ticket, iroh_base::EndpointAddr},
};

use crate::{
    cli::TicketArgs,
    commands::{ask_first, not_reached},
    exit::{Exit, Stop},
    host::Host,
    settings::TicketSettings,
    talk,
};

pub(crate) async fn run(args: TicketArgs, host: &Host) -> Result<Exit> {
    let settings = TicketSettings::new(&args)?;
    let ask = &settings.ask;
    let endpoint = host.endpoint(ask.relay.clone(), ask.key.clone()).await?;
    let client = Client::new(endpoint).with_network(ask.network.clone()).with_timeout(ask.timeout);
    // The node is asked, because it knows best where it can be reached.
    let answer = |node: EndpointAddr| {
        let whoami = client.whoami(node.clone());
        async move { whoami.await.map(|whoami| (node, whoami)) }
    };
    let (node, whoami) = ask_first(&ask.nodes, answer).await?;
    let ticket = Ticket {
        network_tag: ask.network.tag(),
        peers: vec![announced_addr(&node, &whoami)?],
        invitation: settings.invitation.clone(),
    };
    writeln!(stdout(), "{ticket}")?;
    if ticket.invitation.is_some() {
        talk::warning("this ticket holds the secret: whoever sees it is let in");
    }
    Ok(Exit::Ok)
}

/// Where the node says it can be dialled; where we dialled it, if it announces nothing.
fn announced_addr(node: &EndpointAddr, whoami: &Whoami) -> Result<EndpointAddr, Stop> {
    let Some(about) = &whoami.about else {
        let why = "this network is private";
        return Err(not_reached(&node.id.to_string(), FailKind::NotMember, why));
    };
    let announced = about.announcement.endpoint_addr();
    Ok(if announced.is_empty() { node.clone() } else { announced })
}

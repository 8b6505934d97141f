//! `explain`: what a node knows of a peer, and why.

use std::{io::stdout, time::SystemTime};

use anyhow::Result;
use id_client::{
    AskError, Client,
    id_proto::iroh_base::{EndpointAddr, PublicKey},
};

use crate::{
    cli::ExplainArgs,
    commands::ask_first,
    exit::Exit,
    host::Host,
    output::explain::{Answer, ExplainDocument},
    settings::ExplainSettings,
};

pub(crate) async fn run(args: ExplainArgs, host: &Host) -> Result<Exit> {
    let settings = ExplainSettings::new(&args)?;
    let (peer, ask) = (settings.peer, settings.ask);
    let endpoint = host.endpoint(ask.relay.clone(), ask.key.clone()).await?;
    let client = Client::new(endpoint).with_network(ask.network.clone()).with_timeout(ask.timeout);
    let answer = ask_first(&ask.nodes, |node| explain(client.clone(), node, peer)).await?;
    let document = ExplainDocument::new(&answer, SystemTime::now());
    match args.json {
        true => document.render_json(&mut stdout().lock())?,
        false => document.render_text(&mut stdout().lock())?,
    }
    Ok(Exit::Ok)
}

async fn explain(client: Client, node: EndpointAddr, peer: PublicKey) -> Result<Answer, AskError> {
    let session = client.connect(node).await?;
    let explanation = session.explain(peer).await?;
    Ok(Answer { by: session.remote_id(), route: session.route(), explanation })
}

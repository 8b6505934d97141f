//! `status`, also called `whoami`: who a node is and how it is doing.

use std::{io::stdout, time::SystemTime};

use anyhow::Result;
use id_client::{AskError, Client, iroh::EndpointAddr};

use crate::{
    cli::StatusArgs,
    commands::{ask_first, hint},
    exit::Exit,
    host::Host,
    output::status::{Answers, StatusDocument},
    settings::AskSettings,
    talk,
};

pub(crate) async fn run(args: StatusArgs, host: &Host) -> Result<Exit> {
    let settings = AskSettings::try_from(&args)?;
    let endpoint = host.endpoint(settings.relay.clone(), settings.key.clone()).await?;
    let client =
        Client::new(endpoint).with_network(settings.network.clone()).with_timeout(settings.timeout);
    let answers = ask_first(&settings.nodes, |node| ask(client.clone(), node)).await?;
    let document = StatusDocument::new(&answers, SystemTime::now());
    match args.json {
        true => document.render_json(&mut stdout().lock())?,
        false => document.render_text(&mut stdout().lock())?,
    }
    if let Err(error) = &answers.status {
        talk::warning(&format!("the node doesn't say how it is doing: {error}"));
        hint(error.kind.as_str()).into_iter().for_each(talk::hint);
    }
    if let Some(Err(error)) = &answers.introducers {
        talk::warning(&format!("the node doesn't say who brought its peers: {error}"));
        hint(error.kind.as_str()).into_iter().for_each(talk::hint);
    }
    Ok(Exit::Ok)
}

/// A node that says who it is has answered, even if it says no more to strangers.
async fn ask(client: Client, node: EndpointAddr) -> Result<Answers, AskError> {
    let session = client.connect(node).await?;
    let whoami = session.whoami().await?;
    let status = session.status().await;
    let introducers = match &status {
        Ok(_) => Some(session.introducers().await),
        Err(_) => None,
    };
    Ok(Answers {
        node_id: session.remote_id(),
        route: session.route(),
        whoami,
        status,
        introducers,
    })
}

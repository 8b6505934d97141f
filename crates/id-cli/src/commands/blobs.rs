//! What the commands about blobs have in common.

mod find;
mod from_any;
mod get;
mod ls;
mod names;
mod put;

use std::{
    io::{Stdout, stdout},
    time::SystemTime,
};

use anyhow::Result;
use futures::{Stream, StreamExt};
use id_client::{
    AskError, Client, FailKind, Session,
    id_proto::{
        NamedBlob,
        iroh_base::{EndpointAddr, PublicKey},
    },
};

pub(super) use self::{
    find::run as find,
    get::{cat, run as get},
    ls::run as ls,
    names::{cp, mv, rm},
    put::run as put,
};
use super::{ask_first, hint, not_reached};
use crate::{
    exit::{Exit, Stop},
    host::Host,
    output::{
        blobs::{Item, Listing, Named},
        short_id,
    },
    settings::AskSettings,
    transfer::Peer,
};

/// Most names that are printed before whoever reads gets them. Origin: a page's worth.
const MAX_AT_ONCE: usize = 256;

/// A node that keeps blobs, and has been reached.
pub(super) struct Keeper {
    pub(super) session: Session,
    pub(super) peer: Peer,
    /// As whom it is asked.
    me: PublicKey,
}

impl Keeper {
    pub(super) async fn reach(ask: &AskSettings, host: &Host) -> Result<Self> {
        let endpoint = host.endpoint(ask.relay.clone(), ask.key.clone()).await?;
        let me = endpoint.id();
        let client = Client::new(endpoint.clone());
        let client = client.with_network(ask.network.clone()).with_timeout(ask.timeout);
        let reached = |node: EndpointAddr| {
            let connecting = client.connect(node.clone());
            async move { connecting.await.map(|session| (session, node)) }
        };
        let (session, addr) = ask_first(&ask.nodes, reached).await?;
        Ok(Self { session, peer: Peer { endpoint, addr, silence: ask.timeout }, me })
    }

    /// What an error of this node's means. `about` is what was asked about.
    pub(super) fn refused(&self, about: &str, error: &AskError) -> Stop {
        refused(&self.peer.addr.id, &self.me, about, error)
    }

    /// Prints names as they come.
    async fn list(
        &self,
        names: impl Stream<Item = Result<NamedBlob, AskError>>,
        json: bool,
    ) -> Result<Exit> {
        let mut listing = start(json)?;
        let mut names = std::pin::pin!(names.ready_chunks(MAX_AT_ONCE));
        let mut n_listed = 0;
        while let Some(chunk) = names.next().await {
            for named in chunk {
                match named {
                    Ok(named) => listing.item(&Named::from(&named))?,
                    Err(error) => {
                        let mut stop = self.refused("its names", &error);
                        listing.end(Some(error.kind.as_str()))?;
                        if n_listed > 0 {
                            stop.exit = Exit::StoppedEarly;
                        }
                        return Err(stop.into());
                    }
                }
                n_listed += 1;
            }
            listing.flush()?;
        }
        listing.end(None)?;
        Ok(Exit::Ok)
    }
}

fn start(json: bool) -> Result<Listing<Stdout>> {
    Ok(Listing::start(stdout(), json, SystemTime::now())?)
}

/// Prints what was done, as far as it was done.
fn print<I: Item>(json: bool, done: &[I], failed: Option<&anyhow::Error>) -> Result<()> {
    let mut listing = start(json)?;
    done.iter().try_for_each(|item| listing.item(item))?;
    let error = failed.map(|error| format!("{error:#}"));
    Ok(listing.end(error.as_deref())?)
}

fn refused(node: &PublicKey, me: &PublicKey, about: &str, error: &AskError) -> Stop {
    let node = node.to_string();
    let why = match error.kind {
        FailKind::NotWriter => "doesn't let us change what it keeps",
        FailKind::NotFound => "has nothing called that",
        FailKind::NameTaken => "has another blob called that",
        FailKind::NoBlob => "doesn't have all of it",
        FailKind::Full => "has no room for it",
        FailKind::Unsupported => "keeps no blobs",
        _ => return not_reached(&node, error.kind, &error.message),
    };
    let message = format!("{about}: {} {why} ({})", short_id(&node), error.message);
    let stop = Stop { exit: Exit::Failure, message, hint: None };
    match error.kind {
        FailKind::NotWriter => stop.with_hint(format!(
            "its operator names by --allow-write who may; this key's id is {me}"
        )),
        kind => match hint(kind.as_str()) {
            Some(hint) => stop.with_hint(hint),
            None => stop,
        },
    }
}

#[cfg(test)]
mod tests {
    use id_client::id_proto::iroh_base::SecretKey;

    use super::*;

    #[test]
    fn every_refusal_says_what_to_try_and_is_a_failure() {
        let id = |byte| SecretKey::from_bytes(&[byte; 32]).public();
        for kind in [FailKind::NotWriter, FailKind::NotFound, FailKind::NameTaken] {
            let stop = refused(&id(1), &id(2), "a.pdf", &AskError::new(kind, "no"));
            assert!(stop.message.starts_with("a.pdf: ") && stop.message.ends_with("(no)"));
            assert_eq!(stop.exit, Exit::Failure);
            assert!(stop.hint.is_some(), "{kind:?}");
        }
        let lost = refused(&id(1), &id(2), "a.pdf", &AskError::new(FailKind::Lost, "gone"));
        assert_eq!(lost.exit, Exit::NoSource);
        let stop = refused(&id(1), &id(2), "a", &AskError::new(FailKind::NotWriter, ""));
        assert!(stop.hint.unwrap().contains(&id(2).to_string()), "whom to allow");
    }
}

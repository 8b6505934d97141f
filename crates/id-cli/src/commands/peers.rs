//! `peers`: the peers that nodes know, or that announce themselves.

mod gossip;
mod handover;
mod resume;
pub(super) mod rpc;
mod verdict;

use std::time::SystemTime;

use anyhow::Result;
use id_client::{Past, StopReason, id_proto::SignedAnnouncement, iroh::Endpoint};

use self::resume::{Frame, Journal};
use crate::{
    cli::PeersArgs,
    exit::{Exit, Stop},
    host::Host,
    interrupt::Interrupt,
    output::{Printer, TOOL},
    progress::Progress,
    settings::PeersSettings,
    source::{Source, Wanted},
    talk,
};
use id_render::{Document, Header};

pub(crate) async fn run(args: PeersArgs, host: &Host) -> Result<Exit> {
    let settings = PeersSettings::new(args)?;
    if settings.progress.is_chatty() {
        fallback(&settings).into_iter().for_each(talk::note);
    }
    let interrupt = host.interrupts.listen()?;
    let header = Header::new(TOOL, &settings.network, SystemTime::now());
    let resumed = resumed(&settings, &header)?;
    let mut search = Search {
        endpoint: endpoint(&settings, host).await?,
        printer: Printer::start(settings.format, &header)?,
        progress: Progress::start(settings.progress),
        settings: &settings,
        interrupt,
        resumed,
    };
    let mut outcome = match &settings.source {
        Source::Rpc(seeds) => search.crawl(header, seeds).await?,
        Source::Gossip(bootstrap) => search.listen(header, bootstrap).await?,
    };
    let Search { printer, progress, mut interrupt, .. } = search;
    // The bar goes before data comes.
    drop(progress);
    if let Some(handover) = &settings.handover {
        handover::perform(handover, &settings, host, &mut outcome, &mut interrupt).await;
    }
    // From here on Ctrl-C ends us at once.
    drop(interrupt);
    printer.finish(&outcome.document)?;
    host.learn(&settings.network, &outcome.document);
    Ok(verdict::pronounce(&outcome, &settings))
}

/// Who listens in a topic takes in connections too, and leaves its endpoint so.
async fn endpoint(settings: &PeersSettings, host: &Host) -> Result<Endpoint> {
    let (relay, key) = (settings.relay.clone(), settings.key.clone());
    match settings.source {
        Source::Rpc(_) => host.endpoint(relay, key).await,
        Source::Gossip(_) => host.own_endpoint(relay, key).await,
    }
}

/// Opens the file that is to be gone on from, if there is to be one.
fn resumed(settings: &PeersSettings, header: &Header) -> Result<Option<(Journal, Past)>> {
    let (Some(path), Source::Rpc(seeds)) = (&settings.resume, &settings.source) else {
        return Ok(None);
    };
    let frame = Frame {
        seeds: seeds.iter().map(|seed| seed.id).collect(),
        max_peers: settings.limits.max_peers.get(),
        network_tag: settings.network.tag(),
    };
    let (journal, past) = Journal::open(path, header, &frame, SystemTime::now())?;
    if settings.progress.is_chatty() && past.n_answers() > 0 {
        talk::note(&format!("{} answers are in {}", past.n_answers(), path.display()));
    }
    Ok(Some((journal, past)))
}

/// What to say when nobody can be asked, and nobody has said that that is wanted.
fn fallback(settings: &PeersSettings) -> Option<&'static str> {
    let is_fallback =
        settings.wanted == Wanted::Either && matches!(settings.source, Source::Gossip(_));
    is_fallback.then_some("no node runs on this machine; listening in the topic instead")
}

/// What a search for peers works with. `rpc` and `gossip` are the two ways to search.
struct Search<'a> {
    settings: &'a PeersSettings,
    endpoint: Endpoint,
    interrupt: Interrupt,
    progress: Progress,
    printer: Printer,
    /// What a crawl that was killed has noted, and where this one is to.
    resumed: Option<(Journal, Past)>,
}

/// What came of a search.
#[derive(Debug)]
struct Outcome {
    document: Document,
    stopped_by: Option<StopReason>,
    reached: Reached,
    /// What may be handed to a node.
    found: Vec<SignedAnnouncement>,
    /// Why it wasn't handed over, or not all of it.
    not_handed: Option<Stop>,
}

/// Whether anybody was there to tell of peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    Somebody,
    Nobody,
}

//! `doctor`: why has this node no peers?

mod local;
mod network;
mod peers;
mod relays;
mod topic;

use std::{
    io::stdout,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result};
use id_client::{
    Client,
    id_proto::{PeerRef, iroh_base::EndpointAddr},
    iroh::Endpoint,
};
use id_node::{
    checkup,
    data_dir::cli_key,
    endpoint::{self, EndpointOptions},
    settings::Settings,
};
use tokio::time::timeout;

use crate::{
    cli::DoctorArgs,
    doctor::{
        Diagnosis, Facts,
        facts::{Instance, Own},
    },
    exit::{Exit, Stop},
    output::doctor::Document,
    talk,
};

/// How long one probe may take. Origin: the whole run is to end within 15 s, and all probes run at once.
const PROBE_TIMEOUT: Duration = Duration::from_secs(13);
/// How long the local network is listened to. Origin: it is asked after half a second, and twice a second.
const MDNS_TIME: Duration = Duration::from_millis(1_600);
/// How long closing the endpoint may take. Origin: as everywhere here.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(100);

/// What is looked at.
struct Patient {
    settings: Settings,
    /// Named on the command line.
    named: Vec<EndpointAddr>,
    endpoint: Endpoint,
    client: Client,
}

pub(crate) async fn run(args: DoctorArgs) -> Result<Exit> {
    let named = args.nodes.iter().flat_map(PeerRef::addrs).cloned().collect();
    let settings = Settings::of_options(args.config, args.node);
    let settings =
        settings.map_err(|error| Stop::usage(format!("the node's settings: {error}")))?;
    let patient = Patient::new(settings, named).await?;
    let facts = patient.examine().await;
    let _ = timeout(CLOSE_TIMEOUT, patient.endpoint.close()).await;

    let diagnosis = Diagnosis::of(&facts);
    let document = Document::new(&facts, &diagnosis, SystemTime::now());
    match args.json {
        true => document.render_json(&mut stdout().lock())?,
        false => document.render_text(&mut stdout().lock())?,
    }
    Ok(diagnosis.fault().map_or(Exit::Ok, |_| Exit::Unmet))
}

impl Patient {
    /// Binds an endpoint as the node's settings say, but as somebody else, on another port.
    async fn new(settings: Settings, named: Vec<EndpointAddr>) -> Result<Self> {
        let options = EndpointOptions {
            // A node that answers only some knows this one.
            secret_key: settings.data_dir.as_deref().and_then(cli_key),
            bind: settings.bind.map(|addr| (addr.ip(), 0).into()),
            preferred_port: None,
            relay: settings.relay.clone(),
        };
        let endpoint = endpoint::bind(options).await.context("can't open a socket")?;
        let client = Client::new(endpoint.clone())
            .with_network(settings.network.clone())
            .with_timeout(peers::PEER_TIMEOUT);
        Ok(Self { settings, named, endpoint, client })
    }

    /// Runs all probes at once.
    async fn examine(&self) -> Facts {
        let (instance, runtime) = local::instance(&self.settings).await;
        let own = peers::own(self, &instance, runtime.as_ref());
        let own = within("node", own).await.unwrap_or(Own::NotRunning);
        let own_id = runtime.as_ref().map(|runtime| runtime.node_id);
        let is_alone = matches!(instance, Instance::None);
        let network = &self.settings.network;
        let dht = async {
            let bootstrap = self.settings.dht.as_ref()?;
            within("DHT", checkup::dht(bootstrap, network)).await
        };
        let mdns = async {
            let wanted = self.settings.mdns && self.settings.gossip;
            let listening = checkup::mdns(network, own_id, MDNS_TIME);
            if wanted { within("local network", listening).await } else { None }
        };
        let (names, (relays, outside), dht, mdns, (peers, heard)) = tokio::join!(
            within("names", network::names(self)),
            relays::look(self),
            dht,
            mdns,
            self.meet(own_id, is_alone),
        );
        Facts {
            config: local::config(&self.settings),
            data_dir: local::data_dir(&self.settings),
            key: local::key(&self.settings),
            instance,
            own,
            ways_out: network::ways_out(),
            names: names.unwrap_or_default(),
            outside,
            relays,
            dht,
            mdns,
            peers,
            heard,
        }
    }

    /// Asks those whom the node is told of, and at the same time finds others, by asking the node or, if
    /// none runs, by listening in its place.
    async fn meet(
        &self,
        own_id: Option<id_client::id_proto::iroh_base::PublicKey>,
        is_alone: bool,
    ) -> (Vec<crate::doctor::facts::Peer>, Option<crate::doctor::facts::Heard>) {
        let found = async {
            match (own_id, is_alone && self.settings.gossip) {
                (_, true) => topic::listen(&self.settings).await,
                (Some(_), false) => (peers::known_to_node(self).await, None),
                (None, false) => (Vec::new(), None),
            }
        };
        let told = within("named peers", peers::told(self));
        let found = async {
            let (found, heard) = within("other peers", found).await.unwrap_or_default();
            (peers::found(self, own_id, found).await, heard)
        };
        let (told, (found, heard)) = tokio::join!(told, found);
        (told.into_iter().flatten().chain(found).collect(), heard)
    }
}

/// What `probe` saw, if it saw it in time; says so on stderr.
async fn within<T>(what: &str, probe: impl Future<Output = T>) -> Option<T> {
    let started = Instant::now();
    let seen = timeout(PROBE_TIMEOUT, probe).await.ok();
    let how = if seen.is_some() { "looked at" } else { "gave up on" };
    talk::note(&format!("{how} {what} ({:.1} s)", started.elapsed().as_secs_f64()));
    seen
}

//! Relays, and how this machine looks to them.

use std::time::Duration;

use futures::future::join_all;
use id_client::iroh::{Endpoint, RelayUrl, Watcher, endpoint::RelayStatus};
use id_node::endpoint::Relay as Chosen;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{Patient, network::relay_urls, within};
use crate::doctor::facts::{Outside, Relay, RelayState};

/// How long a relay may take. Origin: iroh probes relays for 3 s before it chooses one, and gives a report
/// up after 5 s.
const RELAY_TIMEOUT: Duration = Duration::from_secs(8);
/// How long a TCP handshake with a relay may take. Origin: SYN is sent three times by then.
const TCP_TIMEOUT: Duration = Duration::from_secs(4);
/// Rest between two looks at what costs nothing to look at.
const REST: Duration = Duration::from_millis(50);

pub(super) async fn look(patient: &Patient) -> (Vec<Relay>, Option<Outside>) {
    let relay = &patient.settings.relay;
    if *relay == Chosen::Disabled {
        return (Vec::new(), None);
    }
    let urls = relay_urls(relay);
    within("relays", async {
        tokio::join!(states(&patient.endpoint, &urls), outside(&patient.endpoint, relay))
    })
    .await
    .unwrap_or_default()
}

/// What became of each relay.
async fn states(endpoint: &Endpoint, urls: &[RelayUrl]) -> Vec<Relay> {
    // Whom TCP doesn't reach needn't be waited for.
    let hopeless = async {
        let errors = join_all(urls.iter().map(tcp_error)).await;
        if errors.iter().any(Option::is_none) {
            std::future::pending::<()>().await;
        }
        errors
    };
    let errors = tokio::select! {
        home = connected(endpoint) => {
            let state = |url: &RelayUrl| if *url == home { RelayState::Connected } else { RelayState::Spare };
            return urls.iter().map(|url| named(url, state(url))).collect();
        }
        errors = hopeless => errors,
        () = sleep(RELAY_TIMEOUT) => join_all(urls.iter().map(tcp_error)).await,
    };
    let last = last_error(endpoint);
    let failed = urls.iter().zip(errors).map(|(url, error)| {
        let error =
            error.or_else(|| last.clone()).unwrap_or_else(|| "no answer in time".to_owned());
        named(url, RelayState::Failed(error))
    });
    failed.collect()
}

fn named(url: &RelayUrl, state: RelayState) -> Relay {
    Relay { url: url.to_string(), state }
}

/// The home relay, once it is connected.
async fn connected(endpoint: &Endpoint) -> RelayUrl {
    let mut statuses = endpoint.home_relay_status();
    loop {
        if let Some(home) = statuses.get().iter().find(|status| status.is_connected()) {
            return home.url().clone();
        }
        if statuses.updated().await.is_err() {
            sleep(REST).await;
        }
    }
}

fn last_error(endpoint: &Endpoint) -> Option<String> {
    let statuses = endpoint.home_relay_status().get();
    statuses.iter().find_map(RelayStatus::last_error).map(ToString::to_string)
}

/// Why TCP doesn't reach it; `None` if it does.
async fn tcp_error(url: &RelayUrl) -> Option<String> {
    let (host, port) = (url.host_str()?, url.port_or_known_default()?);
    match timeout(TCP_TIMEOUT, TcpStream::connect((host, port))).await {
        Err(_) => Some("no answer to TCP".to_owned()),
        Ok(Err(error)) => Some(error.to_string()),
        Ok(Ok(_)) => None,
    }
}

/// What iroh's own report says. Relays of one's own may not tell anything by UDP.
async fn outside(endpoint: &Endpoint, relay: &Chosen) -> Option<Outside> {
    let mut watcher = endpoint.net_report();
    let report = timeout(RELAY_TIMEOUT, watcher.initialized()).await.ok()?;
    let v4 = report.global_v4.map(Into::into);
    let v6 = report.global_v6.map(Into::into);
    let tells = *relay == Chosen::Default || report.has_udp();
    tells.then(|| Outside {
        udp_v4: report.udp_v4,
        udp_v6: report.udp_v6,
        addrs: v4.into_iter().chain(v6).collect(),
        mapping_varies: report.mapping_varies_by_dest(),
        captive_portal: report.captive_portal.unwrap_or(false),
    })
}

//! What a crawl asks through.

use std::{fmt, sync::Arc};

use id_proto::Network;
use iroh::{Endpoint, EndpointAddr};

use crate::{
    address_policy::AddressPolicy,
    client::Client,
    crawl::limits::Limits,
    endpoints::{Endpoints, InTurns},
    transport::Transport,
};

pub(super) enum Dialler {
    Endpoint(Endpoint),
    Endpoints(Arc<Endpoints>),
    Transport(Arc<dyn Transport>),
}

impl Dialler {
    /// What may be dialled, unless the caller says otherwise.
    pub(super) fn policy(&self, network: &Network, seeds: &[EndpointAddr]) -> AddressPolicy {
        let endpoint = match self {
            Self::Endpoint(endpoint) => endpoint,
            Self::Endpoints(endpoints) => endpoints.first(),
            Self::Transport(_) => return AddressPolicy::anything(),
        };
        AddressPolicy::of_crawl(network, &endpoint.addr(), seeds)
    }

    pub(super) fn into_transport(self, network: &Network, limits: &Limits) -> Arc<dyn Transport> {
        let (network, timeout) = (network.clone(), limits.ask_timeout);
        match self {
            Self::Endpoint(endpoint) => {
                Arc::new(Client::new(endpoint).with_network(network).with_timeout(timeout))
            }
            Self::Endpoints(endpoints) => Arc::new(InTurns { endpoints, network, timeout }),
            Self::Transport(transport) => transport,
        }
    }
}

impl fmt::Debug for Dialler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Endpoint(_) => "Endpoint",
            Self::Endpoints(_) => "Endpoints",
            Self::Transport(_) => "Transport",
        })
    }
}

//! Somebody in the network: a key, an endpoint, and how well they hear.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use id_proto::{SignedAnnouncement, version::META_ALPN};
use iroh::{
    Endpoint, PublicKey, RelayMode, SecretKey, TransportAddr,
    endpoint::{Connection, PortmapperConfig, QuicTransportConfig, VarInt, presets},
};
use tokio::time::timeout;

use crate::{
    guard::{LocalIp, OnlyLocal, Target},
    stage::Stage,
    statements,
    swarm_wire::GOSSIP_ALPN,
};

/// How long a dial may take. Origin: loopback; a node that is slower is under attack already.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// How much a deaf one lets others send on a stream that it never reads, in bytes. Origin: two or
/// three announcements; the smaller, the sooner whoever sends must wait.
const DEAF_WINDOW: u32 = 512;

/// Whether it takes what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hearing {
    Good,
    /// QUIC acknowledges every packet, and keeps the connection alive; streams stay full.
    Deaf,
}

/// Somebody.
#[derive(Debug, Clone)]
pub(crate) struct Persona {
    pub(crate) stage: Arc<Stage>,
    endpoint: Endpoint,
}

impl Persona {
    pub(crate) async fn bind(
        stage: Arc<Stage>,
        key: SecretKey,
        at: LocalIp,
        hearing: Hearing,
    ) -> Result<Self> {
        let builder = Endpoint::builder(presets::Minimal)
            .relay_mode(RelayMode::Disabled)
            .portmapper_config(PortmapperConfig::Disabled)
            .clear_ip_transports()
            .hooks(OnlyLocal)
            .transport_config(transport(hearing))
            .alpns(vec![META_ALPN.to_vec(), GOSSIP_ALPN.to_vec()])
            .secret_key(key);
        let builder = builder.bind_addr(at.any_port()).context("no such address")?;
        let endpoint = builder.bind().await.with_context(|| format!("can't listen at {at}"))?;
        Ok(Self { stage, endpoint })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn id(&self) -> PublicKey {
        self.endpoint.id()
    }

    pub(crate) fn key(&self) -> &SecretKey {
        self.endpoint.secret_key()
    }

    /// Where it listens.
    pub(crate) fn sockets(&self) -> BTreeSet<SocketAddr> {
        self.endpoint.bound_sockets().into_iter().collect()
    }

    /// The same, as announcements hold it.
    pub(crate) fn addrs(&self) -> Vec<TransportAddr> {
        self.sockets().into_iter().map(TransportAddr::Ip).collect()
    }

    /// How others name it.
    pub(crate) fn reference(&self) -> String {
        let sockets: Vec<_> = self.sockets().iter().map(SocketAddr::to_string).collect();
        format!("{}@{}", self.id(), sockets.join(","))
    }

    /// What an honest node in its place would announce.
    pub(crate) fn announcement(&self) -> SignedAnnouncement {
        statements::sign(
            statements::announcement(&self.stage.network, self.id(), self.addrs()),
            self.key(),
        )
    }

    pub(crate) async fn dial(&self, target: &Target, alpn: &[u8]) -> Result<Connection> {
        let connection = timeout(DIAL_TIMEOUT, self.endpoint.connect(target.addr(), alpn)).await;
        Ok(connection.context("the dial took too long")??)
    }
}

fn transport(hearing: Hearing) -> QuicTransportConfig {
    let builder = QuicTransportConfig::builder();
    match hearing {
        Hearing::Good => builder.build(),
        Hearing::Deaf => builder.stream_receive_window(VarInt::from_u32(DEAF_WINDOW)).build(),
    }
}

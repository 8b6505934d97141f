//! How the binaries make an endpoint. Libraries are given one.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use id_proto::iroh_base::{RelayUrl, SecretKey};
use iroh::{
    Endpoint, RelayMode,
    dns::DnsResolver,
    endpoint::{BindError, BindOpts, Builder, PortmapperConfig, QuicTransportConfig, presets},
};

/// Most relays that can be configured. Origin: one home relay is used; the others are spare.
pub const MAX_RELAYS: usize = 4;

/// Most bytes of a connection that wait to be acknowledged, and to be read, in either direction.
/// Origin: 5 MB/s over 100 ms; and a thousand callers who don't read then hold half a gigabyte, not ten.
const WINDOW: u32 = 512 * 1024;
/// Most streams that a peer may have open, of either kind. Origin: protocol.md; gossip takes one a topic.
const MAX_STREAMS: u32 = 32;

/// What an endpoint is made of.
#[derive(Debug, Clone, Default)]
pub struct EndpointOptions {
    /// The endpoint's key; a new one if there is none.
    pub secret_key: Option<SecretKey>,
    /// Where to listen: only there. Everywhere, if there is none.
    pub bind: Option<SocketAddr>,
    /// On which port to listen everywhere, if it is free; else, and if there is none, on a free one.
    pub preferred_port: Option<u16>,
    /// Which relays to use, and whether third parties are contacted at all.
    pub relay: Relay,
}

/// The relays of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Relay {
    /// None, and no third party at all: no relay, no lookup service, no port mapping, and no names
    /// resolved but by the system's own resolver.
    #[default]
    Disabled,
    /// n0's public relays and lookup services.
    Default,
    /// These relays, and no lookup service.
    Custom(Vec<RelayUrl>),
}

/// Why a `--relay` value means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseRelayError {
    /// Neither a word that is known nor a URL.
    #[error("`{0}` is no relay: `disabled`, `default` or a URL is expected")]
    NotARelay(String),
    /// More than [`MAX_RELAYS`].
    #[error("{0} relays are too many: at most {MAX_RELAYS}")]
    TooMany(usize),
}

impl FromStr for Relay {
    type Err = ParseRelayError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "disabled" => return Ok(Self::Disabled),
            "default" => return Ok(Self::Default),
            _ => {}
        }
        let parse = |url: &str| {
            let has_scheme = url.starts_with("https://") || url.starts_with("http://");
            let url = url.parse().ok().filter(|_| has_scheme);
            url.ok_or_else(|| ParseRelayError::NotARelay(s.to_owned()))
        };
        let urls = s.split(',').map(parse).collect::<Result<Vec<RelayUrl>, _>>()?;
        match urls.len() {
            1..=MAX_RELAYS => Ok(Self::Custom(urls)),
            n => Err(ParseRelayError::TooMany(n)),
        }
    }
}

impl fmt::Display for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str("disabled"),
            Self::Default => f.write_str("default"),
            Self::Custom(urls) => {
                let urls: Vec<_> = urls.iter().map(RelayUrl::to_string).collect();
                f.write_str(&urls.join(","))
            }
        }
    }
}

/// Binds an endpoint. Never waits for a relay or for anything else that is remote.
///
/// # Errors
///
/// If the address can't be bound; nothing is left behind.
pub async fn bind(options: EndpointOptions) -> Result<Endpoint, BindError> {
    if let Some(addr) = options.bind {
        return listen(builder(&options).clear_ip_transports(), addr).bind().await;
    }
    if let Some(port) = options.preferred_port
        && let Ok(endpoint) = everywhere(builder(&options), port).bind().await
    {
        return Ok(endpoint);
    }
    builder(&options).bind().await
}

/// As the builder does by itself, IPv6 where there is some, but on a port that is given.
fn everywhere(builder: Builder, port: u16) -> Builder {
    let v4 = listen(builder, (Ipv4Addr::UNSPECIFIED, port).into());
    let optional = BindOpts::default().set_is_required(false);
    let v6 = v4.bind_addr_with_opts((Ipv6Addr::UNSPECIFIED, port), optional);
    v6.expect("an address and a port are one")
}

fn listen(builder: Builder, addr: SocketAddr) -> Builder {
    builder.bind_addr(addr).expect("a socket address is one")
}

fn builder(options: &EndpointOptions) -> Builder {
    let builder = match &options.relay {
        Relay::Default => Endpoint::builder(presets::N0),
        Relay::Disabled => Endpoint::builder(presets::Minimal)
            .relay_mode(RelayMode::Disabled)
            .portmapper_config(PortmapperConfig::Disabled)
            .dns_resolver(system_resolver()),
        Relay::Custom(urls) => Endpoint::builder(presets::Minimal)
            .relay_mode(RelayMode::custom(urls.iter().cloned()))
            .dns_resolver(system_resolver()),
    };
    let builder = builder.transport_config(transport());
    match &options.secret_key {
        Some(key) => builder.secret_key(key.clone()),
        None => builder,
    }
}

/// A resolver that asks the servers that this machine is told to ask. iroh's own asks public ones
/// where these fail, and those are third parties.
fn system_resolver() -> DnsResolver {
    DnsResolver::builder().with_system_defaults().disable_fallback().build()
}

fn transport() -> QuicTransportConfig {
    QuicTransportConfig::builder()
        .max_concurrent_bidi_streams(MAX_STREAMS.into())
        .max_concurrent_uni_streams(MAX_STREAMS.into())
        .receive_window(WINDOW.into())
        .stream_receive_window(WINDOW.into())
        .send_window(WINDOW.into())
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_urls_are_relays_and_nothing_else_is() {
        assert_eq!("disabled".parse(), Ok(Relay::Disabled));
        assert_eq!("default".parse(), Ok(Relay::Default));
        let two: Relay = "https://a.example,https://b.example".parse().unwrap();
        assert!(matches!(&two, Relay::Custom(urls) if urls.len() == 2));
        for relay in [Relay::Disabled, Relay::Default, two] {
            assert_eq!(relay.to_string().parse(), Ok(relay));
        }
        for wrong in ["", "on", "a.example", "ftp://a.example", "https://a.example,"] {
            assert!(
                matches!(wrong.parse::<Relay>(), Err(ParseRelayError::NotARelay(_))),
                "{wrong}"
            );
        }
        let five = ["https://a.example"; 5].join(",");
        assert_eq!(five.parse::<Relay>(), Err(ParseRelayError::TooMany(5)));
    }
}

//! What every request has to pass, and what every answer says besides its content.

use std::{collections::BTreeSet, net::Ipv6Addr, str::FromStr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version,
        header::{
            ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS,
        },
        uri::Authority,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Most names that can be configured. Origin: a guess; a machine has one, and its proxy another.
const MAX_HOST_NAMES: usize = 8;

const ALLOWED: &str = "GET, HEAD";

/// Of whatever says nothing else: loads nothing, runs nothing, is shown in nobody's frame.
const NOTHING: &str =
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// By which names the server may be called, besides IP addresses and `localhost`.
///
/// A page from elsewhere can make its own name lead here (DNS rebinding), and a browser then lets it read
/// everything; but the browser says by which name it came. Whoever comes by an address came by no name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostNames(BTreeSet<String>);

/// Why a list of host names means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseHostError {
    /// Not a name without a port.
    #[error("`{0}` is no host name: letters, digits, `-` and dots are expected")]
    NotAName(String),
    /// More than 8.
    #[error("{0} names are too many: at most {MAX_HOST_NAMES}")]
    TooMany(usize),
}

/// A list separated by commas.
impl FromStr for HostNames {
    type Err = ParseHostError;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let names = names.map(|name| {
            let canonical = Some(canonical(name)).filter(|name| is_name(name));
            canonical.ok_or_else(|| ParseHostError::NotAName(name.to_owned()))
        });
        let names = names.collect::<Result<BTreeSet<_>, _>>()?;
        match names.len() {
            0..=MAX_HOST_NAMES => Ok(Self(names)),
            n => Err(ParseHostError::TooMany(n)),
        }
    }
}

impl HostNames {
    /// Whether the server may be called so, whatever the port: that may be a proxy's.
    fn hold(&self, host: &str) -> bool {
        let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()) {
            return true;
        }
        let host = canonical(host);
        host.parse::<std::net::Ipv4Addr>().is_ok()
            || host == "localhost"
            || host.ends_with(".localhost")
            || self.0.contains(&host)
    }
}

fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let of_label = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(of_label)
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Refuses what no honest client sends, and adds to every answer what it needs besides its content.
pub(super) async fn guard(
    State(names): State<Arc<HostNames>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match refusal(&request, &names) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    complete(response.headers_mut());
    response
}

fn refusal(request: &Request, names: &HostNames) -> Option<Response> {
    let method = request.method();
    if !matches!(*method, Method::GET | Method::HEAD) {
        let why = "only GET and HEAD are answered here\n";
        return Some((StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, ALLOWED)], why).into_response());
    }
    match host(request) {
        Ok(None) => None,
        Ok(Some(host)) if names.hold(&host) => None,
        Ok(Some(_)) => {
            let why = "this server isn't called so; --http-host names who is answered by name\n";
            Some((StatusCode::MISDIRECTED_REQUEST, why).into_response())
        }
        Err(why) => Some((StatusCode::BAD_REQUEST, why).into_response()),
    }
}

/// By which name the client came. `None`: it speaks HTTP/1.0 and doesn't say, which no browser does.
fn host(request: &Request) -> Result<Option<String>, &'static str> {
    // A proxy's form of a request; the header must not be believed then.
    if let Some(host) = request.uri().host() {
        return Ok(Some(host.to_owned()));
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => authority(host).map(Some).ok_or("the Host header names no host\n"),
        (None, _) if request.version() < Version::HTTP_11 => Ok(None),
        _ => Err("one Host header is expected\n"),
    }
}

fn authority(host: &HeaderValue) -> Option<String> {
    let authority: Authority = host.to_str().ok()?.parse().ok()?;
    // Whoever calls us doesn't log in, and what is behind an address is a port or nothing.
    let port = authority.as_str().strip_prefix(authority.host())?;
    let is_port = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    let is_plain = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    is_plain.then(|| authority.host().to_owned())
}

fn complete(headers: &mut HeaderMap) {
    const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
    const COOP: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
    let always = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CORP, "same-origin"),
        (COOP, "same-origin"),
    ];
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What peers say of themselves is kept by nobody, and is old in a second.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(NOTHING));
}

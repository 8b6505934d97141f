//! Who asks for the page, and what they get.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{Path, RawQuery, State},
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use maud::Markup;

use super::{Shown, assets, full, sort::Sort};
use crate::http::{
    Served,
    documents::{document, respond},
};

/// All that the page needs comes from here, and nothing of it is written into the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Says how long the page took, to whoever looks at it with a browser's tools.
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// What of the page is wanted: in which order, and which part of too many. What isn't understood is
/// ignored, as people mistype.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Wanted {
    sort: Sort,
    page: usize,
}

impl Wanted {
    fn read(query: &str) -> Self {
        let mut wanted = Self::default();
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match key {
                "sort" => wanted.sort = value.parse().unwrap_or_default(),
                "page" => wanted.page = value.parse().unwrap_or_default(),
                _ => {}
            }
        }
        wanted
    }
}

/// The whole page.
pub(in crate::http) async fn whole(
    State(node): State<Arc<Served>>,
    RawQuery(query): RawQuery,
) -> Response {
    answer(&node, query, full).await
}

/// What the page fetches again and again.
pub(in crate::http) async fn part(
    State(node): State<Arc<Served>>,
    RawQuery(query): RawQuery,
) -> Response {
    answer(&node, query, super::part).await
}

/// A file that the page loads.
pub(in crate::http) async fn asset(Path(name): Path<String>) -> Response {
    let Some(asset) = assets::find(&name) else {
        return (StatusCode::NOT_FOUND, "no such file\n").into_response();
    };
    let headers = [(CONTENT_TYPE, asset.content_type), (CACHE_CONTROL, assets::CACHE_CONTROL)];
    (headers, asset.bytes).into_response()
}

async fn answer(
    node: &Arc<Served>,
    query: Option<String>,
    render: fn(&Shown<'_>) -> Markup,
) -> Response {
    let started = Instant::now();
    let wanted = Wanted::read(query.as_deref().unwrap_or_default());
    let mut response = respond(node, "text/html; charset=utf-8", move |node| {
        let (document, own) = (document(node), node.answerer.me.to_string());
        let Wanted { sort, page } = wanted;
        render(&Shown { document: &document, own: &own, sort, page }).into_string().into_bytes()
    })
    .await;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    let timing = format!("page;dur={:.1}", started.elapsed().as_secs_f64() * 1e3);
    headers.insert(SERVER_TIMING, HeaderValue::try_from(timing).expect("a number is ASCII"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mistyped_is_as_if_nothing_was_said() {
        let sort = |text: &str| text.parse::<Sort>().unwrap();
        assert_eq!(Wanted::read(""), Wanted::default());
        assert_eq!(Wanted::read("sort=-rtt&page=2"), Wanted { sort: sort("-rtt"), page: 2 });
        assert_eq!(Wanted::read("sort=age&page=-1&other=x&&sort"), Wanted::default());
    }

    #[test]
    fn the_policy_allows_nothing_inline_and_nobody_elsewhere() {
        assert!(!POLICY.contains("unsafe") && !POLICY.contains("http") && !POLICY.contains('*'));
        assert!(POLICY.starts_with("default-src 'none'"));
    }
}

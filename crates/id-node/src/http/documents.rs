//! What the node knows of its peers, as one document, and its renderings.
//!
//! The document is that of `id-cli peers`, made of the node's own view: whom it has dialled has answered or
//! failed, and nobody else was asked. Signatures were checked when the announcements came.

mod held;
mod view;

use std::{
    io,
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{
    body::Body,
    extract::State,
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use data_encoding::BASE64;
use held::Held;
use sha2::{Digest, Sha256};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};
pub(super) use view::document;
use view::document_with_edges;

use super::Served;

/// Most documents that are made or being read. Origin: that of a full table is 60 MB.
const MAX_DOCUMENTS: usize = 8;
/// How long a request waits for its turn. Origin: a guess; a browser waits longer.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);

/// Of the picture, which brings its own style and nothing else.
static DRAWN: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = BASE64.encode(&Sha256::digest(id_render::svg::style()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; frame-ancestors 'none'; base-uri 'none'"
    );
    HeaderValue::try_from(policy).expect("a policy is ASCII")
});

/// How many documents there may still be.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_DOCUMENTS)))
    }
}

/// The document that `docs/peers.schema.json` describes.
pub(super) async fn json(State(node): State<Arc<Served>>) -> Response {
    respond(&node, "application/json", |node| {
        written(|out| id_render::json::render(&document(node), out))
    })
    .await
}

/// Who brought whom, as a picture.
pub(super) async fn svg(State(node): State<Arc<Served>>) -> Response {
    let mut response = respond(&node, "image/svg+xml", |node| {
        written(|out| id_render::svg::render(&document_with_edges(node), out))
    })
    .await;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, DRAWN.clone());
    response
}

/// Answers with what `render` makes, on a thread where it may take its time, and without another answer's
/// being held back by it.
pub(super) async fn respond(
    node: &Arc<Served>,
    content_type: &'static str,
    render: impl FnOnce(&Served) -> Vec<u8> + Send + 'static,
) -> Response {
    let place = timeout(TURN_TIMEOUT, node.room.0.clone().acquire_owned()).await;
    let Ok(Ok(place)) = place else {
        let why = "too many documents are being read: try again\n";
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "2")], why).into_response();
    };
    let node = node.clone();
    match spawn_blocking(move || render(&node)).await {
        Ok(rendered) => {
            let body = Body::new(Held::new(rendered.into(), place));
            ([(CONTENT_TYPE, content_type)], body).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn written(render: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Vec<u8> {
    let mut out = Vec::new();
    render(&mut out).expect("a vector takes everything");
    out
}

//! What is served, and by whom.

use std::sync::Arc;

use axum::{
    Router,
    http::StatusCode,
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{HostNames, Served, documents, guard::guard, health, metrics, page};

pub(super) fn router(node: Arc<Served>, names: HostNames) -> Router {
    Router::new()
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics::metrics))
        .route(page::PATH, get(page::answers::whole))
        .route(page::PART_PATH, get(page::answers::part))
        .route(page::ASSETS_ROUTE, get(page::answers::asset))
        .route("/peers.json", get(documents::json))
        .route("/peers.svg", get(documents::svg))
        .fallback(nothing)
        .layer(from_fn_with_state(Arc::new(names), guard))
        .with_state(node)
}

async fn nothing() -> Response {
    let there_is = "there is /peers, /peers.json, /peers.svg, /metrics, /livez and /readyz\n";
    (StatusCode::NOT_FOUND, there_is).into_response()
}

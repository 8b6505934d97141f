//! Whether the node lives, and whether it is ready: for whoever restarts it or sends it work.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};

use super::Served;

/// Whether the node takes turns. Never says anything of peers: a node that is alone needs no restart.
pub(super) async fn livez(State(node): State<Arc<Served>>) -> Response {
    match node.is_alive().await {
        true => "live\n".into_response(),
        false => unavailable("the node takes no turns\n".to_owned()),
    }
}

/// Whether the node takes turns, and knows `?min_peers=N` peers besides itself: none, if it isn't given.
pub(super) async fn readyz(State(node): State<Arc<Served>>, uri: Uri) -> Response {
    let min_peers = match min_peers(uri.query()) {
        Ok(min_peers) => min_peers,
        Err(why) => return (StatusCode::BAD_REQUEST, why).into_response(),
    };
    if !node.is_alive().await {
        return unavailable("the node takes no turns\n".to_owned());
    }
    match node.answerer.view.borrow().entries.len() {
        n if n >= min_peers => format!("ready: {n} peers known\n").into_response(),
        n => unavailable(format!("{n} peers known, min_peers={min_peers}\n")),
    }
}

fn unavailable(why: String) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

fn min_peers(query: Option<&str>) -> Result<usize, String> {
    let mut min_peers = 0;
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        min_peers = match pair.split_once('=') {
            Some(("min_peers", n)) => {
                n.parse().map_err(|_| "min_peers is a number\n".to_owned())?
            }
            _ => return Err("only min_peers=N can be asked for\n".to_owned()),
        };
    }
    Ok(min_peers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_peers_are_wanted_as_the_query_says() {
        assert_eq!(min_peers(None), Ok(0));
        assert_eq!(min_peers(Some("")), Ok(0));
        assert_eq!(min_peers(Some("min_peers=3")), Ok(3));
        for wrong in ["min_peers", "min_peers=", "min_peers=-1", "min_peers=x", "peers=3"] {
            assert!(min_peers(Some(wrong)).is_err(), "{wrong}");
        }
    }
}

//! The table.

use id_render::{
    Peer, Status, sanitize,
    text::{age, millis, number, short_id},
};
use maud::{Markup, html};

use super::{MAX_ROWS, PART_PATH, PATH, Shown, Sort, sort::Column};

/// How many peers are one group of rows: a browser lays a group out only when it is about to be seen.
/// Origin: measured; twice as many or half as many make no difference.
const GROUP: usize = 100;

const UNKNOWN: &str = "-";

/// Where in all the peers a page is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    sort: Sort,
    page: usize,
    n_peers: usize,
}

impl Place {
    pub(super) fn of(shown: &Shown<'_>) -> Self {
        let n_peers = shown.document.peers.len();
        let last = n_peers.saturating_sub(1) / MAX_ROWS;
        Self { sort: shown.sort, page: shown.page.min(last), n_peers }
    }

    /// What leads here, from `path`.
    pub(super) fn url(self, path: &str) -> String {
        match self.page {
            0 => format!("{path}?sort={}", self.sort),
            page => format!("{path}?sort={}&page={page}", self.sort),
        }
    }

    fn first(self) -> usize {
        self.page * MAX_ROWS
    }

    /// Behind the last one here.
    fn end(self) -> usize {
        self.n_peers.min(self.first() + MAX_ROWS)
    }
}

pub(super) fn table(shown: &Shown<'_>, place: Place) -> Markup {
    let sorted = place.sort.sorted(&shown.document.peers);
    let here = &sorted[place.first()..place.end()];
    html! {
        // The roles say again what the elements are, for browsers that forget it with `display`.
        table role="table" {
            caption { "Peers that this node knows, itself included" }
            thead role="rowgroup" {
                tr role="row" { @for column in Column::ALL { (heading(place, column)) } }
            }
            @for group in here.chunks(GROUP) {
                tbody role="rowgroup" { @for peer in group { (row(peer, shown.own)) } }
            }
        }
    }
}

/// Links to the other pages, if there are any.
pub(super) fn pages(place: Place) -> Markup {
    let to = |page| Place { page, ..place };
    html! {
        @if place.n_peers > MAX_ROWS {
            nav.pages aria-label="Pages" {
                @if place.page > 0 { (link(to(place.page - 1), "previous")) }
                span { (place.first() + 1) "–" (place.end()) " of " (place.n_peers) }
                @if place.end() < place.n_peers { (link(to(place.page + 1), "next")) }
            }
        }
    }
}

/// What a peer calls itself, if anything, harmless to read.
pub(super) fn name(name: Option<&str>) -> Option<String> {
    name.filter(|name| !name.trim().is_empty()).map(|name| sanitize::text(name).into_owned())
}

/// Puts `node_id` on the clipboard, where there is a script.
pub(super) fn copy(node_id: &str) -> Markup {
    html! { button.copy type="button" aria-label=(format_args!("copy node id {}", short_id(node_id))) {} }
}

/// A link that a script follows without leaving the page.
fn link(to: Place, text: &str) -> Markup {
    let (url, part) = (to.url(PATH), to.url(PART_PATH));
    html! { a #{"to-" (text)} href=(url) hx-get=(part) hx-push-url=(url) { (text) } }
}

fn heading(place: Place, column: Column) -> Markup {
    let sort = place.sort;
    let sorted = (sort.column == column).then(|| sort.direction.as_str());
    let to = Place { sort: sort.click(column), page: 0, ..place };
    html! {
        th.(column.as_str()) scope="col" role="columnheader" aria-sort=[sorted] { (link(to, column.as_str())) }
    }
}

fn row(peer: &Peer, own: &str) -> Markup {
    let (id, rest) = peer.node_id.split_at(short_id(&peer.node_id).len());
    html! {
        tr class=[(peer.node_id == own).then_some("own")] role="row" {
            th scope="row" role="rowheader" { code { (id) span { (rest) } } (copy(&peer.node_id)) }
            td role="cell" { bdi { (name(peer.name.as_deref()).as_deref().unwrap_or(UNKNOWN)) } }
            td role="cell" { (number(peer.blob_count)) }
            td.(peer.status.as_str()) role="cell" { (status(peer)) }
            td role="cell" { (peer.path.unwrap_or(UNKNOWN)) }
            td role="cell" { (millis(peer.rtt_ms)) }
            td role="cell" { (age(peer.age_secs)) }
            td role="cell" { (from(peer, own)) }
        }
    }
}

fn status(peer: &Peer) -> &'static str {
    match (peer.status, peer.error) {
        (Status::Answered, _) => "answered",
        (Status::Failed, Some(error)) => error,
        (Status::Failed, None) => "failed",
        (Status::NotAsked, _) => "not asked",
    }
}

/// Who brought it.
fn from<'a>(peer: &'a Peer, own: &str) -> &'a str {
    match peer.via.first() {
        _ if peer.node_id == own => "this node",
        None => UNKNOWN,
        Some(by) if by == own => "itself",
        Some(by) => short_id(by),
    }
}

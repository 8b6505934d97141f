//! The peers page: one more rendering of the [`Document`] that `/peers.json` is, for people.
//!
//! It is whole without a script. With one, the part below the heading is fetched again every [`POLL`], as
//! [`part`] renders it, and takes the place of the old one.

pub(super) mod answers;
mod assets;
mod rows;
mod sort;

#[cfg(test)]
mod tests;

use id_render::{Document, model::Summary, sanitize};
use maud::{DOCTYPE, Markup, html};

use assets::{HTMX, ICON, SCRIPT, STYLE};
use sort::Sort;

/// Where the page is.
pub(super) const PATH: &str = "/peers";
/// Where what is fetched again is.
pub(super) const PART_PATH: &str = "/peers/part";
/// Where the files are that it loads.
const ASSETS_PATH: &str = "/assets";
/// The same, as the router wants it.
pub(super) const ASSETS_ROUTE: &str = "/assets/{name}";

/// How often the page asks what is new. Origin: announcements come every 30 s, and people wait 10.
const POLL: &str = "10s";

/// Most peers on one page. Origin: measured; a browser shows 5,000 in 0.3 s, and a table may have 65,536.
const MAX_ROWS: usize = 10_000;

/// What htmx must not do, so that the content security policy has nothing to forbid: evaluate text, write
/// styles, run scripts that it fetched; nor keep pages of megabytes in the browser's storage.
const HTMX_CONFIG: &str = r#"{"allowEval":false,"allowScriptTags":false,"includeIndicatorStyles":false,"historyCacheSize":0,"refreshOnHistoryMiss":true,"selfRequestsOnly":true}"#;

/// What is shown, and how.
#[derive(Debug, Clone, Copy)]
struct Shown<'a> {
    /// The peers.
    document: &'a Document,
    /// The id of the node that shows them.
    own: &'a str,
    /// In which order.
    sort: Sort,
    /// Which of the pages that they fill, counted from 0; behind the last it is the last.
    page: usize,
}

/// The whole page.
fn full(shown: &Shown<'_>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="htmx-config" content=(HTMX_CONFIG);
                (title(shown))
                link rel="icon" type="image/svg+xml" href=(asset(&ICON));
                link rel="stylesheet" href=(asset(&STYLE));
                script src=(asset(&HTMX)) defer {}
                script src=(asset(&SCRIPT)) defer {}
            }
            body {
                a.skip href="#peers" { "skip to the peers" }
                a.skip href="#topology" { "skip to the picture" }
                (header(shown))
                main {
                    (peers(shown))
                    (picture(shown))
                }
                p #news role="status" {}
            }
        }
    }
}

/// What is fetched again and again: the title, the summary and the table.
fn part(shown: &Shown<'_>) -> Markup {
    html! { (title(shown)) (peers(shown)) }
}

fn peers(shown: &Shown<'_>) -> Markup {
    let document = shown.document;
    let place = rows::Place::of(shown);
    html! {
        section #peers tabindex="-1" aria-labelledby="heading" hx-get=(place.url(PART_PATH))
            hx-trigger=(format_args!("every {POLL}, refresh")) hx-target="this" hx-swap="outerHTML"
            data-picture=(picture_url(document)) {
            (summary(&document.summary))
            p.when {
                "as of " (document.header.generated_at)
                button #pause type="button" aria-pressed="false" { "pause" }
            }
            (rows::table(shown, place))
            @if document.peers.len() <= 1 {
                p.hint {
                    "Nobody else yet. Give the ticket that " code { "id-cli ticket" } " prints to whoever shall join; "
                    code { "id-cli doctor" } " says what may be in the way."
                }
            }
            (rows::pages(place))
        }
    }
}

fn title(shown: &Shown<'_>) -> Markup {
    html! { title { (shown.document.peers.len()) " known · " (own_name(shown)) } }
}

fn header(shown: &Shown<'_>) -> Markup {
    let network = &shown.document.header.network;
    html! {
        header {
            h1 #heading { span.prompt aria-hidden="true" { "❯ " } "peers of " bdi { (own_name(shown)) } }
            nav aria-label="What this node serves" {
                a href=(PATH) aria-current="page" { "peers" }
                @for (path, text) in [
                    ("/peers.json", "peers.json"),
                    ("/peers.svg", "peers.svg"),
                    ("/metrics", "metrics"),
                    ("/readyz", "readyz"),
                    ("/livez", "livez"),
                ] {
                    a href=(path) { (text) }
                }
            }
            dl {
                div {
                    dt { "node" }
                    dd.own { code { (shown.own) } (rows::copy(shown.own)) }
                }
                div {
                    dt { "topic" }
                    dd {
                        bdi { (sanitize::text(&network.topic)) }
                        @if network.private { " (private)" } @else { " (public)" }
                    }
                }
            }
        }
    }
}

/// How many there are; said aloud when it changes, so nothing is in it that changes all the time.
fn summary(summary: &Summary) -> Markup {
    html! {
        p #summary {
            strong { (summary.known) " known" } ": "
            span.answered { (summary.answered) " answered" } ", "
            span.failed { (summary.failed) " failed" } ", "
            span.not_asked { (summary.not_asked) " not asked" }
        }
    }
}

fn picture(shown: &Shown<'_>) -> Markup {
    html! {
        section #topology tabindex="-1" aria-labelledby="topology-heading" {
            h2 #topology-heading { span.prompt aria-hidden="true" { "❯ " } "topology" }
            a href="/peers.svg" {
                img src=(picture_url(shown.document)) loading="lazy" decoding="async"
                    alt="A picture of who told this node of whom. All of it is in the table too.";
            }
        }
    }
}

/// Where the picture is that shows this document: another place as soon as it would look different, so that
/// it is drawn anew only then.
fn picture_url(document: &Document) -> String {
    let mut hasher = blake3::Hasher::new();
    for peer in &document.peers {
        hasher.update(peer.node_id.as_bytes()).update(peer.status.as_str().as_bytes());
        hasher.update(peer.name.as_deref().unwrap_or_default().as_bytes()).update(&[0]);
        peer.via.iter().for_each(|id| _ = hasher.update(id.as_bytes()));
    }
    let hash = hasher.finalize().to_hex();
    format!("/peers.svg?v={}", &hash[..16])
}

fn own_name(shown: &Shown<'_>) -> String {
    let own = shown.document.peers.iter().find(|peer| peer.node_id == shown.own);
    rows::name(own.and_then(|own| own.name.as_deref()))
        .unwrap_or_else(|| id_render::text::short_id(shown.own).to_owned())
}

fn asset(asset: &assets::Asset) -> String {
    format!("{ASSETS_PATH}/{asset}")
}

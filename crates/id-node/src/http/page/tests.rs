use id_render::{Peer, samples};

use super::{
    sort::{Column, Direction},
    *,
};

const NOBODY: &str = "nobody";

fn shown(document: &Document) -> Shown<'_> {
    Shown { document, own: NOBODY, sort: Sort::default(), page: 0 }
}

fn sort(text: &str) -> Sort {
    text.parse().unwrap()
}

/// As many peers, numbered from 1, with as many blobs.
fn crowd(n_peers: usize) -> Document {
    let mut document = samples::complete();
    let peer = document.peers[0].clone();
    let numbered = |n: usize| Peer {
        node_id: format!("{n:064x}"),
        blob_count: Some(n as u64),
        name: None,
        ..peer.clone()
    };
    document.peers = (1..=n_peers).map(numbered).collect();
    document
}

fn count(html: &str, what: &str) -> usize {
    html.matches(what).count()
}

#[test]
fn every_peer_has_a_row_whatever_the_document() {
    for (what, document) in samples::all() {
        let html = full(&shown(&document)).into_string();
        assert_eq!(count(&html, "<th scope=\"row\""), document.peers.len(), "{what}");
        for peer in &document.peers {
            let (id, rest) = peer.node_id.split_at(10);
            assert!(html.contains(&format!("<code>{id}<span>{rest}</span></code>")), "{what}");
        }
    }
}

#[test]
fn nothing_on_the_page_needs_what_the_policy_forbids() {
    for (what, document) in samples::all() {
        let html = full(&shown(&document)).into_string();
        assert!(!html.contains(" style=") && !html.contains("<style"), "{what}");
        assert!(!html.contains(" on") || !html.contains("=\"alert"), "{what}");
        assert_eq!(count(&html, "<script"), count(&html, "<script src=\"/assets/"), "{what}");
        assert!(!html.contains("http://") && !html.contains("https://"), "{what}");
    }
}

#[test]
fn hostile_names_are_text() {
    let mut document = samples::complete();
    document.peers[0].name = Some("<script>\u{1b}[31m\u{202e}\"'&</script>".to_owned());
    let html = full(&shown(&document)).into_string();
    let cell = "<bdi>&lt;script&gt;\u{fffd}[31m\u{fffd}&quot;'&amp;&lt;/script&gt;</bdi>";
    assert!(html.contains(cell), "{html}");
}

#[test]
fn names_of_nothing_are_unknown() {
    let mut document = samples::complete();
    document.peers[1].name = Some(" \u{3000}".to_owned());
    let html = part(&shown(&document)).into_string();
    assert_eq!(count(&html, "<bdi>-</bdi>"), 2, "{html}");
}

#[test]
fn what_is_fetched_again_is_what_is_there_already() {
    let document = samples::partial();
    let page = full(&shown(&document)).into_string();
    let part = part(&shown(&document)).into_string();
    let (title, peers) = part.split_once("</title>").unwrap();
    assert!(page.contains(title) && page.contains(peers));
}

#[test]
fn each_column_is_sorted_both_ways_and_the_unknown_come_last() {
    let document = samples::partial();
    for column in Column::ALL {
        let ascending = Sort { column, direction: Direction::Ascending };
        let descending = ascending.click(column);
        assert_eq!(descending.direction, Direction::Descending);
        assert_eq!(descending.click(column), ascending);
        for sort in [ascending, descending] {
            assert_eq!(sort.to_string().parse(), Ok(sort));
            assert_eq!(sort.sorted(&document.peers).len(), document.peers.len());
        }
    }
    let rtts = |sort: Sort| -> Vec<_> {
        sort.sorted(&document.peers).iter().map(|peer| peer.rtt_ms).collect()
    };
    let (up, down) = (rtts(sort("rtt")), rtts(sort("-rtt")));
    assert!(up.first().unwrap().is_some() && up.last().unwrap().is_none(), "{up:?}");
    assert!(down.first().unwrap().is_some() && down.last().unwrap().is_none(), "{down:?}");
    assert!(["", "-", "age", "Node", "--node"].iter().all(|odd| odd.parse::<Sort>().is_err()));
}

#[test]
fn headings_say_how_it_is_sorted_and_lead_to_the_other_direction() {
    let document = samples::complete();
    let html = part(&Shown { sort: sort("name"), ..shown(&document) }).into_string();
    assert_eq!(count(&html, "aria-sort"), 1);
    assert!(html.contains("aria-sort=\"ascending\""), "{html}");
    assert!(
        html.contains("href=\"/peers?sort=-name\"") && html.contains("href=\"/peers?sort=rtt\"")
    );
    assert!(html.contains("hx-get=\"/peers/part?sort=name\""), "it stays sorted: {html}");
}

#[test]
fn too_many_are_on_several_pages_and_each_on_one_of_them() {
    let document = crowd(MAX_ROWS * 2 + 1);
    let sort = sort("-blobs");
    let mut n_rows = 0;
    for (page, said) in
        [(0, "1–10000 of 20001"), (1, "10001–20000 of 20001"), (2, "20001–20001 of 20001")]
    {
        let html = part(&Shown { sort, page, ..shown(&document) }).into_string();
        n_rows += count(&html, "<th scope=\"row\"");
        assert!(html.contains(said), "{page}");
        let leads = |page: usize| html.contains(&format!("/peers?sort=-blobs&amp;page={page}\""));
        assert_eq!((leads(1), leads(2)), (page != 1, page == 1), "{page}");
    }
    assert_eq!(n_rows, document.peers.len());
    let beyond = part(&Shown { sort, page: usize::MAX, ..shown(&document) }).into_string();
    assert!(beyond.contains("20001–20001 of 20001"));
}

#[test]
fn few_are_on_one_page_without_links_to_others() {
    let html = part(&shown(&crowd(MAX_ROWS))).into_string();
    assert_eq!((count(&html, "<nav"), count(&html, "<th scope=\"row\"")), (0, MAX_ROWS));
}

#[test]
fn the_picture_is_another_only_if_it_looks_different() {
    let document = samples::complete();
    let mut older = document.clone();
    older.header.generated_at = "2000-01-01T00:00:00Z".to_owned();
    older.peers[0].age_secs = Some(1e6);
    assert_eq!(picture_url(&document), picture_url(&older));
    older.peers[0].via.clear();
    assert_ne!(picture_url(&document), picture_url(&older));
}

#[test]
fn the_node_itself_is_marked_and_names_the_page() {
    let document = samples::complete();
    let own = document.peers[1].node_id.clone();
    let html = full(&Shown { own: &own, ..shown(&document) }).into_string();
    assert_eq!(count(&html, "<tr class=\"own\""), 1);
    assert!(html.contains("this node") && html.contains("<title>3 known · oak</title>"), "{html}");
}

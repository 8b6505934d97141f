//! What is counted, and that whatever is written about it is true.

use std::collections::BTreeSet;

use super::client::{get, serve};
use crate::lab::{lab, until};

const DOCUMENTS: [(&str, &str); 3] = [
    ("alerts.yml", include_str!("../../../../../docs/alerts.yml")),
    ("dashboard.json", include_str!("../../../../../docs/dashboard.json")),
    ("monitoring.md", include_str!("../../../../../docs/monitoring.md")),
];

/// Names of metrics of ours in `text`.
fn named(text: &str) -> BTreeSet<&str> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c: char| !is_of_name(c));
    words.filter(|word| word.starts_with("id_") || word.starts_with("process_")).collect()
}

/// Names of the samples of an answer.
fn samples(answer: &str) -> BTreeSet<&str> {
    let samples = answer.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.split(['{', ' ']).next()).collect()
}

fn value(answer: &str, sample: &str) -> u64 {
    let line = answer.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{sample}: {answer}")).parse().unwrap()
}

#[tokio::test]
async fn every_metric_that_is_written_about_exists() {
    lab(async |lab| {
        let node = lab.slow(&[]).await;
        let server = serve(&node, "").await;
        let answer = get(&server, "/metrics").await.body;
        let samples = samples(&answer);
        for (document, text) in DOCUMENTS {
            let named = named(text);
            assert!(named.len() > 5, "{document}: {named:?}");
            let missing: Vec<_> = named.difference(&samples).collect();
            assert_eq!(missing, [&""; 0], "{document}");
        }
        let ours = samples.iter().filter(|name| name.starts_with("id_"));
        let written = named(DOCUMENTS[2].1);
        let unwritten: Vec<_> = ours.filter(|name| !written.contains(**name)).collect();
        assert_eq!(unwritten, [&""; 0], "monitoring.md says what each is");
    })
    .await;
}

#[tokio::test]
async fn metrics_count_peers_and_name_none() {
    lab(async |lab| {
        let node = lab.slow(&[]).await;
        let other = lab.slow(&[&node]).await;
        until(&node, "a peer is verified", |view| {
            view.entries.len() == 1 && view.n_unverified == 0
        })
        .await;
        let server = serve(&node, "").await;
        let answer = get(&server, "/metrics").await;
        let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!(answer.header("content-type"), openmetrics);
        let text = answer.body;
        assert!(text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1, "{text}");
        assert_eq!(value(&text, "id_table_peers{state=\"verified\"}"), 1);
        assert_eq!(value(&text, "id_table_peers{state=\"unverified\"}"), 0);
        assert_eq!(value(&text, "id_neighbours"), 1);
        assert_eq!(value(&text, "id_isolated"), 0);
        assert!(value(&text, "id_announcements_believed_total") >= 1);
        assert_eq!(value(&text, "id_announcements_refused_total{reason=\"bad_signature\"}"), 0);
        assert!(samples(&text).iter().any(|name| name.starts_with("socket_")), "iroh's own");
        for id in
            [node.id().to_string(), other.id().to_string(), other.id().fmt_short().to_string()]
        {
            assert!(!text.contains(&id), "{id}");
        }
    })
    .await;
}

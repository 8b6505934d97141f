//! What `watch` prints: a line for each change, as it is seen.

use std::{
    collections::BTreeMap,
    io::{self, Stdout, Write, stdout},
    time::SystemTime,
};

use serde::Serialize;

use id_render::{
    json,
    model::{Crawl, Header, Peer, Summary, generated_at},
};

use crate::{
    commands::{diff, watch::News},
    output::diff::{Ends, change, ends, named},
};

/// Prints to stdout, and flushes after each round.
#[derive(Debug)]
pub(crate) enum Printer<W = Stdout> {
    Text(W),
    Json(W),
}

/// How a round went.
#[derive(Debug, Serialize)]
pub(crate) struct Round<'a> {
    #[serde(rename = "round")]
    pub(crate) number: u64,
    /// Whether anybody answered, or counts as having answered.
    pub(crate) reached: bool,
    /// How many were asked.
    pub(crate) asked: usize,
    /// How many weren't, or didn't answer, and count as they answered before.
    pub(crate) recalled: usize,
    pub(crate) crawl: &'a Crawl,
    pub(crate) summary: &'a Summary,
}

/// One line.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Version(&'a Header),
    Peer(&'a Peer),
    Came {
        at: &'a str,
        #[serde(flatten)]
        peer: &'a Peer,
    },
    Went {
        at: &'a str,
        node_id: &'a str,
        name: Option<&'a str>,
        error: Option<&'static str>,
    },
    Changed {
        at: &'a str,
        node_id: &'a str,
        name: Option<&'a str>,
        status: &'a str,
        changes: BTreeMap<&'static str, Ends>,
    },
    Round {
        at: &'a str,
        #[serde(flatten)]
        round: &'a Round<'a>,
    },
}

impl Printer {
    /// Prints what can be said before the first round.
    pub(crate) fn start(json: bool, header: &Header) -> io::Result<Self> {
        Self::start_on(stdout(), json, header)
    }
}

impl<W: Write> Printer<W> {
    fn start_on(mut out: W, json: bool, header: &Header) -> io::Result<Self> {
        if !json {
            return Ok(Self::Text(out));
        }
        json::line(&Line::Version(header), &mut out)?;
        out.flush()?;
        Ok(Self::Json(out))
    }

    /// Prints what a round has shown.
    pub(crate) fn round(
        &mut self,
        news: &[News],
        round: &Round<'_>,
        now: SystemTime,
    ) -> io::Result<()> {
        let at = generated_at(now);
        match self {
            Self::Text(out) => {
                news.iter().try_for_each(|news| text(news, &at, out))?;
                out.flush()
            }
            Self::Json(out) => {
                news.iter().try_for_each(|news| json::line(&line(news, &at), out))?;
                json::line(&Line::Round { at: &at, round }, out)?;
                out.flush()
            }
        }
    }
}

/// Those who are known at first are no news.
fn text(news: &News, at: &str, out: &mut impl Write) -> io::Result<()> {
    match news {
        News::Known(_) => Ok(()),
        News::Came(peer) => {
            let peer = diff::Peer::from(&**peer);
            match peer.error.as_deref() {
                Some(error) => writeln!(out, "{at} + {}  {error}", named(&peer)),
                None => writeln!(out, "{at} + {}", named(&peer)),
            }
        }
        News::Went { peer, error } => {
            let why = error.unwrap_or("nobody names it");
            writeln!(out, "{at} - {}  {why}", named(peer))
        }
        News::Changed { peer, changes } => {
            let changes: Vec<_> = changes.iter().map(change).collect();
            writeln!(out, "{at} ~ {}  {}", named(peer), changes.join(", "))
        }
    }
}

fn line<'a>(news: &'a News, at: &'a str) -> Line<'a> {
    match news {
        News::Known(peer) => Line::Peer(peer),
        News::Came(peer) => Line::Came { at, peer },
        News::Went { peer, error } => {
            Line::Went { at, node_id: &peer.node_id, name: peer.name.as_deref(), error: *error }
        }
        News::Changed { peer, changes } => Line::Changed {
            at,
            node_id: &peer.node_id,
            name: peer.name.as_deref(),
            status: &peer.status,
            changes: ends(changes),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::{Value, json};

    use super::*;
    use crate::output::samples;
    use id_render::Document;

    /// Everything that can be told, about the peers of a sample.
    fn news(document: &Document) -> Vec<News> {
        let peer = |i: usize| diff::Peer::from(&document.peers[i]);
        let change = diff::Change { field: "name", from: json!("ash"), to: json!("o\u{202e}ak\n") };
        vec![
            News::Known(Box::new(document.peers[0].clone())),
            News::Went { peer: peer(0), error: Some("timeout") },
            News::Went { peer: peer(1), error: None },
            News::Came(Box::new(document.peers[0].clone())),
            News::Changed { peer: peer(1), changes: vec![change] },
        ]
    }

    fn printed(json: bool) -> String {
        let document = samples::partial();
        let round = Round {
            number: 2,
            reached: true,
            asked: 3,
            recalled: 1,
            crawl: &document.crawl,
            summary: &document.summary,
        };
        let mut out = Vec::new();
        let now = UNIX_EPOCH + Duration::from_secs(1_763_632_800);
        let mut printer = Printer::start_on(&mut out, json, &document.header).unwrap();
        printer.round(&news(&document), &round, now).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn people_read_one_harmless_line_for_each_change() {
        let at = "2025-11-20T10:00:00Z";
        let (first, second) = ("8139770ea8  birch", "8a88e3dd74  ash");
        let expected = [
            format!("{at} - {first}  timeout"),
            format!("{at} - {second}  nobody names it"),
            format!("{at} + {first}"),
            format!("{at} ~ {second}  name: ash -> o\u{fffd}ak\u{fffd}"),
        ];
        assert_eq!(printed(false).lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn programs_read_a_version_first_then_changes_and_a_round_last() {
        let printed = printed(true);
        assert!(!printed.contains('\u{202e}'));
        let lines: Vec<Value> =
            printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["version", "peer", "went", "went", "came", "changed", "round"]);
        assert_eq!(lines[0]["format_version"], "1.0");
        let id = lines[1]["node_id"].clone();
        let at = "2025-11-20T10:00:00Z";
        let went = json!({
            "type": "went", "at": at, "node_id": id, "name": "birch", "error": "timeout",
        });
        assert_eq!(lines[2], went);
        assert_eq!(lines[3]["error"], Value::Null);
        assert_eq!((&lines[4]["at"], &lines[4]["addrs"]), (&at.into(), &lines[1]["addrs"]));
        let changes = json!({"name": {"from": "ash", "to": "o\u{202e}ak\n"}});
        assert_eq!((&lines[5]["changes"], &lines[5]["status"]), (&changes, &"answered".into()));
        let round = &lines[6];
        assert_eq!(
            (&round["round"], &round["asked"], &round["recalled"]),
            (&2.into(), &3.into(), &1.into())
        );
        assert_eq!((&round["reached"], &round["summary"]["known"]), (&true.into(), &4.into()));
    }

    #[test]
    fn every_type_of_line_is_documented() {
        const SCRIPTS: &str = include_str!("../../../../docs/scripts.md");
        for kind in ["version", "peer", "came", "went", "changed", "round"] {
            assert!(SCRIPTS.contains(&format!("\n| `{kind}` | ")), "{kind}");
        }
    }
}

//! What `explain` prints, as text and as JSON. Unknown is `None`.

use std::{
    io::{self, Write},
    time::{Duration, SystemTime},
};

use id_client::{
    Route,
    id_proto::{self, Explanation, PeerEntry, SignedAnnouncement, Source, iroh_base::PublicKey},
};
use serde::Serialize;

use id_render::{
    Tool, json,
    model::{FORMAT_VERSION, addr_text, generated_at, thousandths},
    sanitize, text,
};

use crate::output::{TOOL, introducers::Introducer};

/// What a node answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) by: PublicKey,
    pub(crate) route: Route,
    pub(crate) explanation: Explanation<SignedAnnouncement>,
}

/// The document: the structs are the JSON, field by field.
#[derive(Debug, Serialize)]
pub(crate) struct ExplainDocument {
    format_version: &'static str,
    generated_at: String,
    tool: Tool,
    /// Whom it is about.
    node_id: String,
    /// Whose knowledge it is. Its word, but for the announcement.
    answered_by: String,
    path: &'static str,
    rtt_ms: f64,
    /// Whether the peer is in the table.
    listed: bool,
    /// What the peer says of itself; its signature was checked here.
    announcement: Option<Announcement>,
    /// How the node knows it.
    source: Option<&'static str>,
    told_by: Option<String>,
    /// How long ago the node last heard of it.
    age_secs: Option<f64>,
    /// How long ago the peer last answered the node's own dial.
    answered_dial_age_secs: Option<f64>,
    neighbour: bool,
    configured: bool,
    /// Whether it is never evicted: a neighbour, configured, or verified.
    protected: bool,
    introducer: Option<Introducer>,
    author_budget: Option<AuthorBudget>,
    last_dial: Option<LastDial>,
    next_dial: Option<NextDial>,
    last_refusal: Option<LastRefusal>,
    departed: Option<Departed>,
    lost: Option<Lost>,
}

#[derive(Debug, Serialize)]
struct Announcement {
    name: Option<String>,
    agent: String,
    blob_count: u64,
    timestamp_secs: u64,
    seq: u64,
    interval_secs: u32,
    addrs: Vec<String>,
}

#[derive(Debug, Serialize)]
struct AuthorBudget {
    left: u32,
    next_in_secs: f64,
}

#[derive(Debug, Serialize)]
struct LastDial {
    age_secs: f64,
    end: String,
}

#[derive(Debug, Serialize)]
struct NextDial {
    in_secs: f64,
    why: String,
}

#[derive(Debug, Serialize)]
struct LastRefusal {
    age_secs: f64,
    reason: String,
    by: Option<String>,
}

#[derive(Debug, Serialize)]
struct Departed {
    age_secs: f64,
    reason: String,
    seq: u64,
    forgotten_in_secs: f64,
}

#[derive(Debug, Serialize)]
struct Lost {
    age_secs: f64,
    given_up_in_secs: f64,
}

impl ExplainDocument {
    pub(crate) fn new(answer: &Answer, now: SystemTime) -> Self {
        let it = &answer.explanation;
        let entry = it.entry.as_ref();
        let (source, told_by) = entry.map_or((None, None), known_by);
        let verified = entry.and_then(|entry| entry.verified_age);
        Self {
            format_version: FORMAT_VERSION,
            generated_at: generated_at(now),
            tool: TOOL,
            node_id: it.node_id.to_string(),
            answered_by: answer.by.to_string(),
            path: answer.route.path.as_str(),
            rtt_ms: thousandths(answer.route.rtt.as_secs_f64() * 1e3),
            listed: it.is_listed,
            announcement: entry.map(|entry| Announcement::new(&entry.announcement)),
            source,
            told_by,
            age_secs: entry.map(|entry| secs(entry.age)),
            answered_dial_age_secs: verified.map(secs),
            neighbour: it.is_neighbour,
            configured: it.is_configured,
            protected: it.is_neighbour || it.is_configured || (it.is_listed && verified.is_some()),
            introducer: it.introducer.as_ref().map(Introducer::new),
            author_budget: it.author_budget.map(AuthorBudget::new),
            last_dial: it.last_dial.as_ref().map(LastDial::new),
            next_dial: it.next_dial.as_ref().map(NextDial::new),
            last_refusal: it.last_refusal.as_ref().map(LastRefusal::new),
            departed: it.departed.as_ref().map(Departed::new),
            lost: it.lost.map(Lost::new),
        }
    }

    pub(crate) fn render_json(&self, out: &mut impl Write) -> io::Result<()> {
        json::pretty(self, out)
    }

    /// One `key: value` a line, the values below each other.
    pub(crate) fn render_text(&self, out: &mut impl Write) -> io::Result<()> {
        let lines = self.lines();
        let width = lines.iter().map(|(key, _)| key.len() + 1).max().unwrap_or_default();
        for (key, value) in lines {
            writeln!(out, "{:width$} {}", format!("{key}:"), sanitize::text(&value))?;
        }
        out.flush()
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let announcement = self.announcement.as_ref();
        vec![
            ("peer", self.node_id.clone()),
            ("asked", format!("{}, which says all that follows", self.answered_by)),
            ("in its table", if self.listed { "yes" } else { "no" }.to_owned()),
            ("known by", self.source_text()),
            ("name", text::string(announcement.and_then(|it| it.name.as_deref()))),
            ("agent", text::string(announcement.map(|it| it.agent.as_str()))),
            ("announced", text::moment(announcement.map(|it| it.timestamp_secs))),
            ("addresses", or_dash(announcement.map(Announcement::addrs_text))),
            ("last heard", or_dash(self.age_secs.map(ago))),
            ("last answered", or_dash(self.answered_dial_age_secs.map(ago))),
            ("protected", self.protection()),
            ("introducer", or_dash(self.introducer.as_ref().map(|it| it.sentence("")))),
            ("author budget", or_dash(self.author_budget.as_ref().map(AuthorBudget::sentence))),
            ("last dial", or_dash(self.last_dial.as_ref().map(LastDial::sentence))),
            ("next dial", or_dash(self.next_dial.as_ref().map(NextDial::sentence))),
            ("last refusal", or_dash(self.last_refusal.as_ref().map(LastRefusal::sentence))),
            ("departed", or_dash(self.departed.as_ref().map(Departed::sentence))),
            ("lost", or_dash(self.lost.as_ref().map(Lost::sentence))),
        ]
    }

    fn source_text(&self) -> String {
        match (self.source, &self.told_by) {
            (Some("own"), _) => "itself: it is the node that was asked".to_owned(),
            (_, Some(by)) => format!("what {} told", text::short_id(by)),
            (source, _) => text::string(source),
        }
    }

    fn protection(&self) -> String {
        let verified = self.listed && self.answered_dial_age_secs.is_some();
        let reasons = [
            (self.neighbour, "neighbour"),
            (self.configured, "configured"),
            (verified, "answered a dial"),
        ];
        let reasons: Vec<_> =
            reasons.into_iter().filter(|(holds, _)| *holds).map(|(_, reason)| reason).collect();
        if reasons.is_empty() { "no".to_owned() } else { format!("yes: {}", reasons.join(", ")) }
    }
}

impl Announcement {
    fn new(announcement: &SignedAnnouncement) -> Self {
        Self {
            name: announcement.name.clone(),
            agent: announcement.agent.clone(),
            blob_count: announcement.blob_count,
            timestamp_secs: announcement.timestamp_secs,
            seq: announcement.seq,
            interval_secs: announcement.interval_secs,
            addrs: announcement.addrs.iter().map(addr_text).collect(),
        }
    }

    fn addrs_text(&self) -> String {
        if self.addrs.is_empty() { "none".to_owned() } else { self.addrs.join(", ") }
    }
}

impl AuthorBudget {
    fn new(it: id_proto::AuthorBudget) -> Self {
        Self { left: it.left, next_in_secs: secs(it.next_in) }
    }

    fn sentence(&self) -> String {
        match self.left {
            0 => format!("no announcement now, the next {}", after(self.next_in_secs)),
            left => format!("{left} more at once"),
        }
    }
}

impl LastDial {
    fn new(it: &id_proto::LastDial) -> Self {
        Self { age_secs: secs(it.age), end: it.end.to_string() }
    }

    fn sentence(&self) -> String {
        format!("{}: {}", ago(self.age_secs), self.end)
    }
}

impl NextDial {
    fn new(it: &id_proto::NextDial) -> Self {
        Self { in_secs: secs(it.after), why: it.why.to_string() }
    }

    fn sentence(&self) -> String {
        let why = match self.why.as_str() {
            "under_way" => return "now, it is under way".to_owned(),
            "verify" => "to see whether it is there, in its turn",
            "silent" => "if it stays silent",
            "lost" => "to see whether it is back",
            other => other,
        };
        format!("{} at the earliest, {why}", after(self.in_secs))
    }
}

impl LastRefusal {
    fn new(it: &id_proto::LastRefusal) -> Self {
        Self {
            age_secs: secs(it.age),
            reason: it.reason.to_string(),
            by: it.by.map(|by| by.to_string()),
        }
    }

    fn sentence(&self) -> String {
        let by = self.by.as_deref().map(|by| format!(", brought by {}", text::short_id(by)));
        format!("{}: {}{}", ago(self.age_secs), self.reason, by.unwrap_or_default())
    }
}

impl Departed {
    fn new(it: &id_proto::Departed) -> Self {
        Self {
            age_secs: secs(it.age),
            reason: it.reason.to_string(),
            seq: it.seq,
            forgotten_in_secs: secs(it.forgotten_in),
        }
    }

    fn sentence(&self) -> String {
        format!(
            "{}: {}; what it said up to sequence number {} is refused for another {}",
            ago(self.age_secs),
            self.reason,
            self.seq,
            duration(self.forgotten_in_secs),
        )
    }
}

impl Lost {
    fn new(it: id_proto::Lost) -> Self {
        Self { age_secs: secs(it.age), given_up_in_secs: secs(it.given_up_in) }
    }

    fn sentence(&self) -> String {
        let (since, left) = (ago(self.age_secs), duration(self.given_up_in_secs));
        format!("{since}; it is looked for another {left}")
    }
}

fn known_by(entry: &PeerEntry<SignedAnnouncement>) -> (Option<&'static str>, Option<String>) {
    match entry.source {
        Source::Own => (Some("own"), None),
        Source::Gossip => (Some("gossip"), None),
        Source::Told(by) => (Some("told"), Some(by.to_string())),
    }
}

fn ago(secs: f64) -> String {
    format!("{} ago", duration(secs))
}

fn after(secs: f64) -> String {
    format!("in {}", duration(secs))
}

fn duration(secs: f64) -> String {
    text::age(Some(secs))
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| text::string(None))
}

fn secs(duration: Duration) -> f64 {
    thousandths(duration.as_secs_f64())
}

#[cfg(test)]
mod tests;

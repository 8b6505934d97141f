//! What `status` prints, as text and as JSON. Unknown is `None`.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::SystemTime,
};

use id_client::{
    AskError, Route, Whoami,
    id_proto::{IntroducersReport, SignedAnnouncement, StatusReport, iroh_base::PublicKey},
};
use serde::Serialize;

use id_render::{
    Tool, json,
    model::{FORMAT_VERSION, addr_text, generated_at, thousandths},
    sanitize, text,
};

use crate::output::{TOOL, introducers::Introducers};

/// What a node answered.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) node_id: PublicKey,
    pub(crate) route: Route,
    pub(crate) whoami: Whoami,
    /// A node may say who it is and no more.
    pub(crate) status: Result<StatusReport, AskError>,
    /// Of an earlier release, it doesn't say; `None` if it wasn't asked.
    pub(crate) introducers: Option<Result<IntroducersReport, AskError>>,
}

/// The document: the structs are the JSON, field by field.
#[derive(Debug, Serialize)]
pub(crate) struct StatusDocument {
    format_version: &'static str,
    generated_at: String,
    tool: Tool,
    node_id: String,
    path: &'static str,
    rtt_ms: f64,
    protocol_versions: Vec<u16>,
    /// What it says of itself; `None` if its network is private and we are no member.
    about: Option<About>,
    /// How it is doing; `None` if it doesn't say.
    status: Option<Status>,
    /// Why it doesn't say.
    error: Option<&'static str>,
    error_message: Option<String>,
}

#[derive(Debug, Serialize)]
struct About {
    name: Option<String>,
    agent: String,
    network_tag: String,
    features: Vec<String>,
    blob_count: u64,
    timestamp_secs: u64,
    addrs: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Status {
    uptime_secs: u64,
    /// How many peers its table holds, itself not counted.
    table_size: u64,
    isolated: bool,
    neighbours: Vec<String>,
    /// Who brought the peers of its table; `None` if it doesn't say.
    introducers: Option<Introducers>,
    /// What each way of finding peers last did.
    channels: BTreeMap<String, String>,
    /// What was counted since the start.
    counters: BTreeMap<String, u64>,
}

impl StatusDocument {
    pub(crate) fn new(answers: &Answers, now: SystemTime) -> Self {
        let about = answers.whoami.about.as_ref();
        let error = answers.status.as_ref().err();
        Self {
            format_version: FORMAT_VERSION,
            generated_at: generated_at(now),
            tool: TOOL,
            node_id: answers.node_id.to_string(),
            path: answers.route.path.as_str(),
            rtt_ms: thousandths(answers.route.rtt.as_secs_f64() * 1e3),
            protocol_versions: answers.whoami.protocol_versions.clone(),
            about: about.map(About::new),
            status: answers.status.as_ref().ok().map(|report| {
                let introducers = answers.introducers.as_ref().and_then(|it| it.as_ref().ok());
                Status::new(report, introducers)
            }),
            error: error.map(|error| error.kind.as_str()),
            error_message: error.map(|error| error.message.clone()),
        }
    }

    pub(crate) fn render_json(&self, out: &mut impl Write) -> io::Result<()> {
        json::pretty(self, out)
    }

    /// One `key: value` a line.
    pub(crate) fn render_text(&self, out: &mut impl Write) -> io::Result<()> {
        let versions: Vec<_> = self.protocol_versions.iter().map(u16::to_string).collect();
        let mut lines = vec![
            ("node id", self.node_id.clone()),
            ("path", format!("{}, RTT {}", self.path, text::millis(Some(self.rtt_ms)))),
            ("protocol", versions.join(", ")),
        ];
        lines.extend(self.about.iter().flat_map(About::lines));
        lines.extend(self.status.iter().flat_map(Status::lines));
        for (key, value) in lines {
            writeln!(out, "{key}: {}", sanitize::text(&value))?;
        }
        out.flush()
    }
}

impl About {
    fn new(about: &id_client::id_proto::About<SignedAnnouncement>) -> Self {
        Self {
            name: about.announcement.name.clone(),
            agent: about.agent.clone(),
            network_tag: about.network_tag.to_string(),
            features: about.features.clone(),
            blob_count: about.announcement.blob_count,
            timestamp_secs: about.announcement.timestamp_secs,
            addrs: about.announcement.addrs.iter().map(addr_text).collect(),
        }
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        vec![
            ("name", text::string(self.name.as_deref())),
            ("agent", self.agent.clone()),
            ("network", self.network_tag.clone()),
            ("features", listed(&self.features)),
            ("blobs", self.blob_count.to_string()),
            ("announced", text::moment(Some(self.timestamp_secs))),
            ("addresses", listed(&self.addrs)),
        ]
    }
}

impl Status {
    fn new(report: &StatusReport, introducers: Option<&IntroducersReport>) -> Self {
        Self {
            uptime_secs: report.uptime_secs,
            table_size: report.table_size,
            isolated: report.isolated,
            neighbours: report.neighbours.iter().map(PublicKey::to_string).collect(),
            introducers: introducers.map(Introducers::new),
            channels: report.channels.iter().cloned().collect(),
            counters: report.counters.iter().cloned().collect(),
        }
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let neighbours = self.neighbours.iter().map(|id| text::short_id(id).to_owned());
        let isolated = if self.isolated { "; isolated" } else { "" };
        let mut lines = vec![
            ("uptime", text::short_duration(self.uptime_secs)),
            ("peers", format!("{}{isolated}", self.table_size)),
            ("neighbours", listed(&neighbours.collect::<Vec<_>>())),
        ];
        lines.extend(
            self.introducers
                .as_ref()
                .map_or_else(|| vec![("introducers", text::string(None))], Introducers::lines),
        );
        lines.extend(
            self.channels.iter().map(|(name, what)| ("channel", format!("{name}: {what}"))),
        );
        lines.extend(self.counters.iter().map(|(name, n)| ("counter", format!("{name} {n}"))));
        lines
    }
}

fn listed(items: &[String]) -> String {
    if items.is_empty() { text::string(None) } else { items.join(", ") }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use id_client::{
        FailKind, PathKind,
        id_proto::{self, iroh_base::SecretKey},
    };

    use super::*;
    use crate::output::samples;

    const NOW: Duration = Duration::from_secs(1_763_632_804);

    fn document(status: Result<StatusReport, AskError>, is_member: bool) -> StatusDocument {
        StatusDocument::new(&answers(status, is_member), UNIX_EPOCH + NOW)
    }

    fn answers(status: Result<StatusReport, AskError>, is_member: bool) -> Answers {
        let announcement = samples::announcement(1, Some("oak\x1b[31m"));
        let about = is_member.then(|| id_proto::About {
            node_id: announcement.node_id,
            agent: announcement.agent.clone(),
            network_tag: announcement.network_tag,
            features: vec!["gossip".to_owned(), "dht".to_owned()],
            table_size: 2,
            announcement,
        });
        Answers {
            node_id: SecretKey::from_bytes(&[1; 32]).public(),
            route: Route { path: PathKind::Direct, rtt: Duration::from_micros(412) },
            whoami: Whoami { protocol_versions: vec![1, 2], about },
            introducers: status.is_ok().then(introducers),
            status,
        }
    }

    fn report() -> StatusReport {
        StatusReport {
            uptime_secs: 3_725,
            table_size: 2,
            neighbours: vec![SecretKey::from_bytes(&[2; 32]).public()],
            isolated: false,
            channels: vec![("dht".to_owned(), "found\n2".to_owned())],
            counters: vec![("believed".to_owned(), 7)],
        }
    }

    fn introducers() -> Result<IntroducersReport, AskError> {
        let introducer = |seed, n_entries| id_proto::Introducer {
            node_id: SecretKey::from_bytes(&[seed; 32]).public(),
            is_neighbour: seed == 2,
            n_entries,
            n_unverified: 41,
            quota: 4096,
            room: 4055,
            squeeze: 64,
            dials: 16,
        };
        Ok(IntroducersReport {
            table_size: 341,
            n_introducers: 3,
            introducers: vec![introducer(2, 300), introducer(3, 40)],
        })
    }

    fn text_of(document: &StatusDocument) -> String {
        let mut out = Vec::new();
        document.render_text(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_has_a_line_for_everything_and_nothing_hostile() {
        let shown = text_of(&document(Ok(report()), true));
        snapbox::assert_data_eq!(
            shown,
            snapbox::str![[r#"
node id: 8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c
path: direct, RTT 0.4 ms
protocol: 1, 2
name: oak�[31m
agent: id-node/0.1.0
network: ea9de46506b721073c821d427a4b25e3
features: gossip, dht
blobs: 7
announced: 2025-11-20T10:00:00Z
addresses: https://relay.example/, 192.0.2.1:4433
uptime: 1h02m
peers: 2
neighbours: 8139770ea8
introducer: 8139770ea8 (neighbour) brought 300 peers (88.0 % of the table), 41 of them unverified (quota 4096); may bring 4055 more, 64 into a full table; 16 dials may fail
introducer: ed4928c628 brought 40 peers (11.7 % of the table), 41 of them unverified (quota 4096); may bring 4055 more, 64 into a full table; 16 dials may fail
introducers: 1 more, who brought less
channel: dht: found�2
counter: believed 7

"#]]
        );
    }

    #[test]
    fn introducers_are_listed_with_their_share_and_not_among_the_channels() {
        let json = serde_json::to_value(document(Ok(report()), true)).unwrap();
        let introducers = &json["status"]["introducers"];
        assert_eq!(introducers["count"], 3);
        assert_eq!(introducers["largest"][0]["share_percent"], 88.0);
        assert_eq!(introducers["largest"][0]["neighbour"], true);
        assert_eq!(introducers["largest"][1]["entries"], 40);
        assert_eq!(json["status"]["channels"].as_object().unwrap().len(), 1);
    }

    #[test]
    fn node_of_an_earlier_release_is_shown_without_its_introducers() {
        let mut answers = answers(Ok(report()), true);
        answers.introducers = Some(Err(AskError::new(FailKind::Unsupported, "request 3")));
        let document = StatusDocument::new(&answers, UNIX_EPOCH + NOW);
        assert!(text_of(&document).contains("\nintroducers: -\n"));
        let json = serde_json::to_value(&document).unwrap();
        assert_eq!(json["status"]["introducers"], serde_json::Value::Null);
        assert_eq!(json["status"]["table_size"], 2);
    }

    #[test]
    fn stranger_sees_who_it_is_and_nothing_else() {
        let refused = AskError::new(FailKind::NotMember, "this network is private");
        let document = document(Err(refused), false);
        assert_eq!(text_of(&document).lines().count(), 3);
        let json = serde_json::to_value(&document).unwrap();
        assert_eq!(json["about"], serde_json::Value::Null);
        assert_eq!(json["status"], serde_json::Value::Null);
        assert_eq!(json["error"], "not_member");
    }
}

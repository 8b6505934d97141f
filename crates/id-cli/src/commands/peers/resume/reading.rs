//! Reading what was noted. The file may be anybody's: it is capped, and signatures are checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufRead, Read},
    sync::Arc,
    time::Duration,
};

use id_client::{
    Answer, Named, Past, PathKind, RejectReason, Route, Use,
    id_proto::{
        PeerAnnouncement, SignedAnnouncement, UnverifiedAnnouncement,
        iroh_base::PublicKey,
        limits::{MAX_CLOCK_SKEW, MAX_SIGNED_LEN},
    },
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    AnnouncementLine, AnswerInfo, AnsweredLine, Frame, MAX_FILE_LEN, MAX_LINE_LEN, ResumeInfo,
};

/// How every file begins.
const BEGINNING: &[u8] = br#"{"type":"version","#;

const NOT_OURS: &str = "it is no file that --resume wrote";

/// What is in a file.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) past: Past,
    /// The authors of the announcements, by number.
    pub(super) authors: Vec<PublicKey>,
    /// The number and the `seq` of the last announcement of each author.
    pub(super) newest: BTreeMap<PublicKey, (u32, u64)>,
    /// Who has a line.
    pub(super) peers: BTreeSet<String>,
    /// How long all complete lines are; behind them may be half of one.
    pub(super) len: u64,
}

/// The beginning of every line.
#[derive(Deserialize)]
struct Kind {
    r#type: String,
}

/// What of the first line is looked at first.
#[derive(Deserialize)]
struct Version {
    format_version: String,
}

#[derive(Deserialize)]
struct First {
    network: NetworkName,
    resume: Option<ResumeInfo>,
}

#[derive(Deserialize)]
struct NetworkName {
    tag: String,
}

/// Reads a file of the crawl that `frame` describes, or says what is wrong with it.
pub(super) fn read(
    mut file: impl BufRead,
    frame: &Frame,
    now_unix_secs: u64,
) -> Result<Noted, String> {
    let mut noted = Noted::default();
    for number in 1u32.. {
        let line = next_line(&mut file).map_err(|error| error.to_string())?;
        if !line.ends_with(b"\n") {
            check_half(&line, number)?;
            break;
        }
        noted.len += line.len() as u64;
        if noted.len > MAX_FILE_LEN {
            return Err(format!("it is longer than {} MiB", MAX_FILE_LEN >> 20));
        }
        if number == 1 {
            check_first(&line, frame)?;
        } else {
            let taken = noted.take(&line, frame, now_unix_secs);
            taken.map_err(|what| format!("line {number}: {what}"))?;
        }
    }
    Ok(noted)
}

/// What is behind the last complete line will be cut off. It had better be ours.
fn check_half(line: &[u8], number: u32) -> Result<(), String> {
    let begins_alike = line.iter().zip(BEGINNING).all(|(a, b)| a == b);
    match number {
        1 if !begins_alike => Err(NOT_OURS.to_owned()),
        _ => Ok(()),
    }
}

/// The next line; without its end, if the file ends before.
fn next_line(file: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    file.by_ref().take(MAX_LINE_LEN + 1).read_until(b'\n', &mut line)?;
    if line.len() as u64 > MAX_LINE_LEN {
        let max = MAX_LINE_LEN >> 20;
        return Err(io::Error::other(format!("a line is longer than {max} MiB")));
    }
    Ok(line)
}

fn check_first(line: &[u8], frame: &Frame) -> Result<(), String> {
    let Version { format_version } = parse(line)?;
    if format_version.split('.').next() != Some("1") {
        return Err(format!("its format_version is {format_version}, and 1.x is understood"));
    }
    let First { network, resume } = parse(line)?;
    let Some(resume) = resume else {
        return Err(NOT_OURS.to_owned());
    };
    let own_tag = frame.network_tag.to_string();
    if network.tag != own_tag {
        return Err(format!("it is of network {}, not of {own_tag}", network.tag));
    }
    if resume.seeds != frame.seeds.iter().map(PublicKey::to_string).collect() {
        return Err("its crawl started from other nodes".to_owned());
    }
    if resume.max_peers < frame.max_peers {
        let max = resume.max_peers;
        return Err(format!("its crawl had no room for more than --max-peers {max}"));
    }
    Ok(())
}

impl Noted {
    fn take(&mut self, line: &[u8], frame: &Frame, now_unix_secs: u64) -> Result<(), String> {
        match parse::<Kind>(line)?.r#type.as_str() {
            "announcement" => self.learn(&parse::<AnnouncementLine>(line)?, frame, now_unix_secs),
            "peer" => self.recall(parse(line)?),
            // Of a later version, or nothing to go on from.
            _ => Ok(()),
        }
    }

    fn learn(
        &mut self,
        line: &AnnouncementLine,
        frame: &Frame,
        now_unix_secs: u64,
    ) -> Result<(), String> {
        let announcement = verified(&line.signed)?;
        let PeerAnnouncement { node_id, seq, .. } = *announcement.statement();
        if announcement.network_tag != frame.network_tag {
            return Err("an announcement of another network".to_owned());
        }
        if announcement.timestamp_secs > now_unix_secs.saturating_add(MAX_CLOCK_SKEW.as_secs()) {
            return Err("an announcement of the future: is the clock right?".to_owned());
        }
        let number = u32::try_from(self.authors.len()).expect("a file isn't that long");
        self.authors.push(node_id);
        self.newest.insert(node_id, (number, seq));
        self.past.learn(announcement);
        Ok(())
    }

    fn recall(&mut self, line: AnsweredLine) -> Result<(), String> {
        let peer: PublicKey =
            line.node_id.parse().map_err(|_| "a peer's node_id is none".to_owned())?;
        self.peers.insert(line.node_id);
        let usage = match line.status.as_str() {
            "answered" => Use::InsteadOfAsking,
            "failed" => Use::WithItsFailure,
            _ => return Ok(()),
        };
        let Some(AnswerInfo { at_secs, named, left_out }) = line.answer else { return Ok(()) };
        let named = named.into_iter().map(|(number, age, verified_age)| {
            let author = self.authors.get(number as usize);
            Ok(Named {
                peer: *author.ok_or_else(|| format!("there is no announcement {number}"))?,
                age: Duration::from_millis(age),
                verified_age: verified_age.map(Duration::from_millis),
            })
        });
        let reason = |(name, n): (&String, &u32)| {
            let reason = RejectReason::ALL.iter().find(|reason| reason.as_str() == name)?;
            Some((*reason, u64::from(*n)))
        };
        let answer = Answer {
            peer,
            at_unix_secs: at_secs,
            route: route(line.path.as_deref(), line.rtt_ms),
            named: named.collect::<Result<_, String>>()?,
            n_left_out: left_out.into(),
            rejected: line.rejected.iter().filter_map(reason).collect(),
        };
        self.past.keep(Arc::new(answer), usage);
        Ok(())
    }
}

fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|error| format!("no such line: {error}"))
}

fn verified(hex: &str) -> Result<SignedAnnouncement, String> {
    let bytes = unhex(hex).ok_or("an announcement that is no hex, or too long")?;
    let announcement = UnverifiedAnnouncement::decode(&bytes);
    let announcement = announcement.map_err(|error| format!("no announcement: {error}"))?;
    announcement.verify().map_err(|_| "an announcement that its author didn't sign".to_owned())
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    };
    let fits = hex.len() <= 2 * MAX_SIGNED_LEN;
    fits.then(|| hex.as_bytes().chunks(2).map(byte).collect()).flatten()
}

fn route(path: Option<&str>, rtt_ms: Option<f64>) -> Option<Route> {
    let path = [PathKind::Direct, PathKind::Relay].into_iter().find(|p| Some(p.as_str()) == path);
    let rtt = Duration::try_from_secs_f64(rtt_ms? / 1e3).ok()?;
    Some(Route { path: path?, rtt })
}

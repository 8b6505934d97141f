//! A node's own account of its table: the JSON log that it writes to stderr.
//!
//! Its timestamps have microseconds and all nodes run on one clock, so what is computed from them is
//! exact. How often we read the file only delays when we notice.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use serde_json::Value;

/// One line of the log that is about peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// When the node wrote it.
    pub(crate) at: SystemTime,
    /// What happened.
    pub(crate) event: Event,
}

/// What happened to whom; each with a node id of 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A gossip neighbour was won.
    NeighbourUp,
    /// The table holds one more peer.
    Added(String),
    /// The table holds one peer less.
    Removed(String),
}

/// A log that is still being written.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    reader: BufReader<File>,
    unfinished_line: String,
    entries: Vec<Entry>,
    table: BTreeSet<String>,
}

impl Log {
    /// Opens the log at `path`; nothing is read yet.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("can't read {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            reader: BufReader::new(file),
            unfinished_line: String::new(),
            entries: Vec::new(),
            table: BTreeSet::new(),
        })
    }

    /// Reads what was written since the last time.
    pub(crate) fn follow(&mut self) -> Result<()> {
        while self.reader.read_line(&mut self.unfinished_line)? > 0 {
            if !self.unfinished_line.ends_with('\n') {
                break;
            }
            if let Some(entry) = parse(&self.unfinished_line) {
                apply(&mut self.table, &entry.event);
                self.entries.push(entry);
            }
            self.unfinished_line.clear();
        }
        Ok(())
    }

    /// When the node won its first neighbour.
    pub(crate) fn first_neighbour_at(&self) -> Option<SystemTime> {
        let up = self.entries.iter().find(|entry| entry.event == Event::NeighbourUp);
        up.map(|entry| entry.at)
    }

    /// Since when the table holds all `wanted`, if it does; the time of the last addition among them.
    pub(crate) fn holds_since(&self, wanted: &BTreeSet<String>) -> Option<SystemTime> {
        if !wanted.is_subset(&self.table) {
            return None;
        }
        let last = self
            .entries
            .iter()
            .rev()
            .find(|entry| matches!(&entry.event, Event::Added(peer) if wanted.contains(peer)));
        last.map(|entry| entry.at)
    }

    /// Since when the table lacks `peer`, after it held it.
    pub(crate) fn lacks_since(&self, peer: &str) -> Option<SystemTime> {
        if self.table.contains(peer) {
            return None;
        }
        let last = self
            .entries
            .iter()
            .rev()
            .find(|entry| matches!(&entry.event, Event::Removed(gone) if gone == peer));
        last.map(|entry| entry.at)
    }

    /// Who was removed from the table after `at`, each time.
    pub(crate) fn removed_after(&self, at: SystemTime) -> impl Iterator<Item = &str> {
        let later = self.entries.iter().filter(move |entry| entry.at > at);
        later.filter_map(|entry| match &entry.event {
            Event::Removed(peer) => Some(peer.as_str()),
            _ => None,
        })
    }

    /// The last lines of the file, for a report of failure.
    pub(crate) fn tail(&self) -> String {
        tail(&self.path)
    }
}

/// The last lines of the file at `path`, for a report of failure.
pub(crate) fn tail(path: &Path) -> String {
    const LINES: usize = 5;
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

fn apply(table: &mut BTreeSet<String>, event: &Event) {
    match event {
        Event::Added(peer) => {
            table.insert(peer.clone());
        }
        Event::Removed(peer) => {
            table.remove(peer);
        }
        Event::NeighbourUp => {}
    }
}

/// Reads one line; `None` if it is about something else.
fn parse(line: &str) -> Option<Entry> {
    // Most lines are about something else, and this is cheaper than parsing them.
    if !line.contains("\"event\"") {
        return None;
    }
    let line: Value = serde_json::from_str(line).ok()?;
    let at = parse_timestamp(line.get("timestamp")?.as_str()?)?;
    let fields = line.get("fields")?;
    let peer = || fields.get("peer").and_then(Value::as_str).map(str::to_owned);
    let event = match fields.get("event")?.as_str()? {
        "neighbour_up" => Event::NeighbourUp,
        "peer_added" => Event::Added(peer()?),
        "peer_removed" => Event::Removed(peer()?),
        _ => return None,
    };
    Some(Entry { at, event })
}

/// Reads `2026-11-20T10:00:00.123456Z`: RFC 3339 in UTC, which is the only form that nodes write.
fn parse_timestamp(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(time, ':')?;
    let seconds = days_since_1970(year, month, day)? * 86_400 + hour * 3_600 + minute * 60 + second;
    let nanos = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let parts: Vec<u64> = text.split(separator).map(str::parse).collect::<Result<_, _>>().ok()?;
    parts.try_into().ok()
}

fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    const DAYS_BEFORE_MONTH: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    // Leap days before the first of March of `year`, from the year 0 on; 1970 had 477 behind it.
    let last_finished = if month > 2 { year } else { year.checked_sub(1)? };
    let leap_days = last_finished / 4 - last_finished / 100 + last_finished / 400;
    let before_month = DAYS_BEFORE_MONTH.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    Some(year.checked_sub(1970)? * 365 + leap_days - 477 + before_month + day.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn unix_micros(text: &str) -> u128 {
        let at = parse_timestamp(text).unwrap();
        at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros()
    }

    fn line(second: u32, fields: &str) -> String {
        format!(
            r#"{{"timestamp":"2026-11-20T10:00:{second:02}.000001Z","level":"INFO","fields":{{{fields}}},"target":"id_node"}}"#
        )
    }

    fn added(second: u32, peer: &str) -> String {
        line(second, &format!(r#""message":"peer added","event":"peer_added","peer":"{peer}""#))
    }

    fn removed(second: u32, peer: &str) -> String {
        line(second, &format!(r#""message":"peer removed","event":"peer_removed","peer":"{peer}""#))
    }

    fn log_of(lines: &[String]) -> Log {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for line in lines {
            writeln!(file, "{line}").unwrap();
        }
        let mut log = Log::open(file.path()).unwrap();
        log.follow().unwrap();
        log
    }

    fn at(second: u32) -> SystemTime {
        parse_timestamp(&format!("2026-11-20T10:00:{second:02}.000001Z")).unwrap()
    }

    fn peers(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn timestamps_are_read_to_the_microsecond() {
        assert_eq!(unix_micros("1970-01-01T00:00:00Z"), 0);
        assert_eq!(unix_micros("2000-02-29T12:34:56.5Z"), 951_827_696_500_000);
        assert_eq!(unix_micros("2026-11-20T10:00:00.123456Z"), 1_795_168_800_123_456);
        assert_eq!(unix_micros("2028-03-01T00:00:00.000001Z"), 1_835_481_600_000_001);
    }

    #[test]
    fn what_is_no_utc_timestamp_is_refused() {
        for text in ["", "2026-11-20", "2026-11-20T10:00:00+01:00", "2026-13-20T10:00:00Z"] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn table_holds_all_from_the_last_addition_on() {
        let log = log_of(&[added(1, "a"), added(2, "b"), added(3, "c")]);
        assert_eq!(log.holds_since(&peers(&["a", "b"])), Some(at(2)));
        assert_eq!(log.holds_since(&peers(&["a", "d"])), None);
    }

    #[test]
    fn peer_that_was_lost_and_found_counts_from_when_it_was_found() {
        let log = log_of(&[added(1, "a"), added(2, "b"), removed(3, "a"), added(4, "a")]);
        assert_eq!(log.holds_since(&peers(&["a", "b"])), Some(at(4)));
        assert_eq!(log.lacks_since("a"), None);
    }

    #[test]
    fn peer_is_lacking_from_its_removal_on() {
        let log = log_of(&[added(1, "a"), removed(3, "a")]);
        assert_eq!(log.lacks_since("a"), Some(at(3)));
        assert_eq!(log.lacks_since("never seen"), None);
    }

    #[test]
    fn removals_are_counted_from_a_moment_on() {
        let log = log_of(&[removed(1, "a"), removed(3, "b"), added(4, "b"), removed(5, "b")]);
        assert_eq!(log.removed_after(at(2)).collect::<Vec<_>>(), ["b", "b"]);
    }

    #[test]
    fn half_a_line_is_read_when_the_other_half_is_there() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut log = Log::open(file.path()).unwrap();
        let (one_half, other_half) = (&added(1, "a")[..70], &added(1, "a")[70..]);
        write!(file, "{one_half}").unwrap();
        log.follow().unwrap();
        assert!(log.table.is_empty());
        writeln!(file, "{other_half}").unwrap();
        log.follow().unwrap();
        assert_eq!(log.table, peers(&["a"]));
    }

    #[test]
    fn first_neighbour_is_the_first() {
        let up = |second| line(second, r#""event":"neighbour_up","peer":"a""#);
        let log = log_of(&["not JSON \"event\"".to_owned(), added(1, "a"), up(2), up(3)]);
        assert_eq!(log.first_neighbour_at(), Some(at(2)));
    }
}

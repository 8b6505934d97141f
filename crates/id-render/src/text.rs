//! How values look in a line of text. Unknown is `-`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::sanitize;

const UNKNOWN: &str = "-";

/// The last second of the year 9999, behind which RFC 3339 has no words.
const LAST_SECOND: u64 = 253_402_300_799;

/// What a peer calls itself, harmless.
pub fn string(text: Option<&str>) -> String {
    text.map_or(UNKNOWN.into(), sanitize::text).into_owned()
}

/// A number.
pub fn number(number: Option<impl ToString>) -> String {
    or_unknown(number.map(|number| number.to_string()))
}

/// A moment in RFC 3339, UTC.
pub fn moment(unix_secs: Option<u64>) -> String {
    or_unknown(unix_secs.filter(|secs| *secs <= LAST_SECOND).and_then(rfc3339))
}

/// How long ago it was, in the two largest units.
pub fn age(secs: Option<f64>) -> String {
    // A float becomes an integer by saturating; an age is never negative.
    or_unknown(secs.map(|secs| short_duration(secs as u64)))
}

/// Milliseconds, with one decimal.
pub fn millis(ms: Option<f64>) -> String {
    or_unknown(ms.map(|ms| format!("{ms:.1} ms")))
}

/// The first ten digits of a node id: enough for eyes.
pub fn short_id(node_id: &str) -> &str {
    node_id.get(..10).unwrap_or(node_id)
}

/// Seconds in their two largest units.
pub fn short_duration(secs: u64) -> String {
    let (minutes, hours, days) = (secs / 60, secs / 3_600, secs / 86_400);
    match secs {
        0..60 => format!("{secs}s"),
        60..3_600 => format!("{minutes}m{:02}s", secs % 60),
        3_600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

fn rfc3339(unix_secs: u64) -> Option<String> {
    let moment: SystemTime = UNIX_EPOCH.checked_add(Duration::from_secs(unix_secs))?;
    Some(humantime::format_rfc3339_seconds(moment).to_string())
}

fn or_unknown(text: Option<String>) -> String {
    text.unwrap_or_else(|| UNKNOWN.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_a_dash_and_zero_is_zero() {
        assert_eq!([string(None), number(None::<u64>), moment(None)], ["-"; 3]);
        assert_eq!([age(None), millis(None)], ["-"; 2]);
        assert_eq!([number(Some(0)), age(Some(0.0)), millis(Some(0.0))], ["0", "0s", "0.0 ms"]);
    }

    #[test]
    fn ages_have_their_two_largest_units() {
        let shown = [4.9, 61.0, 3_725.0, 90_000.0].map(|secs| age(Some(secs)));
        assert_eq!(shown, ["4s", "1m01s", "1h02m", "1d01h"]);
    }

    #[test]
    fn moment_beyond_the_year_9999_is_unknown() {
        assert_eq!(moment(Some(1_763_632_800)), "2025-11-20T10:00:00Z");
        assert_eq!(moment(Some(LAST_SECOND)), "9999-12-31T23:59:59Z");
        assert_eq!(moment(Some(LAST_SECOND + 1)), "-");
        assert_eq!(moment(Some(u64::MAX)), "-");
    }
}

//! Is this machine's clock that of the others?

use super::{
    Finding, Step,
    facts::{Announced, Answer, Facts},
};

const STEP: Step = Step::Clock;

/// From which difference, in seconds, nodes don't meet. Origin: records in the DHT are looked for in this
/// minute and the last; and an announcement counts for four intervals, which are 120 s.
const MAX_OFFSET_SECS: u64 = 120;
/// How much of a difference may be the way of the answer, in seconds. Origin: the longest time-out of a
/// question.
const SLACK_SECS: u64 = 10;

pub(super) fn judge(facts: &Facts) -> Finding {
    let mut offsets: Vec<i64> =
        facts.answers().filter_map(|(_, answer)| Some(offset(answer, answer.announced?))).collect();
    offsets.sort_unstable();
    let Some(median) = offsets.get(offsets.len() / 2).copied() else {
        return Finding::skipped(STEP, "no peer answered with its time");
    };
    let whose = whose(offsets.len());
    match (median.unsigned_abs(), median > 0) {
        (0, _) => Finding::ok(STEP, format!("agrees with that of {} peers", offsets.len())),
        (1..=MAX_OFFSET_SECS, _) => Finding::warning(
            STEP,
            format!("differs by about {} s from {whose}", median.unsigned_abs()),
            "let the system set the clock (NTP): `timedatectl` says whether it does",
        ),
        (secs, is_ahead) => {
            let direction = if is_ahead { "ahead of" } else { "behind" };
            Finding::fault(
                STEP,
                format!(
                    "this clock is about {} {direction} {whose}, so nobody believes what this node says, \
                     nor it them{}",
                    in_words(secs),
                    refused(facts)
                ),
                "set the clock, best by NTP: `timedatectl` says whether the system does",
            )
        }
    }
}

/// How many seconds our clock is ahead of the peer's; 0 if it can be right. A peer's newest announcement is
/// up to one interval old.
fn offset(answer: &Answer, announced: Announced) -> i64 {
    let earliest = announced.timestamp_secs.saturating_sub(SLACK_SECS);
    let latest = announced
        .timestamp_secs
        .saturating_add(announced.interval_secs.into())
        .saturating_add(SLACK_SECS);
    match answer.asked_at {
        now if now > latest => (now - latest).cast_signed(),
        now if now < earliest => -(earliest - now).cast_signed(),
        _ => 0,
    }
}

fn whose(n_peers: usize) -> String {
    match n_peers {
        1 => "the clock of one peer (which may be the wrong one)".to_owned(),
        n => format!("the clocks of {n} peers (median)"),
    }
}

fn in_words(secs: u64) -> String {
    match secs {
        0..3600 => format!("{} min", secs.div_ceil(60)),
        _ => format!("{:.1} h", secs as f64 / 3600.0),
    }
}

/// What the running node has counted that says the same.
fn refused(facts: &Facts) -> String {
    let count = |name| facts.own_status().and_then(|own| own.counters.get(name)).copied();
    let n: u64 = ["refused_expired", "refused_future_dated"].into_iter().filter_map(count).sum();
    if n == 0 {
        String::new()
    } else {
        format!("; it has refused {n} announcements for their date")
    }
}

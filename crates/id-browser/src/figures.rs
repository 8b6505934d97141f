//! How long the page takes.

use std::fmt;

use anyhow::Result;
use serde::Deserialize;

use super::browser::Browser;

/// How often each is measured; odd, so that there is a median.
const N_ROUNDS: usize = 5;

/// In milliseconds.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Round {
    /// What the server says that it worked.
    server: f64,
    /// From the request until something was seen.
    first_paint: f64,
    /// From the request until all of it was there and drawn.
    whole: f64,
    /// From the answer to a poll until the new table was drawn.
    swap: f64,
    /// What the server says that it worked for a poll.
    poll: f64,
    /// How long the page is, in bytes.
    bytes: f64,
}

/// Medians of some rounds.
#[derive(Debug)]
pub(crate) struct Figures(Vec<Round>);

/// Two frames after all of it was there, the first of which has drawn it. What was seen first is reported a
/// little later.
const MEASURED: &str = "await (async () => { \
    const frame = () => new Promise((drawn) => requestAnimationFrame(drawn)); \
    const paints = () => performance.getEntriesByName('first-contentful-paint'); \
    await frame(); await frame(); \
    const whole = performance.now(); \
    while (paints().length === 0) await frame(); \
    const [page] = performance.getEntriesByType('navigation'); \
    const server = page.serverTiming.reduce((sum, { duration }) => sum + duration, 0); \
    return [server, paints()[0].startTime, whole, page.encodedBodySize]; })()";

/// A poll, from its answer on: two frames later the new table was drawn.
const POLLED: &str = "await new Promise((done) => { let answered; \
    addEventListener('htmx:beforeSwap', () => { answered = performance.now(); }, { once: true }); \
    addEventListener('htmx:afterSettle', () => requestAnimationFrame(() => requestAnimationFrame(() => { \
    const polls = performance.getEntriesByType('resource').filter(({ name }) => name.includes('/peers/part')); \
    const server = polls.at(-1).serverTiming.reduce((sum, { duration }) => sum + duration, 0); \
    done([performance.now() - answered, server]); })), { once: true }); \
    htmx.trigger('#peers', 'refresh'); })";

pub(crate) async fn take(browser: &Browser, url: &str) -> Result<Figures> {
    let mut rounds = Vec::new();
    for _ in 0..N_ROUNDS {
        rounds.push(round(browser, url).await?);
    }
    Ok(Figures(rounds))
}

async fn round(browser: &Browser, url: &str) -> Result<Round> {
    browser.open(url).await?;
    let (server, first_paint, whole, bytes) = browser.ask(MEASURED).await?;
    let (swap, poll) = browser.ask(POLLED).await?;
    Ok(Round { server, first_paint, whole, swap, poll, bytes })
}

impl Figures {
    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        let mut values: Vec<f64> = self.0.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [server, paint, whole, swap, poll] = [
            self.median(|round| round.server),
            self.median(|round| round.first_paint),
            self.median(|round| round.whole),
            self.median(|round| round.swap),
            self.median(|round| round.poll),
        ];
        let kib = self.median(|round| round.bytes) / 1024.0;
        write!(
            f,
            "server {server:.1} ms, first paint {paint:.0} ms, whole {whole:.0} ms, {kib:.0} KiB; \
             a poll: server {poll:.1} ms, drawn {swap:.0} ms later"
        )
    }
}

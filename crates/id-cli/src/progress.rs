//! What is said on stderr while a crawl runs.

use std::{
    collections::HashSet,
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use clap::ValueEnum;
use id_client::{CrawlEvent, id_proto::iroh_base::PublicKey};
use indicatif::{ProgressBar, ProgressStyle};

use crate::talk;

/// How often a plain line is said at most. Origin: a log of a crawl of 30 s has six of them, and
/// most crawls are over before the first.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// How often the bar is drawn anew.
const BAR_EVERY: Duration = Duration::from_millis(100);

const BAR: &str = "{spinner} {bar:30} {pos}/{len} {wide_msg}";

/// What the user wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// A bar on a terminal, plain lines elsewhere
    Auto,
    /// A bar, on a terminal only
    Bar,
    /// A line every five seconds
    Plain,
    /// Neither this nor the counts at the end
    None,
}

impl ProgressMode {
    /// Whether anything is said that is neither data nor a warning.
    pub(crate) fn is_chatty(self) -> bool {
        self != Self::None
    }
}

/// How far a crawl is.
#[derive(Debug)]
pub(crate) struct Progress {
    counts: Counts,
    display: Display,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Counts {
    known: usize,
    answered: usize,
    failed: usize,
    /// Whom a crawl has met.
    met: HashSet<PublicKey>,
}

#[derive(Debug)]
enum Display {
    Bar(ProgressBar),
    Plain { last: Instant },
    None,
}

impl Progress {
    /// Starts with nobody known.
    pub(crate) fn start(mode: ProgressMode) -> Self {
        let display = match mode {
            ProgressMode::Auto if stderr().is_terminal() => bar(),
            ProgressMode::Bar => bar(),
            ProgressMode::Auto | ProgressMode::Plain => Display::Plain { last: Instant::now() },
            ProgressMode::None => Display::None,
        };
        Self { counts: Counts::default(), display }
    }

    /// Takes in what happened in a crawl.
    pub(crate) fn on_event(&mut self, event: &CrawlEvent) {
        self.counts.count(event);
        self.show();
    }

    /// Takes in how many peers are known.
    pub(crate) fn on_known(&mut self, n_known: usize) {
        self.counts.known = n_known;
        self.show();
    }

    /// Prints on a terminal where the bar may be.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.display {
            Display::Bar(bar) => bar.suspend(print),
            Display::Plain { .. } | Display::None => print(),
        }
    }

    /// Waits until something is to be shown although nothing happened. Cancel safe.
    pub(crate) async fn tick(&mut self) {
        match &self.display {
            Display::Plain { last } => tokio::time::sleep_until((*last + PLAIN_EVERY).into()).await,
            Display::Bar(_) | Display::None => std::future::pending().await,
        }
        self.show();
    }

    fn show(&mut self) {
        match &mut self.display {
            Display::Bar(bar) => {
                bar.set_length(self.counts.known as u64);
                bar.set_position((self.counts.answered + self.counts.failed) as u64);
                bar.set_message(self.counts.text());
            }
            Display::Plain { last } if last.elapsed() >= PLAIN_EVERY => {
                talk::note(&self.counts.text());
                *last = Instant::now();
            }
            Display::Plain { .. } | Display::None => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> Display {
    let style = ProgressStyle::with_template(BAR).expect("the template is well formed");
    let bar = ProgressBar::new(0).with_style(style);
    bar.enable_steady_tick(BAR_EVERY);
    Display::Bar(bar)
}

impl Counts {
    fn count(&mut self, event: &CrawlEvent) {
        match event {
            CrawlEvent::Dialing { peer, .. } => self.meet(*peer),
            CrawlEvent::Found { entry, .. } => self.meet(entry.announcement.node_id),
            CrawlEvent::Displaced { peer } => self.forget(peer),
            CrawlEvent::Answered { .. } => self.answered += 1,
            CrawlEvent::Recalled { peer, .. } => {
                self.meet(*peer);
                self.answered += 1;
            }
            CrawlEvent::Failed { .. } => self.failed += 1,
            _ => {}
        }
    }

    /// A seed is met when it is dialled, anybody else when it is found; a seed may be found too.
    fn meet(&mut self, peer: PublicKey) {
        self.met.insert(peer);
        self.known = self.met.len();
    }

    fn forget(&mut self, peer: &PublicKey) {
        self.met.remove(peer);
        self.known = self.met.len();
    }

    fn text(&self) -> String {
        let Self { known, answered, failed, .. } = self;
        format!("{known} known, {answered} answered, {failed} failed")
    }
}

#[cfg(test)]
mod tests {
    use id_client::{AskError, FailKind, id_proto::iroh_base::SecretKey};

    use super::*;

    #[test]
    fn events_are_counted_and_each_peer_once() {
        let peer = SecretKey::from_bytes(&[1; 32]).public();
        let mut counts = Counts::default();
        counts.count(&CrawlEvent::Dialing { peer, depth: 0 });
        counts.count(&CrawlEvent::Dialing { peer, depth: 0 });
        counts.count(&CrawlEvent::Answered { peer, n_entries: 1 });
        counts.count(&CrawlEvent::Failed { peer, error: AskError::new(FailKind::Lost, "") });
        assert_eq!(counts.text(), "1 known, 1 answered, 1 failed");
        counts.count(&CrawlEvent::Displaced { peer });
        assert_eq!(counts.text(), "0 known, 1 answered, 1 failed");
    }
}

//! What is said on stderr while a blob is on its way.

use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::{progress::ProgressMode, talk};

/// How often a plain line is said at most.
const PLAIN_EVERY: Duration = Duration::from_secs(5);
/// How often the bar is drawn anew.
const BAR_EVERY: Duration = Duration::from_millis(100);

const BAR: &str = "{spinner} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} {wide_msg}";

/// How much of a blob has come.
#[derive(Debug)]
pub(crate) struct Meter {
    name: String,
    size: u64,
    display: Display,
}

#[derive(Debug)]
enum Display {
    Bar(ProgressBar),
    Plain { last: Instant },
    None,
}

impl Meter {
    /// Nothing has come yet of so many bytes.
    pub(crate) fn new(mode: ProgressMode, name: &str, size: u64) -> Self {
        let is_terminal = stderr().is_terminal();
        let display = match mode {
            ProgressMode::None => Display::None,
            ProgressMode::Auto if !is_terminal => Display::Plain { last: Instant::now() },
            ProgressMode::Plain => Display::Plain { last: Instant::now() },
            ProgressMode::Auto | ProgressMode::Bar => bar(name, size),
        };
        Self { name: name.to_owned(), size, display }
    }

    /// So many bytes of a file that is to be sent have been read and hashed.
    pub(crate) fn hashed(&mut self, n_bytes: u64) {
        self.show(n_bytes, "hashed");
    }

    /// So many bytes are there already.
    pub(crate) fn begin_at(&mut self, n_bytes: u64) {
        if let Display::Bar(bar) = &self.display {
            bar.set_position(n_bytes);
            bar.reset_eta();
        }
    }

    /// So many bytes are there.
    pub(crate) fn at(&mut self, n_bytes: u64) {
        self.show(n_bytes, "there");
    }

    fn show(&mut self, n_bytes: u64, what: &str) {
        match &mut self.display {
            Display::Bar(bar) => bar.set_position(n_bytes),
            Display::Plain { last } if last.elapsed() >= PLAIN_EVERY => {
                talk::note(&line(&self.name, n_bytes, self.size, what));
                *last = Instant::now();
            }
            Display::Plain { .. } | Display::None => {}
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }
}

fn bar(name: &str, size: u64) -> Display {
    let style = ProgressStyle::with_template(BAR).expect("the template is well formed");
    let name = id_render::sanitize::text(name).into_owned();
    let bar = ProgressBar::new(size).with_style(style).with_message(name);
    bar.enable_steady_tick(BAR_EVERY);
    Display::Bar(bar)
}

fn line(name: &str, n_bytes: u64, size: u64, what: &str) -> String {
    format!("{name}: {} of {} {what}", HumanBytes(n_bytes), HumanBytes(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_of_what_is_there() {
        assert_eq!(line("a", 1536, 1 << 30, "there"), "a: 1.50 KiB of 1.00 GiB there");
    }
}

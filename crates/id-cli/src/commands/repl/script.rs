//! Lines from a pipe or a file.

use std::io::{BufRead, BufReader, Read};

use anyhow::{Context, Result};

use crate::exit::Stop;

/// Most bytes of a line. Origin: room for a dozen of the longest tickets.
const MAX_LINE: u64 = 64 * 1024;

/// Where lines come from, one after the other.
pub(super) struct Script<R> {
    lines: BufReader<R>,
    number: u64,
}

impl<R: Read> Script<R> {
    pub(super) fn new(from: R) -> Self {
        Self { lines: BufReader::new(from), number: 0 }
    }

    /// The next line; `None` at the end.
    pub(super) fn next_line(&mut self) -> Result<Option<String>> {
        let mut line = Vec::new();
        let read = self.lines.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut line);
        if read.context("can't read the script")? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let number = self.number;
        if line.len() as u64 > MAX_LINE {
            return Err(Stop::usage(format!("line {number} is longer than 64 KiB")).into());
        }
        let line = String::from_utf8(line)
            .map_err(|_| Stop::usage(format!("line {number} is no text in UTF-8")))?;
        Ok(Some(line))
    }

    /// The number of the last line that was read, from 1.
    pub(super) fn line_number(&self) -> u64 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_and_the_last_may_lack_its_end() {
        let mut script = Script::new(&b"status\n\nping"[..]);
        assert_eq!(script.next_line().unwrap().as_deref(), Some("status\n"));
        assert_eq!(script.next_line().unwrap().as_deref(), Some("\n"));
        assert_eq!(script.next_line().unwrap().as_deref(), Some("ping"));
        assert_eq!(script.line_number(), 3);
        assert_eq!(script.next_line().unwrap(), None);
    }

    #[test]
    fn line_without_end_and_line_that_is_no_text_are_refused() {
        let mut endless = Script::new(std::io::repeat(b'a'));
        assert!(endless.next_line().unwrap_err().to_string().contains("longer than 64 KiB"));
        let mut binary = Script::new(&b"ok\n\xff\n"[..]);
        assert!(binary.next_line().is_ok());
        assert!(binary.next_line().unwrap_err().to_string().contains("line 2 is no text"));
    }
}

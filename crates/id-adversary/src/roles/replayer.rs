//! Repeats what honest nodes said.

use std::{collections::BTreeSet, sync::Arc};

use anyhow::Result;
use clap::Args;
use id_proto::GossipMessage;
use tokio::sync::mpsc;

use super::{Role, flood, nth};
use crate::{member::Ears, persona::Hearing, stage::Stage, statements};

/// Most statements that are kept. Origin: an hour of a small network.
const MAX_KEPT: usize = 4096;
/// Most contents that wait to be looked at. Origin: a guess.
const MAX_QUEUED: usize = 1024;
/// Longest encodings of a variant (a varint of 32 bits) and of a length (64 bits), in bytes.
const LONGEST: (usize, usize) = (5, 10);

/// Repeats what honest nodes said, in ever new wrappings, also after they left.
///
/// Gossip drops what it has seen within 90 s. The same statement behind a length with more bytes than
/// needed is another message to it.
#[derive(Debug, Args)]
pub(crate) struct Replayer {
    /// How many replays a second; 0 for as many as are taken
    #[arg(long, default_value_t = 500)]
    rate: u32,
}

impl Role for Replayer {
    const NAME: &'static str = "replayer";

    async fn play(self, stage: Arc<Stage>) -> Result<()> {
        let persona = stage.persona("replayer", 0, Hearing::Good).await?;
        let (sender, mut heard) = mpsc::channel::<Vec<u8>>(MAX_QUEUED);
        let mut tape = Tape::default();
        let next = || {
            while let Ok(content) = heard.try_recv() {
                stage.count("recorded", u64::from(tape.record(&content)));
            }
            tape.next()
        };
        flood(&persona, nth(&stage, 0)?, Ears::Recording(sender), self.rate, next).await;
        Ok(())
    }
}

/// What was said, and what of it is repeated next, in which wrapping.
#[derive(Debug, Default)]
struct Tape {
    known: BTreeSet<Vec<u8>>,
    statements: Vec<(u64, Vec<u8>)>,
    next: usize,
}

impl Tape {
    /// Keeps the statement in `content`, if it is one and new. Returns whether it was.
    fn record(&mut self, content: &[u8]) -> bool {
        let (variant, signed) = match GossipMessage::decode(content) {
            Ok(GossipMessage::Announce(signed)) => (0, signed.bytes().to_vec()),
            Ok(GossipMessage::Leave(signed)) => (1, signed.bytes().to_vec()),
            _ => return false,
        };
        let is_new = self.statements.len() < MAX_KEPT && self.known.insert(signed.clone());
        if is_new {
            self.statements.push((variant, signed));
        }
        is_new
    }

    /// All statements in one wrapping, then all in the next.
    fn next(&mut self) -> Option<Vec<u8>> {
        let n = self.next.checked_rem(self.statements.len())?;
        let wrapping = self.next / self.statements.len();
        self.next += 1;
        let (variant, signed) = &self.statements[n];
        let n_tag = 1 + wrapping % LONGEST.0;
        let n_len = 1 + wrapping / LONGEST.0 % LONGEST.1;
        Some(statements::message(*variant, signed, n_tag, n_len))
    }
}

#[cfg(test)]
mod tests {
    use id_proto::Network;

    use super::*;
    use crate::keys::Keys;

    fn announced(n: u64) -> Vec<u8> {
        let key = Keys::new(1).key("a", n);
        let announcement = statements::announcement(&Network::public(), key.public(), vec![]);
        GossipMessage::announce(&statements::sign(announcement, &key))
    }

    #[test]
    fn statements_are_recorded_once_and_garbage_never() {
        let mut tape = Tape::default();
        assert!(tape.record(&announced(1)));
        assert!(!tape.record(&announced(1)) && !tape.record(b"garbage"));
        let replayed = tape.next().unwrap();
        assert!(!tape.record(&replayed), "a replay isn't recorded again");
    }

    #[test]
    fn nothing_is_replayed_before_something_was_heard() {
        assert_eq!(Tape::default().next(), None);
    }

    #[test]
    fn wrappings_of_a_statement_differ_and_decode() {
        let mut tape = Tape::default();
        tape.record(&announced(1));
        let replays: BTreeSet<_> = (0..50).filter_map(|_| tape.next()).collect();
        assert!(replays.len() >= 45, "{} different ones", replays.len());
        assert!(replays.iter().all(|replay| GossipMessage::decode(replay).is_ok()));
    }
}

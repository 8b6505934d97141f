//! Repeats what honest nodes said.

use std::{collections::BTreeSet, sync::Arc};

use anyhow::{Result, bail};
use clap::Args;
use futures::future::join;
use id_proto::GossipMessage;
use tokio::sync::mpsc;

use super::{Role, flood, nth};
use crate::{
    member::{Ears, again_and_again},
    persona::Hearing,
    stage::Stage,
    statements::{self, varint},
};

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
        let mouth = stage.persona("replayer", 0, Hearing::Good).await?;
        // Somebody else listens: who repeats is soon told of messages instead of sent them.
        let ear = stage.persona("replayer's ear", 0, Hearing::Good).await?;
        let (sender, mut heard) = mpsc::channel::<Vec<u8>>(MAX_QUEUED);
        let mut tape = Tape::default();
        let next = || {
            while let Ok(content) = heard.try_recv() {
                stage.count("recorded", u64::from(tape.record(&content)));
            }
            tape.next()
        };
        let listening =
            again_and_again(&ear, nth(&stage, 1)?, Ears::Recording(sender), async |ear| {
                ear.closed().await;
                bail!("the node hung up")
            });
        join(flood(&mouth, nth(&stage, 0)?, Ears::Open, self.rate, next), listening).await;
        Ok(())
    }
}

/// What was said, and how often each of it was repeated.
///
/// No replay is made twice: gossip would know it, and stop sending to whoever sent it.
#[derive(Debug, Default)]
struct Tape {
    known: BTreeSet<Vec<u8>>,
    statements: Vec<Statement>,
    next: usize,
}

#[derive(Debug)]
struct Statement {
    variant: u64,
    signed: Vec<u8>,
    n_replayed: usize,
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
            self.statements.push(Statement { variant, signed, n_replayed: 0 });
        }
        is_new
    }

    /// A replay of one statement after the other, while there are wrappings left.
    fn next(&mut self) -> Option<Vec<u8>> {
        for _ in 0..self.statements.len() {
            self.next = (self.next + 1) % self.statements.len();
            if let Some(replay) = self.statements[self.next].replay() {
                return Some(replay);
            }
        }
        None
    }
}

impl Statement {
    /// The statement in its next wrapping; the first that is as long as needed was the original's.
    fn replay(&mut self) -> Option<Vec<u8>> {
        let shortest = varint(self.signed.len() as u64, 1).len();
        let n_lens = LONGEST.1 + 1 - shortest;
        self.n_replayed += 1;
        let (n_tag, n_len) = (1 + self.n_replayed / n_lens, shortest + self.n_replayed % n_lens);
        (n_tag <= LONGEST.0).then(|| statements::message(self.variant, &self.signed, n_tag, n_len))
    }
}

#[cfg(test)]
mod tests {
    use id_proto::{DecodeError, Network};

    use super::*;
    use crate::keys::Keys;

    fn announced(n: u64) -> Vec<u8> {
        let key = Keys::new(1).key("a", n);
        let announcement = statements::announcement(&Network::public(), key.public(), vec![]);
        GossipMessage::announce(&statements::sign(announcement, &key))
    }

    #[test]
    fn statements_are_recorded_once_and_garbage_never() {
        let (mut tape, said) = (Tape::default(), announced(1));
        assert!(tape.record(&said));
        assert!(!tape.record(&said) && !tape.record(b"garbage"));
        let replayed = tape.next().unwrap();
        assert!(!tape.record(&replayed), "a replay isn't recorded again");
    }

    #[test]
    fn nothing_is_replayed_before_something_was_heard() {
        assert_eq!(Tape::default().next(), None);
    }

    #[test]
    fn no_replay_is_made_twice_and_all_are_known_by_their_padding() {
        let mut tape = Tape::default();
        let original = announced(1);
        tape.record(&original);
        let replays: Vec<_> = std::iter::from_fn(|| tape.next()).collect();
        let different: BTreeSet<_> = replays.iter().chain([&original]).collect();
        // Five lengths of the variant times nine of the length, without the original.
        assert_eq!((replays.len(), different.len()), (44, 45));
        let is_padded =
            |replay: &Vec<u8>| matches!(GossipMessage::decode(replay), Err(DecodeError::Padded));
        assert!(replays.iter().all(is_padded));
    }
}

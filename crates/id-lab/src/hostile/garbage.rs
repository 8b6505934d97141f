//! Answers that no DHT client should believe, or be hurt by.
//!
//! Some are no bencode, some no message, some no answer to the question; some are right in all but
//! what counts. The question's transaction id is in most, so that the client has to look at them.

use mainline::{MutableItem, SigningKey};
use rand::{Rng, RngExt, rngs::StdRng};

use crate::strangers::{Slots, minute};

/// How many answers each question gets: the client may take the first that it understands.
const N_ANSWERS: usize = 3;
/// The longest datagram of random bytes. Origin: an Ethernet frame.
const MAX_RANDOM: usize = 1400;
/// The longest datagram of all. Origin: what IPv4 and UDP allow is 65,507.
const OVERSIZED: usize = 60_000;

/// Makes garbage.
#[derive(Debug)]
pub(super) struct Garbage {
    random: StdRng,
    slots: Slots,
    next: usize,
}

/// A kind of garbage, given the question.
type Kind = fn(&mut Garbage, &Question) -> Vec<u8>;

/// All kinds; they take turns.
const KINDS: &[Kind] = &[
    Garbage::random_bytes,
    Garbage::half_an_answer,
    Garbage::deep_lists,
    Garbage::deep_inside_an_answer,
    Garbage::huge_claims,
    Garbage::oversized,
    Garbage::wrong_transaction,
    Garbage::short_id,
    Garbage::another_id,
    Garbage::nowhere_nodes,
    Garbage::odd_nodes,
    Garbage::error,
    Garbage::a_strangers_item,
    Garbage::a_forged_item,
    Garbage::garbage_in_the_slot,
    Garbage::empty,
];

/// What garbage repeats of a question.
#[derive(Debug, Default, PartialEq, Eq)]
struct Question {
    transaction: Vec<u8>,
    target: Option<[u8; 20]>,
}

impl Question {
    /// Finds both without understanding the rest, which is all that a liar needs.
    fn find(query: &[u8]) -> Self {
        let transaction = after(query, b"1:t4:").and_then(|rest| rest.get(..4));
        let target = after(query, b"6:target20:").and_then(|rest| rest.get(..20));
        Self {
            transaction: transaction.unwrap_or_default().to_vec(),
            target: target.and_then(|target| target.try_into().ok()),
        }
    }
}

fn after<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    bytes.get(at + mark.len()..)
}

impl Garbage {
    /// `random` decides everything that isn't told by a question.
    pub(super) fn new(random: StdRng) -> Self {
        Self { random, slots: Slots::public(), next: 0 }
    }

    /// What a question is answered with.
    pub(super) fn answers(&mut self, query: &[u8]) -> Vec<Vec<u8>> {
        let question = Question::find(query);
        (0..N_ANSWERS).map(|_| self.answer(&question)).collect()
    }

    fn answer(&mut self, question: &Question) -> Vec<u8> {
        let kind = KINDS[self.next % KINDS.len()];
        self.next += 1;
        kind(self, question)
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.random.fill_bytes(&mut bytes);
        bytes
    }

    fn id(&mut self) -> Vec<u8> {
        string(&self.bytes(20))
    }

    /// An answer to `question`, with `fields` besides an id.
    fn reply(&mut self, question: &Question, fields: &[u8]) -> Vec<u8> {
        let id = self.id();
        message(&question.transaction, &[b"2:id", &id[..], fields].concat())
    }

    fn random_bytes(&mut self, _: &Question) -> Vec<u8> {
        let len = self.random.random_range(0..MAX_RANDOM);
        self.bytes(len)
    }

    fn half_an_answer(&mut self, question: &Question) -> Vec<u8> {
        let mut whole = self.reply(question, b"");
        whole.truncate(whole.len() / 2);
        whole
    }

    fn deep_lists(&mut self, _: &Question) -> Vec<u8> {
        vec![b'l'; OVERSIZED]
    }

    fn deep_inside_an_answer(&mut self, question: &Question) -> Vec<u8> {
        const DEPTH: usize = 900;
        let deep = [&b"l".repeat(DEPTH)[..], &b"e".repeat(DEPTH)[..]].concat();
        self.reply(question, &[b"6:values", &deep[..]].concat())
    }

    fn huge_claims(&mut self, question: &Question) -> Vec<u8> {
        let claims: [&[u8]; 4] = [
            b"5:nodes9223372036854775807:x",
            b"5:nodes18446744073709551616:x",
            b"3:seqi99999999999999999999999e",
            b"5:token-1:x",
        ];
        let claim = claims[self.random.random_range(0..claims.len())];
        self.reply(question, claim)
    }

    fn oversized(&mut self, question: &Question) -> Vec<u8> {
        let nodes = string(&self.bytes(OVERSIZED));
        self.reply(question, &[b"5:nodes", &nodes[..]].concat())
    }

    fn wrong_transaction(&mut self, _: &Question) -> Vec<u8> {
        let question = Question { transaction: self.bytes(4), target: None };
        self.reply(&question, b"5:nodes0:")
    }

    fn short_id(&mut self, question: &Question) -> Vec<u8> {
        let id = string(&self.bytes(19));
        message(&question.transaction, &[b"2:id", &id[..], b"5:nodes0:"].concat())
    }

    /// Understood; only that each answer has an id of its own.
    fn another_id(&mut self, question: &Question) -> Vec<u8> {
        self.reply(question, b"5:nodes0:5:token4:none")
    }

    /// Understood; but nobody is where it sends.
    fn nowhere_nodes(&mut self, question: &Question) -> Vec<u8> {
        const N_NODES: usize = 8;
        let nodes = string(&self.bytes(26 * N_NODES));
        self.reply(question, &[b"5:nodes", &nodes[..], b"5:token4:none"].concat())
    }

    fn odd_nodes(&mut self, question: &Question) -> Vec<u8> {
        let nodes = string(&self.bytes(26 * 3 - 1));
        self.reply(question, &[b"5:nodes", &nodes[..]].concat())
    }

    fn error(&mut self, question: &Question) -> Vec<u8> {
        let transaction = string(&question.transaction);
        [&b"d1:eli203e3:Youe1:t"[..], &transaction, b"1:y1:ee"].concat()
    }

    /// Signed as it should be, but under a key of its own.
    fn a_strangers_item(&mut self, question: &Question) -> Vec<u8> {
        let key = SigningKey::from_bytes(&self.bytes(32).try_into().expect("32 bytes"));
        let value = self.bytes(300);
        self.reply(question, &fields(&MutableItem::new(key, &value, 1, None)))
    }

    /// Under the key that was asked for, with a signature of another value.
    fn a_forged_item(&mut self, question: &Question) -> Vec<u8> {
        let item = self.slots.item(self.minute_of(question), b"something else");
        let value = self.bytes(300);
        self.reply(question, &fields_of(&item, &value))
    }

    /// Right in every respect, but that it means nothing.
    fn garbage_in_the_slot(&mut self, question: &Question) -> Vec<u8> {
        let len = self.random.random_range(0..=999);
        let value = self.bytes(len);
        let item = self.slots.item(self.minute_of(question), &value);
        self.reply(question, &fields(&item))
    }

    fn empty(&mut self, _: &Question) -> Vec<u8> {
        Vec::new()
    }

    fn minute_of(&self, question: &Question) -> u64 {
        let now = minute();
        let is_asked = |minute: &u64| {
            question.target.is_some_and(|t| t == *self.slots.target(*minute).as_bytes())
        };
        [now, now - 1].into_iter().find(is_asked).unwrap_or(now)
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [format!("{}:", bytes.len()).as_bytes(), bytes].concat()
}

fn message(transaction: &[u8], fields: &[u8]) -> Vec<u8> {
    [b"d1:rd", fields, b"e1:t", &string(transaction), b"1:y1:re"].concat()
}

fn fields(item: &MutableItem) -> Vec<u8> {
    fields_of(item, item.value())
}

fn fields_of(item: &MutableItem, value: &[u8]) -> Vec<u8> {
    [
        b"1:k",
        &string(item.key())[..],
        format!("3:seqi{}e3:sig", item.seq()).as_bytes(),
        &string(item.signature()),
        b"5:token4:none1:v",
        &string(value),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use std::{
        net::{Ipv4Addr, SocketAddrV4, UdpSocket},
        thread,
        time::Duration,
    };

    use mainline::Dht;
    use rand::SeedableRng;

    use super::*;

    const QUERY: &[u8] =
        b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa6:target20:bbbbbbbbbbbbbbbbbbbbe1:q3:get1:t4:\0\0\0\x071:y1:qe";

    fn garbage() -> Garbage {
        Garbage::new(StdRng::seed_from_u64(1))
    }

    #[test]
    fn a_question_is_found_and_what_is_none_yields_nothing() {
        let question = Question::find(QUERY);
        assert_eq!(question.transaction, [0, 0, 0, 7]);
        assert_eq!(question.target, Some([b'b'; 20]));
        assert_eq!(Question::find(b"1:t4:\0"), Question::default());
    }

    #[test]
    fn all_kinds_take_turns_and_fit_into_a_datagram() {
        const MAX_DATAGRAM: usize = 65_507;
        let mut garbage = garbage();
        for _ in 0..KINDS.len() {
            assert!(garbage.answers(QUERY).iter().all(|answer| answer.len() <= MAX_DATAGRAM));
        }
        assert_eq!(garbage.next, N_ANSWERS * KINDS.len());
    }

    /// Else the scenario would show only that nodes survive what they never look at.
    #[tokio::test]
    async fn a_real_client_takes_the_slots_garbage_for_an_item() {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut garbage, mut buffer) = (garbage(), [0; 1500]);
            while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                let question = Question::find(&buffer[..len]);
                let answer = garbage.garbage_in_the_slot(&question);
                socket.send_to(&answer, from).unwrap();
            }
        });
        let mut builder = Dht::builder();
        let server = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        builder.bootstrap(&[server]).request_timeout(Duration::from_secs(5)).port(0);
        let client = builder.build().unwrap().as_async();
        let item = Slots::public().item(minute(), b"");
        let found = client.get_mutable_most_recent(item.key(), item.salt()).await;
        assert!(found.is_some());
    }
}

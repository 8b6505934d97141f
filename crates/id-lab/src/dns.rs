//! A DNS server that knows a few TXT records; every other name doesn't exist.

use std::{collections::BTreeMap, net::SocketAddr};

use anyhow::{Context, Result};
use clap::Args;
use simple_dns::{
    CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, ResourceRecord, TYPE,
    rdata::{RData, TXT},
};
use tokio::net::UdpSocket;

/// The longest question that is read. Origin: RFC 1035, 4.2.1; what asks is a stub resolver.
const MAX_QUERY: usize = 512;
/// The longest answer to who doesn't say how much it takes. Origin: RFC 1035, 4.2.1.
const MAX_PLAIN_ANSWER: usize = 512;
/// The longest answer to anybody. Origin: what resolvers ask for since the flag day of 2020.
const MAX_ANSWER: usize = 1232;
/// The longest string of a TXT record. Origin: RFC 1035, 3.3.14.
const MAX_STRING: usize = 255;
/// How long an answer holds, in seconds. A lab changes its mind.
const TTL: u32 = 1;

/// One server.
#[derive(Debug, Args)]
pub(crate) struct Dns {
    /// Where it listens
    #[arg(long, value_name = "ADDR:PORT")]
    bind: SocketAddr,
    /// A name and what its TXT record says; a name can have several
    #[arg(long, value_name = "NAME=VALUE", num_args = 1.., value_parser = parse_record)]
    txt: Vec<(String, String)>,
}

fn parse_record(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a name and a value, joined by =")?;
    Name::new(name).map_err(|error| format!("`{name}` is no name: {error}"))?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Dns {
    /// Says `ready` once it listens, and answers until it is killed.
    pub(crate) async fn run(&self) -> Result<()> {
        let zone = Zone::new(&self.txt);
        let socket = UdpSocket::bind(self.bind).await.context("can't listen")?;
        println!("ready");
        serve(&socket, &zone).await
    }
}

async fn serve(socket: &UdpSocket, zone: &Zone) -> Result<()> {
    let mut buffer = [0; MAX_QUERY];
    loop {
        let (len, from) = socket.recv_from(&mut buffer).await?;
        if let Some(answer) = zone.answer(&buffer[..len]) {
            // Whoever has gone meanwhile is no reason to end.
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

/// Values by name, in lower case.
#[derive(Debug)]
struct Zone(BTreeMap<String, Vec<String>>);

impl Zone {
    fn new(records: &[(String, String)]) -> Self {
        let mut zone = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in records {
            zone.entry(name.to_ascii_lowercase()).or_default().push(value.clone());
        }
        Self(zone)
    }

    /// What to answer to a datagram; `None` if it is no question.
    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let query = Packet::parse(query).ok().filter(|p| !p.has_flags(PacketFlag::RESPONSE))?;
        let [question] = &query.questions[..] else { return None };
        let mut reply = Packet::new_reply(query.id());
        reply.set_flags(PacketFlag::AUTHORITATIVE_ANSWER);
        if query.has_flags(PacketFlag::RECURSION_DESIRED) {
            reply.set_flags(PacketFlag::RECURSION_DESIRED);
        }
        reply.questions.push(question.clone());
        match self.0.get(&question.qname.to_string().to_ascii_lowercase()) {
            None => *reply.rcode_mut() = RCODE::NameError,
            Some(values) if asks_for_txt(question) => {
                reply.answers = values.iter().map(|value| txt(question, value)).collect();
            }
            // The name exists, but has no records of that type.
            Some(_) => {}
        }
        let max = query.opt().map_or(MAX_PLAIN_ANSWER, |opt| opt.udp_packet_size.into());
        within(reply, max.clamp(MAX_PLAIN_ANSWER, MAX_ANSWER))
    }
}

fn asks_for_txt(question: &Question<'_>) -> bool {
    matches!(question.qtype, QTYPE::TYPE(TYPE::TXT) | QTYPE::ANY)
}

fn txt<'a>(question: &Question<'a>, value: &'a str) -> ResourceRecord<'a> {
    let mut strings = TXT::new();
    for string in value.as_bytes().chunks(MAX_STRING) {
        strings.add_char_string(simple_dns::CharacterString::new(string).expect("a chunk fits"));
    }
    ResourceRecord::new(question.qname.clone(), CLASS::IN, TTL, RData::TXT(strings))
}

/// The bytes of a reply; an answer that is too long is replaced by the word that it is.
fn within(mut reply: Packet<'_>, max: usize) -> Option<Vec<u8>> {
    let bytes = reply.build_bytes_vec_compressed().ok()?;
    if bytes.len() <= max {
        return Some(bytes);
    }
    reply.answers.clear();
    reply.set_flags(PacketFlag::TRUNCATION);
    reply.build_bytes_vec_compressed().ok()
}

#[cfg(test)]
mod tests {
    use simple_dns::QCLASS;

    use super::*;

    fn zone(records: &[(&str, &str)]) -> Zone {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Zone::new(&records.iter().map(owned).collect::<Vec<_>>())
    }

    fn query(name: &str, kind: TYPE) -> Vec<u8> {
        let mut query = Packet::new_query(7);
        let name = Name::new(name).unwrap();
        query.questions.push(Question::new(name, kind.into(), QCLASS::CLASS(CLASS::IN), false));
        query.build_bytes_vec().unwrap()
    }

    fn ask(zone: &Zone, name: &str, kind: TYPE) -> (RCODE, bool, Vec<String>) {
        read(&zone.answer(&query(name, kind)).unwrap())
    }

    fn read(reply: &[u8]) -> (RCODE, bool, Vec<String>) {
        let reply = Packet::parse(reply).unwrap();
        assert_eq!((reply.id(), reply.has_flags(PacketFlag::RESPONSE)), (7, true));
        let is_truncated = reply.has_flags(PacketFlag::TRUNCATION);
        let texts = reply.answers.iter().map(|answer| match &answer.rdata {
            RData::TXT(txt) => String::try_from(txt.clone()).unwrap(),
            other => panic!("{other:?}"),
        });
        (reply.rcode(), is_truncated, texts.collect())
    }

    #[test]
    fn values_of_a_name_are_told_however_it_is_written() {
        let zone = zone(&[("peers.lab.example", "one"), ("Peers.Lab.Example", "two")]);
        let (rcode, _, texts) = ask(&zone, "PEERS.lab.example", TYPE::TXT);
        assert_eq!((rcode, texts), (RCODE::NoError, vec!["one".to_owned(), "two".to_owned()]));
    }

    #[test]
    fn other_names_dont_exist_and_other_types_are_empty() {
        let zone = zone(&[("peers.lab.example", "one")]);
        assert_eq!(ask(&zone, "lab.example", TYPE::TXT).0, RCODE::NameError);
        let (rcode, _, texts) = ask(&zone, "peers.lab.example", TYPE::A);
        assert_eq!((rcode, texts), (RCODE::NoError, vec![]));
    }

    #[test]
    fn long_values_are_told_in_strings() {
        let value = "v".repeat(MAX_STRING + 1);
        let (_, is_truncated, texts) = ask(&zone(&[("a.example", &value)]), "a.example", TYPE::TXT);
        assert_eq!((is_truncated, texts), (false, vec![value]));
    }

    #[test]
    fn who_takes_less_is_told_that_there_is_more() {
        let value = "v".repeat(MAX_PLAIN_ANSWER);
        let (rcode, is_truncated, texts) =
            ask(&zone(&[("a.example", &value)]), "a.example", TYPE::TXT);
        assert_eq!((rcode, is_truncated, texts), (RCODE::NoError, true, vec![]));
    }

    #[test]
    fn what_is_no_question_gets_no_answer() {
        let zone = zone(&[("a.example", "one")]);
        assert_eq!(zone.answer(b"nonsense"), None);
        let reply = Packet::new_reply(7).build_bytes_vec().unwrap();
        assert_eq!(zone.answer(&reply), None);
    }

    #[tokio::test]
    async fn who_asks_by_udp_is_answered() {
        let bind = async || UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (server, asker) = (bind().await, bind().await);
        asker.connect(server.local_addr().unwrap()).await.unwrap();
        let zone = zone(&[("a.example", "one")]);
        let ask = async {
            asker.send(&query("a.example", TYPE::TXT)).await.unwrap();
            let mut reply = [0; MAX_ANSWER];
            let len = asker.recv(&mut reply).await.unwrap();
            read(&reply[..len]).2
        };
        tokio::select! {
            ended = serve(&server, &zone) => panic!("{ended:?}"),
            texts = ask => assert_eq!(texts, ["one"]),
        }
    }

    #[test]
    fn records_are_a_name_and_a_value() {
        let expected = ("a.example".to_owned(), "k=v".to_owned());
        assert_eq!(parse_record("a.example=k=v"), Ok(expected));
        assert!(parse_record("a.example").is_err());
    }
}

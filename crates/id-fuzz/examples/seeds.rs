//! Writes the first inputs of every target into `fuzz/corpus`: the documented examples of every wire
//! type, and examples of what people write. To be run when a wire type gets another variant:
//! `cargo run -p id-fuzz --example seeds`.

#[path = "../../id-proto/tests/vectors/mod.rs"]
#[expect(dead_code, reason = "only the bytes are of use here")]
mod vectors;

use std::{fs, io, path::Path};

use id_fuzz::{
    ABOUT, ANNOUNCEMENT, ANSWER, CONFIG, DHT_RECORD, DNS_RECORD, EXPLANATION, GATE, GOSSIP_MESSAGE,
    INTRODUCERS_REPORT, LEAVE, PEER_ARGUMENT, PEER_ENTRY, REMEMBERED_PEERS, REQUEST, RESPONSE,
    RUNTIME_FILE, STATUS_REPORT, TARGETS, TICKET, Target,
};
use id_proto::{Network, iroh_base::SecretKey};
use vectors::Vector;

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let seeds = seeds();
    for target in TARGETS {
        let dir = corpus.join(target.name);
        fs::create_dir_all(&dir)?;
        let of_target = seeds.iter().filter(|(name, _)| *name == target.name);
        for (n, (_, input)) in of_target.enumerate() {
            fs::write(dir.join(format!("seed-{n:02}")), input)?;
        }
    }
    Ok(())
}

type Seed = (&'static str, Vec<u8>);

fn seeds() -> Vec<Seed> {
    // What a target understands, and one input that none does.
    let mut seeds: Vec<Seed> = TARGETS.iter().map(|target| (target.name, vec![255; 3])).collect();
    seeds.extend(statements());
    seeds.extend(questions());
    seeds.extend(names());
    seeds.extend(files());
    seeds.extend(scripts());
    seeds
}

fn of(target: Target, vectors: &[&Vector]) -> Vec<Seed> {
    vectors.iter().map(|vector| (target.name, vector.bytes())).collect()
}

fn statements() -> Vec<Seed> {
    [
        of(ANNOUNCEMENT, &[&vectors::ANNOUNCEMENT, &vectors::BARE_ANNOUNCEMENT]),
        of(LEAVE, &[&vectors::LEAVE]),
        of(GOSSIP_MESSAGE, &[&vectors::GOSSIP_ANNOUNCE, &vectors::GOSSIP_LEAVE]),
        of(PEER_ENTRY, &[&vectors::ENTRY_OWN, &vectors::ENTRY_GOSSIP, &vectors::ENTRY_TOLD]),
        of(ABOUT, &[&vectors::ABOUT]),
        of(STATUS_REPORT, &[&vectors::STATUS]),
        vec![(STATUS_REPORT.name, lists_of_nothing())],
        of(INTRODUCERS_REPORT, &[&vectors::INTRODUCERS]),
        of(EXPLANATION, &[&vectors::EXPLANATION, &vectors::EXPLANATION_GONE]),
    ]
    .concat()
}

/// A report whose lists have more items than they may have, and say that they have more yet.
fn lists_of_nothing() -> Vec<u8> {
    let neighbours = [&[0, 0, 0, 0x80, 0x20][..], &[0; 4096]].concat();
    let channels = [&[0, 0x80, 0x20][..], &[0; 2 * 4096]].concat();
    [neighbours, channels, vec![0x80, 0x40]].concat()
}

fn questions() -> Vec<Seed> {
    let responses = [
        &vectors::RESPONSE_ERROR,
        &vectors::RESPONSE_WHOAMI,
        &vectors::RESPONSE_WHOAMI_STRANGER,
        &vectors::RESPONSE_PEERS,
        &vectors::RESPONSE_PEERS_EMPTY,
        &vectors::RESPONSE_STATUS,
        &vectors::RESPONSE_INTRODUCERS,
        &vectors::RESPONSE_EXPLANATION,
        &vectors::RESPONSE_DISCOVERED,
        &vectors::RESPONSE_BLOBS,
        &vectors::RESPONSE_BLOB,
        &vectors::RESPONSE_CHANGED,
    ];
    let requests = [
        &vectors::REQUEST_WHOAMI,
        &vectors::REQUEST_LIST_PEERS,
        &vectors::REQUEST_STATUS,
        &vectors::REQUEST_INTRODUCERS,
        &vectors::REQUEST_EXPLAIN,
        &vectors::REQUEST_DISCOVER,
        &vectors::REQUEST_PUT,
        &vectors::REQUEST_GET,
        &vectors::REQUEST_GET_HASH,
        &vectors::REQUEST_LIST,
        &vectors::REQUEST_DELETE,
        &vectors::REQUEST_RENAME,
        &vectors::REQUEST_COPY,
        &vectors::REQUEST_FIND,
    ];
    let mut seeds = [of(REQUEST, &requests), of(RESPONSE, &responses)].concat();
    let answers = responses.map(|response| framed(&response.bytes()));
    for (question, answer) in [1, 0, 0, 4, 255, 1, 2, 3].into_iter().zip(answers) {
        seeds.push((ANSWER.name, [&[question], answer.as_slice()].concat()));
    }
    // Behind the question: whom an explanation is asked about is who answers, peer 1.
    let explanation = [&[5][..], &framed(&vectors::EXPLANATION.bytes())].concat();
    seeds.push((ANSWER.name, [&[3], framed(&explanation).as_slice()].concat()));
    seeds.push((ANSWER.name, [&[200], vectors::FRAMED_RESPONSES.bytes().as_slice()].concat()));
    let discovered = framed(&vectors::RESPONSE_DISCOVERED.bytes());
    seeds.push((ANSWER.name, [&[254], discovered.as_slice()].concat()));
    for (question, response) in [
        (253, &vectors::RESPONSE_BLOB),
        (252, &vectors::RESPONSE_CHANGED),
        (251, &vectors::RESPONSE_BLOBS),
    ] {
        let answer = framed(&response.bytes());
        seeds.push((ANSWER.name, [&[question], answer.as_slice()].concat()));
    }
    seeds
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    // The length is a varint: seven bits in each byte, the lowest first.
    let prefix = match bytes.len() {
        len @ ..0x80 => vec![len as u8],
        len => vec![len as u8 | 0x80, (len >> 7) as u8],
    };
    [prefix, bytes.to_vec()].concat()
}

fn names() -> Vec<Seed> {
    let id = SecretKey::from_bytes(&[1; 32]).public();
    let arguments = [
        id.to_string(),
        format!("{id}@192.0.2.7:4433,[2001:db8::1]:4433"),
        format!("{id}, {id}@192.0.2.7:4433, {}", vectors::TICKET_STRING),
        vectors::TICKET_INVITATION_STRING.to_owned(),
    ];
    let mut seeds = of(TICKET, &[&vectors::TICKET, &vectors::TICKET_INVITATION]);
    seeds.push((TICKET.name, vectors::TICKET_STRING.into()));
    for argument in arguments {
        seeds.push((PEER_ARGUMENT.name, argument.clone().into()));
        seeds.push((DNS_RECORD.name, argument.into()));
    }
    seeds
}

fn files() -> Vec<Seed> {
    let id = SecretKey::from_bytes(&[1; 32]).public();
    let tag = Network::public().tag();
    let announcement = vectors::ANNOUNCEMENT.bytes();
    let bare = vectors::BARE_ANNOUNCEMENT.bytes();
    let remembered = [&[0, 2][..], &framed(&announcement), &framed(&bare)].concat();
    let runtime = format!(
        r#"{{"node_id":"{id}","addrs":["127.0.0.1:4433","[::1]:4433"],"pid":1,"topic":"t","network_tag":"{tag}"}}"#
    );
    let neighbours = [&[9][..], id.as_bytes()].concat();
    let record = [&[2][..], &[0; 32 * 7]].concat();
    vec![
        (REMEMBERED_PEERS.name, remembered),
        (RUNTIME_FILE.name, runtime.into()),
        (CONFIG.name, CONFIG_OF_EVERYTHING.into()),
        (CONFIG.name, "bootstrap = \"a,b\"\nrelay = \"https://r.example\"\nnmae = 1".into()),
        (CONFIG.name, "name = '''\nx'''\nannounce-interval = 0x1e\n[relay]\n".into()),
        (DHT_RECORD.name, neighbours),
        (DHT_RECORD.name, record),
        (DHT_RECORD.name, [&[1][..], &[0; 200]].concat()),
    ]
}

const CONFIG_OF_EVERYTHING: &str = r#"
data-dir = "/var/lib/id"
ephemeral = false
name = "cellar"
topic = "office"
topic-secret = "s"
topic-secret-file = "/etc/id/secret"
bootstrap = ["a@192.0.2.7:4433", "idticket"]
no-gossip = false
no-dht = true
dht-bootstrap = ["dht.example:6881"]
no-mdns = true
no-blobs = true
allow-write = []
bootstrap-dns = ["peers.example.org"]
relay = "disabled"
no-relay = true
bind = "0.0.0.0:4433"
announce-addrs = "auto"
announce-interval = 30
log-format = "json"
"#;

/// Scripts for the gate: what the first bytes mean is in `gate.rs`.
fn scripts() -> Vec<Seed> {
    // Somebody comes, is announced by a neighbour, speaks again later, and goes.
    let script = [
        &[11, 1, 0][..],
        &[2, 2, 0, 0, 0, 0, 0, 3, 4, 1],
        &[9, 0, 8],
        &[3, 2, 64, 0, 64, 0, 0, 3, 4, 1],
        &[5, 3, 0, 0, 0, 0, 0, 2, 31, 10, 0, 1],
        &[8, 4, 0, 0, 0, 0, 0, 2, 4, 70, 0, 3, 1],
        &[9, 255, 255],
        &[6, 2, 2, 255, 0, 255, 0, 0, 3, 4],
        &[7, 2, 255, 15, 255, 15, 0, 1],
        &[12, 0, 1],
        &[13, 3],
        &[10, 0, 255],
        &[11, 1, 1],
    ];
    let gossip = vectors::GOSSIP_LEAVE.bytes();
    let raw = [&[0, gossip.len() as u8][..], &gossip, &[1]].concat();
    // The operator hands somebody over, twice, and noise; then somebody else tries to.
    let handed = [
        &[14, 0, 1, 2, 0, 0, 0, 0, 0, 3, 4][..],
        &[14, 0, 1, 2, 0, 0, 0, 0, 0, 3, 4],
        &[14, 0, 0, 2, 7, 7],
        &[14, 1, 1, 3, 0, 0, 0, 0, 0, 3, 4],
    ];
    vec![(GATE.name, script.concat()), (GATE.name, raw), (GATE.name, handed.concat())]
}

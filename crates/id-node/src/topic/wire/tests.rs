use id_proto::iroh_base::SecretKey;
use iroh_gossip::proto::{Command, Config, InEvent, OutEvent, PeerData, Scope as Reach, State};
use rand::{SeedableRng, rngs::StdRng};
use tokio::time::Instant;

use super::*;

const TOPIC: TopicId = TopicId::from_bytes([7; 32]);
/// The longest that a member may say of its place, if it wants harm.
const BOAST: &[u8] = &[b'x'; MAX_FRAME];

fn key(n: u8) -> [u8; 32] {
    *SecretKey::from_bytes(&[n; 32]).public().as_bytes()
}

fn peer(n: u8) -> PublicKey {
    SecretKey::from_bytes(&[n; 32]).public()
}

fn bytes(wire: &Wire<'_>) -> Vec<u8> {
    postcard::to_stdvec(wire).unwrap()
}

fn nodes(n: u8, places: &[u8]) -> Vec<Node<'_>> {
    (100..100 + n).map(|n| Node { id: key(n), places: Some(places) }).collect()
}

fn gossip(content: &[u8], round: u16) -> Vec<u8> {
    let id = *blake3::hash(content).as_bytes();
    bytes(&Wire::Gossip(Broadcast::Gossip { id, content, scope: Scope::Swarm(round) }))
}

fn message(frame: &[u8]) -> Box<Message> {
    match judge(TOPIC, frame) {
        Ok((
            Heard::Message(message) | Heard::Request(message) | Heard::Statement { message, .. },
            _,
        )) => message,
        other => panic!("{other:?}"),
    }
}

/// Whatever a frame of iroh-gossip can be.
fn ordinary() -> Vec<Vec<u8>> {
    let place = &b"somewhere"[..];
    let [node] = <[Node<'_>; 1]>::try_from(nodes(1, place)).unwrap();
    let swarm = [
        Swarm::Join(None),
        Swarm::Join(Some(place)),
        Swarm::ForwardJoin { node, ttl: 6 },
        Swarm::Shuffle { origin: key(1), nodes: nodes(8, place), ttl: 300 },
        Swarm::ShuffleReply(nodes(7, &BOAST[..MAX_PLACES])),
        Swarm::Neighbor { priority: Priority::High, places: Some(place) },
        Swarm::Neighbor { priority: Priority::Low, places: None },
        Swarm::Disconnect { alive: true, respond: false },
    ];
    let id = [9; 32];
    let broadcast = [
        Broadcast::Prune,
        Broadcast::Graft { id: None, round: 1 },
        Broadcast::Graft { id: Some(id), round: 300 },
        Broadcast::IHave(vec![(id, 3); 116]),
        Broadcast::Gossip { id, content: b"hello", scope: Scope::Neighbors },
    ];
    let swarm = swarm.into_iter().map(Wire::Swarm);
    let all = swarm.chain(broadcast.into_iter().map(Wire::Gossip));
    all.map(|wire| bytes(&wire)).chain([gossip(&[0; MAX_GOSSIP_LEN], LAST_ROUND - 1)]).collect()
}

#[test]
fn every_ordinary_frame_is_the_real_crates_and_passes_as_it_is() {
    for frame in ordinary() {
        assert_eq!(write(&message(&frame)), Some(frame));
    }
}

#[test]
fn a_part_of_a_frame_is_malformed() {
    for frame in ordinary() {
        for len in 0..frame.len() {
            assert!(judge(TOPIC, &frame[..len]).is_err(), "{len} of {frame:?}");
        }
    }
    let is_invalid = |id: &[u8; 32]| PublicKey::from_bytes(id).is_err();
    let id = (0..=u8::MAX).map(|n| [n; 32]).find(is_invalid).unwrap();
    let invalid = Node { id, places: None };
    let invalid = bytes(&Wire::Swarm(Swarm::ForwardJoin { node: invalid, ttl: 1 }));
    assert!(judge(TOPIC, &invalid).is_err());
}

#[test]
fn a_disconnect_is_the_last_frame_and_nothing_else_is() {
    let last: Vec<_> = ordinary().into_iter().filter(|frame| is_last(frame)).collect();
    assert_eq!(last, [bytes(&Wire::Swarm(Swarm::Disconnect { alive: true, respond: false }))]);
}

#[test]
fn what_can_not_be_denied_is_told_apart() {
    let is_request = |frame: &Vec<u8>| matches!(judge(TOPIC, frame), Ok((Heard::Request(_), _)));
    let n_requests = ordinary().iter().filter(|frame| is_request(frame)).count();
    assert_eq!(n_requests, 3, "two to join, and one of high priority");
    assert_eq!(write(&goodbye(TOPIC).unwrap()), Some(GOODBYE.to_vec()));
    assert!(is_last(&GOODBYE));
}

#[test]
fn a_content_that_is_none_of_ours_is_not_sent_on() {
    let content = [1; MAX_GOSSIP_LEN + 1];
    let (heard, _) = judge(TOPIC, &gossip(&content, 0)).unwrap();
    assert!(matches!(heard, Heard::TooLong(heard) if heard == content));
}

/// iroh-gossip would count one further, and fail or begin anew.
#[test]
fn what_has_made_the_last_hop_goes_no_further() {
    let (heard, _) = judge(TOPIC, &gossip(b"hello", LAST_ROUND)).unwrap();
    assert!(matches!(heard, Heard::Nothing));
}

#[test]
fn what_a_frame_costs_grows_with_what_it_names() {
    let cost = |wire: Wire<'_>| judge(TOPIC, &bytes(&wire)).unwrap().1;
    assert_eq!(cost(Wire::Gossip(Broadcast::IHave(vec![([9; 32], 3); 100]))), 100);
    assert_eq!(cost(Wire::Swarm(Swarm::ShuffleReply(nodes(60, b"x")))), 60);
    assert_eq!(cost(Wire::Gossip(Broadcast::IHave(Vec::new()))), 1);
}

/// iroh-gossip's state with five neighbours.
struct World {
    state: State<PublicKey, StdRng>,
    now: Instant,
    n_too_long: usize,
    n_written: usize,
}

impl World {
    fn new() -> Self {
        let state = State::new(
            peer(0),
            PeerData::new(BOAST[..MAX_PLACES].to_vec()),
            Config::default(),
            StdRng::seed_from_u64(1),
        );
        let mut world = Self { state, now: Instant::now(), n_too_long: 0, n_written: 0 };
        world.step(InEvent::Command(TOPIC, Command::Join(Vec::new())));
        for n in 1..=5 {
            world.hear(n, &message(&bytes(&Wire::Swarm(Swarm::Join(None)))));
        }
        world
    }

    fn hear(&mut self, from: u8, message: &Message) {
        self.step(InEvent::RecvMessage(peer(from), message.clone()));
    }

    /// Lets all timers expire at once, and notes whether what is sent can be written.
    fn step(&mut self, event: InEvent<PublicKey>) {
        let wanted: Vec<_> = self.state.handle(event, self.now, None).collect();
        for wanted in wanted {
            match wanted {
                OutEvent::SendMessage(_, message) if write(&message).is_some() => {
                    self.n_written += 1;
                }
                OutEvent::SendMessage(..) => self.n_too_long += 1,
                _ => {}
            }
        }
    }

    /// Hears each frame from somebody, and is left by everybody, who are told whom it knows.
    fn after(frames: &[Vec<u8>], read: impl Fn(&[u8]) -> Box<Message>) -> Self {
        let mut world = Self::new();
        for frame in frames {
            world.hear(1, &read(frame));
            world.hear(2, &message(&bytes(&Wire::Swarm(Swarm::Join(None)))));
        }
        // Asks for those it knows, and is told to go further, each way that there is.
        let asked = Swarm::Shuffle { origin: key(1), nodes: nodes(8, b""), ttl: 0 };
        world.hear(1, &message(&bytes(&Wire::Swarm(asked))));
        world.step(InEvent::Command(
            TOPIC,
            Command::Broadcast(vec![1; MAX_GOSSIP_LEN].into(), Reach::Swarm),
        ));
        world.step(InEvent::Command(TOPIC, Command::Quit));
        world
    }
}

/// Frames that iroh-gossip reads, and of which it makes what it can't write.
fn poisons() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let boast = |spare: usize| Some(&BOAST[..MAX_FRAME - spare]);
    let newcomer = Swarm::Join(boast(5));
    let two: Vec<_> = [80, 81]
        .map(|n| Node { id: key(n), places: boast(50) })
        .map(|node| bytes(&Wire::Swarm(Swarm::ShuffleReply(vec![node]))))
        .into();
    let crowd: Vec<_> = (60..80)
        .map(|n| Node { id: key(n), places: Some(&BOAST[..1000]) })
        .map(|node| bytes(&Wire::Swarm(Swarm::ShuffleReply(vec![node]))))
        .collect();
    vec![
        ("a newcomer whose introduction is longer", vec![bytes(&Wire::Swarm(newcomer))]),
        ("two peers that fill a frame each", two),
        ("many peers of a middling length", crowd),
        ("a hop that takes a byte more", vec![gossip(&[0; MAX_FRAME - 38], 127)]),
        ("a frame of the greatest length that is read", vec![gossip(&[0; MAX_FRAME - 37], 0)]),
    ]
}

#[test]
fn of_what_passes_nothing_is_made_that_can_not_be_written() {
    for (what, frames) in poisons() {
        assert!(frames.iter().all(|frame| frame.len() <= MAX_FRAME + 1), "{what}: is read");
        let unjudged = World::after(&frames, |frame| read(TOPIC, frame).unwrap());
        assert!(unjudged.n_too_long > 0, "{what}: is no poison");
        let judged = |frame: &[u8]| match judge(TOPIC, frame).unwrap().0 {
            Heard::Message(message)
            | Heard::Request(message)
            | Heard::Statement { message, .. } => message,
            Heard::TooLong(_) | Heard::Nothing => nothing(TOPIC).unwrap(),
        };
        let world = World::after(&frames, judged);
        assert_eq!(world.n_too_long, 0, "{what}");
        assert!(world.n_written > 20, "{what}: {}", world.n_written);
    }
}

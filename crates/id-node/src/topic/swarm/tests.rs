use futures::FutureExt;
use id_proto::{Network, iroh_base::SecretKey};
use iroh::endpoint::presets;

use super::*;
use crate::access::AccessList;

/// `Swarm`, `Join`, nowhere.
const JOIN: &[u8] = &[0, 0, 0];

fn peer() -> PublicKey {
    SecretKey::from_bytes(&[1; 32]).public()
}

/// A swarm that nothing runs, so that a test does each step.
async fn swarm() -> (Swarm, Endpoint) {
    let (swarm, _, endpoint) = swarm_with_links().await;
    (swarm, endpoint)
}

/// The same, and what its links tell.
async fn swarm_with_links() -> (Swarm, mpsc::Receiver<(u64, LinkEvent)>, Endpoint) {
    let endpoint = endpoint().await;
    let network = Network::public();
    let around = Surroundings {
        endpoint: endpoint.clone(),
        topic: network.gossip_topic().into(),
        policy: watch::Sender::new(AddressPolicy::new(&network)).subscribe(),
        announce_addrs: AnnounceAddrs::Auto,
        private: false,
        counts: GossipCounts::default(),
        routes: Routes::default(),
        book: AddressBook::default(),
        access: Access::new(AccessList::default()),
    };
    let (swarm, heard) = Swarm::new(around);
    (swarm, heard, endpoint)
}

async fn endpoint() -> Endpoint {
    let builder = Endpoint::builder(presets::Minimal).clear_ip_transports();
    let builder = builder.alpns(vec![ALPN.to_vec()]);
    builder.bind_addr("127.0.0.1:0").unwrap().bind().await.unwrap()
}

impl Swarm {
    fn hear(&mut self, frame: &[u8]) {
        self.hear_from(peer(), frame);
    }

    fn hear_from(&mut self, peer: PublicKey, frame: &[u8]) {
        let bytes = [self.around.topic.as_bytes(), frame].concat();
        self.step(In::RecvMessage(peer, postcard::from_bytes(&bytes).unwrap()));
    }
}

/// What claims to be an announcement of `author`'s, and `what` follows.
fn statement(topic: TopicId, author: [u8; 32], what: &[u8]) -> Heard {
    let signed = [&[0; 64][..], &[0], &author, what].concat();
    let content = [&[0, signed.len() as u8][..], &signed].concat();
    let id = *blake3::hash(&content).as_bytes();
    let frame = [&[1, 0][..], &id, &[content.len() as u8], &content, &[0, 1]].concat();
    wire::judge(topic, &frame).unwrap().0
}

/// A message after so many hops that iroh-gossip can't count one more.
fn uncountable() -> Vec<u8> {
    let id = *blake3::hash(b"x").as_bytes();
    [&[1, 0][..], &id, b"\x01x", &[0, 0xff, 0xff, 0x03]].concat()
}

#[tokio::test]
async fn a_state_that_fails_is_replaced_and_the_neighbours_are_joined_again() {
    let (mut swarm, endpoint) = swarm().await;
    swarm.hear(JOIN);
    assert_eq!(swarm.events, [Event::NeighborUp(peer())]);
    swarm.hear(&uncountable());
    // Without checks of overflow it counts from 0 again.
    if cfg!(debug_assertions) {
        assert_eq!(swarm.around.counts.get(Count::Rebuilt), 1);
        assert_eq!(swarm.events, [Event::NeighborUp(peer()), Event::NeighborDown(peer())]);
        assert!(swarm.neighbours.is_empty() && swarm.waiting.is_empty());
        swarm.keep_house();
        assert_eq!(swarm.waiting[&peer()][0][..2], JOIN[..2]);
        assert!(swarm.lost.is_empty());
    }
    endpoint.close().await;
}

#[tokio::test]
async fn whoever_does_not_listen_misses_contents_and_no_neighbour() {
    let (mut swarm, endpoint) = swarm().await;
    for n in 0..2 * MAX_EVENTS {
        swarm.on_too_long(peer(), n.to_le_bytes().to_vec());
    }
    swarm.hear(JOIN);
    assert_eq!(swarm.events.len(), MAX_EVENTS + 2);
    let last: Vec<_> = swarm.events.drain(MAX_EVENTS..).collect();
    assert_eq!(last, [Event::Lagged, Event::NeighborUp(peer())]);
    endpoint.close().await;
}

#[tokio::test]
async fn whoever_can_not_be_reached_is_waited_for_no_longer_and_dialled_again_when_joined_again() {
    let (mut swarm, endpoint) = swarm().await;
    for _ in 0..2 {
        swarm.join(vec![peer()]);
        assert_eq!(swarm.waiting.len(), 1);
        assert_eq!(swarm.dials.len(), 1);
        let dialled = swarm.dials.join_next().await.unwrap();
        swarm.on_dialled(dialled);
        assert!(swarm.waiting.is_empty());
    }
    endpoint.close().await;
}

/// Whoever makes up identities is heard by its neighbours for a while, and by nobody behind them.
#[tokio::test]
async fn strangers_are_rationed_and_news_of_those_we_know_are_not() {
    let (mut swarm, endpoint) = swarm().await;
    let [flooder, friend, known] = [1, 2, 3].map(|n| SecretKey::from_bytes(&[n; 32]).public());
    swarm.hear_from(flooder, JOIN);
    swarm.hear_from(friend, JOIN);
    swarm.events.clear();
    // Of 5,000 messages.
    let n_rationed = |swarm: &mut Swarm, by, author| {
        let before = swarm.around.counts.get(Count::Rationed);
        for n in 0..5_000_u32 {
            swarm.on_heard(by, statement(swarm.around.topic, author, &n.to_le_bytes()));
            swarm.events.truncate(10);
        }
        swarm.around.counts.get(Count::Rationed) - before
    };
    let flood = n_rationed(&mut swarm, flooder, [7; 32]);
    assert!((1..=5_000 - 256).contains(&flood), "{flood}");
    assert_eq!(n_rationed(&mut swarm, flooder, *friend.as_bytes()), 0, "a neighbour");
    swarm.around.book.set(known.into());
    assert_eq!(n_rationed(&mut swarm, flooder, *known.as_bytes()), 0, "in the table");
    swarm.around.book.remove(&known);
    assert!(n_rationed(&mut swarm, flooder, *known.as_bytes()) > 0, "any more");
    assert!(n_rationed(&mut swarm, friend, [8; 32]) <= 5_000 - 256, "another has its own");
    endpoint.close().await;
}

/// What is named may be anybody's address.
#[tokio::test]
async fn whom_others_name_is_dialled_as_long_as_not_too_many_are_gone_and_whom_we_ask_for_always() {
    let (mut swarm, endpoint) = swarm().await;
    swarm.send(peer(), vec![0]);
    let dialled = swarm.dials.join_next().await.unwrap();
    assert_eq!(dialled.as_ref().unwrap().way, Way::Named);
    swarm.on_dialled(dialled);
    // For the next hour nothing is left.
    let later = swarm.started.elapsed() + Duration::from_secs(3600);
    while swarm.rations.takes_dial(later) {}
    swarm.send(peer(), vec![0]);
    let dialled = swarm.dials.join_next().await.unwrap();
    assert_eq!(dialled.as_ref().unwrap().way, Way::None);
    swarm.on_dialled(dialled);
    swarm.join(vec![peer()]);
    assert_eq!(swarm.dials.join_next().await.unwrap().unwrap().way, Way::Asked);
    assert!(swarm.asked.is_empty());
    endpoint.close().await;
}

#[tokio::test]
async fn after_an_offence_newcomers_take_the_place_of_whoever_came_last() {
    let (mut swarm, endpoint) = swarm().await;
    let named = |n: u8| SecretKey::from_bytes(&[n; 32]).public();
    for n in 1..=5 {
        swarm.hear_from(named(n), JOIN);
    }
    let first: Vec<_> = swarm.neighbours.keys().copied().filter(|peer| *peer != named(5)).collect();
    assert_eq!(first.len(), 4);
    swarm.make_room_for(named(6));
    assert_eq!(swarm.neighbours.len(), 5, "nobody offended");
    swarm.convict(named(100), End::Stalled, Count::CutOff);
    for n in 6..60 {
        swarm.make_room_for(named(n));
        swarm.hear_from(named(n), JOIN);
        assert_eq!(swarm.neighbours.len(), 5);
        assert!(first.iter().all(|peer| swarm.neighbours.contains_key(peer)), "{n}");
    }
    endpoint.close().await;
}

#[tokio::test]
async fn after_an_offence_we_ask_once_for_what_we_may_lack_as_soon_as_there_is_a_neighbour() {
    let (mut swarm, endpoint) = swarm().await;
    swarm.convict(peer(), End::Stalled, Count::CutOff);
    let recovered = Instant::now() + RECOVERED_AFTER;
    swarm.ask_for_what_we_lack(recovered);
    assert!(swarm.events.is_empty());
    swarm.hear(JOIN);
    swarm.events.clear();
    for _ in 0..2 {
        swarm.ask_for_what_we_lack(recovered);
        assert_eq!(swarm.events, [Event::Lagged]);
    }
    endpoint.close().await;
}

#[tokio::test]
async fn an_offender_is_not_dialled() {
    let (mut swarm, endpoint) = swarm().await;
    swarm.convict(peer(), End::Stalled, Count::CutOff);
    assert!(!swarm.may_talk_to(&peer()));
    swarm.join(vec![peer()]);
    let dialled = swarm.dials.join_next().await.unwrap().unwrap();
    assert_eq!((dialled.peer, dialled.way), (peer(), Way::None));
    endpoint.close().await;
}

#[tokio::test]
async fn what_waits_for_a_dial_is_bounded_and_so_are_the_dials() {
    let (mut swarm, endpoint) = swarm().await;
    for _ in 0..100 {
        swarm.send(peer(), vec![0]);
    }
    assert_eq!((swarm.waiting[&peer()].len(), swarm.dials.len()), (MAX_WAITING, 1));
    endpoint.close().await;
}

/// The peer neither answers nor closes, as one that has nothing more to say.
#[tokio::test]
async fn whoever_leaves_does_not_wait_for_a_peer_that_has_all_that_there_was_for_it() {
    let (mut swarm, mut heard, here) = swarm_with_links().await;
    let there = endpoint().await;
    let accepting = async { there.accept().await.unwrap().await.unwrap() };
    let (connection, _accepted) = futures::join!(here.connect(there.addr(), ALPN), accepting);
    swarm.open(there.id(), connection.unwrap());
    swarm.links.finish_all_of(&there.id());
    let (link, event) = heard.recv().await.unwrap();
    assert!(matches!(event, LinkEvent::Flushed), "{event:?}");
    swarm.on_link(link, event);
    assert!(swarm.links.have(&there.id()), "it lingers");
    swarm.leave(heard).now_or_never().expect("nothing is left to wait for");
    futures::join!(here.close(), there.close());
}

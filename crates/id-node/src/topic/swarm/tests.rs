use id_proto::{Network, iroh_base::SecretKey};
use iroh::endpoint::presets;

use super::*;

/// `Swarm`, `Join`, nowhere.
const JOIN: &[u8] = &[0, 0, 0];

fn peer() -> PublicKey {
    SecretKey::from_bytes(&[1; 32]).public()
}

/// A swarm that nothing runs, so that a test does each step.
async fn swarm() -> (Swarm, Endpoint) {
    let builder = Endpoint::builder(presets::Minimal).clear_ip_transports();
    let endpoint = builder.bind_addr("127.0.0.1:0").unwrap().bind().await.unwrap();
    let network = Network::public();
    let around = Surroundings {
        endpoint: endpoint.clone(),
        topic: network.gossip_topic().into(),
        policy: AddressPolicy::new(&network),
        announce_addrs: AnnounceAddrs::Auto,
        private: false,
        counts: GossipCounts::default(),
    };
    (Swarm::new(around).0, endpoint)
}

impl Swarm {
    fn hear(&mut self, frame: &[u8]) {
        let bytes = [self.around.topic.as_bytes(), frame].concat();
        self.step(In::RecvMessage(peer(), postcard::from_bytes(&bytes).unwrap()));
    }
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

#[tokio::test]
async fn an_offender_is_not_dialled() {
    let (mut swarm, endpoint) = swarm().await;
    swarm.convict(peer(), End::Stalled, Count::CutOff);
    assert!(!swarm.may_talk_to(&peer()));
    swarm.join(vec![peer()]);
    let dialled = swarm.dials.join_next().await.unwrap().unwrap();
    assert!(matches!(dialled, (offender, None) if offender == peer()));
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

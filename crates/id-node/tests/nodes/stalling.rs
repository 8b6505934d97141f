//! Neighbours in gossip that take nothing, or send what stops iroh-gossip, and nodes that go on in
//! spite of them.

use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt, future::join_all};
use id_node::{
    Node, NodeConfig,
    id_client::{
        Client,
        id_proto::{Network, StatusReport, iroh_base::PublicKey},
    },
    iroh::{
        Endpoint, EndpointAddr, RelayMode, SecretKey,
        address_lookup::memory::MemoryLookup,
        endpoint::{
            Connection, ConnectionError, PortmapperConfig, QuicTransportConfig, SendStream, presets,
        },
        protocol::Router,
    },
};
use iroh_gossip::{
    api::Event,
    net::{GOSSIP_ALPN, Gossip},
};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    lab::{Lab, addr, all_know_all, awaited, entry, knows, lab, through, until},
    member::Member,
};

/// Within this time, honest nodes hear each other again.
const PROMISED: Duration = Duration::from_secs(10);
/// More than a neighbour's queue of 64 messages and the window of a [`Mute`] hold.
const MANY: u32 = 300;

/// How a neighbour does harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It acknowledges what arrives, and reads none of it.
    ReadsNothing,
    /// It says that it won't read.
    RefusesToRead,
    /// It reads nothing, and talks without end: then closing its connection doesn't free the actor.
    TalksWithoutEnd,
    /// It sends messages of the length that iroh-gossip reads and can't send on.
    Poisons,
}

impl Kind {
    /// What it is told when it is cut off.
    fn verdict(self) -> &'static [u8] {
        match self {
            Self::Poisons => b"poisoned",
            Self::ReadsNothing | Self::RefusesToRead | Self::TalksWithoutEnd => b"stalled",
        }
    }

    /// Where that is counted.
    fn counter(self) -> &'static str {
        match self {
            Self::Poisons => "gossip_poisoned",
            Self::ReadsNothing | Self::RefusesToRead | Self::TalksWithoutEnd => "gossip_cut_off",
        }
    }
}

/// A member of a topic that does harm: just enough of iroh-gossip's protocol to be a neighbour.
struct Mute {
    kind: Kind,
    endpoint: Endpoint,
    connections: Vec<Connection>,
    _tasks: JoinSet<()>,
}

impl Mute {
    /// Dials each of `nodes` and joins their topic.
    async fn join(lab: &Lab, kind: Kind, nodes: &[&Node]) -> Self {
        Self::join_as(lab, SecretKey::generate(), kind, nodes).await
    }

    async fn join_as(lab: &Lab, key: SecretKey, kind: Kind, nodes: &[&Node]) -> Self {
        let endpoint = mute_endpoint(key).await;
        lab.owns(&endpoint);
        let (mut connections, mut tasks) = (Vec::new(), JoinSet::new());
        for node in nodes {
            let dial = endpoint.connect(addr(node), GOSSIP_ALPN);
            let connection = awaited("the mute one connects", dial).await.unwrap();
            let topic = node.network().gossip_topic();
            tasks.spawn(take_nothing(connection.clone(), kind, topic, JOIN));
            connections.push(connection);
        }
        Self { kind, endpoint, connections, _tasks: tasks }
    }

    /// Waits for somebody to dial it and ask it to join their topic, and becomes their neighbour.
    async fn be_dialled(lab: &Lab, network: &Network) -> (Self, EndpointAddr) {
        let endpoint = mute_endpoint(SecretKey::generate()).await;
        lab.owns(&endpoint);
        let (mut tasks, at, topic) = (JoinSet::new(), endpoint.addr(), network.gossip_topic());
        let listening = endpoint.clone();
        tasks.spawn(async move {
            let mut neighbours = JoinSet::new();
            while let Some(incoming) = listening.accept().await {
                if let Ok(connection) = incoming.await {
                    neighbours.spawn(take_nothing(
                        connection,
                        Kind::ReadsNothing,
                        topic,
                        NEIGHBOUR,
                    ));
                }
            }
        });
        let kind = Kind::ReadsNothing;
        (Self { kind, endpoint, connections: Vec::new(), _tasks: tasks }, at)
    }

    fn id(&self) -> PublicKey {
        self.endpoint.id()
    }

    async fn is_cut_off(&self) {
        for connection in &self.connections {
            let closed = awaited("the bad one is cut off", connection.closed()).await;
            let ConnectionError::ApplicationClosed(close) = &closed else { panic!("{closed:?}") };
            assert_eq!(&close.reason[..], self.kind.verdict(), "{closed:?}");
        }
    }
}

async fn mute_endpoint(key: SecretKey) -> Endpoint {
    let windows = QuicTransportConfig::builder().stream_receive_window(2048_u32.into());
    let builder = Endpoint::builder(presets::Minimal)
        .secret_key(key)
        .relay_mode(RelayMode::Disabled)
        .portmapper_config(PortmapperConfig::Disabled)
        .transport_config(windows.build())
        .alpns(vec![GOSSIP_ALPN.to_vec()])
        .clear_ip_transports();
    builder.bind_addr("127.0.0.1:0").unwrap().bind().await.unwrap()
}

/// `Join` without addresses.
const JOIN: &[u8] = &[0, 0, 0];
/// `Neighbor` of high priority, without addresses.
const NEIGHBOUR: &[u8] = &[0, 4, 0, 0];
/// `ShuffleReply` that names nobody.
const SHUFFLE_REPLY: &[u8] = &[0, 3, 0];

async fn take_nothing(connection: Connection, kind: Kind, topic: [u8; 32], first: &'static [u8]) {
    let Ok(mut stream) = connection.open_uni().await else { return };
    for frame in [&topic, first] {
        if say(&mut stream, frame).await.is_err() {
            return;
        }
    }
    match kind {
        Kind::ReadsNothing => {}
        Kind::RefusesToRead => {
            while let Ok(mut unwanted) = connection.accept_uni().await {
                let _ = unwanted.stop(0_u32.into());
            }
        }
        Kind::TalksWithoutEnd => talk_without_end(&mut stream).await,
        Kind::Poisons => poison(&mut stream).await,
    }
    connection.closed().await;
}

/// Enough to fill the queue of whoever doesn't listen, of 1024 messages, within half a second.
async fn talk_without_end(stream: &mut SendStream) {
    let mut pause = tokio::time::interval(Duration::from_millis(20));
    loop {
        pause.tick().await;
        for _ in 0..50 {
            if say(stream, SHUFFLE_REPLY).await.is_err() {
                return;
            }
        }
    }
}

/// One after the other, each another, until it is stopped.
async fn poison(stream: &mut SendStream) {
    let mut pause = tokio::time::interval(Duration::from_millis(50));
    for n in 0_u64.. {
        pause.tick().await;
        if say(stream, &too_long(n)).await.is_err() {
            return;
        }
    }
}

/// A message of 4096 bytes.
fn too_long(n: u64) -> Vec<u8> {
    let mut content = vec![0; 4096 - 38];
    content[..8].copy_from_slice(&n.to_le_bytes());
    let id = *blake3::hash(&content).as_bytes();
    // `Gossip`, `Gossip`; the id; the length of the content and the content; `Swarm`, no hop yet.
    [&[1, 0][..], &id, &[0xda, 0x1f], &content, &[0, 0]].concat()
}

/// A frame of iroh-gossip: a length of four bytes, and as many more.
async fn say(stream: &mut SendStream, frame: &[u8]) -> Result<(), ()> {
    let len = u32::try_from(frame.len()).unwrap().to_be_bytes();
    stream.write_all(&[&len, frame].concat()).await.map_err(|_| ())
}

/// Says as much in the topic as stops whoever has a neighbour that takes nothing.
async fn chat(chatterer: &Member) {
    for n in 0..MANY {
        let noise = [&n.to_le_bytes()[..], &[0xff; 500]].concat();
        awaited("the chatterer speaks", chatterer.broadcast(noise)).await;
    }
}

async fn status(client: &Client, node: &Node) -> StatusReport {
    awaited("a status", client.status(addr(node))).await.unwrap()
}

async fn counter(client: &Client, node: &Node, name: &str) -> u64 {
    let counters = status(client, node).await.counters;
    counters.into_iter().find(|(other, _)| other == name).expect("a counter").1
}

/// Waits until everybody knows `speaker`, one of `nodes`, by a new name; fails if that takes too long.
async fn all_hear(nodes: &[Node], speaker: &Node, name: &str) {
    speaker.set_name(Some(name.to_owned())).await.unwrap();
    // A node holds back what it says too often.
    until(speaker, "it has said so", |view| view.own.name.as_deref() == Some(name)).await;
    let started = Instant::now();
    let hear = nodes.iter().filter(|node| node.id() != speaker.id()).map(|node| {
        until(node, "the new name", |view| {
            let entry = entry(view, speaker.id());
            entry.is_some_and(|entry| entry.announcement.name.as_deref() == Some(name))
        })
    });
    join_all(hear).await;
    println!("heard after {:?}", started.elapsed());
    assert!(started.elapsed() <= PROMISED, "heard after {:?}", started.elapsed());
}

/// Why gossip's links are ours. If this and the next fail one day, they needn't be.
#[tokio::test]
async fn iroh_gossip_alone_is_stopped_for_ever_by_a_neighbour_that_does_not_read() {
    lab(async |lab| {
        let network = Network::public();
        let bare = lab.endpoint().await;
        let gossip = Gossip::builder().spawn(bare.clone());
        let (mute, at) = Mute::be_dialled(lab, &network).await;
        let book = MemoryLookup::new();
        bare.address_lookup().unwrap().add(book.clone());
        book.add_endpoint_info(at);
        let mut topic =
            gossip.subscribe(network.gossip_topic().into(), vec![mute.id()]).await.unwrap();
        awaited("a neighbour", topic.joined()).await.unwrap();
        let blocked = async {
            loop {
                let said = topic.broadcast(vec![0xff; 500].into());
                if timeout(Duration::from_secs(3), said).await.is_err() {
                    break;
                }
            }
        };
        awaited("it is blocked", blocked).await;
        timeout(Duration::from_secs(1), gossip.shutdown()).await.expect_err("it doesn't even stop");
    })
    .await;
}

#[tokio::test]
async fn iroh_gossip_alone_says_nothing_any_more_after_a_message_that_it_can_not_send_on() {
    lab(async |lab| {
        let network = Network::public();
        let (bare, hearer) = (lab.endpoint().await, lab.endpoint().await);
        let gossips = [&bare, &hearer].map(|endpoint| Gossip::builder().spawn(endpoint.clone()));
        let [speaking, hearing] = gossips;
        let routers = [(&bare, &speaking), (&hearer, &hearing)].map(|(endpoint, gossip)| {
            Router::builder(endpoint.clone()).accept(GOSSIP_ALPN, gossip.clone()).spawn()
        });
        let book = MemoryLookup::new();
        bare.address_lookup().unwrap().add(book.clone());
        book.add_endpoint_info(hearer.addr());
        let topic = network.gossip_topic();
        let mut heard = hearing.subscribe(topic.into(), Vec::new()).await.unwrap();
        let mut topic_of_bare = speaking.subscribe(topic.into(), vec![hearer.id()]).await.unwrap();
        awaited("a neighbour", topic_of_bare.joined()).await.unwrap();
        awaited("a neighbour", heard.joined()).await.unwrap();

        let poisoner = mute_endpoint(SecretKey::generate()).await;
        lab.owns(&poisoner);
        let dial = poisoner.connect(bare.addr(), GOSSIP_ALPN);
        let connection = awaited("the poisoner connects", dial).await.unwrap();
        let mut stream = connection.open_uni().await.unwrap();
        for frame in [&topic[..], JOIN, &too_long(0)] {
            say(&mut stream, frame).await.unwrap();
        }
        let poisoned =
            async { while !matches!(topic_of_bare.next().await, Some(Ok(Event::Received(_)))) {} };
        awaited("it has read the poison", poisoned).await;
        let blocked = async {
            loop {
                let said = topic_of_bare.broadcast(b"can you hear me?".to_vec().into());
                if timeout(Duration::from_secs(3), said).await.is_err() {
                    break;
                }
            }
        };
        awaited("it is blocked", blocked).await;
        let mut all = std::iter::from_fn(|| heard.next().now_or_never().flatten());
        let of_speech = |event: &_| matches!(event, Ok(Event::Received(_)));
        assert!(!all.any(|event| of_speech(&event)), "and nobody has heard a word");
        drop(routers);
    })
    .await;
}

async fn settled_with_chatterer(lab: &Lab) -> (Vec<Node>, Member, Client) {
    let nodes = lab.settled(3).await;
    let chatterer = Member::join(lab, Network::public(), &nodes[0]).await;
    (nodes, chatterer, Client::new(lab.endpoint().await))
}

async fn check_survives(kind: Kind) {
    lab(async |lab| {
        let (nodes, chatterer, client) = settled_with_chatterer(lab).await;
        let mute = Mute::join(lab, kind, &nodes.iter().collect::<Vec<_>>()).await;
        // A poisoner may have been one already.
        for node in nodes.iter().filter(|_| kind != Kind::Poisons) {
            until(node, "the mute one is a neighbour", |view| {
                view.neighbours.contains(&mute.id()) || view.neighbours.len() > 3
            })
            .await;
        }
        chat(&chatterer).await;
        all_hear(&nodes, &nodes[1], "still here").await;
        mute.is_cut_off().await;
        all_hear(&nodes, &nodes[2], "me too").await;
        for node in &nodes {
            assert!(!node.view().neighbours.contains(&mute.id()));
            let report = status(&client, node).await;
            println!("{:?} {:?}", report.channels, counter(&client, node, "gossip_rebuilt").await);
            assert!(report.channels[0].1.contains("cut off"), "{:?}", report.channels);
            assert!(counter(&client, node, kind.counter()).await >= 1);
        }
        // It is refused at once now.
        let again = mute.endpoint.connect(addr(&nodes[0]), GOSSIP_ALPN).await.unwrap();
        let closed = awaited("it is refused", again.closed()).await;
        assert!(matches!(closed, ConnectionError::ApplicationClosed(_)), "{closed:?}");
        assert!(counter(&client, &nodes[0], "gossip_refused").await >= 1);
        for node in nodes {
            let started = Instant::now();
            node.shutdown().await;
            assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        }
    })
    .await;
}

#[tokio::test]
async fn a_neighbour_that_does_not_read_is_cut_off_and_the_others_go_on() {
    check_survives(Kind::ReadsNothing).await;
}

#[tokio::test]
async fn a_neighbour_that_refuses_to_read_is_cut_off_and_the_others_go_on() {
    check_survives(Kind::RefusesToRead).await;
}

#[tokio::test]
async fn a_neighbour_that_talks_without_end_and_does_not_read_is_cut_off_and_the_others_go_on() {
    check_survives(Kind::TalksWithoutEnd).await;
}

#[tokio::test]
async fn a_member_that_sends_what_can_not_be_sent_on_is_cut_off_and_the_others_go_on() {
    check_survives(Kind::Poisons).await;
}

/// Introducing it to the others takes more than it took itself.
#[tokio::test]
async fn a_newcomer_that_says_too_much_of_its_place_silences_nobody() {
    lab(async |lab| {
        let nodes = lab.settled(3).await;
        let places = vec![b'x'; 4096 - 11];
        // `Swarm`, `Join`, some; the length.
        let join: &[u8] = &[&[0, 0, 1, 0xf5, 0x1f][..], &places].concat();
        let newcomer = mute_endpoint(SecretKey::generate()).await;
        lab.owns(&newcomer);
        let mut streams = Vec::new();
        for node in &nodes {
            let dial = newcomer.connect(addr(node), GOSSIP_ALPN);
            let connection = awaited("the newcomer connects", dial).await.unwrap();
            let mut stream = connection.open_uni().await.unwrap();
            for frame in [&node.network().gossip_topic()[..], join] {
                say(&mut stream, frame).await.unwrap();
            }
            until(node, "a neighbour", |view| view.neighbours.contains(&newcomer.id())).await;
            streams.push((connection, stream));
        }
        for speaker in &nodes {
            all_hear(&nodes, speaker, "not silenced").await;
        }
    })
    .await;
}

/// Nothing but a node's own announcements, far too few to stop anything.
#[tokio::test]
async fn a_neighbour_that_does_not_read_is_found_out_before_it_does_harm() {
    lab(async |lab| {
        let nodes = [lab.fast(&[]).await];
        let mute = Mute::join(lab, Kind::ReadsNothing, &[&nodes[0]]).await;
        until(&nodes[0], "a neighbour", |view| view.neighbours == [mute.id()]).await;
        mute.is_cut_off().await;
        let client = Client::new(lab.endpoint().await);
        assert_eq!(counter(&client, &nodes[0], "gossip_cut_off").await, 1);
        assert_eq!(counter(&client, &nodes[0], "gossip_rebuilt").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_neighbour_that_was_dialled_and_does_not_read_is_cut_off() {
    lab(async |lab| {
        let (mute, at) = Mute::be_dialled(lab, &Network::public()).await;
        let config = NodeConfig { bootstrap: vec![at], ..crate::lab::fast(Network::public()) };
        let node = lab.node(config).await;
        until(&node, "a neighbour", |view| view.neighbours == [mute.id()]).await;
        until(&node, "it is cut off", |view| view.neighbours.is_empty()).await;
        let client = Client::new(lab.endpoint().await);
        assert_eq!(counter(&client, &node, "gossip_cut_off").await, 1);
    })
    .await;
}

/// As one that is killed while it says goodbye, by which its connections don't end.
#[tokio::test]
async fn a_neighbour_that_vanishes_as_it_leaves_is_let_in_again_at_once() {
    lab(async |lab| {
        let node = lab.fast(&[]).await;
        let (key, at, topic) = (SecretKey::generate(), addr(&node), node.network().gossip_topic());
        let dying = key.clone();
        let died = tokio::task::spawn_blocking(move || {
            let life = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let leaving = life.block_on(async {
                let endpoint = mute_endpoint(dying).await;
                let connection = endpoint.connect(at, GOSSIP_ALPN).await.unwrap();
                let mut stream = connection.open_uni().await.unwrap();
                for frame in [&topic[..], JOIN] {
                    say(&mut stream, frame).await.unwrap();
                }
                let mut unwanted = connection.accept_uni().await.unwrap();
                unwanted.stop(0_u32.into()).unwrap();
                // The next announcement finds it refused; then nothing is heard any more.
                while connection.stats().frame_tx.stop_sending == 0 {
                    tokio::task::yield_now().await;
                }
                (endpoint, connection)
            });
            // No task of its endpoint runs any more, and no destructor says goodbye.
            life.shutdown_background();
            std::mem::forget(leaving);
        });
        died.await.unwrap();
        until(&node, "it is missed", |view| view.neighbours.is_empty()).await;
        let again = Mute::join_as(lab, key, Kind::ReadsNothing, &[&node]).await;
        until(&node, "it is a neighbour again", |view| view.neighbours == [again.id()]).await;
        let client = Client::new(lab.endpoint().await);
        assert_eq!(counter(&client, &node, "gossip_cut_off").await, 0);
    })
    .await;
}

#[tokio::test]
async fn bad_neighbours_under_ever_new_names_do_not_keep_the_others_from_hearing_each_other() {
    lab(async |lab| {
        let (nodes, chatterer, client) = settled_with_chatterer(lab).await;
        let all: Vec<_> = nodes.iter().collect();
        let mut mutes = Vec::new();
        for round in 0..4 {
            for kind in [Kind::ReadsNothing, Kind::TalksWithoutEnd, Kind::Poisons] {
                mutes.push(Mute::join(lab, kind, &all).await);
            }
            chat(&chatterer).await;
            let speaker = &nodes[round % 3];
            all_hear(&nodes, speaker, &format!("round {round}")).await;
        }
        for node in &nodes {
            let found_out = async {
                for kind in [Kind::ReadsNothing, Kind::Poisons] {
                    while counter(&client, node, kind.counter()).await == 0 {
                        chat(&chatterer).await;
                    }
                }
            };
            awaited("some are cut off", found_out).await;
            println!("{:?}", status(&client, node).await.channels);
        }
        // One more, that has stopped everybody when they are told to go.
        let _last = Mute::join(lab, Kind::ReadsNothing, &all).await;
        chat(&chatterer).await;
        for node in nodes {
            let started = Instant::now();
            node.shutdown().await;
            assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        }
    })
    .await;
}

#[tokio::test]
async fn neighbours_that_read_are_left_alone_however_much_there_is_to_read() {
    lab(async |lab| {
        let (nodes, chatterer, client) = settled_with_chatterer(lab).await;
        for _ in 0..5 {
            chat(&chatterer).await;
        }
        let late = lab.node(through(&[&nodes[0]], NodeConfig::new(Network::public()))).await;
        until(&late, "everybody", |view| nodes.iter().all(|node| knows(view, node.id()))).await;
        all_know_all(&nodes).await;
        for node in &nodes {
            let all = status(&client, node).await.counters;
            let of_harm = ["gossip_cut_off", "gossip_poisoned", "gossip_refused", "gossip_rebuilt"];
            for (name, count) in all.iter().filter(|(name, _)| of_harm.contains(&&**name)) {
                assert_eq!(*count, 0, "{name}");
            }
        }
    })
    .await;
}

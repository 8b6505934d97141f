//! What a crawl believes.

use std::time::Duration;

use id_proto::{
    Network, PeerAnnouncement, SignedAnnouncement, Source,
    iroh_base::{PublicKey, TransportAddr},
};

use super::*;
use crate::{
    AddressPolicy, CrawlEvent, DialOutcome, FailKind, FailStage, MAX_FORGED, RejectReason,
    memory::{self, Behaviour, Lie},
};

fn reason(lie: Lie) -> RejectReason {
    match lie {
        Lie::Forged | Lie::Altered => RejectReason::BadSignature,
        Lie::OtherNetwork => RejectReason::OtherNetwork,
        Lie::FutureDated => RejectReason::FutureDated,
        Lie::Expired => RejectReason::Expired,
        Lie::Malformed | Lie::Oversized => RejectReason::Malformed,
        Lie::UnknownVersion => RejectReason::UnknownVersion,
    }
}

/// Peer `i`'s announcement, changed and signed anew.
fn announced(
    network: &MemoryNetwork,
    i: usize,
    change: impl FnOnce(&mut PeerAnnouncement),
) -> SignedAnnouncement {
    let mut announcement = network.announcement(i).statement().clone();
    change(&mut announcement);
    SignedAnnouncement::sign(announcement, &memory::secret_key(i as u64)).unwrap()
}

fn item(announcement: &SignedAnnouncement) -> Vec<u8> {
    memory::entry(announcement, Source::Gossip).encode()
}

#[tokio::test]
async fn each_lie_is_counted_by_its_reason_and_enters_nothing() {
    for lie in Lie::ALL {
        let network = MemoryNetwork::star(3).with_lie(1, *lie);
        let report = crawl(&network, unlimited()).await;
        assert_eq!(report.summary().answered, 3, "{lie:?}");
        let expected = BTreeMap::from([(reason(*lie), 1)]);
        assert_eq!(peer(&network, &report, 1).rejected, expected, "{lie:?}");
        assert!(peer(&network, &report, 0).rejected.is_empty(), "{lie:?}");
    }
}

/// An entry of what is held already isn't decoded whole, and is refused for the same faults.
#[tokio::test]
async fn an_entry_that_names_a_teller_who_can_not_be_is_malformed_also_if_its_announcement_is_held()
{
    let network = MemoryNetwork::star(3);
    let told_by = |teller: [u8; 32]| {
        let valid = memory::secret_key(78).public();
        let entry = memory::entry(network.announcement(2), Source::Told(valid)).encode();
        let at = entry.windows(32).rposition(|bytes| bytes == valid.as_bytes()).unwrap();
        [&entry[..at], &teller, &entry[at + 32..]].concat()
    };
    let no_key = (0..).map(|n| [n; 32]).find(|id| PublicKey::from_bytes(id).is_err()).unwrap();
    let strangers = *memory::secret_key(79).public().as_bytes();
    let known = *network.announcement(0).node_id.as_bytes();
    for (teller, rejected) in [(no_key, 1), (strangers, 0), (known, 0)] {
        let report = crawl(&network.clone().with_item(1, told_by(teller)), unlimited()).await;
        let rejections = &peer(&network, &report, 1).rejected;
        assert_eq!(rejections.get(&RejectReason::Malformed).copied().unwrap_or(0), rejected);
        assert_eq!(peer(&network, &report, 2).via.len(), 2 - rejected as usize, "{teller:?}");
    }
}

#[tokio::test]
async fn one_bad_entry_spoils_no_other() {
    let network = Lie::ALL.iter().fold(MemoryNetwork::line(1), |net, lie| net.with_lie(0, *lie));
    let stranger = memory::secret_key(77);
    let honest = PeerAnnouncement {
        node_id: stranger.public(),
        ..network.announcement(0).statement().clone()
    };
    let honest = SignedAnnouncement::sign(honest, &stranger).unwrap();
    let report = crawl(&network.with_item(0, item(&honest)), unlimited()).await;
    let ids: Vec<PublicKey> = report.peers.iter().map(|peer| peer.node_id).collect();
    assert!(report.peers.len() == 2 && ids.contains(&stranger.public()));
}

#[tokio::test]
async fn the_newest_of_contradicting_announcements_holds_in_whatever_order() {
    let network = MemoryNetwork::new(4, [(0, 1), (0, 2), (0, 3)]);
    let newer = announced(&network, 3, |a| {
        a.seq += 1;
        a.name = Some("new".into());
    });
    let older = announced(&network, 3, |a| {
        a.seq -= 1;
        a.name = Some("old".into());
    });
    for (first, second) in [(&newer, &older), (&older, &newer)] {
        let network = network.clone().with_item(1, item(first)).with_item(2, item(second));
        let network = network.with(3, Behaviour::Refuses);
        let report = crawl(&network, unlimited()).await;
        assert_eq!(peer(&network, &report, 3).announcement.as_ref(), Some(&newer));
        assert_eq!(peer(&network, &report, 3).via.len(), 3);
    }
}

#[tokio::test]
async fn a_newer_announcement_that_is_forged_changes_nothing() {
    let network = MemoryNetwork::new(3, [(0, 1), (0, 2)]);
    let newer = announced(&network, 2, |a| {
        a.seq += 1;
        a.name = Some("forged".into());
    });
    let mut forged = item(&newer);
    forged[10] ^= 1;
    let network = network.with_item(1, forged).with(2, Behaviour::Refuses);
    let report = crawl(&network, unlimited()).await;
    assert_eq!(peer(&network, &report, 2).announcement.as_ref(), Some(network.announcement(2)));
    assert_eq!(peer(&network, &report, 1).rejected[&RejectReason::BadSignature], 1);
}

#[tokio::test]
async fn an_altered_entry_of_a_peer_that_is_known_is_counted_too() {
    let network = MemoryNetwork::new(3, [(0, 1), (0, 2)]);
    let mut altered = network.announcement(2).statement().clone();
    altered.agent = "altered".into();
    let forger = memory::secret_key(99);
    altered.node_id = forger.public();
    let mut altered = item(&SignedAnnouncement::sign(altered, &forger).unwrap());
    let at = altered.windows(32).position(|window| window == forger.public().as_bytes()).unwrap();
    altered[at..at + 32].copy_from_slice(network.id(2).as_bytes());
    let report = crawl(&network.with_item(1, altered), unlimited()).await;
    let liar = report.peers.iter().find(|peer| !peer.rejected.is_empty()).unwrap();
    assert_eq!(liar.rejected, BTreeMap::from([(RejectReason::BadSignature, 1)]));
}

#[tokio::test]
async fn of_two_announcements_with_one_number_the_first_stays() {
    let network = MemoryNetwork::new(3, [(0, 1), (0, 2)]);
    let twin = announced(&network, 2, |a| a.name = Some("twin".into()));
    let network = network.with_item(1, item(&twin)).with(2, Behaviour::Refuses);
    let report = crawl(&network, unlimited()).await;
    assert_eq!(peer(&network, &report, 2).announcement.as_ref(), Some(network.announcement(2)));
}

#[tokio::test]
async fn the_smallest_age_holds() {
    let network = MemoryNetwork::new(3, [(0, 1), (0, 2)]).with(2, Behaviour::Refuses);
    let mut entry = memory::entry(network.announcement(2), Source::Gossip);
    entry.age = Duration::from_millis(20);
    let report = crawl(&network.clone().with_item(1, entry.encode()), unlimited()).await;
    assert_eq!(peer(&network, &report, 2).age, Some(Duration::from_millis(20)));
}

#[tokio::test]
async fn a_clock_a_little_ahead_and_one_a_little_behind_are_believed() {
    let network = MemoryNetwork::line(1);
    for shift in [-300_i64, 290] {
        let stranger = memory::secret_key(78);
        let mut shifted = network.announcement(0).statement().clone();
        shifted.node_id = stranger.public();
        shifted.timestamp_secs = shifted.timestamp_secs.saturating_add_signed(shift);
        let shifted = SignedAnnouncement::sign(shifted, &stranger).unwrap();
        let report = crawl(&network.clone().with_item(0, item(&shifted)), unlimited()).await;
        assert_eq!(report.peers.len(), 2, "{shift}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_peer_told_before_it_hung_up_stays() {
    let network = MemoryNetwork::star(10).with_page_len(3).with(0, Behaviour::HangsUpAfter(2));
    let report = crawl(&network, depth(0.into())).await;
    assert_eq!(known(&network, &report), BTreeSet::from([0, 1, 2, 3, 4, 5]));
    let PeerStatus::Failed { kind, .. } = peer(&network, &report, 0).status else {
        panic!("the seed hung up");
    };
    assert_eq!(kind, FailKind::Lost);
}

#[tokio::test]
async fn a_table_on_many_pages_is_read_to_the_end() {
    let network = MemoryNetwork::star(100).with_page_len(7);
    assert_eq!(crawl(&network, depth(0.into())).await.summary().known, 100);
    let network = MemoryNetwork::star(1000);
    assert_eq!(crawl(&network, depth(0.into())).await.summary().known, 1000);
}

#[tokio::test]
async fn a_forger_is_not_heard_out() {
    let liar = MemoryNetwork::star(3).with_page_len(100);
    let liar = (0..2 * MAX_FORGED).fold(liar, |network, _| network.with_lie(1, Lie::Malformed));
    let report = crawl(&liar, unlimited()).await;
    let PeerStatus::Failed { kind, .. } = peer(&liar, &report, 1).status else {
        panic!("the forger was heard out");
    };
    assert_eq!(kind, FailKind::Protocol);
    assert_eq!(peer(&liar, &report, 1).rejected[&RejectReason::Malformed], MAX_FORGED + 1);
    assert_eq!(report.summary().answered, 2);
}

/// A star around peer 0, which also names somebody who announces these addresses, and nobody else.
fn naming(addrs: &[&str]) -> (MemoryNetwork, PublicKey) {
    let network = MemoryNetwork::star(2);
    let stranger = memory::secret_key(77);
    let ip = |addr: &&str| TransportAddr::Ip(addr.parse().unwrap());
    let announcement = PeerAnnouncement {
        node_id: stranger.public(),
        addrs: addrs.iter().map(ip).collect(),
        ..network.announcement(0).statement().clone()
    };
    let signed = SignedAnnouncement::sign(announcement, &stranger).unwrap();
    (network.with_item(0, item(&signed)), stranger.public())
}

fn status_of(report: &CrawlReport, id: PublicKey) -> PeerStatus {
    report.peers.iter().find(|peer| peer.node_id == id).unwrap().status.clone()
}

#[tokio::test]
async fn a_peer_with_forbidden_addresses_only_has_failed_undialled() {
    let public = AddressPolicy::new(&Network::public());
    for addr in ["10.0.0.1:1", "169.254.169.254:80", "[fe80::1]:1", "[::ffff:192.168.0.1]:1"] {
        let (network, stranger) = naming(&[addr]);
        let crawl = crawler(&network, &[0], unlimited()).address_policy(public.clone());
        let mut crawl = crawl.start();
        let mut failed = Vec::new();
        while let Some(event) = crawl.next().await {
            if let CrawlEvent::Failed { peer, error } = event {
                failed.push((peer, error.kind));
            }
        }
        assert_eq!(failed, [(stranger, FailKind::ForbiddenAddress)], "{addr}");
        let report = crawl.finish().await;
        assert_adds_up(&report);
        let is_forbidden = |status| match status {
            PeerStatus::Failed { kind, .. } => kind == FailKind::ForbiddenAddress,
            _ => false,
        };
        assert!(is_forbidden(status_of(&report, stranger)));
        assert_eq!(
            report.summary().answered,
            2,
            "the others are asked: a seed says where they are"
        );
        assert!(!network.asked().contains(&stranger));
    }
}

#[tokio::test]
async fn a_peer_is_dialled_where_it_may_be_and_an_operator_decides_where() {
    let public = AddressPolicy::new(&Network::public());
    let (network, stranger) = naming(&["10.0.0.1:1", "1.1.1.1:1"]);
    crawler(&network, &[0], unlimited()).address_policy(public.clone()).start().run().await;
    assert!(network.asked().contains(&stranger));

    let (network, stranger) = naming(&["10.0.0.1:1"]);
    let place = EndpointAddr::new(stranger).with_ip_addr("10.0.9.9:1".parse().unwrap());
    crawler(&network, &[0], unlimited()).address_policy(public.open(&place)).start().run().await;
    assert!(network.asked().contains(&stranger));
}

#[tokio::test]
async fn a_stranger_cant_open_a_place_for_others() {
    let public = AddressPolicy::new(&Network::public());
    let (network, stranger) = naming(&["10.0.0.1:1", "1.1.1.1:1"]);
    let other = memory::secret_key(78);
    let announcement = PeerAnnouncement {
        node_id: other.public(),
        addrs: vec![TransportAddr::Ip("10.0.0.2:1".parse().unwrap())],
        ..network.announcement(0).statement().clone()
    };
    let signed = SignedAnnouncement::sign(announcement, &other).unwrap();
    let network = network.with_item(1, item(&signed));
    crawler(&network, &[0], unlimited()).address_policy(public).start().run().await;
    assert!(network.asked().contains(&stranger));
    assert!(!network.asked().contains(&other.public()));
}

/// Addresses of a peer by what became of them.
fn dialled(peer: &CrawledPeer) -> Vec<(String, DialOutcome)> {
    peer.dialled.iter().map(|it| (it.addr.to_string(), it.outcome)).collect()
}

#[tokio::test]
async fn addresses_that_may_not_be_dialled_are_told_apart_from_those_that_failed() {
    let public = AddressPolicy::new(&Network::public());
    let (network, stranger) = naming(&["10.0.0.1:1", "1.1.1.1:1"]);
    let crawler = crawler(&network, &[0], unlimited()).address_policy(public);
    let report = crawler.start().run().await;
    let stranger = report.peers.iter().find(|peer| peer.node_id == stranger).unwrap();
    let at = |addr: &str| TransportAddr::Ip(addr.parse().unwrap()).to_string();
    let expected = [
        (at("1.1.1.1:1"), DialOutcome::Failed(FailKind::NoAddress)),
        (at("10.0.0.1:1"), DialOutcome::Forbidden),
    ];
    assert_eq!(dialled(stranger), expected);
    assert_eq!(stranger.stage, Some(FailStage::Connect));
}

#[tokio::test(start_paused = true)]
async fn who_failed_says_whether_it_was_reached_the_last_time() {
    use Behaviour::{DiesAfter, HangsUpAfter, Mute, Refuses, Silent};
    let (connect, query) = (Some(FailStage::Connect), Some(FailStage::Query));
    let cases = [
        (Refuses, connect),
        (Silent, connect),
        (Mute, query),
        (HangsUpAfter(1), query),
        (DiesAfter(1), connect),
        (Behaviour::BusyOnce, None),
    ];
    for (behaviour, stage) in cases {
        let network = MemoryNetwork::star(2).with(1, behaviour.clone());
        let report = crawl(&network, unlimited()).await;
        assert_eq!(peer(&network, &report, 1).stage, stage, "{behaviour:?}");
        assert_eq!(peer(&network, &report, 0).stage, None);
    }
}

#[tokio::test]
async fn who_is_not_asked_is_not_dialled() {
    let network = MemoryNetwork::line(2);
    let report = crawl(&network, depth(0.into())).await;
    assert!(peer(&network, &report, 1).dialled.is_empty());
    assert_eq!(dialled(peer(&network, &report, 0)), [], "its transport finds it by its id");
}

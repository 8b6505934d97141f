//! Neighbours on the local network, by multicast DNS.
//!
//! The protocol is swarm-discovery's, as iroh uses it. Ours is when to ask how often, what to tell
//! the local network, and whom of those that are found to join.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use futures::{Stream, StreamExt};
use id_proto::{
    NetworkTag,
    iroh_base::{EndpointAddr, PublicKey, TransportAddr},
    limits::MAX_ADDRS,
};
use iroh::{
    Watcher,
    address_lookup::{AddressLookup, EndpointData, EndpointInfo},
    endpoint_info::AddrFilter,
};
use iroh_mdns_address_lookup::{DiscoveryEvent, MdnsAddressLookup};
use tokio::{sync::watch, time::sleep_until};
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use super::{
    Report, Surroundings,
    finds::{Company, Finds},
    guide::Guide,
};
use crate::{
    clock::Clock,
    config::{AnnounceAddrs, NodeConfig, Role},
    membership::View,
};

const CONTEXT_SERVICE: &str = "id 2026-11-21 network v1 mdns service";
/// Where questions go. Origin: RFC 6762.
const GROUP: (Ipv4Addr, u16) = (Ipv4Addr::new(224, 0, 0, 251), 5353);
/// How often the local network is asked at first. Origin: swarm-discovery's own for people who wait;
/// it needs more than 400 ms.
pub(super) const EAGER: Duration = Duration::from_millis(500);
/// How often it is asked later. Whoever comes asks by itself, and we answer at once; this is for who
/// got lost. Origin: a multicast wakes every machine on a wireless network.
const CALM: Duration = Duration::from_secs(20);
/// How long a node stays eager after its start, and after it lost its last neighbour. Origin: a guess;
/// thirty questions, of which each may get lost.
const EAGER_FOR: Duration = Duration::from_secs(15);
/// How long it stays calm then, whatever happens. Origin: a network that comes and goes shall not be
/// asked twice a second all the time.
const CALM_FOR: Duration = Duration::from_secs(45);
/// How often to try again if nothing can be bound, and to see whether the way out is another one.
/// Origin: nobody waits for it.
const CHECK_EVERY: Duration = Duration::from_secs(30);

/// The running search; ends when dropped.
#[derive(Debug)]
pub(super) struct Mdns {
    report: watch::Receiver<String>,
    _running: AbortOnDropHandle<()>,
}

impl Mdns {
    /// Starts to look for members on the local network, and to be found there. An observer isn't.
    pub(super) fn spawn(config: &NodeConfig, around: &Surroundings, guide: Guide) -> Self {
        let (report, reports) = Report::new("mdns");
        let now = around.clock.now().mono;
        let neighbourhood = Neighbourhood {
            me: around.endpoint.id(),
            service: service_name(config.network.tag()),
            policy: config.announce_addrs,
            role: config.role,
            clock: around.clock,
            view: around.view.clone(),
            guide,
            own: Vec::new(),
            pace: Pace::new(now),
            finds: Finds::new(),
            open: None,
            check_at: now,
            has_warned: false,
            report,
        };
        let running = tokio::spawn(neighbourhood.run(around.endpoint.watch_addr().stream()));
        Self { report: reports, _running: AbortOnDropHandle::new(running) }
    }

    /// What the search last did, for people.
    pub(super) fn watch(&self) -> watch::Receiver<String> {
        self.report.clone()
    }
}

/// What the members of a network call it on the local network: says nothing of its name, its secret
/// or its tag, and differs from that of every other network.
///
/// 15 characters, which is as long as RFC 6335 lets the name of a service be.
pub(super) fn service_name(tag: NetworkTag) -> String {
    let derived = blake3::derive_key(CONTEXT_SERVICE, &tag.0);
    let hex: String = derived[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("id-{hex}")
}

type Events = Pin<Box<dyn Stream<Item = DiscoveryEvent> + Send>>;

/// Sockets that are bound, and what was true when they were.
struct Open {
    lookup: MdnsAddressLookup,
    events: Events,
    cadence: Duration,
    way_out: Option<IpAddr>,
}

struct Neighbourhood {
    me: PublicKey,
    service: String,
    policy: AnnounceAddrs,
    role: Role,
    clock: Clock,
    view: watch::Receiver<Arc<View>>,
    guide: Guide,
    /// Where others can dial us, as the policy lets us say.
    own: Vec<SocketAddr>,
    pace: Pace,
    finds: Finds,
    open: Option<Open>,
    /// When to look at the sockets again.
    check_at: Duration,
    has_warned: bool,
    report: Report,
}

impl Neighbourhood {
    /// Runs until the node is gone.
    async fn run(mut self, addrs: impl Stream<Item = EndpointAddr>) {
        let mut addrs = std::pin::pin!(addrs);
        loop {
            if self.clock.now().mono >= self.check_at {
                self.check().await;
            }
            let due = tokio::time::Instant::from_std(self.clock.instant(self.next_due()));
            tokio::select! {
                Some(addr) = addrs.next() => self.on_addr(&addr),
                event = next_event(&mut self.open) => self.on_event(event),
                changed = self.view.changed() => match changed {
                    Ok(()) => self.observe(),
                    Err(_) => return,
                },
                () = sleep_until(due) => {}
            }
            self.join_due();
        }
    }

    fn next_due(&self) -> Duration {
        self.finds.due().map_or(self.check_at, |due| due.min(self.check_at))
    }

    fn observe(&mut self) {
        let now = self.clock.now().mono;
        let company = match self.view.borrow_and_update().neighbours.is_empty() {
            true => Company::Lonely,
            false => Company::Settled,
        };
        self.finds.observe(company, now);
        if self.pace.observe(company, now) {
            self.check_at = now;
        }
    }

    /// Binds anew if the cadence or the way out has changed, for a membership of the multicast group
    /// is bound to an interface.
    async fn check(&mut self) {
        let now = self.clock.now().mono;
        let (cadence, way_out) = (self.pace.cadence(now), way_out());
        let is_current =
            |open: &Open| open.cadence == cadence && open.way_out == way_out && way_out.is_some();
        if !self.open.as_ref().is_some_and(is_current) {
            // The old sockets go first, so that an error leaves none.
            self.open = None;
            self.open(cadence, way_out).await;
        }
        self.check_at = self.pace.next_change(now).min(now + CHECK_EVERY);
        self.say();
    }

    async fn open(&mut self, cadence: Duration, way_out: Option<IpAddr>) {
        let built = MdnsAddressLookup::builder()
            .service_name(self.service.clone())
            .discovery_cadence(cadence)
            .advertise(self.role == Role::Member)
            .addr_filter(AddrFilter::unfiltered())
            .build(self.me);
        match built {
            Ok(lookup) => {
                let events = Box::pin(lookup.subscribe().await);
                self.open = Some(Open { lookup, events, cadence, way_out });
                self.publish();
            }
            Err(error) if !self.has_warned => {
                self.has_warned = true;
                warn!(%error, "multicast DNS isn't possible here, others are found by other ways");
            }
            Err(_) => {}
        }
    }

    fn on_addr(&mut self, addr: &EndpointAddr) {
        let own = self.policy.select_local(addr);
        if own != self.own {
            self.own = own;
            self.publish();
            // Another address may mean another network.
            self.check_at = self.clock.now().mono;
        }
    }

    fn publish(&self) {
        let own: EndpointData = self.own.iter().copied().map(TransportAddr::Ip).collect();
        if let Some(open) = &self.open {
            open.lookup.publish(&own);
        }
    }

    fn on_event(&mut self, event: DiscoveryEvent) {
        let now = self.clock.now().mono;
        match event {
            DiscoveryEvent::Discovered { endpoint_info, .. } => {
                if let Some(peer) = reachable(&endpoint_info) {
                    self.guide.note(peer.clone());
                    self.finds.found(peer, now, rand::random());
                }
            }
            DiscoveryEvent::Expired { endpoint_id } => self.finds.lost(&endpoint_id),
            _ => {}
        }
        self.say();
    }

    fn join_due(&mut self) {
        let now = self.clock.now().mono;
        let peers = {
            let view = self.view.borrow();
            let is_known = |id: &PublicKey| {
                view.neighbours.contains(id)
                    || view.entries.binary_search_by_key(id, |entry| entry.node_id()).is_ok()
            };
            self.finds.take_due(now, is_known, rand::random)
        };
        self.guide.introduce(peers);
    }

    fn say(&self) {
        let found = match self.finds.len() {
            0 => "found nobody".to_owned(),
            1 => "found 1 peer".to_owned(),
            n => format!("found {n} peers"),
        };
        let but = match &self.open {
            None => "; no socket can be bound",
            Some(open) if open.way_out.is_none() => "; no way out for multicast",
            Some(_) if self.role == Role::Observer => "",
            Some(_) if self.own.is_empty() => ", announces no address",
            Some(_) => "",
        };
        self.report.say(format!("{found}{but}"));
    }
}

/// The next event, if sockets are bound. Those of a search that has ended by itself are given up.
async fn next_event(open: &mut Option<Open>) -> DiscoveryEvent {
    if let Some(Open { events, .. }) = open {
        if let Some(event) = events.next().await {
            return event;
        }
        *open = None;
    }
    std::future::pending().await
}

/// What a stranger on the local network says of itself, as far as it can be true: no relay, which
/// could be anywhere, and no address that can't be another machine's.
pub(super) fn reachable(info: &EndpointInfo) -> Option<EndpointAddr> {
    let is_possible = |addr: &&SocketAddr| {
        let ip = addr.ip();
        addr.port() != 0 && !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast()
    };
    let addrs = info.data.ip_addrs().filter(is_possible).take(MAX_ADDRS).copied();
    let peer = addrs.fold(EndpointAddr::new(info.endpoint_id), EndpointAddr::with_ip_addr);
    Some(peer).filter(|peer| !peer.is_empty())
}

/// By which of this machine's addresses multicast leaves it. Sends nothing.
pub(super) fn way_out() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(GROUP).ok()?;
    socket.local_addr().ok().map(|addr| addr.ip())
}

/// How often to ask. Time is an argument.
#[derive(Debug)]
struct Pace {
    eager_until: Duration,
    company: Company,
}

impl Pace {
    /// A node that starts at `now` is eager.
    fn new(now: Duration) -> Self {
        Self { eager_until: now + EAGER_FOR, company: Company::Lonely }
    }

    fn cadence(&self, now: Duration) -> Duration {
        if now < self.eager_until { EAGER } else { CALM }
    }

    /// When the cadence changes by itself.
    fn next_change(&self, now: Duration) -> Duration {
        if now < self.eager_until { self.eager_until } else { Duration::MAX }
    }

    /// Notes whether there are neighbours. Returns whether that has changed the cadence.
    fn observe(&mut self, company: Company, now: Duration) -> bool {
        let got_lonely = company == Company::Lonely && self.company == Company::Settled;
        self.company = company;
        let becomes_eager = got_lonely && now >= self.eager_until + CALM_FOR;
        if becomes_eager {
            self.eager_until = now + EAGER_FOR;
        }
        becomes_eager
    }
}

#[cfg(test)]
mod tests {
    use id_proto::{Network, iroh_base::SecretKey};

    use super::*;

    const T: Duration = Duration::from_secs(1000);
    const SECOND: Duration = Duration::from_secs(1);

    fn info(addrs: &[&str]) -> EndpointInfo {
        let id = SecretKey::from_bytes(&[1; 32]).public();
        let addrs = addrs.iter().map(|addr| match addr.parse() {
            Ok(ip) => TransportAddr::Ip(ip),
            Err(_) => TransportAddr::Relay(addr.parse().unwrap()),
        });
        EndpointInfo::from_parts(id, addrs.collect())
    }

    fn reached(addrs: &[&str]) -> Vec<String> {
        let peer = reachable(&info(addrs));
        peer.iter().flat_map(EndpointAddr::ip_addrs).map(SocketAddr::to_string).collect()
    }

    #[test]
    fn service_name_is_pinned() {
        assert_eq!(service_name(Network::public().tag()), "id-316384d01f67");
    }

    #[test]
    fn service_name_is_one_that_dns_sd_allows() {
        let name = service_name(Network::derive("office", "blue").unwrap().tag());
        assert!(name.len() <= 15 && name.starts_with("id-"), "{name}");
        assert!(name[3..].bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    }

    #[test]
    fn networks_of_one_topic_and_different_secrets_have_different_service_names() {
        let name = |secret| service_name(Network::derive("office", secret).unwrap().tag());
        assert_ne!(name("blue"), name("red"));
    }

    #[test]
    fn service_name_shows_nothing_of_the_tag() {
        let tag = Network::derive("office", "blue").unwrap().tag();
        let (shown, name) = (tag.to_string(), service_name(tag));
        assert!((3..=12).all(|at| !shown.contains(&name[at..at + 3])), "{shown} {name}");
    }

    #[test]
    fn stranger_leads_to_machines_and_not_to_relays() {
        let addrs = ["192.0.2.1:1", "[2001:db8::1]:2", "https://relay.example/"];
        assert_eq!(reached(&addrs), ["192.0.2.1:1", "[2001:db8::1]:2"]);
        let nowhere = ["127.0.0.1:1", "[::1]:1", "0.0.0.0:1", "224.0.0.251:5353", "192.0.2.1:0"];
        assert_eq!(reachable(&info(&nowhere)), None);
    }

    #[test]
    fn stranger_with_many_addresses_is_bounded() {
        let many: Vec<String> = (1..100).map(|port| format!("192.0.2.1:{port}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(reached(&many).len(), MAX_ADDRS);
    }

    #[test]
    fn node_is_eager_at_first_and_calm_ever_after() {
        let mut pace = Pace::new(T);
        assert_eq!(pace.cadence(T), EAGER);
        assert_eq!(pace.next_change(T), T + EAGER_FOR);
        assert!(!pace.observe(Company::Settled, T + SECOND));
        assert_eq!(pace.cadence(T + EAGER_FOR), CALM);
        assert!(!pace.observe(Company::Settled, T + 1000 * SECOND));
        assert_eq!(pace.cadence(T + 1000 * SECOND), CALM);
    }

    #[test]
    fn node_that_lost_its_neighbours_is_eager_again_but_not_all_the_time() {
        let mut pace = Pace::new(T);
        let mut n_eager = 0;
        for second in 0..600 {
            let now = T + second * SECOND;
            pace.observe(Company::Settled, now);
            pace.observe(Company::Lonely, now);
            n_eager += u32::from(pace.cadence(now) == EAGER);
        }
        assert_eq!(n_eager, 10 * EAGER_FOR.as_secs() as u32);
    }

    #[test]
    fn lonely_node_that_finds_nobody_doesnt_stay_eager() {
        let mut pace = Pace::new(T);
        let becomes_eager = |second| pace.observe(Company::Lonely, T + second * SECOND);
        assert!(!(0..1000).any(becomes_eager));
        assert_eq!(pace.cadence(T + 1000 * SECOND), CALM);
    }
}

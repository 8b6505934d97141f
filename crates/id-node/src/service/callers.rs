//! Who may ask, and how much. Time is an argument.
//!
//! Identities are free, so what one identity may do bounds nobody who is hostile; addresses aren't. Each
//! has a share, and the whole has a bound.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use id_proto::iroh_base::PublicKey;
use iroh::{TransportAddr, endpoint::Connection};

/// What callers may do.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Most connections that are served at the same time. Origin: protocol.md.
    pub(crate) max_connections: usize,
    /// Most of them of one caller. Origin: a guess; one is enough for whoever is honest, and a few more
    /// serve programs that share an identity.
    pub(crate) max_per_caller: usize,
    /// Most of them from one host. Origin: a guess; four hosts are needed to take all.
    pub(crate) max_per_host: usize,
    /// How long a connection may be open without a request under way. Origin: our decision.
    pub(crate) idle: Duration,
    /// After which time a caller has earned another listing. Origin: protocol.md.
    pub(crate) list_gap: Duration,
    /// How many listings a caller may ask for at once. Origin: protocol.md.
    pub(crate) list_burst: u32,
    /// After which time an operator may hand over another request full of peers. Origin: twenty
    /// signatures take a millisecond of the one task that owns the table; this is 2 % of it.
    pub(crate) handover_gap: Duration,
    /// How many such requests an operator may send at once. Origin: as many peers as one introducer
    /// may bring a table of the default size, fifteen in each.
    pub(crate) handover_burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_per_caller: 8,
            max_per_host: 256,
            idle: Duration::from_secs(60),
            list_gap: Duration::from_secs(1),
            list_burst: 5,
            handover_gap: Duration::from_millis(50),
            handover_burst: 300,
        }
    }
}

/// Most callers of whom it is remembered what they owe. Origin: four times the connections.
const MAX_DEBTORS: usize = 4096;
/// Most connection attempts a second before callers must show that their address is theirs. Origin: a
/// guess; a lively node sees a few.
const MAX_UNPROVEN: u32 = 64;

/// Most attempts a second that name no protocol in their first packet and are heard. Origin: each may
/// cost 25 kB for 30 s; 12 MiB in all.
const MAX_UNCLEAR: u32 = 16;

/// Where a caller is: as much of the address as one owner is sure to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    /// An IPv4 address, or the network of an IPv6 one, which has 64 bits.
    Ip(IpAddr),
    /// Somewhere behind a relay.
    Relay,
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Self {
        let network = |v6: Ipv6Addr| Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64);
        match ip.to_canonical() {
            IpAddr::V6(v6) => Self::Ip(network(v6).into()),
            v4 => Self::Ip(v4),
        }
    }
}

/// From where a connection comes.
pub(crate) fn host_of(connection: &Connection) -> Host {
    let paths = connection.paths();
    let path = paths.iter().find(|path| path.is_selected()).or_else(|| paths.iter().next());
    match path.map(|path| path.remote_addr().clone()) {
        Some(TransportAddr::Ip(addr)) => addr.ip().into(),
        _ => Host::Relay,
    }
}

/// The callers of a service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Callers {
    limits: Limits,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    n_open: usize,
    by_caller: BTreeMap<PublicKey, usize>,
    by_host: BTreeMap<Host, usize>,
    listings: Paid,
    handovers: Paid,
    /// The attempts of the current second, and those of them that name no protocol.
    attempts: PerSecond,
    unclear: PerSecond,
}

/// When what each caller was given so far is paid for.
#[derive(Debug, Default)]
struct Paid(BTreeMap<PublicKey, Instant>);

impl Paid {
    /// Whether `caller` may have one more now: `burst` at once, and then one after each `gap`.
    fn pays(&mut self, caller: PublicKey, (gap, burst): (Duration, u32), now: Instant) -> bool {
        let mine = self.0.get(&caller).map_or(now, |paid| *paid.max(&now));
        let may = mine <= now + gap * (burst - 1);
        if may {
            if self.0.len() >= MAX_DEBTORS {
                self.forget_first(now);
            }
            self.0.insert(caller, mine + gap);
        }
        may
    }

    /// Forgets whoever owes nothing, or else the one who owes least.
    fn forget_first(&mut self, now: Instant) {
        self.0.retain(|_, paid| *paid > now);
        if self.0.len() >= MAX_DEBTORS
            && let Some(least) = self.0.iter().min_by_key(|(_, paid)| **paid)
        {
            let least = *least.0;
            self.0.remove(&least);
        }
    }
}

/// How often something happened since a second began.
#[derive(Debug, Default)]
struct PerSecond(Option<(Instant, u32)>);

impl PerSecond {
    /// Counts one more. Returns how many there were before in this second.
    fn count(&mut self, now: Instant) -> u32 {
        let second = self.0.filter(|(since, _)| now < *since + Duration::from_secs(1));
        let (since, n) = second.unwrap_or((now, 0));
        self.0 = Some((since, n.saturating_add(1)));
        n
    }
}

/// A connection that is being served. It counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Visit {
    callers: Callers,
    caller: PublicKey,
    host: Host,
}

impl Callers {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, state: Arc::default() }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Lets `caller` in, if there is room for it.
    pub(crate) fn enter(&self, caller: PublicKey, host: Host) -> Option<Visit> {
        let mut state = self.lock();
        let n_of_caller = state.by_caller.get(&caller).copied().unwrap_or_default();
        let n_of_host = state.by_host.get(&host).copied().unwrap_or_default();
        let has_room = state.n_open < self.limits.max_connections
            && n_of_caller < self.limits.max_per_caller
            && n_of_host < self.limits.max_per_host;
        if !has_room {
            return None;
        }
        state.n_open += 1;
        state.by_caller.insert(caller, n_of_caller + 1);
        state.by_host.insert(host, n_of_host + 1);
        Some(Visit { callers: self.clone(), caller, host })
    }

    /// Whether `caller` may have a listing now; if so, it is paid for.
    pub(crate) fn pays_for_list(&self, caller: PublicKey, now: Instant) -> bool {
        let rate = (self.limits.list_gap, self.limits.list_burst);
        self.lock().listings.pays(caller, rate, now)
    }

    /// Whether `caller` may hand over a request full of peers now; if so, it is paid for.
    pub(crate) fn pays_for_handover(&self, caller: PublicKey, now: Instant) -> bool {
        let rate = (self.limits.handover_gap, self.limits.handover_burst);
        self.lock().handovers.pays(caller, rate, now)
    }

    /// Whether somebody who dials must show first that their address is theirs: in a rush, when an attack
    /// from forged addresses would cost us a handshake each.
    pub(crate) fn must_prove_address(&self, now: Instant) -> bool {
        let mut state = self.lock();
        let n_attempts = state.attempts.count(now);
        n_attempts >= MAX_UNPROVEN || state.n_open > self.limits.max_connections / 2
    }

    /// Whether an attempt that names no protocol in its first packet is heard: a few a second are.
    ///
    /// Its first packet may be half of a long greeting; but if it is a farewell, the QUIC stack keeps
    /// the connection for its whole idle time-out.
    pub(crate) fn hears_unclear(&self, now: Instant) -> bool {
        self.lock().unclear.count(now) < MAX_UNCLEAR
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut state = self.callers.lock();
        state.n_open -= 1;
        count_down(&mut state.by_caller, &self.caller);
        count_down(&mut state.by_host, &self.host);
    }
}

fn count_down<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    match counts.get_mut(key) {
        Some(count) if *count > 1 => *count -= 1,
        _ => drop(counts.remove(key)),
    }
}

#[cfg(test)]
mod tests {
    use id_proto::iroh_base::SecretKey;

    use super::*;

    fn caller(n: u32) -> PublicKey {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&n.to_le_bytes());
        SecretKey::from_bytes(&seed).public()
    }

    fn host(text: &str) -> Host {
        Host::from(text.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn of_those_who_name_no_protocol_a_few_a_second_are_heard() {
        let (callers, start) = (Callers::new(Limits::default()), Instant::now());
        let n_heard = |now| (0..100).filter(|_| callers.hears_unclear(now)).count();
        assert_eq!(n_heard(start), MAX_UNCLEAR as usize);
        assert_eq!(n_heard(start + Duration::from_millis(999)), 0);
        assert_eq!(n_heard(start + Duration::from_secs(1)), MAX_UNCLEAR as usize);
    }

    #[test]
    fn neither_a_caller_nor_a_host_takes_more_than_its_share() {
        let callers = Callers::new(Limits::default());
        let home = host("192.0.2.1");
        let mut visits: Vec<_> = (0..8).map(|_| callers.enter(caller(0), home).unwrap()).collect();
        assert!(callers.enter(caller(0), host("192.0.2.2")).is_none(), "nine of one caller");
        visits.extend((8..256).map(|n| callers.enter(caller(n), home).unwrap()));
        assert!(callers.enter(caller(1000), home).is_none(), "257 of one host");
        assert!(callers.enter(caller(1000), host("192.0.2.2")).is_some());
        visits.pop();
        assert!(callers.enter(caller(1000), home).is_some(), "there is room again");
    }

    #[test]
    fn four_hosts_take_all_and_what_is_closed_is_forgotten() {
        let callers = Callers::new(Limits::default());
        let hosts = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"].map(host);
        let place = |n: u32| callers.enter(caller(n), hosts[n as usize % 4]);
        let visits: Vec<_> = (0..1024).map(|n| place(n).unwrap()).collect();
        assert!(callers.enter(caller(2000), Host::Relay).is_none());
        drop(visits);
        let state = callers.lock();
        assert_eq!((state.n_open, state.by_caller.len(), state.by_host.len()), (0, 0, 0));
    }

    #[test]
    fn an_ipv6_network_is_one_host_and_a_mapped_ipv4_address_is_that_address() {
        assert_eq!(host("2001:db8::1"), host("2001:db8::ffff:1"));
        assert_ne!(host("2001:db8::1"), host("2001:db8:0:1::1"));
        assert_eq!(host("::ffff:192.0.2.1"), host("192.0.2.1"));
        assert_ne!(host("192.0.2.1"), host("192.0.2.2"));
    }

    #[test]
    fn five_listings_at_once_and_then_one_a_second() {
        let (callers, now) = (Callers::new(Limits::default()), Instant::now());
        let n_listed = |now| (0..100).filter(|_| callers.pays_for_list(caller(1), now)).count();
        assert_eq!(n_listed(now), 5);
        assert_eq!(n_listed(now + Duration::from_millis(999)), 0);
        assert_eq!(n_listed(now + Duration::from_secs(1)), 1);
        assert_eq!(n_listed(now + Duration::from_secs(3)), 2);
        assert_eq!(n_listed(now + Duration::from_secs(100)), 5);
        assert!(callers.pays_for_list(caller(2), now), "another one is no part of that");
    }

    #[test]
    fn what_is_handed_over_is_no_listing_and_has_a_budget_of_its_own() {
        let (callers, now) = (Callers::new(Limits::default()), Instant::now());
        let n_handed =
            |now| (0..1000).filter(|_| callers.pays_for_handover(caller(1), now)).count();
        assert_eq!(n_handed(now), 300);
        assert_eq!(n_handed(now + Duration::from_millis(49)), 0);
        assert_eq!(n_handed(now + Duration::from_secs(1)), 20);
        assert!(callers.pays_for_handover(caller(2), now), "another one is no part of that");
        assert!(callers.pays_for_list(caller(1), now));
    }

    #[test]
    fn as_many_listers_as_there_may_be_are_remembered_and_no_more() {
        let (callers, now) = (Callers::new(Limits::default()), Instant::now());
        for n in 0..MAX_DEBTORS as u32 + 10 {
            assert!(callers.pays_for_list(caller(n), now));
        }
        assert_eq!(callers.lock().listings.0.len(), MAX_DEBTORS);
        assert!(callers.pays_for_list(caller(0), now + Duration::from_secs(60)));
        assert_eq!(callers.lock().listings.0.len(), 1, "whoever owes nothing is forgotten");
    }

    #[test]
    fn addresses_are_to_be_proven_only_in_a_rush() {
        let (callers, now) = (Callers::new(Limits::default()), Instant::now());
        let n_unproven = |now| (0..100).filter(|_| !callers.must_prove_address(now)).count();
        assert_eq!(n_unproven(now), MAX_UNPROVEN as usize);
        assert_eq!(n_unproven(now + Duration::from_secs(1)), MAX_UNPROVEN as usize);

        let half_full = Callers::new(Limits { max_connections: 2, ..Limits::default() });
        let _visits = [1, 2].map(|n| half_full.enter(caller(n), Host::Relay).unwrap());
        assert!(half_full.must_prove_address(now));
    }
}

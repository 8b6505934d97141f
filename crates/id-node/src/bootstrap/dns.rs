//! Peers that somebody names in the DNS: TXT records, as an operator publishes them.
//!
//! DNS isn't authenticated: what comes is at most whom to dial. Who they are is proven by the dial,
//! and what they say passes the gate.

use std::{borrow::Cow, sync::Arc, time::Duration};

use id_proto::{
    Network, PeerRef, Ticket,
    iroh_base::{EndpointAddr, PublicKey, TransportAddr},
    limits::{MAX_ADDRS, MAX_TICKET_LEN},
};
use iroh::dns::{DnsResolver, TxtRecordData};
use tokio::{sync::watch, time::sleep_until};
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use super::{Report, Surroundings, guide::Guide};
use crate::{clock::Clock, config::NodeConfig, membership::View, topic::Rejoin};

/// How long the answer to one name may take. Origin: a resolver's own first time-out.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Most records that are read of one answer. Origin: a guess; 64 tickets fill an answer over TCP.
const MAX_RECORDS: usize = 64;
/// Longest text of a record, in bytes. Origin: the longest ticket, in base32.
const MAX_RECORD_LEN: usize = 8 + MAX_TICKET_LEN.div_ceil(5) * 8;
/// Most peers that are joined of one round. Origin: HyParView's passive view.
const MAX_PEERS: usize = 30;

/// The running questions; they end when dropped.
#[derive(Debug)]
pub(super) struct DnsNames {
    report: watch::Receiver<String>,
    _running: AbortOnDropHandle<()>,
}

impl DnsNames {
    /// Starts to ask for the configured names: at once, and again while there is no neighbour.
    pub(super) fn spawn(config: &NodeConfig, around: &Surroundings, guide: Guide) -> Self {
        let (report, reports) = Report::new("dns");
        let asker = Asker {
            names: config.bootstrap_dns.clone(),
            network: config.network.clone(),
            me: around.endpoint.id(),
            clock: around.clock,
            view: around.view.clone(),
            retry: Rejoin::new(around.clock.now().mono),
            warned: Warned::default(),
            guide,
            report,
        };
        // Only an endpoint that is closed has no resolver, and needs none.
        let resolver = around.endpoint.dns_resolver().ok().cloned();
        let running = async move {
            if let Some(resolver) = resolver {
                asker.run(resolver).await;
            }
        };
        Self { report: reports, _running: AbortOnDropHandle::new(tokio::spawn(running)) }
    }

    /// What the last answers were, for people.
    pub(super) fn watch(&self) -> watch::Receiver<String> {
        self.report.clone()
    }
}

struct Asker {
    names: Vec<String>,
    network: Network,
    me: PublicKey,
    clock: Clock,
    view: watch::Receiver<Arc<View>>,
    retry: Rejoin,
    warned: Warned,
    guide: Guide,
    report: Report,
}

/// What the operator was told already.
#[derive(Debug, Default)]
struct Warned {
    of_foreign: bool,
    of_secret: bool,
}

impl Asker {
    /// Runs until the node is gone.
    async fn run(mut self, resolver: DnsResolver) {
        self.ask(&resolver).await;
        loop {
            let due = self.retry.due();
            tokio::select! {
                () = wait_until(self.clock, due) => self.ask(&resolver).await,
                changed = self.view.changed() => match changed {
                    Ok(()) => self.observe(),
                    Err(_) => return,
                },
            }
        }
    }

    fn observe(&mut self) {
        let is_lonely = self.view.borrow_and_update().neighbours.is_empty();
        self.retry.observe(is_lonely, self.clock.now().mono);
    }

    async fn ask(&mut self, resolver: &DnsResolver) {
        let lookups = self.names.iter().map(|name| look_up(resolver, name));
        let answers = futures::future::join_all(lookups).await;
        let mut found = Found::default();
        let mut failed = None;
        for answer in answers {
            match answer {
                Ok(records) => records.iter().for_each(|record| found.read(record, &self.network)),
                Err(error) => failed = Some(error),
            }
        }
        found.peers.retain(|peer| peer.id != self.me);
        self.warn(&found);
        self.report.say(found.summary(failed.as_deref()));
        self.join(found.peers).await;
        self.retry.attempted(self.clock.now().mono, rand::random());
        self.observe();
    }

    /// Joins some of the peers, others at the next time.
    async fn join(&self, mut peers: Vec<EndpointAddr>) {
        shuffle(&mut peers);
        peers.truncate(MAX_PEERS);
        let (anywhere, somewhere): (Vec<_>, Vec<_>) =
            peers.into_iter().partition(EndpointAddr::is_empty);
        self.guide.introduce(somewhere);
        self.guide.clone().lead_to(anywhere.into_iter().map(|peer| peer.id).collect()).await;
    }

    fn warn(&mut self, found: &Found) {
        if let Some(tag) = &found.foreign
            && !std::mem::replace(&mut self.warned.of_foreign, true)
        {
            warn!("a ticket in the DNS is for network {tag}, not for ours, and isn't used");
        }
        if found.has_secret && !std::mem::replace(&mut self.warned.of_secret, true) {
            warn!("a ticket in the DNS holds a network's secret, for everyone to read; not used");
        }
    }
}

/// Sleeps until `due`; for ever, if there is nothing to wait for.
async fn wait_until(clock: Clock, due: Option<Duration>) {
    match due {
        Some(due) => sleep_until(tokio::time::Instant::from_std(clock.instant(due))).await,
        None => std::future::pending().await,
    }
}

async fn look_up(resolver: &DnsResolver, name: &str) -> Result<Vec<String>, String> {
    let answer = resolver.lookup_txt(name, ANSWER_TIMEOUT).await;
    let records = answer.map_err(|error| format!("{name}: {error}"))?;
    Ok(records.take(MAX_RECORDS).filter_map(|record| text(&record)).collect())
}

/// The text of a record: its strings, of at most 255 bytes each, one behind the other.
fn text(record: &TxtRecordData) -> Option<String> {
    let mut bytes = Vec::new();
    for string in record.iter() {
        bytes.extend_from_slice(string);
        if bytes.len() > MAX_RECORD_LEN {
            return None;
        }
    }
    String::from_utf8(bytes).ok()
}

/// The peers that a record of these strings names.
#[cfg(feature = "test-util")]
pub(crate) fn peers_in<'a>(
    strings: impl Iterator<Item = &'a [u8]>,
    network: &Network,
) -> Vec<EndpointAddr> {
    let record: TxtRecordData = strings.map(Box::from).collect();
    let mut found = Found::default();
    text(&record).iter().for_each(|record| found.read(record, network));
    found.peers
}

/// What records said.
#[derive(Debug, Default)]
struct Found {
    peers: Vec<EndpointAddr>,
    n_records: usize,
    /// The network of a ticket that isn't for ours.
    foreign: Option<String>,
    /// Whether a ticket lets everybody in who reads it.
    has_secret: bool,
}

impl Found {
    /// Reads a record. One that names something else than peers is somebody else's, and is ignored
    /// as a whole.
    fn read(&mut self, record: &str, network: &Network) {
        self.n_records += 1;
        for named in PeerRef::parse_list(record).unwrap_or_default() {
            match named {
                PeerRef::Addr(peer) => self.add(peer),
                PeerRef::Ticket(ticket) => self.read_ticket(ticket, network),
            }
        }
    }

    fn read_ticket(&mut self, ticket: Ticket, network: &Network) {
        self.has_secret |= ticket.invitation.is_some();
        if ticket.network_tag != network.tag() {
            self.foreign = Some(ticket.network_tag.to_string());
            return;
        }
        ticket.peers.into_iter().for_each(|peer| self.add(peer));
    }

    fn add(&mut self, peer: EndpointAddr) {
        let addrs = peer.addrs.into_iter().filter(is_possible).take(MAX_ADDRS);
        self.peers.push(EndpointAddr::from_parts(peer.id, addrs));
    }

    fn summary(&self, failed: Option<&str>) -> String {
        let found: Cow<'_, str> = match (self.peers.len(), self.n_records) {
            (0, 0) if failed.is_some() => "no answer".into(),
            (0, 0) => "no TXT record".into(),
            (0, n) => format!("no peer of this network in {n} TXT records").into(),
            (1, _) => "found 1 peer".into(),
            (n, _) => format!("found {n} peers").into(),
        };
        match failed {
            None => found.into_owned(),
            Some(error) => format!("{found}; {error}"),
        }
    }
}

/// Relays are as good as the operator who names them.
fn is_possible(addr: &TransportAddr) -> bool {
    match addr {
        TransportAddr::Ip(addr) => {
            addr.port() != 0 && !addr.ip().is_unspecified() && !addr.ip().is_multicast()
        }
        _ => true,
    }
}

fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, rand::random_range(0..=last));
    }
}

#[cfg(test)]
mod tests {
    use id_proto::{Invitation, iroh_base::SecretKey, limits::MAX_TICKET_PEERS};

    use super::*;

    fn id(seed: u8) -> PublicKey {
        SecretKey::from_bytes(&[seed; 32]).public()
    }

    fn at(seed: u8, ports: std::ops::Range<u16>) -> EndpointAddr {
        let addrs = ports.map(|port| TransportAddr::Ip(([192, 0, 2, seed], port).into()));
        EndpointAddr::from_parts(id(seed), addrs)
    }

    fn ticket(
        network: &Network,
        peers: Vec<EndpointAddr>,
        invitation: Option<Invitation>,
    ) -> String {
        Ticket { network_tag: network.tag(), peers, invitation }.to_string()
    }

    fn read(records: &[&str]) -> Found {
        let mut found = Found::default();
        records.iter().for_each(|record| found.read(record, &Network::public()));
        found
    }

    fn record(strings: &[&[u8]]) -> TxtRecordData {
        strings.iter().map(|string| string.to_vec().into_boxed_slice()).collect()
    }

    #[test]
    fn record_names_peers_in_every_form() {
        let ticket = ticket(&Network::public(), vec![at(3, 1..3), at(4, 1..2)], None);
        let (first, second) = (id(1), id(2));
        let list = format!("{first}, {second}@192.0.2.2:1,192.0.2.2:2,{ticket}");
        let expected = [id(1).into(), at(2, 1..3), at(3, 1..3), at(4, 1..2)];
        assert_eq!(read(&[&list]).peers, expected);
    }

    #[test]
    fn strings_of_a_record_are_one_text() {
        let long = ticket(&Network::public(), (0..16).map(|seed| at(seed, 1..5)).collect(), None);
        assert!(long.len() > 2 * 255);
        let strings: Vec<&[u8]> = long.as_bytes().chunks(255).collect();
        let text = text(&record(&strings)).unwrap();
        assert_eq!(read(&[&text]).peers.len(), MAX_TICKET_PEERS);
    }

    #[test]
    fn somebody_elses_records_are_ignored() {
        let list = format!("{},v=spf1", id(1));
        let found = read(&["v=spf1 -all", "", &list, "idticketa", &id(2).to_string()]);
        assert_eq!(found.peers, [id(2).into()]);
        assert_eq!(
            read(&["v=spf1 -all"]).summary(None),
            "no peer of this network in 1 TXT records"
        );
    }

    #[test]
    fn record_that_is_no_text_or_too_long_is_ignored() {
        assert_eq!(text(&record(&[b"\xff"])), None);
        let string = [b'x'; 255];
        let n_most = MAX_RECORD_LEN / string.len();
        assert!(text(&record(&vec![&string[..]; n_most])).is_some());
        assert_eq!(text(&record(&vec![&string[..]; n_most + 1])), None);
    }

    #[test]
    fn ticket_of_another_network_leads_nowhere() {
        let other = Network::derive("office", "blue").unwrap();
        let found = read(&[&ticket(&other, vec![at(1, 1..2)], None)]);
        assert_eq!(found.peers, []);
        assert_eq!(found.foreign, Some(other.tag().to_string()));
    }

    #[test]
    fn secret_in_a_ticket_is_noticed_and_not_kept() {
        let invitation = Invitation { topic: "t".to_owned(), secret: "hunter2".to_owned() };
        let found = read(&[&ticket(&Network::public(), vec![at(1, 1..2)], Some(invitation))]);
        assert!(found.has_secret);
        assert_eq!(found.peers, [at(1, 1..2)]);
        assert!(!format!("{found:?}").contains("hunter2"));
    }

    #[test]
    fn addresses_of_a_peer_are_few_and_can_be_dialled() {
        let many: Vec<String> = (0..100).map(|port| format!("192.0.2.1:{port}")).collect();
        let found = read(&[&format!("{}@0.0.0.0:1,224.0.0.1:1,{}", id(1), many.join(","))]);
        assert_eq!(found.peers, [at(1, 1..1 + MAX_ADDRS as u16)]);
    }

    #[test]
    fn shuffling_loses_nobody() {
        let mut items: Vec<u32> = (0..100).collect();
        shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}

//! Which nodes a session knows: those that its last `peers` found, by id, name and address.

use std::collections::BTreeMap;

use id_client::{
    AddressPolicy,
    id_proto::{
        Network, NetworkTag, PeerRef, Ticket,
        iroh_base::{EndpointAddr, PublicKey, TransportAddr},
    },
};

use id_render::{Document, Peer, sanitize};

use crate::{exit::Stop, output::short_id};

/// With this a word begins that stands for a node.
pub(super) const MARK: char = '@';

/// Fewest digits of an id that stand for a node. Origin: git takes four.
const MIN_DIGITS: usize = 4;

/// Most nodes that are remembered. Origin: ten times as many as `peers` finds by default.
const MAX_KNOWN: usize = 10_000;

/// The nodes that were found last.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// By their ids in hex.
    nodes: BTreeMap<String, Node>,
}

#[derive(Debug)]
struct Node {
    /// What it calls itself: a stranger's word.
    name: Option<String>,
    /// Where it may be dialled, and in which network it was found.
    addr: EndpointAddr,
    network_tag: NetworkTag,
}

impl Known {
    /// Takes in what `peers` found, and forgets what it found before.
    pub(super) fn learn(&mut self, network: &Network, found: &Document) {
        let (network_tag, policy) = (network.tag(), AddressPolicy::new(network));
        let nodes = found.peers.iter().take(MAX_KNOWN).filter_map(|peer| {
            let addr = addr(peer, &policy)?;
            let node = Node { name: peer.name.clone(), addr, network_tag };
            Some((peer.node_id.clone(), node))
        });
        self.nodes = nodes.collect();
    }

    /// The words, with the nodes in place of those that stand for one.
    pub(super) fn stand_for(&self, words: Vec<String>) -> Result<Vec<String>, Stop> {
        let of = |word: String| match word.strip_prefix(MARK) {
            Some(node) => self.node(node),
            None => Ok(word),
        };
        words.into_iter().map(of).collect()
    }

    fn node(&self, named: &str) -> Result<String, Stop> {
        let is_it = |(id, node): &(&String, &Node)| {
            node.name.as_deref() == Some(named)
                || (named.len() >= MIN_DIGITS && id.starts_with(&named.to_lowercase()))
        };
        let mut found = self.nodes.iter().filter(is_it);
        match (found.next(), found.next()) {
            (Some((_, node)), None) => Ok(node.written()),
            (Some((a, _)), Some((b, _))) => Err(ambiguous(named, a, b)),
            // An address, a ticket, or an id that `peers` didn't find: as without the mark.
            (None, _) if named.parse::<PeerRef>().is_ok() => Ok(named.to_owned()),
            (None, _) => Err(unknown(named)),
        }
    }

    /// What stands for each node, as it is typed and as it is shown. A name only if nobody else has
    /// it, and if it can be typed and can't look like something else.
    pub(super) fn words(&self) -> impl Iterator<Item = (String, String)> {
        let mut n_called: BTreeMap<&str, usize> = BTreeMap::new();
        for name in self.nodes.values().filter_map(|node| node.name.as_deref()) {
            *n_called.entry(name).or_default() += 1;
        }
        self.nodes.iter().map(move |(id, node)| {
            let by_id = format!("{MARK}{}", short_id(id));
            match node.name.as_deref() {
                Some(name) if is_plain(name) && n_called[name] == 1 => {
                    (format!("{MARK}{name}"), format!("{MARK}{name}"))
                }
                Some(name) => (by_id.clone(), format!("{by_id} ({})", sanitize::text(name))),
                None => (by_id.clone(), by_id),
            }
        })
    }
}

impl Node {
    /// As it can be given to a command. Only a ticket has a place for relays.
    fn written(&self) -> String {
        let ips: Vec<_> = self.addr.ip_addrs().map(ToString::to_string).collect();
        match (self.addr.relay_urls().next(), self.network_tag) {
            (Some(_), network_tag) => {
                Ticket { network_tag, peers: vec![self.addr.clone()], invitation: None }.to_string()
            }
            _ if ips.is_empty() => self.addr.id.to_string(),
            _ => format!("{}@{}", self.addr.id, ips.join(",")),
        }
    }
}

/// Where the peer may be dialled: where the search dialled it, which knows what its seeds opened; else
/// where strangers may send us.
fn addr(peer: &Peer, policy: &AddressPolicy) -> Option<EndpointAddr> {
    let id: PublicKey = peer.node_id.parse().ok()?;
    let dialled = peer.dialled.iter().filter(|it| it.outcome != "forbidden_address");
    let dialled: Vec<_> = dialled.filter_map(|it| transport(&it.addr)).collect();
    if !dialled.is_empty() {
        return Some(EndpointAddr::from_parts(id, dialled));
    }
    let announced = peer.addrs.iter().flatten().filter_map(|addr| transport(addr));
    Some(policy.select(EndpointAddr::from_parts(id, announced)))
}

fn transport(addr: &str) -> Option<TransportAddr> {
    let ip = addr.parse().map(TransportAddr::Ip).ok();
    ip.or_else(|| addr.parse().map(TransportAddr::Relay).ok())
}

/// Whether it can be typed as it is, in any shell and here.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn ambiguous(named: &str, a: &str, b: &str) -> Stop {
    let [a, b] = [a, b].map(short_id);
    Stop::usage(format!("{MARK}{named} stands for several nodes, {a} and {b} among them"))
        .with_hint("give more digits of the id")
}

fn unknown(named: &str) -> Stop {
    Stop::usage(format!("no node is known as {MARK}{named}")).with_hint(
        "`peers` finds nodes; then their names and the first digits of their ids will do",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::samples;

    fn known(document: &Document) -> Known {
        let mut known = Known::default();
        known.learn(&Network::public(), document);
        known
    }

    fn one(known: &Known, word: &str) -> Result<String, Stop> {
        known.stand_for(vec![word.to_owned()]).map(|mut words| words.remove(0))
    }

    #[test]
    fn name_and_digits_of_the_id_stand_for_a_node_that_was_found() {
        let known = known(&samples::partial());
        let birch = one(&known, "@birch").unwrap();
        // It has a relay, for which only a ticket has room.
        let PeerRef::Ticket(ticket) = birch.parse().unwrap() else { panic!("{birch}") };
        assert!(ticket.peers[0].id.to_string().starts_with("8139770ea8"), "{ticket:?}");
        assert_eq!(ticket.network_tag, Network::public().tag());
        assert_eq!(one(&known, "@8139").unwrap(), birch);
        assert_eq!(one(&known, "@8139770EA8").unwrap(), birch);
        assert_eq!(one(&known, "birch").unwrap(), "birch", "without the mark it is a word");
    }

    #[test]
    fn what_stands_for_none_or_for_several_is_refused() {
        let known = known(&samples::partial());
        assert!(one(&known, "@nobody").unwrap_err().to_string().contains("no node is known"));
        assert!(one(&known, "@813").is_err(), "three digits are too few");
        let mut twins = samples::partial();
        for peer in &mut twins.peers {
            peer.name = Some("twin".to_owned());
        }
        let twins = super::tests::known(&twins);
        assert!(one(&twins, "@twin").unwrap_err().to_string().contains("several nodes"));
    }

    #[test]
    fn address_or_id_behind_the_mark_is_itself() {
        let known = Known::default();
        let id = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
        for word in [id.to_owned(), format!("{id}@192.0.2.7:4433")] {
            assert_eq!(one(&known, &format!("@{word}")).unwrap(), word);
        }
    }

    #[test]
    fn later_search_replaces_what_an_earlier_one_found() {
        let mut known = known(&samples::partial());
        known.learn(&Network::public(), &samples::empty());
        assert!(one(&known, "@birch").is_err());
    }

    #[test]
    fn hostile_name_is_shown_harmless_and_typed_by_its_id() {
        let known = known(&samples::hostile());
        let words: Vec<_> = known.words().collect();
        assert_eq!(words.len(), 1);
        let (typed, shown) = &words[0];
        assert!(typed[1..].chars().all(|c| c.is_ascii_hexdigit()), "{typed}");
        assert!(!shown.contains(['\x1b', '\u{202e}', '\t', '\n']), "{shown:?}");
    }

    #[test]
    fn stranger_sends_nobody_to_addresses_of_this_site() {
        let mut found = samples::partial();
        for peer in &mut found.peers {
            peer.dialled.clear();
            peer.addrs = Some(vec!["127.0.0.1:9".to_owned(), "10.0.0.1:9".to_owned()]);
        }
        let known = known(&found);
        let birch = one(&known, "@birch").unwrap();
        assert!(birch.parse::<PublicKey>().is_ok(), "no address: {birch}");
    }
}

//! What became of the addresses of a peer.

use std::collections::BTreeMap;

use id_proto::iroh_base::TransportAddr;

use crate::{crawl::known::Peer, error::FailKind};

/// An address at which a peer was dialled, or wasn't because it may not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialled {
    /// The address.
    pub addr: TransportAddr,
    /// What became of it.
    pub outcome: DialOutcome,
}

/// What became of an address, as far as it can be known.
///
/// iroh dials all addresses of a peer as one connection, which comes about by the first that answers, or fails as
/// a whole. So nothing is known of those that another one was faster than, and of several that failed
/// together it isn't known which one gave the error; but when it is [`FailKind::Timeout`], none has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DialOutcome {
    /// It wasn't dialled: a stranger says so, and [`crate::AddressPolicy`] forbids it.
    Forbidden,
    /// The connection, to which this address and perhaps others were dialled, failed so.
    Failed(FailKind),
    /// It was a path of the connection as soon as that had come about.
    Carried,
    /// It was dialled, and nothing more is known: another one was faster, or it wasn't told which.
    Unknown,
}

impl DialOutcome {
    /// The stable lower-case name; of an error that of its kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => FailKind::ForbiddenAddress.as_str(),
            Self::Failed(kind) => kind.as_str(),
            Self::Carried => "carried",
            Self::Unknown => "unknown",
        }
    }
}

/// How far it came with a peer that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailStage {
    /// It wasn't reached.
    Connect,
    /// It was reached, and didn't answer, or not well or not to the end.
    Query,
}

impl FailStage {
    /// The stable lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Query => "query",
        }
    }
}

impl Peer {
    /// Notes where the peer is dialled now, by `allows`. Seeds are dialled where they were said to be.
    pub(super) fn dial(&mut self, allows: impl Fn(&TransportAddr) -> bool) {
        let announced = self.announcement.iter().flat_map(|announcement| &announcement.addrs);
        let announced = announced.map(|addr| (addr, allows(addr)));
        let given = self.seed_addrs.iter().map(|addr| (addr, true));
        let addrs: BTreeMap<_, _> = announced.chain(given).collect();
        let dialled = addrs.into_iter().map(|(addr, is_allowed)| Dialled {
            addr: addr.clone(),
            outcome: if is_allowed { DialOutcome::Unknown } else { DialOutcome::Forbidden },
        });
        self.dialled = dialled.collect();
    }

    /// Notes by which addresses it was reached: also such as were looked up elsewhere.
    pub(super) fn reached_by(&mut self, paths: Vec<TransportAddr>) {
        let mut dialled = std::mem::take(&mut self.dialled).into_vec();
        for addr in paths {
            let outcome = DialOutcome::Carried;
            match dialled.iter_mut().find(|dialled| dialled.addr == addr) {
                Some(dialled) => dialled.outcome = outcome,
                None => dialled.push(Dialled { addr, outcome }),
            }
        }
        self.dialled = dialled.into();
    }

    /// Notes that it wasn't reached.
    pub(super) fn not_reached(&mut self, kind: FailKind) {
        let open = self.dialled.iter_mut().filter(|it| it.outcome == DialOutcome::Unknown);
        open.for_each(|dialled| dialled.outcome = DialOutcome::Failed(kind));
    }
}

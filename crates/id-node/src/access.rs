//! Whom a node has to do with, and who may hand it peers: its operator's lists.
//!
//! [`AccessList::admits`] is the one place that decides. The gate of the membership asks it before
//! anything costly, and so does whatever accepts or makes a connection; `Access` is how those
//! outside of the membership see the list of now.

mod file;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

pub use file::{ListError, parse_ids, parse_list, read_list};
use id_proto::iroh_base::PublicKey;
use tokio::sync::watch;

/// Most nodes of one list. Origin: as many as a table holds.
pub const MAX_LISTED: usize = 65_536;
/// Longest file that holds a list, in bytes. Origin: [`MAX_LISTED`] ids, each with a comment of 60
/// bytes.
pub const MAX_LIST_LEN: u64 = 8 * 1024 * 1024;

/// Whom a node has to do with. By default with everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessList {
    /// Not with these, whatever [`AccessList::allow`] says.
    pub deny: BTreeSet<PublicKey>,
    /// If there is such a list, with nobody else. An empty one leaves the node alone.
    pub allow: Option<BTreeSet<PublicKey>>,
    /// The keys of the operator's own tools, to which neither applies.
    pub own: BTreeSet<PublicKey>,
    /// Who may hand peers over, as [`AccessList::is_operator`] says. They aren't admitted for that.
    pub operators: BTreeSet<PublicKey>,
    /// Who, besides the operators, may change the names of the node's blobs, and send it blobs. They aren't
    /// admitted for that.
    pub writers: BTreeSet<PublicKey>,
}

impl AccessList {
    /// Whether a node has to do with `peer`.
    pub fn admits(&self, peer: &PublicKey) -> bool {
        let is_allowed = self.allow.as_ref().is_none_or(|allow| allow.contains(peer));
        (is_allowed && !self.deny.contains(peer)) || self.own.contains(peer)
    }

    /// Whether `peer` may hand peers over. They are believed no more than others are.
    pub fn is_operator(&self, peer: &PublicKey) -> bool {
        self.operators.contains(peer) && self.admits(peer)
    }

    /// Whether `peer` may change the names of the node's blobs, and send it blobs.
    pub fn is_writer(&self, peer: &PublicKey) -> bool {
        let is_named = self.writers.contains(peer) || self.operators.contains(peer);
        is_named && self.admits(peer)
    }

    /// Whether the operator has named `peer` as one to have to do with.
    pub(crate) fn vouches_for(&self, peer: &PublicKey) -> bool {
        self.allow.is_some() && self.admits(peer)
    }
}

/// How many are on which list, for people. The operator's own tools are no news.
impl fmt::Display for AccessList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.allow, self.deny.len()) {
            (None, 0) => f.write_str("everybody"),
            (None, n) => write!(f, "everybody but {n}"),
            (Some(allow), 0) => write!(f, "only {}", allow.len()),
            (Some(allow), n) => write!(f, "only {}, and none of {n}", allow.len()),
        }?;
        match self.operators.difference(&self.own).count() {
            0 => Ok(()),
            1 => f.write_str("; 1 operator"),
            n => write!(f, "; {n} operators"),
        }?;
        match self.writers.len() {
            0 => Ok(()),
            1 => f.write_str("; 1 writer"),
            n => write!(f, "; {n} writers"),
        }
    }
}

/// The list of now, as it changes. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Access(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    list: watch::Sender<Arc<AccessList>>,
    n_refused: AtomicU64,
}

impl Access {
    pub(crate) fn new(list: AccessList) -> Self {
        let list = watch::Sender::new(Arc::new(list));
        Self(Arc::new(Inner { list, n_refused: AtomicU64::new(0) }))
    }

    /// From now on it is this one.
    pub(crate) fn set(&self, list: Arc<AccessList>) {
        self.0.list.send_replace(list);
    }

    pub(crate) fn list(&self) -> Arc<AccessList> {
        self.0.list.borrow().clone()
    }

    pub(crate) fn admits(&self, peer: &PublicKey) -> bool {
        self.0.list.borrow().admits(peer)
    }

    pub(crate) fn is_operator(&self, peer: &PublicKey) -> bool {
        self.0.list.borrow().is_operator(peer)
    }

    #[cfg(feature = "blobs")]
    pub(crate) fn is_writer(&self, peer: &PublicKey) -> bool {
        self.0.list.borrow().is_writer(peer)
    }

    /// What tells of changes from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<Arc<AccessList>> {
        self.0.list.subscribe()
    }

    /// Waits until `peer` is admitted no more. Cancel safe.
    pub(crate) async fn revoked(&self, peer: PublicKey) {
        let mut list = self.0.list.subscribe();
        // It can't fail: the sender lives as long as we do.
        let _ = list.wait_for(|list| !list.admits(&peer)).await;
    }

    /// Notes that a caller was refused.
    pub(crate) fn count_refused(&self) {
        self.0.n_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// How many callers were refused.
    pub(crate) fn n_refused(&self) -> u64 {
        self.0.n_refused.load(Ordering::Relaxed)
    }

    /// How many nodes are on each list.
    pub(crate) fn list_sizes(&self) -> [(&'static str, u64); 4] {
        let list = self.list();
        [
            ("denied", list.deny.len() as u64),
            ("allowed", list.allow.as_ref().map_or(0, BTreeSet::len) as u64),
            ("operators", list.operators.len() as u64),
            ("writers", list.writers.len() as u64),
        ]
    }

    /// Every counter by its stable name.
    pub(crate) fn counters(&self) -> Vec<(String, u64)> {
        let sizes = self.list_sizes().into_iter();
        let counters = sizes.chain([("refused", self.n_refused())]);
        counters.map(|(name, count)| (format!("access_{name}"), count)).collect()
    }
}

#[cfg(test)]
mod tests;

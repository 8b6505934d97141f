//! What a crawl knows of one peer.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use id_proto::{
    SignedAnnouncement,
    iroh_base::{EndpointAddr, PublicKey, TransportAddr},
};

use crate::{
    address_policy::AddressPolicy,
    crawl::{
        dialled::{Dialled, FailStage},
        frontier::{Number, Turn},
        past::Keeping,
        report::{Alone, CrawledPeer, MAX_VIA, PeerStatus, RejectReason, Told},
    },
    entry::{Candidate, Claims},
    error::AskError,
    transport::Route,
};

/// What is known of a peer.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) number: Number,
    pub(super) announcement: Option<SignedAnnouncement>,
    pub(super) seed_addrs: BTreeSet<TransportAddr>,
    pub(super) age: Option<Duration>,
    pub(super) verified_age: Option<Duration>,
    pub(super) depth: u32,
    pub(super) via: Vec<PublicKey>,
    pub(super) route: Option<Route>,
    pub(super) rejected: BTreeMap<RejectReason, u64>,
    /// How many others it named, once it gave a page; of two attempts, in that which named more.
    pub(super) n_told: Option<u64>,
    /// How often it was its turn.
    pub(super) attempts: u8,
    /// Where it was dialled the last time.
    pub(super) dialled: Box<[Dialled]>,
    pub(super) progress: Progress,
}

#[derive(Debug, Clone)]
pub(super) enum Progress {
    /// Known. Waits for its turn, if its depth is to be asked.
    Known(Option<Turn>),
    /// Being asked.
    Asking(Box<Asking>),
    /// Failed, and waits to be asked again.
    PutOff(Box<Asking>),
    /// Answered or failed.
    Ended { status: PeerStatus, is_cut_short: bool, was_reached: bool },
}

/// An answer so far.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub(super) turn: Turn,
    /// Whether it is waited for besides those that are asked.
    pub(super) is_parked: bool,
    /// Whether this attempt reached it.
    pub(super) is_reached: bool,
    /// What this attempt has brought.
    pub(super) told: Telling,
    /// Whom the attempt before named.
    pub(super) named_before: Numbers,
    /// Whom both named, as far as that is kept, and how many seconds ago it had heard of each.
    pub(super) ages_secs: Vec<(Number, u32)>,
    /// Why the attempt before failed.
    pub(super) failure: Option<AskError>,
    /// The answer, if it is kept and there is room for it.
    pub(super) keeping: Option<Keeping>,
}

impl Asking {
    /// The first attempt, at `turn`.
    pub(super) fn new(turn: Turn, keeping: Option<Keeping>) -> Self {
        Self {
            turn,
            is_parked: false,
            is_reached: false,
            told: Telling::default(),
            named_before: Numbers::default(),
            ages_secs: Vec::new(),
            failure: None,
            keeping,
        }
    }
}

/// What one attempt at an answer has brought.
#[derive(Debug, Clone, Default)]
pub(super) struct Telling {
    /// How many entries were believed.
    pub(super) n_entries: usize,
    /// Whom they are about.
    pub(super) named: Numbers,
    /// How many others it named, those for whom there was no room included.
    pub(super) n_others: u64,
    /// Entries that were not believed, by reason.
    pub(super) rejected: BTreeMap<RejectReason, u64>,
}

/// A set of numbers of peers: a bit for each peer of the crawl, because every answer may name them
/// all.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers(Vec<u64>);

impl Numbers {
    /// Adds `number`; `false` if it was in already.
    pub(super) fn insert(&mut self, number: Number) -> bool {
        let (word, bit) = ((number / u64::BITS) as usize, 1 << (number % u64::BITS));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    /// Adds all of `others`.
    pub(super) fn extend(&mut self, others: &Self) {
        let len = self.0.len().max(others.0.len());
        self.0.resize(len, 0);
        self.0.iter_mut().zip(&others.0).for_each(|(word, other)| *word |= other);
    }

    pub(super) fn contains(&self, number: Number) -> bool {
        let word = self.0.get((number / u64::BITS) as usize);
        word.is_some_and(|word| word >> (number % u64::BITS) & 1 == 1)
    }

    /// From the smallest to the largest.
    pub(super) fn iter(&self) -> impl Iterator<Item = Number> {
        let words = (0..).step_by(u64::BITS as usize).zip(&self.0);
        words.flat_map(|(first, word)| {
            let word = *word;
            (0..u64::BITS).filter(move |bit| word >> bit & 1 == 1).map(move |bit| first + bit)
        })
    }
}

impl Peer {
    pub(super) fn new(number: Number, seed_addrs: BTreeSet<TransportAddr>, depth: u32) -> Self {
        Self {
            number,
            announcement: None,
            seed_addrs,
            age: None,
            verified_age: None,
            depth,
            via: Vec::new(),
            route: None,
            rejected: BTreeMap::new(),
            n_told: None,
            attempts: 0,
            dialled: Box::default(),
            progress: Progress::Known(None),
        }
    }

    pub(super) fn is_asking(&self) -> bool {
        matches!(self.progress, Progress::Asking(_))
    }

    pub(super) fn asking_mut(&mut self) -> Option<&mut Asking> {
        match &mut self.progress {
            Progress::Asking(asking) => Some(asking),
            _ => None,
        }
    }

    /// Notes when its answer was read, if it is kept.
    pub(super) fn keep_time(&mut self, now_unix_secs: u64) {
        if let Some(keeping) = self.asking_mut().and_then(|asking| asking.keeping.as_mut()) {
            keeping.at_unix_secs = now_unix_secs;
        }
    }

    /// Where to dial it. May be nowhere, if the transport can look it up; but `None` if it announces
    /// addresses, and none of them may be dialled.
    pub(super) fn endpoint_addr(
        &self,
        id: PublicKey,
        policy: &AddressPolicy,
    ) -> Option<EndpointAddr> {
        let announced = self.announcement.iter().flat_map(|announcement| &announcement.addrs);
        let n_announced = announced.clone().count();
        let allowed = announced.filter(|addr| policy.allows(addr));
        let addr = EndpointAddr::from_parts(id, allowed.chain(&self.seed_addrs).cloned());
        (n_announced == 0 || !addr.is_empty()).then_some(addr)
    }

    /// Whether `entry` says what is held already, or something older: then it changes nothing, and
    /// its signature needn't be checked.
    pub(super) fn needs_no_proof_of(&self, entry: &Candidate) -> bool {
        let held = self.announcement.as_ref();
        held.is_some_and(|held| entry.claimed().seq < held.seq || entry.bytes() == held.bytes())
    }

    pub(super) fn take_newer(&mut self, announcement: &SignedAnnouncement) {
        let held = self.announcement.as_ref();
        if held.is_none_or(|held| held.seq < announcement.seq) {
            self.announcement = Some(announcement.clone());
        }
    }

    pub(super) fn named_by(&mut self, id: PublicKey, from: PublicKey, claims: Claims) {
        self.age = [self.age, Some(claims.age)].into_iter().flatten().min();
        self.verified_age = [self.verified_age, claims.verified_age].into_iter().flatten().min();
        if from != id && self.via.len() < MAX_VIA && !self.via.contains(&from) {
            // Most are named by few; four at once would be the most of what a peer takes here.
            self.via.reserve_exact(1);
            self.via.push(from);
        }
    }

    /// Counts others whom this attempt named. Whom both attempts named counts once: they are not added up.
    pub(super) fn count_others(&mut self, n: u64) {
        let Progress::Asking(asking) = &mut self.progress else { return };
        asking.told.n_others += n;
        self.n_told = self.n_told.max(Some(asking.told.n_others));
    }

    /// Counts an entry that isn't believed; as often as the attempt that gave most such ones did.
    pub(super) fn count_rejected(&mut self, reason: RejectReason) {
        let Progress::Asking(asking) = &mut self.progress else { return };
        let n = asking.told.rejected.entry(reason).or_default();
        *n += 1;
        let most = self.rejected.entry(reason).or_default();
        *most = (*most).max(*n);
    }

    /// How many entries of this attempt say what nobody could believe.
    pub(super) fn n_forged(&mut self) -> u64 {
        let forged = [RejectReason::Malformed, RejectReason::BadSignature];
        let Some(asking) = self.asking_mut() else { return 0 };
        forged.iter().filter_map(|reason| asking.told.rejected.get(reason)).sum()
    }

    /// Counts it among those whom one peer alone named, if it is one of them.
    pub(super) fn count_alone(&self, by_introducer: &mut BTreeMap<PublicKey, Alone>) {
        if let (1.., [introducer]) = (self.depth, &self.via[..]) {
            let alone = by_introducer.entry(*introducer).or_default();
            alone.known += 1;
            if let Progress::Ended { status, is_cut_short: false, .. } = &self.progress {
                alone.asked += 1;
                alone.failed += usize::from(*status != PeerStatus::Answered);
            }
        }
    }

    /// The peer as a report says it; of those whom it `alone` named what is known by then.
    pub(super) fn into_report(self, node_id: PublicKey, alone: Option<Alone>) -> CrawledPeer {
        let (status, was_reached) = match self.progress {
            Progress::Ended { status, was_reached, .. } => (status, was_reached),
            Progress::PutOff(asking) => {
                (asking.failure.map_or(PeerStatus::NotAsked, failed), asking.is_reached)
            }
            _ => (PeerStatus::NotAsked, false),
        };
        let stage = if was_reached { FailStage::Query } else { FailStage::Connect };
        CrawledPeer {
            node_id,
            announcement: self.announcement,
            age: self.age,
            verified_age: self.verified_age,
            stage: matches!(status, PeerStatus::Failed { .. }).then_some(stage),
            status,
            dialled: self.dialled,
            attempts: self.attempts,
            depth: self.depth,
            via: self.via,
            route: self.route,
            rejected: self.rejected,
            told: self.n_told.map(|n_peers| Told { n_peers, alone }),
        }
    }
}

fn failed(error: AskError) -> PeerStatus {
    PeerStatus::from(Err(error))
}

//! Why a peer is in the table, or isn't: what a view can say of any one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use id_client::AddressPolicy;
use id_proto::{
    AuthorBudget, Departed, Explanation, Introducer, IntroducersReport, LastDial, LastRefusal,
    Lost, NextDial, PeerEntry, SignedAnnouncement, Statement, Word, iroh_base::PublicKey,
};

use super::{
    departed::{Gone, ShownDeparted},
    gate::author_rate,
    introducers::Introducers,
    lost::{LOST_FOR, Missing},
    refusals::{Refusals, Refused},
    table::{Dialled, Entry, Share},
    view::View,
};

/// At which interval an author is taken to announce who isn't in the table. Origin: the default.
const USUAL_INTERVAL_SECS: u32 = 30;

/// What a view knows besides its entries. Its parts are small, or shared with other views.
#[derive(Debug, Clone, Default)]
pub(crate) struct Knowledge {
    pub(super) configured: Arc<BTreeSet<PublicKey>>,
    pub(super) introducers: Introducers,
    pub(super) n_introducers: usize,
    pub(super) departed: ShownDeparted,
    pub(super) missing: BTreeMap<PublicKey, Missing>,
    pub(super) refusals: Arc<Refusals>,
    pub(super) dials: Dials,
}

/// Which dials are under way, and when the next ones come.
#[derive(Debug, Clone, Default)]
pub(super) struct Dials {
    pub(super) under_way: BTreeSet<PublicKey>,
    pub(super) next_sweep: Duration,
    pub(super) sweep_interval: Duration,
    /// When somebody may be verified next; `None` if nobody ever is.
    pub(super) next_verification: Option<Duration>,
    pub(super) policy: Option<Arc<AddressPolicy>>,
}

impl View {
    /// Who brought the peers, as others are told it at `now`.
    pub fn introducers_report(&self, now: Duration) -> IntroducersReport {
        let listed = self.introducers.iter().map(|it| self.introducer(it.share, now));
        IntroducersReport {
            table_size: self.entries.len() as u64,
            n_introducers: self.knowledge.n_introducers as u64,
            introducers: listed.collect(),
        }
    }

    /// What is known of `peer`, and why it is in the table or isn't, as others are told it at `now`.
    pub fn explain(&self, peer: &PublicKey, now: Duration) -> Explanation<SignedAnnouncement> {
        let known = &self.knowledge;
        let entry = self.entry(peer);
        let missing = known.missing.get(peer).filter(|missing| {
            let is_silent = entry.is_none_or(|entry| entry.is_overdue(now));
            is_silent && now < missing.since + LOST_FOR
        });
        let gone = known.departed.get(peer).filter(|gone| now < gone.until);
        let refused = known.refusals.last(peer);
        Explanation {
            node_id: *peer,
            is_listed: entry.is_some() || *peer == self.own.node_id,
            entry: self.held(peer, entry, missing, now),
            is_neighbour: self.neighbours.contains(peer),
            is_configured: known.configured.contains(peer),
            introducer: self.introducer_of(peer, entry, refused, now),
            author_budget: author_budget(entry, gone, now),
            last_dial: last_dial(entry, missing, gone).map(|dialled| told_dial(dialled, now)),
            next_dial: self.next_dial(peer, entry, missing, now),
            last_refusal: refused.map(|refused| told_refusal(refused, now)),
            departed: gone.map(|gone| told_departed(gone, now)),
            lost: missing.map(|missing| Lost {
                age: now.saturating_sub(missing.since),
                given_up_in: (missing.since + LOST_FOR).saturating_sub(now),
            }),
        }
    }

    /// The peer's entry.
    pub fn entry(&self, peer: &PublicKey) -> Option<&Arc<Entry>> {
        let index = self.entries.binary_search_by_key(peer, |entry| entry.node_id());
        index.ok().and_then(|index| self.entries.get(index))
    }

    fn held(
        &self,
        peer: &PublicKey,
        entry: Option<&Arc<Entry>>,
        missing: Option<&Missing>,
        now: Duration,
    ) -> Option<PeerEntry<SignedAnnouncement>> {
        if *peer == self.own.node_id {
            return Some(self.own_entry());
        }
        let held = entry.or_else(|| missing.map(|missing| &missing.entry));
        held.map(|entry| entry.to_wire(now))
    }

    /// Who brought the peer, or else what was refused of it; nobody, if it vouches for itself.
    fn introducer_of(
        &self,
        peer: &PublicKey,
        entry: Option<&Arc<Entry>>,
        refused: Option<Refused>,
        now: Duration,
    ) -> Option<Introducer> {
        let brought = entry.map(|entry| entry.introducer);
        let by = match entry {
            Some(_) => brought,
            None => refused.and_then(|refused| refused.by),
        };
        let by = by.filter(|by| by != peer)?;
        Some(self.introducer(self.share_of(&by), now))
    }

    /// Reads every entry, if it isn't one of the largest.
    fn share_of(&self, introducer: &PublicKey) -> Share {
        let large = self.introducers.iter().find(|it| it.share.introducer == *introducer);
        large.map_or_else(|| self.counted_share_of(introducer), |it| it.share)
    }

    fn counted_share_of(&self, introducer: &PublicKey) -> Share {
        let brought = self.entries.iter().filter(|entry| entry.introducer == *introducer);
        Share {
            introducer: *introducer,
            n_entries: brought.clone().count(),
            n_unverified: brought.filter(|entry| entry.verified.is_none()).count(),
        }
    }

    fn introducer(&self, share: Share, now: Duration) -> Introducer {
        let left = self.knowledge.introducers.left(&share.introducer, now);
        Introducer {
            node_id: share.introducer,
            is_neighbour: self.neighbours.contains(&share.introducer),
            n_entries: share.n_entries as u64,
            n_unverified: share.n_unverified as u64,
            quota: self.knowledge.introducers.quota().into(),
            room: left.room,
            squeeze: left.squeeze,
            dials: left.dials,
        }
    }

    /// Who is isolated looks for the lost, and neither probes nor verifies anybody.
    fn next_dial(
        &self,
        peer: &PublicKey,
        entry: Option<&Arc<Entry>>,
        missing: Option<&Missing>,
        now: Duration,
    ) -> Option<NextDial> {
        let dials = &self.knowledge.dials;
        if dials.under_way.contains(peer) {
            return Some(NextDial { after: Duration::ZERO, why: word("under_way") });
        }
        let in_table = entry.filter(|_| !self.isolated);
        let candidates = [
            missing.map(|missing| (missing.ask_at, "lost")),
            in_table.map(|entry| (dials.probe_at(entry, now), "silent")),
            in_table.and_then(|entry| Some((dials.verification_at(entry)?, "verify"))),
        ];
        let first = candidates.into_iter().flatten().min_by_key(|(at, _)| *at);
        first.map(|(at, why)| NextDial { after: at.saturating_sub(now), why: word(why) })
    }
}

impl Dials {
    /// When the peer is probed at the earliest if it stays silent: at the first look for stale peers
    /// behind its staleness.
    fn probe_at(&self, entry: &Entry, now: Duration) -> Duration {
        let stale_at = (now + entry.announcement.lifetime()).saturating_sub(entry.heard.age(now));
        let last_sweep = self.next_sweep.saturating_sub(self.sweep_interval);
        if stale_at < last_sweep {
            // It waits for a slot, or for its introducer's word to be good again.
            return now;
        }
        let interval = self.sweep_interval.as_nanos().max(1);
        let n_sweeps = (stale_at - last_sweep).as_nanos() / interval + 1;
        last_sweep + self.sweep_interval * u32::try_from(n_sweeps).unwrap_or(u32::MAX)
    }

    /// When it may be dialled to verify it, if that is still to be done and can be.
    fn verification_at(&self, entry: &Entry) -> Option<Duration> {
        let next = self.next_verification.filter(|_| entry.verified.is_none())?;
        let policy = self.policy.as_ref()?;
        let can_be_dialled = entry.announcement.addrs.iter().any(|addr| policy.allows(addr));
        can_be_dialled.then(|| entry.verify_at.max(next))
    }
}

fn author_budget(
    entry: Option<&Arc<Entry>>,
    gone: Option<&Gone>,
    now: Duration,
) -> Option<AuthorBudget> {
    let of_entry = entry.map(|entry| (entry.author, entry.announcement.interval_secs));
    let of_gone = gone.map(|gone| (gone.author, USUAL_INTERVAL_SECS));
    let (bucket, interval_secs) = of_entry.or(of_gone)?;
    let rate = author_rate(interval_secs);
    Some(AuthorBudget { left: bucket.left(rate, now), next_in: bucket.next_in(rate, now) })
}

fn last_dial(
    entry: Option<&Arc<Entry>>,
    missing: Option<&Missing>,
    gone: Option<&Gone>,
) -> Option<Dialled> {
    let of_missing = missing.and_then(|missing| missing.last_dial.or(missing.entry.last_dial));
    let of_entry = entry.and_then(|entry| entry.last_dial);
    let of_gone = gone.and_then(|gone| gone.last_dial);
    [of_missing, of_entry, of_gone].into_iter().flatten().max_by_key(|dialled| dialled.at)
}

fn told_dial(dialled: Dialled, now: Duration) -> LastDial {
    LastDial { age: now.saturating_sub(dialled.at), end: word(dialled.end.as_str()) }
}

fn told_refusal(refused: Refused, now: Duration) -> LastRefusal {
    let age = now.saturating_sub(refused.at);
    LastRefusal { age, reason: word(refused.reason.as_str()), by: refused.by }
}

fn told_departed(gone: &Gone, now: Duration) -> Departed {
    Departed {
        age: now.saturating_sub(gone.at),
        reason: word(gone.reason.as_str()),
        seq: gone.seq,
        forgotten_in: gone.until.saturating_sub(now),
    }
}

fn word(text: &'static str) -> Word {
    Word::new(text).expect("our own words are words")
}

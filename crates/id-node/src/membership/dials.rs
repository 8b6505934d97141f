//! When to dial whom: probes of the stale, verification of those that we were only told of, and
//! who is given up, or looked for, when nobody answers.

use std::{sync::Arc, time::Duration};

use id_client::FailKind;
use id_proto::{UnverifiedAnnouncement, iroh_base::PublicKey};

use super::{
    Membership,
    event::{Effect, Now, RemovalReason, SyncEnd, Way},
    lost::Bond,
    probes::Account,
    table::{DialEnd, Dialled, Entry, Table},
};

/// How long after it came a peer may be dialled to verify it. Origin: a guess; many come together,
/// and some of them say goodbye at once.
pub(super) const VERIFY_AFTER: Duration = Duration::from_secs(1);
/// How long after it was tried in vain a peer may be dialled again to verify it. Origin: a guess; a
/// peer that can't be dialled is as alive as its announcements say.
const VERIFY_AGAIN: Duration = Duration::from_secs(600);

impl Membership {
    pub(super) fn on_probed(
        &mut self,
        peer: PublicKey,
        answer: Result<UnverifiedAnnouncement, FailKind>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let asked_for = self.probes.ended(&peer);
        let answer = self.answer_of(peer, answer);
        if let Err(end) = answer {
            self.note_dial(&peer, Dialled { at: now.mono, end });
        }
        let answer = answer.ok();
        let is_back = self.lost.ended(&peer, answer.is_some(), now.mono);
        // Whoever is alone asks all that it knows of, and any of them will do.
        if answer.is_some() && (is_back || self.is_isolated()) && !self.neighbours.contains(&peer) {
            effects.push(Effect::Join(peer));
        }
        if let Some(answer) = answer {
            self.stats.probes_answered += 1;
            if let Some(Account::Introducer(introducer)) = asked_for {
                self.introducers.dial_answered(&introducer);
            }
            self.believe(answer, Way::Dialled, Duration::ZERO, now, effects);
            // Even if the answer tells nothing new: the handshake proved that the peer is alive.
            self.mark_verified(peer, now);
        } else if asked_for.is_some() {
            self.stats.probes_failed += 1;
            self.on_probe_failed(peer, now, effects);
        }
    }

    /// A peer that says, on a connection of its own, that it is in another network isn't in ours.
    /// Whom our operator denies isn't either, and nothing is remembered of its dial.
    fn answer_of(
        &self,
        peer: PublicKey,
        answer: Result<UnverifiedAnnouncement, FailKind>,
    ) -> Result<UnverifiedAnnouncement, DialEnd> {
        let answer = answer.map_err(DialEnd::Failed)?;
        let claimed = answer.claimed();
        let is_ours = claimed.node_id == peer && claimed.network_tag == self.config.network_tag;
        if is_ours && self.access.admits(&peer) { Ok(answer) } else { Err(DialEnd::OtherNetwork) }
    }

    fn note_dial(&mut self, peer: &PublicKey, dialled: Dialled) {
        self.changed = true;
        self.table.note_dial(peer, dialled);
        self.lost.note_dial(peer, dialled);
    }

    /// Removes the peer, unless there was news of it while the probe was under way. If our last
    /// neighbour went meanwhile, the failure says more about us than about the peer.
    fn on_probe_failed(&mut self, peer: PublicKey, now: Now, effects: &mut Vec<Effect>) {
        let is_stale = self.table.get(&peer).is_some_and(|entry| entry.is_stale(now.mono));
        if self.is_isolated() || !is_stale {
            return;
        }
        if let Some(entry) = self.drop_dead(peer, RemovalReason::ProbeFailed, now, effects) {
            // Whoever never answered may be made up, and made-up peers are not looked for.
            if entry.verified.is_some() {
                self.lose(&entry, Bond::Answered, now);
            }
        }
    }

    fn drop_dead(
        &mut self,
        peer: PublicKey,
        reason: RemovalReason,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Option<Arc<Entry>> {
        let entry = self.remove(peer, reason, effects)?;
        self.departed.remember(&entry, entry.announcement.seq, reason, now);
        Some(entry)
    }

    /// Without gossip there is nothing that could be joined again.
    pub(super) fn lose(&mut self, entry: &Arc<Entry>, bond: Bond, now: Now) {
        if self.config.gossip {
            self.lost.lose(entry, bond, self.table.len() + 1, now.mono);
        }
    }

    fn mark_verified(&mut self, peer: PublicKey, now: Now) {
        if let Some(before) = self.table.mark_verified(&peer, now.mono) {
            self.changed = true;
            if before.verified.is_none() {
                self.introducers.verified(&before.introducer);
            }
        }
    }

    pub(super) fn on_synced(&mut self, peer: PublicKey, end: SyncEnd, now: Now) {
        self.syncs.ended(peer, end, self.table.len(), now);
        self.lost.told_all(&peer);
        // It was us who dialled, and a handshake is a handshake.
        if end == SyncEnd::Complete {
            self.joining_tables = self.joining_tables.saturating_sub(1);
            self.mark_verified(peer, now);
        }
    }

    pub(super) fn sweep(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.departed.expire(now);
        self.introducers.expire(now.mono);
        self.deliverers.expire(now.mono);
        // Silence is evidence of our own isolation, not of everybody's death.
        let may_expire = !self.is_isolated();
        let table = &self.table;
        let stale = table.iter().filter(|entry| may_expire && entry.is_stale(now.mono));
        let stale = stale.map(|entry| (entry.node_id(), account_of(table, entry)));
        let given_up = self.probes.sweep(stale, now);
        for peer in given_up {
            self.drop_dead(peer, RemovalReason::Unasked, now, effects);
        }
    }

    /// Probes those who wait for it, as many at a time as there are slots.
    pub(super) fn probe(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.is_isolated() {
            return self.probes.cancel_waiting();
        }
        while let Some((peer, account)) =
            self.probes.next(|introducer| self.introducers.may_dial(introducer, now.mono))
        {
            // It may have been heard while it waited.
            let entry = self.table.get(&peer).filter(|entry| entry.is_stale(now.mono)).cloned();
            if let Some(entry) = entry {
                self.dial(&entry, account, now, effects);
            }
        }
    }

    fn dial(&mut self, entry: &Entry, account: Account, now: Now, effects: &mut Vec<Effect>) {
        if let Account::Introducer(introducer) = account {
            self.introducers.dialled(introducer, now.mono);
        }
        self.probes.started(entry.node_id(), account, now);
        effects.push(Effect::Probe(self.dialable(&entry.announcement)));
    }

    /// Whether somebody waits to be verified, or may come to.
    pub(super) fn has_to_verify(&self) -> bool {
        let is_wanted = self.config.verify_gap.is_some() && !self.is_isolated() && !self.leaving;
        is_wanted && self.table.n_unverified() > 0
    }

    /// Dials one of those who are only said to be there, at most one each [`verify_gap`].
    ///
    /// [`verify_gap`]: super::MembershipConfig::verify_gap
    pub(super) fn verify(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let Some(gap) = self.config.verify_gap.filter(|_| self.has_to_verify()) else {
            return;
        };
        if now.mono < self.next_verification {
            return;
        }
        self.next_verification = now.mono + gap;
        let may_dial = |introducer: &PublicKey| self.introducers.may_dial(introducer, now.mono);
        let next = self.table.to_verify(self.last_verified_of, now.mono, may_dial).cloned();
        let Some(entry) = next.filter(|_| self.probes.has_slot()) else {
            return;
        };
        let peer = entry.node_id();
        self.last_verified_of = Some(entry.introducer);
        self.table.verify_later(&peer, now.mono + VERIFY_AGAIN);
        // Where there is nothing to dial, a lookup would say where: too much for a claim.
        let can_be_dialled = !self.dialable(&entry.announcement).is_empty();
        if can_be_dialled && !self.probes.is_under_way(&peer) {
            self.stats.verifications += 1;
            self.dial(&entry, Account::Introducer(entry.introducer), now, effects);
        }
    }
}

/// On whose account the peer is dialled when it is stale.
fn account_of(table: &Table, entry: &Entry) -> Account {
    let is_claimed = entry.verified.is_none() && !table.is_protected(&entry.node_id());
    if is_claimed { Account::Introducer(entry.introducer) } else { Account::Own }
}

//! What is believed: a statement's way from its bytes into the table, or out of it.
//!
//! [`super::gate`] has the checks that look at one statement and cost next to nothing; here they
//! meet the budgets, the signature and the table.

use std::{sync::Arc, time::Duration};

use id_proto::{
    GossipMessage, PeerAnnouncement, PeerEntry, Signed, Statement, Unverified,
    UnverifiedAnnouncement, UnverifiedLeave, iroh_base::PublicKey,
};

use super::{
    Membership,
    deliverers::{Purse, Subject},
    dials::VERIFY_AFTER,
    event::{Effect, Now, RemovalReason, Verdict, Way},
    gate::{Gate, Refusal, author_rate},
    introducers::{Payment, Space},
    moment::Moment,
    refusals::{Fame, Refused},
    table::{Entry, Standing, TableFull},
};

impl Membership {
    pub(super) fn on_gossip(
        &mut self,
        message: &[u8],
        from: PublicKey,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if !self.access.admits(&from) {
            return self.stats.count_refusal(Refusal::Denied);
        }
        match GossipMessage::decode(message) {
            Ok(GossipMessage::Announce(announcement)) => {
                self.believe(announcement, Way::Gossip(from), Duration::ZERO, now, effects);
            }
            Ok(GossipMessage::Leave(leave)) => self.on_leave(leave, from, now, effects),
            Ok(_) => self.stats.count_refusal(Refusal::UnknownVersion),
            Err(error) => self.stats.count_refusal(Refusal::from(&error)),
        }
    }

    pub(super) fn on_told(
        &mut self,
        item: &[u8],
        by: PublicKey,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if !self.access.admits(&by) {
            return self.stats.count_refusal(Refusal::Denied);
        }
        match PeerEntry::decode(item) {
            // What the responder hasn't heard for a while doesn't get younger by being told.
            Ok(entry) => {
                let size = self.table.len();
                let author = entry.announcement.claimed().node_id;
                let was_heard = self.hears(&author, now);
                self.believe(entry.announcement, Way::Told(by), entry.age, now, effects);
                self.syncs.told(by, self.table.len() > size);
                if !was_heard && self.hears(&author, now) {
                    self.pass_on(author, by, now, effects);
                }
            }
            Err(error) => self.stats.count_refusal(Refusal::from(&error)),
        }
    }

    /// What an operator hands over passes the same gate. Nobody says when it was heard, so it is as
    /// old as its author's clock makes it, and gets no younger by being handed on.
    pub(super) fn on_handed(
        &mut self,
        signed: &[u8],
        by: PublicKey,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let verdict = if self.access.is_operator(&by) {
            match UnverifiedAnnouncement::decode(signed) {
                Ok(announcement) => {
                    let age = age_by_timestamp(announcement.claimed(), now);
                    self.believe(announcement, Way::Handed(by), age, now, effects)
                }
                Err(error) => self.dismiss(Refusal::from(&error)),
            }
        } else {
            self.dismiss(Refusal::Denied)
        };
        effects.push(Effect::Judged(verdict));
    }

    /// Counts the refusal of what has no author that one could remember it by.
    fn dismiss(&mut self, reason: Refusal) -> Verdict {
        self.stats.count_refusal(reason);
        Verdict::Refused(reason)
    }

    /// Whether there is news of the peer as often as it promised.
    fn hears(&self, peer: &PublicKey, now: Now) -> bool {
        self.table.get(peer).is_some_and(|entry| !entry.is_overdue(now.mono))
    }

    /// Tells our part of the network of an author that a part which we had lost has told us of.
    fn pass_on(&mut self, author: PublicKey, by: PublicKey, now: Now, effects: &mut Vec<Effect>) {
        if let Some(entry) = self.table.get(&author)
            && self.lost.passes_on(&by, now.mono)
        {
            effects.push(Effect::Broadcast(GossipMessage::announce(&entry.announcement)));
        }
    }

    /// The one place that decides whether an announcement is believed.
    pub(super) fn believe(
        &mut self,
        announcement: UnverifiedAnnouncement,
        way: Way,
        age: Duration,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Verdict {
        let (author, seq) = (announcement.claimed().node_id, announcement.claimed().seq);
        match self.admit(announcement, way, age, now) {
            Ok(Admitted { entry, is_new, evicted }) => {
                self.stats.believed += 1;
                self.changed = true;
                if !entry.is_overdue(now.mono) {
                    self.lost.found(&entry.node_id());
                }
                if is_new {
                    self.syncs.announced(&entry.node_id());
                }
                if let Some(evicted) = evicted {
                    self.forget(&evicted, RemovalReason::Evicted, effects);
                }
                effects.push(Effect::Learned { entry, is_new });
                if is_new { Verdict::New } else { Verdict::Newer }
            }
            Err(refusal) => {
                self.refuse(author, seq, way, refusal, now);
                Verdict::Refused(refusal)
            }
        }
    }

    /// Counts a refusal, and remembers it if it may be what somebody wonders about.
    fn refuse(&mut self, author: PublicKey, seq: u64, way: Way, reason: Refusal, now: Now) {
        self.stats.count_refusal(reason);
        if let (Way::Told(by), Refusal::IntroducerBudget) = (way, reason) {
            self.syncs.told_in_vain(by);
        }
        let held = self.table.get(&author).map(|entry| entry.announcement.seq);
        // To be told what one holds, or held, is ordinary; to be sent what is older isn't.
        let is_ordinary = match reason {
            Refusal::OwnId => true,
            Refusal::NotNewer => !matches!(way, Way::Gossip(_)) || held == Some(seq),
            _ => false,
        };
        if !is_ordinary {
            let is_known = held.is_some()
                || self.departed.contains(&author)
                || self.configured.contains(&author);
            let fame = if is_known { Fame::Known } else { Fame::Unknown };
            let refused = Refused { reason, by: way.introducer(), at: now.mono };
            Arc::make_mut(&mut self.refusals).note(author, fame, refused);
        }
    }

    /// Every check, the signature's last. Only what its author has signed is counted against the
    /// author's and the introducer's budget: or else a forger could use up somebody else's.
    fn admit(
        &mut self,
        announcement: UnverifiedAnnouncement,
        way: Way,
        age: Duration,
        now: Now,
    ) -> Result<Admitted, Refusal> {
        let claimed = announcement.claimed();
        self.gate().check(claimed, age, now)?;
        let (author, rate) = (claimed.node_id, author_rate(claimed.interval_secs));
        let old = self.table.get(&author).cloned();
        let mut budget = old.as_ref().map_or_else(|| self.departed.author(&author), |it| it.author);
        // What we asked its author for isn't what it floods us with.
        if way != Way::Dialled && !budget.has(rate, now.mono) {
            return Err(Refusal::AuthorBudget);
        }
        let heard = Moment::before(now.mono, age);
        let place = match &old {
            Some(old) => Place::of(old),
            None => self.place_for(author, way, heard, now)?,
        };
        let announcement = self.check_signature(announcement, way, now)?;
        if way != Way::Dialled {
            budget.take(rate, now.mono);
        }
        self.introducers.pay(place.introducer, place.payment, now.mono);
        let evicted = place.evicts.and_then(|peer| self.table.remove(&peer));
        let new = Entry::new(announcement, way.source(), place.introducer, heard);
        let new = match &old {
            Some(old) => new.after(old),
            None => Entry { verify_at: now.mono + VERIFY_AFTER, ..new },
        };
        let entry = Arc::new(Entry { author: budget, ..new });
        self.table.insert(entry.clone());
        Ok(Admitted { entry, is_new: old.is_none(), evicted })
    }

    /// Checks a signature, if whoever delivered the statement may still deliver bad ones.
    fn check_signature<T: Statement>(
        &mut self,
        statement: Unverified<T>,
        way: Way,
        now: Now,
    ) -> Result<Signed<T>, Refusal> {
        let purse = Purse::of(way, self.subject(&statement.claimed().author()));
        if !self.deliverers.can_pay(purse, now.mono) {
            return Err(Refusal::SignatureBudget);
        }
        statement.verify().map_err(|_| {
            self.deliverers.pay(purse, now.mono);
            Refusal::BadSignature
        })
    }

    fn subject(&self, author: &PublicKey) -> Subject {
        let is_known = self.table.contains(author) || self.table.is_protected(author);
        if is_known { Subject::Known } else { Subject::Stranger }
    }

    /// On whose account somebody whom the table lacks gets a place, and who goes for it.
    fn place_for(
        &self,
        author: PublicKey,
        way: Way,
        heard: Moment,
        now: Now,
    ) -> Result<Place, Refusal> {
        let is_protected = self.table.is_protected(&author);
        let Some(by) = way.introducer().filter(|_| !is_protected) else {
            let evicts = self.table.place_for(&author, heard, Standing::Certain);
            let evicts = evicts.map_err(|TableFull| Refusal::TableFull)?;
            return Ok(Place { introducer: author, payment: Payment::Nothing, evicts });
        };
        let evicts = self.table.place_for(&by, heard, Standing::Claimed);
        let evicts = evicts.map_err(|TableFull| Refusal::TableFull)?;
        let space = self.table.space();
        // Who has just come has nobody to compare with; free room is nobody's loss, but memory.
        let n_claimed = self.table.n_claimed(&by);
        let is_joining = matches!(way, Way::Told(_))
            && self.is_joining(now)
            && n_claimed < self.config.max_joining;
        let payment = match self.introducers.payment(&by, n_claimed, space, now.mono) {
            _ if is_joining && space == Space::Free => Payment::Nothing,
            Some(payment) => payment,
            None => return Err(Refusal::IntroducerBudget),
        };
        Ok(Place { introducer: by, payment, evicts })
    }

    fn gate(&self) -> Gate<'_> {
        Gate {
            me: &self.me,
            network_tag: self.config.network_tag,
            table: &self.table,
            departed: &self.departed,
            access: &self.access,
        }
    }

    fn on_leave(
        &mut self,
        leave: UnverifiedLeave,
        from: PublicKey,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let (author, seq) = (leave.claimed().node_id, leave.claimed().seq);
        let admitted = self.gate().check(leave.claimed(), Duration::ZERO, now);
        match admitted.and_then(|()| self.check_signature(leave, Way::Gossip(from), now)) {
            Ok(leave) => self.on_left(leave.node_id, leave.seq, now, effects),
            Err(refusal) => self.refuse(author, seq, Way::Gossip(from), refusal, now),
        }
    }

    fn on_left(&mut self, peer: PublicKey, seq: u64, now: Now, effects: &mut Vec<Effect>) {
        self.lost.found(&peer);
        match self.remove(peer, RemovalReason::Left, effects) {
            Some(entry) => self.departed.remember(&entry, seq, RemovalReason::Left, now),
            None => self.departed.remember_stranger(peer, seq, now),
        }
    }
}

/// How long ago the announcement was made, by its author's clock and ours.
fn age_by_timestamp(announcement: &PeerAnnouncement, now: Now) -> Duration {
    now.unix.saturating_sub(Duration::from_secs(announcement.timestamp_secs))
}

/// What came of an announcement that is believed.
struct Admitted {
    entry: Arc<Entry>,
    is_new: bool,
    /// Who had to go for it.
    evicted: Option<Arc<Entry>>,
}

/// Where somebody's entry goes.
struct Place {
    introducer: PublicKey,
    payment: Payment,
    /// Who has to go for it.
    evicts: Option<PublicKey>,
}

impl Place {
    /// Its own, for one who is in the table.
    fn of(old: &Entry) -> Self {
        Self { introducer: old.introducer, payment: Payment::Nothing, evicts: None }
    }
}

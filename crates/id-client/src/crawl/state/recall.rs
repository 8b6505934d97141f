//! Answers that are kept for another crawl, and answers of an earlier one.

use std::{borrow::Cow, sync::Arc, time::Duration};

use id_proto::{PeerEntry, SignedAnnouncement, Source, iroh_base::PublicKey};

use crate::{
    crawl::{
        event::CrawlEvent,
        frontier::Number,
        past::{Answer, Keeping, Named, Past, Use},
        state::{CrawlState, OWN_NUMBER},
    },
    entry::{Candidate, Claims, Gate},
    error::AskError,
};

impl CrawlState {
    /// Keeps what peers answer, as far as all answers together name no more than `max_named`: for
    /// [`CrawlState::take_answer`].
    pub fn keep_answers(self, max_named: usize) -> Self {
        Self { room_for_named: max_named, ..self }
    }

    /// What `peer` answered, or gave before it failed, if it is kept. Each answer is handed out once;
    /// one that was recalled isn't kept.
    pub fn take_answer(&mut self, peer: &PublicKey) -> Option<Answer> {
        self.kept.remove(peer)
    }

    /// `from`, which [`CrawlState::poll`] handed out, isn't asked, or was asked and `failed`: what it
    /// answered in the `past` counts, as [`Use`] says.
    pub fn on_recalled(
        &mut self,
        from: PublicKey,
        past: &Past,
        now_unix_secs: u64,
        failed: Option<AskError>,
    ) -> Vec<CrawlEvent> {
        if let Some(error) = &failed
            && self.may_ask_again(&from, error)
        {
            return self.on_done(from, Err(error.clone()));
        }
        let Some((answer, usage)) = past.answer(&from).filter(|_| self.is_asking(&from)) else {
            return failed.map(|error| self.on_done(from, Err(error))).unwrap_or_default();
        };
        self.note_dials(from, failed.as_ref());
        let mut events = Vec::new();
        let outcome = match (failed, usage) {
            (Some(error), Use::WithItsFailure) => Err(error),
            (Some(error), _) => {
                events.push(CrawlEvent::Missed { peer: from, error });
                Ok(())
            }
            (None, _) => Ok(()),
        };
        events.extend(self.recall(&Arc::clone(answer), past, now_unix_secs));
        events.extend(self.on_done(from, outcome).into_iter().map(as_recalled));
        events
    }

    /// Whoever isn't asked isn't dialled either; and who failed, but counts as having answered, was dialled in
    /// vain.
    fn note_dials(&mut self, from: PublicKey, failed: Option<&AskError>) {
        let peer = self.peers.get_mut(&from).expect("who is being asked is known");
        let is_reached = peer.asking_mut().is_some_and(|asking| asking.is_reached);
        match failed {
            None => peer.dialled = Box::default(),
            Some(error) if !is_reached => peer.not_reached(error.kind),
            Some(_) => {}
        }
    }

    /// Takes in what an answer named, and what it counted.
    fn recall(&mut self, answer: &Answer, past: &Past, now_unix_secs: u64) -> Vec<CrawlEvent> {
        let peer = self.peers.get_mut(&answer.peer).expect("who is being asked is known");
        peer.route = peer.route.or(answer.route);
        for (reason, n) in &answer.rejected {
            let counted = peer.rejected.entry(*reason).or_default();
            *counted = (*counted).max(*n);
        }
        // Who failed now may have told less than it did then, and that was counted then.
        let before = peer.asking_mut().map_or(0, |asking| asking.told.n_others);
        peer.n_told.get_or_insert_default();
        peer.count_others(answer.n_left_out.saturating_sub(before));
        if let Some(asking) = peer.asking_mut() {
            asking.keeping = None;
        }
        self.is_over |= answer.n_left_out > 0;
        let elapsed = Duration::from_secs(now_unix_secs.saturating_sub(answer.at_unix_secs));
        let mut events = Vec::new();
        for named in &answer.named {
            let claims = Claims {
                age: named.age.saturating_add(elapsed),
                verified_age: named.verified_age.map(|age| age.saturating_add(elapsed)),
            };
            events.extend(self.recall_named(answer.peer, named.peer, claims, past, now_unix_secs));
        }
        events
    }

    fn recall_named(
        &mut self,
        from: PublicKey,
        id: PublicKey,
        claims: Claims,
        past: &Past,
        now_unix_secs: u64,
    ) -> Vec<CrawlEvent> {
        if self.was_named(from, id) {
            return Vec::new();
        }
        if self.own_id == Some(id) {
            return self.count(from, id, OWN_NUMBER).err().unwrap_or_default();
        }
        let Some(announcement) = past.announcement(&id) else { return Vec::new() };
        let known = self.peers.get(&id);
        let held = known.and_then(|known| Some((known.number, known.announcement.as_ref()?)));
        // Nothing needs to be checked to hear again what is known; and most of an answer is.
        if let Some((number, held)) = held
            && held.seq >= announcement.seq
        {
            let broken = self.count(from, id, number).err();
            self.name(id, from, claims);
            return broken.unwrap_or_default();
        }
        // However long ago it was, it was heard in time; but not in the future.
        let heard = now_unix_secs.min(announcement.timestamp_secs);
        let gate = Gate { network_tag: self.network_tag, now_unix_secs: heard };
        let believed = gate.admit(Ok(&item(announcement, claims)));
        believed
            .and_then(|entry| self.believe(from, Candidate::Unchecked(entry)))
            .unwrap_or_default()
    }

    /// Whether the answer of `from`, which is being asked, named `id` before, in whichever attempt.
    fn was_named(&mut self, from: PublicKey, id: PublicKey) -> bool {
        let number = match self.own_id == Some(id) {
            true => Some(OWN_NUMBER),
            false => self.peers.get(&id).map(|peer| peer.number),
        };
        let asking = self.peers.get_mut(&from).and_then(|peer| peer.asking_mut());
        number.zip(asking).is_some_and(|(number, asking)| {
            asking.told.named.contains(number) || asking.named_before.contains(number)
        })
    }

    /// Adds to the answer of `from` that it named `id`, if it is kept, there is room, and no attempt before
    /// named it too.
    pub(super) fn keep_named(
        &mut self,
        from: PublicKey,
        id: PublicKey,
        number: Number,
        claims: Claims,
    ) {
        let asking = self.peers.get_mut(&from).and_then(|peer| peer.asking_mut());
        let Some(asking) = asking.filter(|it| !it.named_before.contains(number)) else { return };
        let Some(keeping) = &mut asking.keeping else { return };
        if self.room_for_named == 0 {
            asking.keeping = None;
            return;
        }
        self.room_for_named -= 1;
        keeping.named.push(Named { peer: id, age: claims.age, verified_age: claims.verified_age });
    }

    /// Keeps an answer that has ended.
    pub(super) fn keep_answer(&mut self, peer: PublicKey, keeping: Option<Keeping>) {
        let Some(Keeping { at_unix_secs, named }) = keeping else { return };
        let known = &self.peers[&peer];
        let Some(n_told) = known.n_told else { return };
        let n_others = named.iter().filter(|named| named.peer != peer).count() as u64;
        let answer = Answer {
            peer,
            at_unix_secs,
            route: known.route,
            n_left_out: n_told.saturating_sub(n_others),
            named,
            rejected: known.rejected.clone(),
        };
        self.kept.insert(peer, answer);
    }
}

/// An entry as a peer would have sent it.
fn item(announcement: &SignedAnnouncement, claims: Claims) -> Vec<u8> {
    let Claims { age, verified_age } = claims;
    let announcement = Cow::Borrowed(announcement);
    PeerEntry { announcement, age, source: Source::Gossip, verified_age }.encode()
}

/// Nobody has answered anew.
fn as_recalled(event: CrawlEvent) -> CrawlEvent {
    match event {
        CrawlEvent::Answered { peer, n_entries } => CrawlEvent::Recalled { peer, n_entries },
        other => other,
    }
}

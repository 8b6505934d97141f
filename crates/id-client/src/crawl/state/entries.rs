//! What an entry of an answer changes, once it is believed.

use std::collections::BTreeSet;

use id_proto::{DecodeError, PeersPage, SealedEntry, iroh_base::PublicKey};

use crate::{
    checking::{CheckedPage, UncheckedPage},
    crawl::{
        event::CrawlEvent,
        frontier::Number,
        known::{Peer, Progress},
        report::RejectReason,
        state::{CrawlState, OWN_NUMBER},
    },
    entry::{self, Candidate, Claims, Gate, VerifiedEntry},
    error::{AskError, FailKind},
};

/// Most forged and malformed entries that are put up with in one answer; then the rest isn't read.
///
/// Origin: a node checks what it passes on, so one would be telling. A thousand cost 40 ms.
pub const MAX_FORGED: u64 = 1000;

impl CrawlState {
    /// What of `page` is worth checking before [`CrawlState::on_checked_page`] takes it, on another thread perhaps:
    /// entries of those who aren't known and for whom there is room, and others than those that are held.
    pub fn look_at(&self, page: PeersPage, now_unix_secs: u64) -> UncheckedPage {
        let room = self.limits.max_peers.get().saturating_sub(self.peers.len());
        let is_news = |item: Result<&[u8], DecodeError>| {
            let entry = item.and_then(SealedEntry::decode);
            entry.is_ok_and(|entry| self.held(&entry).is_none())
        };
        let news = page.items().enumerate().filter(|(_, item)| is_news(item.clone()));
        let news = news.map(|(nth, _)| nth).take(room).collect();
        UncheckedPage::new(page, self.gate(now_unix_secs), news)
    }

    /// `from` gave a page of its table. Whether it is to be read on is then told by
    /// [`CrawlState::is_asking`]: not if the page breaks the protocol. The entries before the one that
    /// does stay: each is its author's word, whoever passes it on.
    pub fn on_page(
        &mut self,
        from: PublicKey,
        page: &PeersPage,
        now_unix_secs: u64,
    ) -> Vec<CrawlEvent> {
        self.take_page(from, page, now_unix_secs, |_| None)
    }

    /// Like [`CrawlState::on_page`], and comes to the same, but doesn't check again what was checked.
    pub fn on_checked_page(&mut self, from: PublicKey, page: CheckedPage) -> Vec<CrawlEvent> {
        let CheckedPage { page, now_unix_secs, mut good } = page;
        self.take_page(from, &page, now_unix_secs, |nth| good.remove(&nth))
    }

    fn take_page(
        &mut self,
        from: PublicKey,
        page: &PeersPage,
        now_unix_secs: u64,
        mut checked: impl FnMut(usize) -> Option<VerifiedEntry>,
    ) -> Vec<CrawlEvent> {
        let gate = self.gate(now_unix_secs);
        let mut events = Vec::new();
        if let Some(peer) = self.peers.get_mut(&from).filter(|peer| peer.is_asking()) {
            peer.n_told.get_or_insert_default();
            peer.keep_time(now_unix_secs);
        }
        for (nth, item) in page.items().enumerate() {
            if !self.is_asking(&from) {
                break;
            }
            let believed = match checked(nth) {
                Some(entry) => self.believe(from, Candidate::Checked(entry)),
                None => self.look_into(from, &gate, item),
            };
            events.extend(believed.unwrap_or_else(|reason| self.reject(from, reason)));
        }
        events
    }

    fn gate(&self, now_unix_secs: u64) -> Gate {
        Gate { network_tag: self.network_tag, now_unix_secs }
    }

    fn look_into(
        &mut self,
        from: PublicKey,
        gate: &Gate,
        item: Result<&[u8], DecodeError>,
    ) -> Result<Vec<CrawlEvent>, RejectReason> {
        let entry = item.and_then(SealedEntry::decode).map_err(entry::unreadable)?;
        match self.held(&entry) {
            Some(id) => self.believe_again(from, gate, id, entry),
            None => self.believe(from, Candidate::Unchecked(gate.open(entry)?)),
        }
    }

    /// Whose announcement the entry is, if it is the very one that we hold and everybody whom it names is
    /// known: then it needn't be decoded again, which most entries of a crawl would be.
    fn held(&self, entry: &SealedEntry<'_>) -> Option<PublicKey> {
        let (id, known) = self.peers.get_key_value(&entry.claimed_author()?)?;
        let is_held = known.announcement.as_ref().is_some_and(|it| it.bytes() == entry.signed);
        let teller_is_a_key = entry.claimed_teller().is_none_or(|by| self.peers.contains_key(&by));
        (is_held && teller_is_a_key).then_some(*id)
    }

    /// Takes an entry in that says what we hold.
    fn believe_again(
        &mut self,
        from: PublicKey,
        gate: &Gate,
        id: PublicKey,
        entry: SealedEntry<'_>,
    ) -> Result<Vec<CrawlEvent>, RejectReason> {
        let Peer { number, announcement, .. } = &self.peers[&id];
        let (number, held) = (*number, announcement.as_ref());
        held.map_or(Ok(()), |held| gate.check(held.statement()))?;
        if let Err(broken) = self.count(from, id, number) {
            return Ok(broken);
        }
        self.name(id, from, entry.into());
        Ok(Vec::new())
    }

    /// Takes an entry in, checking its signature if it says anything new and that isn't done yet.
    pub(super) fn believe(
        &mut self,
        from: PublicKey,
        entry: Candidate,
    ) -> Result<Vec<CrawlEvent>, RejectReason> {
        let (id, claims) = (entry.claimed().node_id, entry.claims());
        if self.own_id == Some(id) {
            let broken = self.count(from, id, OWN_NUMBER).err().unwrap_or_default();
            self.keep_named(from, id, OWN_NUMBER, claims);
            return Ok(broken);
        }
        let Some(known) = self.peers.get(&id) else {
            return self.meet(from, entry);
        };
        let number = known.number;
        let news = (!known.needs_no_proof_of(&entry)).then(|| entry.verify()).transpose()?;
        if let Err(broken) = self.count(from, id, number) {
            return Ok(broken);
        }
        self.name(id, from, claims);
        Ok(news.and_then(|entry| self.learn(id, from, entry)).into_iter().collect())
    }

    /// Takes an entry of somebody new in, if there is room or it is made.
    ///
    /// When the crawl is full, and it is known that there is another one, those who don't come in in
    /// any case are counted with their signatures unchecked: else a liar would make us check for ever.
    fn meet(&mut self, from: PublicKey, entry: Candidate) -> Result<Vec<CrawlEvent>, RejectReason> {
        let (id, claims) = (entry.claimed().node_id, entry.claims());
        let claim = claims.into();
        let is_full = self.is_full();
        let introducer = self.peers[&from].number;
        let victim = is_full.then(|| self.places.victim(introducer, claim)).flatten();
        let has_place = !is_full || victim.is_some();
        if !has_place && self.is_over {
            self.count_left_out(from);
            return Ok(Vec::new());
        }
        let verified = entry.verify()?;
        self.is_over |= is_full;
        if !has_place {
            self.count_left_out(from);
            return Ok(Vec::new());
        }
        let gone = victim.map(|victim| self.displace(victim));
        let depth = self.peers[&from].depth + 1;
        let number = self.insert(id, BTreeSet::new(), depth);
        self.queue(id, Some(introducer), claim);
        if let Err(broken) = self.count(from, id, number) {
            unreachable!("nobody was told of number {number} before: {broken:?}");
        }
        self.name(id, from, claims);
        Ok(gone.into_iter().chain(self.learn(id, from, verified)).collect())
    }

    /// Notes that `from` named `id`, which it may do once. `Err` is how its answer ends if it doesn't.
    pub(super) fn count(
        &mut self,
        from: PublicKey,
        id: PublicKey,
        number: Number,
    ) -> Result<(), Vec<CrawlEvent>> {
        let peer = self.peers.get_mut(&from).expect("who answers is known");
        let Progress::Asking(asking) = &mut peer.progress else { return Ok(()) };
        if !asking.told.named.insert(number) {
            let why = format_args!("it named {} twice", id.fmt_short());
            return Err(self.on_done(from, Err(AskError::new(FailKind::Protocol, why))));
        }
        asking.told.n_entries += 1;
        peer.count_others(u64::from(id != from));
        Ok(())
    }

    fn count_left_out(&mut self, from: PublicKey) {
        let peer = self.peers.get_mut(&from).expect("who answers is known");
        peer.count_others(1);
    }

    /// Forgets somebody who waits, for the sake of another.
    fn displace(&mut self, number: Number) -> CrawlEvent {
        let id = self.ids.remove(&number).expect("who holds a place is known");
        let peer = self.peers.remove(&id).expect("who has a number is known");
        if let Progress::Known(Some(turn)) = peer.progress {
            self.frontier.remove(turn);
        }
        self.places.remove(number);
        CrawlEvent::Displaced { peer: id }
    }

    /// Records a verified entry of a known peer.
    fn learn(
        &mut self,
        id: PublicKey,
        from: PublicKey,
        entry: VerifiedEntry,
    ) -> Option<CrawlEvent> {
        let peer = self.peers.get_mut(&id).expect("who is named is known");
        let was_shown = peer.announcement.is_some();
        peer.take_newer(&entry.announcement);
        let depth = peer.depth;
        // A seed was named by whoever crawls, so it is believed about where it is.
        if from == id && depth == 0 {
            let place = entry.announcement.endpoint_addr();
            self.address_policy = self.address_policy.clone().open(&place);
        }
        (!was_shown).then_some(CrawlEvent::Found { entry, via: from, depth })
    }

    /// Records that `from` named `id`, which may bring it nearer.
    pub(super) fn name(&mut self, id: PublicKey, from: PublicKey, claims: Claims) {
        let Peer { depth, number: introducer, .. } = self.peers[&from];
        let depth = depth + 1;
        let peer = self.peers.get_mut(&id).expect("who is named is known");
        let number = peer.number;
        peer.named_by(id, from, claims);
        if let Progress::Known(turn) = peer.progress
            && depth < peer.depth
        {
            peer.depth = depth;
            turn.into_iter().for_each(|turn| self.frontier.remove(turn));
            self.queue(id, Some(introducer), claims.into());
        }
        self.keep_named(from, id, number, claims);
        self.keep_age(from, number, claims.age);
    }

    /// Counts an entry that isn't believed, and gives up on a forger.
    fn reject(&mut self, from: PublicKey, reason: RejectReason) -> Vec<CrawlEvent> {
        let peer = self.peers.get_mut(&from).expect("who answers is known");
        peer.count_rejected(reason);
        if peer.n_forged() <= MAX_FORGED {
            return Vec::new();
        }
        let error = AskError::new(FailKind::Protocol, "too many forged entries");
        self.on_done(from, Err(error))
    }
}

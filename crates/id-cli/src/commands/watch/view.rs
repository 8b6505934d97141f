//! What is known, and what is news: a function of what each round found.

use std::collections::{BTreeMap, BTreeSet};

use id_render::{Document, Status, model};

use crate::commands::diff::{Change, Difference, Peer};

/// What the rounds so far have shown.
#[derive(Debug, Default)]
pub(super) struct View {
    peers: Option<BTreeMap<String, Peer>>,
    /// Who answered, and doesn't any more, but is named still. Isn't in `peers`.
    gone: BTreeSet<String>,
}

/// What is to be told.
#[derive(Debug, Clone)]
pub(crate) enum News {
    /// Known in the first round.
    Known(Box<model::Peer>),
    /// It is new, or has come back.
    Came(Box<model::Peer>),
    Went {
        /// As it was.
        peer: Peer,
        /// Why it doesn't answer; `None` if nobody names it any more.
        error: Option<&'static str>,
    },
    Changed {
        /// As it is now.
        peer: Peer,
        changes: Vec<Change>,
    },
}

/// How much a round says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Who isn't in it isn't there.
    Whole,
    /// Its time was up: of whoever didn't answer it says nothing.
    CutShort,
}

impl View {
    /// Takes in what a round found, and says what is new. Somebody who answered before and is `failed`
    /// in it has gone; a single missed answer is the crawl's business, and not seen here.
    pub(super) fn on_round(&mut self, found: &Document, extent: Extent) -> Vec<News> {
        let is_first = self.peers.is_none();
        let before = self.peers.take().unwrap_or_default();
        let by_id: BTreeMap<&str, &model::Peer> =
            found.peers.iter().map(|peer| (peer.node_id.as_str(), peer)).collect();
        let mut now: BTreeMap<String, Peer> = BTreeMap::new();
        let mut gone = BTreeSet::new();
        for peer in &found.peers {
            let id = peer.node_id.clone();
            let answered = |before: &Peer| before.status == Status::Answered.as_str();
            let was_up = before.get(&id).is_some_and(answered) || self.gone.contains(&id);
            match peer.status {
                Status::Failed if was_up => gone.insert(id),
                _ => now.insert(id, peer.into()).is_none(),
            };
        }
        if extent == Extent::CutShort {
            let room = found.crawl.limits.max_peers.saturating_sub(now.len());
            let is_unsaid =
                |id: &str| by_id.get(id).is_none_or(|peer| peer.status != Status::Answered);
            let kept = before.iter().filter(|(id, _)| is_unsaid(id)).take(room);
            kept.for_each(|(id, peer)| drop(now.insert(id.clone(), peer.clone())));
            gone.retain(|id| self.gone.contains(id));
        }
        let whole = |peer: &&Peer| Box::new((*by_id[peer.node_id.as_str()]).clone());
        let difference = Difference::of_peers(&before, &now);
        let went = difference.went.iter().map(|peer| News::Went {
            error: by_id.get(peer.node_id.as_str()).and_then(|peer| peer.error),
            peer: (*peer).clone(),
        });
        let came = difference.came.iter().map(|peer| match is_first {
            true => News::Known(whole(peer)),
            false => News::Came(whole(peer)),
        });
        let changed = difference.changed.iter().map(|(peer, changes)| News::Changed {
            peer: (*peer).clone(),
            changes: changes.clone(),
        });
        let news = went.chain(came).chain(changed).collect();
        (self.peers, self.gone) = (Some(now), gone);
        news
    }
}

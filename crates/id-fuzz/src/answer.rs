//! What a client and a crawl make of the bytes that come in answer to a question.

use std::{num::NonZeroUsize, sync::LazyLock, time::Duration};

use futures::{FutureExt, StreamExt};
use id_client::{
    AskError, CrawlState, FailKind, Limits,
    untrusted::{
        blob, change, discovered, explanation, introducers, list_names, list_peers, status, whoami,
    },
};
use id_proto::{
    BlobKey, BlobName, Network, PeersPage,
    iroh_base::{EndpointAddr, PublicKey, SecretKey},
    limits::{MAX_ERROR_LEN, MAX_INTRODUCERS},
};

use crate::Outcome;

/// Who answers: the author of the documented examples.
static PEER: LazyLock<PublicKey> = LazyLock::new(|| SecretKey::from_bytes(&[1; 32]).public());

/// When the documented examples were fresh.
const NOW_UNIX_SECS: u64 = 1_763_632_810;

/// Most peers of the crawl, so that it meets its limit.
const MAX_PEERS: usize = 32;

/// How many announcements the documented report is about.
const N_HANDED: u64 = 341;

/// How many names are asked for.
const N_NAMES: u32 = 16;

/// The first byte is the question; other numbers are listings of so many entries.
pub(crate) fn answer(bytes: &[u8]) -> Outcome {
    let Some((question, stream)) = bytes.split_first() else {
        return Outcome::Refused;
    };
    match question {
        0 => outcome(at_once(whoami(stream, *PEER)), |whoami| {
            let Some(about) = whoami.about else { return };
            assert_eq!((about.node_id, about.announcement.node_id), (*PEER, *PEER));
        }),
        1 => outcome(at_once(status(stream)), |_| ()),
        2 => outcome(at_once(introducers(stream)), |report| {
            assert!(report.introducers.len() <= MAX_INTRODUCERS);
        }),
        3 => {
            let network_tag = Network::public().tag();
            outcome(at_once(explanation(stream, *PEER, network_tag)), |explanation| {
                assert_eq!(explanation.node_id, *PEER);
                let Some(entry) = explanation.entry else { return };
                assert_eq!(entry.announcement.node_id, *PEER);
                assert_eq!(entry.announcement.network_tag, network_tag);
            })
        }
        254 => outcome(at_once(discovered(stream, N_HANDED)), |report| {
            assert_eq!(report.total(), Some(N_HANDED));
        }),
        253 => {
            let key = BlobKey::Name(BlobName::new("notes/today").expect("a name"));
            outcome(at_once(blob(stream, &key)), |blob| {
                assert_eq!(BlobKey::Name(blob.name), key);
            })
        }
        252 => outcome(at_once(change(stream)), drop),
        251 => names(stream),
        max_entries => listing(stream, u32::from(*max_entries)),
    }
}

/// Bytes in memory are never waited for.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("nothing has to be waited for")
}

fn outcome<T>(answer: Result<T, AskError>, check: impl FnOnce(T)) -> Outcome {
    match answer {
        Ok(answer) => check(answer),
        Err(error) => {
            check_error(&error);
            return Outcome::Refused;
        }
    }
    Outcome::Understood
}

/// An error is the peer's, and what it says is no longer than it may be.
fn check_error(error: &AskError) {
    assert!(error.message.len() <= MAX_ERROR_LEN, "{} bytes", error.message.len());
    let is_ours = [FailKind::Timeout, FailKind::NoAddress, FailKind::Handshake];
    assert!(!is_ours.contains(&error.kind), "{error}");
}

fn listing(stream: &[u8], max_entries: u32) -> Outcome {
    let pages: Vec<_> = at_once(list_peers(stream, max_entries).collect());
    let (pages, errors): (Vec<_>, Vec<_>) = pages.into_iter().partition(Result::is_ok);
    let pages: Vec<PeersPage> = pages.into_iter().map(Result::unwrap).collect();
    let errors: Vec<AskError> = errors.into_iter().map(Result::unwrap_err).collect();
    errors.iter().for_each(check_error);
    assert!(errors.len() <= 1, "a stream ends with its first error");
    let n_entries = pages.iter().flat_map(PeersPage::items).filter(Result::is_ok).count();
    assert!(n_entries <= max_entries as usize, "{n_entries} entries, {max_entries} wanted");
    assert!(pages.len() <= max_entries as usize + 1);
    crawl(&pages, errors.into_iter().next());
    Outcome::understood_if(n_entries > 0)
}

/// Names come in order, at most so many, and a stream ends with its first error.
fn names(stream: &[u8]) -> Outcome {
    let listed: Vec<_> = at_once(list_names(stream, N_NAMES).collect());
    let n_named = listed.iter().take_while(|name| name.is_ok()).count();
    let (named, errors) = listed.split_at(n_named);
    assert!(errors.len() <= 1, "a stream ends with its first error");
    errors.iter().for_each(|error| check_error(error.as_ref().unwrap_err()));
    assert!(n_named <= N_NAMES as usize);
    let named = named.iter().map(|name| &name.as_ref().unwrap().name);
    assert!(named.is_sorted_by(|one, next| one < next));
    Outcome::understood_if(n_named > 0)
}

/// A crawl of one peer, which answers so. Its counts add up, and who is in the report has signed.
fn crawl(pages: &[PeersPage], error: Option<AskError>) {
    let max_peers = NonZeroUsize::new(MAX_PEERS).expect("not zero");
    let limits = Limits { max_depth: 0.into(), max_peers, ..Limits::default() };
    let tag = Network::public().tag();
    let mut crawl = CrawlState::new([EndpointAddr::new(*PEER)], limits, tag, None);
    assert_eq!(crawl.poll().expect("the seed is asked").peer.id, *PEER);
    for page in pages {
        crawl.on_page(*PEER, page, NOW_UNIX_SECS);
    }
    crawl.on_done(*PEER, error.map_or(Ok(()), Err));
    let report = crawl.finish(Duration::ZERO);
    let summary = report.summary();
    assert_eq!(summary.known, report.peers.len());
    assert!(summary.known <= MAX_PEERS);
    assert_eq!(summary.known, summary.asked + summary.not_asked);
    assert_eq!(summary.asked, summary.answered + summary.failed);
    for announcement in report.peers.iter().filter_map(|peer| peer.announcement.as_ref()) {
        assert_eq!(announcement.network_tag, tag);
    }
}

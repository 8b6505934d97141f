//! The answer to a question, as it comes from a stream: read within bounds, and believed only where it
//! can be checked.

use std::marker::PhantomData;

use id_proto::{
    About, BlobKey, BlobsPage, DecodeError, DiscoverReport, Explanation, IntroducersReport,
    MetaResponse, NameChange, NamedBlob, NetworkTag, PeersPage, SignedAnnouncement, StatusReport,
    UnverifiedAnnouncement, WhoamiResponse, iroh_base::PublicKey, limits::MAX_RESPONSE_LEN,
};
use tokio::io::AsyncRead;

use crate::{
    client::{
        failure::{self, Stage},
        session::Whoami,
    },
    error::{AskError, FailKind},
    frame::read_frame,
};

/// The responses to one request.
#[derive(Debug)]
pub(crate) struct Answer<R> {
    recv: R,
    stage: Stage,
}

impl<R: AsyncRead + Unpin> Answer<R> {
    pub(crate) fn new(recv: R) -> Self {
        Self { recv, stage: Stage::Asking }
    }

    /// The next response; `None` at the end. An error response is an error.
    async fn next(&mut self) -> Result<Option<MetaResponse>, AskError> {
        let frame = read_frame(&mut self.recv, MAX_RESPONSE_LEN).await;
        let Some(bytes) = frame.map_err(|error| failure::of_frame(&error, self.stage))? else {
            return Ok(None);
        };
        self.stage = Stage::Answering;
        match MetaResponse::decode(&bytes)? {
            MetaResponse::Error(error) => Err(error.into()),
            response => Ok(Some(response)),
        }
    }

    async fn only(mut self) -> Result<MetaResponse, AskError> {
        self.next().await?.ok_or_else(ended_early)
    }

    /// Who `remote` says it is.
    pub(crate) async fn whoami(self, remote: PublicKey) -> Result<Whoami, AskError> {
        match self.only().await? {
            MetaResponse::Whoami(response) => check_whoami(response, remote),
            _ => Err(other_answer()),
        }
    }

    /// How the peer is doing.
    pub(crate) async fn status(self) -> Result<StatusReport, AskError> {
        match self.only().await? {
            MetaResponse::Status(report) => Ok(StatusReport::decode(&report)?),
            _ => Err(other_answer()),
        }
    }

    /// Who brought the peers that the peer knows.
    pub(crate) async fn introducers(self) -> Result<IntroducersReport, AskError> {
        match self.only().await? {
            MetaResponse::Introducers(report) => Ok(IntroducersReport::decode(&report)?),
            _ => Err(other_answer()),
        }
    }

    /// What the peer knows of `node_id`, whose announcement is for the network of `network_tag`.
    pub(crate) async fn explanation(
        self,
        node_id: PublicKey,
        network_tag: NetworkTag,
    ) -> Result<Explanation<SignedAnnouncement>, AskError> {
        match self.only().await? {
            MetaResponse::Explanation(bytes) => check_explanation(&bytes, node_id, network_tag),
            _ => Err(other_answer()),
        }
    }

    /// What the peer made of the `n_handed` announcements that it was handed.
    pub(crate) async fn discovered(self, n_handed: u64) -> Result<DiscoverReport, AskError> {
        match self.only().await? {
            MetaResponse::Discovered(report) => check_discovered(&report, n_handed),
            _ => Err(other_answer()),
        }
    }
}

impl<R: AsyncRead + Unpin> Answer<R> {
    /// The blob that was asked for by `key`.
    pub(crate) async fn blob(self, key: &BlobKey) -> Result<NamedBlob, AskError> {
        match self.only().await? {
            MetaResponse::Blob(bytes) => check_blob(&bytes, key),
            _ => Err(other_answer()),
        }
    }

    /// What became of a name.
    pub(crate) async fn change(self) -> Result<NameChange, AskError> {
        match self.only().await? {
            MetaResponse::Changed(bytes) => Ok(NameChange::decode(&bytes)?),
            _ => Err(other_answer()),
        }
    }
}

/// A page of a listing: of peers, or of names.
pub(crate) trait Page: Default + Sized {
    /// The page in a response, if that is what it is.
    fn of(response: MetaResponse) -> Option<Self>;
    fn more(&self) -> bool;
    fn items(&self) -> impl Iterator<Item = Result<&[u8], DecodeError>>;
    fn push(&mut self, item: &[u8]) -> bool;
}

macro_rules! page {
    ($page:ident, $variant:ident) => {
        impl Page for $page {
            fn of(response: MetaResponse) -> Option<Self> {
                match response {
                    MetaResponse::$variant(page) => Some(page),
                    _ => None,
                }
            }

            fn more(&self) -> bool {
                self.more
            }

            fn items(&self) -> impl Iterator<Item = Result<&[u8], DecodeError>> {
                self.items()
            }

            fn push(&mut self, item: &[u8]) -> bool {
                self.push(item)
            }
        }
    };
}

page!(PeersPage, Peers);
page!(BlobsPage, Blobs);

/// The pages of a listing, and what is still to come.
#[derive(Debug)]
pub(crate) struct Pages<R, P> {
    answer: Answer<R>,
    rest: Rest,
    page: PhantomData<fn() -> P>,
}

/// What of an answer is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// Pages, with so many entries at most.
    Wanted(usize),
    /// Nothing: the last page was read.
    Nothing,
    /// More than was asked for. What was asked for has been handed out.
    TooMuch,
}

impl<R: AsyncRead + Unpin, P: Page> Pages<R, P> {
    pub(crate) fn new(answer: Answer<R>, max_entries: u32) -> Self {
        Self { answer, rest: Rest::Wanted(max_entries as usize), page: PhantomData }
    }

    /// The next page; `None` behind the last.
    pub(crate) async fn next(&mut self) -> Result<Option<P>, AskError> {
        let n_left = match self.rest {
            Rest::Nothing => return Ok(None),
            Rest::TooMuch => return Err(too_many_entries()),
            Rest::Wanted(n) => n,
        };
        let response = self.answer.next().await?.ok_or_else(ended_early)?;
        let page = P::of(response).ok_or_else(other_answer)?;
        let (page, rest) = take(page, n_left)?;
        self.rest = rest;
        Ok(Some(page))
    }
}

/// Takes of `page` what was asked for, and says what is to follow. Every page but the last must hold
/// something, so that there are never more pages than entries were asked for, and one.
fn take<P: Page>(page: P, n_left: usize) -> Result<(P, Rest), AskError> {
    match page.items().count() {
        0 if page.more() => {
            Err(AskError::new(FailKind::Protocol, "an empty page that isn't the last"))
        }
        0 => Ok((page, Rest::Nothing)),
        _ if n_left == 0 => Err(too_many_entries()),
        n if n > n_left => Ok((cut(&page, n_left), Rest::TooMuch)),
        n if page.more() => Ok((page, Rest::Wanted(n_left - n))),
        _ => Ok((page, Rest::Nothing)),
    }
}

fn too_many_entries() -> AskError {
    AskError::new(FailKind::TooLarge, "the peer named more than it was asked for")
}

/// The first `n` entries of `page`, as a last page.
fn cut<P: Page>(page: &P, n: usize) -> P {
    let mut kept = P::default();
    for item in page.items().take(n).flatten() {
        let fits = kept.push(item);
        debug_assert!(fits, "a part of a page is no longer than the page");
    }
    kept
}

fn check_whoami(response: WhoamiResponse, remote: PublicKey) -> Result<Whoami, AskError> {
    let about = response.about.map(|about| check_about(&about, remote)).transpose()?;
    Ok(Whoami { protocol_versions: response.protocol_versions, about })
}

fn check_about(bytes: &[u8], remote: PublicKey) -> Result<About<SignedAnnouncement>, AskError> {
    let about = About::<UnverifiedAnnouncement>::decode(bytes)?;
    let author = about.announcement.claimed().node_id;
    if about.node_id != remote || author != remote {
        return Err(AskError::new(FailKind::Protocol, "the peer says that it is somebody else"));
    }
    let announcement = about.announcement.verify();
    Ok(About {
        announcement: announcement.map_err(|error| AskError::new(FailKind::Protocol, error))?,
        node_id: about.node_id,
        agent: about.agent,
        network_tag: about.network_tag,
        features: about.features,
        table_size: about.table_size,
    })
}

fn check_explanation(
    bytes: &[u8],
    node_id: PublicKey,
    network_tag: NetworkTag,
) -> Result<Explanation<SignedAnnouncement>, AskError> {
    let explanation = Explanation::<UnverifiedAnnouncement>::decode(bytes)?;
    if explanation.node_id != node_id {
        return Err(AskError::new(FailKind::Protocol, "the answer is about somebody else"));
    }
    let entry = explanation.entry.as_ref();
    if entry.is_some_and(|it| it.announcement.claimed().network_tag != network_tag) {
        return Err(AskError::new(FailKind::Protocol, "an announcement for another network"));
    }
    explanation.verify().map_err(|error| AskError::new(FailKind::Protocol, error))
}

fn check_discovered(bytes: &[u8], n_handed: u64) -> Result<DiscoverReport, AskError> {
    let report = DiscoverReport::decode(bytes)?;
    match report.total() {
        Some(total) if total == n_handed => Ok(report),
        _ => Err(AskError::new(FailKind::Protocol, "the counts of the report don't add up")),
    }
}

fn check_blob(bytes: &[u8], key: &BlobKey) -> Result<NamedBlob, AskError> {
    let blob = NamedBlob::decode(bytes)?;
    let is_asked_for = match key {
        BlobKey::Name(name) => blob.name == *name,
        BlobKey::Hash(hash) => blob.hash == *hash,
    };
    if !is_asked_for {
        return Err(AskError::new(FailKind::Protocol, "the answer is about another blob"));
    }
    Ok(blob)
}

fn other_answer() -> AskError {
    AskError::new(FailKind::Protocol, "the answer is to another question")
}

fn ended_early() -> AskError {
    AskError::new(FailKind::Lost, "the peer ended its answer early")
}

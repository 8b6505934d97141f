//! The answer to a question, as it comes from a stream: read within bounds, and believed only where it
//! can be checked.

use id_proto::{
    About, MetaResponse, PeersPage, SignedAnnouncement, StatusReport, UnverifiedAnnouncement,
    WhoamiResponse, iroh_base::PublicKey, limits::MAX_RESPONSE_LEN,
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
}

/// The pages of a listing, and how many entries more are wanted.
#[derive(Debug)]
pub(crate) struct Pages<R> {
    answer: Answer<R>,
    n_left: usize,
}

impl<R: AsyncRead + Unpin> Pages<R> {
    pub(crate) fn new(answer: Answer<R>, max_entries: u32) -> Self {
        Self { answer, n_left: max_entries as usize }
    }

    /// The next page; `None` behind the last.
    pub(crate) async fn next(&mut self) -> Result<Option<PeersPage>, AskError> {
        if self.n_left == 0 {
            return Ok(None);
        }
        match self.answer.next().await?.ok_or_else(ended_early)? {
            MetaResponse::Peers(page) => self.take(page).map(Some),
            _ => Err(other_answer()),
        }
    }

    /// Takes of `page` what is still wanted. Every page but the last must hold something, so that
    /// there are never more pages than entries were asked for, and one.
    fn take(&mut self, page: PeersPage) -> Result<PeersPage, AskError> {
        let n_items = page.items().count();
        if n_items == 0 && page.more {
            return Err(AskError::new(FailKind::Protocol, "an empty page that isn't the last"));
        }
        let page = if n_items > self.n_left { cut(&page, self.n_left) } else { page };
        self.n_left = if page.more { self.n_left - n_items } else { 0 };
        Ok(page)
    }
}

/// The first `n` entries of `page`, as a last page.
fn cut(page: &PeersPage, n: usize) -> PeersPage {
    let mut kept = PeersPage::default();
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

fn other_answer() -> AskError {
    AskError::new(FailKind::Protocol, "the answer is to another question")
}

fn ended_early() -> AskError {
    AskError::new(FailKind::Lost, "the peer ended its answer early")
}

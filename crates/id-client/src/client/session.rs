//! One connection to one peer.

use std::{fmt, sync::Arc, time::Duration};

use futures::{Stream, TryFutureExt, stream};
use id_proto::{
    About, ListPeersRequest, MembershipProof, MetaRequest, MetaResponse, PeersPage,
    SignedAnnouncement, StatusReport, StatusRequest, UnverifiedAnnouncement, WhoamiRequest,
    WhoamiResponse, iroh_base::PublicKey, limits::MAX_RESPONSE_LEN,
};
use iroh::endpoint::{Connection, RecvStream};
use irpc::Request;
use irpc_iroh::IrohRemoteConnection;

use crate::{
    client::failure::{self, Stage},
    error::{AskError, FailKind},
    frame::read_frame,
    transport::{PathKind, Route},
};

/// An open connection to a peer. Several questions may be asked at the same time.
///
/// The connection is closed, with code 0, when the session, its clones and every stream that came
/// from it are gone, or at once by [`Session::close`].
///
/// Every question ends within the client's time-out; of a listing, every page.
#[derive(Clone)]
pub struct Session {
    open: Arc<OpenConnection>,
    proof: MembershipProof,
    first_route: Route,
    timeout: Duration,
}

/// Who a peer says it is; its signature and its id are checked.
#[derive(Debug, Clone)]
pub struct Whoami {
    /// Numbers of [`id_proto::version::ProtocolVersion`] that the peer speaks.
    pub protocol_versions: Vec<u16>,
    /// What it tells members of its network; `None` if it is private and we are no member.
    pub about: Option<About<SignedAnnouncement>>,
}

impl Session {
    pub(super) fn new(
        connection: Connection,
        proof: MembershipProof,
        timeout: Duration,
    ) -> Result<Self, AskError> {
        let open = OpenConnection(connection);
        let first_route =
            open.route().ok_or_else(|| AskError::new(FailKind::Lost, "no path is left"))?;
        Ok(Self { open: Arc::new(open), proof, first_route, timeout })
    }

    /// Who is at the other end.
    pub fn remote_id(&self) -> PublicKey {
        self.open.0.remote_id()
    }

    /// What carries the packets now, and how fast.
    pub fn route(&self) -> Route {
        self.open.route().unwrap_or(self.first_route)
    }

    /// Asks who answers. An answer about anybody but [`Session::remote_id`] is
    /// [`FailKind::Protocol`].
    pub fn whoami(
        &self,
    ) -> impl Future<Output = Result<Whoami, AskError>> + Send + 'static + use<> {
        let (session, proof) = (self.clone(), Some(self.proof));
        async move {
            match session.ask_one(MetaRequest::Whoami(WhoamiRequest { proof })).await? {
                MetaResponse::Whoami(response) => check_whoami(response, session.remote_id()),
                _ => Err(other_answer()),
            }
        }
    }

    /// Asks how the peer is doing.
    pub fn status(
        &self,
    ) -> impl Future<Output = Result<StatusReport, AskError>> + Send + 'static + use<> {
        let (session, proof) = (self.clone(), Some(self.proof));
        async move {
            match session.ask_one(MetaRequest::Status(StatusRequest { proof })).await? {
                MetaResponse::Status(report) => Ok(StatusReport::decode(&report)?),
                _ => Err(other_answer()),
            }
        }
    }

    /// Asks for at most `max_entries` of the peer's table: pages, with nothing in them checked.
    ///
    /// More entries than asked for are cut off. The stream ends after the last page or the first
    /// error; an answer that stops short of its last page ends in [`FailKind::Lost`].
    pub fn list_peers(
        &self,
        max_entries: u32,
    ) -> impl Stream<Item = Result<PeersPage, AskError>> + Send + 'static + use<> {
        let (session, proof) = (self.clone(), Some(self.proof));
        let ask = async move {
            let request = MetaRequest::ListPeers(ListPeersRequest { proof, max_entries });
            let answer = session.within(session.ask(request)).await?;
            let pages = Pages { session, answer, n_left: max_entries as usize };
            Ok(stream::try_unfold(pages, Pages::next))
        };
        ask.try_flatten_stream()
    }

    /// Closes the connection now; questions under way fail.
    pub fn close(self) {
        self.open.close();
    }

    /// A question with one response.
    async fn ask_one(&self, request: MetaRequest) -> Result<MetaResponse, AskError> {
        let answer = async { self.ask(request).await?.next().await };
        self.within(answer).await?.ok_or_else(ended_early)
    }

    async fn ask(&self, request: MetaRequest) -> Result<Answer, AskError> {
        let connection = IrohRemoteConnection::new(self.open.0.clone());
        let client = irpc::Client::<MetaRequest>::boxed(connection);
        let request_stream = client.request().await.map_err(|e| failure::of_request(&e))?;
        let Request::Remote(sender) = request_stream else {
            unreachable!("the client was made of a connection")
        };
        let sent = sender.write(request).await;
        // The sending half ends with the request when it is dropped.
        let (_send, recv) = sent.map_err(|e| failure::of_write(&e))?;
        Ok(Answer { recv, stage: Stage::Asking })
    }

    async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, AskError>>,
    ) -> Result<T, AskError> {
        super::within(self.timeout, answer).await
    }
}

/// Shows no proof.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("remote_id", &self.remote_id())
            .field("route", &self.route())
            .finish_non_exhaustive()
    }
}

/// A connection that closes when its last user is gone.
#[derive(Debug)]
struct OpenConnection(Connection);

impl OpenConnection {
    fn close(&self) {
        self.0.close(0_u32.into(), b"done");
    }

    fn route(&self) -> Option<Route> {
        let paths = self.0.paths();
        let selected = paths.iter().find(|path| path.is_selected());
        let path = selected.or_else(|| paths.iter().next())?;
        let kind = if path.is_relay() { PathKind::Relay } else { PathKind::Direct };
        Some(Route { path: kind, rtt: path.rtt() })
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.close();
    }
}

/// The responses to one request.
#[derive(Debug)]
struct Answer {
    recv: RecvStream,
    stage: Stage,
}

impl Answer {
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
}

/// The pages of a listing, and how many entries more are wanted.
#[derive(Debug)]
struct Pages {
    session: Session,
    answer: Answer,
    n_left: usize,
}

impl Pages {
    async fn next(mut self) -> Result<Option<(PeersPage, Self)>, AskError> {
        if self.n_left == 0 {
            return Ok(None);
        }
        let page = match self.session.within(self.answer.next()).await?.ok_or_else(ended_early)? {
            MetaResponse::Peers(page) => self.take(page)?,
            _ => return Err(other_answer()),
        };
        Ok(Some((page, self)))
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

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
    /// The stream ends after the last page or the first error; the pages before an error are as good
    /// as any. An answer that goes on behind the entries that were asked for ends in
    /// [`FailKind::TooLarge`], without those that are too many; one that stops short of its last page
    /// in [`FailKind::Lost`].
    pub fn list_peers(
        &self,
        max_entries: u32,
    ) -> impl Stream<Item = Result<PeersPage, AskError>> + Send + 'static + use<> {
        let (session, proof) = (self.clone(), Some(self.proof));
        let ask = async move {
            let request = MetaRequest::ListPeers(ListPeersRequest { proof, max_entries });
            let answer = session.within(session.ask(request)).await?;
            let pages = Pages { session, answer, rest: Rest::Wanted(max_entries as usize) };
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

/// The pages of a listing, and what is still to come.
#[derive(Debug)]
struct Pages {
    session: Session,
    answer: Answer,
    rest: Rest,
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

impl Pages {
    async fn next(mut self) -> Result<Option<(PeersPage, Self)>, AskError> {
        let n_left = match self.rest {
            Rest::Nothing => return Ok(None),
            Rest::TooMuch => return Err(too_many_entries()),
            Rest::Wanted(n) => n,
        };
        let page = match self.session.within(self.answer.next()).await?.ok_or_else(ended_early)? {
            MetaResponse::Peers(page) => page,
            _ => return Err(other_answer()),
        };
        let (page, rest) = take(page, n_left)?;
        self.rest = rest;
        Ok(Some((page, self)))
    }
}

/// Takes of `page` what was asked for, and says what is to follow. Every page but the last must hold
/// something, so that there are never more pages than entries were asked for, and one.
fn take(page: PeersPage, n_left: usize) -> Result<(PeersPage, Rest), AskError> {
    match page.items().count() {
        0 if page.more => {
            Err(AskError::new(FailKind::Protocol, "an empty page that isn't the last"))
        }
        0 => Ok((page, Rest::Nothing)),
        _ if n_left == 0 => Err(too_many_entries()),
        n if n > n_left => Ok((cut(&page, n_left), Rest::TooMuch)),
        n if page.more => Ok((page, Rest::Wanted(n_left - n))),
        _ => Ok((page, Rest::Nothing)),
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

fn too_many_entries() -> AskError {
    AskError::new(FailKind::TooLarge, "the peer named more than it was asked for")
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

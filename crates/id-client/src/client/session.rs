//! One connection to one peer.

use std::{fmt, iter, sync::Arc, time::Duration};

use futures::{
    Stream, StreamExt, TryFutureExt, TryStreamExt,
    stream::{self, BoxStream},
};
use id_proto::{
    About, DiscoverReport, DiscoverRequest, ExplainRequest, Explanation, IntroducersReport,
    IntroducersRequest, ListPeersRequest, MembershipProof, MetaRequest, NetworkTag, PeersPage,
    SignedAnnouncement, StatusReport, StatusRequest, WhoamiRequest,
    iroh_base::{PublicKey, TransportAddr},
};
use iroh::endpoint::{Connection, RecvStream};
use irpc::Request;
use irpc_iroh::IrohRemoteConnection;
use tokio::time::{Instant, sleep};

use crate::{
    client::{
        answer::{Answer, Pages},
        failure,
    },
    error::{AskError, FailKind},
    transport::Route,
};

/// How many requests that hand over announcements are under way at once. Origin: a guess; it hides the
/// round trips, and a node serves 16.
const HANDED_AT_ONCE: usize = 4;
/// When to ask a busy peer again. Origin: protocol.md.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// An open connection to a peer. Several questions may be asked at the same time.
///
/// The connection is closed, with code 0, when the session, its clones and every stream that came
/// from it are gone, or at once by [`Session::close`].
///
/// Every question ends within the client's time-out; of a listing, every page.
#[derive(Clone)]
pub struct Session {
    open: Arc<OpenConnection>,
    pub(super) proof: MembershipProof,
    network_tag: NetworkTag,
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
        network_tag: NetworkTag,
        timeout: Duration,
    ) -> Result<Self, AskError> {
        let open = OpenConnection(connection);
        let first_route =
            open.route().ok_or_else(|| AskError::new(FailKind::Lost, "no path is left"))?;
        Ok(Self { open: Arc::new(open), proof, network_tag, first_route, timeout })
    }

    /// Who is at the other end.
    pub fn remote_id(&self) -> PublicKey {
        self.open.0.remote_id()
    }

    /// What carries the packets now, and how fast.
    pub fn route(&self) -> Route {
        self.open.route().unwrap_or(self.first_route)
    }

    /// The addresses of the peer that packets come from and go to, as far as there are any now.
    pub fn paths(&self) -> Vec<TransportAddr> {
        self.open.0.paths().iter().map(|path| path.remote_addr().clone()).collect()
    }

    /// Asks who answers. An answer about anybody but [`Session::remote_id`] is
    /// [`FailKind::Protocol`].
    pub fn whoami(
        &self,
    ) -> impl Future<Output = Result<Whoami, AskError>> + Send + 'static + use<> {
        let (session, proof) = (self.clone(), Some(self.proof));
        async move {
            let request = MetaRequest::Whoami(WhoamiRequest { proof });
            let answer = async { session.ask(request).await?.whoami(session.remote_id()).await };
            session.within(answer).await
        }
    }

    /// Asks how the peer is doing.
    pub fn status(
        &self,
    ) -> impl Future<Output = Result<StatusReport, AskError>> + Send + 'static + use<> {
        let (session, proof) = (self.clone(), Some(self.proof));
        async move {
            let request = MetaRequest::Status(StatusRequest { proof });
            let answer = async { session.ask(request).await?.status().await };
            session.within(answer).await
        }
    }

    /// Asks who brought the peers that the peer knows. A node of before version 2 of the protocol
    /// doesn't know the question: [`FailKind::Unsupported`].
    pub fn introducers(
        &self,
    ) -> impl Future<Output = Result<IntroducersReport, AskError>> + Send + 'static + use<> {
        let (session, proof) = (self.clone(), Some(self.proof));
        async move {
            let request = MetaRequest::Introducers(IntroducersRequest { proof });
            let answer = async { session.ask(request).await?.introducers().await };
            session.within(answer).await
        }
    }

    /// Asks what the peer knows of `node_id`, and why. The announcement in the answer is
    /// `node_id`'s, for our network, and its signature is checked; an answer with another one is
    /// [`FailKind::Protocol`]. All else is the peer's word.
    ///
    /// A node of before version 2 of the protocol doesn't know the question:
    /// [`FailKind::Unsupported`].
    pub fn explain(
        &self,
        node_id: PublicKey,
    ) -> impl Future<Output = Result<Explanation<SignedAnnouncement>, AskError>> + Send + 'static + use<>
    {
        let session = self.clone();
        async move {
            let request = ExplainRequest::new(Some(session.proof), &node_id);
            let answer = async {
                let answer = session.ask(MetaRequest::Explain(request)).await?;
                answer.explanation(node_id, session.network_tag).await
            };
            session.within(answer).await
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
            let pages = Pages::new(answer, max_entries);
            Ok(stream::try_unfold((session, pages), next_page))
        };
        ask.try_flatten_stream()
    }

    /// Hands `announcements` to the peer, for it to take in whom it believes. It does so for its
    /// operators only: [`FailKind::NotOperator`].
    ///
    /// What came of them comes part by part, each as many as fit into one request, in their order. The
    /// stream ends after the last part or the first error. Of the parts behind an error some may
    /// have been taken in all the same. A peer that is busy is asked again, each second for as
    /// long as the client's time-out.
    ///
    /// A node of before version 3 of the protocol doesn't know the question:
    /// [`FailKind::Unsupported`].
    pub fn discover<I>(
        &self,
        announcements: I,
    ) -> impl Stream<Item = Result<DiscoverReport, AskError>> + Send + 'static + use<I>
    where
        I: IntoIterator<Item = SignedAnnouncement>,
        I::IntoIter: Send + 'static,
    {
        let session = self.clone();
        let requests = requests(self.proof, announcements.into_iter());
        let reports = stream::iter(requests).map(move |request| session.clone().hand_over(request));
        stream::try_unfold(reports.buffered(HANDED_AT_ONCE).boxed(), next_report)
    }

    /// Closes the connection now; questions under way fail.
    pub fn close(self) {
        self.open.close();
    }

    async fn hand_over(self, request: DiscoverRequest) -> Result<DiscoverReport, AskError> {
        let n_handed = request.items().count() as u64;
        let deadline = Instant::now() + self.timeout;
        loop {
            let request = MetaRequest::Discover(request.clone());
            let answer = async { self.ask(request).await?.discovered(n_handed).await };
            match self.within(answer).await {
                Err(AskError { kind: FailKind::Busy, .. })
                    if Instant::now() + BUSY_PAUSE < deadline =>
                {
                    sleep(BUSY_PAUSE).await;
                }
                answer => return answer,
            }
        }
    }

    pub(super) async fn ask(&self, request: MetaRequest) -> Result<Answer<RecvStream>, AskError> {
        let connection = IrohRemoteConnection::new(self.open.0.clone());
        let client = irpc::Client::<MetaRequest>::boxed(connection);
        let request_stream = client.request().await.map_err(|e| failure::of_request(&e))?;
        let Request::Remote(sender) = request_stream else {
            unreachable!("the client was made of a connection")
        };
        let sent = sender.write(request).await;
        // The sending half ends with the request when it is dropped.
        let (_send, recv) = sent.map_err(|e| failure::of_write(&e))?;
        Ok(Answer::new(recv))
    }

    pub(super) async fn within<T>(
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
        Route::of(&self.0)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.close();
    }
}

/// The requests that hand over all of `announcements`.
fn requests(
    proof: MembershipProof,
    announcements: impl Iterator<Item = SignedAnnouncement>,
) -> impl Iterator<Item = DiscoverRequest> {
    let mut rest = announcements.peekable();
    iter::from_fn(move || {
        rest.peek()?;
        let mut request = DiscoverRequest::new(Some(proof));
        while rest.next_if(|announcement| request.push(announcement)).is_some() {}
        Some(request)
    })
}

type Reports = BoxStream<'static, Result<DiscoverReport, AskError>>;

async fn next_report(mut reports: Reports) -> Result<Option<(DiscoverReport, Reports)>, AskError> {
    Ok(reports.try_next().await?.map(|report| (report, reports)))
}

type Asked = (Session, Pages<RecvStream, PeersPage>);

async fn next_page((session, mut pages): Asked) -> Result<Option<(PeersPage, Asked)>, AskError> {
    let page = session.within(pages.next()).await?;
    Ok(page.map(|page| (page, (session, pages))))
}

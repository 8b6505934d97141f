//! The driver: puts the state machine's questions to a transport, and reads the clocks.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{BoxStream, FuturesUnordered},
};
use id_proto::{Network, PeersPage, SignedAnnouncement, iroh_base::PublicKey};
use iroh::{Endpoint, EndpointAddr};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::{
    address_policy::AddressPolicy,
    checking::{CheckedPage, Checker},
    client::MAX_ENTRIES,
    clock,
    crawl::{
        dialler::Dialler,
        event::CrawlEvent,
        limits::Limits,
        past::{Answer, Past, Use},
        patience::Patience,
        report::{CrawlReport, CrawledPeer, StopReason},
        state::{Ask, CrawlState},
    },
    endpoints::Endpoints,
    error::{AskError, FailKind},
    transport::{Reply, Transport},
};

/// What to crawl, and how far.
///
/// ```no_run
/// # async fn crawl(endpoint: iroh::Endpoint, seeds: Vec<iroh::EndpointAddr>) {
/// use id_client::{Crawler, Limits};
///
/// let limits = Limits { max_depth: 2.into(), ..Limits::default() };
/// let report = Crawler::builder(endpoint).seeds(seeds).limits(limits).start().run().await;
/// println!("{} peers known", report.summary().known);
/// # }
/// ```
#[derive(Debug)]
pub struct Crawler {
    dialler: Dialler,
    seeds: Vec<EndpointAddr>,
    limits: Limits,
    network: Network,
    own_id: Option<PublicKey>,
    address_policy: Option<AddressPolicy>,
    past: Past,
    max_named: usize,
}

impl Crawler {
    /// A crawl of the public network, from `endpoint`. It neither asks nor lists the endpoint's own
    /// node, if it has one.
    pub fn builder(endpoint: Endpoint) -> Self {
        let own_id = endpoint.id();
        Self::new(Dialler::Endpoint(endpoint)).own_id(own_id)
    }

    /// The same, through `endpoints` that take turns, the first of them being the one whose node is left
    /// out: for networks of thousands.
    pub fn in_turns(endpoints: Arc<Endpoints>) -> Self {
        let own_id = endpoints.first().id();
        Self::new(Dialler::Endpoints(endpoints)).own_id(own_id)
    }

    /// A crawl that asks through `transport`.
    pub fn with_transport(transport: impl Transport) -> Self {
        Self::new(Dialler::Transport(Arc::new(transport)))
    }

    fn new(dialler: Dialler) -> Self {
        Self {
            dialler,
            seeds: Vec::new(),
            limits: Limits::default(),
            network: Network::public(),
            own_id: None,
            address_policy: None,
            past: Past::default(),
            max_named: 0,
        }
    }

    /// Adds those to begin with.
    pub fn seeds(mut self, seeds: impl IntoIterator<Item = EndpointAddr>) -> Self {
        self.seeds.extend(seeds);
        self
    }

    /// Bounds the crawl by `limits` instead of the default ones.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Crawls `network` instead of the public one. A transport of the caller's own has to know by
    /// itself how to prove membership.
    pub fn network(self, network: Network) -> Self {
        Self { network, ..self }
    }

    /// Neither asks nor lists `id`.
    pub fn own_id(self, id: PublicKey) -> Self {
        Self { own_id: Some(id), ..self }
    }

    /// Dials announced addresses by `policy`.
    ///
    /// By default, a crawl from an endpoint dials local addresses only in the places of that endpoint
    /// and of the seeds, as [`AddressPolicy`] says; one through a transport of the caller's own leaves
    /// that to the transport. Seeds are dialled where they were said to be in any case.
    pub fn address_policy(self, policy: AddressPolicy) -> Self {
        Self { address_policy: Some(policy), ..self }
    }

    /// Stands on what peers answered in the past, as each [`Use`] says.
    ///
    /// Nobody is known because of it alone: an answer counts when its peer's turn comes, because it is a
    /// seed or another one names it. So a crawl that stands on all answers of another one from the same
    /// seeds finds what that one found.
    pub fn past(self, past: Past) -> Self {
        Self { past, ..self }
    }

    /// Keeps what peers answer, as far as all answers together name no more than `max_named`: for
    /// [`Crawl::take_answer`]. By default nothing is kept. Each that is named takes 64 bytes.
    pub fn keep_answers(self, max_named: usize) -> Self {
        Self { max_named, ..self }
    }

    /// Starts the crawl's clock. The crawl itself goes on while [`Crawl::next`] is awaited.
    pub fn start(mut self) -> Crawl {
        let policy = self.address_policy.take();
        let policy = policy.unwrap_or_else(|| self.dialler.policy(&self.network, &self.seeds));
        let transport = self.dialler.into_transport(&self.network, &self.limits);
        let deadline = clock::deadline(self.limits.timeout);
        let Limits { ask_timeout, connect_timeout, .. } = self.limits;
        let tag = self.network.tag();
        let state = CrawlState::new(self.seeds, self.limits, tag, self.own_id);
        let state = state.address_policy(policy).keep_answers(self.max_named);
        Crawl {
            transport,
            events: state.stopped_by().map(CrawlEvent::LimitHit).into_iter().collect(),
            state,
            past: self.past,
            asking: FuturesUnordered::new(),
            started: Instant::now(),
            deadline,
            ask_timeout,
            connect_timeout,
            dialling: BTreeSet::new(),
            failed: BTreeMap::new(),
            checker: Checker::new(),
            patience: Patience::default(),
            last_step: Instant::now(),
            took: None,
        }
    }
}

/// A crawl under way. Nothing happens unless [`Crawl::next`] or [`Crawl::run`] is awaited; dropping
/// it hangs up on everybody who is being asked.
pub struct Crawl {
    state: CrawlState,
    past: Past,
    transport: Arc<dyn Transport>,
    /// One future for each peer that is being asked: the next step of its answer.
    asking: FuturesUnordered<BoxFuture<'static, Step>>,
    /// What happened and wasn't told yet: at most a page's worth, or what one answer of the past brings
    /// that wasn't known, as nothing is read before; and one event for each peer.
    events: VecDeque<CrawlEvent>,
    started: Instant,
    deadline: Instant,
    ask_timeout: Duration,
    connect_timeout: Duration,
    /// Who is being asked, isn't reached yet, and holds a place of those who are asked at the same time.
    dialling: BTreeSet<(Instant, PublicKey)>,
    /// When those failed who are put off.
    failed: BTreeMap<PublicKey, Instant>,
    checker: Checker,
    patience: Patience,
    /// When somebody last did something.
    last_step: Instant,
    /// How long the crawl took, once it has ended.
    took: Option<Duration>,
}

impl Crawl {
    /// What happens next, or `None` when the crawl has ended.
    ///
    /// Cancel safe: a call that is dropped loses nothing, and the next one goes on from there. The
    /// crawl's deadline holds between the calls too, but is only noticed in one.
    pub async fn next(&mut self) -> Option<CrawlEvent> {
        loop {
            self.check_deadline();
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.state.is_done() {
                return None;
            }
            self.ask_more();
            if self.events.is_empty() {
                self.wait().await;
            }
        }
    }

    /// What is known of `peer` by now, as the report will say it. After [`CrawlEvent::Answered`] or
    /// [`CrawlEvent::Failed`] its status is final; others may still name it, or show newer news.
    pub fn peer(&self, peer: &PublicKey) -> Option<CrawledPeer> {
        self.state.peer(peer)
    }

    /// The newest announcement of `peer`'s that anyone showed so far.
    pub fn announcement(&self, peer: &PublicKey) -> Option<&SignedAnnouncement> {
        self.state.announcement(peer)
    }

    /// What `peer` answered, or gave before it failed, if answers are kept. Each is handed out once, after
    /// [`CrawlEvent::Answered`] or [`CrawlEvent::Failed`]; an answer of the past isn't.
    pub fn take_answer(&mut self, peer: &PublicKey) -> Option<Answer> {
        self.state.take_answer(peer)
    }

    /// Goes on to the end, and makes the report.
    pub async fn run(mut self) -> CrawlReport {
        while self.next().await.is_some() {}
        self.finish().await
    }

    /// Makes the report of what there is, at once. A crawl that hasn't ended is
    /// [`StopReason::Interrupted`].
    pub async fn finish(mut self) -> CrawlReport {
        self.check_deadline();
        let took = self.took.unwrap_or_else(|| self.started.elapsed());
        self.state.finish(took)
    }

    /// Notices that the crawl has ended: its time is up, or nobody is left to ask.
    fn check_deadline(&mut self) {
        if Instant::now() >= self.deadline {
            self.events.extend(self.state.stop(StopReason::Timeout));
        }
        if self.state.is_done() && self.took.is_none() {
            self.took = Some(self.started.elapsed());
            self.asking.clear();
        }
    }

    fn ask_more(&mut self) {
        while let Some(Ask { peer, depth, attempt }) = self.state.poll() {
            if attempt > 1 {
                self.ask_again(peer);
                continue;
            }
            if let Some((_, Use::InsteadOfAsking)) = self.past.answer(&peer.id) {
                let step = Step::Recalled(peer.id);
                self.asking.push(Box::pin(std::future::ready(step)));
                continue;
            }
            self.events.push_back(CrawlEvent::Dialing { peer: peer.id, depth });
            self.ask(peer, self.connect_timeout);
        }
        let undialled = self.state.undialled();
        self.events.extend(undialled);
    }

    /// Asks somebody who was put off, not too soon. Whoever has to wait for that is in nobody's way.
    fn ask_again(&mut self, peer: EndpointAddr) {
        self.events.push_back(CrawlEvent::AskedAgain { peer: peer.id });
        let connect_timeout = self.connect_timeout.min(CONNECT_AGAIN);
        let failed = self.failed.remove(&peer.id);
        let rest = failed.map_or(Duration::ZERO, |at| AGAIN_AFTER.saturating_sub(at.elapsed()));
        if rest.is_zero() {
            return self.ask(peer, connect_timeout);
        }
        self.state.on_slow(peer.id);
        let step = sleep(rest).map(move |()| Step::Rested { peer, connect_timeout });
        self.asking.push(Box::pin(step));
    }

    fn ask(&mut self, peer: EndpointAddr, connect_timeout: Duration) {
        let question = Question {
            peer: peer.id,
            replies: self.transport.list_peers(peer, MAX_ENTRIES),
            started: Instant::now(),
            is_reached: false,
            connected_by: clock::deadline(connect_timeout.min(self.ask_timeout)),
            deadline: clock::deadline(self.ask_timeout),
        };
        self.dialling.insert((question.started, question.peer));
        self.asking.push(Box::pin(question.step()));
    }

    /// Waits for the next step of any answer, or for the deadline; not for ever for those who may be gone.
    async fn wait(&mut self) {
        let patient_until = self.patient_until();
        tokio::select! {
            biased;
            () = sleep_until(self.deadline) => {}
            Some(step) = self.asking.next() => {
                self.last_step = Instant::now();
                let is_long = step.is_page();
                self.take(step);
                // A page takes milliseconds to check; others on this thread want to run too.
                if is_long {
                    tokio::task::yield_now().await;
                }
            }
            () = sleep_until(patient_until.unwrap_or(self.deadline)) => self.lose_patience(),
        }
    }

    /// Until when nothing is done about those who aren't reached: as long as others keep the crawl busy, more at
    /// a time would only make all slower.
    fn patient_until(&self) -> Option<Instant> {
        let (longest, _) = self.dialling.first()?;
        Some((*longest + self.patience.get()).max(self.last_step + IDLE))
    }

    /// Gives the places of those who weren't reached soon to others.
    fn lose_patience(&mut self) {
        let soon = self.patience.get();
        while let Some((started, peer)) = self.dialling.first().copied()
            && started.elapsed() >= soon
        {
            self.dialling.pop_first();
            self.state.on_slow(peer);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Told { question, reply } => self.take_reply(question, reply),
            Step::Checked { question, page } => self.take_checked(question, page),
            Step::Recalled(peer) => self.recall(peer, None),
            Step::Rested { peer, connect_timeout } => self.ask(peer, connect_timeout),
        }
    }

    fn take_reply(&mut self, mut question: Question, reply: Option<Result<Reply, AskError>>) {
        let from = question.peer;
        self.dialling.remove(&(question.started, from));
        match reply {
            Some(Ok(Reply::Connected(route))) => {
                question.is_reached = true;
                self.patience.reached_after(question.started.elapsed());
                self.state.on_connected(from, route);
                self.go_on(question);
            }
            Some(Ok(Reply::Paths(addrs))) => {
                self.state.on_paths(from, addrs);
                self.go_on(question);
            }
            Some(Ok(Reply::Page(page))) => self.check(question, page),
            Some(Err(error)) => self.recall(from, Some(error)),
            None => self.events.extend(self.state.on_done(from, Ok(()))),
        }
    }

    /// Has a page checked: here, or on other threads if it is a long one with news.
    fn check(&mut self, question: Question, page: PeersPage) {
        let now = clock::unix_secs();
        if page.items().nth(FEW).is_none() {
            self.events.extend(self.state.on_page(question.peer, &page, now));
            return self.go_on(question);
        }
        let page = self.state.look_at(page, now);
        if page.n_news() <= FEW {
            return self.take_checked(question, page.check());
        }
        let checked = self.checker.clone().run(|| page.check());
        self.asking.push(Box::pin(checked.map(|page| Step::Checked { question, page })));
    }

    fn take_checked(&mut self, question: Question, page: CheckedPage) {
        self.events.extend(self.state.on_checked_page(question.peer, page));
        self.go_on(question);
    }

    fn go_on(&mut self, question: Question) {
        if self.state.is_asking(&question.peer) {
            self.asking.push(Box::pin(question.step()));
        }
    }

    /// Takes what `peer` answered in the past, if it did, for what it doesn't now.
    fn recall(&mut self, peer: PublicKey, failed: Option<AskError>) {
        let now = clock::unix_secs();
        let events = self.state.on_recalled(peer, &self.past, now, failed);
        if let [CrawlEvent::PutOff { peer, .. }] = events[..] {
            self.failed.insert(peer, Instant::now());
        }
        self.events.extend(events);
    }
}

/// A peer that is being asked.
struct Question {
    peer: PublicKey,
    replies: BoxStream<'static, Result<Reply, AskError>>,
    started: Instant,
    is_reached: bool,
    connected_by: Instant,
    deadline: Instant,
}

enum Step {
    /// What a peer did next, `None` at the end of its answer; and the question, to be gone on with.
    Told { question: Question, reply: Option<Result<Reply, AskError>> },
    /// A page of its answer was checked.
    Checked { question: Question, page: CheckedPage },
    /// A peer that was put off may be asked again.
    Rested { peer: EndpointAddr, connect_timeout: Duration },
    /// A peer isn't asked, because of what it answered in the past.
    Recalled(PublicKey),
}

impl Step {
    fn is_page(&self) -> bool {
        matches!(self, Self::Checked { .. } | Self::Told { reply: Some(Ok(Reply::Page(_))), .. })
    }
}

impl Question {
    async fn step(mut self) -> Step {
        let timed_out = |why| Some(Err(AskError::new(FailKind::Timeout, why)));
        // `timeout_at` looks at its clock only when the stream has nothing; a flood always has.
        if Instant::now() >= self.deadline {
            return Step::Told { reply: timed_out("no answer in time"), question: self };
        }
        let (until, why) = match self.is_reached {
            true => (self.deadline, "no answer in time"),
            false => (self.connected_by, "not reached in time"),
        };
        let reply = timeout_at(until, self.replies.next()).await;
        Step::Told { reply: reply.unwrap_or_else(|_| timed_out(why)), question: self }
    }
}

/// How many entries are checked at once, without another thread. Origin: two milliseconds, if all
/// are new; and most nodes know fewer peers.
const FEW: usize = 32;

/// How long a crawl may have nothing to do before it loses patience. Origin: answers come every millisecond or two
/// when sixteen peers are asked at the same time.
const IDLE: Duration = Duration::from_millis(10);

/// How long a peer that was put off is left alone at least. Origin: nodes let a caller list their table once a second.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long it may take to reach a peer again, of [`Limits::connect_timeout`]. It was there a moment ago: who has died
/// since shouldn't hold up the end of a crawl. Origin: QUIC sends its first packet again after one second.
const CONNECT_AGAIN: Duration = Duration::from_secs(2);

//! One connection to a peer: reads frames from it, and writes frames to it, each at the peer's pace.

use std::{future::Future, pin::pin, time::Duration};

use iroh::endpoint::{Connection, ReadExactError, RecvStream, SendStream, VarInt, WriteError};
use iroh_gossip::TopicId;
use tokio::{
    sync::mpsc,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep_until, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::wire::{self, Heard, MAX_FRAME};

/// Most frames that wait for a peer; further ones are not sent to it. Origin: a burst of a second, and
/// half a megabyte of our own messages.
const MAX_WAITING: usize = 512;
/// How often to look whether a peer takes what it is sent.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How often a frame may be seen stuck, at [`LOOK_INTERVAL`]: 3 s. Counted, so that a process that was
/// stopped for a while blames nobody. Origin: a guess; on a bad path something leaves every second or two.
const MAX_LOOKS_STUCK: u32 = 6;
/// How often a peer may be seen silent and still be there, at [`LOOK_INTERVAL`]: 7 s. Whoever is silent
/// longer doesn't stall but is gone, which QUIC notices. Origin: iroh's keep-alives come every 5 s.
const MAX_LOOKS_SILENT: u32 = 14;
/// Most messages of one peer, a second, on the average; more are read later. Origin: a guess; four times
/// what the loudest flood of the adversary's makes an honest neighbour say.
const MAX_RATE: u32 = 4000;
/// How long a peer has to take our last frames, and to say its own last words. Origin: iroh-gossip's.
const LINGER: Duration = Duration::from_secs(5);
/// How long after refusing a stream a peer that leaves may take to close. Origin: a guess.
const LEAVES_WITHIN: Duration = Duration::from_millis(1500);
/// How long what a peer sent before it was gone may be on its way, of that. Origin: a guess; a few packets at most, and
/// a round trip by satellite.
const LAST_WORDS: Duration = Duration::from_millis(700);

/// What is known of a link by its number.
#[derive(Debug)]
pub(super) enum LinkEvent {
    Heard(Heard),
    /// Everything that there was for the peer was taken.
    Flushed,
    Ended(End),
}

/// Why a link has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Either side has closed it, or the path is gone.
    Closed,
    /// The peer takes nothing, or says that it won't.
    Stalled,
    /// The peer sent a frame that no well-behaved member can have written.
    Poisoned,
    /// The peer sent something that can't be read.
    Malformed,
    /// The peer is kept out, for now or by our operator.
    Refused,
}

impl End {
    /// What the peer is told. Origin of the number: `busy` of id/meta/1.
    pub(super) fn close(self, connection: &Connection) {
        let (code, reason): (u32, &[u8]) = match self {
            Self::Closed => (0, b"done"),
            Self::Stalled => (5, b"stalled"),
            Self::Poisoned => (5, b"poisoned"),
            Self::Malformed => (5, b"malformed"),
            Self::Refused => (5, b"refused"),
        };
        connection.close(VarInt::from_u32(code), reason);
    }
}

/// An open link. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct Link {
    queue: Option<mpsc::Sender<Vec<u8>>>,
    connection: Connection,
    _task: AbortOnDropHandle<()>,
}

/// Where the events of a link go: its number, and what there is.
pub(super) type Events = mpsc::Sender<(u64, LinkEvent)>;

impl Link {
    pub(super) fn open(
        number: u64,
        connection: Connection,
        topic: TopicId,
        events: Events,
    ) -> Self {
        let (sender, queue) = mpsc::channel(MAX_WAITING);
        let task = run(number, connection.clone(), topic, queue, events);
        let _task = AbortOnDropHandle::new(tokio::spawn(task));
        Self { queue: Some(sender), connection, _task }
    }

    /// Whether there can be more frames.
    pub(super) fn takes_frames(&self) -> bool {
        self.queue.is_some()
    }

    /// Queues a frame. Never waits: whoever doesn't keep up misses it, and then this is true.
    pub(super) fn overflows(&self, frame: Vec<u8>) -> bool {
        let queued = self.queue.as_ref().map(|queue| queue.try_send(frame));
        matches!(queued, Some(Err(mpsc::error::TrySendError::Full(_))))
    }

    /// There will be no more frames: it ends soon after the last one was taken.
    pub(super) fn finish(&mut self) {
        self.queue = None;
    }

    pub(super) fn close(&self, end: End) {
        end.close(&self.connection);
    }
}

async fn run(
    number: u64,
    connection: Connection,
    topic: TopicId,
    queue: mpsc::Receiver<Vec<u8>>,
    events: Events,
) {
    let reader = Reader { number, topic, events: events.clone(), pace: Pace::new() };
    let writer = Writer { topic, stream: None, queue, pulse: Pulse::new(connection.clone()) };
    let mut reading = pin!(reader.run(connection.clone()));
    let end = tokio::select! {
        end = &mut reading => end,
        written = writer.run() => match written {
            Err(end) => end,
            Ok(()) => {
                let _ = events.send((number, LinkEvent::Flushed)).await;
                timeout(LINGER, reading).await.unwrap_or(End::Closed)
            }
        },
    };
    end.close(&connection);
    let _ = events.send((number, LinkEvent::Ended(end))).await;
}

struct Reader {
    number: u64,
    topic: TopicId,
    events: Events,
    pace: Pace,
}

impl Reader {
    /// Reads one stream after the other, as iroh-gossip makes them, until the link has to end.
    async fn run(mut self, connection: Connection) -> End {
        loop {
            let Ok(mut stream) = connection.accept_uni().await else { return End::Closed };
            if let Err(end) = self.read(&mut stream).await {
                return end;
            }
        }
    }

    async fn read(&mut self, stream: &mut RecvStream) -> Result<(), End> {
        match read_frame(stream).await? {
            Some(header) if header == self.topic.as_bytes() => {}
            Some(_) => return Err(End::Malformed),
            None => return Ok(()),
        }
        while let Some(frame) = read_frame(stream).await? {
            let (heard, cost) = wire::judge(self.topic, &frame).map_err(|_| End::Malformed)?;
            let event = (self.number, LinkEvent::Heard(heard));
            self.events.send(event).await.map_err(|_| End::Closed)?;
            self.pace.spend(cost).await;
        }
        Ok(())
    }
}

/// The next frame, or none at the end of the stream.
async fn read_frame(stream: &mut RecvStream) -> Result<Option<Vec<u8>>, End> {
    let mut len = [0; 4];
    match stream.read_exact(&mut len).await {
        Ok(()) => {}
        Err(ReadExactError::FinishedEarly(_)) => return Ok(None),
        Err(ReadExactError::ReadError(_)) => return Err(End::Closed),
    }
    let len = u32::from_be_bytes(len) as usize;
    if len > MAX_FRAME {
        return Err(End::Poisoned);
    }
    let mut frame = vec![0; len];
    stream.read_exact(&mut frame).await.map_err(|_| End::Closed)?;
    Ok(Some(frame))
}

/// Keeps the average at [`MAX_RATE`], with a second's worth at once.
struct Pace {
    paid: Instant,
}

impl Pace {
    fn new() -> Self {
        Self { paid: Instant::now() }
    }

    async fn spend(&mut self, cost: u32) {
        self.paid = self.paid.max(Instant::now()) + Duration::from_secs(cost.into()) / MAX_RATE;
        sleep_until(self.paid - Duration::from_secs(1)).await;
    }
}

struct Writer {
    topic: TopicId,
    stream: Option<SendStream>,
    queue: mpsc::Receiver<Vec<u8>>,
    pulse: Pulse,
}

impl Writer {
    /// Writes whatever is queued, until there will be no more and the peer has taken it.
    async fn run(mut self) -> Result<(), End> {
        while let Some(frame) = self.pulse.during(self.queue.recv()).await {
            self.write(&frame).await?;
            if wire::is_last(&frame) {
                self.finish().await;
            }
        }
        self.finish().await;
        Ok(())
    }

    async fn write(&mut self, frame: &[u8]) -> Result<(), End> {
        let connection = self.pulse.connection.clone();
        if self.stream.is_none() {
            let opened = self.pulse.unless_stuck(connection.open_uni()).await?;
            let stream = self.stream.insert(opened.map_err(|_| End::Closed)?);
            let header = framed(self.topic.as_bytes());
            give(&mut self.pulse, stream, &header).await?;
        }
        let Some(stream) = &mut self.stream else { return Ok(()) };
        give(&mut self.pulse, stream, &framed(frame)).await
    }

    /// Ends the stream, and waits until the peer has all of it, or ought to.
    async fn finish(&mut self) {
        if let Some(mut stream) = self.stream.take()
            && stream.finish().is_ok()
        {
            let _ = timeout(LINGER, stream.stopped()).await;
        }
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let len = message.len() as u32;
    [&len.to_be_bytes(), message].concat()
}

async fn give(pulse: &mut Pulse, stream: &mut SendStream, bytes: &[u8]) -> Result<(), End> {
    match pulse.unless_stuck(stream.write_all(bytes)).await? {
        Ok(()) => Ok(()),
        Err(WriteError::Stopped(_)) => Err(refused(&pulse.connection, stream).await),
        Err(_) => Err(End::Closed),
    }
}

/// What it means that a peer refuses a stream. Whoever leaves does so a moment before it closes; and whoever
/// is killed in that moment, or told twice to stop, is gone without, and may be back already.
async fn refused(connection: &Connection, stream: &mut SendStream) -> End {
    if timeout(LAST_WORDS, connection.closed()).await.is_ok() {
        return End::Closed;
    }
    let n_heard = connection.stats().udp_rx.datagrams;
    // Whoever is there acknowledges this.
    let _ = stream.reset(VarInt::from_u32(0));
    match timeout(LEAVES_WITHIN - LAST_WORDS, connection.closed()).await {
        Err(_) if connection.stats().udp_rx.datagrams > n_heard => End::Stalled,
        _ => End::Closed,
    }
}

/// Whether the peer is heard, on whatever stream, if only by its acknowledgements.
struct Pulse {
    connection: Connection,
    looks: Interval,
    n_datagrams: u64,
    n_looks_silent: u32,
}

impl Pulse {
    fn new(connection: Connection) -> Self {
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { connection, looks, n_datagrams: 0, n_looks_silent: 0 }
    }

    async fn look(&mut self) {
        self.looks.tick().await;
        let n_datagrams = self.connection.stats().udp_rx.datagrams;
        let is_heard = n_datagrams != self.n_datagrams;
        self.n_datagrams = n_datagrams;
        self.n_looks_silent = if is_heard { 0 } else { self.n_looks_silent + 1 };
    }

    /// Goes on looking while `future` takes its time.
    async fn during<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            tokio::select! {
                done = &mut future => return done,
                () = self.look() => {}
            }
        }
    }

    /// Gives `future` up if the peer is there and still takes nothing.
    async fn unless_stuck<T>(&mut self, future: impl Future<Output = T>) -> Result<T, End> {
        let (mut future, mut n_looks) = (pin!(future), 0);
        loop {
            tokio::select! {
                biased;
                done = &mut future => return Ok(done),
                () = self.look() => n_looks += 1,
            }
            if n_looks > MAX_LOOKS_STUCK && self.n_looks_silent <= MAX_LOOKS_SILENT {
                return Err(End::Stalled);
            }
        }
    }
}

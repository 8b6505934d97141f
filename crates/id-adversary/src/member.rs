//! A neighbour in the gossip topic, without iroh-gossip's manners.

use std::time::Duration;

use anyhow::{Context, Result};
use iroh::endpoint::{Connection, RecvStream, SendStream};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    guard::Target,
    persona::Persona,
    stage::Stage,
    swarm_wire::{self, GOSSIP_ALPN},
};

/// How long a node may take what we send. Origin: a node that hangs is what some roles are after.
const SAY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait before joining again.
pub(crate) const REJOIN_AFTER: Duration = Duration::from_secs(1);

/// What a member does with what it is sent.
#[derive(Debug, Clone)]
pub(crate) enum Ears {
    /// Reads and forgets.
    Open,
    /// Reads, and passes on the contents as long as there is room.
    Recording(mpsc::Sender<Vec<u8>>),
    /// Never reads.
    Shut,
}

/// A neighbour of one node.
#[derive(Debug)]
pub(crate) struct Member {
    connection: Connection,
    send: SendStream,
    _listening: JoinSet<()>,
}

impl Member {
    /// Makes `persona` a neighbour of `target` in the topic of its network.
    pub(crate) async fn join(persona: &Persona, target: &Target, ears: Ears) -> Result<Self> {
        Self::join_topic(persona, target, ears, persona.stage.network.gossip_topic()).await
    }

    /// The same, in any topic.
    pub(crate) async fn join_topic(
        persona: &Persona,
        target: &Target,
        ears: Ears,
        topic: [u8; 32],
    ) -> Result<Self> {
        let connection = persona.dial(target, GOSSIP_ALPN).await?;
        let mut send = connection.open_uni().await?;
        send.write_all(&swarm_wire::frame(&swarm_wire::header(topic))).await?;
        send.write_all(&swarm_wire::frame(&swarm_wire::join(&persona.sockets()))).await?;
        let mut listening = JoinSet::new();
        listening.spawn(hear(persona.stage.clone(), connection.clone(), ears));
        Ok(Self { connection, send, _listening: listening })
    }

    /// Broadcasts `content`.
    pub(crate) async fn say(&mut self, content: &[u8]) -> Result<()> {
        self.send_bytes(&swarm_wire::frame(&swarm_wire::gossip(content, 0))).await
    }

    /// Sends bytes that needn't mean anything.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let sent = timeout(SAY_TIMEOUT, self.send.write_all(bytes)).await;
        Ok(sent.context("the node doesn't read")??)
    }

    /// Waits until the node hangs up.
    pub(crate) async fn closed(&self) {
        self.connection.closed().await;
    }
}

/// Joins `target` again and again, and does `act` each time for as long as that goes well.
pub(crate) async fn again_and_again(
    persona: &Persona,
    target: &Target,
    ears: Ears,
    mut act: impl AsyncFnMut(&mut Member) -> Result<()>,
) {
    let stage = &persona.stage;
    loop {
        let joined = Member::join(persona, target, ears.clone()).await;
        stage.tally(&joined, "joined", "joins_failed");
        if let Ok(mut member) = joined
            && let Err(error) = act(&mut member).await
        {
            stage.count("thrown_out", 1);
            stage.note("last_error", format!("{error:#}"));
        }
        sleep(REJOIN_AFTER).await;
    }
}

/// Treats a gossip connection, whoever opened it, as `ears` say; ends with it.
pub(crate) async fn hear(stage: std::sync::Arc<Stage>, connection: Connection, ears: Ears) {
    if matches!(ears, Ears::Shut) {
        connection.closed().await;
        return;
    }
    let mut reading = JoinSet::new();
    while let Ok(stream) = connection.accept_uni().await {
        reading.spawn(read(stage.clone(), stream, ears.clone()));
        while reading.try_join_next().is_some() {}
    }
}

async fn read(stage: std::sync::Arc<Stage>, mut stream: RecvStream, ears: Ears) {
    let Ok(Some(_header)) = swarm_wire::read_frame(&mut stream).await else {
        return;
    };
    while let Ok(Some(message)) = swarm_wire::read_frame(&mut stream).await {
        stage.count("messages_heard", 1);
        if let (Ears::Recording(heard), Some(content)) = (&ears, swarm_wire::content(&message)) {
            // More than there is room for isn't needed.
            let _ = heard.try_send(content.to_vec());
        }
    }
}

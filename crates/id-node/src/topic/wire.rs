//! The frames of iroh-gossip 0.101, judged before its state sees them, and measured before they leave.
//!
//! iroh-gossip's own network code reads frames that it can't write again. It reads 4096 bytes and writes
//! one less; and what it writes can be longer than what it read: a message one hop further on, a newcomer
//! who is introduced to others, the peers of two messages together in a third. Writing such a frame fails,
//! and it then sends nothing more to that neighbour, without a word. Here nothing gets in that would make
//! too long a frame on its way out.

use id_proto::{GossipMessage, iroh_base::PublicKey, limits::MAX_GOSSIP_LEN};
use iroh_gossip::{TopicId, proto};
use serde::{Deserialize, Serialize};

/// Longest frame that any member can have written, in bytes. Origin: iroh-gossip's `write_frame`.
pub(super) const MAX_FRAME: usize = proto::DEFAULT_MAX_MESSAGE_SIZE - 1;
/// Most bytes that say where a peer is; longer ones are left out. Origin: nine of the longest addresses
/// and a relay take 440, and eight peers with as much fit into a frame.
pub(super) const MAX_PLACES: usize = 440;
/// Most peers in a message; the rest is left out. Origin: iroh-gossip sends at most 8.
const MAX_NODES: usize = 8;
/// The hop after which a message is not sent on. Origin: iroh-gossip counts no further.
const LAST_ROUND: u16 = u16::MAX;
/// `Swarm`, `Disconnect`.
const DISCONNECT: [u8; 2] = [0, 5];
/// `Swarm`, `ShuffleReply`, no peers.
const SHUFFLE_REPLY_OF_NOBODY: [u8; 3] = [0, 3, 0];

pub(super) type Message = proto::Message<PublicKey>;

/// What a frame turned out to be.
#[derive(Debug)]
pub(super) enum Heard {
    /// For the state of gossip.
    Message(Box<Message>),
    /// A content that may be a statement, and whose it claims to be.
    Statement { message: Box<Message>, author: Option<[u8; 32]> },
    /// A message from somebody who asks to be a neighbour and can't be denied.
    Request(Box<Message>),
    /// A content that is none of ours: not sent on.
    TooLong(Vec<u8>),
    /// Nothing that anybody needs.
    Nothing,
}

/// A frame that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame that can't be read")]
pub(super) struct Malformed;

/// Judges a frame, and says what it costs, in messages.
pub(super) fn judge(topic: TopicId, frame: &[u8]) -> Result<(Heard, u32), Malformed> {
    let (wire, _) = postcard::take_from_bytes::<Wire<'_>>(frame).map_err(|_| Malformed)?;
    let cost = wire.cost();
    let heard = match wire {
        Wire::Gossip(Broadcast::Gossip { content, .. }) if content.len() > MAX_GOSSIP_LEN => {
            Heard::TooLong(content.to_vec())
        }
        Wire::Gossip(Broadcast::Gossip { scope: Scope::Swarm(LAST_ROUND), .. }) => Heard::Nothing,
        Wire::Gossip(Broadcast::Gossip { content, .. }) => {
            let author = GossipMessage::claimed_author(content);
            Heard::Statement { message: read(topic, frame)?, author }
        }
        Wire::Gossip(_) => Heard::Message(read(topic, frame)?),
        Wire::Swarm(swarm) => {
            let is_request = swarm.is_request();
            let bytes = postcard::to_stdvec(&Wire::Swarm(swarm.shortened()));
            let message = read(topic, &bytes.map_err(|_| Malformed)?)?;
            if is_request { Heard::Request(message) } else { Heard::Message(message) }
        }
    };
    Ok((heard, cost))
}

/// The real crate's message; it can only be made of bytes.
fn read(topic: TopicId, frame: &[u8]) -> Result<Box<Message>, Malformed> {
    let bytes = [topic.as_bytes(), frame].concat();
    postcard::from_bytes(&bytes).map(Box::new).map_err(|_| Malformed)
}

/// The frame of a message, without its length; none if it is longer than others read and write.
pub(super) fn write(message: &Message) -> Option<Vec<u8>> {
    let mut bytes = postcard::to_stdvec(message).ok()?;
    let frame = bytes.split_off(size_of::<TopicId>());
    (frame.len() <= MAX_FRAME).then_some(frame)
}

/// What a neighbour is told that is one no more: `Disconnect` by somebody who lives.
pub(super) const GOODBYE: [u8; 4] = [0, 5, 1, 0];

/// What a neighbour says that leaves and lives.
pub(super) fn goodbye(topic: TopicId) -> Option<Box<Message>> {
    read(topic, &GOODBYE).ok()
}

/// A message that says nothing: a `ShuffleReply` that names nobody.
pub(super) fn nothing(topic: TopicId) -> Option<Box<Message>> {
    read(topic, &SHUFFLE_REPLY_OF_NOBODY).ok()
}

/// Whether `frame` is the last one of its stream.
pub(super) fn is_last(frame: &[u8]) -> bool {
    frame.starts_with(&DISCONNECT)
}

#[derive(Debug, Serialize, Deserialize)]
enum Wire<'a> {
    #[serde(borrow)]
    Swarm(Swarm<'a>),
    #[serde(borrow)]
    Gossip(Broadcast<'a>),
}

#[derive(Debug, Serialize, Deserialize)]
enum Swarm<'a> {
    Join(#[serde(borrow)] Places<'a>),
    ForwardJoin {
        #[serde(borrow)]
        node: Node<'a>,
        ttl: u16,
    },
    Shuffle {
        origin: [u8; 32],
        #[serde(borrow)]
        nodes: Vec<Node<'a>>,
        ttl: u16,
    },
    ShuffleReply(#[serde(borrow)] Vec<Node<'a>>),
    Neighbor {
        priority: Priority,
        #[serde(borrow)]
        places: Places<'a>,
    },
    Disconnect {
        alive: bool,
        respond: bool,
    },
}

/// Where a peer is, in words that only iroh-gossip's network code knows.
type Places<'a> = Option<&'a [u8]>;

#[derive(Debug, Serialize, Deserialize)]
struct Node<'a> {
    id: [u8; 32],
    #[serde(borrow)]
    places: Places<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Priority {
    High,
    Low,
}

#[derive(Debug, Serialize, Deserialize)]
enum Broadcast<'a> {
    Gossip { id: [u8; 32], content: &'a [u8], scope: Scope },
    Prune,
    Graft { id: Option<[u8; 32]>, round: u16 },
    IHave(Vec<([u8; 32], u16)>),
}

#[derive(Debug, Serialize, Deserialize)]
enum Scope {
    Swarm(u16),
    Neighbors,
}

impl Wire<'_> {
    fn cost(&self) -> u32 {
        let n_parts = match self {
            Self::Swarm(Swarm::Shuffle { nodes, .. } | Swarm::ShuffleReply(nodes)) => nodes.len(),
            Self::Gossip(Broadcast::IHave(ids)) => ids.len(),
            _ => 1,
        };
        n_parts.max(1) as u32
    }
}

impl Swarm<'_> {
    fn is_request(&self) -> bool {
        matches!(self, Self::Join(_) | Self::Neighbor { priority: Priority::High, .. })
    }

    /// The same, so short that whatever is made of it fits into a frame.
    fn shortened(mut self) -> Self {
        match &mut self {
            Self::Join(places) | Self::Neighbor { places, .. } => shorten(places),
            Self::ForwardJoin { node, .. } => shorten(&mut node.places),
            Self::Shuffle { nodes, .. } | Self::ShuffleReply(nodes) => {
                nodes.truncate(MAX_NODES);
                nodes.iter_mut().for_each(|node| shorten(&mut node.places));
            }
            Self::Disconnect { .. } => {}
        }
        self
    }
}

/// Gossip remembers even that a peer says nothing of its place, so that is left out as well.
fn shorten(places: &mut Places<'_>) {
    *places = places.filter(|places| (1..=MAX_PLACES).contains(&places.len()));
}

#[cfg(test)]
mod tests;

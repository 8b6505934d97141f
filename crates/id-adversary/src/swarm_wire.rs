//! iroh-gossip's framing, spoken by hand: so much of it as an adversary needs.
//!
//! By hand, because the real crate refuses to misbehave. A connection has one stream of one direction
//! for each topic and side: a header that names the topic, then messages, each behind its length as
//! four bytes, the highest first. A test compares every message with the real crate.

use std::{collections::BTreeSet, net::SocketAddr};

use anyhow::{Result, ensure};
use iroh::endpoint::RecvStream;
use serde::Serialize;
use serde_bytes::Bytes;

/// The ALPN of iroh-gossip 0.101.
pub(crate) const GOSSIP_ALPN: &[u8] = b"/iroh-gossip/1";

/// The length at which iroh-gossip 0.101 still reads a message, and no longer forwards it, in bytes.
pub(crate) const MAX_FRAME: usize = 4096;

/// Bytes of a message of the swarm around its content, if that is 128 bytes to 16 KiB long.
pub(crate) const OVERHEAD: usize = 1 + 1 + 32 + 2 + 1 + 1;

#[derive(Serialize)]
enum Message<'a> {
    Swarm(Swarm<'a>),
    Gossip(Gossip<'a>),
}

#[derive(Serialize)]
enum Swarm<'a> {
    Join(Option<&'a Bytes>),
}

#[derive(Serialize)]
enum Gossip<'a> {
    Gossip { id: [u8; 32], content: &'a Bytes, scope: Scope },
}

#[derive(Serialize)]
enum Scope {
    Swarm(u16),
}

/// What opens a stream.
pub(crate) fn header(topic: [u8; 32]) -> Vec<u8> {
    topic.to_vec()
}

/// Asks to be made a neighbour, which can't be refused, and says where we are.
pub(crate) fn join(sockets: &BTreeSet<SocketAddr>) -> Vec<u8> {
    let peer_data = encode(&(None::<String>, sockets));
    encode(&Message::Swarm(Swarm::Join(Some(Bytes::new(&peer_data)))))
}

/// A message to the whole swarm that has made `round` hops already.
pub(crate) fn gossip(content: &[u8], round: u16) -> Vec<u8> {
    let id = *blake3::hash(content).as_bytes();
    let content = Bytes::new(content);
    encode(&Message::Gossip(Gossip::Gossip { id, content, scope: Scope::Swarm(round) }))
}

/// A message behind its length.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let len = u32::try_from(message.len()).expect("a message is shorter than 4 GiB");
    [&len.to_be_bytes(), message].concat()
}

/// The content of a message, if it has any.
pub(crate) fn content(message: &[u8]) -> Option<&[u8]> {
    // Message::Gossip, Gossip::Gossip, the id, the content.
    let rest = message.strip_prefix(&[1, 0])?.get(32..)?;
    postcard::take_from_bytes::<&Bytes>(rest).ok().map(|(content, _)| &**content)
}

/// Reads a message, or `None` at the end of the stream.
pub(crate) async fn read_frame(stream: &mut RecvStream) -> Result<Option<Vec<u8>>> {
    let mut len = [0; 4];
    if stream.read_exact(&mut len).await.is_err() {
        return Ok(None);
    }
    let len = u32::from_be_bytes(len) as usize;
    ensure!(len <= MAX_FRAME, "a frame of {len} bytes");
    let mut message = vec![0; len];
    stream.read_exact(&mut message).await?;
    Ok(Some(message))
}

fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    postcard::to_stdvec(message).expect("encodes into memory")
}

#[cfg(test)]
mod tests {
    use iroh::PublicKey;
    use iroh_gossip::proto::topic;

    use super::*;

    /// The real crate reads our bytes, and would have written the same.
    fn is_real(message: &[u8]) -> topic::Message<PublicKey> {
        let real: topic::Message<PublicKey> = postcard::from_bytes(message).unwrap();
        assert_eq!(postcard::to_stdvec(&real).unwrap(), message);
        real
    }

    #[test]
    fn real_crate_has_the_same_alpn() {
        assert_eq!(GOSSIP_ALPN, iroh_gossip::net::GOSSIP_ALPN);
        assert_eq!(MAX_FRAME, iroh_gossip::proto::DEFAULT_MAX_MESSAGE_SIZE);
    }

    #[test]
    fn real_crate_understands_what_we_say() {
        let sockets = ["127.0.0.1:1", "[::1]:2"].map(|addr| addr.parse().unwrap()).into();
        assert!(format!("{:?}", is_real(&join(&sockets))).starts_with("Swarm(Join(Some("));
        assert!(format!("{:?}", is_real(&gossip(b"hello", 3))).contains("Swarm(Round(3))"));
    }

    #[test]
    fn content_is_found_where_the_real_crate_puts_it() {
        assert_eq!(content(&gossip(b"hello", 3)), Some(&b"hello"[..]));
        // A request to join has none.
        assert_eq!(content(&join(&BTreeSet::new())), None);
        assert_eq!(content(&gossip(b"hello", 3)[..20]), None);
    }

    #[test]
    fn longest_content_that_is_still_read_fills_the_frame() {
        assert_eq!(gossip(&[0; MAX_FRAME - OVERHEAD], 0).len(), MAX_FRAME);
    }
}

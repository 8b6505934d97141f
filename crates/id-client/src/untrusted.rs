//! Ways in for the bytes of an answer without a connection, for tests that feed arbitrary ones.
//!
//! Nothing here decides anything: what reads is what a [`crate::Session`] reads with.

use futures::{Stream, stream};
use id_proto::{
    DiscoverReport, Explanation, IntroducersReport, NetworkTag, PeersPage, SignedAnnouncement,
    StatusReport, iroh_base::PublicKey,
};
use tokio::io::AsyncRead;

use crate::{
    AskError, Whoami,
    client::answer::{Answer, Pages},
};

/// Reads the answer of `remote` to `Whoami`.
///
/// # Errors
///
/// As of [`crate::Session::whoami`].
pub async fn whoami(recv: impl AsyncRead + Unpin, remote: PublicKey) -> Result<Whoami, AskError> {
    Answer::new(recv).whoami(remote).await
}

/// Reads the answer to `Status`.
///
/// # Errors
///
/// As of [`crate::Session::status`].
pub async fn status(recv: impl AsyncRead + Unpin) -> Result<StatusReport, AskError> {
    Answer::new(recv).status().await
}

/// Reads the answer to `Introducers`.
///
/// # Errors
///
/// As of [`crate::Session::introducers`].
pub async fn introducers(recv: impl AsyncRead + Unpin) -> Result<IntroducersReport, AskError> {
    Answer::new(recv).introducers().await
}

/// Reads the answer to `Explain`, asked about `node_id` by a member of the network of `network_tag`.
///
/// # Errors
///
/// As of [`crate::Session::explain`].
pub async fn explanation(
    recv: impl AsyncRead + Unpin,
    node_id: PublicKey,
    network_tag: NetworkTag,
) -> Result<Explanation<SignedAnnouncement>, AskError> {
    Answer::new(recv).explanation(node_id, network_tag).await
}

/// Reads the answer to a `Discover` that handed over `n_handed` announcements.
///
/// # Errors
///
/// As of [`crate::Session::discover`].
pub async fn discovered(
    recv: impl AsyncRead + Unpin,
    n_handed: u64,
) -> Result<DiscoverReport, AskError> {
    Answer::new(recv).discovered(n_handed).await
}

/// Reads the answer to `ListPeers`; see [`crate::Session::list_peers`].
pub fn list_peers(
    recv: impl AsyncRead + Unpin,
    max_entries: u32,
) -> impl Stream<Item = Result<PeersPage, AskError>> {
    let pages = Pages::new(Answer::new(recv), max_entries);
    let next = async |mut pages: Pages<_>| Ok(pages.next().await?.map(|page| (page, pages)));
    stream::try_unfold(pages, next)
}

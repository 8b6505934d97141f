//! Ways in for the bytes of an answer without a connection, for tests that feed arbitrary ones.
//!
//! Nothing here decides anything: what reads is what a [`crate::Session`] reads with.

use futures::{Stream, stream};
use id_proto::{PeersPage, StatusReport, iroh_base::PublicKey};
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

/// Reads the answer to `ListPeers`; see [`crate::Session::list_peers`].
pub fn list_peers(
    recv: impl AsyncRead + Unpin,
    max_entries: u32,
) -> impl Stream<Item = Result<PeersPage, AskError>> {
    let pages = Pages::new(Answer::new(recv), max_entries);
    let next = async |mut pages: Pages<_>| Ok(pages.next().await?.map(|page| (page, pages)));
    stream::try_unfold(pages, next)
}

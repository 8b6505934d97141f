//! Ways in for the bytes of an answer without a connection, for tests that feed arbitrary ones.
//!
//! Nothing here decides anything: what reads is what a [`crate::Session`] reads with.

use futures::{Stream, stream};
use id_proto::{
    BlobKey, DiscoverReport, Explanation, IntroducersReport, NameChange, NamedBlob, NetworkTag,
    PeersPage, SignedAnnouncement, StatusReport, iroh_base::PublicKey,
};
use tokio::io::AsyncRead;

use crate::{
    AskError, Whoami,
    client::{
        answer::{Answer, Page, Pages},
        names,
    },
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

/// Reads the answer to `Get`; see [`crate::Session::get_name`].
///
/// # Errors
///
/// As of [`crate::Session::get_name`].
pub async fn blob(recv: impl AsyncRead + Unpin, key: &BlobKey) -> Result<NamedBlob, AskError> {
    Answer::new(recv).blob(key).await
}

/// Reads the answer to `Put`, `Delete`, `Rename` or `Copy`.
///
/// # Errors
///
/// As of [`crate::Session::delete_name`].
pub async fn change(recv: impl AsyncRead + Unpin) -> Result<NameChange, AskError> {
    Answer::new(recv).change().await
}

/// Reads the answer to `List` for all names; see [`crate::Session::list_names`].
pub fn list_names(
    recv: impl AsyncRead + Unpin,
    max_entries: u32,
) -> impl Stream<Item = Result<NamedBlob, AskError>> {
    names::listed(stream::try_unfold(Pages::new(Answer::new(recv), max_entries), next), None)
}

/// Reads the answer to `ListPeers`; see [`crate::Session::list_peers`].
pub fn list_peers(
    recv: impl AsyncRead + Unpin,
    max_entries: u32,
) -> impl Stream<Item = Result<PeersPage, AskError>> {
    stream::try_unfold(Pages::new(Answer::new(recv), max_entries), next)
}

async fn next<R, P>(mut pages: Pages<R, P>) -> Result<Option<(P, Pages<R, P>)>, AskError>
where
    R: AsyncRead + Unpin,
    P: Page,
{
    Ok(pages.next().await?.map(|page| (page, pages)))
}

//! Asking a peer about the names of its blobs. The blobs themselves are iroh-blobs' business.

use futures::{Stream, StreamExt, TryStreamExt, future, stream};
use id_proto::{
    BlobHash, BlobKey, BlobName, BlobsPage, CopyRequest, DecodeError, DeleteRequest, FindRequest,
    GetRequest, IfTaken, ListRequest, MetaRequest, NameChange, NamedBlob, PutRequest,
    RenameRequest,
};
use iroh::endpoint::RecvStream;

use crate::{
    client::{Session, answer::Pages},
    error::{AskError, FailKind},
};

/// A node of before version 4 of the protocol, or without a store of blobs, doesn't know these
/// questions: [`FailKind::Unsupported`]. Changes are for the node's writers, others get
/// [`FailKind::NotWriter`]. A change that was answered is on the node's disk, and survives its being
/// killed; one that ends in another error than a refusal (a time-out, a lost connection) may have
/// happened or not. Each can be asked for again without harm.
impl Session {
    /// Has `name` lead to the blob with this hash, which the peer must hold: [`FailKind::NoBlob`].
    /// If `name` leads to that blob already, nothing changes, and it is no error; if it leads to
    /// another one, `if_taken` says what happens: [`FailKind::NameTaken`]. [`FailKind::Full`] if the
    /// peer has no room for one more name, [`FailKind::Busy`] if it is just about to remove the blob,
    /// which then has to be sent again.
    pub fn put_name(
        &self,
        name: &BlobName,
        hash: BlobHash,
        if_taken: IfTaken,
    ) -> impl Future<Output = Result<NameChange, AskError>> + Send + 'static + use<> {
        let request = PutRequest::new(Some(self.proof), name, hash, if_taken);
        let change = self.change(MetaRequest::Put(request));
        async move {
            match change.await? {
                change if change.hash == hash => Ok(change),
                _ => Err(AskError::new(FailKind::Protocol, "the answer is about another blob")),
            }
        }
    }

    /// Asks for the blob that `key` calls: one of its names, its hash and its size.
    /// [`FailKind::NotFound`] if no name leads to such a blob.
    pub fn get_name(
        &self,
        key: &BlobKey,
    ) -> impl Future<Output = Result<NamedBlob, AskError>> + Send + 'static + use<> {
        let (session, key) = (self.clone(), key.clone());
        async move {
            let request = MetaRequest::Get(GetRequest::new(Some(session.proof), &key));
            let answer = async { session.ask(request).await?.blob(&key).await };
            session.within(answer).await
        }
    }

    /// Asks for at most `max_entries` names, from the first one behind `after`, in the order of their
    /// bytes. A name that comes or goes meanwhile may be listed or not.
    ///
    /// The stream ends after the last name or the first error; what came before an error is good, and
    /// whoever asks again can go on behind it. Every page ends within the client's time-out. Names
    /// out of order, or more than were asked for, break the protocol.
    pub fn list_names(
        &self,
        after: Option<&BlobName>,
        max_entries: u32,
    ) -> impl Stream<Item = Result<NamedBlob, AskError>> + Send + 'static + use<> {
        let request = ListRequest::new(Some(self.proof), after, max_entries);
        listed(self.pages(MetaRequest::List(request), max_entries), after.cloned())
    }

    /// Has the peer forget `name`: [`FailKind::NotFound`] if it has none such. What it led to is
    /// removed after a while if no other name leads there.
    pub fn delete_name(
        &self,
        name: &BlobName,
    ) -> impl Future<Output = Result<NameChange, AskError>> + Send + 'static + use<> {
        self.change(MetaRequest::Delete(DeleteRequest::new(Some(self.proof), name)))
    }

    /// Has `to` lead to where `from` leads, and `from` forgotten, at once:
    /// [`FailKind::NotFound`], [`FailKind::NameTaken`]. If they are the same name, nothing changes.
    pub fn rename_name(
        &self,
        from: &BlobName,
        to: &BlobName,
        if_taken: IfTaken,
    ) -> impl Future<Output = Result<NameChange, AskError>> + Send + 'static + use<> {
        let request = RenameRequest::new(Some(self.proof), from, to, if_taken);
        self.change(MetaRequest::Rename(request))
    }

    /// Has `to` lead to where `from` leads, too: [`FailKind::NotFound`], [`FailKind::NameTaken`],
    /// [`FailKind::Full`]. No blob is copied.
    pub fn copy_name(
        &self,
        from: &BlobName,
        to: &BlobName,
        if_taken: IfTaken,
    ) -> impl Future<Output = Result<NameChange, AskError>> + Send + 'static + use<> {
        let request = CopyRequest::new(Some(self.proof), from, to, if_taken);
        self.change(MetaRequest::Copy(request))
    }

    /// Asks for at most `max_entries` names with `query` in them, the best match first
    /// ([`id_proto::Match`]), then in the order of their bytes. The stream is like that of
    /// [`Session::list_names`].
    pub fn find_names(
        &self,
        query: &BlobName,
        max_entries: u32,
    ) -> impl Stream<Item = Result<NamedBlob, AskError>> + Send + 'static + use<> {
        let request = FindRequest::new(Some(self.proof), query, max_entries);
        blobs(self.pages(MetaRequest::Find(request), max_entries))
    }

    fn change(
        &self,
        request: MetaRequest,
    ) -> impl Future<Output = Result<NameChange, AskError>> + Send + 'static + use<> {
        let session = self.clone();
        async move {
            let answer = async { session.ask(request).await?.change().await };
            session.within(answer).await
        }
    }

    fn pages(
        &self,
        request: MetaRequest,
        max_entries: u32,
    ) -> impl Stream<Item = Result<BlobsPage, AskError>> + Send + 'static + use<> {
        let session = self.clone();
        let ask = async move {
            let answer = session.within(session.ask(request)).await?;
            let pages = Pages::new(answer, max_entries);
            Ok(stream::try_unfold((session, pages), next_page))
        };
        futures::TryFutureExt::try_flatten_stream(ask)
    }
}

type Asked = (Session, Pages<RecvStream, BlobsPage>);

async fn next_page((session, mut pages): Asked) -> Result<Option<(BlobsPage, Asked)>, AskError> {
    let page = session.within(pages.next()).await?;
    Ok(page.map(|page| (page, (session, pages))))
}

/// The names in `pages`, which must come in order, behind `after`.
pub(crate) fn listed(
    pages: impl Stream<Item = Result<BlobsPage, AskError>>,
    after: Option<BlobName>,
) -> impl Stream<Item = Result<NamedBlob, AskError>> {
    let in_order = |last: &mut Option<BlobName>, blob: Result<NamedBlob, AskError>| {
        let blob = blob.and_then(|blob| match last {
            Some(last) if *last >= blob.name => {
                Err(AskError::new(FailKind::Protocol, "the peer's names are out of order"))
            }
            _ => Ok(blob),
        });
        if let Ok(blob) = &blob {
            *last = Some(blob.name.clone());
        }
        future::ready(Some(blob))
    };
    until_error(blobs(pages).scan(after, in_order))
}

/// What is in `pages`. Items of later versions are left out.
fn blobs(
    pages: impl Stream<Item = Result<BlobsPage, AskError>>,
) -> impl Stream<Item = Result<NamedBlob, AskError>> {
    until_error(pages.map_ok(|page| stream::iter(read(&page))).try_flatten())
}

fn read(page: &BlobsPage) -> Vec<Result<NamedBlob, AskError>> {
    let items = page.items().map(|item| item.and_then(NamedBlob::decode));
    let known = items.filter(|item| !matches!(item, Err(DecodeError::UnknownVersion { .. })));
    known.map(|item| item.map_err(AskError::from)).collect()
}

/// The stream up to its first error, which is its last item.
fn until_error<T>(
    items: impl Stream<Item = Result<T, AskError>>,
) -> impl Stream<Item = Result<T, AskError>> {
    let until = |is_over: &mut bool, item: Result<T, AskError>| {
        let item = (!*is_over).then_some(item);
        *is_over |= matches!(item, Some(Err(_)));
        future::ready(item)
    };
    items.scan(false, until)
}

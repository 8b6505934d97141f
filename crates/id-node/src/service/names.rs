//! Answers to what is asked about the names of blobs.

use std::time::Instant;

use id_proto::{
    BlobKey, BlobName, BlobsPage, CopyRequest, DecodeError, DeleteRequest, ErrorCode, FindRequest,
    GetRequest, ListRequest, MembershipProof, MetaMessage, MetaResponse, NameChange, NamedBlob,
    PutRequest, RenameRequest, iroh_base::PublicKey,
};
use irpc::channel::{SendError, mpsc};

use super::{Answerer, Callers, no_blobs, not_a_member, send_page};
use crate::blobs::{Blobs, Change, Refusal, StoreError};

type Response = Result<MetaResponse, MetaResponse>;

impl Answerer {
    pub(super) async fn about_blobs(
        &self,
        caller: PublicKey,
        callers: &Callers,
        asked: MetaMessage,
    ) -> Result<(), SendError> {
        match asked {
            MetaMessage::Get(ask) => ask.tx.send(one(self.get(caller, &ask.inner).await)).await,
            MetaMessage::Put(ask) => ask.tx.send(one(self.put(caller, &ask.inner).await)).await,
            MetaMessage::Delete(ask) => {
                ask.tx.send(one(self.delete(caller, &ask.inner).await)).await
            }
            MetaMessage::Rename(ask) => {
                ask.tx.send(one(self.rename(caller, &ask.inner).await)).await
            }
            MetaMessage::Copy(ask) => ask.tx.send(one(self.copy(caller, &ask.inner).await)).await,
            MetaMessage::List(ask) => self.list(caller, callers, &ask.inner, ask.tx).await,
            MetaMessage::Find(ask) => self.find(caller, callers, &ask.inner, ask.tx).await,
            other => other.refuse(no_blobs()).await,
        }
    }

    /// The blobs, for a caller who may see them.
    fn readable(
        &self,
        caller: PublicKey,
        proof: Option<MembershipProof>,
    ) -> Result<&Blobs, MetaResponse> {
        if !self.admits(caller, proof) {
            return Err(not_a_member());
        }
        self.blobs.as_ref().ok_or_else(no_blobs)
    }

    /// The blobs, for a caller who may change their names.
    fn writable(
        &self,
        caller: PublicKey,
        proof: Option<MembershipProof>,
    ) -> Result<&Blobs, MetaResponse> {
        let blobs = self.readable(caller, proof)?;
        match self.access.is_writer(&caller) {
            true => Ok(blobs),
            false => Err(not_a_writer()),
        }
    }

    /// The names, for a caller who may have another listing now. Whoever may change them isn't held to
    /// the budget of strangers.
    fn listable(
        &self,
        caller: PublicKey,
        callers: &Callers,
        proof: Option<MembershipProof>,
    ) -> Result<&Blobs, MetaResponse> {
        let blobs = self.readable(caller, proof)?;
        let now = Instant::now();
        let pays = match self.access.is_writer(&caller) {
            true => callers.pays_for_handover(caller, now),
            false => callers.pays_for_list(caller, now),
        };
        if pays { Ok(blobs) } else { Err(self.too_many_listings()) }
    }

    async fn get(&self, caller: PublicKey, request: &GetRequest) -> Response {
        let blobs = self.readable(caller, request.proof)?;
        let key = request.key().map_err(malformed)?;
        match blobs.get(&key).await.map_err(refusal)? {
            Some(blob) => Ok(MetaResponse::Blob(blob.encode())),
            None => Err(not_found(&key)),
        }
    }

    async fn put(&self, caller: PublicKey, request: &PutRequest) -> Response {
        let blobs = self.writable(caller, request.proof)?;
        let name = request.name().map_err(malformed)?;
        changed(blobs.put(name, request.hash(), request.if_taken()).await)
    }

    async fn delete(&self, caller: PublicKey, request: &DeleteRequest) -> Response {
        let blobs = self.writable(caller, request.proof)?;
        let name = request.name().map_err(malformed)?;
        changed(blobs.change(Change::Delete { name }).await)
    }

    async fn rename(&self, caller: PublicKey, request: &RenameRequest) -> Response {
        let blobs = self.writable(caller, request.proof)?;
        let (from, to) = (request.from().map_err(malformed)?, request.to().map_err(malformed)?);
        let change = Change::Rename { from, to, if_taken: request.if_taken() };
        changed(blobs.change(change).await)
    }

    async fn copy(&self, caller: PublicKey, request: &CopyRequest) -> Response {
        let blobs = self.writable(caller, request.proof)?;
        let (from, to) = (request.from().map_err(malformed)?, request.to().map_err(malformed)?);
        let change = Change::Copy { from, to, if_taken: request.if_taken() };
        changed(blobs.change(change).await)
    }

    /// Page by page, as fast as the caller takes them. What changes meanwhile may be in it or not.
    async fn list(
        &self,
        caller: PublicKey,
        callers: &Callers,
        request: &ListRequest,
        tx: mpsc::Sender<MetaResponse>,
    ) -> Result<(), SendError> {
        let blobs = match self.listable(caller, callers, request.proof) {
            Ok(blobs) => blobs,
            Err(error) => return tx.send(error).await,
        };
        let after = match request.after() {
            Ok(after) => after,
            Err(error) => return tx.send(malformed(error)).await,
        };
        let mut pages = Pages::new(&tx, request.max_entries);
        let mut last: Option<BlobName> = after;
        while pages.n_left > 0 {
            let names = match blobs.list(last.as_ref()).await {
                Ok(names) => names,
                Err(error) => return tx.send(refusal(error)).await,
            };
            let Some(newest) = names.last() else { break };
            last = Some(newest.name.clone());
            pages.push_all(&names).await?;
        }
        pages.finish().await
    }

    async fn find(
        &self,
        caller: PublicKey,
        callers: &Callers,
        request: &FindRequest,
        tx: mpsc::Sender<MetaResponse>,
    ) -> Result<(), SendError> {
        let found = async {
            let blobs = self.listable(caller, callers, request.proof)?;
            let query = request.query().map_err(malformed)?;
            blobs.find(query, request.max_entries as usize).await.map_err(refusal)
        };
        let found = match found.await {
            Ok(found) => found,
            Err(error) => return tx.send(error).await,
        };
        let mut pages = Pages::new(&tx, request.max_entries);
        pages.push_all(&found).await?;
        pages.finish().await
    }
}

/// Names on their way, page by page.
struct Pages<'a> {
    tx: &'a mpsc::Sender<MetaResponse>,
    page: BlobsPage,
    n_left: usize,
}

impl<'a> Pages<'a> {
    fn new(tx: &'a mpsc::Sender<MetaResponse>, max_entries: u32) -> Self {
        Self { tx, page: BlobsPage::default(), n_left: max_entries as usize }
    }

    async fn push_all(&mut self, blobs: &[NamedBlob]) -> Result<(), SendError> {
        for blob in blobs.iter().take(self.n_left) {
            let item = blob.encode();
            if !self.page.push(&item) {
                self.send(true).await?;
                let fits = self.page.push(&item);
                debug_assert!(fits, "an empty page has room for any name");
            }
        }
        self.n_left -= blobs.len().min(self.n_left);
        Ok(())
    }

    async fn finish(mut self) -> Result<(), SendError> {
        self.send(false).await
    }

    async fn send(&mut self, more: bool) -> Result<(), SendError> {
        let mut page = std::mem::take(&mut self.page);
        page.more = more;
        send_page(self.tx, MetaResponse::Blobs(page)).await
    }
}

fn one(response: Response) -> MetaResponse {
    response.unwrap_or_else(|error| error)
}

fn changed(outcome: Result<NameChange, StoreError>) -> Response {
    outcome.map(|change| MetaResponse::Changed(change.encode())).map_err(refusal)
}

fn malformed(error: DecodeError) -> MetaResponse {
    MetaResponse::error(ErrorCode::Malformed, error)
}

fn not_found(key: &BlobKey) -> MetaResponse {
    let why = match key {
        BlobKey::Name(_) => "there is no such name here",
        BlobKey::Hash(_) => "no name here leads to that blob",
    };
    MetaResponse::error(ErrorCode::NotFound, why)
}

fn not_a_writer() -> MetaResponse {
    let why = "only the node's operators, and whom they allow to write, may change names here";
    MetaResponse::error(ErrorCode::NotWriter, why)
}

fn refusal(error: StoreError) -> MetaResponse {
    let (code, why) = match error {
        StoreError::Refused(Refusal::NotFound) => {
            (ErrorCode::NotFound, "there is no such name here")
        }
        StoreError::Refused(Refusal::NameTaken) => {
            (ErrorCode::NameTaken, "the name leads to another blob")
        }
        StoreError::Refused(Refusal::BeingRemoved) => {
            (ErrorCode::Busy, "the blob is being removed, because it had no name: send it again")
        }
        StoreError::Refused(Refusal::Full) => (ErrorCode::Full, "there are too many names"),
        StoreError::NoBlob => (ErrorCode::NoBlob, "the blob isn't here, or not all of it"),
        StoreError::TooMany => (ErrorCode::Full, "too many blobs were sent and not named"),
        StoreError::Failed => (ErrorCode::Internal, "the store of blobs failed"),
    };
    MetaResponse::error(code, why)
}

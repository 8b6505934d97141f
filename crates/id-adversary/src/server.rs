//! Answers what nodes and crawlers ask, as a role wants it answered.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::future::BoxFuture;
use id_proto::{
    About, ErrorCode, MetaRequest, MetaResponse, PeerEntry, PeersPage, SignedAnnouncement, Source,
    WhoamiResponse, limits::MAX_REQUEST_LEN, version::META_ALPN,
};
use iroh::endpoint::{Connection, RecvStream, SendStream};
use tokio::task::JoinSet;

use crate::{
    member::{Ears, hear},
    persona::Persona,
    statements::varint,
};

/// How a role answers `ListPeers`. `Whoami` is answered honestly, because that is what a liar does.
pub(crate) trait Answers: Send + Sync + 'static {
    /// Answers, or does anything else with the stream.
    fn list_peers<'a>(
        &'a self,
        host: &'a Persona,
        send: &'a mut SendStream,
    ) -> BoxFuture<'a, Result<()>>;
}

/// Serves as `host` until the set is dropped: queries by `answers`, gossip by `ears`.
pub(crate) fn serve(host: &Persona, answers: Arc<dyn Answers>, ears: Ears) -> JoinSet<()> {
    let mut serving = JoinSet::new();
    serving.spawn(accept(host.clone(), answers, ears));
    serving
}

async fn accept(host: Persona, answers: Arc<dyn Answers>, ears: Ears) {
    let mut connections = JoinSet::new();
    while let Some(incoming) = host.endpoint().accept().await {
        let (host, answers, ears) = (host.clone(), answers.clone(), ears.clone());
        connections.spawn(async move {
            if let Ok(connection) = incoming.await {
                attend(&host, connection, answers, ears).await;
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn attend(host: &Persona, connection: Connection, answers: Arc<dyn Answers>, ears: Ears) {
    if connection.alpn() != META_ALPN {
        host.stage.count("gossip_accepted", 1);
        return hear(host.stage.clone(), connection, ears).await;
    }
    host.stage.count("queries_accepted", 1);
    let mut requests = JoinSet::new();
    while let Ok((send, recv)) = connection.accept_bi().await {
        let (host, answers) = (host.clone(), answers.clone());
        requests.spawn(async move {
            let answered = answer(&host, send, recv, &*answers).await;
            host.stage.tally(&answered, "answers_taken", "answers_cut");
        });
    }
}

async fn answer(
    host: &Persona,
    mut send: SendStream,
    mut recv: RecvStream,
    answers: &dyn Answers,
) -> Result<()> {
    match read_request(&mut recv).await? {
        MetaRequest::Whoami(_) => {
            host.stage.count("asked_whoami", 1);
            write(&mut send, &whoami(host)).await?;
        }
        MetaRequest::ListPeers(_) => {
            host.stage.count("asked_list_peers", 1);
            answers.list_peers(host, &mut send).await?;
        }
        _ => {
            write(&mut send, &MetaResponse::error(ErrorCode::Internal, "not today")).await?;
        }
    }
    Ok(send.finish()?)
}

async fn read_request(recv: &mut RecvStream) -> Result<MetaRequest> {
    let mut len = 0;
    for shift in [0, 7] {
        let mut byte = [0];
        recv.read_exact(&mut byte).await?;
        len |= usize::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    ensure!(len <= MAX_REQUEST_LEN, "a request of {len} bytes");
    let mut bytes = vec![0; len];
    recv.read_exact(&mut bytes).await?;
    MetaRequest::decode(&bytes).context("no request")
}

fn whoami(host: &Persona) -> MetaResponse {
    let about = About {
        node_id: host.id(),
        agent: "id-node/0.1.0".to_owned(),
        network_tag: host.stage.network.tag(),
        features: vec!["gossip".to_owned()],
        table_size: 9,
        announcement: host.announcement(),
    };
    MetaResponse::Whoami(WhoamiResponse { protocol_versions: vec![1], about: Some(about.encode()) })
}

/// Writes a response as a frame.
pub(crate) async fn write(send: &mut SendStream, response: &MetaResponse) -> Result<()> {
    Ok(send.write_all(&frame(&response.encode())).await?)
}

/// Bytes behind their length.
pub(crate) fn frame(content: &[u8]) -> Vec<u8> {
    [varint(content.len() as u64, 1), content.to_vec()].concat()
}

/// An entry as an honest responder would tell it.
pub(crate) fn entry(announcement: SignedAnnouncement, source: Source) -> Vec<u8> {
    let age = Duration::from_millis(10);
    PeerEntry { announcement, age, source, verified_age: None }.encode()
}

/// Cuts items into pages and sends them. `Err` is a caller that has had enough.
pub(crate) async fn write_pages(
    send: &mut SendStream,
    items: impl Iterator<Item = Vec<u8>>,
) -> Result<u64> {
    let (mut page, mut n_sent) = (PeersPage::default(), 0);
    for item in items {
        if !page.push(&item) {
            page.more = true;
            write(send, &MetaResponse::Peers(std::mem::take(&mut page))).await?;
            let _ = page.push(&item);
            // An answer of a million items must not keep others waiting.
            tokio::task::yield_now().await;
        }
        n_sent += 1;
    }
    write(send, &MetaResponse::Peers(page)).await?;
    Ok(n_sent)
}

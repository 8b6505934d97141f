//! Asking about the names of blobs, over real connections.

mod server;

use std::time::Duration;

use futures::{Stream, StreamExt};
use id_client::{
    AskError, Client, FailKind, Session,
    id_proto::{
        BlobHash, BlobKey, BlobName, BlobsPage, ErrorCode, IfTaken, MetaResponse, NameChange,
        NamedBlob, Network,
    },
};
use server::{End, Script, Server, bind};

const PATIENCE: Duration = Duration::from_secs(10);
const HASH: BlobHash = BlobHash([7; 32]);

fn name(text: &str) -> BlobName {
    text.parse().unwrap()
}

fn named(text: &str) -> NamedBlob {
    NamedBlob { name: name(text), hash: HASH, size: 5 }
}

fn page(names: &[&str], more: bool) -> MetaResponse {
    let mut page = BlobsPage::default();
    names.iter().for_each(|text| assert!(page.push(&named(text).encode())));
    page.more = more;
    MetaResponse::Blobs(page)
}

/// What becomes of `ask` at a server that answers every request so.
async fn asked<T>(
    responses: impl IntoIterator<Item = MetaResponse>,
    ask: impl AsyncFnOnce(Session) -> T,
) -> T {
    let server = Server::scripted(Script::new(responses, End::Finish)).await;
    let outcome = asked_of(&server, ask).await;
    server.close().await;
    outcome
}

async fn asked_of<T>(server: &Server, ask: impl AsyncFnOnce(Session) -> T) -> T {
    let endpoint = bind(None).await;
    let client = Client::new(endpoint.clone()).with_timeout(PATIENCE);
    let outcome = ask(client.connect(server.addr()).await.expect("the server accepts")).await;
    endpoint.close().await;
    outcome
}

type Listed = (Vec<String>, Option<FailKind>);

async fn collect(names: impl Stream<Item = Result<NamedBlob, AskError>>) -> Listed {
    let listed: Vec<_> = names.collect().await;
    let failure = listed.iter().find_map(|name| name.as_ref().err().map(|error| error.kind));
    let names = listed.iter().flatten().map(|blob| blob.name.to_string());
    (names.collect(), failure)
}

async fn listed(
    responses: impl IntoIterator<Item = MetaResponse>,
    after: Option<&str>,
    max_entries: u32,
) -> Listed {
    let after = after.map(name);
    let list =
        async |session: Session| collect(session.list_names(after.as_ref(), max_entries)).await;
    asked(responses, list).await
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[tokio::test]
async fn names_come_page_by_page_in_their_order() {
    let pages = || [page(&["a", "b"], true), page(&["c"], false)];
    assert_eq!(listed(pages(), None, 10).await, (strings(&["a", "b", "c"]), None));
    let too_many = (strings(&["a"]), Some(FailKind::TooLarge));
    assert_eq!(listed(pages(), None, 1).await, too_many);
    let cut = (strings(&["a", "b"]), Some(FailKind::Lost));
    assert_eq!(listed([page(&["a", "b"], true)], None, 10).await, cut);
    assert_eq!(listed([page(&[], false)], None, 10).await, (vec![], None));
}

#[tokio::test]
async fn names_out_of_order_break_the_protocol_and_what_came_before_is_good() {
    let broken = |names: &[&str]| (strings(names), Some(FailKind::Protocol));
    assert_eq!(listed([page(&["a", "c", "b", "d"], false)], None, 10).await, broken(&["a", "c"]));
    assert_eq!(listed([page(&["a", "a"], false)], None, 10).await, broken(&["a"]));
    assert_eq!(listed([page(&["b", "c"], false)], Some("b"), 10).await, broken(&[]));
    assert_eq!(listed([page(&["c"], false)], Some("b"), 10).await, (strings(&["c"]), None));
}

#[tokio::test]
async fn a_name_of_a_later_version_is_left_out_alone() {
    let mut with_later = BlobsPage::default();
    for item in [&named("a").encode()[..], &[1, 2, 3], &named("b").encode()] {
        assert!(with_later.push(item));
    }
    let responses = [MetaResponse::Blobs(with_later)];
    assert_eq!(listed(responses, None, 10).await, (strings(&["a", "b"]), None));
}

#[tokio::test]
async fn what_is_found_comes_in_the_order_of_the_peer() {
    let query = name("b");
    let found = asked([page(&["b", "ba", "ab"], false)], async |session| {
        collect(session.find_names(&query, 10)).await
    });
    assert_eq!(found.await, (strings(&["b", "ba", "ab"]), None));
}

#[tokio::test]
async fn an_answer_about_another_blob_breaks_the_protocol() {
    let answers = || [MetaResponse::Blob(named("a").encode())];
    let get = async |key: BlobKey| {
        let blob = asked(answers(), async |session| session.get_name(&key).await).await;
        blob.map_err(|error| error.kind)
    };
    assert_eq!(get(BlobKey::Name(name("a"))).await, Ok(named("a")));
    assert_eq!(get(BlobKey::Hash(HASH)).await, Ok(named("a")));
    assert_eq!(get(BlobKey::Name(name("b"))).await, Err(FailKind::Protocol));
    assert_eq!(get(BlobKey::Hash(BlobHash([8; 32]))).await, Err(FailKind::Protocol));

    let change = NameChange { hash: HASH, size: 5, n_names: 1, replaced: None };
    let put = async |hash| {
        let answers = [MetaResponse::Changed(change.encode())];
        let put =
            async |session: Session| session.put_name(&name("a"), hash, IfTaken::Refuse).await;
        asked(answers, put).await.map_err(|error| error.kind)
    };
    assert_eq!(put(HASH).await, Ok(change.clone()));
    assert_eq!(put(BlobHash([8; 32])).await, Err(FailKind::Protocol));
}

#[tokio::test]
async fn each_refusal_is_an_error_of_its_own() {
    for (code, kind) in [
        (ErrorCode::NotWriter, FailKind::NotWriter),
        (ErrorCode::NotFound, FailKind::NotFound),
        (ErrorCode::NameTaken, FailKind::NameTaken),
        (ErrorCode::NoBlob, FailKind::NoBlob),
        (ErrorCode::Full, FailKind::Full),
    ] {
        let refused = asked([MetaResponse::error(code, "no")], async |session| {
            session.rename_name(&name("a"), &name("b"), IfTaken::Refuse).await
        });
        assert_eq!(refused.await.unwrap_err().kind, kind);
    }
}

#[tokio::test]
async fn a_node_of_version_1_doesnt_know_the_questions_and_lives_on() {
    let server = Server::honest(Network::public()).await;
    asked_of(&server, async |session| {
        let (a, b) = (name("a"), name("b"));
        let unsupported = |error: AskError| assert_eq!(error.kind, FailKind::Unsupported);
        unsupported(session.put_name(&a, HASH, IfTaken::Refuse).await.unwrap_err());
        unsupported(session.get_name(&BlobKey::Hash(HASH)).await.unwrap_err());
        unsupported(session.delete_name(&a).await.unwrap_err());
        unsupported(session.rename_name(&a, &b, IfTaken::Refuse).await.unwrap_err());
        unsupported(session.copy_name(&a, &b, IfTaken::Refuse).await.unwrap_err());
        let nothing = (vec![], Some(FailKind::Unsupported));
        assert_eq!(collect(session.list_names(None, 10)).await, nothing);
        assert_eq!(collect(session.find_names(&a, 10)).await, nothing);
        assert!(session.whoami().await.is_ok());
    })
    .await;
    server.close().await;
}

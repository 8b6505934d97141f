//! An outsider of a private network.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use clap::Args;
use id_proto::{
    BlobHash, BlobKey, BlobName, CopyRequest, DEFAULT_SECRET, DeleteRequest, DiscoverRequest,
    ExplainRequest, FindRequest, GetRequest, IfTaken, IntroducersRequest, ListPeersRequest,
    ListRequest, MembershipProof, MetaRequest, MetaResponse, Network, PutRequest, RenameRequest,
    StatusRequest, WhoamiRequest, limits::MAX_RESPONSE_LEN, version::META_ALPN,
};
use iroh::endpoint::Connection;
use tokio::time::{sleep, timeout};

use super::{Role, nth};
use crate::{
    guard::Target,
    member::{Ears, Member},
    persona::{Hearing, Persona},
    server::frame,
    stage::Stage,
};

/// How long to listen in a topic that may be the right one. Origin: a member hears of its new
/// neighbours within milliseconds.
const LISTEN: Duration = Duration::from_millis(500);
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Rest between two guesses: more than a query a second is refused for another reason.
const REST: Duration = Duration::from_millis(200);

/// Secrets that people choose.
const SECRETS: &[&str] =
    &[DEFAULT_SECRET, "", "secret", "password", "hunter2", "id", "topic", "123456", "changeme"];

/// An outsider of a private network: knows its topic's name and guesses the rest.
///
/// `--topic` is the name; what `--topic-secret` says isn't used. It joins the topics that the name and
/// bad secrets derive to, and asks nodes with no proof of membership and with wrong ones. `learned`
/// counts answers that told it anything: it must stay 0.
#[derive(Debug, Args)]
pub(crate) struct TopicGuesser {}

impl Role for TopicGuesser {
    const NAME: &'static str = "topic-guesser";

    async fn play(self, stage: Arc<Stage>) -> Result<()> {
        let outsider = stage.persona("outsider", 0, Hearing::Good).await?;
        stage.count("learned", 0);
        let name = stage.network.topic().to_owned();
        for n in 0_u64.. {
            let target = nth(&stage, n)?;
            let secret = SECRETS[(n % SECRETS.len() as u64) as usize];
            let topics = topics(&name, secret);
            for topic in topics {
                listen(&outsider, target, topic).await;
            }
            let proofs = proofs(&outsider, target, &name, secret);
            for proof in proofs {
                let asked = ask(&outsider, target, proof).await;
                stage.tally(&asked, "rounds_of_questions", "rounds_cut");
                sleep(REST).await;
            }
        }
        Ok(())
    }
}

/// What might be the gossip topic.
fn topics(name: &str, secret: &str) -> Vec<[u8; 32]> {
    let derived = Network::derive(name, secret).map(|network| network.gossip_topic());
    let named = [name.to_owned(), format!("{name}{secret}"), format!("{name}:{secret}")];
    let hashed = named.iter().map(|text| *blake3::hash(text.as_bytes()).as_bytes());
    hashed.chain(derived.ok()).collect()
}

/// What might prove membership.
fn proofs(me: &Persona, target: &Target, name: &str, secret: &str) -> Vec<Option<MembershipProof>> {
    let derived = Network::derive(name, secret).ok();
    let proof = derived.map(|network| network.prove(&me.id(), &target.id()));
    vec![None, Some([0; 32]), proof]
}

/// Joins a topic. A node that is in it says so at once.
async fn listen(outsider: &Persona, target: &Target, topic: [u8; 32]) {
    let (sender, mut heard) = tokio::sync::mpsc::channel(16);
    let joined = Member::join_topic(outsider, target, Ears::Recording(sender), topic).await;
    outsider.stage.tally(&joined, "topics_tried", "topics_not_tried");
    if let Ok(_member) = joined
        && let Ok(Some(_)) = timeout(LISTEN, heard.recv()).await
    {
        outsider.stage.count("learned", 1);
        outsider.stage.note("learned", "announcements by gossip");
    }
}

async fn ask(outsider: &Persona, target: &Target, proof: Option<MembershipProof>) -> Result<()> {
    let connection = outsider.dial(target, META_ALPN).await?;
    let (name, blob) = (BlobName::new("a")?, BlobHash(*blake3::hash(b"").as_bytes()));
    let requests = [
        MetaRequest::Whoami(WhoamiRequest { proof }),
        MetaRequest::ListPeers(ListPeersRequest { proof, max_entries: 1000 }),
        MetaRequest::Status(StatusRequest { proof }),
        MetaRequest::Introducers(IntroducersRequest { proof }),
        MetaRequest::Explain(ExplainRequest::new(proof, &target.id())),
        MetaRequest::Discover(DiscoverRequest::new(proof)),
        MetaRequest::Put(PutRequest::new(proof, &name, blob, IfTaken::Replace)),
        MetaRequest::Get(GetRequest::new(proof, &BlobKey::Hash(blob))),
        MetaRequest::List(ListRequest::new(proof, None, 1000)),
        MetaRequest::Delete(DeleteRequest::new(proof, &name)),
        MetaRequest::Rename(RenameRequest::new(proof, &name, &name, IfTaken::Replace)),
        MetaRequest::Copy(CopyRequest::new(proof, &name, &name, IfTaken::Replace)),
        MetaRequest::Find(FindRequest::new(proof, &name, 1000)),
    ];
    for request in requests {
        let answer = timeout(ANSWER_TIMEOUT, ask_one(&connection, &request)).await;
        let answer = answer.context("no answer")??;
        outsider.stage.count("questions", 1);
        if tells_something(&answer) {
            outsider.stage.count("learned", 1);
            outsider.stage.note("learned", format!("{request:?} was answered"));
        }
    }
    Ok(())
}

async fn ask_one(connection: &Connection, request: &MetaRequest) -> Result<MetaResponse> {
    let (mut send, mut recv) = connection.open_bi().await?;
    send.write_all(&frame(&request.encode())).await?;
    send.finish()?;
    let answer = recv.read_to_end(MAX_RESPONSE_LEN).await?;
    let (_len, rest) = postcard::take_from_bytes::<u64>(&answer)?;
    Ok(MetaResponse::decode(rest)?)
}

/// Whether an answer says more than that one isn't welcome, and in which versions.
fn tells_something(answer: &MetaResponse) -> bool {
    match answer {
        MetaResponse::Error(_) => false,
        MetaResponse::Whoami(whoami) => whoami.about.is_some(),
        MetaResponse::Peers(_)
        | MetaResponse::Status(_)
        | MetaResponse::Introducers(_)
        | MetaResponse::Explanation(_)
        | MetaResponse::Discovered(_)
        | MetaResponse::Blobs(_)
        | MetaResponse::Blob(_)
        | MetaResponse::Changed(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use id_proto::{ErrorCode, PeersPage, WhoamiResponse};

    use super::*;

    #[test]
    fn only_what_members_may_know_counts_as_learned() {
        let versions = |about| WhoamiResponse { protocol_versions: vec![1], about };
        assert!(!tells_something(&MetaResponse::error(ErrorCode::NotMember, "no")));
        assert!(!tells_something(&MetaResponse::Whoami(versions(None))));
        assert!(tells_something(&MetaResponse::Whoami(versions(Some(vec![0].into())))));
        assert!(tells_something(&MetaResponse::Peers(PeersPage::default())));
        assert!(tells_something(&MetaResponse::Explanation(vec![0].into())));
    }

    #[test]
    fn guesses_miss_a_network_with_a_secret() {
        let right = Network::derive("orchard", "correct horse battery staple").unwrap();
        for secret in SECRETS {
            assert!(!topics("orchard", secret).contains(&right.gossip_topic()), "{secret}");
        }
    }

    #[test]
    fn guesses_hit_a_network_whose_secret_is_in_the_list() {
        let weak = Network::derive("orchard", "hunter2").unwrap();
        let hit = SECRETS.iter().any(|s| topics("orchard", s).contains(&weak.gossip_topic()));
        assert!(hit);
    }
}

//! Who proves by the data directory, or by a key that was named, to be an operator.

use std::fs;

use futures::TryStreamExt;
use id_node::{
    data_dir::operator_key,
    id_client::{
        AskError, FailKind,
        id_proto::{DiscoverReport, Source, iroh_base::SecretKey},
    },
};

use crate::lab::{Asking, Running, asking, at, ephemeral};

impl Asking {
    /// Hands `from` over to `to`.
    async fn hand(&self, from: &Running, to: &Running) -> Result<DiscoverReport, AskError> {
        let own = self.whoami(from.addr()).await.unwrap().about.unwrap().announcement;
        let reports: Vec<_> = self.discover(to, vec![own]).await?.try_collect().await?;
        let [report] = <[_; 1]>::try_from(reports).expect("one request");
        Ok(report)
    }

    async fn may_hand(&self, from: &Running, to: &Running) -> bool {
        match self.hand(from, to).await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind, FailKind::NotOperator, "{error}");
                false
            }
        }
    }
}

#[tokio::test]
async fn whoever_may_read_the_data_directory_teaches_its_node_and_nobody_else_does() {
    asking(async |stranger| {
        let home = tempfile::tempdir().unwrap();
        let (node, other) = (at(home.path()).start().await, ephemeral().start().await);
        assert!(!stranger.knows(&node, other.id()).await, "they are unconnected");
        assert!(!stranger.may_hand(&other, &node).await);
        assert!(!stranger.knows(&node, other.id()).await);

        let key = operator_key(home.path()).unwrap().expect("it was made");
        let operator = stranger.with_key(key.clone()).await;
        assert_eq!(operator.hand(&other, &node).await.unwrap().n_new, 1);
        let entry = stranger.entry(&node, other.id()).await.expect("it is listed");
        // Or it has announced itself by now.
        assert!([Source::Told(key.public()), Source::Gossip].contains(&entry.source));
        assert!(!operator.may_hand(&node, &other).await, "another node's operator is another one");
        operator.close().await;
        node.terminate().await.assert_code(0);

        let node = at(home.path()).start().await;
        let again = operator_key(home.path()).unwrap().unwrap();
        assert_eq!(again.to_bytes(), key.to_bytes(), "it stays over a restart");
        node.terminate().await.assert_code(0);
    })
    .await;
}

#[tokio::test]
async fn a_key_that_is_named_may_hand_over_and_sighup_reads_the_names_again() {
    asking(async |asking| {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("id-node.toml");
        fs::write(&config, "").unwrap();
        let node = ephemeral().args(["--config", config.to_str().unwrap()]).start().await;
        let other = ephemeral().start().await;
        let key = SecretKey::generate();
        let operator = asking.with_key(key.clone()).await;
        assert!(!operator.may_hand(&other, &node).await);

        fs::write(&config, format!("operator = [\"{}\"]", key.public())).unwrap();
        node.signal("HUP");
        node.logged("reloaded").await;
        assert!(asking.access(&node).await.starts_with("everybody; 1 operator; reloaded"));
        assert!(operator.may_hand(&other, &node).await);
        assert!(asking.knows(&node, other.id()).await);

        fs::write(&config, "operator = \"nobody\"").unwrap();
        node.signal("HUP");
        node.logged("reload_failed").await;
        assert!(operator.may_hand(&other, &node).await, "what was in force still is");
        operator.close().await;
        node.terminate().await.assert_code(0);
    })
    .await;
}

#[tokio::test]
async fn with_an_allow_list_an_operator_must_be_on_it_and_the_own_one_doesnt() {
    asking(async |asking| {
        let home = tempfile::tempdir().unwrap();
        let named = SecretKey::generate();
        let (friend, id) = (SecretKey::generate().public().to_string(), named.public().to_string());
        let node = at(home.path()).args(["--allow", &friend, "--operator", &id]).start().await;
        let other = ephemeral().start().await;
        let not_admitted = asking.with_key(named).await;
        let error = not_admitted.whoami(node.addr()).await.unwrap_err();
        assert_eq!(error.kind, FailKind::Refused, "{error}");
        let own = asking.with_key(operator_key(home.path()).unwrap().unwrap()).await;
        let report = own.hand(&other, &node).await.unwrap();
        let words: Vec<_> = report.refused.iter().map(|(word, n)| (word.as_str(), *n)).collect();
        assert_eq!(words, [("refused_denied", 1)], "whom the list doesn't admit isn't taken in");
        futures::join!(not_admitted.close(), own.close());
        node.terminate().await.assert_code(0);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_node_id_is_no_operator_and_variables_are_as_good_as_flags() {
    let wrong = ephemeral().args(["--operator", "nobody"]).run().await;
    wrong.assert_code(2).assert_one_line(&["--operator", "nobody"]);
    let node = ephemeral().env("ID_NODE_OPERATOR", &SecretKey::generate().public().to_string());
    let node = node.start().await;
    asking(async |asking| assert_eq!(asking.access(&node).await, "everybody; 1 operator")).await;
}

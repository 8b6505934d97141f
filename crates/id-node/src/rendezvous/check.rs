//! Whether a DHT is of use: a client of its own, which leaves nothing where a node would look.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::StreamExt;
use id_proto::{
    Network,
    iroh_base::{PublicKey, SecretKey},
};
use mainline::{MutableItem, SigningKey, async_dht::AsyncDht};
use tokio::time::timeout;

use super::{
    Board, Dht, dht,
    record::Records,
    search::{MAX_AUTHORS, MAX_VALUES},
};
use crate::{checkup::DhtCheck, config::DhtBootstrap};

/// How long it may take to enter. Origin: a guess; a few requests one behind the other.
const ENTER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the test item may take to be written, to be read, and records to be read. Origin: a guess; a
/// query waits for at most a few requests one behind the other.
const QUERY_TIMEOUT: Duration = Duration::from_secs(4);
/// What is written. Says where it comes from, for whoever finds it.
const TEST_VALUE: &[u8] = b"id: a test item";

pub(crate) use dht::names;

/// Looks at all of it.
pub(crate) async fn look(bootstrap: &DhtBootstrap, network: &Network) -> DhtCheck {
    let board = Dht::new(bootstrap.clone());
    let addrs = dht::resolve(names(bootstrap));
    let (addrs, client) = futures::future::join(addrs, board.client()).await;
    let n_bootstrap = addrs.map_or(0, |addrs| addrs.len());
    let nothing = |written: &str| DhtCheck {
        n_bootstrap,
        has_answered: false,
        written: Err(written.to_owned()),
        read_back: false,
        authors: Vec::new(),
    };
    let client = match client {
        Ok(client) if n_bootstrap > 0 => client,
        Ok(_) => return nothing("no bootstrap node of the DHT has an address"),
        Err(error) => return nothing(&error),
    };
    if !timeout(ENTER_TIMEOUT, client.bootstrapped()).await.unwrap_or(false) {
        return nothing("no node of it answers");
    }
    let ((written, read_back), authors) =
        futures::future::join(write_and_read(&client), authors(&board, network)).await;
    DhtCheck { n_bootstrap, has_answered: true, written, read_back, authors }
}

/// A key of its own keeps the item out of everybody's way.
async fn write_and_read(client: &AsyncDht) -> (Result<(), String>, bool) {
    let key = SigningKey::from_bytes(&rand::random());
    let item = MutableItem::new(key.clone(), TEST_VALUE, 1, None);
    let put = timeout(QUERY_TIMEOUT, client.put_mutable(item, None)).await;
    match put {
        Err(_) => return (Err("no answer in time".to_owned()), false),
        Ok(Err(error)) => return (Err(error.to_string()), false),
        Ok(Ok(_)) => {}
    }
    let id = key.verifying_key().to_bytes();
    let found = timeout(QUERY_TIMEOUT, client.get_mutable(&id, None, None).next()).await;
    let is_same = |item: &MutableItem| item.value() == TEST_VALUE;
    (Ok(()), found.ok().flatten().as_ref().is_some_and(is_same))
}

async fn authors(board: &Dht, network: &Network) -> Vec<PublicKey> {
    let records = Records::new(network, &SecretKey::generate());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let minute = now.as_secs() / 60;
    let (this, last) = (of_minute(board, &records, minute), of_minute(board, &records, minute - 1));
    let (this, last) = futures::future::join(this, last).await;
    this.into_iter().chain(last).collect::<BTreeSet<_>>().into_iter().take(MAX_AUTHORS).collect()
}

/// Whoever has left a record, as far as they are read within the time.
async fn of_minute(board: &Dht, records: &Records, minute: u64) -> BTreeSet<PublicKey> {
    let slot = records.slot(minute);
    let mut authors = BTreeSet::new();
    let mut values = board.look(&slot).take(MAX_VALUES);
    let read = async {
        while let Some(value) = values.next().await {
            if authors.len() < MAX_AUTHORS {
                authors.extend(records.open(&slot, &value).map(|record| record.author));
            }
        }
    };
    // What was read until then counts.
    let _ = timeout(QUERY_TIMEOUT, read).await;
    authors
}

#[cfg(test)]
mod tests {
    use mainline::Testnet;

    use super::*;

    #[tokio::test]
    async fn a_dht_that_works_keeps_what_is_written() {
        let testnet = Testnet::builder(5).seeded(false).build().unwrap();
        let bootstrap = DhtBootstrap::Private(testnet.bootstrap.clone());
        let network = Network::public();
        let member = SecretKey::generate();
        let records = Records::new(&network, &member);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 60;
        let board = Dht::new(bootstrap.clone());
        for minute in [now, now + 1] {
            let slot = records.slot(minute);
            let value = records.seal(&slot, &[]).unwrap();
            board.leave(&slot, value).await.unwrap();
        }

        let check = look(&bootstrap, &network).await;
        assert!(check.has_answered && check.read_back, "{check:?}");
        assert_eq!(check.written, Ok(()));
        assert_eq!(check.authors, [member.public()]);

        let other = Network::derive("office", "blue").unwrap();
        assert_eq!(look(&bootstrap, &other).await.authors, []);
    }

    #[tokio::test]
    async fn a_dht_without_nodes_or_without_names_is_told_apart() {
        let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let silent = vec![nobody.local_addr().unwrap().to_string()];
        let check = look(&DhtBootstrap::Private(silent), &Network::public()).await;
        assert_eq!((check.n_bootstrap, check.has_answered), (1, false));
        let nowhere = DhtBootstrap::Private(vec!["[::1]:1".to_owned()]);
        let check = look(&nowhere, &Network::public()).await;
        assert_eq!((check.n_bootstrap, check.has_answered), (0, false));
    }
}

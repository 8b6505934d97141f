//! The shell performs what the search decides, and nothing slow holds up anything else.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, pending, ready},
    stream::{self, BoxStream},
};
use id_proto::iroh_base::PublicKey;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout},
};

use super::fixture::{announcement, id, key, network, secs, view};
use crate::{
    clock::Clock,
    config::Role,
    membership::View,
    rendezvous::{
        Board, DhtCounts, Lead, Rendezvous, Seeker,
        record::{Records, Slot},
        search::LOOK_TIMEOUT,
    },
};

/// Long enough for anything on a busy machine, and shorter than what a hanging board would cost.
const SOON: Duration = Duration::from_secs(8);

/// How a board looks: what it returns, and whether it then ends or hangs.
#[derive(Clone, Copy, PartialEq)]
enum Ends {
    WithTheLook,
    Never,
}

/// A board on which there are these values in every slot.
struct Shelf {
    authors: Vec<u16>,
    ends: Ends,
    left: Arc<Mutex<usize>>,
}

impl Board for Shelf {
    fn look(&self, slot: &Slot) -> BoxStream<'static, Vec<u8>> {
        let seal = |seed: &u16| Records::new(&network(), &key(*seed)).seal(slot, &[]).unwrap();
        let values = stream::iter(self.authors.iter().map(seal).collect::<Vec<_>>());
        match self.ends {
            Ends::WithTheLook => values.boxed(),
            Ends::Never => values.chain(stream::pending()).boxed(),
        }
    }

    fn leave(&self, _: &Slot, _: Vec<u8>) -> BoxFuture<'static, Result<(), String>> {
        *self.left.lock().unwrap() += 1;
        match self.ends {
            Ends::WithTheLook => ready(Err("full".to_owned())).boxed(),
            Ends::Never => pending().boxed(),
        }
    }
}

/// Leads nowhere: says to whom it was asked to lead, and then takes its time.
struct Nowhere(mpsc::Sender<PublicKey>);

impl Lead for Nowhere {
    fn lead_to(&self, peer: PublicKey) -> BoxFuture<'static, ()> {
        let asked = self.0.clone();
        async move {
            let _ = asked.send(peer).await;
            pending().await
        }
        .boxed()
    }
}

struct Seeking {
    rendezvous: Rendezvous,
    asked: mpsc::Receiver<PublicKey>,
    left: Arc<Mutex<usize>>,
    _view: watch::Sender<Arc<View>>,
}

fn seek(authors: impl IntoIterator<Item = u16>, ends: Ends) -> Seeking {
    let (asking, asked) = mpsc::channel(1000);
    let left = Arc::new(Mutex::new(0));
    let (sender, receiver) = watch::channel(view(&announcement(0), &[], [], secs(0)));
    let board = Shelf { authors: authors.into_iter().collect(), ends, left: left.clone() };
    let rendezvous = Rendezvous::spawn(
        board,
        Seeker {
            network: &network(),
            key: &key(0),
            clock: Clock::start(),
            role: Role::Member,
            view: receiver,
            guide: Nowhere(asking),
            counts: DhtCounts::default(),
        },
    );
    Seeking { rendezvous, asked, left, _view: sender }
}

async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    timeout(SOON, event).await.unwrap_or_else(|_| panic!("{what}: not after {SOON:?}"))
}

#[tokio::test]
async fn a_slow_board_doesnt_delay_the_join_by_the_first_record() {
    assert!(SOON < LOOK_TIMEOUT);
    let started = Instant::now();
    let mut seeking = seek([1], Ends::Never);
    assert_eq!(soon("a lead", seeking.asked.recv()).await, Some(id(1)));
    assert!(started.elapsed() < LOOK_TIMEOUT);
}

#[tokio::test]
async fn leads_that_hang_dont_delay_the_others() {
    let mut seeking = seek(1..40, Ends::Never);
    let mut led_to = Vec::new();
    for _ in 1..40 {
        led_to.push(soon("a lead", seeking.asked.recv()).await.unwrap());
    }
    led_to.sort();
    let mut expected: Vec<_> = (1..40).map(id).collect();
    expected.sort();
    assert_eq!(led_to, expected);
}

#[tokio::test]
async fn an_error_of_the_board_is_told_and_the_search_goes_on() {
    let seeking = seek([], Ends::WithTheLook);
    let mut states = seeking.rendezvous.watch();
    let told = soon("a report", states.wait_for(|state| state.contains("full"))).await;
    assert_eq!(*told.unwrap(), "the DHT doesn't answer, couldn't leave our own: full");
    let again = async {
        while *seeking.left.lock().unwrap() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("another attempt", again).await;
}

#[tokio::test]
async fn the_search_ends_with_its_node() {
    let mut seeking = seek([1], Ends::WithTheLook);
    soon("a lead", seeking.asked.recv()).await;
    drop(seeking.rendezvous);
    let closed = async { while seeking.asked.recv().await.is_some() {} };
    soon("the end", closed).await;
}

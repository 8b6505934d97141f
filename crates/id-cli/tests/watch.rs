//! `id-cli watch` against real nodes: the real binary, while nodes come and go.

mod nodes;
mod support;

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Stdio},
};

use id_node::NodeConfig;
use id_proto::{Network, iroh_base::SecretKey};
use nodes::{Nodes, spawn};
use serde_json::Value;
use support::{id_cli, run};

/// A watch under way, whose lines are read as they come. It ends with the test.
struct Watch {
    child: Child,
    out: Option<BufReader<ChildStdout>>,
}

impl Watch {
    fn start(nodes: &Nodes, args: &[&str]) -> Self {
        let mut command = id_cli(nodes.home.path(), [&["watch", "--no-relay"], args].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = child.stdout.take().map(BufReader::new);
        Self { child, out }
    }

    /// The next line, that of a round only if it is asked for.
    fn next(&mut self, wants_rounds: bool) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.out.as_mut().unwrap().read_line(&mut line).unwrap(), 0, "it has ended");
            let line: Value = serde_json::from_str(&line).unwrap();
            if wants_rounds || line["type"] != "round" {
                return line;
            }
        }
    }

    /// Interrupts it, and says how it ended, and what it said on stderr.
    #[cfg(unix)]
    fn interrupt(self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        let kill = std::process::Command::new("kill").args(["-s", "INT", &id]).status();
        assert!(kill.unwrap().success());
        self.ended()
    }

    /// Reads on to its end.
    fn ended(mut self) -> (Option<i32>, String) {
        if let Some(mut out) = self.out.take() {
            std::io::copy(&mut out, &mut std::io::sink()).unwrap();
        }
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_and_who_says_goodbye_is_told_until_the_user_has_had_enough() {
    let nodes = Nodes::start(2, &Network::public()).await;
    let mut watch = Watch::start(&nodes, &["--json", "--every", "0.2", "--depth", "-1"]);
    assert_eq!(watch.next(true)["type"], "version");
    let known: BTreeSet<String> = (0..2)
        .map(|_| watch.next(true))
        .inspect(|line| assert_eq!(line["type"], "peer"))
        .map(|line| line["node_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(known, nodes.ids());
    let round = watch.next(true);
    assert_eq!((&round["type"], &round["round"]), (&"round".into(), &1.into()));
    assert_eq!((&round["asked"], &round["summary"]["known"]), (&2.into(), &2.into()));

    let newcomer = spawn(NodeConfig {
        name: Some("newcomer".to_owned()),
        bootstrap: vec![nodes.nodes[0].endpoint().addr()],
        ..NodeConfig::new(Network::public())
    });
    let newcomer = newcomer.await;
    let came = watch.next(false);
    assert_eq!((&came["type"], &came["name"]), (&"came".into(), &"newcomer".into()));
    assert_eq!(came["node_id"], newcomer.id().to_string());
    assert!(came["at"].as_str().unwrap().ends_with('Z'));

    let id = newcomer.id().to_string();
    newcomer.shutdown().await;
    // Others may get to know it, or lose it, a moment earlier or later.
    let went = loop {
        let line = watch.next(false);
        assert_eq!(line["node_id"], id, "{line}");
        if line["type"] != "changed" {
            break line;
        }
    };
    assert_eq!((&went["type"], &went["name"]), (&"went".into(), &"newcomer".into()));

    let (code, err) = watch.interrupt();
    assert_eq!((code, &*err), (Some(130), ""));
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn given_number_of_rounds_is_looked_and_then_it_ends() {
    let nodes = Nodes::start(2, &Network::public()).await;
    let args = ["watch", "--json", "--times", "3", "--every", "0.1"];
    let ended = nodes.id_cli(&args);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""));
    let lines: Vec<Value> =
        ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["version", "peer", "peer", "round", "round", "round"]);

    let for_people = nodes.id_cli(&["watch", "--times", "2", "--every", "0.1"]);
    assert_eq!((for_people.code, &*for_people.out), (Some(0), ""), "nothing has changed");
    assert_eq!(for_people.err, "2 known, 2 answered; what changes is printed\n");
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reader_of_the_first_line_only_ends_the_watch_and_is_no_error() {
    let nodes = Nodes::start(2, &Network::public()).await;
    let mut watch = Watch::start(&nodes, &["--json", "--every", "0.1"]);
    assert_eq!(watch.next(true)["type"], "version");
    // What `head -1` does. It is noticed when the next line is written.
    watch.out = None;
    assert_eq!(watch.ended(), (Some(0), String::new()));
    nodes.stop().await;
}

#[test]
fn without_anybody_to_ask_it_ends_at_once() {
    let home = tempfile::tempdir().unwrap();
    let nobody = run(id_cli(home.path(), ["watch", "--no-relay"]));
    assert_eq!((nobody.code, &*nobody.out), (Some(5), ""));
    assert!(nobody.err.contains("no node runs on this machine"), "{}", nobody.err);

    let dead = format!("{}@127.0.0.1:9", SecretKey::from_bytes(&[7; 32]).public());
    let args = ["watch", &dead, "--no-relay", "--timeout", "0.5"];
    let unreached = run(id_cli(home.path(), args));
    assert_eq!((unreached.code, &*unreached.out), (Some(5), ""), "{}", unreached.err);
    assert!(unreached.err.contains("could not be asked: timeout"), "{}", unreached.err);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn watch_that_waits_for_ever_is_interrupted_all_the_same() {
    let nodes = Nodes::start(2, &Network::public()).await;
    let mut watch = Watch::start(&nodes, &["--json", "--every", "1e19"]);
    while watch.next(true)["type"] != "round" {}
    assert_eq!(watch.interrupt(), (Some(130), String::new()));
    nodes.stop().await;
}

//! `id-cli repl`: the real binary against real nodes, fed by a pipe and by a terminal.

mod nodes;
mod support;

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use id_proto::{Network, iroh_base::SecretKey};
use nodes::Nodes;
use support::{Ended, id_cli};

/// Somebody at whose address nobody is.
fn nobody() -> String {
    format!("{}@127.0.0.1:9", SecretKey::from_bytes(&[7; 32]).public())
}

/// Feeds a session with a script.
fn feed(home: &Path, args: &[&str], script: &str) -> Ended {
    let mut command = id_cli(home, [&["repl"], args].concat());
    command.env("ID_CLI_RELAY", "disabled");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Whoever stops at an error doesn't read on.
    let _ = child.stdin.take().unwrap().write_all(script.as_bytes());
    support::ended(child.wait_with_output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn script_prints_what_its_commands_print_and_nothing_else() {
    let nodes = Nodes::start(3, &Network::public()).await;
    let home = nodes.home.path();
    let tsv = nodes.id_cli(&["peers", "--format", "tsv"]);
    let ids = |tsv: &str| -> Vec<String> {
        tsv.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
    };
    let script = "# who is there?\n\n  peers --format tsv\nticket\n";
    let ended = feed(home, &[], script);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""));
    let (peers, ticket) = ended.out.split_at(ended.out.find("idticket").unwrap());
    assert_eq!(ids(peers), ids(&tsv.out));
    assert_eq!(ticket.lines().count(), 1, "{ticket}");

    assert_eq!(feed(home, &[], "").code, Some(0));
    let quit = feed(home, &[], "quit\nping nonsense\n");
    assert_eq!((quit.code, &*quit.out, &*quit.err), (Some(0), "", ""));
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn script_ends_at_the_first_failure_unless_it_is_to_go_on() {
    let nodes = Nodes::start(2, &Network::public()).await;
    let home = nodes.home.path();
    let script = format!(
        "ticket\nping {} --timeout 0.2\npeers --min-peers 9 --format tsv\nticket\n",
        nobody()
    );
    let ended = feed(home, &[], &script);
    assert_eq!(ended.code, Some(5), "{}", ended.err);
    assert_eq!(ended.out.lines().count(), 1, "{}", ended.out);
    assert!(ended.err.contains("could not be asked: timeout"), "{}", ended.err);
    assert!(ended.err.ends_with("the script ends at line 2\n"), "{}", ended.err);

    let ended = feed(home, &["--keep-going"], &script);
    assert_eq!(ended.code, Some(5), "that of the first failure: {}", ended.err);
    assert_eq!(ended.out.matches("idticket").count(), 2, "{}", ended.out);
    assert!(ended.err.contains("--min-peers 9"), "{}", ended.err);
    nodes.stop().await;
}

#[test]
fn what_is_no_command_is_a_usage_error() {
    let home = tempfile::tempdir().unwrap();
    for (line, says) in [
        ("peers --depth x", "--depth"),
        ("nonsense", "nonsense"),
        ("peers 'a", "a quote is opened"),
        ("ping @nobody", "no node is known as @nobody"),
        ("repl", "repl"),
        ("completions bash", "completions"),
    ] {
        let ended = feed(home.path(), &[], &format!("{line}\nquit\n"));
        assert_eq!((ended.code, &*ended.out), (Some(2), ""), "{line}: {}", ended.err);
        assert!(ended.err.starts_with("error: ") && ended.err.contains(says), "{}", ended.err);
    }
}

#[test]
fn without_a_running_node_each_line_says_so_and_tries_again() {
    let home = tempfile::tempdir().unwrap();
    let ended = feed(home.path(), &["--keep-going"], "peers\npeers --depth 0\nstatus\n");
    assert_eq!((ended.code, &*ended.out), (Some(5), ""));
    assert_eq!(ended.err.matches("no node running, peers unavailable\n").count(), 2);
    assert_eq!(ended.err.matches("hint: ").count(), 3, "{}", ended.err);
}

#[test]
fn help_is_about_lines_and_about_one_command() {
    let home = tempfile::tempdir().unwrap();
    let ended = feed(home.path(), &[], "help\nhelp ping\nping --help\n");
    assert_eq!((ended.code, &*ended.err), (Some(0), ""));
    assert!(ended.out.contains("quit") && !ended.out.contains("completions"), "{}", ended.out);
    assert_eq!(ended.out.matches("Usage: ping").count(), 2, "{}", ended.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn node_that_was_found_is_named_by_its_name_or_by_the_first_digits_of_its_id() {
    let nodes = Nodes::start(3, &Network::public()).await;
    let last = nodes.nodes[2].id().to_string();
    let script = format!(
        "peers --format tsv\nping '@node 2'\nping @{}\npeers @{} --depth 0 --json\n",
        &last[..10],
        &last[..6]
    );
    let ended = feed(nodes.home.path(), &[], &script);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""));
    let pong = format!("\n{} answered in ", &last[..10]);
    assert_eq!(ended.out.matches(&pong).count(), 2, "{}", ended.out);
    let document = &ended.out[ended.out.find("{\n").unwrap()..];
    let document: serde_json::Value = serde_json::from_str(document).unwrap();
    assert_eq!(document["summary"]["answered"], 1);

    let at = nodes.nodes[1].ticket().to_string();
    let there = feed(nodes.home.path(), &[&at], "status --json\n");
    let status: serde_json::Value = serde_json::from_str(&there.out).unwrap();
    assert_eq!(status["node_id"], nodes.nodes[1].id().to_string(), "{}", there.err);
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn network_of_the_session_is_that_of_its_lines() {
    let network = Network::derive("office", "hunter2").unwrap();
    let nodes = Nodes::start(2, &network).await;
    let secret = nodes.home.path().join("secret");
    std::fs::write(&secret, "hunter2\n").unwrap();
    let office = ["--topic", "office", "--topic-secret-file", secret.to_str().unwrap()];
    let ended = feed(nodes.home.path(), &office, "peers --format tsv\n");
    assert_eq!((ended.code, ended.out.lines().count()), (Some(0), 2), "{}", ended.err);
    let other = feed(nodes.home.path(), &office, "peers --topic home\n");
    assert_eq!(other.code, Some(2), "{}", other.err);
    nodes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_are_put_named_found_and_fetched_by_the_words_of_the_command_line() {
    let nodes = Nodes::keepers(1).await;
    nodes.with_operator_key().await;
    let path = |name: &str| nodes.home.path().join(name).display().to_string();
    std::fs::write(path("a file"), "hello\n").unwrap();
    let script = format!(
        "put '{}:notes/a'\ncp notes/a b\nmv b 'c d'\nrm notes/a\nget 'c d:{}'\ncat 'c d'\nfind --json c\n",
        path("a file"),
        path("back")
    );
    let ended = feed(nodes.home.path(), &[], &script);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let (before, found) = ended.out.split_at(ended.out.find('{').unwrap());
    assert!(before.ends_with("hello\n"), "{before}");
    let found: serde_json::Value = serde_json::from_str(found).unwrap();
    assert_eq!(found["blobs"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["blobs"][0]["name"], "c d");
    assert_eq!(std::fs::read(path("back")).unwrap(), b"hello\n");
    let missing = feed(nodes.home.path(), &[], "cat notes/a\nls\n");
    assert_eq!((missing.code, &*missing.out), (Some(1), ""), "{}", missing.err);
    nodes.stop().await;
}

#[test]
fn script_that_is_no_text_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let ended = feed(home.path(), &[], &"a".repeat(70 * 1024));
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("line 1 is longer than 64 KiB"), "{}", ended.err);
}

#[cfg(unix)]
mod terminal {
    use std::{
        os::unix::fs::PermissionsExt,
        time::{Duration, Instant},
    };

    use rexpect::session::{PtySession, spawn_command};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);
    const PROMPT: &str = "id> ";

    fn start(home: &Path, args: &[&str]) -> PtySession {
        let mut command: Command = id_cli(home, [&["repl"], args].concat());
        command.env("ID_CLI_RELAY", "disabled").env("XDG_STATE_HOME", home.join("state"));
        command.env("TERM", "xterm");
        spawn_command(command, Some(LIMIT.as_millis() as u64)).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn user_completes_asks_interrupts_and_leaves() {
        let nodes = Nodes::start(2, &Network::public()).await;
        let mut session = start(nodes.home.path(), &[]);
        session.exp_string(PROMPT).unwrap();
        // A command, its flag and the flag's value, each completed.
        session.send_line("pee\t--form\tts\t").unwrap();
        session.exp_string("\tnode 1\t").unwrap();
        session.exp_string(PROMPT).unwrap();

        // It goes on until it is interrupted; the session goes on behind it.
        session.send_line("watch --every 0.1").unwrap();
        session.exp_string("what changes is printed").unwrap();
        interrupt(&mut session, PROMPT);

        session.send_line("peers --topic-secret hunter2").unwrap();
        session.exp_string(PROMPT).unwrap();
        session.send_line("ping").unwrap();
        session.exp_string("answered in").unwrap();
        session.exp_string(PROMPT).unwrap();
        session.send_control('d').unwrap();
        session.exp_eof().unwrap();
        assert_history(nodes.home.path());
        nodes.stop().await;
    }

    #[test]
    fn command_that_listens_to_no_signal_is_ended_by_it_and_the_session_is_not() {
        let home = tempfile::tempdir().unwrap();
        let mut session = start(home.path(), &[&nobody()]);
        let prompt = format!("{}> ", &nobody()[..10]);
        session.exp_string(&prompt).unwrap();
        session.send_line("ping --timeout 600").unwrap();
        session.exp_string("600").unwrap();
        session.exp_string("\n").unwrap();
        interrupt(&mut session, "interrupted");
        session.send_line("quit").unwrap();
        session.exp_eof().unwrap();
    }

    /// Presses Ctrl-C until this is shown: a key that is pressed before the command runs ends nothing.
    fn interrupt(session: &mut PtySession, until: &str) {
        let (deadline, mut shown) = (Instant::now() + LIMIT, String::new());
        while !shown.contains(until) {
            assert!(Instant::now() < deadline, "{shown}");
            session.send_control('c').unwrap();
            std::thread::sleep(Duration::from_millis(50));
            shown.extend(std::iter::from_fn(|| session.try_read()));
        }
    }

    fn assert_history(home: &Path) {
        let history = home.join("state/id-cli/history");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&history), mode(history.parent().unwrap())), (0o600, 0o700));
        let kept = std::fs::read_to_string(&history).unwrap();
        assert!(kept.contains("peers --format tsv") && kept.contains("ping"), "{kept}");
        assert!(!kept.contains("secret") && !kept.contains("hunter2"), "{kept}");
    }

    #[test]
    fn session_without_a_node_says_so_and_stays() {
        let home = tempfile::tempdir().unwrap();
        let mut session = start(home.path(), &["--no-history"]);
        session.exp_string("no node running, peers unavailable").unwrap();
        session.exp_string(PROMPT).unwrap();
        session.send_line("peers").unwrap();
        session.exp_string("error: no node running, peers unavailable").unwrap();
        session.exp_string(PROMPT).unwrap();
        session.send_line("quit").unwrap();
        session.exp_eof().unwrap();
        assert!(!home.path().join("state").exists(), "no history was to be kept");
    }
}

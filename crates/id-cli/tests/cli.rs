//! The real binary, without any node: what scripts rely on when things are wrong.

mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use id_proto::{Invitation, Network, Ticket, iroh_base::SecretKey};
use support::{Ended, id_cli};
use tempfile::TempDir;

/// A valid node id at whose address nobody is.
fn nobody() -> String {
    format!("{}@127.0.0.1:9", SecretKey::from_bytes(&[7; 32]).public())
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn run(args: &[&str]) -> Ended {
    support::run(id_cli(home().path(), args))
}

/// One line that says what is wrong, and nothing on stdout.
fn assert_error(ended: &Ended, code: i32, says: &str) {
    assert_eq!(ended.code, Some(code), "{}", ended.err);
    assert_eq!(ended.out, "");
    let first = ended.err.lines().next().unwrap_or_default();
    assert!(first.starts_with("error: ") && first.contains(says), "{}", ended.err);
}

#[test]
fn bad_arguments_are_usage_errors() {
    let cases: [(&[&str], &str); 13] = [
        (&["peers", "--depth", "-2"], "-2"),
        (&["peers", "--max-peers", "0"], "--max-peers"),
        (&["peers", "--timeout", "0"], "--timeout"),
        (&["peers", "--concurrency", "none"], "--concurrency"),
        (&["peers", "--format", "xml"], "xml"),
        (&["peers", "--edges"], "the format has no place for edges"),
        (&["peers", "--check", "--gossip"], "cannot be used with"),
        (&["peers", "--rpc", "--gossip"], "cannot be used with"),
        (&["peers", "--relay", "maybe"], "`maybe` is no relay"),
        (&["peers", "--bootstrap", "nobody"], "`nobody` is no node id"),
        (&["peers", "--topic", ""], "the topic is empty"),
        (&["status", "--colour"], "--colour"),
        (&["gossip"], "gossip"),
    ];
    for (args, says) in cases {
        assert_error(&run(args), 2, says);
    }
}

#[test]
fn what_names_no_node_is_a_usage_error() {
    let id = SecretKey::from_bytes(&[7; 32]).public().to_string();
    let cases = [
        ("nonsense", "`nonsense` is no node id"),
        (&id[..63], "is no node id"),
        (&*format!("{id}@localhost"), "`localhost` is no address"),
        ("idticketnonsense", "the ticket is damaged"),
    ];
    for (node, says) in cases {
        for command in ["peers", "status", "ping", "explain"] {
            assert_error(&run(&[command, node]), 2, says);
        }
    }
}

#[test]
fn ticket_of_another_network_is_refused_with_both_tags() {
    let other = Network::derive("office", "secret").unwrap().tag();
    let ticket = ticket(None).to_string();
    let ended = run(&["peers", &ticket]);
    assert_error(&ended, 2, &other.to_string());
    assert!(ended.err.contains(&Network::public().tag().to_string()), "{}", ended.err);
    assert!(ended.err.contains("\nhint: "), "{}", ended.err);
}

#[test]
fn ticket_that_invites_brings_its_network() {
    let invitation = Invitation { topic: "office".to_owned(), secret: "secret".to_owned() };
    let ticket = ticket(Some(invitation)).to_string();
    let ended = run(&["peers", &ticket, "--timeout", "0.2", "--json"]);
    assert_eq!(ended.code, Some(5), "{}", ended.err);
    let document: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(document["network"]["topic"], "office");
    assert_eq!(document["network"]["private"], true);
    assert!(!ended.out.contains("secret\"") && !ended.err.contains("secret"), "{}", ended.err);
}

fn ticket(invitation: Option<Invitation>) -> Ticket {
    let id = SecretKey::from_bytes(&[7; 32]).public();
    let peer = id_proto::iroh_base::EndpointAddr::new(id).with_ip_addr(([127, 0, 0, 1], 9).into());
    let network_tag = Network::derive("office", "secret").unwrap().tag();
    Ticket { network_tag, peers: vec![peer], invitation }
}

#[test]
fn without_any_node_there_is_nobody_to_ask() {
    for args in
        [&["peers", "--rpc"][..], &["peers", "--check"], &["status"], &["whoami"], &["ping"]]
    {
        let ended = run(args);
        assert_error(&ended, 5, "no node runs on this machine");
        assert!(ended.err.lines().nth(1).is_some_and(|line| line.starts_with("hint: ")));
    }
}

#[test]
fn empty_data_dir_is_named() {
    let home = home();
    let dir = home.path().join("empty");
    fs::create_dir(&dir).unwrap();
    let ended = support::run(id_cli(home.path(), ["peers", "--rpc", "--data-dir", text(&dir)]));
    assert_error(&ended, 5, text(&dir));
}

#[test]
fn damaged_runtime_file_is_named_and_stays() {
    let home = home();
    let file = home.path().join("node.json");
    fs::write(&file, "{\"node_id\": ").unwrap();
    let ended = support::run(id_cli(home.path(), ["peers", "--data-dir", text(home.path())]));
    assert_error(&ended, 1, text(&file));
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\"node_id\": ");
}

#[cfg(target_os = "linux")]
#[test]
fn runtime_file_of_a_node_that_was_killed_is_no_node() {
    let home = home();
    let runtime = serde_json::json!({
        "node_id": SecretKey::from_bytes(&[7; 32]).public().to_string(),
        "addrs": ["127.0.0.1:9"],
        // No process can have a number above the kernel's largest limit.
        "pid": 1 << 30,
        "topic": "id-peer-discovery-v1",
        "network_tag": Network::public().tag().to_string(),
    });
    fs::write(home.path().join("node.json"), runtime.to_string()).unwrap();
    let args = ["peers", "--rpc", "--data-dir", text(home.path())];
    assert_error(&support::run(id_cli(home.path(), args)), 5, "no node runs on this machine");
}

#[test]
fn unreachable_node_is_exit_code_5_and_still_a_result() {
    for format in ["table", "tsv", "json", "jsonl", "dot", "graphml", "svg"] {
        let args = ["peers", &nobody(), "--no-relay", "--timeout", "0.3", "--format", format];
        let ended = run(&args);
        assert_eq!(ended.code, Some(5), "{format}: {}", ended.err);
        let id = &nobody()[..10];
        assert!(ended.out.contains(id), "{format}: {}", ended.out);
        assert!(ended.err.contains("error: no node could be asked"), "{}", ended.err);
    }
}

#[test]
fn timeout_bounds_the_whole_run() {
    let started = Instant::now();
    let ended = run(&["peers", &nobody(), "--no-relay", "--timeout", "1"]);
    let took = started.elapsed();
    assert_eq!(ended.code, Some(5));
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn ping_and_status_of_nobody_are_exit_code_5() {
    for command in ["ping", "status"] {
        let ended = run(&[command, &nobody(), "--no-relay", "--timeout", "0.3"]);
        assert_error(&ended, 5, "timeout");
    }
}

#[test]
fn peer_is_explained_by_one_node_and_about_one_peer() {
    let id = SecretKey::from_bytes(&[7; 32]).public().to_string();
    assert_error(&run(&["explain", &id]), 5, "no node runs on this machine");
    let at = ["explain", &id, "--at", &nobody(), "--no-relay", "--timeout", "0.3"];
    assert_error(&run(&at), 5, "timeout");
    assert_error(&run(&["explain", &id, "--at", "elsewhere"]), 2, "`elsewhere` is no node id");
    assert_error(&run(&["explain"]), 2, "required");
    let [a, b] = [7, 8].map(|seed| SecretKey::from_bytes(&[seed; 32]).public().into());
    let network_tag = Network::public().tag();
    let two = Ticket { network_tag, peers: vec![a, b], invitation: None }.to_string();
    assert_error(&run(&["explain", &two]), 2, "names 2 peers");
}

#[test]
fn secret_comes_from_a_file_or_the_environment_but_not_from_both() {
    let home = home();
    let file = home.path().join("secret");
    fs::write(&file, "hunter2\r\n").unwrap();
    let tag = Network::derive("office", "hunter2").unwrap().tag().to_string();
    let args = ["peers", &nobody(), "--topic", "office", "--timeout", "0.1", "--json"];

    let by_flag = [&args[..], &["--topic-secret-file", text(&file)]].concat();
    assert!(support::run(id_cli(home.path(), by_flag)).out.contains(&tag));

    let mut by_env = id_cli(home.path(), args);
    by_env.env("ID_CLI_TOPIC_SECRET", "hunter2");
    assert!(support::run(by_env).out.contains(&tag));

    // A flag beats the environment.
    let mut by_both =
        id_cli(home.path(), [&args[..], &["--topic-secret-file", text(&file)]].concat());
    by_both.env("ID_CLI_TOPIC_SECRET", "another");
    assert!(support::run(by_both).out.contains(&tag));

    let mut twice = id_cli(home.path(), args);
    twice.env("ID_CLI_TOPIC_SECRET", "hunter2").env("ID_CLI_TOPIC_SECRET_FILE", &file);
    assert_error(&support::run(twice), 2, "both set");
}

#[test]
fn missing_secret_file_is_named() {
    let args = ["peers", &nobody(), "--topic-secret-file", "/nonexistent/secret"];
    assert_error(&run(&args), 1, "/nonexistent/secret");
}

#[test]
fn help_shows_examples_and_no_secret() {
    let mut command = id_cli(home().path(), ["peers", "--help"]);
    command.env("ID_CLI_TOPIC_SECRET", "hunter2");
    let ended = support::run(command);
    assert_eq!(ended.code, Some(0));
    assert!(ended.out.contains("Examples:") && !ended.out.contains("hunter2"), "{}", ended.out);
    let top = run(&["--help"]);
    assert!(top.out.contains("Exit codes:"), "{}", top.out);
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ended = run(&["completions", shell]);
        assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{shell}");
        assert!(ended.out.contains("id-cli"), "{shell}");
    }
    assert_error(&run(&["completions", "csh"]), 2, "csh");
}

/// Whether there is such a program on this machine.
fn has(program: &str) -> bool {
    let version = Command::new(program).arg("--version").output();
    version.is_ok_and(|version| version.status.success())
}

#[test]
fn bash_knows_what_is_completed() {
    if !has("bash") {
        return eprintln!("SKIPPED: there is no bash");
    }
    let script = run(&["completions", "bash"]).out;
    let home = home();
    fs::write(home.path().join("script"), script).unwrap();
    let complete = r#"
        source ./script && complete -p id-cli || exit 1
        COMP_WORDS=(id-cli peers --form) COMP_CWORD=2
        "$(complete -p id-cli | sed 's/.*-F \([^ ]*\).*/\1/')" id-cli --form peers && echo "${COMPREPLY[@]}"
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", complete]).current_dir(home.path());
    let ended = support::ended(bash.output().unwrap());
    assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{}", ended.out);
    assert!(ended.out.ends_with("id-cli\n--format\n"), "{}", ended.out);
}

#[test]
fn every_command_has_a_manual_page_with_its_examples() {
    let home = home();
    let dir = home.path().join("made/man1");
    let ended = run(&["man", text(&dir)]);
    assert_eq!((ended.code, &*ended.err, &*ended.out), (Some(0), "", ""));
    let mut pages: Vec<_> = fs::read_dir(&dir).unwrap().map(|page| page.unwrap().path()).collect();
    pages.sort();
    let names: Vec<_> =
        pages.iter().map(|page| page.file_name().unwrap().to_str().unwrap()).collect();
    let help = run(&["--help"]).out;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    for line in commands.lines().take_while(|line| !line.is_empty()) {
        let command = line.split_whitespace().next().unwrap();
        if line.starts_with("  ") && !line.starts_with("   ") && command != "help" {
            assert!(names.contains(&&*format!("id-cli-{command}.1")), "{command}: {names:?}");
        }
    }
    assert!(names.contains(&"id-cli.1") && !names.contains(&"id-cli-man.1"), "{names:?}");
    for page in &pages {
        let page = fs::read_to_string(page).unwrap();
        assert!(page.contains("Examples:") || page.contains("Exit codes:"), "{page}");
    }
    if has("mandoc") {
        let lint = Command::new("mandoc").args(["-T", "lint", "-W", "error"]).args(&pages).output();
        let lint = support::ended(lint.unwrap());
        assert_eq!((lint.code, &*lint.out), (Some(0), ""));
    }
}

#[cfg(unix)]
#[test]
fn reader_that_leaves_early_is_no_error() {
    let home = home();
    for args in ["completions bash", "peers --help", "peers NODE --timeout 0.2 --json"] {
        let args = args.replace("NODE", &format!("{} --no-relay", nobody()));
        let mut command = id_cli(home.path(), args.split(' '));
        // A pipe whose reader is gone before the first byte.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let ended = support::ended(output);
        assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{args}");
    }
}

#[cfg(unix)]
#[test]
fn interrupted_crawl_prints_what_there_is() {
    for signal in ["INT", "TERM"] {
        let home = home();
        let args = ["peers", &nobody(), "--no-relay", "--format", "jsonl"];
        let mut command = id_cli(home.path(), args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // The first line says that the crawl has started, and that signals are listened to.
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut lines = String::new();
        std::io::BufRead::read_line(&mut out, &mut lines).unwrap();
        let kill = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        std::io::Read::read_to_string(&mut out, &mut lines).unwrap();
        let ended = support::ended(child.wait_with_output().unwrap());

        assert_eq!(ended.code, Some(130), "{}", ended.err);
        assert!(ended.err.contains("interrupted"), "{}", ended.err);
        let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        assert_eq!(last["crawl"]["stopped_by"], "interrupted");
        assert_eq!(last["crawl"]["complete"], false);
        assert_eq!(last["summary"]["known"], 1);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn private_network_is_not_looked_for_among_third_parties() {
    let home = tempfile::tempdir().unwrap();
    let args = ["peers", "--topic", "office", "--topic-secret", "hunter2", "--timeout", "600"];
    let ended = support::run(support::id_cli(home.path(), args));
    assert_eq!((ended.code, ended.out.as_str()), (Some(5), ""));
    assert!(ended.err.contains("hint: name a NODE"), "{}", ended.err);
}

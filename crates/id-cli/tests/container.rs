//! What packaging/Dockerfile says, as far as that can be checked without a container engine.

mod nodes;
mod support;

use std::path::{Path, PathBuf};

use id_proto::Network;
use nodes::Nodes;

/// An instruction and its arguments, each on one line.
type Instruction = (String, String);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn instructions() -> Vec<Instruction> {
    let text = std::fs::read_to_string(root().join("packaging/Dockerfile")).unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty());
    let split = |line: &str| {
        let (word, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
        (word.to_owned(), rest.trim().to_owned())
    };
    lines.map(split).collect()
}

fn all<'a>(instructions: &'a [Instruction], word: &str) -> Vec<&'a str> {
    let those = instructions.iter().filter(|(it, _)| it == word);
    those.map(|(_, rest)| rest.as_str()).collect()
}

/// The program and its arguments, of the form that needs no shell.
fn health_check(instructions: &[Instruction]) -> Vec<String> {
    let check = all(instructions, "HEALTHCHECK");
    let [check] = check[..] else { panic!("one is expected: {check:?}") };
    let (_, command) = check.split_once("CMD ").unwrap();
    serde_json::from_str(command).unwrap()
}

#[test]
fn an_image_is_built_of_what_is_there_and_of_nothing_secret() {
    let instructions = instructions();
    let known = [
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "ENV",
        "VOLUME",
        "USER",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
    ];
    for (word, rest) in &instructions {
        assert!(known.contains(&word.as_str()), "{word} {rest}");
    }
    let stages = all(&instructions, "FROM");
    assert!(stages.len() == 2 && stages[0].ends_with(" AS build"), "{stages:?}");
    let ignored = std::fs::read_to_string(root().join(".dockerignore")).unwrap();
    let let_through: Vec<_> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignored.lines().any(|line| line == "*"));
    for copied in all(&instructions, "COPY") {
        let words: Vec<_> = copied.split_whitespace().collect();
        let (_, sources) = words.split_last().unwrap();
        if sources[0] == "--from=build" {
            continue;
        }
        for source in sources {
            assert!(root().join(source).exists(), "{source} isn't there");
            assert!(let_through.contains(source), ".dockerignore keeps {source} out");
        }
    }
    // What cargo needs of a workspace.
    for needed in ["Cargo.toml", "Cargo.lock", "crates", "xtask"] {
        assert!(let_through.contains(&needed), "{needed}");
    }
    for (_, rest) in &instructions {
        assert!(!rest.to_lowercase().contains("secret"), "{rest}");
    }
}

#[test]
fn whoever_runs_it_is_not_root_by_number_and_is_asked_to_stop_as_the_node_expects() {
    let instructions = instructions();
    let user = *all(&instructions, "USER").last().unwrap();
    let (uid, gid) = user.split_once(':').unwrap();
    assert!(uid.parse::<u32>().unwrap() > 0 && gid.parse::<u32>().unwrap() > 0, "{user}");
    assert_eq!(all(&instructions, "STOPSIGNAL"), ["SIGTERM"]);
    let last = |word| instructions.iter().rposition(|(it, _)| it == word).unwrap();
    assert!(last("USER") > last("COPY") && last("USER") > last("RUN"), "who is root installs");
    assert_eq!(all(&instructions, "ENTRYPOINT"), ["[\"id-node\"]"]);
    let data = all(&instructions, "VOLUME")[0];
    for variable in ["ID_NODE_DATA_DIR", "ID_CLI_DATA_DIR"] {
        let set = format!("{variable}={data}");
        assert!(all(&instructions, "ENV").iter().any(|env| env.contains(&set)), "{set}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_finds_a_node_healthy_in_whichever_network_and_its_absence_not() {
    let check = health_check(&instructions());
    let [program, args @ ..] = &check[..] else { panic!("{check:?}") };
    assert_eq!(program, "id-cli");
    let run = |data_dir: &Path| {
        let mut command = support::id_cli(data_dir, args);
        command.env("ID_CLI_DATA_DIR", data_dir);
        support::run(command)
    };
    for network in [Network::public(), Network::derive("office", "hunter2-hunter2").unwrap()] {
        let nodes = Nodes::start(1, &network).await;
        let checked = run(nodes.data_dir.path());
        assert_eq!(checked.code, Some(0), "{}", checked.err);
        nodes.stop().await;
    }
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(run(empty.path()).code, Some(5));
}

//! What a package holds besides the program.

use std::{fs, process::Command};

use crate::lab::id_node;

#[tokio::test]
async fn completions_are_printed_for_every_shell_and_bash_takes_them() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["elvish", "fish", "powershell", "zsh", "bash"] {
        let ended = id_node().args(["completions", shell]).run().await;
        ended.assert_code(0);
        assert!(ended.stdout.contains("announce-interval") && ended.stderr.is_empty(), "{ended}");
        fs::write(home.path().join("script"), ended.stdout).unwrap();
    }
    let mut bash = Command::new("bash");
    let complete = r#"
        source ./script && complete -p id-node || exit 1
        COMP_WORDS=(id-node completions fi) COMP_CWORD=2
        "$(complete -p id-node | sed 's/.*-F \([^ ]*\).*/\1/')" id-node fi completions && echo "${COMPREPLY[@]}"
    "#;
    bash.args(["--norc", "-c", complete]).current_dir(home.path());
    match bash.output() {
        Ok(ended) => assert!(ended.stdout.ends_with(b"id-node\nfish\n"), "{ended:?}"),
        Err(error) => eprintln!("SKIPPED: there is no bash: {error}"),
    }
}

#[tokio::test]
async fn manual_page_tells_every_flag_and_no_secret() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("made/man1");
    let man = id_node().args(["man", dir.to_str().unwrap()]);
    man.env("ID_NODE_TOPIC_SECRET", "hunter2").run().await.assert_code(0);
    let page = fs::read_to_string(dir.join("id-node.1")).unwrap();
    let help = id_node().arg("--help").run().await.stdout;
    let flags = help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 3);
    for flag in flags {
        let name = flag.trim_start_matches('-').split(|c: char| !(c.is_alphanumeric() || c == '-'));
        // As a manual page writes a hyphen.
        let name = name.into_iter().next().unwrap().replace('-', "\\-");
        assert!(page.contains(&name), "{flag}: {page}");
    }
    assert!(!page.contains("hunter2"));
}

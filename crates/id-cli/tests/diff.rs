//! `id-cli diff`, as scripts call it.

mod support;

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use support::{Ended, id_cli};
use tempfile::TempDir;

/// Files to compare.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: impl ToString) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content.to_string()).unwrap();
        path
    }

    fn diff(&self, args: &[&str]) -> Ended {
        let paths = args.iter().map(|arg| match arg.starts_with('-') {
            true => (*arg).to_owned(),
            false => self.0.path().join(arg).to_str().unwrap().to_owned(),
        });
        support::run(id_cli(self.0.path(), std::iter::once("diff".to_owned()).chain(paths)))
    }
}

fn peer(digit: char, name: &str, status: &str) -> Value {
    let node_id = digit.to_string().repeat(64);
    json!({"node_id": node_id, "name": name, "status": status, "age_secs": 4.2})
}

fn document(peers: &[Value], edges: &[(char, char)]) -> Value {
    let edges = edges.iter().map(|(a, b)| [a, b].map(|digit| digit.to_string().repeat(64)));
    json!({
        "format_version": "1.0",
        "generated_at": "2025-11-20T10:00:04Z",
        "network": {"tag": "ab".repeat(16)},
        "crawl": {"source": "rpc", "depth": -1, "complete": true},
        "peers": peers,
        "edges": edges.collect::<Vec<_>>(),
    })
}

fn two() -> Files {
    let files = Files::new();
    let stays = peer('a', "ash", "answered");
    let a = [stays.clone(), peer('b', "birch", "answered"), peer('c', "cedar", "answered")];
    let b =
        [stays, peer('b', "birch", "failed"), peer('d', "\x1b[31md\u{202e}og\n+ x", "answered")];
    files.write("a.json", document(&a, &[('a', 'b'), ('b', 'c')]));
    files.write("b.json", document(&b, &[('a', 'b'), ('a', 'd')]));
    files
}

#[test]
fn same_crawl_is_code_0_and_says_nothing() {
    let ended = two().diff(&["a.json", "a.json"]);
    assert_eq!((ended.code, &*ended.out, &*ended.err), (Some(0), "", ""));
}

#[test]
fn difference_is_code_1_and_a_line_each() {
    let ended = two().diff(&["a.json", "b.json"]);
    assert_eq!((ended.code, &*ended.err), (Some(1), ""));
    let expected = "\
- cccccccccc  cedar
+ dddddddddd  \u{fffd}[31md\u{fffd}og\u{fffd}+ x
~ bbbbbbbbbb  birch  status: answered -> failed
- bbbbbbbbbb -> cccccccccc
+ aaaaaaaaaa -> dddddddddd
";
    assert_eq!(ended.out, expected);
}

#[test]
fn json_says_the_same_with_whole_ids() {
    let ended = two().diff(&["a.json", "b.json", "--json"]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(!ended.out.contains(['\x1b', '\u{202e}']), "{}", ended.out);
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    let id = |digit: &str| digit.repeat(64);
    assert_eq!(document["same"], false);
    assert_eq!(document["came"][0]["node_id"], id("d"));
    assert_eq!(
        document["went"],
        json!([{"node_id": id("c"), "name": "cedar", "status": "answered"}])
    );
    let changes = json!({"status": {"from": "answered", "to": "failed"}});
    assert_eq!(document["changed"][0]["changes"], changes);
    assert_eq!(document["edges"]["came"], json!([[id("a"), id("d")]]));
    assert_eq!(document["edges"]["went"], json!([[id("b"), id("c")]]));
    assert_eq!(document["b"]["known"], 3);

    let same = two().diff(&["a.json", "a.json", "--json"]);
    assert_eq!(same.code, Some(0));
    assert_eq!(serde_json::from_str::<Value>(&same.out).unwrap()["same"], true);
}

#[test]
fn trouble_is_code_2_and_names_the_file() {
    let files = two();
    files.write("torn.json", &document(&[], &[]).to_string()[..40]);
    files.write(
        "lines.json",
        "{\"type\":\"version\",\"format_version\":\"1.0\"}\n{\"type\":\"peer\"}\n",
    );
    files.write("later.json", json!({"format_version": "2.0"}));
    let mut elsewhere = document(&[], &[]);
    elsewhere["network"]["tag"] = "cd".repeat(16).into();
    files.write("elsewhere.json", elsewhere);
    fs::create_dir(files.0.path().join("dir.json")).unwrap();
    let cases = [
        ("missing.json", "missing.json"),
        ("dir.json", "dir.json"),
        ("torn.json", "torn.json"),
        ("lines.json", "lines.json"),
        ("later.json", "format_version is 2.0"),
        ("elsewhere.json", "different networks"),
    ];
    for (file, says) in cases {
        for args in [["a.json", file], [file, "a.json"]] {
            let ended = files.diff(&args);
            assert_eq!((ended.code, &*ended.out), (Some(2), ""), "{file}");
            assert!(ended.err.starts_with("error: ") && ended.err.contains(says), "{}", ended.err);
        }
    }
    assert_eq!(files.diff(&["a.json"]).code, Some(2));
}

#[test]
fn crawl_that_was_stopped_is_warned_of_and_compared_all_the_same() {
    let files = two();
    let mut stopped = document(&[], &[]);
    stopped["crawl"]["complete"] = false.into();
    files.write("stopped.json", stopped);
    let ended = files.diff(&["a.json", "stopped.json"]);
    assert_eq!((ended.code, ended.out.lines().count()), (Some(1), 5));
    assert!(ended.err.starts_with("warning: the second crawl was stopped early"), "{}", ended.err);
}

#[test]
fn file_that_is_too_long_is_not_read() {
    let files = two();
    // It takes no room on the disk.
    let long = files.write("long.json", "");
    fs::File::options().write(true).open(long).unwrap().set_len(400 << 20).unwrap();
    let ended = files.diff(&["a.json", "long.json"]);
    assert_eq!((ended.code, &*ended.out), (Some(2), ""));
    assert!(ended.err.contains("long.json: it is longer than 320 MiB"), "{}", ended.err);
}

#[cfg(unix)]
#[test]
fn reader_that_leaves_early_still_gets_the_code() {
    let files = two();
    let path = |name: &str| files.0.path().join(name).to_str().unwrap().to_owned();
    let mut command = id_cli(files.0.path(), ["diff".to_owned(), path("a.json"), path("b.json")]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).stderr(std::process::Stdio::piped()).output().unwrap();
    let ended = support::ended(output);
    assert_eq!((ended.code, &*ended.err), (Some(1), ""));
}

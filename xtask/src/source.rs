//! Finds words in Rust sources, in code only: comments and test modules may say what they like.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

/// Every Rust file of `room`, a file or a directory, but none that holds only tests. Sorted.
pub(crate) fn rust_files(room: &Path) -> Result<Vec<PathBuf>> {
    if room.is_file() {
        return Ok(vec![room.to_owned()]);
    }
    let entries = fs::read_dir(room)?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|ext| ext == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    Ok(files)
}

/// The numbers of the lines whose code holds `word`, counted from one.
pub(crate) fn lines_with(text: &str, word: &str) -> Vec<usize> {
    code(text).filter(|(_, line)| holds(line, word)).map(|(number, _)| number).collect()
}

/// The lines without comments, up to the test module, which by our style is the end.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end].lines().enumerate().map(|(index, line)| (index + 1, without_comment(line)))
}

fn without_comment(line: &str) -> &str {
    // What follows a colon is a URL in a string.
    let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
    comment.map_or(line, |(at, _)| &line[..at])
}

/// Whether `word` is in `line` and isn't part of a longer one.
fn holds(line: &str, word: &str) -> bool {
    let in_identifier = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(in_identifier) && !after.is_some_and(in_identifier)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_is_found_with_its_line() {
        assert_eq!(lines_with("use std::fs;\nuse tokio::time;\n", "tokio"), [2]);
    }

    #[test]
    fn part_of_a_longer_word_is_not_the_word() {
        assert!(lines_with("use tokio_util::codec;\neprintln!();\n", "tokio").is_empty());
        assert!(lines_with("eprintln!()", "println!").is_empty());
        assert_eq!(lines_with("println!(\"\")", "println!"), [1]);
    }

    #[test]
    fn comments_and_tests_may_say_it() {
        let text =
            "//! No tokio.\nfn a() {} // nor tokio\n#[cfg(test)]\nmod tests {\nuse tokio;\n}";
        assert!(lines_with(text, "tokio").is_empty());
    }

    #[test]
    fn what_follows_a_url_is_code() {
        assert_eq!(lines_with("let u = \"http://a\"; println!(\"{u}\");", "println!"), [1]);
    }
}

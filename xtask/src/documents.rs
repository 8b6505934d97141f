//! Keeps the documents true: what README says of Rust and of the library, where links lead, and
//! which documents the programs speak of.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{project::Project, source};

/// The program whose marked part README shows.
const EXAMPLE: &str = "crates/id-client/examples/list_peers.rs";
const EXAMPLE_START: &str = "// readme:begin";
const EXAMPLE_END: &str = "// readme:end";

/// Where README names another Rust than Cargo.toml, or none.
pub(crate) fn rust_version(project: &Project) -> Result<Vec<String>> {
    let named = rust_versions(&read(project, "README.md")?);
    if named.is_empty() {
        return Ok(vec!["README.md names no version of Rust".to_owned()]);
    }
    let promised = &project.rust_version;
    let wrong = named.into_iter().filter(|version| version != promised);
    Ok(wrong.map(|version| format!("README.md says {version}, Cargo.toml {promised}")).collect())
}

/// Whether README's first block of Rust differs from the example that it is a copy of.
pub(crate) fn example(project: &Project) -> Result<Vec<String>> {
    let readme = read(project, "README.md")?;
    let example = read(project, EXAMPLE)?;
    let shown = between(&readme, "```rust\n", "```").context("README.md has no block of Rust")?;
    let marked = between(&example, EXAMPLE_START, EXAMPLE_END)
        .with_context(|| format!("{EXAMPLE} has no `{EXAMPLE_START}` and `{EXAMPLE_END}`"))?;
    let differs = unindented(shown) != unindented(marked);
    Ok(differs.then(|| format!("README.md's block isn't that of {EXAMPLE}")).into_iter().collect())
}

/// Links between documents to files, or to headings of them, that don't exist.
pub(crate) fn dead_links(project: &Project) -> Result<Vec<String>> {
    let mut dead = Vec::new();
    for document in documents(project)? {
        let text = fs::read_to_string(&document)?;
        let missing = links(&text).filter(|link| !leads_somewhere(&document, link));
        let name = document.strip_prefix(&project.root)?.display();
        dead.extend(missing.map(|link| format!("{name} links to {link}, which isn't there")));
    }
    Ok(dead)
}

/// What is in docs/, and its index doesn't lead to.
pub(crate) fn unlisted(project: &Project) -> Result<Vec<String>> {
    let index = read(project, "docs/README.md")?;
    let names = fs::read_dir(project.root.join("docs"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    let unlisted = not_linked(&index, &names).into_iter();
    Ok(unlisted.map(|name| format!("docs/README.md doesn't lead to {name}")).collect())
}

/// Those of `names` that are neither linked to in the index of their directory nor the index itself.
fn not_linked<'a>(index: &str, names: &'a [String]) -> Vec<&'a str> {
    let listed: BTreeSet<_> = links(index).map(|link| link.trim_end_matches('/')).collect();
    let is_missing = |name: &&str| *name != "README.md" && !listed.contains(name);
    names.iter().map(String::as_str).filter(is_missing).collect()
}

/// Whether there is what `link` in `document` names: a file, and in a document the heading.
fn leads_somewhere(document: &Path, link: &str) -> bool {
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let file = match file {
        "" => document.to_owned(),
        file => document.with_file_name(file),
    };
    let is_document = file.extension().is_some_and(|ext| ext == "md");
    if heading.is_empty() || !is_document {
        return file.exists();
    }
    fs::read_to_string(file).is_ok_and(|text| anchors(&text).any(|anchor| anchor == heading))
}

/// By which names a Markdown document's headings are linked to.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let mut is_code = false;
    let prose = text.lines().filter(move |line| {
        is_code ^= line.trim_start().starts_with("```");
        !is_code
    });
    let heading = |line: &str| line.strip_prefix('#').map(|rest| anchor(rest.trim_matches('#')));
    prose.filter_map(heading)
}

fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || "-_ ".contains(*c);
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(kept)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Documents that the code, a help text for instance, sends its reader to, and that don't exist.
pub(crate) fn unwritten(project: &Project) -> Result<Vec<String>> {
    let mut unwritten = Vec::new();
    for path in source::rust_files(&project.root.join("crates"))? {
        let text = fs::read_to_string(&path)?;
        let missing = named_documents(&text).filter(|name| !project.root.join(name).exists());
        let name = path.strip_prefix(&project.root)?.display();
        unwritten.extend(missing.map(|document| format!("{name} speaks of {document}")));
    }
    Ok(unwritten)
}

/// Every `docs/name.ext` in the text.
fn named_documents(text: &str) -> impl Iterator<Item = &str> {
    let of_name = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
    let names = text.match_indices("docs/").map(move |(at, _)| {
        let rest = &text[at..];
        rest[..rest.find(|c| !of_name(c)).unwrap_or(rest.len())].trim_end_matches('.')
    });
    names.filter(|name| name.ends_with(".md") || name.ends_with(".json"))
}

fn documents(project: &Project) -> Result<Vec<PathBuf>> {
    let is_document = |path: &PathBuf| path.extension().is_some_and(|ext| ext == "md");
    let mut documents = Vec::new();
    for dir in ["", "docs", "examples"].map(|dir| project.root.join(dir)) {
        let paths = fs::read_dir(&dir)?.filter_map(Result::ok).map(|entry| entry.path());
        documents.extend(paths.filter(is_document));
    }
    documents.sort();
    Ok(documents)
}

/// The targets of Markdown's inline links that are files and headings: no URL.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://"))
}

/// Every version in phrases like `Rust 1.91`.
fn rust_versions(text: &str) -> Vec<String> {
    let after = text.split("Rust ").skip(1);
    let version = |rest: &str| -> String {
        let of_version = |c: char| c.is_ascii_digit() || c == '.';
        let end = rest.find(|c| !of_version(c)).unwrap_or(rest.len());
        rest[..end].trim_end_matches('.').to_owned()
    };
    after.map(version).filter(|version| !version.is_empty()).collect()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}

/// The lines without blank ones around them and without what all of them are indented by.
fn unindented(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let is_blank = |line: &&str| line.is_empty();
    let indent = lines.iter().filter(|line| !is_blank(line)).map(|line| indent(line)).min();
    let start = lines.iter().take_while(|line| is_blank(line)).count();
    let end = lines.len() - lines.iter().rev().take_while(|line| is_blank(line)).count();
    let inner = lines.get(start..end).unwrap_or_default();
    inner.iter().map(|line| line.get(indent.unwrap_or(0)..).unwrap_or_default()).collect()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn read(project: &Project, path: &str) -> Result<String> {
    let path: &Path = &project.root.join(path);
    fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_rust_are_found_in_prose() {
        assert_eq!(
            rust_versions("Rust 1.91 or later. Rust is nice. (Rust 1.92.)"),
            ["1.91", "1.92"]
        );
    }

    #[test]
    fn block_equals_the_example_at_another_indentation() {
        let shown = "let a = 1;\nif a {\n    b();\n}\n";
        let marked = "\n    let a = 1;\n    if a {\n        b();\n    }\n    ";
        assert_eq!(unindented(shown), unindented(marked));
        assert_ne!(unindented(shown), unindented("let a = 2;"));
    }

    #[test]
    fn only_links_to_files_and_headings_are_followed() {
        let text = "[a](docs/a.md#part) [b](https://example.org/b.md) [c](#here) [d](d.md)";
        assert_eq!(links(text).collect::<Vec<_>>(), ["docs/a.md#part", "#here", "d.md"]);
    }

    #[test]
    fn what_the_index_does_not_link_to_is_found() {
        let names = ["README.md", "a.md", "pictures", "b.md"].map(str::to_owned);
        let index = "[a](a.md#part), [pictures](pictures/), [b](../b.md), b.md";
        assert_eq!(not_linked(index, &names), ["a.md", "b.md"]);
        assert_eq!(not_linked("[a](a.md) [p](pictures/) [b](b.md)", &names), [""; 0]);
    }

    #[test]
    fn heading_is_named_as_its_words_without_marks() {
        let text = "# Why isn't `id-cli` there?\n```sh\n# no heading\n```\n### Next\nword\n";
        assert_eq!(anchors(text).collect::<Vec<_>>(), ["why-isnt-id-cli-there", "next"]);
    }

    #[test]
    fn link_leads_to_a_file_and_to_a_heading_that_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let [from, to] = ["from.md", "to.md"].map(|name| dir.path().join(name));
        fs::write(&from, "# Here\n").unwrap();
        fs::write(&to, "# There\n").unwrap();
        for link in ["to.md", "to.md#there", "#here", "."] {
            assert!(leads_somewhere(&from, link), "{link}");
        }
        for link in ["gone.md", "to.md#here", "#there", "gone.md#there"] {
            assert!(!leads_somewhere(&from, link), "{link}");
        }
    }

    #[test]
    fn documents_that_the_code_names_are_found() {
        let text = "/// See docs/a.md. And `docs/b.schema.json`, but docs/ alone is a directory.";
        assert_eq!(named_documents(text).collect::<Vec<_>>(), ["docs/a.md", "docs/b.schema.json"]);
    }
}

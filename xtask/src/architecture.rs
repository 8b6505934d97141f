//! The rules of docs/architecture.md that a program can check.
//!
//! Most are absences, so a rule about a room that isn't there is broken, not kept: otherwise a
//! renamed file would take its rule away.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    documents,
    project::{Project, capture, pass},
    source,
};

/// Checks only the rules of docs/architecture.md that a program can check.
#[derive(Debug, Args)]
pub(crate) struct Architecture {}

impl Architecture {
    /// Prints each rule and who breaks it.
    pub(crate) fn run(&self, project: &Project) -> Result<()> {
        check(project)
    }
}

/// Words that are banned from the code of some rooms.
struct Ban {
    rule: &'static str,
    rooms: &'static [&'static str],
    except: &'static [&'static str],
    words: &'static [&'static str],
}

const CLOCKS: &[&str] = &["Instant::now", "SystemTime::now"];

const BANS: &[Ban] = &[
    Ban {
        rule: "id-proto does no I/O and reads no clock",
        rooms: &["crates/id-proto/src"],
        except: &[],
        words: &["Instant::now", "SystemTime::now", "fs", "UdpSocket", "TcpStream", "tokio"],
    },
    Ban {
        rule: "the table and the crawl are functions of their inputs",
        rooms: &[
            "crates/id-node/src/membership",
            "crates/id-node/src/blobs/holdings.rs",
            "crates/id-client/src/crawl/state.rs",
            "crates/id-client/src/crawl/state",
        ],
        except: &[],
        words: &["tokio", "n0_future", CLOCKS[0], CLOCKS[1], "rand::rng", "rand::random"],
    },
    Ban {
        rule: "a document is a function of what is known",
        rooms: &["crates/id-render/src"],
        except: &[],
        words: &["tokio", "fs", CLOCKS[0], CLOCKS[1], "stdout", "stderr"],
    },
    Ban {
        rule: "only the binaries create an endpoint",
        rooms: &["crates/id-proto/src", "crates/id-client/src", "crates/id-node/src"],
        except: &["crates/id-node/src/main.rs", "crates/id-node/src/endpoint.rs"],
        words: &["Endpoint::builder", "Endpoint::bind"],
    },
    Ban {
        rule: "no channel is unbounded",
        rooms: &["crates"],
        except: &[],
        words: &["unbounded_channel", "unbounded"],
    },
    Ban {
        rule: "hostile roles have none of our own manners",
        rooms: &["crates/id-adversary/src"],
        except: &["crates/id-adversary/src/bin/id-prober.rs"],
        words: &["id_client"],
    },
    Ban {
        rule: "hostile roles dial through the guard",
        rooms: &["crates/id-adversary/src"],
        except: &["crates/id-adversary/src/persona.rs", "crates/id-adversary/src/bin/id-prober.rs"],
        words: &["Endpoint::builder", "Endpoint::bind"],
    },
    Ban {
        rule: "libraries don't print",
        rooms: &[
            "crates/id-proto/src",
            "crates/id-client/src",
            "crates/id-render/src",
            "crates/id-node/src",
        ],
        except: &["crates/id-node/src/main.rs"],
        words: &["println!", "print!", "eprintln!", "eprint!", "dbg!"],
    },
];

/// Crates that are banned from below another.
struct Wall {
    rule: &'static str,
    package: &'static str,
    features: &'static [&'static str],
    banned: &'static [&'static str],
}

const WALLS: &[Wall] = &[
    Wall {
        rule: "id-proto is small",
        package: "id-proto",
        features: &["--no-default-features"],
        banned: &["iroh", "tokio", "quinn", "noq", "irpc"],
    },
    Wall {
        rule: "id-client pulls neither daemon nor DHT nor web server",
        package: "id-client",
        features: &[],
        banned: &[
            "id-node",
            "distributed-topic-tracker",
            "mainline",
            "iroh-gossip",
            "axum",
            "clap",
        ],
    },
    Wall {
        rule: "documents need neither a node nor a terminal",
        package: "id-render",
        features: &["--all-features"],
        banned: &["id-node", "id-cli", "axum", "clap", "comfy-table"],
    },
    Wall {
        rule: "no program that is shipped counts its allocations for the fuzzer",
        package: "id-cli",
        features: &["--all-features"],
        banned: &["id-fuzz", "allocation-counter"],
    },
    Wall {
        rule: "the adversary is made of nothing of the node's",
        package: "id-adversary",
        features: &[],
        banned: &["id-node", "id-cli"],
    },
];

/// Two versions of one of these would be two types, two protocols or two rules of what is signed.
const SINGLE: &[&str] = &["iroh", "iroh-base", "irpc", "ed25519-dalek"];

const WASM: &str = "wasm32-unknown-unknown";
const NO_OS: &str = "id-proto builds without an operating system";

/// Prints each rule and who breaks it; fails if any is broken.
pub(crate) fn check(project: &Project) -> Result<()> {
    let mut n_broken = 0;
    let mut verdict = |rule: &str, broken_by: Result<Vec<String>>| {
        let broken_by = broken_by.unwrap_or_else(|error| vec![format!("{error:#}")]);
        println!("{:<7} {rule}", if broken_by.is_empty() { "holds" } else { "BROKEN" });
        broken_by.iter().for_each(|who| println!("          {who}"));
        n_broken += usize::from(!broken_by.is_empty());
    };
    for ban in BANS {
        verdict(ban.rule, who_says(project, ban));
    }
    for wall in WALLS {
        verdict(wall.rule, who_is_below(project, wall));
    }
    verdict("one version of each crate whose types or rules we share", twice_locked(project));
    match has_target(WASM) {
        true => verdict(NO_OS, wasm(project)),
        false => println!("SKIPPED {NO_OS}: {WASM} is missing (rustup target add {WASM})"),
    }
    verdict("docs/protocol.md exists", missing(project, "docs/protocol.md"));
    verdict("README names the Rust that Cargo.toml promises", documents::rust_version(project));
    verdict("README shows a library example that compiles", documents::example(project));
    verdict("links between documents lead somewhere", documents::dead_links(project));
    verdict("docs/README.md leads to every document", documents::unlisted(project));
    verdict("the documents that the code names are written", documents::unwritten(project));
    match n_broken {
        0 => Ok(()),
        _ => bail!("{n_broken} rules are broken"),
    }
}

fn who_says(project: &Project, ban: &Ban) -> Result<Vec<String>> {
    let mut broken_by = Vec::new();
    for room in ban.rooms {
        for path in source::rust_files(&project.root.join(room)).context(*room)? {
            let name = path.strip_prefix(&project.root)?.display().to_string();
            if ban.except.contains(&name.as_str()) || is_outside_src(&name) {
                continue;
            }
            broken_by.extend(banned_words(&name, &fs::read_to_string(&path)?, ban.words));
        }
    }
    Ok(broken_by)
}

/// Tests, examples and benches of a crate are programs of their own.
fn is_outside_src(name: &str) -> bool {
    !name.split('/').any(|part| part == "src")
}

fn banned_words(name: &str, text: &str, words: &[&str]) -> Vec<String> {
    let found = |word: &&str| {
        let word = (*word).to_owned();
        source::lines_with(text, &word)
            .into_iter()
            .map(move |number| format!("{name}:{number} says {word}"))
    };
    words.iter().flat_map(found).collect()
}

fn who_is_below(project: &Project, wall: &Wall) -> Result<Vec<String>> {
    let mut tree = project.cargo(["tree", "--edges", "normal", "--prefix", "none"]);
    tree.args(["--format", "{p}", "--package", wall.package]).args(wall.features);
    let below = first_words(&capture(&mut tree)?);
    let banned = wall.banned.iter().filter(|name| below.contains(**name));
    Ok(banned.map(|name| format!("{} depends on {name}", wall.package)).collect())
}

fn first_words(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn twice_locked(project: &Project) -> Result<Vec<String>> {
    let lock = fs::read_to_string(project.root.join("Cargo.lock")).context("no Cargo.lock")?;
    let wrong = SINGLE.iter().map(|name| (name, n_versions(&lock, name))).filter(|(_, n)| *n != 1);
    Ok(wrong.map(|(name, n)| format!("Cargo.lock holds {n} versions of {name}")).collect())
}

fn n_versions(lock: &str, name: &str) -> usize {
    let line_of_package = format!("name = \"{name}\"");
    lock.lines().filter(|line| *line == line_of_package).count()
}

fn missing(project: &Project, path: &str) -> Result<Vec<String>> {
    let is_missing = !project.root.join(path).is_file();
    Ok(is_missing.then(|| format!("there is no {path}")).into_iter().collect())
}

fn wasm(project: &Project) -> Result<Vec<String>> {
    let check = ["check", "--quiet", "--package", "id-proto", "--lib", "--target", WASM];
    pass(&mut project.cargo(check))?;
    Ok(Vec::new())
}

fn has_target(target: &str) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = std::process::Command::new(rustc);
    command.args(["--print", "target-libdir", "--target", target]);
    capture(&mut command).is_ok_and(|dir| Path::new(dir.trim()).is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banned_word_is_named_with_its_place() {
        let found = banned_words("a.rs", "fn f() {\n    let now = Instant::now();\n}", CLOCKS);
        assert_eq!(found, ["a.rs:2 says Instant::now"]);
    }

    #[test]
    fn tests_and_examples_are_programs_of_their_own() {
        assert!(is_outside_src("crates/id-client/examples/list_peers.rs"));
        assert!(!is_outside_src("crates/id-client/src/lib.rs"));
    }

    #[test]
    fn versions_are_counted_by_the_whole_name() {
        let lock = "[[package]]\nname = \"iroh\"\n[[package]]\nname = \"iroh-base\"\n";
        assert_eq!(n_versions(lock, "iroh"), 1);
        assert_eq!(n_versions(lock, "irpc"), 0);
    }

    #[test]
    fn tree_is_read_by_package_name() {
        let names = first_words("id-proto v0.1.0 (/somewhere)\niroh-base v1.4.1\n");
        assert!(names.contains("iroh-base") && !names.contains("iroh"));
    }
}

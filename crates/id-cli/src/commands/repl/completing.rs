//! What a line can go on with, as a function of what is typed, of the commands' definitions and of the
//! nodes that are known.

use clap::{Arg, Command};

use super::known::{Known, MARK};

/// Between words, as shlex splits them.
const SEPARATORS: [char; 2] = [' ', '\t'];

/// What may stand where the cursor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// As it is shown; harmless in a terminal.
    pub(super) shown: String,
    /// As it is typed.
    pub(super) typed: String,
}

/// What the word at the end of `line` can be, and where it begins. None inside quotes: there nothing
/// that we complete belongs.
pub(super) fn complete(line: &str, line_is: &Command, known: &Known) -> (usize, Vec<Candidate>) {
    let start = line.rfind(SEPARATORS).map_or(0, |at| at + 1);
    let (before, word) = line.split_at(start);
    let is_comment = before.split(SEPARATORS).any(|word| word.starts_with('#'));
    let found = match shlex::split(before).filter(|_| !is_comment) {
        Some(words) if !word.contains(['\'', '"', '\\', '#']) => {
            candidates(&words, word, line_is, known)
        }
        _ => Vec::new(),
    };
    (start, found)
}

fn candidates(words: &[String], word: &str, line_is: &Command, known: &Known) -> Vec<Candidate> {
    let Some((first, rest)) = words.split_first() else {
        return plain(commands(line_is), word);
    };
    if first == "help" {
        return plain(commands(line_is), word);
    }
    let Some(command) = line_is.find_subcommand(first) else {
        return Vec::new();
    };
    let awaited = rest.last().and_then(|flag| flag_of(command, flag)).filter(|flag| takes(flag));
    match awaited {
        Some(flag) if is_node(flag) => nodes(known, word),
        Some(flag) => plain(values(flag), word),
        None if word.starts_with('-') => plain(flags(command), word),
        None if command.get_positionals().any(is_node) => nodes(known, word),
        None => Vec::new(),
    }
}

fn commands(line_is: &Command) -> impl Iterator<Item = String> {
    let shown = line_is.get_subcommands().filter(|command| !command.is_hide_set());
    shown
        .flat_map(|command| [command.get_name()].into_iter().chain(command.get_visible_aliases()))
        .map(str::to_owned)
        .chain(["help".to_owned()])
}

fn flags(command: &Command) -> impl Iterator<Item = String> {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let long = shown.filter_map(|arg| arg.get_long()).map(|long| format!("--{long}"));
    long.chain(["--help".to_owned()])
}

fn flag_of<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let long = word.strip_prefix("--");
    let short = word.strip_prefix('-').filter(|short| short.chars().count() == 1);
    command.get_arguments().find(|arg| {
        let is_long = long.is_some() && arg.get_long() == long;
        is_long || short.is_some_and(|short| arg.get_short() == short.chars().next())
    })
}

/// Whether its value is a word of its own.
fn takes(flag: &Arg) -> bool {
    flag.get_action().takes_values() && !flag.is_require_equals_set()
}

fn values(flag: &Arg) -> impl Iterator<Item = String> {
    flag.get_possible_values().into_iter().map(|value| value.get_name().to_owned())
}

fn is_node(arg: &Arg) -> bool {
    let names = arg.get_value_names().unwrap_or_default();
    names.iter().any(|name| ["NODE", "NODE|local", "PEER,…"].contains(&name.as_str()))
}

/// Nodes are typed with their mark, but are found without it, too.
fn nodes(known: &Known, word: &str) -> Vec<Candidate> {
    let bare = word.strip_prefix(MARK).unwrap_or(word);
    let all = known.words().map(|(typed, shown)| Candidate { shown, typed });
    let mut all: Vec<_> = all.filter(|it| it.typed[MARK.len_utf8()..].starts_with(bare)).collect();
    all.sort_by(|a, b| a.typed.cmp(&b.typed));
    all
}

fn plain(all: impl Iterator<Item = String>, word: &str) -> Vec<Candidate> {
    let mut fitting: Vec<_> = all.filter(|it| it.starts_with(word)).collect();
    fitting.sort();
    fitting.dedup();
    fitting.into_iter().map(|it| Candidate { shown: it.clone(), typed: it }).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::{cli::Line, output::samples};

    fn typed(line: &str) -> Vec<String> {
        let mut known = Known::default();
        known.learn(&id_client::id_proto::Network::public(), &samples::partial());
        let (start, found) = complete(line, &Line::command(), &known);
        assert!(found.is_empty() || line.is_char_boundary(start));
        found.into_iter().map(|candidate| candidate.typed).collect()
    }

    #[test]
    fn first_word_is_a_command() {
        let all = typed("");
        for command in ["peers", "status", "whoami", "quit", "exit", "help", "watch", "explain"] {
            assert!(all.contains(&command.to_owned()), "{command}: {all:?}");
        }
        assert!(!all.contains(&"repl".to_owned()), "{all:?}");
        assert_eq!(typed("st"), ["status"]);
        assert_eq!(typed("  st"), ["status"]);
        assert_eq!(typed("help pi"), ["ping"]);
        assert_eq!(typed("nonsense "), [""; 0]);
    }

    #[test]
    fn flags_are_those_of_the_command() {
        assert_eq!(typed("peers --max"), ["--max-peers"]);
        assert_eq!(typed("whoami --js"), ["--json"]);
        assert_eq!(typed("status --max"), [""; 0]);
        assert!(typed("peers @ash --").len() > 20);
    }

    #[test]
    fn value_of_a_flag_is_one_that_the_flag_takes() {
        assert_eq!(typed("peers --format js"), ["json", "jsonl"]);
        assert_eq!(typed("peers --progress "), ["auto", "bar", "none", "plain"]);
        assert_eq!(typed("peers --depth "), [""; 0]);
        assert_eq!(typed("peers --bootstrap @b"), ["@birch"]);
        // A switch takes no value, so here may be a node.
        assert_eq!(typed("peers --edges @b"), ["@birch"]);
    }

    #[test]
    fn node_is_completed_by_name_or_id_with_its_mark() {
        assert_eq!(typed("peers @"), ["@ash", "@birch", "@ca93ac1705", "@ed4928c628"]);
        assert_eq!(typed("peers @b"), ["@birch"]);
        assert_eq!(typed("ping bi"), ["@birch"]);
        assert_eq!(typed("explain @ed"), ["@ed4928c628"]);
        assert_eq!(typed("explain @ash --at @c"), ["@ca93ac1705"]);
        assert_eq!(typed("diff @"), [""; 0]);
    }

    #[test]
    fn nothing_is_completed_inside_quotes_and_comments() {
        for line in ["peers '", "peers \"@b", "peers 'a @b", "# pe", "peers #"] {
            assert_eq!(typed(line), [""; 0], "{line}");
        }
    }

    #[test]
    fn word_begins_where_it_is_replaced() {
        let known = Known::default();
        assert_eq!(complete("peers --for", &Line::command(), &known).0, 6);
        assert_eq!(complete("größe", &Line::command(), &known).0, 0);
        assert_eq!(complete("a\u{2003}b", &Line::command(), &known).0, 0, "one word in a shell");
    }
}
